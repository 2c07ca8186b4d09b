# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What remains of the answer of 2002?
#
# In June 2002 a receiver on Linux 2.4.3 got 0.9 Gbit/s of the 1.4 that were sent, and its owner suspected a copy. The
# thread named other suspects: the checksum, the prequeue and its ACKs, the driver, the longer receive path, the
# scheduler. Here the same question goes to four recordings of today's kernel (Linux 6.18, sender and receiver in two
# network namespaces of one virtual machine): which suspect costs what now, and what would a change give?
# **Answer: with small packets the work of each packet still comes first, with large ones waking another CPU; the copy
# costs only where it runs on the CPU that limits; checksum, prequeue and window are gone. The numbers follow, worked
# out here.**

# %%
import polars as pl
from IPython.display import Markdown

import zcanalysis as zc
from zcanalysis.cases import modern
from zcanalysis.cases.modern_suspects import speed_ups, suspects
from zcanalysis.charts.notebook_page import in_notebook

pl.Config(fmt_str_lengths=110, tbl_rows=60, tbl_cols=-1, float_precision=3, tbl_hide_dataframe_shape=True,
          tbl_hide_column_data_types=True)  # fmt: skip
in_notebook()  # charts need no network, also in an exported page

# %%
case = zc.case("modern")
tables = case.tables
words = {"Question": case.question, "Answer": case.answer, "How sure": case.sure, "Next": case.next_step}
Markdown("\n\n".join(f"**{head}.** {text}" for head, text in words.items()))

# %% [markdown]
# ## The four receivers
#
# `veth-1500` is the usual one: packets of 1500 bytes, RPS hands them to CPU 1, where the reader runs too. `veth-9000`
# is the same with larger packets, `veth-no-rps` the same without RPS, and `veth-gro` is that with GRO. The ceiling is
# what the sender's CPU could send were every stage of the receiver free; the limiting CPU is the one whose time is
# divided below.

# %%
tables[modern.HOSTS]

# %% [markdown]
# ## Who costs what
#
# Each bar is as long as the ceiling: dark is what arrived, the rest is what each suspect holds back, by its time on the
# limiting CPU. **A suspect that does its work on another CPU costs nothing here**: in three of the four the reader
# copies on a CPU that does not limit. The checksum has no colour because no sum is taken: a veth vouches for its
# packets, as a good card does.

# %%
lost = suspects(modern.answers())
zc.charts.suspects(lost, tables[modern.HOSTS])

# %% [markdown]
# The same in numbers, with who asked in 2002.

# %%
tables[modern.WIDE]

# %% [markdown]
# ## What if a suspect took less time?
#
# Move the slider. Each panel is a recording; the tick is its goodput, the dot what a replay gives where that suspect
# *alone* takes so much less time on every CPU. All points were replayed beforehand; the slider works without a kernel.
# Costing much and being worth fixing are not the same: time saved helps only until another CPU limits. Changes of a few
# per cent, also downwards, mean nothing: in a replay as on a machine, batches then fall differently.

# %%
speeds = speed_ups(modern.answers())
zc.charts.cheaper_suspects(speeds)

# %% [markdown]
# ## What each change of today gives, foretold and measured
#
# Ratios of goodput. Upper panel: these recordings, where another of them *is* the change, so that what is foretold can
# be held against it (recorded apart from each other, not in pairs). Lower panel: the cases of the shipped validation
# that applied such a change alone to other hosts, foretold before they were measured in pairs of runs.

# %%
own = tables[modern.MEASURED].select(
    pl.lit("these recordings").alias("where"), pl.format("{} on {}", "change", "recording").alias("name"),
    "ratio", "low", "high", "measured", "measured_low", "measured_high",
)  # fmt: skip
others = tables[modern.VALIDATED].select(
    pl.lit("validation, other hosts").alias("where"), pl.format("{} on {}", "change", "hosts").alias("name"),
    "ratio", "low", "high", "measured", "measured_low", "measured_high",
)  # fmt: skip
zc.charts.ratios(pl.concat([own, others]))

# %% [markdown]
# Everything that was asked, on the hosts that it can act on. `cases` counts the validation's measurements of the same
# change alone, `elsewhere_least` to `elsewhere_most` is what they gave: on *other* hosts, some of them held by a slow
# link, where nothing helps.

# %%
tables[modern.CHANGES]

# %% [markdown]
# And what cannot be asked. Zero-copy receive needs payload in whole pages: 4148 is the MTU that gives it. It was not
# measured here.

# %%
tables[modern.UNASKED]

# %% [markdown]
# ## Prices then and now
#
# Nanoseconds; `times` is how much cheaper. Of 2002 a sum, and a copy that sums, were published; the rest is assumed
# within wide bounds. Those of now are CPU samples over counted uses. A byte became cheaper by far more than an
# interrupt, a wake-up or a call did: in a virtual machine these are dear, and worth being paid seldom.

# %%
tables[modern.PRICES]

# %% [markdown]
# All CPU time of the receive path over the payload received, by what it follows: the payload itself, packets, or
# batches (interrupts, polls, wake-ups, calls).

# %%
tables[modern.BYTE]

# %% [markdown]
# ## What went in, and from where

# %%
with pl.Config(fmt_str_lengths=230):
    display(case.assumptions)  # noqa: F821 - IPython's

# %% [markdown]
# ## The headline, checked

# %%
for name, row in zip(modern.RECORDINGS, tables[modern.HOSTS].to_dicts(), strict=True):
    assert abs(tables[modern.WIDE][name].sum() - row["gap_gbps"]) < 1e-9
copied = modern.parts_of(tables[modern.WIDE], modern.COPY)
assert copied[modern.SHARED] > 0.2
assert [name for name, part in copied.items() if part == 0] == ["veth-9000", "veth-gro", "veth-no-rps"]
packets = modern.parts_of(tables[modern.WIDE], *modern.PACKET_WORK)
assert min(packets[name] for name in modern.RECORDINGS if name != modern.LARGE) > 0.5
assert tables[modern.MEASURED].filter(~pl.col("meets"))["change"].to_list() == ["mtu=9000"]
free = speeds.filter(recording=modern.SHARED, suspect=modern.COPY)["gbps"]
assert free[-1] > 1.2 * free[0]

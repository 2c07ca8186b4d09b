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

# %%
import polars as pl
from IPython.display import Markdown

import zcanalysis as zc
from zcanalysis.cases import modern
from zcanalysis.cases.modern_prices import CAI, COPY_PARTS, HOST_2002, QUADRICS
from zcanalysis.cases.modern_suspects import largest_fall, speed_ups, suspects
from zcanalysis.cases.pinned_buffers import published_table
from zcanalysis.charts.notebook_page import claims_hold, in_notebook
from zcanalysis.charts.notebook_words import conclusion_first

pl.Config(fmt_str_lengths=110, tbl_rows=60, tbl_cols=-1, float_precision=3, tbl_hide_dataframe_shape=True,
          tbl_hide_column_data_types=True)  # fmt: skip
case = zc.case("modern")
tables = case.tables
Markdown(f"""
# {case.question}

June 2002, linux-kernel: a receiver on Linux 2.4.3 got 0.9 Gbit/s of the 1.4 that were sent, and its owner suspected a
copy (notebook 11). The thread named other suspects: the checksum, the prequeue and its ACKs, the driver, the longer
receive path, the scheduler. Here four recordings of Linux {modern.answers()[modern.SHARED].recording.host.kernel} are
asked the same (`traces/veth-*`, sender and receiver in two network namespaces of one virtual machine).

**Answer.** {conclusion_first(case.answer)}

**How sure?** {conclusion_first(case.sure)}

**What to do next.** {case.next_step}
""")

# %%
in_notebook()  # charts need no network, also in an exported page

# %% [markdown]
# ## The four receivers
#
# `veth-1500` is the usual one: packets of 1500 bytes, RPS hands them to CPU 1, where the reader runs too. `veth-9000`
# is the same with larger packets, `veth-no-rps` the same without RPS, and `veth-gro` is that with GRO. Without RPS a
# veth has the packets received by the CPU that sent them, CPU 0.
#
# `low_gbps` to `high_gbps` is 90 % of the goodput. `ceiling_gbps` is what the sender could send were every stage of the
# receiver free (modelled), `gap_gbps` what is lacking to it: the suspects divide that. `limit` names who limits, `cpu`
# is the CPU whose time is divided, `busy` how busy it was, `sender_share` the part of its time that was the sender's
# own work. The interval of `veth-9000` holds its ceiling: there may be nothing to divide. It is drawn apart, and no
# figure of the Answer comes from it.

# %%
tables[modern.HOSTS]

# %% [markdown]
# ## Who costs what
#
# Each bar is as long as the ceiling: dark is what arrived, the rest is what each suspect holds back, by its time on the
# limiting CPU (point at a part for its 90 %). **A suspect that does its work on another CPU costs nothing here**: in
# two of these three the reader copies on a CPU that does not limit. The checksum has no colour because no sum is taken:
# a veth vouches for its packets, as a good card does.

# %%
lost = suspects(modern.answers())
steady = pl.col("recording").is_in(modern.STEADY)
zc.charts.suspects(lost.filter(steady), tables[modern.HOSTS].filter(steady))

# %% [markdown]
# The same of `veth-9000`, whose every interval begins at 0: what these data cannot divide.

# %%
zc.charts.suspects(lost.filter(~steady), tables[modern.HOSTS].filter(~steady))

# %%
Markdown(f"""
The same in numbers, Gbit/s, with who suspected it. *Work on each packet* is the sum of {", ".join(modern.PACKET_WORK)}.
0 is a suspect that costs nothing, a dash one that these recordings can neither convict nor clear (`remark`). Of
`{modern.LARGE}` these are middles only.
""")

# %%
tables[modern.WIDE]

# %% [markdown]
# ## What if a suspect took less time?
#
# Move the slider. Each panel is a recording, with a scale of its own that does not begin at 0; the tick is its goodput,
# the dot what a replay gives where that suspect *alone* takes so much less time on every CPU. All points were replayed
# beforehand; the slider works without a kernel. Costing much and being worth fixing are not the same: time saved helps
# only until another CPU limits.

# %%
speeds = speed_ups(modern.answers())
zc.charts.cheaper_suspects(speeds)

# %%
Markdown(f"""
Less work takes away up to {largest_fall(speeds):.0%} of the goodput in some replays, as batches then fall differently.
That is the noise: a gain as small means nothing either, such as that of the copy in `veth-9000`.
""")

# %% [markdown]
# ## What each change of today gives, foretold and measured
#
# Ratios of goodput; beside each line the change, below it the hosts without it. Upper panel: these recordings, where
# another of them *is* the change, so that what is foretold can be held against it (recorded apart from each other, not
# in pairs; measured with the intervals of both). `mtu=9000` was measured on `veth-9000`, which swings. Lower panel:
# the cases of the shipped validation that applied such a change alone to other hosts, foretold before they were
# measured in pairs of runs (smallest to largest pair).

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
# Everything that was asked, on the hosts that it can act on: goodput with it over goodput without, foretold, 90 % in
# brackets; under 1 it hurts. `speedup:copy=100` is a copy that takes no time. `cases` counts the validation's
# measurements of the same change alone, `elsewhere` is what they gave: on *other* hosts, some of them held by a slow
# link, where nothing helps, so it is no check of these columns.

# %%
tables[modern.CHANGES].select(
    "change",
    "recording",
    pl.format("{} ({}-{})", *(pl.col(name).round(2) for name in ("ratio", "low", "high"))).alias("foretold"),
    "cases",
    pl.format("{}-{}", pl.col("elsewhere_least").round(2), pl.col("elsewhere_most").round(2)).alias("elsewhere"),
).pivot(on="recording", index=["change", "cases", "elsewhere"], values="foretold").select(
    "change", *modern.RECORDINGS, "cases", "elsewhere"
)

# %% [markdown]
# And what cannot be asked. Zero-copy receive needs payload in whole pages: 4148 is the MTU that gives it. It was not
# measured here.

# %%
tables[modern.UNASKED]

# %% [markdown]
# ## Prices then and now
#
# Nanoseconds; `times` is how much cheaper, below 1 dearer. Of 2002 a sum, and a copy that sums, were published; the
# rest is assumed within wide bounds. Those of now are CPU samples over counted uses, the median of the recordings that
# show it (`measured_in` of four; null where none does). A byte became cheaper by far more than an interrupt, a wake-up
# or a call did: in a virtual machine these are dear, and worth being paid seldom.

# %%
tables[modern.PRICES]

# %% [markdown]
# All CPU time of the receive path over the payload received, by what it follows: the payload itself, packets, or
# batches (interrupts, polls, wake-ups, calls). `payload_part` is what touching the payload is of all.

# %%
tables[modern.BYTE]

# %%
his = published_table().filter(pl.col("what").str.starts_with("Celeron 1200"))
needed = [f"{share:.2f} ({what})" for what, share in his.select("what", "share_of_raw").iter_rows()]
Markdown(f"""
`{HOST_2002}` is a host of the prices above; `{QUADRICS}` the same with the driver of the thread, whose price is fitted
to the 0.9 Gbit/s reported: a check of nothing. The Answer's *times cheaper* compares `payload_ns`, in which a host of
2002 both copies and sums; `times` of the row *copying a byte* is the copy alone.

How good are the prices of 2002? D. Vlasenko's are central here. Held against the bus of his machine (notebook 13) they
would need {" and ".join(needed)} times as much as the raw bus carries. So that data was not all fetched from memory, or
the bus was faster than assumed. Out of memory a byte of 2002 cost more, and has become cheaper by more than said.
""")

# %% [markdown]
# ## Where the copy does come first (published)

# %%
few = ", ".join(f"{part:.0f}% ({name})" for name, part in COPY_PARTS.items())
Markdown(f"""
What no recording here has is a fast card. {CAI}: of the receiver's kernel time the copy is {few}. Merging and larger
packets take the work on packets away; what is left is the copy.
""")

# %% [markdown]
# ## What went in, and from where
#
# `low` to `high` holds 90 % of what was thought possible. *Today, where not measured* are prices that a recording did
# not show, by the model's names.

# %%
with pl.Config(fmt_str_lengths=300):
    display(case.assumptions)  # noqa: F821 - IPython's

# %% [markdown]
# ## The headline, checked

# %%
gaps = dict(tables[modern.HOSTS].select("recording", "gap_gbps").iter_rows())
copied = modern.parts_of(tables[modern.WIDE], modern.COPY)
packets = modern.parts_of(tables[modern.WIDE], *modern.PACKET_WORK)
paired = tables[modern.MEASURED]
free = speeds.filter(recording=modern.SHARED, suspect=modern.COPY)["gbps"]
claims_hold({
    "the suspects of a recording add up to what it lacks to its ceiling": all(
        abs(tables[modern.WIDE][name].sum() - gap) < 1e-9 for name, gap in gaps.items()
    ),
    "the work on packets is more than half of that, with packets of 1500 bytes": min(
        packets[name] for name in modern.STEADY
    ) > 0.5,
    "the copy is more than a fifth where it runs on the CPU that limits": copied[modern.SHARED] > 0.2,
    "and nothing elsewhere": [name for name, part in copied.items() if part > 0] == [modern.SHARED],
    "a copy that takes no time would give that one more than a fifth": free[-1] > 1.2 * free[0],
    "veth-9000 cannot be divided: each of its intervals begins at 0": lost.filter(~steady)["low_gbps"].max() == 0,
    "of the changes that another recording has, only mtu=9000 is missed": paired.filter(~pl.col("meets"))[
        "change"
    ].to_list() == ["mtu=9000"],
    "and that is the largest change foretold": paired["change"][paired["ratio"].log().abs().arg_max()] == "mtu=9000",
})  # fmt: skip

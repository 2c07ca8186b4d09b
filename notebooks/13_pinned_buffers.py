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
import json
from pathlib import Path

import polars as pl
from IPython.display import Markdown

import zcanalysis as zc
from zcanalysis.cases import case
from zcanalysis.cases import pinned_buffers as pinned
from zcanalysis.cases.pinned_buffers_today import relay_pairs
from zcanalysis.charts.notebook_page import in_notebook

pl.Config(tbl_rows=30, tbl_cols=12, fmt_str_lengths=120, tbl_width_chars=200, float_precision=3)
answered = case("pinned_buffers")
Markdown(f"""
# {answered.question}

Lincoln Dale, linux-kernel, 3 September 2000: packets go network → RAM → network; buffers pinned in the kernel, which a
program sees and queues for output, gave "an immediate 60% performance gain", where performance "was previously pinned
on front-side-bus (or memory) bandwidth".

**Answer.** {answered.answer}

**How sure.** {answered.sure}

**What to do next.** {answered.next_step}
""")

# %%
in_notebook()  # charts need no network, and no kernel once drawn

# %% [markdown]
# ## What a byte crosses
#
# Each design is a list of what is done with each buffer: a card writes it, the CPU reads or writes it, a card reads it.
# A cache that writes back and allocates on write makes crossings of that, counted exactly: what the CPU reads and does
# not have is fetched once; what it overwrites is fetched first and written back later. *Carried* means that the
# checksum is verified in one pass and then kept: the old pseudo header is reversed out of it, the new one added, and
# the payload is not read again (RFC 1624). It works only for segments that leave as they came.

# %%
zc.charts.bus_crossings(pinned.buffer_table())

# %% [markdown]
# The front-side bus counts otherwise: what a card writes or reads does not pass the CPU, unless its cache holds the
# only good copy. Without any pass over the payload nothing is left for it to carry.

# %%
answered.tables["Crossings for each payload byte"]

# %% [markdown]
# ## Where 60 % comes out
#
# The mail names no machine, so machines are drawn from the ranges at the end, which were written down before any
# outcome was computed. Kept are those whose front-side bus or memory was the limit while they copied, as he says.
# Choose how his relay summed before and what it did after: the colour is what limits it then.

# %%
bins = pinned.gain_bins()
zc.charts.relay_gain(bins, pinned.REPORTED)

# %%
gains = pinned.gain_table()
low, high = gains["gives_it"].min(), gains["gives_it"].max()
Markdown(f"""
Each way of reading his mail gives 55 to 65 % on {low:.1%} to {high:.1%} of those machines. `then_` says what limits
these; below 1 % counts as ruled out. Smaller gains are machines where PCI, a link or the CPU was next in line, close
behind the bus.
""")

# %%
gains.select(pinned.PAIR + pinned.GIVES)

# %% [markdown]
# ## Why page tricks lost
#
# Mapping the pages into the program saves the same crossings as pinning them, and then pays for each page and each
# flush of the TLB. A packet of Ethernet fills no page, so it pays for a whole one. The machine is the middle of all
# ranges; the slider changes what a flush costs. That a page holds one packet only was put in after the first outcome
# was seen; nothing else was, and it concerns no design but these.

# %%
zc.charts.relay_messages(pinned.message_table(pinned.FLUSH_NS))

# %%
answered.tables["Page tricks against pinned buffers, medians"]

# %% [markdown]
# ## The same question on today's kernel, measured here
#
# A relay between two TCP connections, by recv and send and by `splice(2)`, in turns. This is loopback in a virtual
# machine without hardware counters: no card, no bus, another cache, and other work on the machine. It is not his
# hardware; it shows only what the relay's own CPU time becomes when it stops touching the payload.

# %%
root = Path("..") if Path("../traces").exists() else Path()
relay = json.loads((root / "traces" / "relay" / "relay.json").read_text())
pairs = relay_pairs(relay)
ratio = pairs["splice_over_copying"]
Markdown(f"""
Measured here, kernel {relay["kernel"]}, {len(pairs)} pairs: `splice` takes
**{ratio.median():.2f}** times the CPU time of copying for a byte (from {ratio.min():.2f} to {ratio.max():.2f}). Rates
are not compared: sender and sink copy as well, and the machine had a load of {relay["load_before"]:.1f} on
{relay["cpus"]} CPUs.
""")

# %%
pairs

# %% [markdown]
# ## Published rates, held against the bus they ran on
#
# A rate of copying times what it crosses must fit through the bus. Above 1 in `share_of_raw` it cannot have come from
# memory: that row prices something else, such as data in the cache, and is not used here.

# %%
answered.tables["Published rates held against the bus they ran on"]

# %% [markdown]
# ## What went in
#
# 5 % of what was thought possible lies below `low`, 5 % above `high`; each is drawn for itself.

# %%
answered.assumptions

# %% [markdown]
# ## The headline, checked

# %%
his = gains.row(
    by_predicate=(pl.col("before") == pinned.HIS_BEFORE) & (pl.col("after") == pinned.HIS_AFTER), named=True
)
assert 0.5 * his["gives_it"] < his["gives_it"] - his["then_bus"]  # mostly another resource took over
assert gains["gives_it"].max() < 3 * gains["gives_it"].min()  # no way of reading the mail stands out
assert all(gains.filter(pl.col("after") == "pinned, never read")["then_bus"] < 0.01)
assert gains["gives_it"].max() < 0.2

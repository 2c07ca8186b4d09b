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
from IPython.display import Markdown, display

import zcanalysis as zc
from zcanalysis.cases import case
from zcanalysis.cases import pinned_buffers as pinned
from zcanalysis.cases.pinned_buffers_today import measured_words, relay_pairs, relay_recorded
from zcanalysis.charts.notebook_page import claims_hold, in_notebook

answered = case("pinned_buffers")
first, rest = answered.answer.split(". ", 1)
sure, why = answered.sure.split(". ", 1)
words = f"""
# {answered.question}

Lincoln Dale, linux-kernel, 3 September 2000: a relay takes packets from one network, looks at them, and sends them on.
His left them in buffers pinned in the kernel, which the program sees and queues for output, instead of copying them in
and out. That gave "an immediate 60% performance gain"; performance "was previously pinned on front-side-bus (or memory)
bandwidth". How TCP's checksum was taken ("summed") while he copied he does not say; in pinned buffers the old one could
be carried over.

**Answer. {first}.** {rest}

**How sure? {sure}.** {why}

**What to do next.** {answered.next_step}
"""
display(in_notebook(), Markdown(words))

# %% [markdown]
# ## What a byte crosses
#
# How often each payload byte crosses the memory bus on its way through the relay; shorter is better. Each design is a
# list of what is done with each buffer: a card writes it, the CPU reads or writes it, a card reads it. The crossings
# follow from a cache that writes back and allocates on write: what the CPU reads and does not have is fetched once;
# what it overwrites is fetched first and written back later.
#
# - *copied*: received into one buffer, copied to the program, copied again to be sent; *summed meanwhile* in the pass
#   that copies, *summed apart* in a pass of its own.
# - *pages mapped*: the page tricks, the program gets the pages themselves. *Pinned*: they stay in the kernel.
# - *sum carried*: the checksum is verified in one pass and then kept, the old pseudo header reversed out of it and the
#   new one added (RFC 1624): the payload is not read again. It works only for segments that leave as they came.
#   *Never read*: the card sums too.

# %%
zc.charts.bus_crossings(pinned.buffer_table())

# %% [markdown]
# **What to see.** Copying may cost up to three times the crossings of pinned buffers, or none more, by what stays in
# the cache: so the gain of not copying has no one size. The front-side bus, between CPU and memory, counts otherwise:
# what a card writes or reads does not pass it, unless the CPU's cache holds the only good copy. Crossings a payload
# byte, on either, those that the CPU waits for, and on PCI:

# %%
crossings = answered.tables["Crossings for each payload byte"]
crossings.select(
    "design",
    pl.col("memory_cold").alias("memory, nothing cached"), pl.col("memory_cached").alias("memory, all cached"),
    pl.col("front_side_cold").alias("front-side bus, nothing cached"),
    pl.col("front_side_cached").alias("front-side bus, all cached"),
    pl.col("waited_for_cold").alias("the CPU waits, nothing cached"),
    pl.col("waited_for_cached").alias("the CPU waits, all cached"), pl.col("pci").alias("PCI"),
)  # fmt: skip

# %% [markdown]
# ## Where 60 % comes out
#
# The mail names no machine, so machines are drawn from the ranges at the end, which were written down before any
# outcome was computed. Kept are those whose front-side bus or memory was the limit while they copied, as he says: the
# *bus-limited machines* of this section.
# **Choose** how his relay summed before and what it did after: the height is the share of the bus-limited
# machines that gain so much, the colour what limits them then; the green band behind the bars is what he reported. The
# answer above is of the choice that is shown first.

# %%
bins = pinned.gain_bins()
zc.charts.relay_gain(bins, pinned.REPORTED)

# %%
gains = pinned.gain_table()
low, high = 100 * gains["gives_it"].min(), 100 * gains["gives_it"].max()
Markdown(f"""
**What to see.** 60 % is no outlier. Each way of reading his mail gives 55 to 65 % on {low:.0f} to {high:.0f} % of the
bus-limited machines, and nearly every limit occurs among them. Smaller gains are machines where PCI, a link or the CPU
was next in line, close behind the bus. The last column asks otherwise: of the machines that a bus limits after as
well, how many gain 55 to 65 %? Below 1 % that story is ruled out, under these cache ranges; the column before it
says how many machines that rests on, of {pinned.DRAWS:,} drawn.
""")

# %%
per_cent = gains.with_columns(pl.selectors.float() * 100)
per_cent.select(
    "before", "after", pl.col("gives_it").alias("gain 55 to 65 %, % of machines"),
    pl.col("then_cpu").alias("limit then: CPU, %"), pl.col("then_bus").alias("limit then: bus, %"),
    pl.col("then_pci").alias("limit then: PCI, %"), pl.col("then_link").alias("limit then: link, %"),
    pl.col(pinned.AGAIN).alias("a bus limits again, machines"),
    pl.col("bus_again_gives_it").alias("of those a bus limits again, %"),
)  # fmt: skip

# %% [markdown]
# How much the bus-limited machines gain at all: 5 % of them gain less than *low*, 5 % more than *high*; then the same
# of those that a bus limits after as well. Per cent more than copying.

# %%
more = gains.with_columns((pl.col("low", "median", "high", "bus_again_low", "bus_again_high") - 1) * 100)
more.select(
    "before", "after", "low", "median", "high", pl.col("bus_again_low").alias("a bus again: low"),
    pl.col("bus_again_high").alias("a bus again: high"),
)  # fmt: skip

# %% [markdown]
# ## Page tricks gain less, but they gain
#
# Dale: handling pages one by one "effectively kills any performance gain". That does not come out here: they gain less
# than pinned buffers on every kind of machine, and nothing on few. Mapping pages into the program saves the same
# crossings as pinning them, and then costs CPU time for each page and each flush of the TLB. An Ethernet packet does
# not fill a page, but pays for a whole one. The machine is the middle of all ranges, lower is better; **move the
# slider** to what a flush costs. That a page holds one packet only was put in after the first outcome was seen: it
# makes page tricks dearer, and concerns no other design. Nothing else was put in so late.

# %%
zc.charts.relay_messages(pinned.message_table(pinned.FLUSH_NS))

# %% [markdown]
# **What to see.** Where the brown line (pages mapped) is above the red one (copied), page tricks cost more CPU time
# than copying: with small messages, and from larger ones on the dearer a flush is.
#
# The table is of other machines than the section above: of all drawn, bus-limited or not, those on which pinned
# buffers gain a tenth or more. Medians, against copying; *no gain* is a share of the machines of its row.

# %%
mapping = answered.tables["Page tricks against pinned buffers, medians"]
mapping.select(
    "machines", (100 * pl.col("share")).alias("% of all drawn"),
    (100 * (pl.col("pinned_gain") - 1)).alias("pinned buffers gain, %"),
    (100 * (pl.col("mapped_gain") - 1)).alias("page tricks gain, %"),
    (100 * pl.col("no_gain")).alias("page tricks: no gain, % of these"),
)  # fmt: skip

# %% [markdown]
# ## The same question on today's kernel, measured here
#
# A relay between two TCP connections, by recv and send and by `splice(2)`, in turns. This is loopback in a virtual
# machine without hardware counters: no card, no bus, another cache, and other work on the machine. It is not his
# hardware; it shows only what the relay's own CPU time becomes when it stops touching the payload.

# %%
relay = relay_recorded()
pairs = relay_pairs(relay)
ratio = pairs["splice_over_copying"]
Markdown(f"""
{measured_words(relay)} Every pair says less; how much less is rough. Rates are not compared: sender and sink copy as
well.
""")

# %%
pairs.rename({
    "copying": "copying (ns a byte)", "splice": "splice (ns a byte)", "splice_over_copying": "splice over copying",
})  # fmt: skip

# %% [markdown]
# ## Published rates, held against the bus they ran on
#
# What would a published rate need of its bus? The rate times what each byte crosses must fit. Where the share of the
# raw bus is above 1 it cannot have come from memory: that row prices something else, such as data in the cache, and no
# range here is taken from it.

# %%
published = answered.tables["Published rates held against the bus they ran on"]
published.rename({
    "gbps": "rate (Gbit/s)", "bus_gbps": "needs of the bus (Gbit/s)", "raw_gbps": "raw bus (Gbit/s)",
    "share_of_raw": "share of the raw bus",
})  # fmt: skip

# %% [markdown]
# ## What was assumed, and from where
#
# Each is drawn for itself: 5 % of the machines lie below *low*, 5 % above *high*; *value* is the middle. Of the first
# four, one of a few values is drawn, and *value* is the first.

# %%
answered.assumptions

# %% [markdown]
# ## The headline, checked

# %%
his = gains.row(
    by_predicate=(pl.col("before") == pinned.HIS_BEFORE) & (pl.col("after") == pinned.HIS_AFTER), named=True
)
unread = pl.col("after") == pinned.NEVER_READ
checks = {
    "60 % lies within what nine in ten bus-limited machines gain, however they summed": gains["low"].max()
    < pinned.REPORTED[0] < pinned.REPORTED[1] < gains["high"].min(),
    "of the bus-limited machines that gain 55 to 65 %, most are limited by something else afterwards":
    his["then_bus"] < 0.5 * his["gives_it"],
    "no way of reading the mail stands out: the odds between any two are below 3 to 1":
    gains["gives_it"].max() < 3 * gains["gives_it"].min(),
    "ruled out under these cache ranges: a bus limits afterwards too, and nothing reads the payload":
    gains.filter(unread)["bus_again_gives_it"].max() < 0.01,
    "not ruled out: a bus limits afterwards too, and something reads the payload":
    gains.filter(~unread)["bus_again_gives_it"].min() > 0.01,
    "in the median page tricks gain something, but less than pinned buffers": (mapping["mapped_gain"] > 1).all()
    and (mapping["mapped_gain"] < mapping["pinned_gain"]).all(),
    "in every pair splice took less CPU time than copying": ratio.max() < 1,
}  # fmt: skip
claims_hold(checks)

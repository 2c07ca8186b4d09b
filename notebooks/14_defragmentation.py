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
from zcanalysis.cases import case
from zcanalysis.cases import defragmentation as copies
from zcanalysis.cases.defragmentation_today import (
    chain_table,
    cost_of,
    counted_read,
    ratio_bounds,
    read_share,
    recordings,
    stage_table,
    totals,
)
from zcanalysis.charts.notebook_page import claims_hold, in_notebook
from zcanalysis.charts.notebook_words import conclusion_first
from zcanalysis.shipped import shipped_trace

pl.Config(tbl_rows=30, tbl_cols=12, fmt_str_lengths=120, tbl_width_chars=200, float_precision=3)
answered = case("defragmentation")
Markdown(f"""
# {answered.question}

Dave Miller, keynote of linux.conf.au, January 2001, as a report of that day has it: Linux waited for all fragments of a
datagram and copied them into a new buffer, "actually, there are 3 copies"; the NFS client is mended, the server (knfsd)
is still to do. The mending was to *chain* the fragments: they stay where they arrived, and one skb lists the others.

**Answer.** {conclusion_first(answered.answer)}

**How sure?** {conclusion_first(answered.sure)}

**What to do next.** {answered.next_step}
""")

# %%
in_notebook()  # charts need no network, and no kernel once drawn

# %% [markdown]
# ## The three copies, removed one by one
#
# From the sources of both kernels: a client reads a file. In 2.4.0 the fragments were copied into one datagram, the
# datagram into the page cache (checksummed meanwhile), the page cache into the program's buffer. 2.4.17 chains the
# fragments. A mapped page cache, or O_DIRECT, saves the last. The packets themselves cross the memory bus twice: the
# card writes them, the CPU reads them. Where nothing stays in the cache, each copy adds three crossings: its target is
# fetched, written back, and fetched by the next to read it. The last row is a hypothetical bound: a card that knew
# where in the page cache each byte belongs.

# %%
zc.charts.bus_crossings(copies.buffer_table("client"))

# %% [markdown]
# ## What one CPU carried then (modelled)
#
# The keynote gives no rate, so machines are drawn from the ranges at the end. Gains are of all steps so far, not of one
# step: each row is compared with the first of its side. The bar is the middle 90 % of the machines, the dot the median.
# The server is knfsd taking a WRITE: *made one piece* is its copy of the chain into one buffer, *chain walked* reads
# the fragments where they are. *Sending* is data from the page cache to the wire, by any server. TUX is a server in the
# kernel: on the wire's side it does what sendfile does, and saves the calls besides.

# %%
gains = copies.gain_table()
zc.charts.walk_gains(gains)

# %% [markdown]
# ## Where the time went (modelled)
#
# One machine in the middle of all ranges. Choose rsize or wsize, one datagram: with small ones the work for each
# request hides the copies, from 2 KB on every datagram comes in pieces (fragments). Nothing published says how the
# time of a copy splits into copying and waiting for memory: trust the sum of the two, not the border between them.

# %%
zc.charts.walk_costs(copies.cost_table())

# %% [markdown]
# ## What the card's checksum is worth
#
# A checksum of UDP is of the whole datagram. A card that reads headers can say nothing of a piece; one that adds up
# any data can, and the kernel adds the sums of all pieces, if all came with one. One piece without, and the datagram
# is summed anew. `whole_ipv4`, `whole_ipv6` and `pieces` are what `skb->ip_summed` then says of a datagram that came
# whole or in pieces (today's names: UNNECESSARY was checked by the card, COMPLETE comes with the card's sum). `saved_`
# is the share of CPU time that NFS in pieces saves, median of the machines: 0.1 is 10 %. Little at the client, which
# sums while it copies.

# %%
cards = answered.tables["What is left for the CPU to sum, by what the card can"]
cards

# %% [markdown]
# The cards that the keynote names. `keynote` is whether it says that the card's checksum works, in January 2001;
# `card_sums` is the class that the driver's source shows, where there was one to read.

# %%
copies.cards_named()

# %% [markdown]
# ## Why receive did not follow
#
# Transmit knows where the bytes lie before the card reads them: sendfile hands over the pages. Receive must choose
# the place before it knows whose packet comes, and a page can only be given away whole. A block of 8 KB is two pages:
# how many of them could be given to the page cache instead of copied (`whole_pages`), by how the block arrives? None
# with fragments of 1,480 bytes; both where one packet brings them and the card splits the headers off.

# %%
copies.page_table()

# %% [markdown]
# ## Today's kernel (measured)
#
# Our own recordings, `traces/fragmented-udp` and `traces/whole-udp`: UDP datagrams of 8,192 bytes between two network
# namespaces over veth, first at MTU 1500, then whole at MTU 9000. No card, no NFS, a virtual machine that had other
# work too: CPU time for a byte, never rates.

# %%
known = recordings()
stages = stage_table(*(one.costs for one in known.values()))
in_pieces, whole = totals(stages).values()
low, high = ratio_bounds(answered.tables[copies.TODAY])
read = [read_share(one.recording.load) for one in known.values()]
came = [counted_read(one.recording.counters) for one in known.values()]
Markdown(f"""
Kernel {known["fragmented-udp"].recording.host.kernel}: a byte in pieces costs the receiver **{in_pieces:.2f} ns** in
the stages below, whole {whole:.2f} ns: **{in_pieces / whole:.1f} times** as much ({low:.1f} to {high:.1f}, 90 % of the
sampling at both ends). Defragmentation itself is {cost_of(stages, "defrag")[0]:.2f} ns of that; the rest is that every
stage below UDP handles six packets instead of one.

**Both receivers were overloaded**: the socket dropped what its reader had no time for. Of the bytes sent {read[0]:.0%}
were read in pieces, {read[1]:.0%} whole. So the copy looks cheap for a byte that *arrived*. The table takes the work
apart: what is done for every byte received, and the copy for a byte read. Counters of UDP say how many were read while
the CPU was sampled: {came[0]:.0%} and {came[1]:.0%}.
""")

# %%
answered.tables[copies.APART].rename({
    "in_pieces": "in pieces (ns a byte)", "whole": "whole (ns a byte)", "times": "times as much",
    "low": "at least", "high": "at most", "samples_in_pieces": "samples, in pieces", "samples_whole": "samples, whole",
})  # fmt: skip

# %% [markdown]
# The ratio hangs on the first row. A handful of samples gives no price of a copy: to measure that, send slower than the
# reader reads.

# %% [markdown]
# Stage by stage, for a byte that arrived, dropped or not:

# %%
zc.charts.piece_costs(stages)

# %% [markdown]
# How it does it, the call chains of the CPU samples say: `in_pieces` and `whole` count the samples whose chain passes
# there, also those in an interrupt that came meanwhile. They are few, but what calls what is no estimate. In
# defragmentation itself nothing is copied. The copy to the program walks the chain, piece by piece, and sums meanwhile:
# of a piece nobody vouches for the checksum. A whole datagram is copied as one, without a walk or a sum: veth vouches
# for it.

# %%
sights = chain_table(*(one.evidence.stages for one in known.values()))
sights

# %% [markdown]
# That the first recording holds what it should: a capture of it, counted. Six fragments a datagram, none missing, none
# that overlap; `bytes` are of UDP with its header.

# %%
pieces = zc.fragments(zc.scan_pcap(shipped_trace("fragmented-udp") / "capture.pcap.zst"))
pieces.select("datagrams", "fragments", "fragments_median", "incomplete_datagrams", "overlapping_datagrams", "bytes")

# %% [markdown]
# ## What went into the model of 2001
#
# `low` to `high` holds 90 % of what was thought possible before any outcome was seen; each is drawn for itself. *Still
# cached* is the share of that buffer's bytes that the next to touch them finds in the cache.

# %%
answered.assumptions

# %% [markdown]
# ## The headline, checked

# %%
by = {(side, walk): low for side, walk, low in gains.select("side", "walk", "low").iter_rows()}
client, server, sending = (list(walks) for walks in copies.SIDES.values())
client_gains = [by["client", walk] for walk in client]
apart = answered.tables[copies.APART]
claims_hold({
    "each copy less gives the client more, on 95 of 100 machines": client_gains == sorted(client_gains)
    and client_gains[1] > 1,
    "chaining alone gives knfsd nothing": gains.filter(pl.col("walk") == server[1])["high"].item() == 1,
    "a chain read as it is gives it more than nothing": by["server", server[3]] > 1,
    "with fragments only a card that sums any data helps": cards.filter(pl.col("pieces") != "NONE")[
        "card_sums"
    ].to_list() == ["any data"],
    "fragments fill no page, whole datagrams with split headers do": copies.page_table()["whole_pages"].to_list()
    == [0, 0, 0, 2],
    "the datagrams of the recording came in six fragments": pieces["fragments_median"].item() == 6,
    "today only fragments are put together": cost_of(stages, "defrag")[0] > 0 == cost_of(stages, "defrag")[1],
    "and no sample shows a copy there": sights["in_pieces"][1] == 0 < sights["in_pieces"][3],
    "only fragments are summed while they are copied": cost_of(stages, "csum_copy")[0] > 0
    == cost_of(stages, "csum_copy")[1],
    "a byte received costs more than twice as much in fragments": in_pieces > 2 * whole,
    "also without the copy, whatever was dropped": apart["low"][0] > 1,
    "both receivers were overloaded": max(came) < 0.9,
})  # fmt: skip

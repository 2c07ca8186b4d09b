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
from zcanalysis.answer import answered as answered_of
from zcanalysis.cases import case
from zcanalysis.cases import defragmentation as copies
from zcanalysis.cases.defragmentation_today import chain_table, cost_of, read_share, stage_table, totals
from zcanalysis.charts.notebook_page import in_notebook

pl.Config(tbl_rows=30, tbl_cols=12, fmt_str_lengths=120, tbl_width_chars=200, float_precision=3)
answered = case("defragmentation")
Markdown(f"""
# {answered.question}

Dave Miller, keynote of linux.conf.au, January 2001: Linux waited for all fragments of a datagram and copied them into a
new buffer, "actually, there are 3 copies"; the NFS client is mended, knfsd is still to do.

**Answer.** {answered.answer}

**How sure.** {answered.sure}

**What to do next.** {answered.next_step}
""")

# %%
in_notebook()  # charts need no network, and no kernel once drawn

# %% [markdown]
# ## The three copies, removed one by one
#
# The client reads a file. In 2.4.0 the pieces were copied into one datagram, the datagram into the page cache (summed
# meanwhile), the page cache into the program's buffer. 2.4.17 chains the pieces. A mapped page cache, or O_DIRECT,
# saves the last. Where nothing stays in the cache, each copy costs three crossings of the memory bus: fetch, write
# back, fetch.

# %%
zc.charts.bus_crossings(copies.buffer_table("client"))

# %% [markdown]
# ## What one CPU carries then
#
# The keynote gives no rate, so machines are drawn from the ranges at the end. Each bar is what 90 % of them gain over
# the first row of its side. The server is knfsd taking a WRITE; *sending* is data from the page cache to the wire.
# TUX is a server in the kernel: on the wire's side it does what sendfile does, and saves the calls besides.

# %%
gains = copies.gain_table()
zc.charts.walk_gains(gains)

# %% [markdown]
# ## Where the time goes
#
# The middle of all ranges. The slider is rsize or wsize, one datagram: with small ones the work for each request
# hides the copies, from 2 KB on every datagram comes in pieces.

# %%
zc.charts.walk_costs(copies.cost_table())

# %% [markdown]
# ## What the card's checksum is worth
#
# A checksum of UDP is of the whole datagram. A card that reads headers can say nothing of a piece; one that adds up
# any data can, and the kernel adds the sums of all pieces, if all came with one. One piece without, and the datagram
# is summed anew. `saved_` is the median share of CPU time for NFS in pieces.

# %%
cards = answered.tables["What is left for the CPU to sum, by what the card can"]
cards

# %% [markdown]
# The cards that the keynote names. What works is its word of January 2001; the class is what the driver's source
# shows.

# %%
copies.cards_named()

# %% [markdown]
# ## Why receive did not follow
#
# Transmit knows where the bytes lie before the card reads them: sendfile hands over the pages. Receive must choose
# the place before it knows whose packet comes, and a page can only be given away whole.

# %%
copies.page_table()

# %% [markdown]
# ## Today's kernel: a recording
#
# Our own recordings: UDP datagrams of 8,192 bytes between two network namespaces over veth, first at MTU 1500, then
# whole at MTU 9000. No card, no NFS, a virtual machine that had other work too: CPU time for a byte, never rates.

# %%
root = Path("..") if Path("../traces").exists() else Path()
places = {name: root / "traces" / name for name in ("fragmented-udp", "whole-udp")}
pieces = zc.fragments(zc.scan_pcap(places["fragmented-udp"] / "capture.pcap.zst"))
pieces.select("datagrams", "fragments", "fragments_median", "incomplete_datagrams", "overlapping_datagrams", "bytes")

# %%
costs = {name: zc.costs(zc.read_recording(place)) for name, place in places.items()}
stages = stage_table(costs["fragmented-udp"], costs["whole-udp"])
zc.charts.piece_costs(stages)

# %% [markdown]
# The call chains of the samples say how: the copy to the program walks a chain, piece by piece, and sums meanwhile; in
# defragmentation itself nothing is copied. A whole datagram is copied as one, without a walk or a sum.

# %%
sights = chain_table(*(answered_of(zc.read_recording(place)).evidence.stages for place in places.values()))
sights

# %%
in_pieces, whole = totals(stages).values()
shares = [read_share(json.loads((place / "load.json").read_text())) for place in places.values()]
host = zc.read_recording(places["fragmented-udp"]).host
Markdown(f"""
Kernel {host.kernel}: a byte in pieces costs the receiver **{in_pieces:.2f} ns** in these stages, whole {whole:.2f} ns:
**{in_pieces / whole:.1f} times** as much. Defragmentation itself is {cost_of(stages, "defrag")[0]:.2f} ns of that; the
rest is that every stage below UDP handles six packets instead of one. Nothing is copied to put a datagram together, and
the copy that remains is `csum_copy` for pieces and `copy` for whole datagrams: veth vouches for whole ones, and of a
piece nobody can. The socket dropped what its reader had no time for: {shares[0]:.0%} of the bytes sent were read in
pieces, {shares[1]:.0%} whole; so copies are cheaper here, for a byte that *arrived*, than for one that was read.
This is one pair of recordings on a busy machine: another pair gives another ratio, and the same call chains.
""")

# %% [markdown]
# ## What went in
#
# 5 % of what was thought possible lies below `low`, 5 % above `high`; each is drawn for itself.

# %%
answered.assumptions

# %% [markdown]
# ## The headline, checked

# %%
by = {(side, walk): low for side, walk, low in gains.select("side", "walk", "low").iter_rows()}
client, server, sending = (list(walks) for walks in copies.SIDES.values())
assert [by["client", walk] for walk in client] == sorted(by["client", walk] for walk in client)
assert gains.filter(pl.col("walk") == server[1])["high"].item() == 1.0  # chaining alone gives knfsd nothing
assert cards.filter(pl.col("pieces") != "NONE")["card_sums"].to_list() == ["any data"]
assert pieces["fragments_median"].item() == 6
assert in_pieces > 2 * whole
assert cost_of(stages, "csum_copy")[0] > 0 == cost_of(stages, "csum_copy")[1]
assert sights["in_pieces"][1] == 0 < sights["in_pieces"][3]
assert cost_of(stages, "defrag")[0] > 0 == cost_of(stages, "defrag")[1]

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
# # When does Andi Kleen's patch help?
#
# Linux 2.4 does not run TCP for a segment when a reader sleeps in recv: it leaves the segment in a *prequeue*, and the
# reader, once awake, sums and copies it in one pass and sends the ACK. On 28 June 2002 Andi Kleen mailed a patch of one
# line: a segment whose checksum the card has already taken does not wait there. His reason was the late ACK; he gave no
# figure. Here the rules of 2.4 are replayed with and without the line, and held against a later kernel's prequeue.
#
# **Only for kernels before 4.14:** 4.14 has no prequeue, and nothing below concerns it or a later one.

# %%
import polars as pl
from IPython.display import Markdown, display

import zcanalysis as zc
from zcanalysis.cases.kleen_patch import RECEIVED_GBPS, SENT_GBPS, verdicts
from zcanalysis.cases.kleen_stalls import SSE_TIMES_FASTER, faster_copy, rare_stalls, stall_law
from zcanalysis.cases.kleen_workloads import (
    DOES_NOT_SUM,
    DRAWS,
    MATTERS,
    SUMS,
    ack_stretch,
    class_map,
    overtaking,
    patch_map,
)
from zcanalysis.cases.prequeue_kernel import ack_clock, kernel_pairs
from zcanalysis.charts.notebook_page import claims_hold, in_notebook

kleen = zc.case("kleen_patch")
first, rest = kleen.answer.split(". ", 1)
sure, why = kleen.sure.split(". ", 1)
words = f"""
**Answer. {first}.** {rest}

**How sure? {sure}.** {why}

**What to do next.** {kleen.next_step}
"""
display(in_notebook(), Markdown(words))

# %% [markdown]
# ## Where it helps, does nothing, or hurts
#
# Left, a card that does not sum; right, one that does. Each square is one case. Across: how long the reader waits for
# a CPU each time it is woken. Up: the size of a segment (bulk) or of a message (the rest). The number is what the patch
# gains in per cent, above 0 is better: goodput of bulk, requests a second, and in a chatroom the mean time from write
# to reader (before over after, less 1: at -50 it takes twice as long).
#
# Each case is tried on several hosts whose costs are drawn. Where all agree the square is green (helps), grey (nothing
# to speak of) or red (hurts), and the number is their median. Where they do not agree it is tan (*depends*), and two
# numbers stand there: what the worst host gains … what the best one gains.
#
# - *bulk*: one transfer, the window full. *4 segments in flight*: as after a loss, or with a small send buffer.
#   *Buffer 4 x the window*: the receive buffer is larger than the window it may offer, for want of window scaling.
# - *request and response*: the next request follows the answer. *In two writes*: header and body are written apart,
#   and Nagle's rule holds the body back until the header is acknowledged.
# - *chatroom*: a message every 50 us, nobody answers; with Nagle's rule and without.

# %%
cells = patch_map()
zc.charts.patch_effect(cells)

# %% [markdown]
# **What to see.** Right: it helps where the sender has nothing left to send until an ACK comes, and no longer where the
# reader is later than every timer. A full window (*bulk*) is no such place: as long as nobody reads, the window does
# not move, and without that 2.4 does not acknowledge two segments at once, patch or not. Left: the line acts on the
# smallest segments only, which the kernel sums on the spot.

# %%
risk = cells.filter(checksum=SUMS).sort("low").row(0, named=True)
Markdown(
    "Look at the left number of the tan squares: what one host gains, another may lose. The worst on the right is"
    f" {risk['low']:.0%}, on one host of {DRAWS + 1}: {risk['workload']}, {risk['size_bytes']} bytes, a reader that"
    f" waits {risk['delay_ms']:g} ms; the median of the hosts is {risk['gain']:+.1%} there. The squares, counted, with"
    " the least and the most of their medians, and the worst and the best of all single hosts:"
)

# %%
verdicts(cells).rename({"checksum": "card", "helps": "cases: helps"})

# %% [markdown]
# ## Kleen: the stack does not send the ACK when two segments have come
#
# True with the prequeue, and the patch cures half of it. Bytes for each ACK in bulk transfers of segments of 1448
# bytes, with a card that sums (2896 is two segments): where the buffer is larger than the window, the patch
# acknowledges every second segment; where it is not, it cannot.

# %%
ack_stretch().rename({
    "delay_ms": "reader waits (ms)", "before_bytes": "bytes an ACK, 2.4.18", "after_bytes": "with the patch",
})  # fmt: skip

# %% [markdown]
# ## What a stall costs
#
# While an ACK is held back, at most one window goes through, whoever ends it, a timer or the reader: goodput is at most
# window over stall. Blue lines are that law for four windows, red points the replay of the unpatched kernel, the dashed
# line is **your window: move the slider**. Kleen's worst case is 20 ms (1/50 s); no timer of 2.4.18 is so short: they
# are 40 ms (delayed ACK, at least), 150 ms (prequeue) and 200 ms (delayed ACK, at most). One segment alone (1.4 KB)
# lies below its line: it waits for the stall, and then for the delayed ACK too.

# %%
stalls = stall_law()
zc.charts.stall_cost(stalls)

# %%
rare = {row["stall_ms"]: row["megabytes"] for row in rare_stalls(SENT_GBPS, RECEIVED_GBPS).to_dicts()}
Markdown(
    f"Rare stalls are enough. The mail answers somebody who sent {SENT_GBPS} Gbit/s and received {RECEIVED_GBPS}: one"
    f" stall of 40 ms in {rare[40]:.1f} MB would do that, or one of 150 ms in {rare[150]:.1f} MB. Nobody reported"
    " whether they happened there; the counters above would show it."
)

# %% [markdown]
# ## When it hurts: the tail that overtakes
#
# 2.4 sums a segment of at most 76 bytes (TCP header and payload) on the spot, whatever the card. With the patch as it
# was mailed, such a segment goes past the first part of its own message, which waits in the prequeue. TCP sees a hole
# and sends a duplicate ACK each time; after three of them the sender repeats what nobody lost. Messages of 1480 bytes
# (1448 and a tail of 32) from a card that does not sum: compare *the patch* with *2.4.18* above it.

# %%
tails = overtaking()
tails.select(
    pl.col("delay_ms").alias("reader waits (ms)"), "rule", pl.col("mean delivery us").alias("mean delivery (us)"),
    pl.col("overtakers").alias("tails that overtake"), "duplicate ACKs", "repeated segments",
)  # fmt: skip

# %% [markdown]
# The variant that lets a segment pass only *if nobody waits in the prequeue* does no harm. (At 5 ms the reader falls
# behind the messages: they queue, and delivery takes long under every rule.)
#
# Which cards does the line act for? The gain of the patch in per cent, the median of the same hosts as in the map: a
# card that sums and one that says it has verified the sum are alike to the kernel, and a netfilter hook throws the
# card's sum away.

# %%
class_map().with_columns(pl.selectors.starts_with("card") * 100).rename({
    "size_bytes": "bytes", "delay_ms": "reader waits (ms)",
})  # fmt: skip

# %% [markdown]
# ## Kleen: the patch makes even more sense with an SSE copy
#
# The replay says no: with a card that sums, a faster copy gains as much without the patch. With one that does not, it
# gains nothing as long as the prequeue sums and copies in one pass, patch or not. Here the receiver is the limit:
# the link and the sender never are.

# %%
copies = faster_copy()
display(
    Markdown(f"Assumed: a copy {SSE_TIMES_FASTER} times as fast as the published one."),
    copies.select(
        pl.col("checksum").alias("card"), "change", pl.col("gbps").alias("goodput (Gbit/s)"),
        (100 * pl.col("gain")).alias("gain, %"),
    ),
)  # fmt: skip

# %% [markdown]
# ## What a real kernel with the prequeue did
#
# Measured: Linux 4.10, one CPU, with its prequeue and, by `tcp_low_latency=1`, without. For a card that sums, without
# is what the patch gives. The chart is what doing without gained, to the right is better. The model's figure is a
# forecast: prices of that machine and the mean window of the capture, nothing fitted to the goodput.
#
# **What to see.** Over a round trip of 2 ms, where the sender waits for ACKs, both gain. In the other recordings
# the model says that nothing changes, and the kernel gained or lost a few per cent: there the sender runs on the same
# CPU, in the model on its own. These few per cent the model cannot foretell.
#
# - *blocking*: MTU 1500, a reader that sleeps in recv. *mtu-9000*, *mtu-65000*: larger packets.
# - *delay-2ms*: a round trip of 2 ms. *small-messages*: 200 bytes every 200 us.
# - *software-checksum*: as *blocking*, but no sum from the card. The patch leaves such segments in the prequeue: this
#   row says nothing of the patch, and is not in the range quoted at the top.

# %%
pairs = kernel_pairs()
gained = pairs.unpivot(
    ["gain", "model_gain"], index="recording", variable_name="who", value_name="gained"
).with_columns(who=pl.col("who").replace_strict({"gain": "kernel", "model_gain": "model"}))
display(
    zc.charts.kernel_beside_model(gained, "gained", "goodput gained without the prequeue", format_text="+.0%"),
    Markdown(
        f"No measurement covers a gain above {pairs['gain'].max():+.1%}. The larger ones of the map, up to"
        f" {cells['gain'].max():+.0%}, are replayed only: take from them where it helps, not how much."
    ),
)

# %% [markdown]
# Are the rules right about ACKs? The captured arrivals of the same recordings are given to the rules, the captured ACKs
# are not. Prices were fitted once to all bulk recordings together: a check of the rules, no forecast. Above, how many
# bytes each ACK covers; below, the pause between ACKs that only one in a hundred exceeds. Short lines are good: the
# bytes agree, the longest pauses less well.

# %%
clock = ack_clock()
named = clock.with_columns(recording=pl.format("{}, prequeue {}", "recording", "prequeue"))
display(
    zc.charts.kernel_beside_model(named, "bytes_each", "bytes an ACK", format_text="~s", log=True),
    zc.charts.kernel_beside_model(named, "longest_us", "99 % of pauses between ACKs (us)", format_text="~s", log=True),
)

# %% [markdown]
# The counters of the untraced runs beside the captures are in `traces/prequeue-4.10/cases.json`;
# `zcanalysis.kernel_check` holds each of them against the rules, with the misses and their reasons.

# %% [markdown]
# ## What was assumed, and from where
#
# Names with a dot are prices of the modelled host, CPU time by stage: 5 % of what is drawn lies below *low*, 5 % above
# *high*. *Assumed* means that no figure was found. Not modelled: the first 16 ACKs of a connection, a congestion window
# that a false repeat would halve, several CPUs, several connections on one.

# %%
kleen.assumptions

# %% [markdown]
# ## The headline, checked

# %%
classes = class_map().join(cells.filter(checksum=SUMS), on=["workload", "size_bytes", "delay_ms"])
summed, unsummed = cells.filter(checksum=SUMS), cells.filter(checksum=DOES_NOT_SUM)
delayed = pairs.row(by_predicate=pl.col("recording") == "delay-2ms", named=True)
checks = {
    "a request in one write never gains": summed.filter(workload="request and response", verdict="helps").is_empty(),
    "requests in two writes do": not summed.filter(workload="request in two writes", verdict="helps").is_empty(),
    "bulk of full segments gains less than 10 %": summed.filter(workload="bulk", size_bytes=1448)["gain"].max() < 0.1,
    "bulk is as it was with a card that does not sum": unsummed.filter(workload="bulk")["gain"].abs().max() == 0,
    "only messages with a tail are hurt": set(unsummed.filter(verdict="hurts")["size_bytes"]) == {1480}
    and summed.filter(verdict="hurts").is_empty(),
    "nobody overtakes if it acts only when nobody waits": tails.filter(rule="the patch, if nobody waits")[
        "overtakers"
    ].sum() == 0,
    "the cards of the table gain what their squares of the map say": classes.filter(
        (pl.col("card sums") - pl.col("gain")).abs() > 1e-9
    ).is_empty(),
    "no stall lets more than a window through": stalls["share"].max() <= 1,
    "an SSE copy gains the same with the patch and without": copies.filter(change="SSE copy")["gain"].to_list()
    == copies.filter(change="patch and SSE copy")["gain"].to_list(),
    "the real kernel gained over a round trip, and the model is within 4 %": delayed["gain"] > 2 * MATTERS
    and abs(delayed["model_gain"] - delayed["gain"]) < 0.04,
}  # fmt: skip
claims_hold(checks)

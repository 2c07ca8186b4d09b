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
# On 28 June 2002 Andi Kleen answered a question about slow receivers with a patch of one line: a segment whose checksum
# the card has checked need not wait in the *prequeue*, where Linux 2.4 leaves segments for a sleeping reader to sum and
# copy in one pass. He gave a reason, the late ACK, and no figure. Here the rules of the 2.4 kernel are replayed with
# and without the line, on three ways to use a connection, and held against a later kernel that still had the prequeue.

# %%
import polars as pl
from IPython.display import Markdown, display

import zcanalysis as zc
from zcanalysis.cases.kleen_patch import extremes, verdicts
from zcanalysis.cases.kleen_stalls import faster_copy, rare_stalls, stall_law
from zcanalysis.cases.kleen_workloads import MATTERS, ack_stretch, class_map, overtaking, patch_map
from zcanalysis.cases.prequeue_kernel import ack_clock, kernel_pairs
from zcanalysis.charts.notebook_page import in_notebook

pl.Config(tbl_rows=40, fmt_str_lengths=80, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True)
kleen = zc.case("kleen_patch")
display(
    in_notebook(), Markdown(f"**Answer.** {kleen.answer}\n\n**How sure.** {kleen.sure}\n\n**Next.** {kleen.next_step}")
)

# %% [markdown]
# ## Where it helps, does nothing, or hurts
#
# Each square is one connection: the reader waits so long for the CPU each time it is woken (across), with messages,
# or in a bulk transfer segments, of so many bytes (up). The number is the change in per cent: of goodput in bulk, of
# messages a second with requests, of the mean time to the reader in a chatroom (shorter is better). A square is
# green, red or grey where all drawn hosts agree; *depends* means that they do not.
#
# - *bulk, 4 segments in flight*: the sender's own window is small, as after a loss or with a small send buffer.
# - *bulk, buffer 4 x the window*: the receive buffer is larger than the window it may offer (no window scaling).
# - *request in two writes*: header and body are written apart, and Nagle's rule holds the second.
# - *chatroom*: messages follow each other every 50 us, and nobody answers.

# %%
cells = patch_map()
zc.charts.patch_effect(cells)

# %% [markdown]
# **What to see.** Left, cards that do not sum: the line changes nothing but for the smallest messages, which the
# kernel sums on the spot. Right, cards that do: the gain is where the sender waits for an ACK, and it ends where the
# reader is later than every timer. A full window in flight (*bulk*) is no such place: as long as nobody reads, the
# window does not move, and 2.4 does not acknowledge two segments at once unless it does.

# %%
display(verdicts(cells), extremes(cells).with_columns(pl.col("gain", "low", "high").round(3)))

# %% [markdown]
# ## "The stack does not send the ACK when 2 x rcvmss is received"
#
# True with the prequeue, and with the patch only half cured. Bytes for each ACK of a bulk transfer with segments of
# 1448 bytes: with a buffer larger than the window the patch acknowledges every second segment, without one it cannot.

# %%
ack_stretch().with_columns(pl.col("before_bytes", "after_bytes").round(0))

# %% [markdown]
# ## What a stall costs
#
# Whoever ends it, a timer or the reader, while an ACK is held back at most one window goes through: goodput is at most
# window over stall. Lines are that law, points the replay of the unpatched kernel. Kleen's worst case is 1/50 s; the
# timers of 2.4.18 are 40 ms (delayed ACK), 150 ms (prequeue) and 200 ms. **Move the slider** to the window of your
# connection. One segment alone lies below its line: it waits for the stall, and then for the delayed ACK too.

# %%
stalls = stall_law()
zc.charts.stall_cost(stalls)

# %%
rare = rare_stalls(1.4, 0.9)
display(
    Markdown(
        "Rare stalls are enough: to turn 1.4 into 0.9 Gbit/s, the two figures of the thread, takes one stall of"
        f" {rare['stall_ms'][1]} ms in {rare['megabytes'][1]:.1f} MB, or one of {rare['stall_ms'][2]} ms in"
        f" {rare['megabytes'][2]:.1f} MB. That such stalls happened there nobody reported: the counters would show it."
    )
)

# %% [markdown]
# ## When it hurts: the tail that overtakes
#
# Segments of at most 76 bytes of TCP are summed on the spot, also for a card that cannot. With the patch as it was
# mailed such a segment goes past its own message's first part that waits in the prequeue. TCP then sees a hole: a
# duplicate ACK each time, and after three of them the sender repeats what nobody lost. Messages of 1480 bytes (1448 and
# a tail of 32) from a card that does not sum:

# %%
overtaking().with_columns(pl.col("mean delivery us").round(1))

# %% [markdown]
# The variant that lets a segment pass only *if nobody waits in the prequeue* does no harm. For which cards the line
# acts at all is the kernel's business (gain of the patch; a netfilter hook throws the card's sum away):

# %%
class_map().with_columns(pl.selectors.float().exclude("delay_ms").round(3))

# %% [markdown]
# ## "It makes even more sense to go for an SSE copy"
#
# A receiver that is its own limit (a link and a sender that never are), and a copy three times as fast as the published
# one. On a card that sums, the copy is worth the same with and without the patch. On one that does not, a faster copy
# is not used as long as the prequeue sums and copies in one pass.

# %%
copies = faster_copy()
copies.with_columns(pl.col("gbps", "gain").round(3))

# %% [markdown]
# ## What a real kernel with the prequeue did
#
# Linux 4.10, one CPU, recorded with the prequeue and with `tcp_low_latency=1`, which is none: for a card that sums
# the same as the patch. (For `software-checksum` it is not: the patch would leave those segments in the prequeue.)
# The first chart is what doing without the prequeue gained. The model's figure comes from its own closed loop with
# the prices of that machine and the mean window of the capture; nothing was fitted to the goodput. On that machine
# the sender has the same CPU, in the model it has its own: what is won or lost without a round trip, a few per cent,
# the model cannot say. Over a round trip of 2 ms, where the ACK clock matters, both gain.

# %%
pairs = kernel_pairs()
gained = pairs.unpivot(
    ["gain", "model_gain"], index="recording", variable_name="who", value_name="gained"
).with_columns(who=pl.col("who").replace_strict({"gain": "kernel", "model_gain": "model"}))
zc.charts.kernel_beside_model(gained, "gained", "goodput gained without the prequeue", format_text="+.0%")

# %% [markdown]
# The ACK clock of the same recordings. The captured arrivals are given to the rules, the captured ACKs are not; the
# prices were fitted once to all bulk recordings together, so this is a check of the rules and no forecast. How many
# bytes each ACK covers, and how long the longest pauses are (99 % of all are shorter).

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
# ## Assumptions
#
# Every price with its range, origin and source. Not modelled: the first 16 ACKs of a connection, a congestion window
# that a false repeat would halve, several CPUs, several connections on one.

# %%
with pl.Config(fmt_str_lengths=110, tbl_rows=60):
    display(kleen.assumptions)

# %% [markdown]
# ## The headline, checked

# %%
summed = cells.filter(checksum="card verifies")
unsummed = cells.filter(checksum="card does not sum")
assert summed.filter(workload="request and response", verdict="helps").is_empty()
assert not summed.filter(workload="request in two writes", verdict="helps").is_empty()
assert summed.filter(workload="bulk", size_bytes=1448)["gain"].max() < 0.1
assert unsummed.filter(workload="bulk")["gain"].abs().max() == 0
assert unsummed.filter(verdict="hurts")["size_bytes"].unique().to_list() == [1480]
assert overtaking().filter(rule="the patch, if nobody waits")["overtakers"].sum() == 0
assert stalls["share"].max() <= 1
delayed = pairs.filter(recording="delay-2ms")
assert delayed["gain"][0] > 2 * MATTERS
assert abs(delayed["model_gain"][0] - delayed["gain"][0]) < 0.04

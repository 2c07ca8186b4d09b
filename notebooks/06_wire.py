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
# # What did TCP do, and was it TCP that held the transfer back?
#
# A capture at the receiver of a real kernel (Linux 4.10, two namespaces 2 ms apart), ten megabytes one way
# (`traces/prequeue-4.10`). **Answer: nothing was lost or sent twice, and the window was never in the way: what was in
# flight reached a small part of what the receiver allowed. Of seven transfers made to have one limit each, packets
# alone name six, and do not claim to know the seventh. The numbers are computed below, and the last cell holds them to
# it.**

# %%
from pathlib import Path

import polars as pl

import zcanalysis as zc
from zcanalysis.charts.notebook_page import claims_hold, in_notebook

display(in_notebook())  # noqa: F821 - IPython's; charts need no network, nor a kernel once drawn
root = Path("..") if Path("../traces").exists() else Path()
capture = root / "traces" / "prequeue-4.10" / "delay-2ms.pcap.gz"
packets = zc.scan_pcap(capture)

# %% [markdown]
# ## Who talked, and how much
#
# One row a connection and direction. `unique_bytes` counts every byte once; what a direction sent again is
# `retransmitted_bytes`.

# %%
flows = zc.flows(capture)
flows

# %% [markdown]
# ## The transfer through its sequence space
#
# Above: what was sent and what was acknowledged; points mark what was sent again, lines what SACK reported (here
# neither happened). Below: the most that was in flight, and the window that the receiver allowed (known because the
# handshake, and with it the window's scale, is in the capture). Drag and scroll to zoom.

# %%
transfer = flows.sort("payload_bytes").row(-1, named=True)
lines = zc.sequence_lines(packets, transfer)
zc.charts.time_sequence(lines)

# %% [markdown]
# ## How fast was it?
#
# Payload of this direction, a hundredth of its time a bar.

# %%
zc.charts.transfer_rate(zc.transfer_rates(lines))

# %% [markdown]
# ## How long did data wait for its ACK?
#
# From a packet to the ACK that ends where it does, at this tap: close to the receiver, so this is what the receiver
# took to acknowledge, not the way there and back.

# %%
times = zc.round_trips(packets, transfer)
zc.charts.round_trips(times)

# %% [markdown]
# ## How long were ACKs held back?
#
# Here none came late: data kept coming, and an ACK is due with every second segment. A request that is sent in two
# parts (`traces/limits/delayed-ack`) is where the kernel waits 40 ms for more: half of the ACKs, nearly all of the
# time.

# %%
prompt = zc.ack_delays(packets, transfer)
zc.charts.ack_delays(prompt)

# %%
halves = zc.scan_pcap(root / "traces" / "limits" / "delayed-ack.first.pcap.zst")
late = zc.ack_delays(halves, zc.flows(halves).row(0, named=True))
zc.charts.ack_delays(late)

# %% [markdown]
# ## How much of the window was used?
#
# In flight over allowed, in each slice of time in which both are known. The median says what is usual, the largest
# how near the window ever came to being the limit.

# %%
used = lines.select(
    (pl.col("in_flight_bytes") / (pl.col("edge_byte") - pl.col("acked_byte"))).alias("used")
).drop_nulls()
used.select(
    (pl.col("used").median() * 100).round(1).alias("median, %"),
    (pl.col("used").quantile(0.95) * 100).round(1).alias("95 %, %"),
    (pl.col("used").max() * 100).round(1).alias("largest, %"),
)

# %% [markdown]
# ## What each side did
#
# One row a side, seventy columns: here those that say something of this transfer. Round trips are by sequence numbers
# and, as a second witness, by time stamps; `stall_ms` is the longest pause between packets with payload.

# %%
sides = zc.tcp_sides(capture).filter(pl.col("connection") == transfer["connection"])
telling = ("src", "handshake_ms", "mss_bytes", "window_shift", "resent_bytes", "rtt_median_ms", "rtt_p95_ms",
           "in_flight_max_bytes", "window_max_bytes", "ack_bytes_mean", "ack_delay_median_ms", "stall_ms")  # fmt: skip
sides.select(telling)

# %% [markdown]
# ## Who limited, when?
#
# Seven other transfers, each made to have one limit (`traces/limits`), from their first packets alone: the share of
# time that each limit has. Where packets cannot tell, the label is `unknown`: that another process keeps the reader's
# CPU busy is not in any packet. Where somebody also ran `ss -tinm` at an end while data moved, put it beside the
# capture as `ss.txt` (or `sender-ss.txt`) and ask `zc.limits(zc.read_recording(folder))`: then the kernels' own clocks
# decide.

# %%
made = sorted((root / "traces" / "limits").glob("*.pcap.zst"))
found = pl.concat(
    zc.limits(zc.scan_pcap(file)).select(
        pl.lit(file.name.split(".")[0]).alias("made to be limited by"), "limit", "share_time"
    )
    for file in made
)
found.pivot(on="limit", index="made to be limited by", values="share_time", aggregate_function="sum").fill_null(0)

# %% [markdown]
# And when, in one of them, a band a connection: the first is the one over which iperf3 talks about the second.

# %%
zc.charts.limits_band(zc.limits(zc.scan_pcap(root / "traces" / "limits" / "loss.first.pcap.zst")))

# %% [markdown]
# ## A few packets through tshark
#
# Every field that Wireshark knows, of the packets you choose: here the handshake, which carries the window's scale.

# %%
capture = root / "traces" / "prequeue-4.10" / "delay-2ms.pcap.gz"
opening = zc.dissect(capture, display_filter=f"tcp.flags.syn == 1 && tcp.port == {transfer['src_port']}", limit=2)
chosen = ("tcp.srcport", "tcp.options_mss_val", "tcp.options_wscale_shift", "tcp.window_size_value")
fields = (
    opening.select("frame_number", "fields").explode("fields").unnest("fields").filter(pl.col("name").is_in(chosen))
)
fields.pivot(on="name", index="frame_number", values="value")

# %% [markdown]
# ## Assumptions
#
# - *Measured:* time stamps and headers, at the receiver's device, by tcpdump, which had the same CPU as the receiver.
# - *In flight* is what the tap has seen sent and not acknowledged: the sender's own view is larger by what was on its
#   way to the tap (2 ms).
# - The machine was emulated with an instruction-count clock: the order of events is the kernel's, absolute times are
#   not.

# %% [markdown]
# ## The headline, checked

# %%
main = found.group_by("made to be limited by").agg(pl.col("limit").sort_by("share_time").last())
made_to_be = {
    "cpu-hog": "unknown", "delayed-ack": "delayed ack", "link": "link", "loss": "loss", "paced": "sender application",
    "slow-reader": "reader", "window": "receive window",
}  # fmt: skip
claims_hold({
    "nothing was sent twice": transfer["retransmitted_bytes"] == 0,
    "the median wait for an ACK is below 2 ms": times.get_column("median_ms").median() < 2,
    "no ACK of the transfer came late: each before 40 ms": prompt.get_column("to_ms").max() < 40,
    "where a request was sent in two parts, more than 90 % of the time went to waits above 35 ms": late.filter(
        pl.col("from_ms") > 35
    ).get_column("share_time").sum() > 0.9,
    "in the median less than a tenth of the window was in flight, and never all": used.get_column("used").median() < 0.1
    and used.get_column("used").max() < 1,
    "of seven transfers packets name six limits, and call the seventh unknown": dict(main.iter_rows()) == made_to_be,
})  # fmt: skip

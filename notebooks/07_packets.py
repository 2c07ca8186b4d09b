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
# # Which packets, and what happened to them?
#
# From a picture to single packets: a receiver one of whose CPUs is full (`traces/veth-1500`), and the same with GRO
# (`traces/veth-gro`). **Answer: most packets wait longer than they are worked on, behind those that came with them and
# for the reader. With GRO the receiver pays a tenth of the IP work and a quarter of the TCP work for each byte, but
# many times as much for wake-ups; the goodput of these two single runs is not further apart than chance makes. The
# numbers are computed below, and the last cell holds them to it.**
#
# Everything here answers to the mouse and to the keyboard while a kernel runs; without one the pictures below each
# widget stay.

# %%
from pathlib import Path

import polars as pl

import zcanalysis as zc
from zcanalysis.answer import answered
from zcanalysis.charts.notebook_page import in_notebook
from zcanalysis.journey_work import packet_at

display(in_notebook())  # noqa: F821 - IPython's; charts need no network, nor a kernel once drawn
root = Path("..") if Path("../traces").exists() else Path()
recording = zc.read_recording(root / "traces" / "veth-1500")
answer, merging = answered(recording), answered(zc.read_recording(root / "traces" / "veth-gro"))

# %% [markdown]
# ## Which packets are they?
#
# Drag over the picture, or move the two ends of the slider: the packets of that time are listed with their numbers in
# the capture. *Zoom in* draws that time alone, finer. Select rows and dissect them to see every field tshark knows.

# %%
packets = zc.widgets.packet_explorer(recording)
packets

# %% [markdown]
# A stretch can be chosen by a program too: a thousandth of a second in the middle, drawn finer.

# %%
packets.shown_s = (0.08, 0.081)
transfer = packets.transfers.row(0, named=True)
zc.charts.time_sequence(
    zc.sequence_lines(recording.packets, packets.transfers.row(0, named=True), between_s=(0.08, 0.081))
)

# %%
packets.listed.head(5)

# %% [markdown]
# ## What happened to one of them?
#
# The packets are replayed through the host that is calibrated from this recording. A packet's own way first, then all
# that its CPUs did meanwhile, and which of it the packet waited for. *Slowest* jumps to the one that took longest.

# %%
journey = zc.widgets.journey_view(answer)
journey

# %% [markdown]
# The same of the packet that is slower than 99 of 100.

# %%
journey.packet = packet_at(journey.journeys, 0.99)
zc.charts.packet_way(journey.way)

# %%
zc.charts.critical_path(journey.work)

# %% [markdown]
# ## What did GRO change?
#
# One recording with it against one without: before and now, and the 95 % interval of the difference.

# %%
compared = zc.widgets.compare_view(merging, answer)
compared

# %%
zc.charts.compared(compared.shown)

# %% [markdown]
# ## What would other packets give?
#
# Predictions for the first recording, over the values of two patches: larger packets, and a copy that takes less time.
# Click a cell for its interval and its commands.

# %%
sweep = zc.widgets.sweep_map(answer, {"mtu": [1500, 3000, 6000, 9000], "speedup:copy": [0, 20, 50, 80]})
sweep

# %%
zc.charts.sweep_map(sweep.swept, chosen=sweep.cell)

# %% [markdown]
# ## To record one of your own
#
# As root, while a transfer runs: phase, time left, and what the device receives; *Stop* keeps what was seen. Then
# `zc.read_recording("mine")` is what the cells above start from.
#
# ```python
# zc.widgets.recording_progress("mine", device="eth0", seconds=10)
# ```

# %% [markdown]
# ## Assumptions
#
# - *Measured:* time stamps and headers of the capture; CPU samples and counters of other seconds of the same transfer.
# - *Replayed:* the journeys. They begin where tcpdump sees a packet, behind the driver and GRO; the arrivals are those
#   of the capture, which slowed the receiver down.
# - *One run each:* how much a run differs from the next of its kind is taken from the lab, and the comparison says so.
# - *Predicted:* the cells of the map, with 90 % intervals; a copy that takes less time is a question, not a command.

# %%
journey.packet = packet_at(journey.journeys, 0.5)
way = journey.way.with_columns(took=pl.col("to_ns") - pl.col("from_ns"))
waited, worked = (way.filter(pl.col("kind") == kind)["took"].sum() for kind in ("waits", "works"))
assert packets.listed.height in (packets.packets, 200)
assert waited > worked
cost = compared.comparison.changed.filter(pl.col("of") == "cost").rows_by_key("quantity", named=True, unique=True)
times = {stage: row["value"] / row["against"] for stage, row in cost.items() if row["against"]}
assert 0.08 < times["ip_rx"] < 0.14
assert 0.18 < times["tcp_rx"] < 0.3
assert times["wakeup_sched"] > 5
goodput = compared.comparison.table.row(by_predicate=pl.col("of") == "goodput", named=True)
assert not goodput["changed"]
assert sweep.prediction.gbps == sweep.swept["predicted_gbps"].max()

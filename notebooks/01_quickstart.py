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
# # Where does the receiver's time go?
#
# The recording `veth-1500` is a real transfer between two network namespaces of one machine: MTU 1500, no segmentation
# offload, the packets steered to CPU 1 where the reader runs. *Run* → *Run All Cells* takes half a minute; then scroll
# up. **Answer: CPU 1 is saturated. Part of it is the sender, which shares this machine (its softirqs send on when ACKs
# come); of the receiver's own work, copying to the reader and IP take most. Larger packets are predicted to help most:
# by how much, how sure that is, and what was measured, stands right below.**

# %%
from pathlib import Path

import polars as pl
from IPython.display import Markdown

import zcanalysis as zc
from zcanalysis.advice import ranked_changes
from zcanalysis.answer import answered, sentence
from zcanalysis.charts.notebook_page import claims_hold, in_notebook
from zcanalysis.measured_change import LabRuns

display(in_notebook())  # noqa: F821 - IPython's; charts need no network, nor a kernel once drawn
root = Path("..") if Path("../traces").exists() else Path()
recording = zc.read_recording(root / "traces/veth-1500")

# %% [markdown]
# ## The answer: what limits, and the single change that helps most
#
# The first row is the best of the usual values tried. `predicted_gbps` is the goodput with the change, `low_gbps` to
# `high_gbps` its 90 % interval; where that begins below the goodput as recorded, the change may give nothing.

# %%
answer = answered(recording)
best = pl.DataFrame(ranked_changes(answer)[0])
gains = best.with_columns(times=pl.col("predicted_gbps") / answer.goodput_gbps).rename({"why": "mind"})
display(Markdown(sentence(answer)))  # noqa: F821
gains.select("patch", "predicted_gbps", "low_gbps", "high_gbps", "times", "limit_after", "mind", "command")

# %% [markdown]
# The lab has recorded a host with that change too. Where its interval and the prediction's do not meet, believe neither
# before you have measured on your own host. *How far to trust it* in the guide (`notebooks/guide/trust.md`) says what
# makes such a miss here.

# %%
measured = LabRuns(recording).measured([zc.patches.mtu(9000)])
pl.DataFrame([one._asdict() for one in measured]).rename({"where": "measured in"})

# %% [markdown]
# To try them, and every other change, with sliders: open [03_explorer](03_explorer.ipynb), or do
# `zc.widgets.explorer(recording)` in a cell of your own. How often predictions came true:
# [05_validation](05_validation.ipynb).

# %% [markdown]
# ## Can I trust it?
#
# What the audit found worth a look; a *bad* one would stand first, a *warn* is to be known and no more.

# %%
audit = zc.audit(recording).sort("verdict")
doubts = audit.filter(pl.col("verdict") != "ok")
bad = doubts.filter(pl.col("verdict") == "bad").height
display(Markdown(f"**{doubts.height} of {audit.height} checks to look at, {bad} of them bad.**"))  # noqa: F821
doubts

# %% [markdown]
# ## What each stage cost
#
# CPU time of each stage over the packets, and over the payload bytes, received meanwhile: two views of one time. Of the
# CPU that limits, dearest first, in nanoseconds; `low` to `high` is the 90 % interval of those a packet.

# %%
costs = zc.costs(recording)
limiting = costs.filter(pl.col("cpu") == 1)
limiting.select("stage", "cpu_share", "ns_per_packet", "low", "high", "ns_per_byte").head(12)

# %%
zc.charts.stage_cost(costs)

# %% [markdown]
# ## What was on the wire
#
# A row for each direction of each connection; then how large the packets were.

# %%
flows = zc.flows(recording.packets)
flows.select("src", "src_port", "dst", "dst_port", "packets", "payload_bytes", "goodput_gbps", "rtt_ms")

# %%
recording.packets.group_by("payload_bytes").len().sort("len", descending=True).head(5).collect()

# %% [markdown]
# ## The headline, checked

# %%
busy = costs.group_by("cpu").agg(pl.col("cpu_share").sum()).sort("cpu")
claims_hold({
    "what holds the transfer back is CPU 1": answer.held_back_by.where == "CPU 1",
    "CPU 1 is busy for more than 90 % of the time": busy.filter(pl.col("cpu") == 1)["cpu_share"].item() > 0.9,
    "the sender's part, the copy and IP take most of it": limiting.head(3)["stage"].to_list()
    == ["sender", "copy", "ip_rx"],
    "larger packets (mtu=9000) would help most": best.item(0, "patch") == "mtu=9000",
    "the lab has recorded a host with them": [one.where for one in measured] == ["veth-9000"],
})  # fmt: skip

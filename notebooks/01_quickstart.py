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
# offload, the packets steered to CPU 1 where the reader runs.
# **Answer: CPU 1 is saturated; interrupts, copying to user space and TCP/IP take most of its time. Larger packets would
# help most, by as much as the cell below says.**

# %%
from pathlib import Path

import polars as pl
from IPython.display import Markdown

import zcanalysis as zc
from zcanalysis.advice import ranked_changes
from zcanalysis.answer import answered, sentence
from zcanalysis.charts.notebook_page import claims_hold, in_notebook

display(in_notebook())  # noqa: F821 - IPython's; charts need no network, nor a kernel once drawn
root = Path("..") if Path("../traces").exists() else Path()
recording = zc.read_recording(root / "traces/veth-1500")

# %% [markdown]
# ## The answer: what limits, and the single change that helps most
#
# `predicted_gbps` is the goodput with the change, from `low_gbps` to `high_gbps` its 90 % interval.

# %%
answer = answered(recording)
best = pl.DataFrame(ranked_changes(answer)[0])
display(Markdown(sentence(answer)))  # noqa: F821 - IPython's
with pl.Config(fmt_str_lengths=80):
    display(best.select("patch", "predicted_gbps", "low_gbps", "high_gbps", "limit_after", "command"))  # noqa: F821

# %% [markdown]
# To try them, and every other change, with sliders: open `03_explorer`, or do
# `zc.widgets.explorer(recording)` in a cell of your own.

# %% [markdown]
# ## Can I trust it?

# %%
audit = zc.audit(recording)
audit.filter(pl.col("verdict") != "ok")

# %% [markdown]
# ## What each stage cost
#
# CPU time of each stage over the packets, and over the payload bytes, received meanwhile: two views of one time.

# %%
costs = zc.costs(recording)
costs.head(12)

# %%
zc.charts.stage_cost(costs)

# %% [markdown]
# ## What was on the wire
#
# The capture is lazy: only the columns asked for are decoded.

# %%
zc.flows(recording.packets)

# %%
recording.packets.group_by("payload_bytes").len().sort("len", descending=True).head(5).collect()

# %% [markdown]
# ## The headline, checked

# %%
busy = costs.group_by("cpu").agg(pl.col("cpu_share").sum()).sort("cpu")
claims_hold({
    "what holds the transfer back is CPU 1": answer.held_back_by.where == "CPU 1",
    "CPU 1 is busy for more than 90 % of the time": busy.filter(pl.col("cpu") == 1)["cpu_share"].item() > 0.9,
    "larger packets (mtu=9000) would help most": best.item(0, "patch") == "mtu=9000",
})  # fmt: skip

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
# **Answer: CPU 1 is saturated; interrupts, copying to user space and TCP/IP take most of its time.**

# %%
from pathlib import Path

import polars as pl

import zcanalysis as zc
from zcanalysis.charts.notebook_page import in_notebook

display(in_notebook())  # noqa: F821 - IPython's; charts need no network, nor a kernel once drawn
root = Path("..") if Path("../traces").exists() else Path()
recording = zc.read_recording(root / "traces/veth-1500")

# %% [markdown]
# ## First: can I trust it?

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
assert busy.filter(pl.col("cpu") == 1)["cpu_share"].item() > 0.9
busy

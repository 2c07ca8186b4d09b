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
# # What holds the receiver back, and what would help?
#
# Six recordings of real transfers between two network namespaces of one machine, each held back by something else.
# **Answer: a saturated CPU holds back five of them (in one because another process takes half of it), a small receive
# buffer the sixth. The null models are wrong by half and more about what a change gives.**

# %%
from pathlib import Path

import polars as pl

import zcanalysis as zc

root = Path("..") if Path("../traces").exists() else Path()
names = ["veth-1500", "veth-9000", "veth-gro", "veth-no-rps", "veth-small-buffer", "veth-cpu-hog"]
recordings = {name: zc.read_recording(root / "traces" / name) for name in names}

# %% [markdown]
# ## The limit of each, with its evidence

# %%
advices = {name: zc.advise(recording) for name, recording in recordings.items()}
limits = pl.DataFrame(
    {
        "recording": name,
        "Gbit/s": advice.goodput_gbps,
        "limit": advice.limit.kind,
        "where": advice.limit.where,
        "evidence": advice.limit.evidence[0],
    }
    for name, advice in advices.items()
)
with pl.Config(fmt_str_lengths=100, tbl_rows=10):
    display(limits)  # noqa: F821 - IPython's

# %% [markdown]
# ## What would help
#
# Each change with the exact command for the recorded host and its undo. The ranges are those of null models, what
# everyone does by hand: no change; the share of the samples taken away; so much a packet and so much a byte.

# %%
changes = zc.what_if(
    recordings["veth-1500"], [zc.patches.mtu(9000), zc.patches.gro(True), zc.patches.speedup("copy", 50)]
)
changes.select("patch", "predicted_gbps", "low_gbps", "high_gbps", "limit_after", "command", "undo")

# %% [markdown]
# ## How wrong they are
#
# `veth-9000` is the same host with an MTU of 9000: what the null models said of it, and what was measured.

# %%
foretold = changes.row(by_predicate=pl.col("patch") == "mtu=9000", named=True)
measured_gbps = advices["veth-9000"].goodput_gbps
pl.DataFrame(
    {
        "model": ["no change", "share of samples removed", "per packet and per byte"],
        "Gbit/s": [foretold[name] for name in ("no_change_gbps", "samples_removed_gbps", "amdahl_gbps")],
    }
).with_columns((pl.col("Gbit/s") / measured_gbps - 1).alias("error"), pl.lit(measured_gbps).alias("measured"))

# %% [markdown]
# ## The headline, checked

# %%
assert limits["limit"].to_list() == ["receiver cpu"] * 4 + ["receive window", "receiver cpu"]
assert [limits["where"][at] for at in (0, 3, 5)] == ["CPU 1", "CPU 0", "CPU 1"]

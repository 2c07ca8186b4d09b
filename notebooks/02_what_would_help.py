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
# **Answer: a saturated CPU holds back five of them (with large packets the sender's, once because another process
# takes half of it), a small receive buffer the sixth. What a change gives is replayed on a host calibrated from the
# recording, with an interval; over the five other recordings it errs less than each of three simpler models, and it
# still misses some of them.**

# %%
from pathlib import Path

import polars as pl

import zcanalysis as zc
from zcanalysis.answer import answered, model_of
from zcanalysis.charts.notebook_page import claims_hold, in_notebook
from zcanalysis.sensitivity import speedup_curve, tornado

display(in_notebook())  # noqa: F821 - IPython's; charts need no network, nor a kernel once drawn
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
display(limits)  # noqa: F821 - IPython's

# %% [markdown]
# ## What would help
#
# Each change with the exact command for the recorded host and its undo. `tier` says what a figure rests on: `recording`
# is a replay, before and after, of a host calibrated from it, with the interval that is meant to hold 90 % of what is
# measured; `null` is arithmetic that everyone does by hand, and its range carries no confidence.

# %%
answer = answered(recordings["veth-1500"])
changes = zc.what_if(
    answer, [zc.patches.mtu(9000), zc.patches.gro(True), zc.patches.speedup("copy", 50), zc.patches.flows(4)]
)
changes.select("patch", "predicted_gbps", "low_gbps", "high_gbps", "tier", "limit_after", "command", "undo")

# %%
zc.charts.forecast(changes, answer.goodput_gbps)

# %% [markdown]
# ## How near is that?
#
# The other five recordings are the same host with one thing changed. What `veth-1500` alone foretells of each, and what
# was measured there: the replay, its interval, and the null models beside it. Errors are natural logarithms of foretold
# over measured, so that twice too much and half as much weigh the same.

# %%
changed = {
    "veth-9000": [zc.patches.mtu(9000)],
    "veth-gro": [zc.patches.gro(True), zc.patches.rps(None)],
    "veth-no-rps": [zc.patches.rps(None)],
    "veth-small-buffer": [zc.patches.rcvbuf(65536)],
    "veth-cpu-hog": [zc.patches.competing_load(1)],
}
models = ["predicted_gbps", "no_change_gbps", "samples_removed_gbps", "amdahl_gbps"]
foretold = zc.what_if(answer, changed.values()).select("patch", "low_gbps", "high_gbps", *models)
measured = foretold.with_columns(measured_gbps=pl.Series([advices[name].goodput_gbps for name in changed]))
measured.with_columns(inside=pl.col("measured_gbps").is_between("low_gbps", "high_gbps"))

# %%
errors = measured.select("patch", *((pl.col(name) / pl.col("measured_gbps")).log() for name in models))
typical = errors.select(pl.col(models).abs().mean())
typical

# %% [markdown]
# ## The host behind it
#
# Every price of the receive path: CPU time over what it was used for, or an assumption that says so. Where two kinds of
# work always come together (`determined`: no) the recording cannot tell their prices apart, and the interval is
# wider.

# %%
host = zc.calibrate(answer)
prices = model_of(answer).calibration.prices
display(prices.select("price", "value", "low", "high", "determined", "origin", "source"))  # noqa: F821

# %% [markdown]
# ## What holds it back, in any order
#
# Each rung is what a group of stages gives if it took no time, averaged over every order in which the groups could be
# fixed (Shapley value).

# %%
ladder = zc.ladder(answer)
zc.charts.ladder(ladder, answer.goodput_gbps, answer.ceiling.gbps)

# %% [markdown]
# ## How much MTU is enough?

# %%
sizes = zc.sweep(answer, {"mtu": [1500, 2000, 3000, 4000, 6000, 9000, 16000, 32000, 64000]})
zc.charts.sweep_curve(sizes)

# %% [markdown]
# ## What the replay hangs on
#
# Goodput with one price at its 5 % or 95 % bound: the longest bar is what to measure better first.

# %%
swings = tornado(model_of(answer))
zc.charts.tornado(swings, answer.goodput_gbps)

# %% [markdown]
# ## If a stage took less time

# %%
zc.charts.speedup_curves(speedup_curve(model_of(answer), "copy", "tcp_rx", "hardirq"))

# %% [markdown]
# ## The headline, checked

# %%
kinds, places = (dict(limits.select("recording", of).iter_rows()) for of in ("limit", "where"))
on_cpu = [name for name, kind in kinds.items() if kind == "receiver cpu"]
claims_hold({
    "the receiver's CPU holds back four of the six": on_cpu == ["veth-1500", "veth-gro", "veth-no-rps", "veth-cpu-hog"],
    "with large packets it is the sender": kinds["veth-9000"] == "sender",
    "with a small receive buffer it is the window": kinds["veth-small-buffer"] == "receive window",
    "it is CPU 1 where packets are steered to it, CPU 0 where they are not and where the sender runs": [
        places[name] for name in ("veth-1500", "veth-9000", "veth-no-rps", "veth-cpu-hog")
    ] == ["CPU 1", "CPU 0", "CPU 0", "CPU 1"],
    "no simpler model errs less over the other recordings": min(typical.row(0)) == typical["predicted_gbps"][0],
    "what a copied byte costs was measured": host.prices()["copy.ns_per_byte"].origin == "measured",
    "every packet size has a figure": sizes["predicted_gbps"].is_finite().all(),
    "the replay hangs on a price: goodput changes within its bounds": swings["swing_gbps"][0] > 0,
})  # fmt: skip

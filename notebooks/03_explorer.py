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
# # What would a change give?
#
# Move a slider, tick a box: the prediction follows at once, with its interval, the limit that comes next, and what the
# lab measured of the same change. It needs a kernel; press *Run* → *Run All Cells*.
# **Answer: CPU 1 limits the recording `veth-1500`, and larger packets (`mtu=9000`) are the single change that gives
# most; the line under the explorer shows by how much and how sure that is.**

# %%
from pathlib import Path

from IPython.display import Markdown

import zcanalysis as zc
from zcanalysis.answer import gbps_text
from zcanalysis.scenarios import Scenario

root = Path("..") if Path("../traces").exists() else Path()

# %%
explorer = zc.widgets.explorer(root / "traces/veth-1500")
explorer

# %%
best = explorer.best.rows[0]
Markdown(f"**{best['patch']}** would give {gbps_text(best['predicted_gbps'], best['low_gbps'], best['high_gbps'])}.")

# %% [markdown]
# How to read it:
#
# - **The line at the top** says in words what the pictures show. In red: what was measured lies outside the prediction.
# - **Left**: every change that the tool knows, a group at a time. What cannot act on this host is grey and says why.
#   *Prices of the host* are what each stage costs: the bar below a slider is the interval that the recording supports.
# - **Right**: the changes that would help most, each with a button; goodput as it is and with the changes; what the
#   time of a megabyte is made of, before and after.
# - **Below**: scenarios to keep and compare, the same question as a command, and how each change is made and undone.
#
# While a slider moves, five hosts drawn from the intervals are replayed; soon after it rests all 25 are, as
# `zc.what_if` does. *On Linux 2.4* asks the same of a host of 2002, which nobody recorded.

# %% [markdown]
# ## The same, from Python
#
# Everything shown can be asked and checked: this moves the controls above to the best change. *As it is* takes it back.

# %%
explorer.show_scenario(Scenario(name="best", patches=(zc.patches.parse_patch(best["patch"]),)))
explorer.settle()
Markdown(explorer.panes.words.text)

# %% [markdown]
# ## The headline, checked

# %%
answer = explorer.answer
row = zc.what_if(answer, [zc.patches.mtu(9000)]).row(0, named=True)
shown = explorer.found.prediction
assert answer.held_back_by.where == "CPU 1"
assert best["patch"] == "mtu=9000"
assert explorer.found.exact
assert (shown.gbps, shown.low_gbps, shown.high_gbps) == (row["predicted_gbps"], row["low_gbps"], row["high_gbps"])
assert gbps_text(row["predicted_gbps"], row["low_gbps"], row["high_gbps"]) in explorer.panes.words.text

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
# # Do the predictions come true?
#
# `zcanalysis lab validate` draws hosts and patches from a factorial space, by a text that nobody chose; records the
# hosts without the patches; writes what it foretells to disk, in a chain of sha256; and only then measures, in pairs
# of runs with and without the patches. This reads what one such validation left, on veth between two network
# namespaces of a virtual machine. **Answer: the figures below, each with its target and whether it is met; the worst
# misses stand first.**

# %%
from pathlib import Path

import zcanalysis as zc
from zcanalysis.charts.notebook_page import claims_hold, in_notebook
from zcanalysis.lab.validation_document import calibrated_document, validation_table
from zcanalysis.lab.validation_text import shown_table, summary
from zcanalysis.validating import finished

display(in_notebook())  # noqa: F821 - IPython's; charts need no network, nor a kernel once drawn
root = Path("..") if Path("../traces").exists() else Path()
document = finished(root / "traces" / "validation.json")
cases = validation_table(document)

# %% [markdown]
# ## The figures and their targets

# %%
for line in summary(document):
    print(line)  # noqa: T201

# %% [markdown]
# ## Foretold and measured
#
# On the dashed line both agree. Upright: the 90 % interval; level: the smallest and the largest pair of runs; grey:
# three models of the kind that everyone has at hand.

# %%
zc.charts.validation(cases)

# %% [markdown]
# ## Every case, worst misses first
#
# `of noise` is the error in standard deviations of a ratio of hosts that do not differ; loads are foretold, measured in
# brackets, in percent of a CPU.

# %%
display(shown_table(cases))  # noqa: F821 - IPython's

# %% [markdown]
# ## The same cases, foretold with prices of the machine
#
# Where `lab calibrate` had measured the machine, each case was foretold a second time before it was measured.

# %%
other = calibrated_document(document)
"no prices of the machine were kept" if other is None else shown_table(validation_table(other))

# %% [markdown]
# ## What disturbed the measurement
#
# A pair is marked where other processes took more than 5 % of a CPU, the hypervisor more than 2 %, a full backlog
# dropped packets, or the CPUs were not as far apart as in the recording.

# %%
cases.select("configuration", "patch", "pairs", "clean", "used", "standard_error", "noise", "doubts")

# %% [markdown]
# ## The headline, checked

# %%
claims_hold({
    "the validation ran to its end": document["complete"],
    "every case that was asked for is here, but those that failed to run": cases.height == len(document["cases"])
    == document["asked"] - len(document["failures"]),
    "every case keeps the sha256 of what was foretold": cases["prediction_sha256"].str.len_chars().to_list()
    == [64] * cases.height,
    "every ratio is known to 3 %, or 15 pairs of runs were measured": (
        (cases["standard_error"] <= 0.03) | (cases["pairs"] == 15)
    ).all(),
})  # fmt: skip

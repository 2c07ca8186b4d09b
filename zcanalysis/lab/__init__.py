"""Real transfers between two hosts on one machine, recorded: the only room that needs root.

Enters: a scenario and a directory. Leaves: a recording (see `recorder`) with load.json and the exact
configuration under `lab` in host.json. May import: recorder, tables, errors, clock, numpy, polars and the
standard library.
"""

from zcanalysis.lab.alignment import Agreement, agreement, align_intervals
from zcanalysis.lab.scenarios import SCENARIOS, Scenario
from zcanalysis.lab.trial import LabOptions, run_scenario

__all__ = ["SCENARIOS", "Agreement", "LabOptions", "Scenario", "agreement", "align_intervals", "run_scenario"]

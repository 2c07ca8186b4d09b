"""Real transfers between two hosts on one machine, recorded and measured: the only room that needs root.

Enters: a scenario, patches and a directory. Leaves: a recording (see `recorder`) with load.json and the exact
configuration under `lab` in host.json; what the probes cost (`probe_effect`); prices of this machine
(`machine_prices`); predictions held against measurements (`validation`), on cases that are drawn (`draw`), written down
first (`foretelling`) and then measured in pairs of runs (`pairs`). May import: everything below it. Nothing heavy is
imported before it is used: the command line's help lists the scenarios.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from zcanalysis.lab.scenarios import SCENARIOS, Scenario

if TYPE_CHECKING:
    from zcanalysis.lab.alignment import Agreement, agreement, align_intervals
    from zcanalysis.lab.trial import LabOptions, run_scenario

__all__ = ["SCENARIOS", "Agreement", "LabOptions", "Scenario", "agreement", "align_intervals", "run_scenario"]

_HOMES: Final = {
    "Agreement": "zcanalysis.lab.alignment",
    "LabOptions": "zcanalysis.lab.trial",
    "agreement": "zcanalysis.lab.alignment",
    "align_intervals": "zcanalysis.lab.alignment",
    "run_scenario": "zcanalysis.lab.trial",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'zcanalysis.lab' has no attribute {name!r}")

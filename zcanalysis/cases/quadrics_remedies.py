"""What each change would give the hosts that explain the figures, in the order of what a production cluster allows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from zcanalysis.cases.quadrics_figures import Floats, transmitted_gbps
from zcanalysis.cases.quadrics_measurements import COUNTERS, MODULE, NODE, SYSCTL, UPGRADE, Looked, gbps_with
from zcanalysis.cases.quadrics_prior import PRICES
from zcanalysis.tables import REMEDIES, conform

TWICE_GBPS: Final = 1.8
"""Twice the reported 0.9: 'we should be able to get twice the performance'."""
NOTHING: Final = "nothing: look only"
ZERO_COPY_TRANSMIT: Final = "2.4.4 or later: zero-copy transmit"
EVERYTHING: Final = "all of the above together"
LEAST_GAIN: Final = 1.05
BYPASS_GBPS: Final = PRICES["bus_gbps"].value
"""335 MB/s point to point without the kernel (LANL RADIANT)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One change."""

    name: str
    needs: str
    changes: Mapping[str, float]


_QUIET: Final = {"late_ns": 0.0}
_DRIVER: Final = {"unsummed": 0.0, "driver_copy_share": 0.0, "reader_warm_share": 1.0, "misaligned_share": 0.0}
_MTU: Final = {"mtu_bytes": 32768.0}
_WINDOW: Final = {"window_bytes": 262_140.0}
_TRANSMIT: Final = {"warm_share": 0.0, "sent_crossings": 1.0}
_LATENCY: Final = {"prequeue": 0.0}
_NO_COPY: Final = {"free_copy": 1.0, "received_crossings": 1.0}
_ALL: Final = {**_QUIET, **_DRIVER, **_MTU, **_WINDOW, **_TRANSMIT}

REMEDIES_TRIED: Final = (
    Remedy(name=NOTHING, needs=COUNTERS, changes={}),
    Remedy(name="nothing else runs, reader at nice -20", needs=NODE, changes=_QUIET),
    Remedy(name="driver sets ip_summed, hands up its aligned buffer", needs=MODULE, changes=_DRIVER),
    Remedy(name="MTU of 32 KB", needs=SYSCTL, changes=_MTU),
    Remedy(name="four times the window", needs=SYSCTL, changes=_WINDOW),
    Remedy(name=ZERO_COPY_TRANSMIT, needs=UPGRADE, changes=_TRANSMIT),
    Remedy(name=EVERYTHING, needs=UPGRADE, changes=_ALL),
    Remedy(name="tcp_low_latency alone, if the kernel has it", needs=UPGRADE, changes=_LATENCY),
    Remedy(name="if receiving copied nothing (no kernel of 2002)", needs="code", changes={**_DRIVER, **_NO_COPY}),
    Remedy(name="that, and all together", needs="code", changes={**_ALL, **_NO_COPY}),
)


def remedies(seen: Looked) -> pl.DataFrame:
    """What each change gives: the REMEDIES table.

    Parameters
    ----------
    seen
        Hosts that explain the figures over TCP.
    """
    rows = [_row(one, seen) for one in REMEDIES_TRIED]
    bound = {"remedy": "no kernel at all: MPI, the bound from above", "needs": "MPI", "receives_gbps": BYPASS_GBPS}
    return conform(pl.DataFrame([*rows, bound]), REMEDIES)


def _row(one: Remedy, seen: Looked) -> dict[str, object]:
    gbps = gbps_with(seen, one.changes)
    changed = seen.hosts | {name: np.full(gbps.size, value) for name, value in one.changes.items()}
    low, median, high = _quantiles(gbps)
    return {
        "remedy": one.name, "needs": one.needs, "receives_gbps": median, "low_gbps": low, "high_gbps": high,
        "gains_share": float((gbps >= LEAST_GAIN * seen.gbps).mean()),
        "twice_share": float((gbps >= TWICE_GBPS).mean()),
        "transmits_gbps": float(np.median(transmitted_gbps(changed))),
    }  # fmt: skip


def _quantiles(gbps: Floats) -> tuple[float, float, float]:
    low, median, high = np.quantile(gbps, [0.05, 0.5, 0.95])
    return float(low), float(median), float(high)

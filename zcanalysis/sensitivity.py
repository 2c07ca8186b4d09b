"""What the replayed goodput hangs on: each price within its interval, each stage within what could be saved of it."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from zcanalysis.gains import is_fixable
from zcanalysis.modelled import Basis
from zcanalysis.patched import without_stage
from zcanalysis.tables import SPEEDUP, TORNADO, conform, empty
from zcanalysis.transfers import transfers

PERCENTS: Final = tuple(range(0, 101, 10))


def tornado(start: Basis) -> pl.DataFrame:
    """The TORNADO table: goodput with each uncertain price at its bounds, the largest swing first.

    Parameters
    ----------
    start
        The calibrated host; all of its variants are replayed in one call.

    Notes
    -----
    One price at a time, the others at their values: it says what to measure better, not how far all together reach.
    """
    host = start.hosts[0]
    unsure = {name: price for name, price in host.prices().items() if price.low < price.high}
    if not unsure:
        return empty(TORNADO)
    ends = [
        host.with_price(name, price.at(bound)) for name, price in unsure.items() for bound in (price.low, price.high)
    ]
    at_low, at_high = (transfers(ends).gbps / start.fit).reshape(-1, 2).T
    points = np.stack([at_low, at_high, np.full(len(unsure), start.goodput.gbps)])
    table = pl.DataFrame(
        {
            "price": list(unsure),
            "value": [price.value for price in unsure.values()],
            "low": [price.low for price in unsure.values()],
            "high": [price.high for price in unsure.values()],
            "at_low_gbps": at_low,
            "at_high_gbps": at_high,
            "swing_gbps": points.max(axis=0) - points.min(axis=0),
            "origin": [price.origin for price in unsure.values()],
        }
    )
    return conform(table.sort("swing_gbps", descending=True, maintain_order=True), TORNADO)


def speedup_curve(start: Basis, *stages: str) -> pl.DataFrame:
    """The SPEEDUP table: goodput where each stage alone takes 0, 10, … 100 % less time.

    Parameters
    ----------
    start
        The calibrated host; all of its variants are replayed in one call.
    *stages
        Of `STAGES`, each the work behind some price of the host (`fixable_stages`).

    Raises
    ------
    ValueError
        If no price of the host is the work of a stage.

    Notes
    -----
    Curtsinger and Berger, Coz: finding code that counts with causal profiling, SOSP 2015: the curve of a stage that
    does not limit is flat, and one that bends shows where another takes over.
    """
    known = fixable_stages(start)
    for stage in stages:
        if stage not in known:
            raise ValueError(f"no price of this host is the work of {stage!r}; there are {', '.join(known)}")
    if not stages:
        return empty(SPEEDUP)
    rows = [(stage, percent) for stage in stages for percent in PERCENTS]
    parts = start.calibration.parts
    hosts = [without_stage(start.hosts[0], stage, parts, percent / 100) for stage, percent in rows]
    table = pl.DataFrame(rows, schema=["stage", "percent"], orient="row")
    return conform(table.with_columns(gbps=transfers(hosts).gbps / start.fit), SPEEDUP)


def fixable_stages(start: Basis) -> Sequence[str]:
    """The stages whose time the host's prices hold, by name.

    Parameters
    ----------
    start
        The calibrated host.
    """
    stages = {stage for part in start.calibration.parts.values() for stage in part}
    return sorted(stage for stage in stages if is_fixable(stage, start))

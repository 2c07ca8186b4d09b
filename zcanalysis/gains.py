"""What fixing a stage gives back: alone, last of all, and in the ladder from the goodput up, whatever the order.

Blame says where time went; only another run says what comes back. Here each run is a replay with stages made free.
"""

from collections.abc import Iterable, Sequence
from math import factorial
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.cpu.kernel_stages import GROUP_OF, NOT_RECEIVE
from zcanalysis.hosts import Host
from zcanalysis.modelled import Basis
from zcanalysis.patched import without_stage
from zcanalysis.tables import LADDER, conform
from zcanalysis.transfers import transfers

Floats = npt.NDArray[np.float64]

MOST_RUNGS: Final = 8
"""2**8 replays; smaller groups are put together as the last rung."""
OTHERS: Final = "everything else"


class Gains(NamedTuple):
    """What each of some fixes gives, in the unit of the rates."""

    alone: Floats
    """Shape (fixes,). Only this one."""
    last: Floats
    """Shape (fixes,). This one, when all others are done."""


def gains(rates: Floats) -> Gains:
    """Gains of fixes from the rates that sets of them reach.

    Parameters
    ----------
    rates
        Shape (2 + 2 n,). With no fix, with all, with each alone, and with all but each.

    Examples
    --------
    Caps of 2, 3 and 9 under a ceiling of 10: fixing one helps only if it is the tightest.

    >>> found = gains(np.array([2.0, 10, 3, 2, 2, 2, 3, 9]))
    >>> found.alone.tolist(), found.last.tolist()
    ([1.0, 0.0, 0.0], [8.0, 7.0, 1.0])
    """
    n = (len(rates) - 2) // 2
    return Gains(rates[2 : 2 + n] - rates[0], rates[1] - rates[2 + n :])


def shapley(rates: Floats) -> Floats:
    """Each fix's part of what all give, averaged over every order in which they could be made.

    Parameters
    ----------
    rates
        Shape (2**n,). Rate with a set of fixes; bit i of the index says whether fix i is among them.

    Returns
    -------
    Floats
        Shape (n,). Sums to the rate with all less the rate with none.

    Notes
    -----
    L. S. Shapley, A value for n-person games, 1953.

    Examples
    --------
    >>> shapley(np.array([2.0, 3.0, 2.0, 9.0])).tolist()
    [4.0, 3.0]
    """
    n = len(rates).bit_length() - 1
    indices = np.arange(len(rates))
    sizes = np.array([int(index).bit_count() for index in indices])
    weights = np.array([factorial(k) * factorial(n - 1 - k) / factorial(n) for k in range(n)])
    parts = np.zeros(n)
    for fix in range(n):
        without = indices[(indices >> fix) & 1 == 0]
        parts[fix] = float(np.sum(weights[sizes[without]] * (rates[without | (1 << fix)] - rates[without])))
    return parts


def with_gains(blame: pl.DataFrame, start: Basis) -> pl.DataFrame:
    """The BLAME table with what fixing each stage gives, by replay; null for rows that are no work of a stage.

    Parameters
    ----------
    blame
        The BLAME table.
    start
        The calibrated host of the same recording.
    """
    stages = [stage for stage in blame.get_column("stage") if is_fixable(stage, start)]
    if not stages:
        return blame
    host = start.hosts[0]
    sets = [(), stages, *([stage] for stage in stages), *([s for s in stages if s != left] for left in stages)]
    rates = transfers([_free(host, some, start) for some in sets]).gbps / start.fit
    found = gains(rates)
    rows = pl.DataFrame({"stage": stages, "alone": found.alone, "last": found.last})
    joined = blame.join(rows, on="stage", how="left", maintain_order="left")
    return joined.with_columns(pl.col("alone").alias("gain_alone_gbps"), pl.col("last").alias("gain_last_gbps")).select(
        blame.columns
    )


def ladder(start: Basis, most_rungs: int = MOST_RUNGS) -> pl.DataFrame:
    """The LADDER table: from the goodput to what a receiver whose stages are all free would get, rung by rung.

    Parameters
    ----------
    start
        The calibrated host.
    most_rungs
        At least 1; the smaller groups are one. Takes 2 to that power replays.

    Notes
    -----
    Rungs are groups of stages; each one's height is its Shapley value, so no order of fixing is preferred and the rungs
    sum exactly to the whole climb.
    """
    rungs = _rungs(start, most_rungs)
    host = start.hosts[0]
    sets = [[stage for at, (_, stages) in enumerate(rungs) if index >> at & 1 for stage in stages]
            for index in range(1 << len(rungs))]  # fmt: skip
    rates = transfers([_free(host, some, start) for some in sets]).gbps / start.fit
    parts = shapley(rates)
    found = gains(np.array([
        rates[0], rates[-1], *(rates[1 << at] for at in range(len(rungs))),
        *(rates[len(rates) - 1 - (1 << at)] for at in range(len(rungs))),
    ]))  # fmt: skip
    table = pl.DataFrame(
        {
            "group": [name for name, _ in rungs],
            "stages": [", ".join(stages) for _, stages in rungs],
            "part_gbps": parts,
            "gain_alone_gbps": found.alone,
            "gain_last_gbps": found.last,
        },
        schema_overrides={"group": pl.String, "stages": pl.String},
    )
    return conform(table.sort("part_gbps", descending=True), LADDER)


def is_fixable(stage: str, start: Basis) -> bool:
    """Whether some price of the host is the work of that stage.

    Parameters
    ----------
    stage
        One of `STAGES`, or another row of the BLAME table.
    start
        The calibrated host.
    """
    known = start.hosts[0].prices()
    return any(name in known and part.get(stage, 0.0) > 0 for name, part in start.calibration.parts.items())


def _free(host: Host, stages: Iterable[str], start: Basis) -> Host:
    """All of these stages at once: each price loses the parts that are theirs."""
    chosen = set(stages)
    parts = {
        name: {"": sum(share for stage, share in part.items() if stage in chosen)}
        for name, part in start.calibration.parts.items()
    }
    return without_stage(host, "", parts)


def _rungs(start: Basis, most: int) -> list[tuple[str, Sequence[str]]]:
    """Groups of receiver stages by the CPU time behind them, the smallest put together."""
    weight: dict[str, float] = {}
    stages: dict[str, set[str]] = {}
    prices = start.hosts[0].prices()
    for name, part in start.calibration.parts.items():
        for stage, share in part.items():
            if stage in NOT_RECEIVE or name not in prices:
                continue
            group = GROUP_OF[stage]
            weight[group] = weight.get(group, 0.0) + share * start.calibration.spent_ns[name]
            stages.setdefault(group, set()).add(stage)
    order = sorted(weight, key=lambda group: -weight[group])
    rungs: list[tuple[str, Sequence[str]]] = [(group, sorted(stages[group])) for group in order[: most - 1]]
    rest = sorted(stage for group in order[most - 1 :] for stage in stages[group])
    return [*rungs, (OTHERS, rest)] if rest else rungs

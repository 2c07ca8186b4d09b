"""The receiver's CPU time of two sets of recordings beside each other, by function and by call chain."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from zcanalysis.comparable import Comparable, function_quantities
from zcanalysis.compared_rows import rows_of_both, tested
from zcanalysis.cpu.flame_difference import SMALLEST_FRAME_SHARE
from zcanalysis.tables import CHAINS_COMPARED, FUNCTIONS_COMPARED, conform, empty, polars_schema


class Sampled(NamedTuple):
    """How finely the samples of one set tell functions apart."""

    samples: int
    """Of the receive path."""
    ns_per_kb: float
    """What one of them stands for, on average, in the mean over the set."""


def compared_functions(after: Sequence[Comparable], before: Sequence[Comparable]) -> pl.DataFrame:
    """What changed in the functions that a flame of both would show: FUNCTIONS_COMPARED, largest difference first.

    Parameters
    ----------
    after, before
        The two sets. Empty if one of them has no samples.
    """
    rows = list(rows_of_both(*([function_quantities(one.profile) for one in side] for side in (after, before))))
    least = SMALLEST_FRAME_SHARE * sum(row["value"] + row["against"] for row in rows)
    stages = dict(row for one in (*before, *after) for row in one.profile.functions.select("function", "stage").rows())
    marked = tested([row for row in rows if row["value"] + row["against"] >= least])
    told = [row | {"stage": stages[row["quantity"]]} for row in marked]
    table = pl.DataFrame(told, schema=polars_schema(FUNCTIONS_COMPARED))
    return conform(table.sort(pl.col("difference").abs(), "quantity", descending=[True, False]), FUNCTIONS_COMPARED)


def compared_chains(after: Sequence[Comparable], before: Sequence[Comparable]) -> pl.DataFrame:
    """Each call chain's mean over either set, whatever the length of its recordings: CHAINS_COMPARED.

    Parameters
    ----------
    after, before
        The two sets. Empty if one of them has no call chains.
    """
    means = [_mean_chains([one for one in side if not one.profile.missing]) for side in (before, after)]
    if not all(means):
        return empty(CHAINS_COMPARED)
    rows = [(stack, *(side.get(stack, 0.0) for side in means)) for stack in sorted(means[0] | means[1])]
    return conform(pl.DataFrame(rows, schema=polars_schema(CHAINS_COMPARED), orient="row"), CHAINS_COMPARED)


def _mean_chains(side: Sequence[Comparable]) -> dict[str, float]:
    """Added up in the order of the recordings, because a sum of floats depends on it."""
    sums: dict[str, float] = {}
    for one in side:
        for stack, ns_per_kb in one.profile.chains.rows():
            sums[stack] = sums.get(stack, 0.0) + ns_per_kb / len(side)
    return sums


def sampled(side: Sequence[Comparable]) -> Sampled:
    """How finely a set is sampled.

    Parameters
    ----------
    side
        The set.
    """
    mine = [one.profile for one in side if one.profile.samples]
    samples = sum(one.samples for one in mine)
    whole = sum(float(one.functions.get_column("ns_per_kb").sum()) for one in mine) / max(len(mine), 1)
    return Sampled(samples, whole / max(samples, 1))

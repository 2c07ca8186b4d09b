"""Counters to differences and rates inside one phase of a recording."""

from typing import Final

import polars as pl

NS_PER_S: Final = 1_000_000_000
BITS_PER_BYTE: Final = 8
GROWTH_PER_NS: Final = pl.col("increment") / pl.col("elapsed_ns")
"""Of the rows that `increments` gives: a counter of nanoseconds becomes a share of time."""


def increments(counters: pl.DataFrame, source: str, phase: str | None = None) -> pl.DataFrame:
    """How much each counter of one source grew over a phase.

    Parameters
    ----------
    counters
        COUNTERS rows.
    source
        Which source, e.g. ``netdev``.
    phase
        Which phase; the whole recording when None.

    Returns
    -------
    pl.DataFrame
        Columns ``instance``, ``counter``, ``increment`` (clipped at 0: a counter that restarts says nothing) and
        ``elapsed_ns``, both summed over the repeats of the phase: what grew between them is not counted. Counters
        read once in a repeat are left out there.
    """
    rows = counters.filter(pl.col("source") == source)
    rows = rows if phase is None else rows.filter(pl.col("phase") == phase)
    window = [] if phase is None else ["repeat"]
    return (
        rows.sort("ts_ns")
        .group_by("instance", "counter", *window, maintain_order=True)
        .agg(
            (pl.col("value").last() - pl.col("value").first()).clip(lower_bound=0).alias("increment"),
            (pl.col("ts_ns").last() - pl.col("ts_ns").first()).alias("elapsed_ns"),
        )
        .filter(pl.col("elapsed_ns") > 0)
        .group_by("instance", "counter", maintain_order=True)
        .agg(pl.col("increment").sum(), pl.col("elapsed_ns").sum())
    )


def total(
    counters: pl.DataFrame,
    source: str,
    counter: str,
    *,
    phase: str | None = None,
    instance: str | None = None,
) -> int | None:
    """Sum of one counter's growth over its instances; None when it was not recorded.

    Examples
    --------
    >>> table = pl.DataFrame({"ts_ns": [0, 9], "phase": "a", "repeat": 0, "source": "softnet", "instance": "cpu0",
    ...                       "counter": "dropped", "value": [4, 7]})
    >>> total(table, "softnet", "dropped"), total(table, "softnet", "processed")
    (3, None)
    """
    rows = increments(counters, source, phase).filter(pl.col("counter") == counter)
    rows = rows if instance is None else rows.filter(pl.col("instance") == instance)
    return None if rows.is_empty() else int(rows.get_column("increment").sum())


def per_interval(counters: pl.DataFrame, source: str, counter: str, instance: str) -> pl.DataFrame:
    """Rate of one counter between neighbouring readings of one phase.

    Returns
    -------
    pl.DataFrame
        ``ts_ns`` (end of the interval), ``phase``, ``repeat``, ``per_s``.
    """
    since_last = [pl.col(name).diff().over("phase", "repeat") for name in ("value", "ts_ns")]
    return (
        counters.filter(pl.col("source") == source, pl.col("counter") == counter, pl.col("instance") == instance)
        .unique(subset="ts_ns")
        .sort("ts_ns")
        .select(
            "ts_ns",
            "phase",
            "repeat",
            (since_last[0].clip(lower_bound=0) / (since_last[1] / NS_PER_S)).alias("per_s"),
        )
        .drop_nulls("per_s")
    )

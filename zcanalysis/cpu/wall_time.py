"""Where the wall time of each CPU went: stages by samples, idle by counters, and what neither saw."""

from typing import Final

import polars as pl

from zcanalysis.rates import NS_PER_S, increments

ACCOUNT_COLUMNS: Final = ("cpu", "stage", "seconds", "share")
UNSAMPLED: Final = "unsampled"


def wall_time_account(stages: pl.DataFrame, counters: pl.DataFrame | None, phase: str | None) -> pl.DataFrame:
    """Seconds of each stage on each CPU, with idle and unsampled time, adding up to the wall time.

    Parameters
    ----------
    stages
        STAGED_SAMPLES rows of the phase.
    counters
        COUNTERS; their cpuidle rows give the idle time. Without them idle time is part of *unsampled*.
    phase
        The phase whose counters belong to these samples.

    Returns
    -------
    pl.DataFrame
        ``cpu``, ``stage``, ``seconds``, ``share`` of the CPU's wall time. Stage ``idle`` is from counters,
        never from samples; stage ``unsampled`` is wall - idle - sampled, negative when sampling overcounts.
    """
    wall = _wall(stages, counters, phase)
    busy = (
        stages.filter(pl.col("stage") != "idle")
        .group_by("cpu", "stage")
        .agg((pl.col("weight_ns").sum() / NS_PER_S).alias("seconds"))
        .join(wall.select("cpu"), on="cpu", how="semi")
    )
    idle = wall.select("cpu", pl.lit("idle").alias("stage"), pl.col("idle_s").alias("seconds"))
    known = pl.concat([busy, idle.drop_nulls()])
    unsampled = wall.join(known.group_by("cpu").agg(pl.col("seconds").sum()), on="cpu", how="left").select(
        "cpu",
        pl.lit(UNSAMPLED).alias("stage"),
        (pl.col("wall_s") - pl.col("seconds").fill_null(0)).alias("seconds"),
    )
    return (
        pl.concat([known, unsampled])
        .join(wall, on="cpu")
        .select("cpu", "stage", "seconds", (pl.col("seconds") / pl.col("wall_s")).alias("share"))
        .sort("cpu", "seconds", descending=[False, True])
    )


def _wall(stages: pl.DataFrame, counters: pl.DataFrame | None, phase: str | None) -> pl.DataFrame:
    """Wall and idle seconds of each CPU: by the counters' own readings, else by first and last sample."""
    span_s = 0.0
    if not stages.is_empty():
        first_ns, last_ns = stages.select(pl.col("ts_ns").min().alias("a"), pl.col("ts_ns").max().alias("b")).row(0)
        span_s = (last_ns - first_ns) / NS_PER_S
    sampled = stages.select(pl.col("cpu").unique()).with_columns(
        pl.lit(span_s).alias("wall_s"), pl.lit(None, pl.Float64).alias("idle_s")
    )
    if counters is None:
        return sampled
    idle = increments(counters, "cpuidle", phase).filter(pl.col("counter") == "idle_ns")
    if idle.is_empty():
        return sampled
    return idle.select(
        pl.col("instance").str.strip_prefix("cpu").cast(pl.Int32).alias("cpu"),
        ((pl.col("to_ns") - pl.col("from_ns")) / NS_PER_S).alias("wall_s"),
        (pl.col("increment") / NS_PER_S).alias("idle_s"),
    )

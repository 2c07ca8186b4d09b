"""Seconds of the limiting CPU, then bit/s, per stage: rows that sum to the gap between ceiling and goodput.

This is the arithmetic of shares: of the time the limiting CPU spent, each stage's part is its part of the
loss. It says who used the CPU, not what fixing a stage gives back: the gain columns stay null.
"""

from typing import Final, NamedTuple

import numpy as np
import polars as pl

from zcanalysis.cpu.costs import seconds_by_stretch
from zcanalysis.cpu.intervals import drawn_sums, interval
from zcanalysis.cpu.wall_time import UNSAMPLED
from zcanalysis.goodput import Ceiling
from zcanalysis.tables import BLAME, conform, empty

# The sender's time is what the ceiling is made of; the probe is absent from the phase whose goodput is explained.
NOT_BLAMED: Final = ("sender", "probe", "idle", UNSAMPLED)
SATURATED_SHARE: Final = 0.95


class LimitingCpu(NamedTuple):
    """The busiest CPU."""

    cpu: int
    busy_share: float
    saturated: bool
    stages: tuple[str, ...]
    """What it mostly does, dearest first."""


def limiting_cpu(account: pl.DataFrame) -> LimitingCpu | None:
    """The CPU with the least idle time; between two within 3 points, the one with more receive work.

    Parameters
    ----------
    account
        As `zcanalysis.cpu.wall_time` gives it.
    """
    if account.is_empty():
        return None
    receives = pl.col("share").filter(~pl.col("stage").is_in(NOT_BLAMED)).sum()
    idle = pl.col("share").filter(pl.col("stage") == "idle").sum()
    unsampled = pl.col("share").filter(pl.col("stage") == UNSAMPLED).sum()
    has_idle = (pl.col("stage") == "idle").any()
    # without counters, what was not sampled counts as idle
    busy = (1 - pl.when(has_idle).then(idle).otherwise(unsampled)).clip(0, 1)
    cpus = account.group_by("cpu").agg(busy.alias("busy"), receives.alias("receives")).sort("busy", descending=True)
    near = cpus.filter(pl.col("busy") >= pl.col("busy").max() - 0.03).sort("receives", descending=True)
    cpu, share = near.select("cpu", "busy").row(0)
    own = account.filter(pl.col("cpu") == cpu, ~pl.col("stage").is_in(("idle", UNSAMPLED, "probe"))).sort(
        "seconds", descending=True
    )
    return LimitingCpu(int(cpu), float(share), share >= SATURATED_SHARE, tuple(own.get_column("stage").head(4)))


def blame_by_share(
    stages: pl.DataFrame, account: pl.DataFrame, limit: LimitingCpu, goodput_gbps: float, top: Ceiling
) -> pl.DataFrame:
    """The BLAME table: `lost_gbps` adds up to ceiling - goodput, framing and unexplained included.

    Parameters
    ----------
    stages
        STAGED_SAMPLES of the sampled phase.
    account
        Of the same phase: gives idle and unsampled time.
    limit
        The CPU whose time is divided.
    goodput_gbps
        Of the undisturbed phase.
    top
        The ceiling; without a figure there is no gap and the table is empty.
    """
    if top.gbps is None:
        return empty(BLAME)
    gap_gbps = max(top.gbps - goodput_gbps, 0.0)
    framing_gbps = min(top.framing_gbps, gap_gbps)
    own = stages.filter(pl.col("cpu") == limit.cpu, ~pl.col("stage").is_in(NOT_BLAMED))
    time = account.filter(pl.col("cpu") == limit.cpu)
    idle_s = _seconds(time, "idle")
    unsampled_s = max(_seconds(time, UNSAMPLED), 0.0)
    rows = _rows(own, idle_s, unsampled_s, gap_gbps - framing_gbps)
    wall_s = float(time.get_column("seconds").sum()) or 1.0
    framing = pl.DataFrame(
        [
            {
                "stage": "framing",
                "seconds": 0.0,
                "lost_gbps": framing_gbps,
                "low_gbps": framing_gbps,
                "high_gbps": framing_gbps,
            }
        ]
    )
    table = pl.concat([framing, rows], how="diagonal_relaxed").with_columns(
        (pl.col("seconds") / wall_s).alias("share"),
        pl.lit(None, pl.Float64).alias("gain_alone_gbps"),
        pl.lit(None, pl.Float64).alias("gain_last_gbps"),
    )
    return conform(_closed(table, gap_gbps), BLAME)


def _rows(own: pl.DataFrame, idle_s: float, unsampled_s: float, gap_gbps: float) -> pl.DataFrame:
    """Each stage's part of the gap with its interval, dearest first; waiting and unexplained last."""
    names: list[str] = []
    by_stretch = np.zeros((1, 0))
    if not own.is_empty():
        keys, by_stretch = seconds_by_stretch(own)
        names = keys.get_column("stage").to_list()
    stretches = by_stretch.shape[0]
    rest = np.full((stretches, 2), 1.0 / stretches) * np.array([max(idle_s, 0.0), unsampled_s])
    by_stretch = np.hstack([by_stretch, rest])
    seconds = by_stretch.sum(axis=0)
    whole = float(seconds.sum())
    if whole <= 0:
        return pl.DataFrame(
            [
                {
                    "stage": "unexplained",
                    "seconds": 0.0,
                    "lost_gbps": gap_gbps,
                    "low_gbps": 0.0,
                    "high_gbps": gap_gbps,
                }
            ]
        )
    draws = drawn_sums(by_stretch)
    low, high = interval(draws / draws.sum(axis=1, keepdims=True))
    table = pl.DataFrame(
        {
            "stage": [*names, "waiting", "unexplained"],
            "seconds": seconds,
            "lost_gbps": seconds / whole * gap_gbps,
            "low_gbps": low * gap_gbps,
            "high_gbps": high * gap_gbps,
        }
    )
    last = pl.col("stage").is_in(("waiting", "unexplained"))
    return table.sort(last, pl.col("seconds"), descending=[False, True])


def _closed(table: pl.DataFrame, gap_gbps: float) -> pl.DataFrame:
    """Rounding goes to the unexplained row, so that the sum holds to the last bit that a float can keep."""
    others = float(table.filter(pl.col("stage") != "unexplained").get_column("lost_gbps").sum())
    exact = pl.when(pl.col("stage") == "unexplained").then(gap_gbps - others).otherwise(pl.col("lost_gbps"))
    return table.with_columns(exact.alias("lost_gbps"))


def _seconds(time: pl.DataFrame, stage: str) -> float:
    return float(time.filter(pl.col("stage") == stage).get_column("seconds").sum())

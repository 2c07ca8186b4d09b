"""Seconds of the limiting CPU, then bit/s, per stage: rows that sum to the gap between ceiling and goodput.

This is the arithmetic of shares: of the time the limiting CPU spent, each stage's part is its part of the
loss. It says who used the CPU, not what fixing a stage gives back: the gain columns stay null.
"""

from typing import Final, NamedTuple

import numpy as np
import polars as pl

from zcanalysis.cpu.costs import seconds_by_stretch
from zcanalysis.cpu.intervals import DRAWS, SEED, Floats, drawn_sums, interval
from zcanalysis.cpu.wall_time import UNSAMPLED, busy_share
from zcanalysis.goodput import Ceiling, Goodput
from zcanalysis.tables import BLAME, conform

# The sender's time is what the ceiling is made of; the probe is absent from the phase whose goodput is explained.
NOT_BLAMED: Final = ("sender", "probe", "idle", UNSAMPLED)
NOT_RECEIVING: Final = (*NOT_BLAMED, "foreign", "unclassified")
SATURATED_SHARE: Final = 0.95
LEAST_RECEIVE_SHARE: Final = 0.05
TIE_SHARE: Final = 0.03
MOSTLY_SHOWN: Final = 4
NORMAL_95: Final = 1.6449


class LimitingCpu(NamedTuple):
    """The busiest CPU of those that receive."""

    cpu: int
    busy_share: float
    saturated: bool
    stages: tuple[str, ...]
    """What it mostly does, dearest first."""


class Blame(NamedTuple):
    """Who lost what, and how sure the ceiling is."""

    table: pl.DataFrame
    ceiling_low_gbps: float | None
    ceiling_high_gbps: float | None


def limiting_cpu(account: pl.DataFrame) -> LimitingCpu | None:
    """The CPU with the least idle time of those that do receive work; None when no CPU does.

    A CPU counts when at least a twentieth of its time is receive work: one that only computes is busy, not the limit.
    Between two within 3 points, the one with more receive work.

    Parameters
    ----------
    account
        As `zcanalysis.cpu.wall_time` gives it. Samples without a CPU number say nothing of a limit.
    """
    receives = pl.col("share").filter(~pl.col("stage").is_in(NOT_RECEIVING)).sum()
    cpus = (
        account.filter(pl.col("cpu") >= 0, pl.col("share").is_finite())
        .group_by("cpu")
        .agg(busy_share().alias("busy"), receives.alias("receives"))
        .filter(pl.col("receives") >= LEAST_RECEIVE_SHARE)
    )
    if cpus.is_empty():
        return None
    near = cpus.filter(pl.col("busy") >= pl.col("busy").max() - TIE_SHARE).sort("receives", descending=True)
    cpu, share = near.select("cpu", "busy").row(0)
    own = account.filter(pl.col("cpu") == cpu, ~pl.col("stage").is_in(("idle", UNSAMPLED, "probe")))
    stages = own.sort("seconds", descending=True).get_column("stage").head(MOSTLY_SHOWN)
    return LimitingCpu(int(cpu), float(share), share >= SATURATED_SHARE, tuple(stages))


def blame_by_share(
    stages: pl.DataFrame, account: pl.DataFrame, limit: LimitingCpu, goodput: Goodput, top: Ceiling
) -> Blame:
    """The BLAME table: `lost_gbps` adds up to ceiling - goodput, framing and unexplained included.

    Parameters
    ----------
    stages
        STAGED_SAMPLES of the sampled phase.
    account
        Of the same phase: gives idle and unsampled time.
    limit
        The CPU whose time is divided.
    goodput
        Of the undisturbed phase.
    top
        The ceiling, with a figure. Below the goodput it contradicts it: the gap is then 0.

    Notes
    -----
    The intervals are those of stretches of the sampled window drawn together (stages and the sender's share, of which a
    modelled ceiling is made), and of the goodput. They hold neither the bias of a sampler that cannot
    stop where interrupts are off (column ``skid_share``) nor the change that sampling itself makes.
    """
    assert top.gbps is not None
    gap_gbps = max(top.gbps - goodput.gbps, 0.0)
    framing_gbps = min(top.framing_gbps, gap_gbps)
    parts = _parts(stages, account, limit)
    ceiling_draws = _ceiling_draws(parts, top)
    left = np.clip(ceiling_draws - top.framing_gbps - _goodput_draws(goodput), 0.0, None)
    low, high = interval(parts.share_draws * left[:, np.newaxis])
    table = pl.DataFrame(
        {
            "stage": parts.names,
            "seconds": parts.seconds,
            "lost_gbps": parts.seconds / max(float(parts.seconds.sum()), 1e-12) * (gap_gbps - framing_gbps),
            "low_gbps": low,
            "high_gbps": high,
            "skid_share": parts.skid,
        }
    )
    last = pl.col("stage").is_in(("waiting", "unexplained"))
    table = table.sort(last, pl.col("seconds"), descending=[False, True])
    framing = {"stage": "framing", "lost_gbps": framing_gbps, "low_gbps": framing_gbps, "high_gbps": framing_gbps}
    table = pl.concat([pl.DataFrame([framing | {"seconds": 0.0}]), table], how="diagonal_relaxed")
    wall_s = float(account.filter(pl.col("cpu") == limit.cpu).get_column("seconds").sum()) or 1.0
    nothing_yet = pl.lit(None, pl.Float64)
    table = table.with_columns(
        (pl.col("seconds") / wall_s).alias("share"),
        nothing_yet.alias("gain_alone_gbps"),
        nothing_yet.alias("gain_last_gbps"),
    )
    bounds = interval(ceiling_draws[:, np.newaxis]) if top.kind == "modelled" else (None, None)
    low_high = [None if bound is None else float(bound[0]) for bound in bounds]
    return Blame(conform(_closed(table, gap_gbps), BLAME), low_high[0], low_high[1])


class _Parts(NamedTuple):
    """The limiting CPU's time in parts, as measured and as drawn."""

    names: list[str]
    seconds: Floats
    """Shape (parts,)."""
    skid: list[float | None]
    share_draws: Floats
    """Shape (draws, parts); each row sums to 1."""
    sender_draws: Floats
    """Shape (draws,): the sender's time on all CPUs, relative to what was measured."""


def _parts(stages: pl.DataFrame, account: pl.DataFrame, limit: LimitingCpu) -> _Parts:
    keys, by_stretch = seconds_by_stretch(stages)
    keys = keys.with_row_index("at")
    blamed = keys.filter(pl.col("cpu") == limit.cpu, ~pl.col("stage").is_in(NOT_BLAMED))
    names = blamed.get_column("stage").to_list()
    draws = drawn_sums(by_stretch)
    own = blamed.get_column("at").to_numpy()
    seconds = by_stretch[:, own].sum(axis=0)
    time = account.filter(pl.col("cpu") == limit.cpu)
    waiting_s = max(_seconds(time, "idle"), 0.0)
    unexplained_s = max(_seconds(time, UNSAMPLED), 0.0)
    whole = np.concatenate([seconds, [waiting_s, unexplained_s]])
    rest = np.broadcast_to([waiting_s, unexplained_s], (DRAWS, 2))
    drawn = np.hstack([draws[:, own], rest])
    skids = dict(stages.filter(pl.col("cpu") == limit.cpu).group_by("stage").agg(pl.col("skid").mean()).iter_rows())
    senders = keys.filter(pl.col("stage") == "sender").get_column("at").to_numpy()
    sender_s = float(by_stretch[:, senders].sum())
    return _Parts(
        names=[*names, "waiting", "unexplained"],
        seconds=whole,
        skid=[*(skids.get(name) for name in names), None, None],
        share_draws=drawn / np.clip(drawn.sum(axis=1, keepdims=True), 1e-12, None),
        sender_draws=draws[:, senders].sum(axis=1) / sender_s if sender_s > 0 else np.ones(DRAWS),
    )


def _ceiling_draws(parts: _Parts, top: Ceiling) -> Floats:
    """A link is what it is; a modelled ceiling is as sure as the sender's share it is made of."""
    assert top.gbps is not None
    if top.kind == "link":
        return np.full(DRAWS, top.gbps)
    return top.gbps / np.clip(parts.sender_draws, 1e-3, None)


def _goodput_draws(goodput: Goodput) -> Floats:
    spread = (goodput.relative_error or 0.0) / NORMAL_95
    return goodput.gbps * (1 + spread * np.random.default_rng(SEED).standard_normal(DRAWS))


def _closed(table: pl.DataFrame, gap_gbps: float) -> pl.DataFrame:
    """Rounding goes to the largest row, so that the sum holds to the last bit that a float can keep."""
    lost = table.get_column("lost_gbps")
    largest = lost.arg_max() or 0
    others = float(lost.sum()) - float(lost[largest])
    exact = pl.when(pl.int_range(pl.len()) == largest).then(gap_gbps - others).otherwise(pl.col("lost_gbps"))
    return table.with_columns(exact.alias("lost_gbps"))


def _seconds(time: pl.DataFrame, stage: str) -> float:
    return float(time.filter(pl.col("stage") == stage).get_column("seconds").sum())

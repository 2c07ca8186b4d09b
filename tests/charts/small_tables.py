"""Charts of a few made rows, in place of exhibits whose tables take a case most of a minute."""

from collections.abc import Callable
from itertools import product
from typing import Any

import polars as pl

from zcanalysis import charts
from zcanalysis.tables import BLAST, HYPOTHESES, INFORMATION, ODDS, REMEDIES, STEPS, Schema, conform

NAMES = ["memory bus", "plain stack", "second CPU"]
GAINS = {"helps": 0.2, "nothing": 0.0, "depends": 0.02, "hurts": -0.1}


def table(schema: Schema, **columns: list[Any]) -> pl.DataFrame:
    """Rows of the schema; what is not given is null."""
    blank = {name: [None] * len(next(iter(columns.values()))) for name in schema}
    return conform(pl.DataFrame(blank | columns, strict=False), schema)


def hypotheses() -> pl.DataFrame:
    return table(
        HYPOTHESES, branch=["TCP"] * 3, hypothesis=NAMES, says=["a", "b", "c"], hosts=[10_000] * 3,
        transmits_share=[0.1, 0.04, 0.04], explains_share=[0.2, 0.1, 0.0], low=[0.1, 0.05, 0.0], high=[0.3, 0.2, 0.001],
        volume_share=[0.02, 0.004, 0.0], verdict=["possible", "possible", "ruled out"],
    )  # fmt: skip


def odds() -> pl.DataFrame:
    pairs = list(product(NAMES, NAMES))
    return table(
        ODDS, branch=["TCP"] * 9, hypothesis=[one for one, _ in pairs], against=[other for _, other in pairs],
        odds=[1, 5, 19, 0.2, 1, 4, 0.05, 0.25, 1], told_apart=[one != other for one, other in pairs],
    )  # fmt: skip


def information() -> pl.DataFrame:
    return table(
        INFORMATION, branch=["TCP"] * 2, measurement=["vmstat", "a new driver"], needs=["counters", "a driver module"],
        bits=[1.2, 0.1], left_bits=[2.0, 2.0], outcomes=[5, 2],
    )  # fmt: skip


def steps() -> pl.DataFrame:
    shares = [0.6, 0.3, 0.1, 1.0, 0.0, 0.0]
    return table(STEPS, step=[0] * 3 + [1] * 3, measurement=["first"] * 3 + ["second"] * 3, hypothesis=NAMES * 2,
                 share=shares)  # fmt: skip


def blast() -> pl.DataFrame:
    return table(
        BLAST, hypothesis=["plain stack"] * 3, how=["closed form"] * 2 + ["replayed packet by packet"],
        offered_gbps=[1.0, 1.4, 1.4], goodput_gbps=[1.0, 0.9, 0.91], low_gbps=[1.0, 0.8, None],
        high_gbps=[1.0, 0.95, None],
    )  # fmt: skip


def remedies() -> pl.DataFrame:
    return table(
        REMEDIES, remedy=["nothing", "a driver", "all of it"], needs=["counters", "a driver module", "code"],
        receives_gbps=[0.9, 1.2, 2.0], low_gbps=[0.8, 0.9, 1.8], high_gbps=[1.0, 1.5, 2.2],
    )  # fmt: skip


def patched_cells() -> pl.DataFrame:
    rows = [
        {"workload": "bulk", "checksum": "card verifies", "delay_ms": delay_ms, "size_bytes": size_bytes,
         "measure": "goodput", "before": 1.0, "after": 1 + gain, "gain": gain, "low": gain, "high": gain,
         "verdict": verdict}
        for delay_ms, size_bytes, (verdict, gain) in product([0, 10], [100, 9000], GAINS.items())
    ]  # fmt: skip
    return pl.DataFrame(rows)


def lost() -> pl.DataFrame:
    return pl.DataFrame({
        "suspect": ["IP and TCP", "copy to the user", "checksum"], "recording": ["a"] * 3,
        "group": ["IP, netfilter, TCP, UDP", "copy to user", "checksum"], "lost_gbps": [3.0, 2.0, 0.0],
        "low_gbps": [2.5, 1.5, None], "high_gbps": [3.5, 2.5, None], "part": [0.6, 0.4, 0.0],
    })  # fmt: skip


def speed_ups() -> pl.DataFrame:
    return pl.DataFrame({
        "recording": ["a"] * 3, "suspect": ["copy to the user"] * 3, "group": ["copy to user"] * 3,
        "percent": [0, 50, 100], "gbps": [5.0, 6.0, 7.0],
    })  # fmt: skip


def changes() -> pl.DataFrame:
    return pl.DataFrame({
        "where": ["these recordings", "validation, other hosts"], "name": ["gro=on on a", "rps=off on b"],
        "ratio": [1.5, 0.8], "low": [1.2, 0.7], "high": [1.9, 0.9], "measured": [1.4, None],
        "measured_low": [1.3, None], "measured_high": [1.5, None],
    })  # fmt: skip


SMALL: dict[str, Callable[[], Any]] = {
    "volumes": lambda: charts.volumes(hypotheses()),
    "odds_matrix": lambda: charts.odds_matrix(odds()),
    "believed": lambda: charts.believed(hypotheses()),
    "blasts": lambda: charts.blasts(blast()),
    "telling": lambda: charts.telling(information()),
    "share_steps": lambda: charts.share_steps(steps(), "memory bus"),
    "remedy_ranges": lambda: charts.remedy_ranges(remedies(), 1.8),
    "suspects": lambda: charts.suspects(lost(), pl.DataFrame({"recording": ["a"], "goodput_gbps": [5.0]})),
    "cheaper_suspects": lambda: charts.cheaper_suspects(speed_ups()),
    "ratios": lambda: charts.ratios(changes()),
    "patch_effect": lambda: charts.patch_effect(patched_cells()),
}

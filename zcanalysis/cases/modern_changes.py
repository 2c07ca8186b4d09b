"""What each change of today is foretold to give these recordings, and what was measured of it."""

import math
from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from zcanalysis.answer import Answer
from zcanalysis.patches import in_place, parse_patch
from zcanalysis.whatif import what_if

CHANGES: Final = (
    ("mtu=4000",),
    ("mtu=4148",),
    ("mtu=9000",),
    ("gro=on",),
    ("gro=off",),
    ("rps=1",),
    ("rps=off",),
    ("hw-checksum=off",),
    ("hw-checksum=on",),
    ("zero-copy-rx=on",),
    ("mtu=4148", "zero-copy-rx=on"),
    ("speedup:copy=100",),
    ("rcvbuf=65536",),
    ("busy-poll=50",),
)
"""The last but one is the receive buffer of 2.4; a copy that takes no time is the bound of any zero copy."""

NEIGHBOURS: Final[Mapping[tuple[str, str], str]] = {
    ("veth-1500", "mtu=9000"): "veth-9000",
    ("veth-1500", "rps=off"): "veth-no-rps",
    ("veth-no-rps", "rps=1"): "veth-1500",
    ("veth-no-rps", "gro=on"): "veth-gro",
    ("veth-gro", "gro=off"): "veth-no-rps",
}
"""The recording that is the same hosts with that one change."""

SINGLE: Final = frozenset(change[0] for change in CHANGES if len(change) == 1)


def foretold(answers: Mapping[str, Answer]) -> pl.DataFrame:
    """Each change asked of each recording.

    Parameters
    ----------
    answers
        By the recording's name.

    Returns
    -------
    pl.DataFrame
        ``change``, ``recording``, ``acts``, ``ratio`` (goodput with it over goodput without, 90 % interval ``low`` to
        ``high``; null where it does not act or nothing can say), ``limit_after``, ``why``, ``measured`` (the same ratio
        of two recordings, ``measured_low`` to ``measured_high``) and ``meets``: whether the two intervals do.
    """
    return pl.concat([_asked(name, answers) for name in answers], how="vertical_relaxed")


def _asked(name: str, answers: Mapping[str, Answer]) -> pl.DataFrame:
    answer, facts = answers[name], answers[name].recording.host
    groups = [[parse_patch(text) for text in change] for change in CHANGES]
    asked = [group for group in groups if not all(in_place(patch, facts) for patch in group)]
    table = what_if(answer, asked).filter(pl.col("applies") | ~pl.col("why").str.contains("already"))
    acts = pl.col("applies") & pl.col("predicted_gbps").is_not_null()
    ratio = {
        to: pl.when(acts).then(pl.col(column) / answer.goodput_gbps)
        for to, column in (("ratio", "predicted_gbps"), ("low", "low_gbps"), ("high", "high_gbps"))
    }
    measured = pl.DataFrame([_measured(name, change, answers) for change in table["patch"]], infer_schema_length=None)
    rows = table.select(
        pl.col("patch").alias("change"),
        pl.lit(name).alias("recording"),
        acts.alias("acts"),
        **ratio,
        limit_after=pl.when(acts).then("limit_after"),
        why="why",
    )
    meet = (pl.col("measured_low") <= pl.col("high")) & (pl.col("measured_high") >= pl.col("low"))
    return pl.concat([rows, measured.cast(pl.Float64)], how="horizontal").with_columns(meets=meet)


def _measured(name: str, change: str, answers: Mapping[str, Answer]) -> dict[str, float | None]:
    """The ratio of two recordings, with the interval of both."""
    before, after = answers[name], answers.get(NEIGHBOURS.get((name, change), ""))
    if after is None or before.goodput_gbps is None or after.goodput_gbps is None:
        return {"measured": None, "measured_low": None, "measured_high": None}
    ratio = after.goodput_gbps / before.goodput_gbps
    errors = [one.evidence.quiet.relative_error or 0.0 for one in (before, after) if one.evidence.quiet is not None]
    wide = math.hypot(*errors)
    return {"measured": ratio, "measured_low": ratio * max(1 - wide, 0.0), "measured_high": ratio * (1 + wide)}


def of_pairs(measured: pl.DataFrame) -> pl.DataFrame:
    """The pairs of recordings behind what was measured: one that is asked from either side is one pair.

    Parameters
    ----------
    measured
        ``recording``, ``change``, ``meets``; each row one of `NEIGHBOURS`.

    Returns
    -------
    pl.DataFrame
        ``pair`` (both names, sorted), ``meets``: whether every row of it does.
    """
    pairs = [
        {"pair": " and ".join(sorted((row["recording"], NEIGHBOURS[row["recording"], row["change"]]))),
         "meets": row["meets"]}
        for row in measured.to_dicts()
    ]  # fmt: skip
    return pl.DataFrame(pairs).group_by("pair", maintain_order=True).agg(pl.col("meets").all())


def validated(document: Mapping[str, Any]) -> pl.DataFrame:
    """The drawn cases of the shipped validation that applied one of these changes alone.

    Parameters
    ----------
    document
        ``traces/validation.json``: foretold before it was measured, in pairs of runs with and without.

    Returns
    -------
    pl.DataFrame
        ``change``, ``hosts``, ``ratio``, ``low``, ``high`` foretold; ``measured``, ``measured_low``, ``measured_high``
        (smallest and largest pair of runs); ``inside``; ``changed``: whether anything did, measured.
    """
    rows = [case["row"] for case in document["cases"] if len(case["patches"]) == 1 and case["patches"][0] in SINGLE]
    table = pl.DataFrame(rows, infer_schema_length=None)
    return table.select(
        change="patch",
        hosts="configuration",
        ratio="predicted_ratio",
        low="low_ratio",
        high="high_ratio",
        measured="measured_ratio",
        measured_low="measured_low",
        measured_high="measured_high",
        inside="inside",
        changed="changed",
    ).sort("change", "measured")


def with_validated(changes: pl.DataFrame, cases: pl.DataFrame) -> pl.DataFrame:
    """The changes, each with how often the validation measured it alone on other hosts, and between which ratios.

    Parameters
    ----------
    changes
        As `foretold` gives them.
    cases
        As `validated` gives them.
    """
    found = cases.group_by("change").agg(
        pl.len().alias("cases"),
        pl.col("measured").min().alias("elsewhere_least"),
        pl.col("measured").max().alias("elsewhere_most"),
    )
    joined = changes.join(found, on="change", how="left", maintain_order="left")
    return joined.with_columns(pl.col("cases").fill_null(0))

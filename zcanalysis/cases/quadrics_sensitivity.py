"""How much of the belief is that of the assumed ranges: the same sweep with other ranges, fewer hosts of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import polars as pl

from zcanalysis.cases.quadrics_hypotheses import ALL_HYPOTHESES, Hypothesis
from zcanalysis.cases.quadrics_sweep import hypotheses, swept
from zcanalysis.hosts.price import Price

AS_ASSUMED: Final = "as assumed"
HALVED: Final = "memory bus: every range half as wide"
SLOWER_FACTOR: Final = 1.3
SLOWER: Final = f"every host {SLOWER_FACTOR - 1:.0%} slower"
DRAWN: Final = 30_000
"""Hosts of each hypothesis and each variant."""


def sensitivity(table: pl.DataFrame, names: list[str], seed: int = 2002) -> pl.DataFrame:
    """Belief over TCP, a row a variant of the ranges and a column each hypothesis asked for.

    Parameters
    ----------
    table
        HYPOTHESES as assumed.
    names
        Hypotheses that are shown; "others" is what is left.
    seed
        Where chance begins.
    """
    halved = tuple(_halved(one) if one.name == "memory bus" else one for one in ALL_HYPOTHESES)
    tables = {
        AS_ASSUMED: table,
        HALVED: hypotheses(swept(seed, DRAWN, halved)),
        SLOWER: hypotheses(swept(seed, DRAWN, slower=SLOWER_FACTOR)),
    }
    return pl.DataFrame([_row(ranges, belief(one, "TCP"), names) for ranges, one in tables.items()])


def belief(table: pl.DataFrame, branch: str) -> dict[str, float]:
    """Share of each hypothesis of a branch, the likeliest first; all were as likely before the two figures.

    Parameters
    ----------
    table
        HYPOTHESES.
    branch
        TCP or UDP.
    """
    mine = table.filter(pl.col("branch") == branch)
    shares = mine.select("hypothesis", pl.col("volume_share") / pl.col("volume_share").sum())
    return dict(shares.sort("volume_share", descending=True, maintain_order=True).iter_rows())


def _row(ranges: str, shares: Mapping[str, float], names: list[str]) -> dict[str, object]:
    shown = {name: shares[name] for name in names}
    return {"ranges": ranges, "first": next(iter(shares)), **shown, "others": 1 - sum(shown.values())}


def _halved(hypothesis: Hypothesis) -> Hypothesis:
    """Every range half as wide as a factor, around the same middle."""
    return replace(hypothesis, adds={name: _narrow(price) for name, price in hypothesis.adds.items()})


def _narrow(price: Price) -> Price:
    return replace(price, low=(price.value * price.low) ** 0.5, high=(price.value * price.high) ** 0.5)

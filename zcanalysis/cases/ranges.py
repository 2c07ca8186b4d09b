"""What a case does not know, as ranges written down before any outcome: draws, middles, and the list a reader sees."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from zcanalysis.hosts.drawing import drawn_values
from zcanalysis.hosts.price import Origin, Price
from zcanalysis.model.arrays import Floats
from zcanalysis.tables import ASSUMPTIONS, conform

PARTS = ("(share)", "(of raw)", "(of a pass)")  # units of what is at most a whole


class Choice(NamedTuple):
    """What was one of a few things, each as likely."""

    values: tuple[float, ...]
    origin: Origin
    source: str


class Ranges(NamedTuple):
    """By name and, in brackets, unit."""

    choices: Mapping[str, Choice]
    prices: Mapping[str, Price]

    def drawn(self, draws: int, seed: int = 1) -> dict[str, Floats]:
        """Every choice and range, drawn for itself; shape (draws,) each."""
        rng = np.random.default_rng(seed)
        values = {name: rng.choice(choice.values, draws).astype(float) for name, choice in self.choices.items()}
        values |= {name: drawn_values(price, rng, draws) for name, price in self.prices.items()}
        return values | {name: np.minimum(values[name], 1.0) for name in values if name.endswith(PARTS)}

    def middle(self) -> dict[str, Floats]:
        """Every range at its middle, and the first of each choice; shape (1,) each."""
        values = {name: choice.values[0] for name, choice in self.choices.items()}
        values |= {name: price.value for name, price in self.prices.items()}
        return {name: np.array([float(value)]) for name, value in values.items()}

    def assumptions(self) -> pl.DataFrame:
        """ASSUMPTIONS: all of them."""
        rows = [
            (name, float(choice.values[0]), float(min(choice.values)), float(max(choice.values)), *choice[1:])
            for name, choice in self.choices.items()
        ]
        rows += [
            (name, price.value, price.low, price.high, price.origin, price.source)
            for name, price in self.prices.items()
        ]
        table = pl.DataFrame(rows, schema=["name", "value", "low", "high", "origin", "source"], orient="row")
        named = pl.col("name").str.strip_suffix(")").str.splitn(" (", 2).struct
        return conform(table.with_columns(unit=named.field("field_1"), name=named.field("field_0")), ASSUMPTIONS)

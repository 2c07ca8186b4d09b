"""Figures of two sets of recordings beside each other, row by row, and which differences are more than chance."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from zcanalysis.chance import Figures, beyond_chance, difference
from zcanalysis.comparable import GOODPUT, RECEIVER, Key, Of, Quantities, Quantity

LAB_SPREAD: Final = 0.083
"""Standard deviation of the logarithm of goodput from run to run of one configuration.

Root mean square over the 48 configurations of traces/validation.json, 4 to 15 runs each, in a virtual machine; half of
them vary by less than 0.007."""
HEADLINE: Final = (GOODPUT, RECEIVER)
ADDED_UP: Final[tuple[Of, ...]] = ("cost", "blame", "function")
"""Kinds whose rows share a whole among them: one that a recording never shows took nothing there."""


def rows_of_both(after: Sequence[Quantities], before: Sequence[Quantities]) -> Iterator[dict[str, Any]]:
    """A row of COMPARED for each quantity that both sets show, not tested yet.

    Parameters
    ----------
    after, before
        What each recording shows. A stage that one of them never shows costs nothing there.
    """
    kinds = [[{kind for kind, _, _ in one} for one in side] for side in (after, before)]
    for key in dict.fromkeys(key for one in (*before, *after) for key in one):
        found = [
            [one.get(key, Quantity(0.0)) for one, shows in zip(side, of, strict=True) if _shown(key, one, shows)]
            for side, of in zip((after, before), kinds, strict=True)
        ]
        if all(found) and any(one.value for side in found for one in side):
            yield _row(key, found[0], found[1])


def _shown(key: Key, one: Quantities, kinds: set[Of]) -> bool:
    """Whether a recording says anything of this; without samples, for instance, it does not of any stage."""
    return key in one or (key[0] in ADDED_UP and key[0] in kinds)


def _row(key: Key, after: list[Quantity], before: list[Quantity]) -> dict[str, Any]:
    sides = [Figures([one.value for one in side], side[0].error) for side in (after, before)]
    found = difference(sides[0], sides[1], None if key[0] == "latency" else LAB_SPREAD)
    return {
        "of": key[0], "quantity": key[1], "unit": key[2], "value": sides[0].mean, "against": sides[1].mean,
        "difference": found.value, "change": sides[0].mean / sides[1].mean - 1 if sides[1].mean else None,
        "low": found.low, "high": found.high, "p": found.p,
    }  # fmt: skip


def tested(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with ``changed``: whether they are more than chance, the headline by itself, then each kind by itself.

    Parameters
    ----------
    rows
        As `rows_of_both` gives them. Blame follows from the others and is not tested.
    """
    marked: list[dict[str, Any]] = []
    for family in dict.fromkeys(map(_family, rows)):
        mine = [row for row in rows if _family(row) == family]
        found = beyond_chance([None if family == "blame" else row["p"] for row in mine])
        marked += [row | {"changed": surely} for row, surely in zip(mine, found, strict=True)]
    return marked


def _family(row: dict[str, Any]) -> str:
    is_headline = row["quantity"] in HEADLINE and row["of"] != "function"  # functions are called anything
    return "headline" if is_headline else str(row["of"])

"""What chance makes of a difference between two small sets of figures: Welch's test, Holm's correction."""

import math
from collections.abc import Sequence
from statistics import fmean, variance
from typing import Final, NamedTuple

LEVEL: Final = 0.05
"""How often chance alone may be called a change."""


class Figures(NamedTuple):
    """One quantity, measured so many times."""

    values: Sequence[float]
    own_error: float = 0.0
    """Standard error that a single one of them has by itself, for where nothing else is known."""

    @property
    def mean(self) -> float:
        """Of the values."""
        return fmean(self.values)

    @property
    def variance(self) -> float | None:
        """From one to the next; None for a single value."""
        return variance(self.values) if len(self.values) > 1 else None


class Difference(NamedTuple):
    """Of two means."""

    value: float
    low: float | None
    """95 % interval; None where nobody knows the spread."""
    high: float | None
    p: float | None
    """How often chance makes a difference at least so large."""


def difference(after: Figures, before: Figures, spread: float | None) -> Difference:
    """How far two means are apart, and how much of it chance makes.

    Parameters
    ----------
    after, before
        At least one value each.
    spread
        Relative standard deviation from run to run, for where both sides hold a single value; None: unknown.

    Notes
    -----
    B. L. Welch, The generalization of Student's problem when several different population variances are involved,
    Biometrika 34, 1947. Where one side holds a single value, the other's variance is taken for both.

    Examples
    --------
    >>> found = difference(Figures([10.0, 11, 12]), Figures([1.0, 2, 3]), None)
    >>> found.value, round(found.low, 1), round(found.high, 1), found.p < 0.001
    (9.0, 6.7, 11.3, True)
    >>> difference(Figures([10.0]), Figures([2.0]), None)
    Difference(value=8.0, low=None, high=None, p=None)
    """
    from scipy.stats import t

    value = after.mean - before.mean
    known = _error(after, before, spread)
    if known is None:
        return Difference(value, None, None, None)
    error, freedom = known
    half = error * float(t.ppf(1 - LEVEL / 2, freedom))
    if error == 0:
        return Difference(value, value, value, 1.0 if value == 0 else 0.0)
    return Difference(value, value - half, value + half, float(2 * t.sf(abs(value) / error, freedom)))


def _error(after: Figures, before: Figures, spread: float | None) -> tuple[float, float] | None:
    """Standard error of the difference, and its degrees of freedom; None where nobody knows."""
    sides = [side for side in (after, before) if side.variance is not None]
    if not sides:
        if spread is None:
            return None
        return math.hypot(after.own_error, before.own_error, spread * after.mean, spread * before.mean), math.inf
    if len(sides) == 1:
        shared = sides[0].variance or 0.0
        return math.sqrt(shared / len(after.values) + shared / len(before.values)), len(sides[0].values) - 1
    parts = [((side.variance or 0.0) / len(side.values), len(side.values) - 1) for side in sides]
    together = sum(part for part, _ in parts)
    if together == 0:
        return 0.0, sum(freedom for _, freedom in parts)
    return math.sqrt(together), together**2 / sum(part**2 / freedom for part, freedom in parts)


def beyond_chance(chances: Sequence[float | None]) -> list[bool | None]:
    """Which differences are more than chance, all of them together wrong at most once in twenty times.

    Parameters
    ----------
    chances
        The p of each; None where it is unknown, and stays so.

    Notes
    -----
    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.

    Examples
    --------
    >>> beyond_chance([0.02, 0.001, None, 0.04])
    [True, True, None, True]
    >>> beyond_chance([0.03, 0.001, None, 0.04])
    [False, True, None, False]
    """
    order = sorted((p, at) for at, p in enumerate(chances) if p is not None)
    found: list[bool | None] = [None] * len(chances)
    surely = True
    for rank, (p, at) in enumerate(order):
        surely = surely and p * (len(order) - rank) <= LEVEL
        found[at] = surely
    return found

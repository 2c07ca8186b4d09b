"""What a whole validation comes to: a figure for each promise, its target, and whether it is met."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from zcanalysis.lab.outcome import NULLS, CaseOutcome

NEAR_LOAD: Final = 0.15


class Scores(NamedTuple):
    """Figures over cases; None where there is no case that they are about."""

    outcomes: tuple[CaseOutcome, ...]

    @property
    def changes(self) -> tuple[CaseOutcome, ...]:
        """Cases whose goodput really changed."""
        return tuple(outcome for outcome in self.outcomes if outcome.changed)

    @property
    def unchanged(self) -> tuple[CaseOutcome, ...]:
        """All others."""
        return tuple(outcome for outcome in self.outcomes if not outcome.changed)

    @property
    def median_error(self) -> float | None:
        """Over changes: the usual size of the error."""
        return _median(abs(outcome.error) for outcome in self.changes)

    @property
    def large_error(self) -> float | None:
        """Over changes: the size that nine of ten errors do not exceed."""
        sizes = [abs(outcome.error) for outcome in self.changes]
        return float(np.quantile(sizes, 0.9)) if sizes else None

    @property
    def direction_right(self) -> float | None:
        """Over changes: how many were foretold to go where they went."""
        return _share(outcome.direction_right for outcome in self.changes)

    @property
    def coverage(self) -> float | None:
        """Over changes: how many measured ratios lie in the 90 % interval."""
        return _share(outcome.inside for outcome in self.changes)

    @property
    def coverage_of_all(self) -> float | None:
        """The same over all cases."""
        return _share(outcome.inside for outcome in self.outcomes)

    @property
    def width(self) -> float | None:
        """Over changes: upper over lower end of the usual interval."""
        return _median(outcome.width for outcome in self.changes)

    @property
    def null_errors(self) -> dict[str, float | None]:
        """Over changes: the median error of each null model."""
        return {name: _median(abs(outcome.null_errors[name]) for outcome in self.changes) for name in NULLS.values()}

    @property
    def error_over_best_null(self) -> float | None:
        """Our median error over that of the null model that does best on the same cases."""
        best = min((size for size in self.null_errors.values() if size is not None), default=None)
        return self.median_error / best if self.median_error is not None and best else None

    @property
    def false_alarms(self) -> float | None:
        """Over cases in which nothing changed: how many were foretold to change."""
        return _share(outcome.false_alarm for outcome in self.unchanged)

    @property
    def limits_right(self) -> float | None:
        """How many limits foretold for after the patches were at their limit."""
        return _share(outcome.limit_right for outcome in self.outcomes)

    @property
    def limits_before_right(self) -> float | None:
        """How many limits named from the baseline's recording were."""
        return _share(outcome.limit_before_right for outcome in self.outcomes)

    @property
    def loads_near(self) -> float | None:
        """How many loads of a CPU were foretold to 15 points."""
        return _share(abs(points) <= NEAR_LOAD for outcome in self.outcomes for points in outcome.load_errors.values())

    @property
    def pairs_marked(self) -> float | None:
        """How many pairs of runs were disturbed."""
        return _share(bool(pair.marks) for outcome in self.outcomes for pair in outcome.measured.pairs)

    @property
    def silent(self) -> int:
        """Cases that replay foretells nothing of; each counts as having said that nothing changes."""
        return sum(outcome.predicted_ratio is None for outcome in self.outcomes)


def _median(values: Iterable[float]) -> float | None:
    known = list(values)
    middle = statistics.median(known) if known else math.inf
    return middle if math.isfinite(middle) else None


def _share(said: Iterable[bool]) -> float | None:
    known = list(said)
    return statistics.fmean(known) if known else None


class Target(NamedTuple):
    """One promise."""

    name: str
    """Property of `Scores`."""
    words: str
    bound: float
    most: bool
    """Whether the bound is the most it may be, or the least."""
    shown: Callable[[float], str]

    def met(self, value: float | None) -> bool | None:
        """Whether a figure keeps the promise; None where there is none."""
        if value is None:
            return None
        return value <= self.bound if self.most else value >= self.bound


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _factor(value: float) -> str:
    return f"{value:.2f}"


TARGETS: Final[Sequence[Target]] = (
    Target("median_error", "median error of changes", 0.10, True, _percent),
    Target("large_error", "nine of ten errors of changes within", 0.25, True, _percent),
    Target("direction_right", "direction of changes right", 1.0, False, _percent),
    Target("false_alarms", "changes foretold where nothing changed", 0.10, True, _percent),
    Target("coverage", "measured changes inside the 90 % interval", 0.80, False, _percent),
    Target("width", "width of the interval, high over low (median)", 1.6, True, _factor),
    Target("error_over_best_null", "median error over the best null model's", 0.5, True, _factor),
    Target("limits_right", "limit after the patches right", 0.90, False, _percent),
    Target("loads_near", "loads of CPUs within 15 points", 0.80, False, _percent),
)


def score_entries(scores: Scores) -> list[dict[str, Any]]:
    """One entry a promise: its figure, its target, and whether it is met."""
    return [
        {
            "figure": target.name, "words": target.words, "value": getattr(scores, target.name),
            "target": target.bound, "at": "most" if target.most else "least",
            "met": target.met(getattr(scores, target.name)),
        }
        for target in TARGETS
    ]  # fmt: skip

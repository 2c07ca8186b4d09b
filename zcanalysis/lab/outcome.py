"""What came of a validation: predictions held against measurements, as numbers, rows and one JSON document."""

import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import polars as pl

from zcanalysis.lab.cases import ExpectedLimit

PREDICTORS: Final = {
    "no_change_gbps": "no change",
    "samples_removed_gbps": "samples removed",
    "amdahl_gbps": "Amdahl",
    "predicted_gbps": "ours",
}


class NamedLimit(NamedTuple):
    """What our analysis of a recording says limits it."""

    kind: str
    where: str | None
    words: str


class Prediction(NamedTuple):
    """What each way of foretelling says of one patch, from the baseline's recording alone; None where it is silent."""

    patch: str
    no_change_gbps: float | None
    samples_removed_gbps: float | None
    amdahl_gbps: float | None
    predicted_gbps: float | None
    low_gbps: float | None
    high_gbps: float | None
    limit_after: str | None = None
    why: str | None = None


class Foretold(NamedTuple):
    """What a recording of the baseline says."""

    goodput_gbps: float
    predictions: Sequence[Prediction]
    doubts: tuple[str, ...] = ()
    """What its audit warns of: other processes beside the lab spoil everything that follows."""


class CaseOutcome(NamedTuple):
    """One patch: foretold, measured, and its limit."""

    prediction: Prediction
    recorded_gbps: float
    """Goodput of the baseline's recording, which the predictions start from."""
    baseline_runs_gbps: tuple[float, ...]
    patched_runs_gbps: tuple[float, ...]
    """Untraced, each just after the baseline run of the same place."""
    expected: ExpectedLimit | None
    named: NamedLimit

    @property
    def measured_gbps(self) -> float:
        """Ratio of the medians, times the recorded baseline: the machine's drift since then cancels."""
        ratio = statistics.median(self.patched_runs_gbps) / statistics.median(self.baseline_runs_gbps)
        return ratio * self.recorded_gbps

    @property
    def spread_gbps(self) -> tuple[float, float]:
        """Smallest and largest of the single pairs, times the recorded baseline."""
        pairs = zip(self.patched_runs_gbps, self.baseline_runs_gbps, strict=True)
        ratios = [patched / baseline for patched, baseline in pairs]
        return min(ratios) * self.recorded_gbps, max(ratios) * self.recorded_gbps

    def error_percent(self, predictor: str) -> float | None:
        """How far a prediction lies above what was measured, by its name in `PREDICTORS`; None where it is silent."""
        foretold: float | None = getattr(self.prediction, predictor)
        return None if foretold is None else 100 * (foretold / self.measured_gbps - 1)

    @property
    def limit_right(self) -> bool | None:
        """Whether the expected limit was named; None when none is expected."""
        return None if self.expected is None else self.expected.is_named_by(self.named.kind, self.named.where)


class Validation(NamedTuple):
    """All cases of one baseline."""

    scenario: str
    predictions_sha256: str
    expected: ExpectedLimit | None
    named: NamedLimit
    """Of the baseline itself."""
    cases: tuple[CaseOutcome, ...]
    doubts: tuple[str, ...] = ()
    """What the audit of the baseline's recording warns of."""

    @property
    def noise_percent(self) -> tuple[float, float]:
        """How much neighbouring runs of the untouched baseline differ: median and most."""
        runs = [gbps for case in self.cases for gbps in case.baseline_runs_gbps]
        steps = [100 * abs(after / before - 1) for before, after in pairwise(runs)]
        return (statistics.median(steps), max(steps)) if steps else (0.0, 0.0)

    def median_error_percent(self, predictor: str) -> float | None:
        """Median size of a predictor's errors; None where it is silent."""
        errors = [case.error_percent(predictor) for case in self.cases]
        known = [abs(error) for error in errors if error is not None]
        return statistics.median(known) if known else None


def shown_table(validation: Validation) -> pl.DataFrame:
    """A row a case for people: rates in Gbit/s, errors in percent of what was measured."""
    rows = [_shown_row(case) for case in validation.cases]
    expected, named = _limit_cells(validation.expected, validation.named)
    first = dict.fromkeys(rows[0], "") | {"case": validation.scenario, "limit expected": expected, "named": named}
    return pl.DataFrame([first, *rows], infer_schema_length=None)


def _shown_row(case: CaseOutcome) -> dict[str, str]:
    low, high = case.spread_gbps
    errors = {words: _percent(case.error_percent(name)) for name, words in PREDICTORS.items()}
    expected, named = _limit_cells(case.expected, case.named)
    return {
        "case": case.prediction.patch,
        "baseline": f"{case.recorded_gbps:.1f}",
        "measured (spread)": f"{case.measured_gbps:.1f} ({low:.1f}-{high:.1f})",
        **errors,
        "limit expected": expected,
        "named": named,
    }


def _percent(error: float | None) -> str:
    return "-" if error is None else f"{error:+.0f} %"


def _limit_cells(expected: ExpectedLimit | None, named: NamedLimit) -> tuple[str, str]:
    said = _place(named.kind, named.where)
    if expected is None:
        return "-", said
    right = expected.is_named_by(named.kind, named.where)
    accepted = " or ".join(_place(*place) for place in expected.places)
    return accepted, "right" if right else f"WRONG: {said}"


def _place(kind: str, where: str | None) -> str:
    """A limit in two words: the receiver's CPU by its number alone."""
    if where is None or not where.startswith("CPU"):
        return kind
    return where if kind == "receiver cpu" else f"{kind}, {where}"


def summary(validation: Validation) -> list[str]:
    """What stands below the table."""
    usual, most = validation.noise_percent
    errors = ((words, validation.median_error_percent(name)) for name, words in PREDICTORS.items())
    sizes = ", ".join(f"{words} {error:.0f} %" for words, error in errors if error is not None)
    judged = [case.limit_right for case in validation.cases if case.limit_right is not None]
    return [
        f"median error: {sizes or 'nothing was foretold'}",
        f"noise: neighbouring runs of the untouched baseline differ by {usual:.0f} % (median), {most:.0f} % at most",
        f"limits: {sum(judged)} of {len(judged)} patched cases named right",
        *(f"doubt: {doubt}" for doubt in validation.doubts),
        f"predictions.json, written before the first measurement: sha256 {validation.predictions_sha256}",
    ]


def validation_document(validation: Validation) -> dict[str, Any]:
    """Everything, as one JSON document."""
    usual, most = validation.noise_percent
    return {
        "scenario": validation.scenario,
        "predictions_sha256": validation.predictions_sha256,
        "limit_expected": _expected_entry(validation.expected),
        "limit_named": validation.named._asdict(),
        "doubts": list(validation.doubts),
        "noise_percent": {"median": usual, "largest": most},
        "median_error_percent": {name: validation.median_error_percent(name) for name in PREDICTORS},
        "cases": [_case_entry(case) for case in validation.cases],
    }


def _case_entry(case: CaseOutcome) -> dict[str, Any]:
    low, high = case.spread_gbps
    return {
        **case.prediction._asdict(),
        "baseline_gbps": case.recorded_gbps,
        "measured_gbps": case.measured_gbps,
        "measured_low_gbps": low,
        "measured_high_gbps": high,
        "baseline_runs_gbps": list(case.baseline_runs_gbps),
        "patched_runs_gbps": list(case.patched_runs_gbps),
        "error_percent": {name: case.error_percent(name) for name in PREDICTORS},
        "limit_expected": _expected_entry(case.expected),
        "limit_named": case.named._asdict(),
        "limit_right": case.limit_right,
    }


def _expected_entry(expected: ExpectedLimit | None) -> dict[str, Any] | None:
    return None if expected is None else expected.as_json()


def predictions_from(rows: Sequence[dict[str, Any]]) -> list[Prediction]:
    """Rows with the fields of `Prediction` and any others."""
    return [Prediction(**{name: row[name] for name in Prediction._fields}) for row in rows]

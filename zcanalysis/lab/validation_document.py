"""A validation as one JSON document, and as the VALIDATION table, a row a case."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from zcanalysis.lab.draw import Case, Key
from zcanalysis.lab.outcome import NULLS, CaseOutcome, Foretold
from zcanalysis.lab.pairs import Measured, Pair
from zcanalysis.lab.readings import Window
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.tables import VALIDATION, conform, polars_schema

SEVERAL: Final = "several"
IN_PLACE: Final = "pairs in place"
"""Those whose CPUs were as far apart as in the recording."""


def case_entry(outcome: CaseOutcome) -> dict[str, Any]:
    """Everything about a case: what was drawn, foretold and seen, and the row of the table that follows from it."""
    return {
        "configuration": outcome.case.configuration.as_json(),
        "patches": list(outcome.case.patches),
        "foretold": foretold_entry(outcome),
        "pairs": pair_entries(outcome.measured.pairs),
        "least": outcome.measured.least,
        "row": case_row(outcome),
    }


def pair_entries(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """What was seen in each pair of runs, and what disturbed it."""
    return [
        {
            "baseline": _window(pair.baseline),
            "patched": _window(pair.patched),
            "recorded_ns": pair.recorded_ns,
            "marks": list(pair.marks),
        }
        for pair in pairs
    ]


def foretold_entry(outcome: CaseOutcome) -> dict[str, Any]:
    """The prediction as JSON takes it."""
    foretold = outcome.foretold
    loads = {"busy_before": _by_text(foretold.busy_before), "busy_after": _by_text(foretold.busy_after)}
    return foretold._asdict() | loads | {"doubts": list(foretold.doubts)}


def _window(window: Window) -> dict[str, Any]:
    return window._asdict() | {"busy": _by_text(window.busy)}


def _by_text(shares: Mapping[int, float]) -> dict[str, float]:
    return {str(cpu): share for cpu, share in shares.items()}


def case_row(outcome: CaseOutcome) -> dict[str, Any]:
    """A row of VALIDATION; what only the validation knows of it is null."""
    row: dict[str, Any] = dict.fromkeys(VALIDATION)
    row |= _identity_cells(outcome) | _measured_cells(outcome.measured) | _predicted_cells(outcome)
    return row | _limit_cells(outcome) | _load_cells(outcome)


def _identity_cells(outcome: CaseOutcome) -> dict[str, Any]:
    kinds = [patch.partition("=")[0] for patch in outcome.case.patches]
    return {
        "configuration": outcome.case.configuration.name,
        "patch": outcome.case.patch,
        "kind": kinds[0] if len(kinds) == 1 else SEVERAL,
        "recorded_gbps": outcome.foretold.baseline_gbps,
        "tier": outcome.foretold.tier,
        "why": outcome.foretold.why,
        "doubts": list(outcome.foretold.doubts),
    }


def _measured_cells(measured: Measured) -> dict[str, Any]:
    low, high = measured.range
    before, after = measured.gbps
    return {
        "baseline_gbps": before,
        "patched_gbps": after,
        "measured_ratio": measured.ratio,
        "measured_low": low,
        "measured_high": high,
        "standard_error": measured.standard_error if math.isfinite(measured.standard_error) else None,
        "noise": measured.noise,
        "pairs": len(measured.pairs),
        "clean": len(measured.clean),
        "used": _used(measured),
    }


def _used(measured: Measured) -> str:
    if len(measured.used) == len(measured.clean):
        return "clean pairs"
    return "all pairs" if len(measured.used) == len(measured.pairs) else IN_PLACE


def _predicted_cells(outcome: CaseOutcome) -> dict[str, Any]:
    low, high = outcome.interval or (None, None)
    nulls = outcome.null_ratios
    return {
        "predicted_ratio": outcome.predicted_ratio,
        "low_ratio": low,
        "high_ratio": high,
        **{name.replace("_gbps", "_ratio"): nulls[words] for name, words in NULLS.items()},
        "error": outcome.error,
        "error_over_noise": outcome.error_over_noise,
        "inside": outcome.inside,
        "changed": outcome.changed,
    }


def _limit_cells(outcome: CaseOutcome) -> dict[str, Any]:
    return {
        "limit_before": outcome.foretold.limit_before,
        "limits_before": list(outcome.limits_before),
        "limit_after": outcome.foretold.limit_after,
        "limits_after": list(outcome.limits_after),
        "limit_right": outcome.limit_right,
    }


def _load_cells(outcome: CaseOutcome) -> dict[str, Any]:
    cpus = sorted(outcome.load_errors)
    return {
        "cpus": cpus,
        "loads_foretold": [outcome.foretold.busy_after[cpu] for cpu in cpus],
        "loads_measured": [outcome.measured.busy[1][cpu] for cpu in cpus],
    }


def calibrated_document(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same validation as foretold with prices of its machine, in the same form; None where it had none.

    Parameters
    ----------
    document
        What validation.json holds.
    """
    if document.get("calibrated") is None:
        return None
    cases = [case | case["calibrated"] for case in document["cases"]]
    return {**document, **document["calibrated"], "cases": cases, "calibrated": None}


def validation_table(document: Mapping[str, Any]) -> pl.DataFrame:
    """The VALIDATION table of a finished validation, worst misses first.

    Parameters
    ----------
    document
        What validation.json holds.

    Raises
    ------
    TableError
        If it is no such document.
    """
    rows = [case.get("row", {}) for case in document.get("cases", [])]
    table = pl.DataFrame(rows, schema_overrides=polars_schema(VALIDATION), infer_schema_length=None)
    if not rows:
        table = pl.DataFrame(schema=polars_schema(VALIDATION))
    return conform(table, VALIDATION).sort(pl.col("error").log1p().abs(), descending=True, maintain_order=True)


def outcomes_of(document: Mapping[str, Any]) -> tuple[CaseOutcome, ...]:
    """The cases of a finished validation as they were measured, to be held against another prediction.

    Parameters
    ----------
    document
        What validation.json holds, of this version of the lab.
    """
    return tuple(_outcome(entry) for entry in document["cases"])


def _outcome(entry: Mapping[str, Any]) -> CaseOutcome:
    foretold = entry["foretold"]
    loads = {name: _by_number(foretold[name]) for name in ("busy_before", "busy_after")}
    pairs = tuple(_pair_of(pair) for pair in entry["pairs"])
    return CaseOutcome(
        Case(Scenario(**entry["configuration"]), tuple(entry["patches"])),
        Foretold(**foretold | loads | {"doubts": tuple(foretold["doubts"])}),
        Measured(pairs, entry["least"]),
    )


def _pair_of(entry: Mapping[str, Any]) -> Pair:
    return Pair(_window_of(entry["baseline"]), _window_of(entry["patched"]), entry.get("recorded_ns"))


def _window_of(entry: Mapping[str, Any]) -> Window:
    known = {"busy": _by_number(entry["busy"]), "distances_ns": tuple(entry.get("distances_ns", ()))}
    return Window(**{**entry, **known})


def _by_number(shares: Mapping[str, float]) -> dict[int, float]:
    return {int(cpu): share for cpu, share in shares.items()}


def keys_of(document: Mapping[str, Any]) -> frozenset[Key]:
    """Which cases a validation held, so that another one may draw none of them.

    Parameters
    ----------
    document
        What validation.json holds.
    """
    cases = [*document["cases"], *document["failures"]]
    return frozenset((case["configuration"]["name"], frozenset(case["patches"])) for case in cases)

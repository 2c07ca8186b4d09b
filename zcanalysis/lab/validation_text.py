"""A validation for people: a table with the worst misses first, and what stands below it."""

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import polars as pl

from zcanalysis.lab.outcome import CaseOutcome
from zcanalysis.lab.scores import TARGETS
from zcanalysis.lab.validation_document import IN_PLACE, calibrated_document

SECONDS_PER_MINUTE: Final = 60
CALIBRATED: Final = "with prices of this machine"


def case_line(outcome: CaseOutcome, calibrated: CaseOutcome | None = None) -> str:
    """What one case came to, on one line.

    Parameters
    ----------
    outcome
        Foretold and measured.
    calibrated
        The same as foretold with prices of this machine, where there are any.
    """
    measured, predicted = outcome.measured, outcome.predicted_ratio
    said = "nothing foretold" if predicted is None else f"foretold {predicted:.2f}"
    if calibrated is not None and calibrated.predicted_ratio is not None:
        said += f" ({calibrated.predicted_ratio:.2f} {CALIBRATED})"
    return (
        f"{outcome.case.name}: {said}, measured {measured.ratio:.2f} ± {measured.standard_error:.1%}"
        f" ({len(measured.clean)} of {len(measured.pairs)} pairs clean), error {outcome.error:+.0%}"
    )


def left_text(seconds: float) -> str:
    """How long the rest will take.

    Examples
    --------
    >>> left_text(1234.5), left_text(20)
    ('about 21 minutes left', 'less than a minute left')
    """
    if seconds < SECONDS_PER_MINUTE:
        return "less than a minute left"
    return f"about {seconds / SECONDS_PER_MINUTE:.0f} minutes left"


def shown_table(table: pl.DataFrame) -> pl.DataFrame:
    """A row a case.

    Parameters
    ----------
    table
        The VALIDATION table.
    """
    return pl.DataFrame([_shown_row(row) for row in table.iter_rows(named=True)], infer_schema_length=None)


def _shown_row(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "hosts": row["configuration"].replace(",", " "),
        "patch": row["patch"].replace("+", " + "),
        "foretold (90 %)": _span(row["predicted_ratio"], row["low_ratio"], row["high_ratio"]),
        "measured (pairs)": _span(row["measured_ratio"], row["measured_low"], row["measured_high"]),
        "error": f"{row['error']:+.0%}",
        "of noise": "-" if row["error_over_noise"] is None else f"{row['error_over_noise']:.1f}",
        "inside": "yes" if row["inside"] else "NO",
        "limit foretold": row["limit_after"],
        "measured": " or ".join(row["limits_after"]) if not row["limit_right"] else "the same",
        "load of CPU": _loads(row["cpus"], row["loads_foretold"], row["loads_measured"]),
    }


def _span(middle: float | None, low: float | None, high: float | None) -> str:
    if middle is None:
        return "silent"
    return f"{middle:.2f}" if low is None or high is None else f"{middle:.2f} ({low:.2f}-{high:.2f})"


def _loads(cpus: Sequence[int], foretold: Sequence[float], measured: Sequence[float]) -> str:
    """Foretold and measured load of each CPU.

    Examples
    --------
    >>> _loads([0, 1], [0.471, 1.0], [0.52, 0.998])
    '0: 47 (52), 1: 100 (100)'
    """
    cells = zip(cpus, foretold, measured, strict=True)
    return ", ".join(f"{cpu}: {100 * said:.0f} ({100 * seen:.0f})" for cpu, said, seen in cells)


def summary(document: Mapping[str, Any]) -> list[str]:
    """What stands below the table.

    Parameters
    ----------
    document
        What validation.json holds.
    """
    other = calibrated_document(document)
    calibrated = [] if other is None else [f"{CALIBRATED}: {line}" for line in (*_figures(other), *_silence(other))]
    own = [*_origin(document), *_figures(document), *_nulls(document), *_silence(document)]
    return [*own, *calibrated, *_disturbances(document)]


def _origin(document: Mapping[str, Any]) -> Iterator[str]:
    done, failed, asked = len(document["cases"]), len(document["failures"]), document["asked"]
    partly = "" if document["complete"] else f"; ended before the other {asked - done - failed}"
    drawn = f", drawn by the seed {document['seed']}" if document["seed"] else ""
    changes = sum(case["row"]["changed"] for case in document["cases"])
    yield f"{done} of {asked} cases{drawn}{partly}; in {changes} the goodput changed by more than 15 %"
    for failure in document["failures"]:
        yield f"failed: {failure['configuration']['name']} {'+'.join(failure['patches'])}: {failure['why']}"


def _figures(document: Mapping[str, Any]) -> Iterator[str]:
    for target, entry in zip(TARGETS, document["figures"], strict=True):
        if entry["value"] is None:
            yield f"{target.words}: no such case"
            continue
        verdict = "met" if entry["met"] else "MISSED"
        value, bound = target.shown(entry["value"]), target.shown(target.bound)
        yield f"{target.words}: {value} (at {entry['at']} {bound}: {verdict})"


def _nulls(document: Mapping[str, Any]) -> Iterator[str]:
    known = {name: size for name, size in document["null_median_errors"].items() if size is not None}
    if known:
        yield f"median error of the null models: {', '.join(f'{name} {size:.0%}' for name, size in known.items())}"


def _silence(document: Mapping[str, Any]) -> Iterator[str]:
    if document["silent"]:
        yield f"silent: {document['silent']} cases are not replayed; each counts as `no change`"


def _disturbances(document: Mapping[str, Any]) -> Iterator[str]:
    pairs = [pair for case in document["cases"] for pair in case["pairs"]]
    marked = sum(bool(pair["marks"]) for pair in pairs)
    used = Counter(case["row"]["used"] for case in document["cases"])
    whole = sum(used.values()) - used["clean pairs"]
    placed = f", but for moved ones in {used[IN_PLACE]} of these" if used[IN_PLACE] else ""
    because = Counter(kind for pair in pairs for kind in {_cause(mark) for mark in pair["marks"]})
    why = f" ({', '.join(f'{kind} {count}' for kind, count in because.most_common())})" if because else ""
    few = f"{whole} cases had too few clean ones, so that all count{placed}"
    yield f"pairs: {marked} of {len(pairs)} marked{why}; {few}"
    given_up = [each for case in document["cases"] for each in case.get("superseded", [])]
    if given_up:
        spent = sum(len(each["pairs"]) for each in given_up)
        yield (
            f"superseded: {len(given_up)} predictions, from recordings made where the CPUs were no more; the {spent} "
            "pairs that showed it do not count, and the case began anew"
        )
    noises = [noise for case in document["cases"] if (noise := case["row"]["noise"]) is not None]
    if noises:
        yield f"noise: hosts that do not differ would give a ratio of 1 ± {statistics.median(noises):.1%} (usual case)"
    doubted = sum(bool(case["row"]["doubts"]) for case in document["cases"])
    if doubted:
        yield f"doubts: the audit of {doubted} baseline recordings warns of something; see doubts in the table"


def _cause(mark: str) -> str:
    """A mark without its figures.

    Examples
    --------
    >>> _cause("patched: other processes took 7% of a CPU")
    'other processes'
    >>> _cause("a CPU was moved: 260 and 471 ns to the other")
    'a CPU was moved'
    """
    about, _, words = mark.partition(": ")
    if about not in ("baseline", "patched"):
        return about
    return words.partition(" took")[0].partition(" dropped")[0]

"""Foretells what patches do, from a recording of the baseline alone; then applies them and measures.

The order is the proof: a case's prediction is on disk, with its sha256, before either of its hosts is measured.
"""

import os
import platform
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from zcanalysis.errors import HostError, ZcError
from zcanalysis.lab.draw import Case
from zcanalysis.lab.foretelling import write_json
from zcanalysis.lab.namespaces import require_lab_tools
from zcanalysis.lab.one_case import Done, Instruments, Prediction, Recordings, Step, Superseded, foretold_and_measured
from zcanalysis.lab.outcome import CaseOutcome
from zcanalysis.lab.pairs import Measured, PairOptions, both_hosts, measure
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.lab.scores import Scores, score_entries
from zcanalysis.lab.trial import LabOptions, require_cpus, run_scenario
from zcanalysis.lab.validation_document import (
    calibrated_document,
    case_entry,
    case_row,
    foretold_entry,
    pair_entries,
    validation_table,
)
from zcanalysis.own_code import VERSION
from zcanalysis.patches import parse_patch
from zcanalysis.prices.machine import MachinePrices
from zcanalysis.recorder import Phase, default_plan
from zcanalysis.recorder.cpu_distance import SOURCE, in_one_place
from zcanalysis.recorder.interruption import terminated_like_interrupted
from zcanalysis.recorder.probes import why_perf_cannot_run
from zcanalysis.recorder.recording import claim_directory
from zcanalysis.tables import VALIDATION, parquet_metadata

RESULT: Final = "validation.json"
TABLE: Final = "validation.parquet"
CALIBRATED_TABLE: Final = "validation-calibrated.parquet"
COUNTERS_FILE: Final = "counters.parquet"
MOST_RECORDINGS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationOptions:
    """What is validated, and how thoroughly.

    Attributes
    ----------
    cases
        At least one, none twice.
    seed
        What the cases were drawn by; None where somebody picked them.
    pairs
        How each is measured.
    recording_seconds
        Of each baseline's recording.
    machine
        Prices of this machine: every case is then foretold with them as well; None: from recordings alone.
    on_progress
        Told what happens and the share that is done (0 to 1).
    on_case
        Told after each case what came of it, how many are over, and how many seconds the others will take.
    """

    cases: Sequence[Case]
    seed: str | None = None
    pairs: PairOptions = field(default_factory=PairOptions)
    recording_seconds: float = 6.0
    machine: MachinePrices | None = None
    on_progress: Callable[[str, float], None] = lambda what, share: None
    on_case: "Callable[[Done | Failure, int, float], None]" = lambda over, tried, left_seconds: None

    def __post_init__(self) -> None:
        names = [case.name for case in self.cases]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"cases must be some, each once, got {names}")


class Failure(NamedTuple):
    """A case that could not be recorded, foretold or measured."""

    case: Case
    why: str


class Validation(NamedTuple):
    """What there is so far."""

    seed: str | None
    asked: int
    """So many cases were to be done."""
    done: tuple[Done, ...] = ()
    failures: tuple[Failure, ...] = ()

    def with_one(self, over: Done | Failure) -> "Validation":
        """The same with one case more."""
        if isinstance(over, Done):
            return self._replace(done=(*self.done, over))
        return self._replace(failures=(*self.failures, over))

    @property
    def tried(self) -> int:
        """How many cases are over, whether done or failed."""
        return len(self.done) + len(self.failures)

    @property
    def outcomes(self) -> tuple[CaseOutcome, ...]:
        """Of the cases that could be done, in their order."""
        return tuple(each.outcome for each in self.done)

    @property
    def scores(self) -> Scores:
        """Figures over them."""
        return Scores(self.outcomes)

    @property
    def calibrated_scores(self) -> Scores:
        """The same of what was foretold with prices of the machine; over nothing where there were none."""
        return Scores(tuple(outcome for each in self.done if (outcome := each.calibrated) is not None))


def validate(directory: Path, options: ValidationOptions, instruments: Instruments | None = None) -> Validation:
    """Foretell and measure every case; what is done is on disk after each.

    Parameters
    ----------
    directory
        Gets the recordings, the predictions with their sha256, and validation.json; made, or empty.
    options, instruments
        What, how thoroughly, and with what.

    Returns
    -------
    Validation
        With the cases that failed, and why. Interrupted, validation.json holds the cases before.

    Raises
    ------
    HostError
        If a patch, a tool or a CPU is not to be had, the directory is not empty, or no case at all can be done;
        nothing of ours is left running, and what was written stays.
    """
    tools = instruments or real_instruments(options)
    for case in options.cases:
        for patch in case.patches:
            parse_patch(patch)  # a value that nobody can foretell is said before anything is built
    tools.require([scenario for case in options.cases for scenario in (case.configuration, case.patched)])
    claim_directory(directory)
    so_far, started = Validation(options.seed, len(options.cases)), time.monotonic()
    recordings = Recordings(directory, tools.record)
    with terminated_like_interrupted():
        for case in options.cases:
            over = _over(case, recordings, tools, options, so_far)
            so_far = so_far.with_one(over)
            _write(directory, so_far, options)
            options.on_case(over, so_far.tried, (time.monotonic() - started) * (so_far.asked / so_far.tried - 1))
    if not so_far.done:
        raise HostError(f"no case could be validated; the last one, {case.name}: {so_far.failures[-1].why}")
    options.on_progress("done", 1.0)
    return so_far


def _write(directory: Path, so_far: Validation, options: ValidationOptions) -> None:
    document = validation_document(so_far, options)
    write_json(directory / RESULT, document)
    said = parquet_metadata("validation", VALIDATION)
    validation_table(document).write_parquet(directory / TABLE, metadata=said)
    if (calibrated := calibrated_document(document)) is not None:
        validation_table(calibrated).write_parquet(directory / CALIBRATED_TABLE, metadata=said)


def _over(
    case: Case, recordings: Recordings, tools: Instruments, options: ValidationOptions, so_far: Validation
) -> Done | Failure:
    """One case more; what goes wrong in it ends it alone."""
    words = f"{so_far.tried + 1} of {so_far.asked}, {case.name}"
    step = Step(options.on_progress, words, so_far.tried / so_far.asked)
    try:
        return foretold_and_measured(case, recordings, tools, step)
    except ZcError as error:
        return Failure(case, str(error))


def validation_document(validation: Validation, options: ValidationOptions) -> dict[str, Any]:
    """Everything, as one JSON document."""
    scores = validation.scores
    return {
        "version": VERSION,
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "seed": validation.seed,
        "asked": validation.asked,
        "complete": validation.tried == validation.asked,
        "recording_seconds": options.recording_seconds,
        "window_seconds": options.pairs.seconds,
        **_figures(scores),
        "pairs_marked": scores.pairs_marked,
        "calibrated": _calibrated_figures(validation, options.machine),
        "cases": [_entry(each) for each in validation.done],
        "failures": [
            {"configuration": case.configuration.as_json(), "patches": list(case.patches), "why": why}
            for case, why in validation.failures
        ],
    }


def _figures(scores: Scores) -> dict[str, Any]:
    return {
        "figures": score_entries(scores),
        "null_median_errors": scores.null_errors,
        "silent": scores.silent,
    }


def _calibrated_figures(validation: Validation, machine: MachinePrices | None) -> dict[str, Any] | None:
    """The figures of the other tier, and when its prices were measured."""
    scores = validation.calibrated_scores
    if machine is None or not scores.outcomes:
        return None
    return _figures(scores) | {"prices_made": machine.made}


def _entry(done: Done) -> dict[str, Any]:
    """A case with what only the validation knows of it; the other tier's prediction and row beside."""
    announced, calibrated = done.announced, done.calibrated
    entry = _tier_entry(done, announced.prediction, case_entry(done.outcome))
    beside = None
    if calibrated is not None and announced.calibrated is not None:
        other = {"foretold": foretold_entry(calibrated), "row": case_row(calibrated)}
        beside = _tier_entry(done, announced.calibrated, other)
    return entry | {"calibrated": beside, "superseded": [_superseded_entry(each) for each in done.superseded]}


def _tier_entry(done: Done, prediction: Prediction, entry: dict[str, Any]) -> dict[str, Any]:
    of_case = {"recording": done.announced.recording.name, "seconds": done.seconds}
    return entry | {"row": entry["row"] | {"prediction_sha256": prediction.sha256} | of_case}


def _superseded_entry(each: Superseded) -> dict[str, Any]:
    """A prediction that was given up, and everything that had been measured by then."""
    return {
        "prediction_sha256": [prediction.sha256 for prediction in each.announced.predictions],
        "recording": each.announced.recording.name,
        "why": each.why,
        "pairs": pair_entries(each.measured.pairs),
    }


def real_instruments(options: ValidationOptions) -> Instruments:
    """The lab itself, and our analysis."""
    from zcanalysis.lab.analysis import foretell

    plan = recording_plan(options.recording_seconds)

    def record(scenario: Scenario, place: Path) -> int | None:
        return _recorded_in_one_place(scenario, place, LabOptions(plan=plan))

    def measured(
        baseline: Scenario, changed: Scenario, recorded_ns: int | None, is_over: Callable[[Measured], bool]
    ) -> Measured:
        with both_hosts(baseline, changed, options.pairs) as runs:
            return measure(runs, options.pairs, recorded_ns, is_over)

    machine = options.machine
    calibrated = None if machine is None else partial(foretell, machine=machine)
    return Instruments(require_all, record, foretell, measured, calibrated)


def _recorded_in_one_place(scenario: Scenario, place: Path, options: LabOptions) -> int | None:
    """Record, again where a CPU was moved meanwhile; how far the sender's was from the reader's."""
    for left in reversed(range(MOST_RECORDINGS)):
        run_scenario(scenario, place, options)
        trips_ns = recorded_distances_ns(place)
        if not left or in_one_place(trips_ns):
            break
        shutil.rmtree(place)
    return round(statistics.median(trips_ns)) if trips_ns else None


def recorded_distances_ns(place: Path) -> list[int]:
    """What the recorder measured between its windows."""
    counters = pl.read_parquet(place / COUNTERS_FILE)
    return counters.filter(pl.col("source") == SOURCE).get_column("value").to_list()


def recording_plan(seconds: float) -> list[Phase]:
    """The default one without its capture, which gives structure only: nothing here is told from it."""
    return list(default_plan(seconds, capture=False))


def require_all(scenarios: Sequence[Scenario]) -> None:
    """Raise a `HostError` unless the tools and every CPU are there."""
    require_lab_tools()
    if why := why_perf_cannot_run():
        raise HostError(f"predictions are made from CPU samples: {why}")
    for scenario in scenarios:
        require_cpus(scenario)

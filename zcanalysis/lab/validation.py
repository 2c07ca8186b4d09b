"""Foretells what patches do, from a recording of the baseline alone; then applies them and measures.

The order is the proof: the predictions are on disk, with their sha256, before the first patched packet is sent.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from zcanalysis.errors import HostError
from zcanalysis.lab.applied import patched
from zcanalysis.lab.cases import BASELINE_LIMIT, CASES, case_of
from zcanalysis.lab.namespaces import require_lab_tools
from zcanalysis.lab.outcome import CaseOutcome, Foretold, NamedLimit, Validation, validation_document
from zcanalysis.lab.scenarios import BASELINE, Scenario, scenario_named
from zcanalysis.lab.trial import LabOptions, require_cpus, run_scenario
from zcanalysis.lab.untraced import untraced_gbps
from zcanalysis.patches import parse_patch
from zcanalysis.recorder import Phase, default_plan
from zcanalysis.recorder.interruption import terminated_like_interrupted
from zcanalysis.recorder.probes import why_perf_cannot_run
from zcanalysis.recorder.recording import claim_directory

PREDICTIONS: Final = "predictions.json"
DIGEST: Final = "predictions.sha256"
RESULT: Final = "validation.json"
LEAST_SECONDS: Final = 0.5


class Instruments(NamedTuple):
    """What touches the machine or analyses; tests bring their own."""

    require: Callable[[Sequence[Scenario]], None]
    """Refuse, before anything is built, what cannot run here."""
    record: Callable[[Scenario, Path], object]
    foretell: Callable[[Path, Sequence[str]], Foretold]
    """From the baseline's recording and the patches."""
    measure: Callable[[Scenario, float], float]
    """Untraced goodput over so many seconds, Gbit/s."""
    name_limit: Callable[[Path], NamedLimit]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationOptions:
    """What is validated, and how thoroughly.

    Attributes
    ----------
    scenario
        Name of the baseline.
    patches
        NAME=VALUE each, at least one, none twice.
    repeats
        How often each patch is measured, beside a run of the baseline each time.
    seconds
        Length of one untraced window.
    recording_seconds
        Of the baseline's recording and of each case's.
    on_progress
        Told what happens and the share that is done (0 to 1).
    """

    scenario: str = BASELINE
    patches: Sequence[str] = tuple(case.patch for case in CASES)
    repeats: int = 3
    seconds: float = 3.0
    recording_seconds: float = 6.0
    on_progress: Callable[[str, float], None] = lambda what, share: None

    def __post_init__(self) -> None:
        if not self.patches or len(set(self.patches)) < len(self.patches):
            raise ValueError(f"patches must be some, each once, got {list(self.patches)}")
        if self.repeats < 1:
            raise ValueError(f"repeats must be at least 1, got {self.repeats}")
        if not self.seconds >= LEAST_SECONDS:
            raise ValueError(f"seconds must be at least {LEAST_SECONDS}, got {self.seconds}")


def validate(directory: Path, options: ValidationOptions, instruments: Instruments | None = None) -> Validation:
    """Foretell, then measure, every patch.

    Parameters
    ----------
    directory
        Gets the recordings, predictions.json with its sha256, and validation.json; made, or empty.
    options, instruments
        What, how thoroughly, and with what.

    Raises
    ------
    HostError
        If a patch, a tool or a CPU is not to be had, the directory is not empty, or a transfer fails; nothing of ours
        is left running, and what was written stays.
    """
    tools = instruments or real_instruments(options)
    baseline = scenario_named(options.scenario)
    scenarios = {patch: patched(baseline, patch) for patch in options.patches}
    for patch in options.patches:
        parse_patch(patch)  # a value that nobody can foretell is said before anything is built
    tools.require([baseline, *scenarios.values()])
    claim_directory(directory)
    with terminated_like_interrupted():
        work = _Work(directory, options, tools, baseline, _Progress(options))
        foretold, digest = _foretold(work)
        runs = {patch: _runs(work, patch, scenario) for patch, scenario in scenarios.items()}
        limits = {patch: _limit(work, patch, scenario) for patch, scenario in scenarios.items()}
        named = tools.name_limit(directory / "baseline")
    cases = tuple(
        CaseOutcome(prediction, foretold.goodput_gbps, *runs[patch], case_of(baseline.name, patch).limit, limits[patch])
        for patch, prediction in ((prediction.patch, prediction) for prediction in foretold.predictions)
    )
    expected = BASELINE_LIMIT if baseline.name == BASELINE else None
    validation = Validation(baseline.name, digest, expected, named, cases, foretold.doubts)
    _write_json(directory / RESULT, validation_document(validation) | _how(options, [baseline, *scenarios.values()]))
    options.on_progress("done", 1.0)
    return validation


class _Progress:
    """Counts steps: one a recording, an analysis, a pair of runs."""

    def __init__(self, options: ValidationOptions) -> None:
        self.tell = options.on_progress
        self.steps = 2 + len(options.patches) * (options.repeats + 1)
        self.done = 0

    def next(self, what: str) -> None:
        """Say what begins."""
        self.tell(what, self.done / self.steps)
        self.done += 1


class _Work(NamedTuple):
    """One validation under way."""

    directory: Path
    options: ValidationOptions
    tools: Instruments
    baseline: Scenario
    progress: _Progress


def _foretold(work: _Work) -> tuple[Foretold, str]:
    """Record the baseline, foretell, and write that down with its sha256."""
    work.progress.next(f"recording {work.baseline.name}")
    work.tools.record(work.baseline, work.directory / "baseline")
    work.progress.next("predicting")
    foretold = work.tools.foretell(work.directory / "baseline", work.options.patches)
    if [prediction.patch for prediction in foretold.predictions] != list(work.options.patches):
        raise HostError("the predictions are not those that were asked for")
    return foretold, write_predictions(work.directory, work.baseline.name, foretold)


def write_predictions(directory: Path, scenario: str, foretold: Foretold) -> str:
    """Write predictions.json and predictions.sha256 (as `sha256sum -c` reads it), on disk when we return.

    Returns
    -------
    str
        The sha256 of predictions.json.
    """
    document = {
        "scenario": scenario,
        "baseline_gbps": foretold.goodput_gbps,
        "written_ns": time.time_ns(),
        "doubts": list(foretold.doubts),
        "predictions": [prediction._asdict() for prediction in foretold.predictions],
    }
    _write_json(directory / PREDICTIONS, document)
    digest = hashlib.sha256((directory / PREDICTIONS).read_bytes()).hexdigest()
    _write_durably(directory / DIGEST, f"{digest}  {PREDICTIONS}\n")
    return digest


def _write_json(path: Path, document: dict[str, Any]) -> None:
    _write_durably(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def _write_durably(path: Path, text: str) -> None:
    with path.open("w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())


def _runs(work: _Work, patch: str, scenario: Scenario) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Untraced goodput of the baseline and of the patched hosts, in turn."""
    baseline, changed = [], []
    for turn in range(work.options.repeats):
        work.progress.next(f"measuring {patch}, {turn + 1} of {work.options.repeats}")
        baseline.append(work.tools.measure(work.baseline, work.options.seconds))
        changed.append(work.tools.measure(scenario, work.options.seconds))
    return tuple(baseline), tuple(changed)


def _limit(work: _Work, patch: str, scenario: Scenario) -> NamedLimit:
    work.progress.next(f"recording {patch}")
    place = work.directory / "cases" / patch
    work.tools.record(scenario, place)
    return work.tools.name_limit(place)


def _how(options: ValidationOptions, scenarios: Sequence[Scenario]) -> dict[str, Any]:
    return {
        "configurations": [scenario.as_json() for scenario in scenarios],
        "repeats": options.repeats,
        "seconds": options.seconds,
        "recording_seconds": options.recording_seconds,
    }


def real_instruments(options: ValidationOptions) -> Instruments:
    """The lab itself, and our analysis."""
    from zcanalysis.lab.analysis import foretell, name_limit

    plan = recording_plan(options.recording_seconds)

    def record(scenario: Scenario, place: Path) -> Path:
        return run_scenario(scenario, place, LabOptions(plan=plan))

    return Instruments(require_all, record, foretell, untraced_gbps, name_limit)


def recording_plan(seconds: float) -> list[Phase]:
    """The default one without its capture, which gives structure only: nothing here is told from it."""
    return list(default_plan(seconds, capture=False))


def require_all(scenarios: Sequence[Scenario]) -> None:
    """Raise a `HostError` unless the tools and every CPU are there."""
    require_lab_tools()
    if why := why_perf_cannot_run():
        raise HostError(f"limits are named from CPU samples: {why}")
    for scenario in scenarios:
        require_cpus(scenario)

"""One case: foretold from a recording of the place where its hosts are then measured.

A virtual machine's CPUs are moved by its host, and with them further apart it is another machine: what is foretold of
the one does not hold of the other. Where pairs of runs lie together elsewhere than the recording was made, the case
begins anew from a recording made there. How far the CPUs are apart alone decides that, never a goodput; the prediction
before stays on disk and in the chain, and its pairs are kept but do not count.

Where prices of this machine are to be had, each case is foretold twice, without them and with them, and measured once.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from zcanalysis.lab.draw import Case
from zcanalysis.lab.foretelling import write_prediction
from zcanalysis.lab.outcome import CaseOutcome, Foretold
from zcanalysis.lab.pairs import Measured
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.recorder.cpu_distance import in_one_place
from zcanalysis.whatif import FROM_MACHINE, FROM_RECORDING

RECORDINGS: Final = "recordings"
MOST_PREDICTIONS: Final = 3


class Instruments(NamedTuple):
    """What touches the machine or analyses; tests bring their own."""

    require: Callable[[Sequence[Scenario]], None]
    """Refuse, before anything is built, what cannot run here."""
    record: Callable[[Scenario, Path], int | None]
    """Record into that folder; how far, in ns, the sender's CPU was from the reader's, None where nobody knows."""
    foretell: Callable[[Path, Sequence[str]], Foretold]
    """From the baseline's recording and the patches, which act together."""
    measure: Callable[[Scenario, Scenario, int | None, Callable[[Measured], bool]], Measured]
    """Runs of both in turn, without and with the patches, held against a recording's distance; told of each pair, and
    over where that says so."""
    foretell_calibrated: Callable[[Path, Sequence[str]], Foretold] | None = None
    """The same as `foretell` with prices of this machine besides; None where there are none."""


class Recording(NamedTuple):
    """A baseline's recording, and where it was made."""

    place: Path
    name: str
    """Of that folder, within the validation's."""
    recorded_ns: int | None
    """How far the sender's CPU was from the reader's meanwhile; None where nobody knows."""


class Recordings:
    """All recordings of a validation: none is ever replaced.

    Parameters
    ----------
    directory
        Of the validation.
    record
        See `Instruments`.
    """

    def __init__(self, directory: Path, record: Callable[[Scenario, Path], int | None]) -> None:
        self.directory = directory
        self._record = record
        self._made: dict[str, list[Recording]] = {}

    def fitting(self, scenario: Scenario, near_ns: int | None) -> Recording | None:
        """The newest that was made where the CPUs are that far apart.

        Parameters
        ----------
        scenario
            The baseline.
        near_ns
            A round trip between its sender's CPU and its reader's; None: any recording fits.
        """
        for made in reversed(self._made.get(scenario.name, [])):
            known_ns = made.recorded_ns
            if near_ns is None or (known_ns is not None and in_one_place((known_ns, near_ns))):
                return made
        return None

    def anew(self, scenario: Scenario) -> Recording:
        """One more, under a name of its own.

        Parameters
        ----------
        scenario
            The baseline.
        """
        place, number = self.directory / RECORDINGS / scenario.name, 1
        while place.exists():
            number += 1
            place = place.with_name(f"{scenario.name}-{number}")
        made = Recording(place, f"{RECORDINGS}/{place.name}", self._record(scenario, place))
        self._made.setdefault(scenario.name, []).append(made)
        return made


class Prediction(NamedTuple):
    """What is foretold, and the sha256 of the file that says so."""

    foretold: Foretold
    sha256: str


class Announced(NamedTuple):
    """What was on disk before anything of it was measured."""

    recording: Recording
    prediction: Prediction
    """From the recording alone."""
    calibrated: Prediction | None = None
    """With prices of this machine besides."""

    @property
    def predictions(self) -> tuple[Prediction, ...]:
        """One for each tier."""
        return (self.prediction,) if self.calibrated is None else (self.prediction, self.calibrated)


class Superseded(NamedTuple):
    """A prediction that does not count, since the CPUs were found elsewhere than where it holds."""

    announced: Announced
    measured: Measured
    """What there was before the case began anew."""
    why: str


class Done(NamedTuple):
    """One case, foretold and measured."""

    outcome: CaseOutcome
    """As foretold from the recording alone."""
    announced: Announced
    superseded: tuple[Superseded, ...]
    seconds: float
    """All of it took."""

    @property
    def calibrated(self) -> CaseOutcome | None:
        """The same runs held against what was foretold with prices of this machine."""
        made = self.announced.calibrated
        return None if made is None else self.outcome._replace(foretold=made.foretold)


class Step(NamedTuple):
    """Where we are."""

    on_progress: Callable[[str, float], None]
    name: str
    share: float

    def tell(self, what: str) -> None:
        """Say what begins."""
        self.on_progress(f"{self.name}: {what}", self.share)


def foretold_and_measured(case: Case, recordings: Recordings, tools: Instruments, step: Step) -> Done:
    """Foretell, then measure; begin anew where the CPUs turn out to lie elsewhere, at most twice.

    Parameters
    ----------
    case
        Which.
    recordings
        Those that other cases left, and room for new ones.
    tools
        What records, foretells and measures.
    step
        Told what happens.

    Raises
    ------
    ZcError
        If the case cannot be recorded, foretold or measured.
    """
    started = time.monotonic()
    superseded: tuple[Superseded, ...] = ()
    while True:
        announced = _announced(case, recordings, tools, superseded[-1:], step)
        is_last = len(superseded) + 1 == MOST_PREDICTIONS
        measured = _measured(case, announced.recording, tools, step, is_last)
        if is_last or measured.elsewhere_ns is None:
            break
        superseded = (*superseded, Superseded(announced, measured, _why(announced.recording, measured)))
    outcome = CaseOutcome(case, announced.prediction.foretold, measured)
    return Done(outcome, announced, superseded, time.monotonic() - started)


def _announced(
    case: Case, recordings: Recordings, tools: Instruments, before: Sequence[Superseded], step: Step
) -> Announced:
    """What is foretold from a recording of where the CPUs are, as far as the one before has shown that."""
    near_ns = before[0].measured.elsewhere_ns if before else None
    recording = recordings.fitting(case.configuration, near_ns)
    if recording is None:
        step.tell("recording")
        recording = recordings.anew(case.configuration)
    step.tell("predicting")
    ways = {FROM_RECORDING: tools.foretell, FROM_MACHINE: tools.foretell_calibrated}
    said = {tier: way(recording.place, case.patches) for tier, way in ways.items() if way is not None}
    given_up = before[0].announced.predictions if before else [None] * len(said)
    made = []
    for (asked, foretold), old in zip(said.items(), given_up, strict=True):
        about = {
            "asked": asked, "recording": recording.name, "recorded_ns": recording.recorded_ns,
            "supersedes": None if old is None else old.sha256,
        }  # fmt: skip
        made.append(Prediction(foretold, write_prediction(recordings.directory, case, foretold, about)))
    return Announced(recording, *made)


def _measured(case: Case, recording: Recording, tools: Instruments, step: Step, to_the_end: bool) -> Measured:
    def is_over(so_far: Measured) -> bool:
        step.tell(f"pair {len(so_far.pairs)}, ratio {so_far.ratio:.2f} ± {so_far.standard_error:.1%}")
        return not to_the_end and so_far.elsewhere_ns is not None

    step.tell("measuring")
    return tools.measure(case.configuration, case.patched, recording.recorded_ns, is_over)


def _why(recording: Recording, measured: Measured) -> str:
    return (
        f"a CPU was moved: {recording.recorded_ns} ns to the other in the recording, {measured.elsewhere_ns} ns in the "
        "pairs after it"
    )

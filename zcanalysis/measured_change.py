"""What the lab measured of a change, beside what is predicted of it: another recording, or a row of a validation."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import polars as pl

from zcanalysis.errors import HostError, TraceError
from zcanalysis.goodput import counted_goodput
from zcanalysis.io.json_file import read_json
from zcanalysis.io.recording import Recording, read_recording
from zcanalysis.lab.applied import patched
from zcanalysis.lab.scenarios import Scenario as Configuration
from zcanalysis.patches import Patch
from zcanalysis.recorder.cpu_distance import SOURCE, in_one_place

VALIDATION: Final = "validation.json"
MOST_FOLDERS: Final = 200
DISTANCE_UNKNOWN: Final = "how far apart the two CPUs were was not recorded"


class Measured(NamedTuple):
    """A goodput that was measured, with its 90 % interval where one is known."""

    gbps: float
    low_gbps: float | None
    high_gbps: float | None
    where: str
    """What was measured; holds names of folders, so never trusted text."""
    cpus: str = ""
    """How far apart its two CPUs were, against those of the recording that is asked about; empty where that cannot
    differ."""


class LabRuns:
    """The lab's measurements beside a recording: read once, when first asked.

    Parameters
    ----------
    recording
        Made in the lab, or nothing beside it can be compared.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._here = _configuration(recording.path) if recording.host.made_in_lab else None
        self._others: dict[Path, Configuration] | None = None
        self._cases: list[dict[str, Any]] | None = None
        self._goodputs: dict[Path, Measured | None] = {}

    def measured(self, patches: Iterable[Patch]) -> tuple[Measured, ...]:
        """What was measured of a host that differs from the recorded one by exactly these patches.

        Parameters
        ----------
        patches
            At least one, or nothing is found.
        """
        texts = [str(patch) for patch in patches]
        if self._here is None or not texts:
            return ()
        wanted = self._here
        try:
            for text in texts:
                wanted = patched(wanted, text)
        except (HostError, ValueError):  # the lab cannot make such a host
            return ()
        return (*self._recordings(_nameless(wanted)), *self._validated(set(texts)))

    def _recordings(self, wanted: Configuration) -> Iterator[Measured]:
        if self._others is None:
            self._others = dict(_neighbours(self._recording.path))
        for place, configuration in self._others.items():
            if configuration == wanted and (found := self._goodput(place)) is not None:
                yield found

    def _validated(self, texts: set[str]) -> Iterator[Measured]:
        assert self._here is not None
        if self._cases is None:
            self._cases = list(_cases(self._recording.path.parent / VALIDATION))
        for case in self._cases:
            if case["configuration"] != self._here or case["patches"] != texts:
                continue
            mine = self._goodput(self._recording.path)
            if mine is not None:
                ratio, low, high = case["ratios"]
                yield Measured(mine.gbps * ratio, mine.gbps * low, mine.gbps * high,
                               f"{VALIDATION}: {ratio:.2f} times as much, of this goodput")  # fmt: skip

    def _goodput(self, place: Path) -> Measured | None:
        if place not in self._goodputs:
            self._goodputs[place] = _goodput(place, _distances_ns(self._recording))
        return self._goodputs[place]


def _neighbours(folder: Path) -> Iterator[tuple[Path, Configuration]]:
    """Other recordings of the same folder, and how the lab had set them."""
    try:
        places = sorted(place for place in folder.resolve().parent.iterdir() if (place / "host.json").is_file())
    except OSError:
        return
    for place in places[:MOST_FOLDERS]:
        if place != folder.resolve() and (configuration := _configuration(place)) is not None:
            yield place, configuration


def _goodput(place: Path, distances_ns: list[int]) -> Measured | None:
    try:
        recording = read_recording(place)
    except TraceError:
        return None
    found = counted_goodput(recording)
    if found is None:
        return None
    cpus = cpus_text(distances_ns, _distances_ns(recording))
    return Measured(found.gbps, found.low_gbps, found.high_gbps, recording.name, cpus)


def cpus_text(here_ns: list[int], there_ns: list[int]) -> str:
    """How far apart the two CPUs of another recording were, by round trips of a cache line in both.

    Examples
    --------
    >>> cpus_text([230, 240, 250], [480, 500])
    'its CPUs were 2.0 times as far apart'
    >>> cpus_text([230, 240], [230]), cpus_text([], [230])
    ('its CPUs were as far apart', 'how far apart the two CPUs were was not recorded')
    """
    if not here_ns or not there_ns:
        return DISTANCE_UNKNOWN
    if in_one_place([*here_ns, *there_ns]):
        return "its CPUs were as far apart"
    return f"its CPUs were {median(there_ns) / median(here_ns):.1f} times as far apart"


def _distances_ns(recording: Recording) -> list[int]:
    """Round trips of a cache line between the sender's CPU and the reader's; none in older recordings."""
    if recording.counters is None:
        return []
    return recording.counters.filter(pl.col("source") == SOURCE).get_column("value").to_list()


def _configuration(place: Path) -> Configuration | None:
    try:
        return _as_configuration(read_json(place / "host.json").get("lab"))
    except (TraceError, OSError):
        return None


def _as_configuration(found: object) -> Configuration | None:
    """The lab's settings, but for their name; None where that is not what is found."""
    if not isinstance(found, dict):
        return None
    known = {field.name for field in fields(Configuration)}
    try:
        return _nameless(Configuration(**{name: value for name, value in found.items() if name in known}))
    except (TypeError, ValueError):
        return None


def _nameless(configuration: Configuration) -> Configuration:
    return replace(configuration, name="any")


def _cases(file: Path) -> Iterator[dict[str, Any]]:
    """Configuration, patches and measured ratios of a validation's cases; what is damaged is left out."""
    try:
        cases = read_json(file).get("cases", []) if file.is_file() else []
    except TraceError:
        return
    for case in cases if isinstance(cases, list) else []:
        try:
            row = case["row"]
            ratios = tuple(float(row[name]) for name in ("measured_ratio", "measured_low", "measured_high"))
            yield {
                "configuration": _as_configuration(case["configuration"]),
                "patches": set(map(str, case["patches"])),
                "ratios": ratios,
            }
        except (KeyError, TypeError, ValueError):
            continue

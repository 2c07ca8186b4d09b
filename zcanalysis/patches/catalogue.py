"""Which patches there are, by subject, and how their names and values are read."""

import difflib
from collections.abc import Mapping
from typing import Final

from zcanalysis.cpu.kernel_stages import NOT_RECEIVE, STAGES
from zcanalysis.errors import PatchError
from zcanalysis.patches import entries_arrival as arrival
from zcanalysis.patches import entries_reading as reading
from zcanalysis.patches.entry import Entry
from zcanalysis.patches.patch import Patch
from zcanalysis.patches.values import value_of

GROUPS: Final[Mapping[str, tuple[Entry, ...]]] = {
    "packets and checksums": arrival.PACKETS,
    "device and bus": arrival.DEVICE,
    "acknowledgements and window": arrival.ACKS,
    "copies": reading.COPIES,
    "where work runs": reading.PLACES,
    "reader": reading.READER,
    "bounds and virtual changes": reading.BOUNDS,
}
CATALOGUE: Final[Mapping[str, Entry]] = {entry.name: entry for group in GROUPS.values() for entry in group}
SPEEDABLE: Final = tuple(stage for stage in STAGES if stage not in NOT_RECEIVE or stage == "sender")


def parse_patch(text: str) -> Patch:
    """The patch that a text such as ``mtu=9000`` or ``gro`` means.

    Raises
    ------
    PatchError
        If there is no such patch, or it cannot have that value; one line that says what is expected.
    """
    name, given, value = text.strip().partition("=")
    name = name.strip()
    kind, _, stage = name.partition(":")
    entry = CATALOGUE.get(kind)
    if entry is None or (stage and kind != "speedup"):
        raise PatchError(f"no patch {name[:40]!r}{_nearest(kind, CATALOGUE)}")
    if kind == "speedup":
        check_stage(stage)
    return Patch(name, value_of(name, value if given else None, entry.value))


def check_stage(stage: str) -> None:
    """Raise a `PatchError` unless there is such a stage."""
    if stage not in SPEEDABLE:
        near = _nearest(stage, dict.fromkeys(SPEEDABLE))
        raise PatchError(f"patch speedup: no stage {stage[:40]!r}, as in speedup:copy=20{near}")


def _nearest(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name[:40], known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"

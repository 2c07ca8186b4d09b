"""Which patches there are, by subject, and how their names and values are read.

Extensions are asked only where our own patches do not answer.
"""

import difflib
from collections.abc import Iterable
from typing import Final

from zcanalysis.cpu.kernel_stages import NOT_RECEIVE, STAGES
from zcanalysis.errors import PatchError
from zcanalysis.patches.built_in import CATALOGUE, GROUPS
from zcanalysis.patches.entry import Entry
from zcanalysis.patches.extended import added, added_named, added_names
from zcanalysis.patches.patch import Patch
from zcanalysis.patches.values import value_of

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
    entry = entry_of(kind)
    if stage and kind != "speedup":
        raise PatchError(f"no patch {name[:40]!r}{_nearest(kind, CATALOGUE)}")
    if kind == "speedup":
        check_stage(stage)
    return Patch(name, value_of(name, value if given else None, entry.value))


def entry_of(kind: str) -> Entry:
    """What the catalogue says of a kind of patch, our own or one of an extension.

    Raises
    ------
    PatchError
        If there is no such patch.
    ExtensionError
        If an extension brings it, and it cannot be used.
    """
    entry = CATALOGUE.get(kind) or added_named(kind)
    if entry is None:
        raise PatchError(f"no patch {kind[:40]!r}{_nearest(kind, [*CATALOGUE, *added_names()])}")
    return entry


def groups() -> dict[str, tuple[Entry, ...]]:
    """All patches by subject; those of extensions, as far as they can be used, by who brings them."""
    brought: dict[str, tuple[Entry, ...]] = {}
    for one in added().values():
        group = f"brought by {one.origin}"
        brought[group] = (*brought.get(group, ()), one.entry)
    return {**GROUPS, **brought}


def check_stage(stage: str) -> None:
    """Raise a `PatchError` unless there is such a stage."""
    if stage not in SPEEDABLE:
        near = _nearest(stage, SPEEDABLE)
        raise PatchError(f"patch speedup: no stage {stage[:40]!r}, as in speedup:copy=20{near}")


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(name[:40], known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"

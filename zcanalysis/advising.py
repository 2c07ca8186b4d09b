"""The four uses of `advise`: of a live device, of a recording, of a change that was made, of the ledger."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from zcanalysis import advice_text
from zcanalysis.advice import Advice, advise, document, is_in_place, numbered, to_keep, verified
from zcanalysis.errors import HostError, TraceError, ZcError
from zcanalysis.io.recording import read_recording
from zcanalysis.ledger import KeptAdvice, all_kept, keep, kept_change, new_id, outcomes
from zcanalysis.live import Look, counting_plan, look, overhead_share, sampling_plan, why_less

OnStep = Callable[[str], None]
LOOK_S: Final = 20.0


class Said(NamedTuple):
    """What a command has to say: as JSON, on a screen, and what went wrong all the same."""

    document: dict[str, Any]
    show: Callable[[], None]
    complaint: str | None = None


def live(device: str, seconds: float | None, on_step: OnStep) -> Said:
    """Look at a device that receives, advise, and keep the advice."""
    with look(device, sampling_plan(seconds or LOOK_S), _again("--live", device, seconds), on_step) as seen:
        on_step("weighing changes")
        found = advise(seen.recording, live=True, notes=tuple(_hidden(seen)))
        found = replace(found, overhead_share=overhead_share(seen))
    found = _kept(found)
    return Said(document(found), lambda: advice_text.print_advice(found))


def recorded(folder: Path) -> Said:
    """Advise on a recording; nothing is kept, for the host may be another."""
    found = advise(read_recording(folder))
    return Said(document(found), lambda: advice_text.print_advice(found))


def verify(change_id: str, seconds: float | None, on_step: OnStep) -> Said:
    """Measure again after a change, compare with what was predicted, and keep both."""
    kept, change = kept_change(change_id)
    again = _again("--verify", change_id, seconds)
    with look(kept.device, counting_plan(seconds or LOOK_S), again, on_step) as seen:
        done, notes = verified(change, seen.recording), _otherwise(kept, seen)
    try:
        keep(kept._replace(verifications=(*kept.verifications, done)))
    except HostError as error:
        notes.append(str(error))
    said = {"change": change._asdict(), "before_gbps": kept.goodput_gbps, "verification": done._asdict()}
    return Said(
        {**said, "device": kept.device, "notes": notes},
        lambda: advice_text.print_verification(kept, change, done, notes),
    )


def ledger() -> Said:
    """Predicted against measured, of all that was kept; a damaged file is a complaint, the others are listed."""
    advices, damaged = all_kept()
    if not advices and not damaged:
        raise TraceError("nothing was advised on this machine yet; start with: zcanalysis advise --live DEVICE")
    table = outcomes(advices)
    more = f" ({len(damaged) - 1} more)" if len(damaged) > 1 else ""
    return Said(
        {"ledger": table.to_dicts()},
        lambda: advice_text.print_outcomes(table),
        f"{damaged[0]}{more}" if damaged else None,
    )


def _again(option: str, value: str, seconds: float | None) -> str:
    """The command that was given."""
    length = [] if seconds is None else ["--seconds", f"{seconds:g}"]
    return shlex.join(["zcanalysis", "advise", option, value, *length])


def _kept(found: Advice) -> Advice:
    """The advice under its new id; without one where it cannot be kept, for it is worth as much on the screen."""
    try:
        named = numbered(found, new_id())
        keep(to_keep(named))
    except ZcError as error:
        return replace(found, notes=(*found.notes, f"not kept, cannot be verified later: {error}"))
    return named


def _hidden(seen: Look) -> list[str]:
    """What we could not see and why, but for what follows from not being root."""
    lines = why_less()
    missing = [line for line in seen.recording.host.missing if not (lines and line.startswith("phase "))]
    return [*lines, *missing[:1]]


def _otherwise(kept: KeptAdvice, seen: Look) -> list[str]:
    """What else is not as it was when the advice was given."""
    host = seen.recording.host
    notes = why_less()
    if host.kernel != kept.kernel:
        notes.append(f"the kernel is {host.kernel}, it was {kept.kernel}")
    others = [change.patch for change in kept.changes if is_in_place(change.patch, host)]
    if len(others) > 1:
        notes.append(f"more than one change is in place: {', '.join(others)}")
    return notes

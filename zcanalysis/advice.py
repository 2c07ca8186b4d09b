"""What to do about a limit: candidate changes, ranked by what they are predicted to give, with command and undo.

Nothing is changed here: commands are text for whoever reads them.
"""

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from zcanalysis.answer import Answer, answered
from zcanalysis.errors import ExtensionError, TraceError
from zcanalysis.extensions import warn
from zcanalysis.goodput import counted_goodput
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.io.recording import Recording
from zcanalysis.ledger import Change, KeptAdvice, Verification, now
from zcanalysis.limit import NOTABLE_FOREIGN, Kind, Limit
from zcanalysis.patches import Patch, added, in_place, parse_patch
from zcanalysis.patches.placement import cpu_list
from zcanalysis.patches.sockets import rmem_of
from zcanalysis.signs import CpuUse, Signs, signs
from zcanalysis.whatif import NULL, REPLAYED_TIERS, Nulls, bound, what_if

MOST_CHANGES: Final = 3
LEAST_GAIN: Final = 0.01
JUMBO_BYTES: Final = 9000
LARGE_BUFFER_BYTES: Final = 32 << 20
INTERRUPT_DELAY_US: Final = 50
POLL_US: Final = 50
FAIR_SHARE: Final = 0.5
MOST_CPUS: Final = 1 << 16
MOVE: Final = "move"
CPU_WORK: Final = frozenset(
    ("mtu", "gro", "hw-checksum", "rps", "rfs", "cpu", "irq-affinity", "coalesce-us", "busy-poll", MOVE)
)
ACTS_ON: Final[dict[Kind, frozenset[str]]] = {
    "receiver cpu": CPU_WORK,
    "receive window": frozenset(("rcvbuf", "busy-poll")),
    "reader": frozenset(),
    "sender": frozenset(("mtu", "gro", "rps", MOVE)),
    "link": frozenset(("mtu",)),
    "drops": CPU_WORK | {"ring"},
    "unknown": CPU_WORK | {"ring", "rcvbuf"},
}
"""Kinds of change that act on each limit; the others leave it where it is."""
REMEDY: Final[dict[Kind, str]] = {"receive window": "rcvbuf", "drops": "ring"}
"""What to try though nothing says how much it gives."""
NULL_COLUMNS: Final = Nulls._fields
ROW: Final = (
    "patch", "applies", "why", "predicted_gbps", "low_gbps", "high_gbps", "bound", "limit_after", "tier", "command",
    "undo", *NULL_COLUMNS,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The limit of a transfer, and what to change."""

    recording: str
    device: str | None
    kernel: str | None
    live: bool
    """Whether the host was looked at just now, so that its processes are those that run here."""
    id: str | None
    """Under which it is kept; None where it is not."""
    goodput_gbps: float
    low_gbps: float | None
    high_gbps: float | None
    limit: Limit
    audit: pl.DataFrame
    changes: tuple[dict[str, Any], ...]
    """At most three rows as `what_if` gives them, the most gain first; ``id`` and ``verify`` are null if not kept."""
    left_out: tuple[dict[str, Any], ...]
    """What else was weighed, and why it is not among them."""
    overhead_share: float | None = None
    """What looking cost, as a share of the goodput; its noise is that of the goodput."""
    notes: tuple[str, ...] = ()


def advise(recording: Recording, *, live: bool = False, notes: tuple[str, ...] = ()) -> Advice:
    """What limits a recorded transfer, and the changes most worth trying.

    Parameters
    ----------
    recording
        With undisturbed counters.
    live
        Whether the recorded processes are those that run here now.
    notes
        Lines for whoever reads it.

    Raises
    ------
    TraceError
        If the recording holds no undisturbed goodput, or a file of it turns out to be damaged.
    """
    answer = answered(recording)
    if answer.evidence.quiet is None or answer.goodput_gbps is None:
        raise TraceError(f"{recording.path}: holds no undisturbed counters: without a goodput there is no advice")
    best, rest = ranked_changes(answer, live=live)
    return Advice(
        recording=recording.name,
        device=recording.host.device,
        kernel=recording.host.kernel,
        live=live,
        id=None,
        goodput_gbps=answer.goodput_gbps,
        low_gbps=answer.low_gbps,
        high_gbps=answer.high_gbps,
        limit=answer.held_back_by,
        audit=answer.audit,
        changes=tuple({"id": None, "verify": None} | row for row in best),
        left_out=tuple(rest),
        notes=notes,
    )


def numbered(advice: Advice, advice_id: str) -> Advice:
    """The advice with the id under which it is kept, its changes numbered behind that."""
    ids = [f"{advice_id}-{number}" for number in range(1, len(advice.changes) + 1)]
    rows = (
        row | {"id": one, "verify": f"zcanalysis advise --verify {one}"}
        for one, row in zip(ids, advice.changes, strict=True)
    )
    return replace(advice, id=advice_id, changes=tuple(rows))


def ranked_changes(answer: Answer, *, live: bool = False) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The changes worth trying, best first, and the others with what speaks against them.

    Parameters
    ----------
    answer
        Of a recording; without CPU samples or goodput no change can be priced.
    live
        Whether the recorded processes are those that run here now.
    """
    seen = signs(answer.evidence)
    return _ranked([*_weighed(answer, seen), *_competitor(answer, seen, live=live)], answer)


def candidates(host: HostFacts, seen: Signs | None) -> list[Patch]:
    """The changes worth weighing on a host: some of each kind that anybody could make there."""
    texts = [f"mtu={JUMBO_BYTES}", "gro=on", "hw-checksum=on", "rps=off", "rfs=on", "cpu=split"]
    texts += [f"coalesce-us={INTERRUPT_DELAY_US}", f"busy-poll={POLL_US}"]
    if host.mtu is not None and host.mtu >= JUMBO_BYTES:
        texts.remove(f"mtu={JUMBO_BYTES}")
    idlest = min(_present(host, seen), key=lambda use: use.busy, default=None)
    texts += [f"rps={idlest.cpu}", f"irq-affinity={idlest.cpu}"] if idlest is not None else []
    if host.ring is not None and host.ring.rx < host.ring.rx_max:
        texts.append(f"ring={host.ring.rx_max}")
    present = rmem_of(host)
    if present is None or present[2] < LARGE_BUFFER_BYTES:
        texts.append(f"rcvbuf={LARGE_BUFFER_BYTES}")
    return [parse_patch(text) for text in texts]


def _present(host: HostFacts, seen: Signs | None) -> list[CpuUse]:
    """The CPUs that were seen and that the host has: a file of counters may hold any number."""
    end = MOST_CPUS if host.cpus is None else min(host.cpus, MOST_CPUS)
    return [use for use in (seen.cpus if seen else ()) if 0 <= use.cpu < end]


def document(advice: Advice) -> dict[str, Any]:
    """The promised JSON of `advise`."""
    return {
        "recording": None if advice.live else advice.recording,
        "device": advice.device,
        "id": advice.id,
        "goodput_gbps": advice.goodput_gbps,
        "low_gbps": advice.low_gbps,
        "high_gbps": advice.high_gbps,
        "limit": advice.limit.as_json(),
        "overhead_share": advice.overhead_share,
        "changes": list(advice.changes),
        "left_out": list(advice.left_out),
        "audit": advice.audit.to_dicts(),
        "notes": list(advice.notes),
    }


def to_keep(advice: Advice) -> KeptAdvice:
    """The part of a live advice that a later look is held against."""
    assert advice.id is not None
    return KeptAdvice(
        id=advice.id,
        made=now(),
        device=advice.device or "",
        kernel=advice.kernel,
        goodput_gbps=advice.goodput_gbps,
        low_gbps=advice.low_gbps,
        high_gbps=advice.high_gbps,
        limit=advice.limit.kind,
        changes=tuple(Change(**{name: row[name] for name in Change._fields}) for row in advice.changes),
    )


def verified(change: Change, recording: Recording) -> Verification:
    """What was measured after a change, against what was predicted.

    Raises
    ------
    TraceError
        If the recording holds no undisturbed goodput.
    """
    quiet = counted_goodput(recording)
    if quiet is None:
        raise TraceError(f"{recording.path}: holds no undisturbed counters: there is nothing to compare")
    there = is_in_place(change.patch, recording.host)
    known = change.low_gbps is not None and change.high_gbps is not None and there is not False
    inside = (change.low_gbps or 0.0) <= quiet.gbps <= (change.high_gbps or 0.0) if known else None
    return Verification(change.id, now(), quiet.gbps, quiet.low_gbps, quiet.high_gbps, there, inside)


def is_in_place(patch: str, host: HostFacts) -> bool | None:
    """Whether the host is as the change wanted it; None when that cannot be seen."""
    if not patch.startswith(f"{MOVE}:"):
        return in_place(parse_patch(patch), host)
    pid, _, cpus = patch.removeprefix(f"{MOVE}:").partition("=")
    allowed = _allowed_cpus(int(pid)) if pid.isdecimal() and pid.isascii() else frozenset()
    return {cpu_list(one) for one in allowed} == {cpus} if allowed else None


def _weighed(answer: Answer, seen: Signs | None) -> Iterator[dict[str, Any]]:
    table = what_if(answer, candidates(answer.recording.host, seen))
    yield from ({name: row[name] for name in ROW} for row in (*table.iter_rows(named=True), *_brought(answer)))


def _brought(answer: Answer) -> Iterator[dict[str, Any]]:
    """What extensions propose to try on such a kernel; one that fails at it is left out."""
    for name, one in added().items():
        if answer.recording.host.generation in one.entry.generations:
            try:
                yield from what_if(answer, [Patch(name, value) for value in one.entry.tries]).iter_rows(named=True)
            except ExtensionError as error:
                warn(f"{error}; it is left out")


def _ranked(rows: list[dict[str, Any]], answer: Answer) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Those to try, best first, one of a kind; the rest says in ``why`` what speaks against it."""
    limit, goodput_gbps = answer.held_back_by, answer.goodput_gbps or 0.0
    fit: list[dict[str, Any]] = []
    rest: list[dict[str, Any]] = []
    for row in sorted((_as_remedy(row, limit) for row in rows), key=_worth, reverse=True):
        objection = _objection(row, limit, goodput_gbps)
        alike = next((other["patch"] for other in fit if _kind(other) == _kind(row)), None)
        if objection is None and alike is not None:
            objection = f"{alike} gives as much or more"
        if objection is None and len(fit) == MOST_CHANGES:
            objection = "three others give more"
        if objection is None:
            fit.append(row)
        else:
            rest.append(row | {"why": objection})
    return fit, rest


def _worth(row: dict[str, Any]) -> tuple[float, float]:
    return (row["predicted_gbps"] or 0.0, row["low_gbps"] or 0.0)


def _kind(row: dict[str, Any]) -> str:
    return str(row["patch"]).partition("=")[0].partition(":")[0]


def _as_remedy(row: dict[str, Any], limit: Limit) -> dict[str, Any]:
    """The change that a limit is named after: no figure unless replayed, for CPU time alone prices no waiting."""
    if _kind(row) != REMEDY.get(limit.kind) or row["tier"] in REPLAYED_TIERS:
        return row
    return row | dict.fromkeys(("predicted_gbps", "low_gbps", "high_gbps"))


def _objection(row: dict[str, Any], limit: Limit, goodput_gbps: float) -> str | None:
    kind = _kind(row)
    if not row["applies"] or (row["command"] is None and kind != MOVE):
        return str(row["why"]) or "there is no command that would make it"
    if not _acts_on(limit, row) or _out_of_reach(limit):
        return f"does not act on the limit ({limit.where or limit.kind})"
    if row["predicted_gbps"] is None and kind == REMEDY.get(limit.kind):
        return None
    if row["predicted_gbps"] is None:
        return f"what it gives is not known; {row['why']}".removesuffix("; ")
    if row["predicted_gbps"] <= goodput_gbps * (1 + LEAST_GAIN):
        return "is predicted to give nothing"
    return None


def _acts_on(limit: Limit, row: dict[str, Any]) -> bool:
    """Of what an extension brings only a replay knows on what it acts."""
    kind = _kind(row)
    return kind in ACTS_ON[limit.kind] or (kind in added() and row["tier"] in REPLAYED_TIERS)


def _out_of_reach(limit: Limit) -> bool:
    return limit.kind == "sender" and not (limit.where or "").startswith("CPU")


def _competitor(answer: Answer, seen: Signs | None, *, live: bool) -> Iterator[dict[str, Any]]:
    """Moving away the process that takes most of the limiting CPU, where one does.

    Of a recording nobody knows whose number that is now and where the process may run: it is named without a command.
    """
    present = _present(answer.recording.host, seen)
    for cpu, comm, pid, share in seen.foreign_names if seen else ():
        others = [use for use in present if use.cpu != cpu]
        if answer.held_back_by.where != f"CPU {cpu}" or share < NOTABLE_FOREIGN or pid <= 0 or not others:
            continue
        if live and _is_kernel_thread(pid):
            continue
        target = min(others, key=lambda use: use.busy)
        moved = f"{comm} ({pid}) takes {share:.0%} of CPU {cpu}; it then shares CPU {target.cpu}"
        how = _affinity_change(pid, target.cpu) if live else _on_the_live_host(answer.recording.host.device)
        yield {
            "patch": f"{MOVE}:{pid}={target.cpu}",
            "applies": not live or how["command"] is not None,
            "why": f"{moved}, {target.busy:.0%} busy{how['why']}",
            **_moved_gbps(answer, share, target.busy),
            "bound": bound(answer),
            "limit_after": None,
            "tier": NULL,
            "command": how["command"],
            "undo": how["undo"],
            **dict.fromkeys(NULL_COLUMNS),
        }


def _moved_gbps(answer: Answer, share: float, target_busy: float) -> dict[str, float | None]:
    """What the transfer gets from the CPU time of a process that moves to a CPU of which a part is in use.

    That CPU has `1 - target_busy` to spare: so much of the share is counted as gained. At most all of it is, if what
    the process then takes there was not the transfer's. At least nothing is, for the share may be what the transfer
    leaves; and where more than half of that CPU was in use, work there keeps half of it if both want all.
    """
    goodput_gbps = answer.goodput_gbps
    if goodput_gbps is None:
        return dict.fromkeys(("predicted_gbps", "low_gbps", "high_gbps"))
    gained = min(share, max(1 - target_busy, 0.0))
    kept = min(FAIR_SHARE / target_busy, 1.0) if target_busy > 0 else 1.0
    low_gbps = goodput_gbps if answer.low_gbps is None else answer.low_gbps
    high_gbps = goodput_gbps if answer.high_gbps is None else answer.high_gbps
    return {
        "predicted_gbps": goodput_gbps / max(1 - gained, LEAST_GAIN),
        "low_gbps": low_gbps * kept,
        "high_gbps": high_gbps / max(1 - share, LEAST_GAIN),
    }


def _on_the_live_host(device: str | None) -> dict[str, str | None]:
    name = shlex.quote(device) if device else "DEVICE"
    return {"command": None, "undo": None, "why": f"; to move it, on the live host: zcanalysis advise --live {name}"}


def _affinity_change(pid: int, target: int) -> dict[str, str | None]:
    """The command and what takes it back; neither where one mask for all threads would not restore what was."""
    allowed = _allowed_cpus(pid)
    if len(allowed) != 1:
        why = (
            "its threads are pinned each to other CPUs: one command"
            if allowed
            else "where it may run cannot be read: it"
        )
        return {"command": None, "undo": None, "why": f"; {why} could not be undone"}
    (before,) = allowed
    return {"command": f"taskset -acp {target} {pid}", "undo": f"taskset -acp {cpu_list(before)} {pid}", "why": ""}


def _allowed_cpus(pid: int) -> frozenset[frozenset[int]]:
    """The sets of CPUs to which the threads of a process are bound; none if one of them cannot be read."""
    try:
        threads = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
        return frozenset(frozenset(os.sched_getaffinity(thread)) for thread in threads)
    except (OSError, OverflowError):
        return frozenset()


def _is_kernel_thread(pid: int) -> bool:
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False

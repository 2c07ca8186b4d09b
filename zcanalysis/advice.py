"""What to do about a limit: candidate changes, ranked by what they are predicted to give, with command and undo.

Nothing is changed here: commands are text for whoever reads them.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from zcanalysis.answer import Answer, answered
from zcanalysis.errors import TraceError
from zcanalysis.goodput import counted_goodput
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.io.recording import Recording
from zcanalysis.ledger import Change, KeptAdvice, Verification, now
from zcanalysis.limit import NOTABLE_FOREIGN, Kind, Limit
from zcanalysis.patches import Patch, in_place, parse_patch
from zcanalysis.patches.placement import cpu_list
from zcanalysis.patches.sockets import rmem_of
from zcanalysis.signs import Signs, signs
from zcanalysis.whatif import what_if

MOST_CHANGES: Final = 3
LEAST_GAIN: Final = 0.01
JUMBO_BYTES: Final = 9000
LARGE_BUFFER_BYTES: Final = 32 << 20
INTERRUPT_DELAY_US: Final = 50
POLL_US: Final = 50
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
ROW: Final = (
    "patch", "applies", "why", "predicted_gbps", "low_gbps", "high_gbps", "bound", "limit_after", "command", "undo",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The limit of a transfer, and what to change."""

    recording: str
    device: str | None
    kernel: str | None
    id: str | None
    """Under which it is kept; None for a recording."""
    goodput_gbps: float
    low_gbps: float | None
    high_gbps: float | None
    limit: Limit
    audit: pl.DataFrame
    changes: tuple[dict[str, Any], ...]
    """At most three rows as `what_if` gives them, with an ``id`` where it is kept, the most gain first."""
    left_out: tuple[dict[str, Any], ...]
    """What else was weighed, and why it is not among them."""
    overhead_share: float | None = None
    """What looking cost, as a share of the goodput; its noise is that of the goodput."""
    notes: tuple[str, ...] = ()


def advise(recording: Recording, *, advice_id: str | None = None, notes: tuple[str, ...] = ()) -> Advice:
    """What limits a recorded transfer, and the changes most worth trying.

    Parameters
    ----------
    recording
        With undisturbed counters.
    advice_id
        Under which it will be kept; changes are numbered behind it.
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
    best, rest = ranked_changes(answer, live=advice_id is not None)
    return Advice(
        recording=recording.name,
        device=recording.host.device,
        kernel=recording.host.kernel,
        id=advice_id,
        goodput_gbps=answer.goodput_gbps,
        low_gbps=answer.low_gbps,
        high_gbps=answer.high_gbps,
        limit=answer.held_back_by,
        audit=answer.audit,
        changes=tuple({"id": advice_id and f"{advice_id}-{n}"} | row for n, row in enumerate(best, 1)),
        left_out=tuple(rest),
        notes=notes,
    )


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
    idlest = min(seen.cpus, key=lambda use: use.busy, default=None) if seen else None
    texts += [f"rps={idlest.cpu}", f"irq-affinity={idlest.cpu}"] if idlest is not None else []
    if host.ring is not None and host.ring.rx < host.ring.rx_max:
        texts.append(f"ring={host.ring.rx_max}")
    present = rmem_of(host)
    if present is None or present[2] < LARGE_BUFFER_BYTES:
        texts.append(f"rcvbuf={LARGE_BUFFER_BYTES}")
    return [parse_patch(text) for text in texts]


def document(advice: Advice) -> dict[str, Any]:
    """The promised JSON of `advise`."""
    return {
        "recording": advice.recording if advice.id is None else None,
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
    allowed = _allowed_cpus(int(pid)) if pid.isdecimal() and pid.isascii() else None
    return None if allowed is None else cpu_list(allowed) == cpus


def _weighed(answer: Answer, seen: Signs | None) -> Iterator[dict[str, Any]]:
    table = what_if(answer, candidates(answer.recording.host, seen))
    yield from ({name: row[name] for name in ROW} for row in table.iter_rows(named=True))


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
    """The change that a limit is named after, without a figure: arithmetic over CPU time does not price waiting."""
    if _kind(row) != REMEDY.get(limit.kind):
        return row
    return row | dict.fromkeys(("predicted_gbps", "low_gbps", "high_gbps"))


def _objection(row: dict[str, Any], limit: Limit, goodput_gbps: float) -> str | None:
    if not row["applies"] or row["command"] is None:
        return str(row["why"]) or "there is no command that would make it"
    kind = _kind(row)
    if kind not in ACTS_ON[limit.kind] or _out_of_reach(limit):
        return f"does not act on the limit ({limit.where or limit.kind})"
    if row["predicted_gbps"] is None and kind == REMEDY.get(limit.kind):
        return None
    if row["predicted_gbps"] is None:
        return f"what it gives is not known; {row['why']}".removesuffix("; ")
    if row["predicted_gbps"] <= goodput_gbps * (1 + LEAST_GAIN):
        return "is predicted to give nothing"
    return None


def _out_of_reach(limit: Limit) -> bool:
    return limit.kind == "sender" and not (limit.where or "").startswith("CPU")


def _competitor(answer: Answer, seen: Signs | None, *, live: bool) -> Iterator[dict[str, Any]]:
    """Moving away the process that takes most of the limiting CPU, where one does.

    The most it can give is that CPU's time: goodput / (1 - its share); the least is nothing, for its share may be what
    the transfer leaves. Of a recording nobody knows whether the process still runs and where it might.
    """
    where, goodput_gbps = answer.held_back_by.where, answer.goodput_gbps
    for cpu, comm, pid, share in seen.foreign_names if seen else ():
        others = {use.cpu: use.busy for use in (seen.cpus if seen else ()) if use.cpu != cpu}
        if where != f"CPU {cpu}" or share < NOTABLE_FOREIGN or pid <= 0 or not others or goodput_gbps is None:
            continue
        if live and _is_kernel_thread(pid):
            continue
        target = min(others, key=lambda other: others[other])
        before = (_allowed_cpus(pid) if live else None) or frozenset({cpu, *others})
        most_gbps = goodput_gbps / max(1 - share, LEAST_GAIN)
        yield {
            "patch": f"{MOVE}:{pid}={target}",
            "applies": True,
            "why": f"{comm} ({pid}) takes {share:.0%} of CPU {cpu}; it then shares CPU {target}",
            "predicted_gbps": most_gbps,
            "low_gbps": goodput_gbps,
            "high_gbps": most_gbps,
            "bound": "upper",
            "limit_after": None,
            "command": f"taskset -acp {target} {pid}",
            "undo": f"taskset -acp {cpu_list(before)} {pid}",
        }


def _allowed_cpus(pid: int) -> frozenset[int] | None:
    try:
        return frozenset(os.sched_getaffinity(pid))
    except (OSError, OverflowError):
        return None


def _is_kernel_thread(pid: int) -> bool:
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False

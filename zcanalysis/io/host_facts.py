"""`host.json`: what the recorder knew of the machine, checked field by field because anybody may have written it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from zcanalysis.clock import ClockPair
from zcanalysis.errors import TraceError
from zcanalysis.io.json_file import read_json

HIGHEST_GBPS: Final = 1e6
LATEST_NS: Final = 1 << 62


class PhaseWindow(NamedTuple):
    """One phase of a recording; its probes were active the whole time."""

    name: str
    from_ns: int
    to_ns: int
    repeat: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """The machine, the device, the phases and what got lost; None or empty where the recorder did not say."""

    label: str | None = None
    generation: str = "linux-6"
    kernel: str | None = None
    cpus: int | None = None
    device: str | None = None
    mtu: int | None = None
    driver: str | None = None
    physical: bool | None = None
    speed_mbps: int | None = None
    link_rate_gbps: float | None = None
    phases: tuple[PhaseWindow, ...] = ()
    clock: tuple[ClockPair, ...] = ()
    reader_pids: frozenset[int] = frozenset()
    sender_pids: frozenset[int] = frozenset()
    probe_pids: frozenset[int] = frozenset()
    made_in_lab: bool = False
    lost: Mapping[str, int | None] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def read_host_facts(file: Path) -> HostFacts:
    """The facts in a `host.json`.

    Raises
    ------
    TraceError
        If the file is no JSON object, or a field has the wrong type; unknown fields are passed over.
    """
    document = read_json(file)
    try:
        return _facts(document)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise TraceError(f"{file}: a field has an unexpected form: {error!r}") from error


def _facts(document: Mapping[str, Any]) -> HostFacts:
    roles = document.get("roles") or {}
    return HostFacts(
        label=_text(document.get("label")),
        generation="linux-2.4" if document.get("generation") == "linux-2.4" else "linux-6",
        kernel=_text(document.get("kernel")),
        cpus=_whole(document.get("cpus"), 1, 1 << 16),
        device=_text(document.get("device")),
        mtu=_whole(document.get("mtu"), 68, 1 << 24),
        driver=_text(document.get("driver")),
        physical=None if document.get("physical") is None else bool(document["physical"]),
        speed_mbps=_whole(document.get("speed_mbps"), 1, 100_000_000),
        link_rate_gbps=_rate(document.get("link_rate_gbps")),
        phases=tuple(_phase(phase) for phase in document.get("phases") or ()),
        clock=tuple(
            ClockPair(_time(pair["realtime_ns"]), _time(pair["monotonic_ns"]), _time(pair["width_ns"]))
            for pair in document.get("clock") or ()
        ),
        reader_pids=_pids(roles.get("reader")),
        sender_pids=_pids(roles.get("sender")),
        probe_pids=_probe_pids(document.get("probe") or {}),
        made_in_lab=bool(document.get("lab")),
        lost={str(name): _whole(count, 0, 1 << 62) for name, count in (document.get("lost") or {}).items()},
        missing=tuple(str(_text(line)) for line in document.get("missing") or ()),
    )


def _text(value: Any) -> str | None:  # noqa: ANN401 - whatever JSON held
    """Text that can be written anywhere: JSON may hold halves of surrogate pairs."""
    return None if value is None else str(value).encode("utf-8", "replace").decode("utf-8")


def _whole(value: Any, least: int, most: int) -> int | None:  # noqa: ANN401 - whatever JSON held
    if value is None:
        return None
    number = int(value)
    if not least <= number <= most:
        raise ValueError(f"{number} is not between {least} and {most}")
    return number


def _rate(value: Any) -> float | None:  # noqa: ANN401 - whatever JSON held
    if value is None:
        return None
    rate = float(value)
    if not 0 < rate < HIGHEST_GBPS:
        raise ValueError(f"a link rate of {rate} Gbit/s")
    return rate


def _time(value: Any) -> int:  # noqa: ANN401 - whatever JSON held
    time_ns = int(value)
    if not 0 <= time_ns < LATEST_NS:
        raise ValueError(f"{time_ns} is no time in nanoseconds")
    return time_ns


def _phase(phase: Any) -> PhaseWindow:  # noqa: ANN401 - whatever JSON held
    repeat = _whole(phase.get("repeat"), 0, 1 << 31) or 0
    window = PhaseWindow(str(_text(phase["name"])), _time(phase["from_ns"]), _time(phase["to_ns"]), repeat)
    if window.to_ns < window.from_ns:
        raise ValueError(f"phase {window.name} ends before it begins")
    return window


def _pids(processes: Any) -> frozenset[int]:  # noqa: ANN401 - whatever JSON held
    pids = (_whole(process["pid"], 0, (1 << 31) - 1) for process in processes or ())
    return frozenset(pid for pid in pids if pid is not None)


def _probe_pids(probe: Mapping[str, Any]) -> frozenset[int]:
    """Of the recorder's sampler and of the tools it started."""
    sampler = [probe["sampler"]] if probe.get("sampler") else []
    return _pids([*sampler, *(probe.get("perf") or ()), *(probe.get("tcpdump") or ())])

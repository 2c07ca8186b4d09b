"""`host.json`: what the recorder knew of the machine, checked field by field because anybody may have written it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from zcanalysis.clock import ClockPair
from zcanalysis.errors import TraceError
from zcanalysis.io.json_file import read_json

T = TypeVar("T")


class PhaseWindow(NamedTuple):
    """One phase of a recording; its probes were active the whole time."""

    name: str
    from_ns: int
    to_ns: int


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
    lost: Mapping[str, int | None] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    def phase(self, name: str) -> PhaseWindow | None:
        """The first phase of that name."""
        return next((phase for phase in self.phases if phase.name == name), None)


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
        label=_optional(str, document.get("label")),
        generation="linux-2.4" if document.get("generation") == "linux-2.4" else "linux-6",
        kernel=_optional(str, document.get("kernel")),
        cpus=_optional(int, document.get("cpus")),
        device=_optional(str, document.get("device")),
        mtu=_optional(int, document.get("mtu")),
        driver=_optional(str, document.get("driver")),
        physical=_optional(bool, document.get("physical")),
        speed_mbps=_optional(int, document.get("speed_mbps")),
        link_rate_gbps=_optional(float, document.get("link_rate_gbps")),
        phases=tuple(
            PhaseWindow(str(p["name"]), int(p["from_ns"]), int(p["to_ns"])) for p in document.get("phases") or ()
        ),
        clock=tuple(
            ClockPair(int(p["realtime_ns"]), int(p["monotonic_ns"]), int(p["width_ns"]))
            for p in document.get("clock") or ()
        ),
        reader_pids=_pids(roles.get("reader")),
        sender_pids=_pids(roles.get("sender")),
        probe_pids=_probe_pids(document.get("probe") or {}),
        lost={str(name): _optional(int, count) for name, count in (document.get("lost") or {}).items()},
        missing=tuple(str(line) for line in document.get("missing") or ()),
    )


def _optional(kind: Callable[[Any], T], value: Any) -> T | None:  # noqa: ANN401 - whatever JSON held
    return None if value is None else kind(value)


def _pids(processes: Any) -> frozenset[int]:  # noqa: ANN401 - whatever JSON held
    return frozenset(int(process["pid"]) for process in processes or ())


def _probe_pids(probe: Mapping[str, Any]) -> frozenset[int]:
    """Of the recorder's sampler and of the tools it started."""
    sampler = [probe["sampler"]] if probe.get("sampler") else []
    return _pids([*sampler, *(probe.get("perf") or ()), *(probe.get("tcpdump") or ())])

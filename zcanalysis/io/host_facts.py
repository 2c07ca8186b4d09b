"""`host.json`: what the recorder knew of the machine, checked field by field because anybody may have written it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from zcanalysis.clock import ClockPair
from zcanalysis.errors import TraceError
from zcanalysis.io.json_file import read_json

HIGHEST_GBPS: Final = 1e6
LATEST_NS: Final = 1 << 62
MOST_QUEUE_CPUS: Final = 1 << 18
MOST_CPUS: Final = 1 << 16
MOST_NODES: Final = 1 << 10
MOST_ROWS: Final = 1 << 16
LONGEST_TEXT: Final = 1 << 16
LONGEST_SETTING: Final = 1000
QUEUE_NAME: Final = re.compile(r"rx-\d{1,5}", re.ASCII)
CPU_MASK: Final = re.compile(r"[0-9a-f]{1,8}(,[0-9a-f]{8})*")
CPU_LIST: Final = re.compile(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*", re.ASCII)
SYSCTL_NAME: Final = re.compile(r"[a-z0-9_]+(\.[a-zA-Z0-9_-]+)+")


class PhaseWindow(NamedTuple):
    """One phase of a recording; its probes were active the whole time."""

    name: str
    from_ns: int
    to_ns: int
    repeat: int = 0


class Process(NamedTuple):
    """Somebody who reads or sends."""

    pid: int
    comm: str | None
    cpus: tuple[int, ...]
    """CPUs it may run on; empty when not recorded."""


class Queue(NamedTuple):
    """One receive queue of the device."""

    name: str
    rps_cpus: frozenset[int] | None
    """CPUs that receive packet steering hands its packets to; empty when it is off, None when not recorded."""
    irq: int | None
    cpus: frozenset[int]
    """CPUs that take its interrupt; empty when not recorded."""
    irq_cpus: str | None
    """CPUs its interrupt may go to, as the kernel writes them."""
    flows: int | None
    """Flows that receive flow steering tells apart."""
    numa: int | None = None
    """The node of memory that the device is next to."""


class Ring(NamedTuple):
    """The device's receive ring, in packets."""

    rx: int
    rx_max: int
    data_split: bool | None = None
    """Whether the device puts headers and payload into separate buffers; None when it does not say."""


class Channels(NamedTuple):
    """The device's queues, as ``ethtool -l`` counts those that receive."""

    kind: str
    """``combined``, or ``rx`` where the device counts them apart."""
    queues: int
    most: int


class Coalesce(NamedTuple):
    """How the device delays its receive interrupts."""

    rx_usecs: int
    adaptive_rx: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """The machine, the device, the phases and what got lost; None or empty where the recorder did not say."""

    label: str | None = None
    generation: str = "linux-6"
    kernel: str | None = None
    hz: int | None = None
    """Ticks a second."""
    architecture: str | None = None
    cpu_model: str | None = None
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
    irq_time_apart: bool | None = None
    """Whether the kernel keeps interrupts out of the CPU time of the process they interrupt."""
    made_in_lab: bool = False
    generated: str | None = None
    """What was replayed to make this recording; None where it was recorded."""
    lost: Mapping[str, int | None] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    features: Mapping[str, bool] = field(default_factory=dict)
    """The device's offloads by ethtool's name."""
    fixed_features: frozenset[str] = frozenset()
    """Those of them that nobody can change."""
    queues: tuple[Queue, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    ring: Ring | None = None
    coalesce: Coalesce | None = None
    channels: Channels | None = None
    routes: tuple[str, ...] = ()
    """IPv4 routes through the device, as ``ip route show dev`` writes them."""
    nodes: Mapping[int, frozenset[int]] = field(default_factory=dict)
    """CPUs of each node of memory."""
    readers: tuple[Process, ...] = ()
    senders: tuple[Process, ...] = ()


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
        hz=_whole(document.get("hz"), 1, 100_000),
        architecture=_text((document.get("machine") or {}).get("architecture")),
        cpu_model=_text((document.get("machine") or {}).get("cpu_model")),
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
        irq_time_apart=None if document.get("irq_time_apart") is None else bool(document["irq_time_apart"]),
        made_in_lab=bool(document.get("lab")),
        generated=_text(document.get("generated")),
        lost={str(name): _whole(count, 0, 1 << 62) for name, count in (document.get("lost") or {}).items()},
        missing=tuple(str(_text(line)) for line in document.get("missing") or ()),
        features={str(_text(name)): bool(on) for name, on in (document.get("features") or {}).items()},
        fixed_features=frozenset(str(_text(name)) for name in document.get("features_fixed") or ()),
        queues=_queues(_rows(document.get("queues"))),
        sysctls=_sysctls(document.get("sysctls") or {}),
        ring=_ring(document.get("ring")),
        coalesce=_coalesce(document.get("coalesce")),
        channels=_channels(document.get("channels") or {}),
        routes=_routes(_rows(document.get("routes"))),
        nodes=_nodes(document.get("nodes") or {}),
        readers=tuple(_process(process) for process in _rows(roles.get("reader"))),
        senders=tuple(_process(process) for process in _rows(roles.get("sender"))),
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


def _rows(rows: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401 - whatever JSON held
    if len(rows or ()) > MOST_ROWS:
        raise ValueError(f"{len(rows)} rows, expected at most {MOST_ROWS}")
    return list(rows or ())


def _process(process: Mapping[str, Any]) -> Process:
    pid = _whole(process["pid"], 0, (1 << 31) - 1)
    if pid is None:
        raise ValueError("a process without a pid")
    cpus = [_whole(cpu, 0, MOST_CPUS - 1) for cpu in _rows(process.get("cpus"))]
    return Process(pid, _text(process.get("comm")), tuple(sorted({cpu for cpu in cpus if cpu is not None})))


def _queues(rows: list[Any]) -> tuple[Queue, ...]:
    """The queues; refused as soon as their CPUs together are more than any machine would list."""
    queues: list[Queue] = []
    named = 0
    for row in rows:
        queue = _queue(row)
        named += len(queue.cpus) + len(queue.rps_cpus or ())
        if named > MOST_QUEUE_CPUS:
            raise ValueError(f"the queues name more than {MOST_QUEUE_CPUS} CPUs together")
        queues.append(queue)
    return tuple(queues)


def _queue(queue: Mapping[str, Any]) -> Queue:
    mask = _shaped(queue.get("rps_cpus"), CPU_MASK)
    return Queue(
        name=str(_shaped(queue["queue"], QUEUE_NAME)),
        rps_cpus=None if mask is None else _cpus_of_mask(mask),
        irq=_whole(queue.get("irq"), 0, 1 << 31),
        cpus=_cpus_of_list(_shaped(queue.get("cpu"), CPU_LIST)),
        irq_cpus=_shaped(queue.get("irq_cpus"), CPU_LIST),
        flows=_whole(queue.get("rps_flow_cnt"), 0, 1 << 31),
        numa=_whole(queue.get("numa"), 0, MOST_CPUS),
    )


def _shaped(value: Any, form: re.Pattern[str]) -> str | None:  # noqa: ANN401 - whatever JSON held
    """Text of a form that is safe in a command; None for None and for nothing."""
    text = "" if value is None else str(value)[: LONGEST_TEXT + 1]
    if not text:
        return None
    if len(text) > LONGEST_TEXT or not form.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not of the form {form.pattern}")
    return text


def _cpus_of_mask(mask: str) -> frozenset[int]:
    """The CPUs in a kernel mask: hexadecimal, groups of 32 bits."""
    bits = int(mask.replace(",", ""), 16)
    return frozenset(cpu for cpu in range(min(bits.bit_length(), MOST_CPUS)) if bits >> cpu & 1)


def _cpus_of_list(text: str | None) -> frozenset[int]:
    """The CPUs in a kernel list such as ``0-3,8``."""
    ends = [part.partition("-") for part in (text or "").split(",") if part]
    spans = [range(int(first), min(int(last or first), MOST_CPUS - 1) + 1) for first, _, last in ends]
    if sum(map(len, spans)) > MOST_CPUS:
        raise ValueError(f"{str(text)[:40]!r} names more than {MOST_CPUS} CPUs")
    return frozenset(cpu for span in spans for cpu in span)


def _sysctls(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings under names that can be kernel settings; others are passed over."""
    known = {str(name): str(_text(value)) for name, value in settings.items() if SYSCTL_NAME.fullmatch(str(name))}
    if longest := next((name for name, value in known.items() if len(value) > LONGEST_SETTING), None):
        raise ValueError(f"the value of {longest} has more than {LONGEST_SETTING} characters")
    return known


def _ring(ring: Mapping[str, Any] | None) -> Ring | None:
    sizes = [_whole((ring or {}).get(name), 0, 1 << 31) for name in ("rx", "rx_max")]
    if sizes[0] is None or sizes[1] is None:
        return None
    split = (ring or {}).get("data_split")
    return Ring(sizes[0], sizes[1], None if split is None else bool(split))


def _channels(channels: Mapping[str, Any]) -> Channels | None:
    kind = channels.get("kind")
    sizes = [_whole(channels.get(name), 0, 1 << 16) for name in ("queues", "most")]
    if kind is None or sizes[0] is None or sizes[1] is None:
        return None
    if kind not in ("combined", "rx"):
        raise ValueError(f"{str(kind)[:40]!r} is no kind of channel")
    return Channels(str(kind), sizes[0], sizes[1])


def _nodes(nodes: Mapping[str, Any]) -> dict[int, frozenset[int]]:
    if len(nodes) > MOST_NODES:
        raise ValueError(f"{len(nodes)} nodes, expected at most {MOST_NODES}")
    cpus = {int(number): _cpus_of_list(_shaped(text, CPU_LIST)) for number, text in nodes.items()}
    if sum(map(len, cpus.values())) > MOST_CPUS:
        raise ValueError(f"the nodes name more than {MOST_CPUS} CPUs together")
    return {number: found for number, found in cpus.items() if found}


def _routes(lines: list[Any]) -> tuple[str, ...]:
    routes = tuple(str(_text(line)) for line in lines)
    if longest := next((line for line in routes if len(line) > LONGEST_SETTING), None):
        raise ValueError(f"a route of {len(longest)} characters")
    return routes


def _coalesce(coalesce: Mapping[str, Any] | None) -> Coalesce | None:
    delay_us = _whole((coalesce or {}).get("rx_usecs"), 0, 1 << 31)
    return None if delay_us is None else Coalesce(delay_us, bool((coalesce or {}).get("adaptive_rx")))


def _probe_pids(probe: Mapping[str, Any]) -> frozenset[int]:
    """Of the recorder's sampler and of the tools it started."""
    sampler = [probe["sampler"]] if probe.get("sampler") else []
    return _pids([*sampler, *(probe.get("perf") or ()), *(probe.get("tcpdump") or ())])

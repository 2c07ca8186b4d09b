"""What a recording made after a patch would say of the host."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from zcanalysis.io.host_facts import Coalesce, HostFacts, Queue
from zcanalysis.patches.acks import LOW_LATENCY, RTO_MIN, routes_after, rto_min_after_us
from zcanalysis.patches.device import GRO, RX_CHECKSUM
from zcanalysis.patches.patch import Patch
from zcanalysis.patches.placement import FLOW_ENTRIES, FLOW_SYSCTL, near_cpus, reader_target
from zcanalysis.patches.sockets import BUSY, GROWS, RMEM, rmem_after, rmem_of


def facts_after(patch: Patch, host: HostFacts) -> HostFacts:
    """The facts with the patch in place; the same for a question that no fact would show."""
    change = _CHANGES.get(patch.kind)
    return change(patch, host) if change else host


def _feature(host: HostFacts, name: str, on: bool) -> HostFacts:
    return replace(host, features={**host.features, name: on})


def _sysctls(host: HostFacts, settings: Mapping[str, str]) -> HostFacts:
    return replace(host, sysctls={**host.sysctls, **settings})


def _rps(patch: Patch, host: HostFacts) -> HostFacts:
    cpus = frozenset() if patch.value is None else frozenset({int(patch.number)})
    return replace(host, queues=tuple(queue._replace(rps_cpus=cpus) for queue in host.queues))


def _rfs(patch: Patch, host: HostFacts) -> HostFacts:
    entries = FLOW_ENTRIES if patch.value else 0
    queues = tuple(queue._replace(flows=entries // len(host.queues)) for queue in host.queues)
    return _sysctls(replace(host, queues=queues), {FLOW_SYSCTL: str(entries)})


def _irq(patch: Patch, host: HostFacts) -> HostFacts:
    cpu = int(patch.number)
    moved = (
        queue if queue.irq is None else queue._replace(cpus=frozenset({cpu}), irq_cpus=str(cpu))
        for queue in host.queues
    )
    return replace(host, queues=tuple(moved))


def _reader(patch: Patch, host: HostFacts) -> HostFacts:
    cpus = tuple(sorted(reader_target(patch, host)))
    return replace(host, readers=tuple(reader._replace(cpus=cpus) for reader in host.readers))


def _rcvbuf(patch: Patch, host: HostFacts) -> HostFacts:
    present = rmem_of(host)
    return host if present is None else _sysctls(host, {RMEM: " ".join(map(str, rmem_after(patch, present)))})


def _numa(patch: Patch, host: HostFacts) -> HostFacts:
    del patch
    cpus = tuple(sorted(near_cpus(host)))
    return replace(host, readers=tuple(reader._replace(cpus=cpus) for reader in host.readers))


def _queues(patch: Patch, host: HostFacts) -> HostFacts:
    """Of queues that are new nothing is known but the name."""
    if host.channels is None:
        return host
    count = int(patch.number)
    new = (Queue(f"rx-{number}", None, None, frozenset(), None, None) for number in range(len(host.queues), count))
    return replace(host, channels=host.channels._replace(queues=count), queues=(*host.queues[:count], *new))


def _delack(patch: Patch, host: HostFacts) -> HostFacts:
    return host if host.hz is None else _sysctls(host, {RTO_MIN: str(rto_min_after_us(patch, host.hz))})


_CHANGES: Final[Mapping[str, Callable[[Patch, HostFacts], HostFacts]]] = {
    "mtu": lambda patch, host: replace(host, mtu=int(patch.number)),
    "gro": lambda patch, host: _feature(host, GRO, bool(patch.value)),
    "hw-checksum": lambda patch, host: _feature(host, RX_CHECKSUM, bool(patch.value)),
    "rps": _rps,
    "rfs": _rfs,
    "cpu": _reader,
    "irq-affinity": _irq,
    "coalesce-us": lambda patch, host: replace(host, coalesce=Coalesce(int(patch.number), adaptive_rx=False)),
    "ring": lambda patch, host: replace(host, ring=host.ring._replace(rx=int(patch.number)) if host.ring else None),
    "rcvbuf": _rcvbuf,
    "autotuning": lambda patch, host: _sysctls(host, {GROWS: str(int(bool(patch.value)))}),
    "busy-poll": lambda patch, host: _sysctls(host, {name: str(int(patch.number)) for name in BUSY}),
    "prequeue": lambda patch, host: _sysctls(host, {LOW_LATENCY: "0" if patch.value else "1"}),
    "delack-ms": _delack,
    "quickack": lambda patch, host: replace(host, routes=routes_after(patch, host.routes)),
    "queues": _queues,
    "numa": _numa,
    "link-gbps": lambda patch, host: replace(host, link_rate_gbps=patch.number),
}

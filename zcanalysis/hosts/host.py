"""One receiver: what every stage of its path costs, and which CPU runs it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts.fields import check, rules
from zcanalysis.hosts.price import Price, exactly, shown
from zcanalysis.hosts.sections import (
    Checksum,
    Copy,
    Driver,
    Gro,
    Interrupt,
    Ip,
    Link,
    Nic,
    Places,
    Queue,
    Reader,
    Scheduler,
    Sender,
    Socket,
    Softirq,
    Tcp,
)

Generation = Literal["linux-2.4", "linux-6"]
GENERATIONS: Final = ("linux-2.4", "linux-6")
OF_LINUX_6: Final = (
    "sender.burst_ns", "sender.ack_ns", "nic.coalesce_ns", "interrupt.send_ns", "interrupt.idle_ns", "gro.packet_ns",
    "softirq.handover_ns", "copy.packet_ns",
)  # fmt: skip
OF_LINUX_24: Final = ("checksum.fused_ns_per_byte", "reader.delay_ns")
BACKLOG_PACKETS: Final = 300  # netdev_max_backlog of 2.4, net/core/dev.c
SECTIONS: Final[dict[str, type]] = {
    "sender": Sender, "link": Link, "nic": Nic, "interrupt": Interrupt, "driver": Driver, "gro": Gro,
    "softirq": Softirq, "ip": Ip, "checksum": Checksum, "tcp": Tcp, "socket": Socket, "reader": Reader, "copy": Copy,
    "scheduler": Scheduler, "places": Places,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Everything the replays need to know of one receiver and of who sends to it; it cannot be an impossible one.

    Raises
    ------
    ImpossibleHostError
        One line: which field, what it holds, what it may hold.
    """

    name: str
    generation: Generation
    sender: Sender
    link: Link
    nic: Nic
    interrupt: Interrupt
    driver: Driver
    gro: Gro
    softirq: Softirq
    ip: Ip
    checksum: Checksum
    tcp: Tcp
    socket: Socket
    reader: Reader
    copy: Copy
    scheduler: Scheduler
    places: Places
    queues: tuple[Queue, ...] = ()
    """What the device has; which CPU was interrupted is `places.driver_cpu`."""
    about: str = ""
    """What it stands for."""

    def __post_init__(self) -> None:
        for name in ("name", "about"):
            if not isinstance(getattr(self, name), str):
                raise ImpossibleHostError(f"{name} must be a text, got {shown(getattr(self, name))}")
        if self.generation not in GENERATIONS:
            raise ImpossibleHostError(f"generation must be {' or '.join(GENERATIONS)}, got {shown(self.generation)}")
        for name, kind in SECTIONS.items():
            section = getattr(self, name)
            if type(section) is not kind:
                raise ImpossibleHostError(f"{name} must be a {kind.__name__}, got {shown(section)}")
            check(name, section)
        _check_queues(self.queues)
        _check_together(self)

    @property
    def wired(self) -> bool:
        """Packets come over a link, and a device interrupts."""
        return self.places.sender_cpu is None or self.link.gbps is not None or self.nic.dma_gbps is not None

    def prices(self) -> dict[str, Price]:
        """Every price that is there, in path order, by section and field: `copy.ns_per_byte`."""
        return {f"{place}.{name}": price for place, name, price in self._prices()}

    def _prices(self) -> Iterator[tuple[str, str, Price]]:
        for place, kind in SECTIONS.items():
            section = getattr(self, place)
            for rule in rules(kind):
                if rule.kind is Price and (price := getattr(section, rule.name)) is not None:
                    yield place, rule.name, price

    def with_price(self, name: str, value: float | Price) -> "Host":
        """The same host with another price.

        Parameters
        ----------
        name
            Section and field, as `prices` gives them; also one that is not there yet.
        value
            In the field's unit. A bare number is a question and has no interval: its origin is "assumed".

        Raises
        ------
        ImpossibleHostError
            If there is no such price or it cannot have that value.
        """
        kind = _kind(name)
        if kind is not Price:
            raise ImpossibleHostError(f"{name} is no price; a setting is changed with changed()")
        if not isinstance(value, Price):
            try:
                value = exactly(value, "assumed", "set for a question")
            except ImpossibleHostError as error:
                raise ImpossibleHostError(f"{name}: {error}") from None
        return self._with(name, value)

    def changed(self, name: str, value: int | bool | str | None) -> "Host":
        """The same host with another setting, place, count or size.

        Parameters
        ----------
        name
            Section and field: `socket.window_bytes`, `nic.hardware_checksum`, `places.driver_cpu`.
        value
            Of the field's type; None where that means something.

        Raises
        ------
        ImpossibleHostError
            If there is no such setting or such a host cannot be.
        """
        if _kind(name) is Price and value is not None:
            raise ImpossibleHostError(f"{name} is a price, changed with with_price()")
        return self._with(name, value.item() if isinstance(value, np.generic) else value)

    def with_prices(self, prices: dict[str, Price]) -> "Host":
        """The same host with several other prices at once: one check, quicker than one after the other.

        Parameters
        ----------
        prices
            By section and field, as `prices` gives them.

        Raises
        ------
        ImpossibleHostError
            If there is no such price or such a host cannot be.
        """
        sections: dict[str, dict[str, Price]] = {}
        for name, price in prices.items():
            if _kind(name) is not Price:
                raise ImpossibleHostError(f"{name} is no price; a setting is changed with changed()")
            place, _, field = name.partition(".")
            sections.setdefault(place, {})[field] = price
        new: dict[str, Any] = {place: replace(getattr(self, place), **some) for place, some in sections.items()}
        return replace(self, **new)

    def _with(self, name: str, value: object) -> "Host":
        place, _, field = name.partition(".")
        section: Any = replace(getattr(self, place), **{field: value})
        new: dict[str, Any] = {place: section}
        return replace(self, **new)


KINDS: Final[dict[str, type]] = {
    f"{place}.{rule.name}": rule.kind for place, kind in SECTIONS.items() for rule in rules(kind)
}


def _kind(name: str) -> type:
    if name not in KINDS:
        place, _, field = name.partition(".")
        known = [rule.name for rule in rules(SECTIONS[place])] if place in SECTIONS else list(SECTIONS)
        what = (
            f"{place} has no {shown(field)}, it has" if place in SECTIONS else f"no section {shown(place)}, there are"
        )
        raise ImpossibleHostError(f"{shown(name)}: {what} {', '.join(known)}")
    return KINDS[name]


def _check_queues(queues: tuple[Queue, ...]) -> None:
    if not isinstance(queues, tuple):
        raise ImpossibleHostError(f"queues must be a tuple of Queue, got {shown(queues)}")
    for at, queue in enumerate(queues):
        place = f"queues[{at}]"
        if not isinstance(queue, Queue):
            raise ImpossibleHostError(f"{place} must be a Queue, got {shown(queue)}")
        check(place, queue)
        if not queue.cpus or any(type(cpu) is not int or cpu < 0 for cpu in queue.cpus):
            raise ImpossibleHostError(f"{place}.cpus must name CPUs >= 0, got {shown(list(queue.cpus))}")
    if len({queue.queue for queue in queues}) < len(queues):
        raise ImpossibleHostError(f"queues must differ, got {shown([queue.queue for queue in queues])}")


def _check_together(host: Host) -> None:
    """What no field alone can tell."""
    mss = host.link.mss_bytes
    for name, n_bytes in (
        ("socket.window_bytes", host.socket.window_bytes), ("sender.sndbuf_bytes", host.sender.sndbuf_bytes),
    ):  # fmt: skip
        if n_bytes < mss:
            raise ImpossibleHostError(f"{name} must hold a segment of {mss} bytes (link.mss_bytes), got {n_bytes}")
    if host.generation == "linux-6":
        _check_linux6(host)
    else:
        _check_linux24(host)
    foreign, theirs = (OF_LINUX_24, "linux-2.4") if host.generation == "linux-6" else (OF_LINUX_6, "linux-6")
    for name in foreign:
        if _field(host, name) is not None:
            raise ImpossibleHostError(f"{name} is of {theirs}: no {host.generation} host pays it")
    for name in _paid(host):
        if _field(host, name) is None:
            raise ImpossibleHostError(f"{name} is missing: this {host.generation} host pays it")


def _check_linux6(host: Host) -> None:
    for name in ("prequeue", "kleen_bypass", "netfilter_hooks"):
        if getattr(host.tcp, name):
            raise ImpossibleHostError(f"tcp.{name} is of linux-2.4, got it true for linux-6")
    if host.reader.kind != "blocking":
        raise ImpossibleHostError(f"reader.kind must be blocking for linux-6, got {host.reader.kind!r}")
    if host.gro.most_bytes and host.places.driver_cpu is None:
        raise ImpossibleHostError("gro.most_bytes must be 0 without places.driver_cpu: the driver's poll merges")


def _check_linux24(host: Host) -> None:
    places = host.places
    if places.sender_cpu is not None:
        raise ImpossibleHostError(f"places.sender_cpu must be left out for linux-2.4, got {places.sender_cpu}")
    if not places.driver_cpu == places.protocol_cpu == places.reader_cpu:
        raise ImpossibleHostError("places: driver_cpu, protocol_cpu and reader_cpu of linux-2.4 must be one CPU")
    for name, n in (("gro.most_bytes", host.gro.most_bytes), ("scheduler.hogs", host.scheduler.hogs),
                    ("copy.free_packets", host.copy.free_packets)):  # fmt: skip
        if n:
            raise ImpossibleHostError(f"{name} must be 0 for linux-2.4, got {n}")
    most = BACKLOG_PACKETS * host.link.mss_bytes
    if host.socket.window_bytes > most:
        raise ImpossibleHostError(
            f"socket.window_bytes must be at most {most} for linux-2.4, {BACKLOG_PACKETS} segments of"
            f" {host.link.mss_bytes} bytes (netdev_max_backlog), got {host.socket.window_bytes}"
        )


def _field(host: Host, name: str) -> object:
    place, _, field = name.partition(".")
    return getattr(getattr(host, place), field)


def _paid(host: Host) -> Iterator[str]:
    """What may be None elsewhere, and not here."""
    if host.nic.dma_burst_ns is not None:
        yield "nic.dma_burst_bytes"
    if host.nic.dma_burst_ns is not None or host.nic.descriptor_ns is not None:
        yield "nic.dma_gbps"
    if host.generation == "linux-2.4":
        yield from ("driver.packet_ns", "checksum.fused_ns_per_byte")
        return
    yield from ("sender.burst_ns", "interrupt.send_ns")
    places = host.places
    if places.sender_cpu is not None:
        yield "sender.ack_ns"
    if host.wired:
        yield "nic.coalesce_ns"
    if places.driver_cpu is not None:
        yield "driver.packet_ns"
        if places.driver_cpu != places.protocol_cpu:
            yield "softirq.handover_ns"
    if host.gro.most_bytes:
        yield "gro.packet_ns"

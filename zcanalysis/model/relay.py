"""A relay, network to memory to network: what each design of it does with a byte, and which resource then limits."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

import numpy as np

from zcanalysis.model.arrays import Floats, Rows
from zcanalysis.model.memory_bus import Crossings, Touch, buffer_crossings, mixed_crossings

DMA_IN, READ, WRITE, DMA_OUT = Touch.DMA_IN, Touch.READ, Touch.WRITE, Touch.DMA_OUT
BUFFERS: Final = ("received", "program", "sent")
RESOURCES: Final = ("CPU", "front-side bus", "memory", "PCI", "link")
PAGE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What is done with the buffers that a byte lies in, one after the other."""

    received: tuple[Touch, ...]
    program: tuple[Touch, ...] = ()
    sent: tuple[Touch, ...] = ()
    passes: int  # of the CPU over the payload; a sum that is made while copying is no pass of its own
    mapped: bool = False  # pages are put into the program's address space and taken out again

    def buffers(self) -> tuple[tuple[Touch, ...], ...]:
        """The touches of each of `BUFFERS`."""
        return self.received, self.program, self.sent


DESIGNS: Final[Mapping[str, Design]] = {
    "copied, summed apart": Design(
        received=(DMA_IN, READ, READ), program=(WRITE, READ), sent=(WRITE, DMA_OUT), passes=3
    ),
    "copied, summed meanwhile": Design(received=(DMA_IN, READ), program=(WRITE, READ), sent=(WRITE, DMA_OUT), passes=2),
    "pages mapped, summed twice": Design(received=(DMA_IN, READ, READ, DMA_OUT), passes=2, mapped=True),
    "pages mapped, sum carried": Design(received=(DMA_IN, READ, DMA_OUT), passes=1, mapped=True),
    "pinned, summed twice": Design(received=(DMA_IN, READ, READ, DMA_OUT), passes=2),
    "pinned, sum carried": Design(received=(DMA_IN, READ, DMA_OUT), passes=1),
    "pinned, never read": Design(received=(DMA_IN, DMA_OUT), passes=0),
}
"""Each by name. Carried: summed once to verify what arrived, then reversed out. Never read: the card verifies, or
nobody does and the sum is carried all the same; today's splice(2) with a card that sums is this one."""


def design_crossings(design: Design, kept: Mapping[str, bool]) -> Crossings:
    """What a payload byte crosses, all buffers together.

    Parameters
    ----------
    design
        One of `DESIGNS`.
    kept
        For each of `BUFFERS` whether it stays in the cache.
    """
    total = Crossings()
    for name, touches in zip(BUFFERS, design.buffers(), strict=True):
        total = total.plus(buffer_crossings(touches, kept=kept[name]))
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """Machines that relay; shape (n,) each. Rates are of what is reached, not of what is printed on the box."""

    cpus: Floats
    front_side_gbps: Floats
    memory_gbps: Floats
    pci_gbps: Floats  # of all its buses together: each byte crosses twice
    link_gbps: Floats  # one way, all links together
    miss_ns_per_byte: Floats  # the CPU waits for a line, by byte
    pass_ns_per_byte: Floats  # instructions of a pass over what is in the cache
    packet_ns: Floats  # receive and send one packet, its ACKs included
    payload_bytes: Floats  # of a packet
    message_bytes: Floats  # that the program handles at once
    message_ns: Floats  # two calls, and to wake up for them
    page_ns: Floats  # put into the page table, lock, take away: one for each packet, or for each page of a longer one
    flush_ns: Floats  # of the TLB, other CPUs included: once a message
    kept_received: Floats  # share of bytes still in the cache at the next touch
    kept_program: Floats
    kept_sent: Floats

    def __post_init__(self) -> None:
        for field in fields(self):
            if not (np.asarray(getattr(self, field.name)) >= 0).all():
                raise ValueError(f"{field.name} must be >= 0")


class Rates(NamedTuple):
    """What each of `RESOURCES` alone would carry, and the share of the CPU's time that is waiting for memory."""

    gbps: Floats  # shape (5, n)
    waiting_share: Floats  # shape (n,)

    def carried_gbps(self) -> Floats:
        """What all together carry; shape (n,)."""
        least: Floats = self.gbps.min(axis=0)
        return least

    def limit(self) -> Rows:
        """The index in `RESOURCES` of the slowest; shape (n,)."""
        slowest: Rows = self.gbps.argmin(axis=0)
        return slowest


def relay_rates(design: Design, machines: Machines) -> Rates:
    """What each resource would carry of payload, one way.

    Parameters
    ----------
    design
        One of `DESIGNS`.
    machines
        Where it runs.

    Notes
    -----
    CPU, buses and cards work at the same time, each is full at its own rate, and the slowest is the limit. What the
    CPU waits for a line is a price of its own, the same whether the bus is busy or not.
    """
    kept = (machines.kept_received, machines.kept_program, machines.kept_sent)
    crossed = mixed_crossings(zip(design.buffers(), kept, strict=True))
    waiting_ns = crossed["missed"] * machines.miss_ns_per_byte
    byte_ns = waiting_ns + _work_ns_per_byte(design, machines)
    with np.errstate(divide="ignore"):
        front_side_gbps = machines.front_side_gbps / crossed["front_side"]  # infinite where nothing crosses
    per_resource = (
        8 * machines.cpus / byte_ns,
        front_side_gbps,
        machines.memory_gbps / crossed["memory"],
        machines.pci_gbps / crossed["io"],
        machines.link_gbps,
    )
    return Rates(np.stack(np.broadcast_arrays(*per_resource)), waiting_ns / byte_ns)


def _work_ns_per_byte(design: Design, machines: Machines) -> Floats:
    """What the CPU works, apart from waiting."""
    # a page that is shown to a program holds one packet only: another's bytes must not be seen
    pages = np.ceil(machines.message_bytes / np.minimum(machines.payload_bytes, PAGE_BYTES))
    mapping_ns = design.mapped * (pages * machines.page_ns + machines.flush_ns)
    message_ns: Floats = (machines.message_ns + mapping_ns) / machines.message_bytes
    return design.passes * machines.pass_ns_per_byte + machines.packet_ns / machines.payload_bytes + message_ns

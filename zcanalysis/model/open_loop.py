"""Packets that arrive when a capture says, through a receiver whose CPUs do one piece of work at a time.

Nothing waits for ACKs here: the closed loops are `linux6` and `linux24`. Three of the host's stages take packets, each
on its CPU: the **driver** (a poll of linux-6, the interrupt of linux-2.4), the **protocol** (softirq) and the
**reader**. A piece of work is never interrupted; when a CPU is free, softirqs go before the reader, and driver and
protocol in the order that ``driver_first`` says. What each piece did, and what it waited for, is kept with the packet.

**Driver**, one piece a packet. One that finds the driver idle begins a run, ``coalesce_ns`` after it arrived, and pays
``interrupt`` and ``softirq``; with ``interrupt_each`` (linux-2.4) every packet pays ``interrupt``. Packets merge (GRO)
while they may and fit, until 64 are polled or none waits. On another CPU than the protocol's a finished skb pays
``hand-over``, and ``send interrupt`` if the protocol sleeps. Beyond ``most_waiting`` skbs it is dropped, with
``throttled`` all are until none waits (netif_rx of 2.4).

**Protocol**, one piece an skb, with its last packet: ``interrupt``, ``softirq`` if it was told to run, ``ip``. If the
reader owns the socket, or sleeps and has a prequeue, the skb stays for the reader. Else ``checksum``, ``tcp``, and
``ack`` where more than a segment is unanswered and the window is no smaller than the last one told
(__tcp_ack_snd_check). A reader that sleeps is woken: ``wake-up``, and ``send interrupt`` if it is on another CPU.

**Reader.** Woken, it pays ``interrupt`` (from another CPU) and ``schedule``. It copies packet by packet while something
is queued and its buffer has room; else TCP takes what was left for it, and answers once; else its call ends: ``ack`` if
more than a segment is unanswered (__tcp_cleanup_rbuf), ``syscall``. Then, with nothing there, it sleeps.

**Simplified.** No timers: neither delayed ACKs nor ksoftirqd nor the scheduler's. An interrupt waits for the end of the
piece of work it meets, one packet's or one skb's. A reader that finds an skb half taken waits for it awake.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.model import open_loop_rules as rules
from zcanalysis.model import open_loop_state as state

Nanoseconds = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
PIECES = state.PIECES
PARTS = state.PARTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Prices and places; times in ns, prices of a byte in ps. CPUs are 0 to 2: only who shares one matters."""

    driver_cpu: int
    """-1: packets come to the protocol as they are."""
    protocol_cpu: int
    reader_cpu: int
    mss_bytes: int
    window_bytes: int
    reader_bytes: int
    driver_first: int = 0
    interrupt_each: int = 0
    softirq_each: int = 0
    announced: int = 1
    """Whether packets that come to the protocol as they are interrupt it; 0 behind a tap in the stack."""
    interrupt_ns: int = 0
    send_ns: int = 0
    softirq_ns: int = 0
    coalesce_ns: int = 0
    driver_ns: int = 0
    gro_ns: int = 0
    gro_bytes: int = 0
    handover_ns: int = 0
    most_waiting: int = 1 << 40
    throttled: int = 0
    ip_ns: int = 0
    checksum_ps: int = 0
    tcp_ns: int = 0
    ack_ns: int = 0
    prequeue: int = 0
    wake_ns: int = 0
    delay_ns: int = 0
    """How long others keep the CPU of a reader that was woken."""
    schedule_ns: int = 0
    syscall_ns: int = 0
    copy_ns: int = 0
    copy_ps: int = 0
    fused_ps: int = -1
    """Copy and checksum in one pass, for what TCP took in the reader's context; -1: two passes."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), -1 if field.name in ("driver_cpu", "fused_ps") else 0
            least = 1 if field.name in ("mss_bytes", "reader_bytes") else least
            if value < least:
                raise ValueError(f"{field.name} must be >= {least}, got {value}")
            if field.name.endswith("_cpu") and value > 2:  # noqa: PLR2004 - three stages, three CPUs
                raise ValueError(f"{field.name} must be at most 2, got {value}")


class Arrivals(NamedTuple):
    """Packets as they come; shape (n,) each."""

    arrival_ns: Nanoseconds
    """Non-decreasing: when each is in memory, or passes the tap."""
    payload_bytes: Bytes
    joins: Mask
    """Whether it may be merged with the packet before it; without a driver, whether it already is one skb with it."""
    ends: Mask
    """Whether GRO waits for nothing after it."""


class Work(NamedTuple):
    """What happened to each packet, and when; -1 where it did not."""

    from_ns: Nanoseconds
    """Shape (n, pieces). When each piece of work of `PIECES` began."""
    bound: Rows
    """Shape (n, pieces). What it waited for: pieces x row + piece of the work that ended last; -1 the arrival."""
    departure_ns: Nanoseconds
    """Shape (n, pieces, most parts). When each part of `PARTS` was over."""
    skb: Rows
    """Shape (n,). Row of the skb's first packet."""
    run: Rows
    """Shape (n,). Run of the first stage."""
    call: Rows
    """Shape (n,). The reader's call; -1 for a packet that was dropped."""
    dropped: Mask


def worked(receiver: Receiver, arrivals: Arrivals) -> Work:
    """What each packet went through.

    Parameters
    ----------
    receiver
        Prices and places.
    arrivals
        At least one packet.
    """
    n = arrivals.arrival_ns.size
    hosts = np.array([tuple(getattr(receiver, name) for name in state.HOST_FIELDS)], state.HOST)
    packets, skbs = np.zeros(n, state.PACKET), np.zeros(n + 1, state.SKB)
    packets["arrival"], packets["payload"] = arrivals.arrival_ns, arrivals.payload_bytes
    packets["joins"], packets["ends"], packets["call"] = arrivals.joins, arrivals.ends, -1
    states, cpus = np.zeros(1, state.STATE), np.zeros(3, state.CPU)
    cpus["free"], cpus["last"] = arrivals.arrival_ns[0], -1
    for name in ("driver_end", "protocol_end"):
        states[name] = arrivals.arrival_ns[0] - 1
    states["told"], states["ready_by"] = receiver.window_bytes, -1
    if receiver.driver_cpu < 0:
        states["skbs"] = _as_they_are(packets, skbs)
    shape = (n, len(PIECES))
    work = np.full(shape, -1, np.int64), np.full(shape, -1, np.int64), np.full((*shape, state.MOST_PARTS), -1, np.int64)
    rules.replay(state.World(hosts[0], states[0], cpus, packets, skbs, *work))
    return Work(*work, packets["skb"], packets["run"], packets["call"], packets["dropped"] > 0)


def _as_they_are(packets: npt.NDArray[np.void], skbs: npt.NDArray[np.void]) -> int:
    """Fills in skbs that were made before; how many there are."""
    first = np.flatnonzero(packets["joins"] == 0) if packets.size else np.zeros(0, np.int64)
    first = np.union1d(first, [0])
    last = np.append(first[1:], packets.size) - 1
    there = skbs[: first.size]
    there["first"], there["last"], there["by"] = first, last, -1
    there["ready"] = packets["arrival"][last]
    packets["skb"] = np.repeat(first, last - first + 1)
    return int(first.size)


class CriticalPath(NamedTuple):
    """What the time from the first arrival to the last byte copied was made of; sums exactly."""

    elapsed_ns: int
    arrivals_ns: int
    """Until the packet arrived that the rest of the path begins with."""
    part_ns: Nanoseconds
    """Shape (pieces, most parts)."""
    gap_ns: Nanoseconds
    """Shape (pieces,). Before a piece began, though nothing that the model knows was in its way."""


def critical_path(
    arrival_ns: Nanoseconds, from_ns: Nanoseconds, bound: Rows, departure_ns: Nanoseconds
) -> CriticalPath | None:
    """The path that bound the last copy; None where nothing was copied.

    Parameters
    ----------
    arrival_ns
        Shape (n,).
    from_ns, bound, departure_ns
        As in `Work`.
    """
    copied_ns = departure_ns[:, state.COPY, len(PARTS["copy"]) - 1]
    if not copied_ns.size or copied_ns.max() < 0:
        return None
    last = int(copied_ns.argmax())
    part_ns, gap_ns = np.zeros((len(PIECES), state.MOST_PARTS), np.int64), np.zeros(len(PIECES), np.int64)
    first = rules.walk_back(state.Path(arrival_ns, from_ns, bound, departure_ns), last, part_ns, gap_ns)
    return CriticalPath(int(copied_ns[last] - arrival_ns[0]), int(arrival_ns[first] - arrival_ns[0]), part_ns, gap_ns)

"""DMA: packets cross the bus into memory, burst by burst, while their tail is still on the wire."""

from dataclasses import dataclass

import numpy as np

from zcanalysis.model.arrays import Bytes, Floats, Nanoseconds, require, whole_ns
from zcanalysis.model.queueing import fifo_departure_ns

LINE_BYTES = 64  # a cache line of x86-64


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """Price of a crossing: of an I/O bus, or of an interconnect that cuts packets into fragments of its own.

    A burst is what crosses without asking again: a PCI burst, a PCIe payload, a fragment of the interconnect.
    """

    gbytes_per_s: float  # one GB/s is one byte per nanosecond
    burst_bytes: int
    burst_ns: float = 0.0  # arbitration, header and acknowledgement of one burst
    descriptor_ns: float = 0.0  # fetch and write back, once a packet

    def __post_init__(self) -> None:
        require(self.gbytes_per_s, "gbytes_per_s", 0, beyond=True)
        require(self.burst_bytes, "burst_bytes", 1)
        require(self.burst_ns, "burst_ns", 0)
        require(self.descriptor_ns, "descriptor_ns", 0)


def bursts(packet_bytes: Bytes, bus: Bus) -> Bytes:
    """How many bursts each packet takes.

    Parameters
    ----------
    packet_bytes
        Shape (..., n). What is written to memory.
    bus
        Its burst size.
    """
    return -(-packet_bytes // bus.burst_bytes)


def crossing_ns(packet_bytes: Bytes, bus: Bus) -> Nanoseconds:
    """How long the bus is busy with each packet.

    Parameters
    ----------
    packet_bytes
        Shape (..., n).
    bus
        Its prices.

    Examples
    --------
    >>> crossing_ns(np.array([1024, 1025]), Bus(gbytes_per_s=1, burst_bytes=512, burst_ns=10)).tolist()
    [1044, 1055]
    """
    return whole_ns(bus.descriptor_ns + bursts(packet_bytes, bus) * bus.burst_ns + packet_bytes / bus.gbytes_per_s)


def dma_departure_ns(arrival_ns: Nanoseconds, packet_bytes: Bytes, bus: Bus) -> Nanoseconds:
    """When each packet is in memory, if the card waits for its last byte before it begins.

    Parameters
    ----------
    arrival_ns
        Shape (..., n), non-decreasing. Last byte off the wire.
    packet_bytes
        Shape (..., n).
    bus
        What is crossed.
    """
    return fifo_departure_ns(arrival_ns, crossing_ns(packet_bytes, bus))


def cut_through_departure_ns(
    first_ns: Nanoseconds, last_ns: Nanoseconds, crossing_ns: Nanoseconds, last_burst_ns: Nanoseconds
) -> Nanoseconds:
    """When each packet is in memory, if its bursts cross while the rest is still arriving.

    Parameters
    ----------
    first_ns, last_ns
        Shape (..., n), first_ns <= last_ns, both non-decreasing. When its first and its last burst are off the wire.
    crossing_ns, last_burst_ns
        Shape (..., n). How long the bus is busy with the whole packet, and with its last burst alone.

    Notes
    -----
    ``D[i] = max(D[i-1] + S[i], F[i] + S[i], L[i] + s[i])``. Exact where bursts of one packet arrive evenly and cost the
    same: the latest of k burst chains is linear in where the chain starts, so it lies at one of the two ends.
    """
    ready_ns = np.maximum(first_ns, last_ns + last_burst_ns - crossing_ns)
    return fifo_departure_ns(ready_ns, crossing_ns)


def credit_gbytes_per_s(lines: float | Floats, latency_ns: float | Floats) -> float | Floats:
    """What a bus can write when so many cache lines may be under way at once.

    Parameters
    ----------
    lines
        Cache lines under way at most.
    latency_ns
        From sending one to its credit's return, > 0.

    Notes
    -----
    Little's law (Operations Research 9, 1961). About 65 lines on a quiet and 93 on a full memory bus of a server are
    assumed: published figures recalled, not read.
    """
    return lines * LINE_BYTES / latency_ns

"""Datagrams at a rate that nobody adapts: what a host's reader gets, and what is dropped before and after the work."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from zcanalysis.errors import ImpossibleHostError
from zcanalysis.framing import payload_gbps
from zcanalysis.hosts import Host
from zcanalysis.hosts.replayed import udp
from zcanalysis.model.udp import AT_SOCKET, DELIVERED, Datagrams, UdpReceiver, through_udp
from zcanalysis.rates import BITS_PER_BYTE
from zcanalysis.tables import OFFERED, conform

FEWEST_PACKETS: Final = 20_000
MOST_PACKETS: Final = 400_000
QUEUES_FULL: Final = 20
"""How often the packets offered would fill all queues, so that their filling does not matter."""
TCP_MORE_BYTES: Final = 24
"""Header of TCP with time stamps, less UDP's: a datagram's payload may be that much longer than a segment's."""


def offered_load(
    host: Host, loads_gbps: Sequence[float], *, payload_bytes: int | None = None, rcvbuf_bytes: int | None = None
) -> pl.DataFrame:
    """Goodput of a UDP receiver at each load: the OFFERED table, one row a load, in the order asked.

    Parameters
    ----------
    host
        Of either generation.
    loads_gbps
        Payload that comes, in 1e9 bits a second, at a constant rate; > 0, and no more than the host's link carries.
    payload_bytes
        Of each datagram; None: of a full segment.
    rcvbuf_bytes
        Of the socket (`ss -um`: rb); None: the kernel's default.

    Raises
    ------
    ImpossibleHostError
        If datagrams cannot be replayed to this host, or not of this size.
    ValueError
        If a load cannot be.

    Notes
    -----
    See `zcanalysis.model.udp` for rules and `zcanalysis.hosts.replayed.udp` for prices. Counted over the second half of
    the time in which packets come. The bus into memory is never the limit here.
    """
    size = host.link.mss_bytes if payload_bytes is None else payload_bytes
    _check(host, size, loads_gbps)
    receiver = udp(host, size, rcvbuf_bytes)
    gap_ns = size * BITS_PER_BYTE / np.array(loads_gbps, np.float64)
    arrival_ns = np.rint(np.arange(_packets(receiver)) * gap_ns[:, None]).astype(np.int64)
    to_ns = arrival_ns[:, -1]
    found = through_udp([receiver] * len(loads_gbps), arrival_ns, (to_ns // 2, to_ns))
    rows = _shares(receiver, arrival_ns, found)
    goodput_gbps = rows.pop("delivered_per_ns") * size * BITS_PER_BYTE
    return conform(pl.DataFrame({"offered_gbps": list(loads_gbps), "goodput_gbps": goodput_gbps, **rows}), OFFERED)


def _shares(receiver: UdpReceiver, arrival_ns: np.ndarray, found: Datagrams) -> dict[str, np.ndarray]:
    """What happened in the second half."""
    to_ns = arrival_ns[:, -1:]
    half_ns = (to_ns - to_ns // 2)[:, 0]
    came = arrival_ns > to_ns // 2
    read = (found.departure_ns > to_ns // 2) & (found.departure_ns <= to_ns)
    late, lost = found.fate == AT_SOCKET, found.fate != DELIVERED
    interrupts, softirqs, reader = found.busy_ns.T / half_ns
    shared = receiver.shared_cpu
    return {
        "delivered_per_ns": read.sum(axis=1) / half_ns,
        "dropped_early_share": (lost & ~late & came).sum(axis=1) / came.sum(axis=1),
        "dropped_late_share": (late & came).sum(axis=1) / came.sum(axis=1),
        "cpu_busy": interrupts + softirqs + reader * shared,
        "reader_cpu_busy": np.full(reader.size, None) if shared else reader,
    }


def _packets(receiver: UdpReceiver) -> int:
    places = receiver.ring_packets + receiver.most_queued + receiver.most_backlog * receiver.interrupt_each
    return min(max(QUEUES_FULL * places, FEWEST_PACKETS), MOST_PACKETS)


def _check(host: Host, payload_bytes: int, loads_gbps: Sequence[float]) -> None:
    most_bytes = host.link.mss_bytes + TCP_MORE_BYTES
    if not 1 <= payload_bytes <= most_bytes:
        raise ImpossibleHostError(f"payload_bytes must be 1 to {most_bytes} (no fragments), got {payload_bytes}")
    if not len(loads_gbps):
        raise ValueError("loads_gbps must have a load, got none")
    framing_bytes = max(0, host.link.framing_bytes - TCP_MORE_BYTES)
    link_gbps = math.inf if host.link.gbps is None else host.link.gbps.value
    most_gbps = payload_gbps(link_gbps, payload_bytes, framing_bytes)
    for load_gbps in loads_gbps:
        if not 0 < load_gbps <= most_gbps:
            raise ValueError(
                f"loads_gbps must be > 0 and at most {most_gbps:.4g}, what the link of host {host.name!r} carries in"
                f" datagrams of {payload_bytes} bytes; got {load_gbps:g}"
            )

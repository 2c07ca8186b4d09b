"""GRO: packets of one flow, in sequence and alike, go up the receive path as one skb."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from zcanalysis.model.arrays import Groups, Nanoseconds, Rows, require
from zcanalysis.model.compiling import over_scenarios

# RFC 9293 section 3.1
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
ENDS: Final = FIN | SYN | RST | PSH | URG  # after such a segment nothing is awaited
MAY_DIFFER: Final = FIN | PSH
BUCKETS: Final = 8  # GRO_HASH_BUCKETS, 6.18 include/linux/netdevice.h:346
HELD_PER_BUCKET: Final = 8  # MAX_GRO_SKBS, 6.18 net/core/gro.c:9


@dataclass(frozen=True, slots=True, kw_only=True)
class Gro:
    """How large an skb may become."""

    max_bytes: int = 65_536  # GRO_LEGACY_MAX_SIZE, from the IP header on; BIG TCP up to 8 * 65535 (netdevice.h:2341)

    def __post_init__(self) -> None:
        require(self.max_bytes, "max_bytes", 0)


class Segments(NamedTuple):
    """What GRO compares; shape (..., n) each, or anything that broadcasts to it."""

    flow: Groups  # >= 0; its remainder by 8 stands for the hash (assumed)
    seq: Rows
    payload_bytes: Rows
    header_bytes: Rows  # IP and TCP, options included
    flags: Rows
    ack: Rows
    window: Rows  # raw, as on the wire
    options: Rows  # any number that is equal where the option bytes are: the time stamps, for instance


class Skbs(NamedTuple):
    """For each packet its skb, named by the row of its first packet, and the row that sent the skb on its way up."""

    skb: Groups
    flushed_by: Rows


def grouped(segments: Segments, poll: Groups, gro: Gro) -> Skbs:
    """Which packets become one skb.

    Parameters
    ----------
    segments
        In the order in which they are polled.
    poll
        Shape (..., n), non-decreasing. In which NAPI poll each is received.
    gro
        Its size limit.

    Notes
    -----
    tcp_gro_receive (net/ipv4/tcp_offload.c, 6.18): a segment joins the held skb of its flow if it is next in sequence,
    not empty and not longer than the skb's first, with the same ACK, options, window and flags but FIN and PSH and
    without CWR, and if the skb stays below the limit; otherwise the held skb goes up. A segment with URG, PSH, RST, SYN
    or FIN, and one shorter than the first, is the last of its skb; such a one is not held. A ninth flow in a bucket
    pushes the oldest up (dev_gro_receive, net/core/gro.c). All goes up at the end of the poll: true for HZ below 1000
    (6.18 net/core/dev.c, __napi_poll and napi_complete_done at 6794) unless gro_flush_timeout is set.
    """
    columns = np.broadcast_arrays(*(np.asarray(column, dtype=np.int64) for column in segments))
    return Skbs(*_grouped(*columns, poll, gro.max_bytes))


@over_scenarios("(n),(n),(n),(n),(n),(n),(n),(n),(n),()->(n),(n)", f"void({'int64[:],' * 9} int64, int64[:], int64[:])")
def _grouped(  # noqa: PLR0912, PLR0913, PLR0917 - one loop, as in the kernel
    flow: Groups,
    seq: Rows,
    payload: Rows,
    header: Rows,
    flags: Rows,
    ack: Rows,
    window: Rows,
    options: Rows,
    poll: Groups,
    max_bytes: int,
    skb: Groups,
    flushed_by: Rows,
) -> None:
    n = poll.size
    held = np.full(BUCKETS * HELD_PER_BUCKET, -1, np.int64)  # rows of first packets
    held_bytes = np.zeros(BUCKETS * HELD_PER_BUCKET, np.int64)  # payload so far
    polled = 0  # the first row of this poll: what is older has gone up at the end of its own
    for i in range(n):
        flushed_by[i] = -1
        if i > 0 and poll[i] != poll[i - 1]:
            polled = i
        bucket = flow[i] % BUCKETS * HELD_PER_BUCKET
        mine = -1
        for slot in range(bucket, bucket + HELD_PER_BUCKET):
            if held[slot] >= polled and flow[held[slot]] == flow[i]:
                mine = slot
                break
        room = bucket  # a free slot, or else the oldest: its first packet has the smallest row
        if mine < 0:
            for slot in range(bucket, bucket + HELD_PER_BUCKET):
                if held[slot] < held[room]:
                    room = slot
        size = payload[i]
        joins = False
        least = 1
        if mine >= 0:
            p = held[mine]
            joins = (
                0 < size <= payload[p]
                and (seq[p] + held_bytes[mine] - seq[i]) & 0xFFFFFFFF == 0
                and (flags[i] ^ flags[p]) & ~MAY_DIFFER == 0
                and flags[i] & CWR == 0
                and ack[i] == ack[p]
                and window[i] == window[p]
                and options[i] == options[p]
                and header[p] + held_bytes[mine] + size < max_bytes
            )
            if joins:
                least = payload[p]
        last = size < least or flags[i] & ENDS != 0
        if mine >= 0 and (last or not joins):
            flushed_by[held[mine]] = i
            skb[i] = held[mine]
            held[mine] = -1
            room = mine
        elif joins:
            skb[i] = held[mine]
            held_bytes[mine] += size
        if not joins:
            skb[i] = i
            if last:
                flushed_by[i] = i
            else:
                if held[room] >= polled:
                    flushed_by[held[room]] = i
                held[room] = i
                held_bytes[room] = size
    ends = n - 1
    for i in range(n - 1, -1, -1):
        if i + 1 < n and poll[i] != poll[i + 1]:
            ends = i
        if flushed_by[i] < 0:
            flushed_by[i] = ends
    for i in range(n):
        flushed_by[i] = flushed_by[skb[i]]


def flushed_ns(departure_ns: Nanoseconds, skbs: Skbs) -> Nanoseconds:
    """When the skb of each packet goes up: when the packet is done that sent it.

    Parameters
    ----------
    departure_ns
        Shape (..., n). When the softirq is done with each packet.
    skbs
        From grouped.
    """
    return np.take_along_axis(departure_ns, skbs.flushed_by, axis=-1)

"""The prequeue of Linux 2.4: which segments wait in it for a sleeping reader, and what overtakes them.

An open-loop function of its own: in `linux24` all segments are alike, so that none is small among large ones, and a
TCP that queues out of order and a sender who believes in a loss would be needed there. Here the sizes are any, and what
comes out is what TCP gets to see, and in which order.
"""

from enum import IntEnum
from typing import NamedTuple

from zcanalysis.model.arrays import Bytes, Codes, Groups, Mask, Rows
from zcanalysis.model.checksum import AT_ONCE_BYTES, Summed
from zcanalysis.model.compiling import over_scenarios


class Bypass(IntEnum):
    """What goes past the prequeue while a reader sleeps in recv."""

    NOTHING = 0  # 2.4.17 include/net/tcp.h:1306
    SUMMED = 1  # what needs no more sum, by Kleen's patch of 28 June 2002 to tcp_v4_rcv
    SUMMED_IF_EMPTY = 2  # that, if nobody waits in the prequeue


class Prequeued(NamedTuple):
    """What became of each segment."""

    waits: Mask  # in the prequeue, until the reader is awake
    place: Rows  # TCP takes this many before it
    early: Mask  # TCP takes it before one with a lower sequence number: out of order


def summed_before_tcp(ip_summed: Codes, tcp_bytes: Bytes) -> Mask:
    """Which segments need no more sum where linux-2.4 chooses between the queues.

    Parameters
    ----------
    ip_summed
        Shape (..., n), from summed_at_tcp; COMPLETE where the card's sum is right.
    tcp_bytes
        Shape (..., n). TCP header and payload; up to 76 are summed on the spot (2.4.17 net/ipv4/tcp_ipv4.c:1509-1531).
    """
    summed: Mask = (ip_summed != Summed.NONE) | (tcp_bytes <= AT_ONCE_BYTES)
    return summed


def through_prequeue(summed: Mask, sleep: Groups, bypass: Bypass) -> Prequeued:
    """Which segments wait for the reader, and the order in which TCP takes all.

    Parameters
    ----------
    summed
        Shape (..., n), in sequence, as they arrive. From summed_before_tcp.
    sleep
        Shape (..., n), non-decreasing. In which of the reader's sleeps each arrives; each sleep ends with a turn in
        which the reader takes the prequeue. The socket is not owned meanwhile.
    bypass
        The rule of the kernel.

    Notes
    -----
    tcp_v4_rcv (2.4.17 net/ipv4/tcp_ipv4.c:1601-1714) decides segment by segment. One that goes past others of its own
    connection has a hole before it: it waits in the out-of-order queue, header prediction is off, and each is answered
    at once by a duplicate ACK (net/ipv4/tcp_input.c:2524-2609), of which three make the sender repeat what nobody lost.
    """
    return Prequeued(*_through_prequeue(summed, sleep, int(bypass)))


@over_scenarios("(n),(n),()->(n),(n),(n)", "void(boolean[:], int64[:], int64, boolean[:], int64[:], boolean[:])")
def _through_prequeue(summed: Mask, sleep: Groups, bypass: int, waits: Mask, place: Rows, early: Mask) -> None:
    n = summed.size
    first = taken = waiting = 0  # first: the first row of this sleep
    for i in range(n):
        goes_past = summed[i] and (bypass == Bypass.SUMMED or (bypass == Bypass.SUMMED_IF_EMPTY and waiting == 0))
        waits[i] = not goes_past
        early[i] = goes_past and waiting > 0
        if goes_past:
            place[i] = taken
            taken += 1
        else:
            waiting += 1
        if i + 1 == n or sleep[i + 1] != sleep[i]:
            for row in range(first, i + 1):
                if waits[row]:
                    place[row] = taken
                    taken += 1
            first, waiting = i + 1, 0

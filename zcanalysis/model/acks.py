"""ACKs: when the receiver answers at once, when it waits, and what the reader sends; linux-2.4 and linux-6."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from zcanalysis.model.arrays import Bytes, Groups, Mask, Nanoseconds, Rows, require
from zcanalysis.model.compiling import over_scenarios

# In units of HZ in 2.4.17 include/net/tcp.h:326-336 and 6.18 include/net/tcp.h:152-169; the rounding to ticks is not
# modelled.
ATO_MIN_NS = 40_000_000  # TCP_ATO_MIN = TCP_DELACK_MIN = HZ/25
DELACK_MAX_NS = 200_000_000  # TCP_DELACK_MAX = HZ/5
DELACK_CAP_NS = 500_000_000  # HZ/2: 2.4.17 net/ipv4/tcp_output.c:1255, 6.18 :4380
MAX_QUICKACKS = 16  # 2.4.17 include/net/tcp.h:284, 6.18 include/net/tcp.h:99


def quick_acks(window_bytes: Bytes, rcv_mss: Bytes) -> Rows:
    """How many ACKs go out at once at the start of a connection: half as many as segments fit in the window.

    Parameters
    ----------
    window_bytes, rcv_mss
        Shape (...). Offered window, and the sender's segment size as measured.

    Notes
    -----
    tcp_incr_quickack (net/ipv4/tcp_input.c of 2.4 and 6.18): none becomes two, one stays one, 16 at most.

    Examples
    --------
    >>> quick_acks(np.array([1448, 2896, 65535]), np.array([1448])).tolist()
    [2, 1, 16]
    """
    wanted = window_bytes // (2 * rcv_mss)
    return np.where(wanted == 0, 2, np.minimum(wanted, MAX_QUICKACKS))


def next_ato_ns(ato_ns: Nanoseconds, gap_ns: Nanoseconds, rto_ns: Nanoseconds) -> Nanoseconds:
    """How long an ACK is next held back, after one more segment.

    Parameters
    ----------
    ato_ns, gap_ns, rto_ns
        Shape (...). The time until now, the time since the segment before, and the retransmission timeout.

    Notes
    -----
    tcp_event_data_recv (2.4.17 net/ipv4/tcp_input.c:363-403, 6.18 the same).
    """
    slower_ns = np.where(gap_ns < ato_ns, np.minimum(ato_ns // 2 + gap_ns, rto_ns), ato_ns)
    return np.where(gap_ns <= ATO_MIN_NS // 2, ato_ns // 2 + ATO_MIN_NS // 2, slower_ns)


def delay_ns(ato_ns: Nanoseconds, srtt_ns: Nanoseconds, interactive: Mask) -> Nanoseconds:
    """How long a delayed ACK waits when no timer runs yet.

    Parameters
    ----------
    ato_ns, srtt_ns
        Shape (...). From next_ato_ns; smoothed round-trip time, 0 where unknown.
    interactive
        Shape (...). Ping-pong mode, or a segment with PSH or a short one came (ACK_PUSHED).

    Notes
    -----
    tcp_send_delayed_ack (2.4.17 net/ipv4/tcp_output.c:1248-1296, 6.18 :4361-4471): caps act above TCP_DELACK_MIN only.
    linux-6 also bounds it by rto_min less a tick, which is TCP_DELACK_MAX less a tick: not modelled.
    """
    most_ns = np.where(interactive, DELACK_MAX_NS, DELACK_CAP_NS)
    most_ns = np.where(srtt_ns > 0, np.minimum(most_ns, np.maximum(srtt_ns, ATO_MIN_NS)), most_ns)
    return np.where(ato_ns > ATO_MIN_NS, np.minimum(ato_ns, most_ns), ato_ns)


def acked_at_once(unacked_bytes: Bytes, rcv_mss: Bytes, *, moves: Mask, quick: Mask, gap: Mask) -> Mask:
    """Which segments are answered at once when TCP has queued them.

    Parameters
    ----------
    unacked_bytes, rcv_mss
        Shape (...). rcv_nxt - rcv_wup, this segment included, and the sender's segment size (gso_size under GRO).
    moves
        Shape (...). The window's right edge can go on: the window that would be offered is not smaller than the last;
        in linux-6 also where less is unread than SO_RCVLOWAT.
    quick
        Shape (...). Quick ACKs are left and the connection is not in ping-pong mode.
    gap
        Shape (...). Segments wait out of order (2.4: on the slow path, where they are always found).

    Notes
    -----
    __tcp_ack_snd_check (2.4.17 net/ipv4/tcp_input.c:3009-3030, 6.18 :5900-5984). For a segment that 2.4 copied straight
    to the reader only `quick` is asked (tcp_input.c:3349-3357): pass moves and gap as False.
    """
    return ((unacked_bytes > rcv_mss) & moves) | quick | gap


def acked_by_reader(unacked_bytes: Bytes, rcv_mss: Bytes, *, blocked: Mask, drained: Mask) -> Mask:
    """Which of the reader's turns answer an ACK that is scheduled.

    Parameters
    ----------
    unacked_bytes, rcv_mss
        Shape (...).
    blocked
        Shape (...). The timer fired while the reader held the socket (linux-2.4 only; False in linux-6).
    drained
        Shape (...). Something was copied, nothing is left, and the sender had pushed, not in ping-pong mode.

    Notes
    -----
    cleanup_rbuf (2.4.17 net/ipv4/tcp.c:1278-1332), __tcp_cleanup_rbuf (6.18 net/ipv4/tcp.c:1519-1569).
    """
    return blocked | (unacked_bytes > rcv_mss) | drained


def window_updated(window_bytes: Bytes, new_bytes: Bytes, clamp_bytes: Bytes) -> Mask:
    """Which of the reader's turns announce the larger window though no ACK is due.

    Parameters
    ----------
    window_bytes, new_bytes, clamp_bytes
        Shape (...). What the sender may still use, what would be offered now, and the most that may be offered.

    Notes
    -----
    2.4.17 net/ipv4/tcp.c:1314-1329, 6.18 net/ipv4/tcp.c:1549-1563.
    """
    return (2 * window_bytes <= clamp_bytes) & (new_bytes > 0) & (new_bytes >= 2 * window_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class AckRules:
    """State of the ACK clock where a replay begins."""

    rcv_mss: int
    delay_ns: int = ATO_MIN_NS
    quick: int = 0  # quick ACKs left; `quickack` on the route: as many as there are packets

    def __post_init__(self) -> None:
        require(self.rcv_mss, "rcv_mss", 1)
        require(self.delay_ns, "delay_ns", 0)
        require(self.quick, "quick", 0)


class Acks(NamedTuple):
    """For each packet the ACK that covers it: its number in time order, when it is sent, whether the timer sent it."""

    ack: Groups
    sent_ns: Nanoseconds
    delayed: Mask


def acks(queued_ns: Nanoseconds, payload_bytes: Bytes, skb: Groups, moves: Mask, rules: AckRules) -> Acks:
    """When each packet's bytes are acknowledged, with a reader who sends no ACK of its own.

    Parameters
    ----------
    queued_ns
        Shape (..., n), non-decreasing. When TCP has queued each packet, in sequence; one time for all of an skb.
    payload_bytes
        Shape (..., n), > 0.
    skb
        Shape (..., n), from grouped, of one flow; without GRO each its own. TCP decides once an skb, at its last row,
        so the stretch of an ACK is the size of the skb.
    moves
        Shape (..., n). As for acked_at_once; False also where 2.4 copied the segment straight to the reader.
    rules
        Segment size, timer and quick ACKs. The timer keeps the deadline that the first unanswered segment set.
    """
    numbers = np.array([rules.rcv_mss, rules.delay_ns, rules.quick])
    return Acks(*_acks(queued_ns, payload_bytes, skb, moves, numbers))


@over_scenarios(
    "(n),(n),(n),(n),(k)->(n),(n),(n)",
    "void(int64[:], int64[:], int64[:], boolean[:], int64[:], int64[:], int64[:], boolean[:])",
)
def _acks(  # noqa: PLR0913, PLR0917 - as many arrays as there are
    queued_ns: Nanoseconds,
    payload_bytes: Bytes,
    skb: Groups,
    moves: Mask,
    numbers: Rows,
    ack: Groups,
    sent_ns: Nanoseconds,
    delayed: Mask,
) -> None:
    rcv_mss, delay_ns, quick = numbers
    n = queued_ns.size
    first = sent = unacked_bytes = deadline_ns = 0  # first: the first row without an ACK
    armed = False
    for i in range(n):
        unacked_bytes += payload_bytes[i]
        ends_skb = i + 1 == n or skb[i + 1] != skb[i]
        if not ends_skb:
            continue
        if not armed:
            armed = True
            deadline_ns = queued_ns[i] + delay_ns
        at_once = quick > 0 or (unacked_bytes > rcv_mss and moves[i])
        fires = i + 1 == n or queued_ns[i + 1] >= deadline_ns
        if not at_once and not fires:
            continue
        for row in range(first, i + 1):
            ack[row] = sent
            sent_ns[row] = queued_ns[i] if at_once else deadline_ns
            delayed[row] = not at_once
        quick = max(quick - 1, 0)
        first, unacked_bytes, armed = i + 1, 0, False
        sent += 1

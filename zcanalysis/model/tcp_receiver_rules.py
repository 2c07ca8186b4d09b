"""The rules of `tcp_receiver` as one compiled loop for one connection: integers in, integers out.

Packets arrive in order and none is lost, so each queue is a run of packet numbers: receive queue ``head`` to ``next``,
then the prequeue, then the socket backlog, then what has not arrived.
"""

from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar, cast

import numba
import numpy as np

P = ParamSpec("P")
R = TypeVar("R")
Record: TypeAlias = Any  # one row of HOST, STATE or PACKET: numba reads and writes its fields
Rows: TypeAlias = Any  # an array of such rows

DIRECT, PREQUEUE, BACKLOG = range(3)  # where the softirq put a segment
NEVER: Final = np.iinfo(np.int64).max
PUSHED, PUSHED_TWICE = 1, 2  # ICSK_ACK_PUSHED, ICSK_ACK_PUSHED2
MAX_QUICK_ACKS: Final = 16  # include/net/tcp.h
DEFAULT_MSS_BYTES: Final = 536  # TCP_MSS_DEFAULT
LEAST_MSS_BYTES: Final = 88  # TCP_MIN_MSS
IP_TCP_BYTES: Final = 20
GROWTH_BYTES: Final = 128  # tcp_event_data_recv: smaller segments do not grow the window
MAX_FRAGMENTS: Final = 17  # MAX_SKB_FRAGS
ATO_MIN_NS: Final = 40_000_000  # TCP_ATO_MIN = TCP_DELACK_MIN = HZ/25
RTO_MIN_NS: Final = 200_000_000  # TCP_RTO_MIN
PREQUEUE_TIMER_NS: Final = 3 * RTO_MIN_NS // 4
WINDOW_SCALE_MOST: Final = 14
MAX_TCP_HEADER_BYTES: Final = 272  # 128 + 96 (LL_MAX_HEADER with wireless) + 48 (tunnels), as built
SKB_OVERHEAD_BYTES: Final = 576  # SKB_TRUESIZE(0) of x86-64
SHARED_INFO_BYTES: Final = 320
PAGE_BYTES: Final = 4096
AUTOTUNE_STEP_BYTES: Final = 128
FIRST_SEGMENTS: Final = 20  # twice TCP_INIT_CWND
ETHERNET_MSS_BYTES: Final = 1460

# fmt: off
HOST_FIELDS: Final = (
    "linux4", "shared_cpu", "sender_here", "blocking", "prequeue", "ack_defer", "autotune", "read_bytes", "whole_reads",
    "rmem_max_bytes", "window_scale", "scaling_ratio", "advertised_mss_bytes", "header_bytes", "autotune_skb_bytes",
    "tick_ns", "tick_phase_ns", "prequeue_packets",
    "sender_ns", "softirq_ns", "tcp_ns", "ack_ns", "copy_packet_ns", "copy_ps_per_byte", "syscall_ns", "schedule_ns",
    "reader_delay_ns", "pause_ns", "sender_ps_per_byte", "burst_ns", "answer_ns", "checksum_ps_per_byte",
)
STATE_FIELDS: Final = (
    "now", "clock", "busy_until", "arrived", "next", "head", "offset", "freed", "prequeued", "backlogged",
    "prequeue_bytes", "backlog_bytes", "rmem", "asleep", "owned", "installed", "left", "copied", "copied_bytes",
    "rcv_nxt", "rcv_wup", "rcv_wnd", "ssthresh", "clamp", "rcvbuf", "rcv_mss", "last_segment", "quick", "ato",
    "last_data_tick", "scheduled", "pushed", "blocked", "deferred", "late_timer", "timer", "timer_ns",
    "rtt", "rtt_from", "rtt_seq", "space_bytes", "space_seq", "space_tick",
    "acks", "delayed_acks", "delayed_acks_locked", "scheduler_failed", "prequeue_runs", "prequeue_dropped",
    "bytes_from_prequeue", "bytes_from_backlog", "eaten_packets", "queue_coalesced", "backlog_coalesced",
    "zero_windows", "wanted_zero_windows", "wake_ups", "window_growths", "reads", "owed_bytes", "beyond_window",
)
PACKET: Final = np.dtype(
    [
        ("arrival_ns", np.int64), ("end", np.int64), ("payload_bytes", np.int64), ("segment_bytes", np.int64),
        ("truesize_bytes", np.int64), ("fragments", np.int64), ("options", np.int64), ("echo_tick", np.int64),
        ("push", np.int64),
        ("skb", np.int64), ("skb_fragments", np.int64), ("charge_bytes", np.int64),
        ("taken_ns", np.int64), ("copied_ns", np.int64), ("queue", np.int8), ("eaten", np.int8),
    ]
)
ACK: Final = np.dtype([("time_ns", np.int64), ("end", np.int64), ("window_bytes", np.int64), ("why", np.int64)])
IN_SOFTIRQ, IN_READER, BY_CLEANUP, BY_TIMER, BY_RELEASE = range(5)  # who sent an ACK
# fmt: on
HOST: Final = np.dtype([(name, np.int64) for name in HOST_FIELDS])
STATE: Final = np.dtype([(name, np.int64) for name in STATE_FIELDS])


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code, kept on disk where a folder can be written."""
    try:
        return cast("Callable[P, R]", numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:
        return cast("Callable[P, R]", numba.njit(nogil=True)(function))


@compiled
def _tick(h: Record, ns: int) -> int:
    """Jiffies at a time."""
    return (ns - h.tick_phase_ns) // h.tick_ns  # type: ignore[no-any-return]


@compiled
def _win_from_space(h: Record, space: int) -> int:
    """tcp_win_from_space: half of it (4.10, tcp_adv_win_scale 1), or the measured share of payload (6.x)."""
    if h.linux4:
        return space - (space >> 1)
    return space * h.scaling_ratio >> 8  # type: ignore[no-any-return]


@compiled
def _space(h: Record, s: Record) -> int:
    """tcp_space; 6.x takes the backlog off too, which stays counted until all of it is taken."""
    held = s.rmem if h.linux4 else s.rmem + s.backlog_bytes
    return _win_from_space(h, s.rcvbuf - held)


@compiled
def _rounded_up(h: Record, window: int) -> int:
    unit = 1 << h.window_scale
    return (window + unit - 1) >> h.window_scale << h.window_scale  # type: ignore[no-any-return]


@compiled
def select_window(h: Record, s: Record) -> int:
    """__tcp_select_window with window scaling: what could be offered now."""
    free, allowed = _space(h, s), _win_from_space(h, s.rcvbuf)
    full = min(s.clamp, allowed)
    mss = min(s.rcv_mss, full)
    if free < full >> 1:
        s.quick = 0
        free = free >> h.window_scale << h.window_scale
        if free < allowed >> 4 or free < mss:
            return 0
    return _rounded_up(h, min(free, s.ssthresh))


@compiled
def _open_bytes(s: Record) -> int:
    """tcp_receive_window: what the sender may still send."""
    return max(s.rcv_wup + s.rcv_wnd - s.rcv_nxt, 0)  # type: ignore[no-any-return]


@compiled
def _send_ack(h: Record, s: Record, acks: Rows, why: int) -> None:
    """tcp_send_ack at s.clock: tcp_select_window never shrinks what was offered; then tcp_event_ack_sent."""
    window, still_open = select_window(h, s), _open_bytes(s)
    if window < still_open:
        s.wanted_zero_windows += window == 0
        window = _rounded_up(h, still_open)
    s.zero_windows += window == 0 and s.rcv_wnd > 0
    s.rcv_wnd, s.rcv_wup = window, s.rcv_nxt
    row = acks[s.acks]
    row.time_ns, row.end, row.window_bytes, row.why = s.clock, s.rcv_nxt, window, why
    s.acks += 1
    if s.quick > 0:
        s.quick -= 1
        if s.quick == 0:
            s.ato = _ato_min(h)
    s.scheduled, s.pushed, s.blocked, s.timer = 0, 0, 0, NEVER


@compiled
def _ato_min(h: Record) -> int:
    """TCP_ATO_MIN = TCP_DELACK_MIN = HZ/25, in ticks."""
    return ATO_MIN_NS // h.tick_ns  # type: ignore[no-any-return]


@compiled
def _rto(h: Record) -> int:
    """The receiver sends no data: its timeout stays TCP_RTO_MIN after the handshake."""
    return RTO_MIN_NS // h.tick_ns  # type: ignore[no-any-return]


@compiled
def _measure_mss(h: Record, s: Record, packet: Record) -> None:
    """tcp_measure_rcv_mss."""
    last, s.last_segment = s.last_segment, 0
    segment = packet.segment_bytes
    if segment >= s.rcv_mss:
        s.rcv_mss = min(segment, h.advertised_mss_bytes)
        return
    with_header = segment + h.header_bytes
    full = with_header >= LEAST_MSS_BYTES + IP_TCP_BYTES and not packet.push
    if with_header >= DEFAULT_MSS_BYTES + IP_TCP_BYTES or full:
        s.last_segment = segment
        if segment == last:
            s.rcv_mss = segment
            return
    s.pushed |= PUSHED_TWICE if s.pushed & PUSHED else PUSHED


@compiled
def _rtt_sample(s: Record, ticks: int, by_window: bool) -> None:
    """tcp_rcv_rtt_update: in eighths of a tick."""
    sample = max(ticks, 1)
    if s.rtt == 0:
        s.rtt = sample << 3
    elif by_window:
        s.rtt = min(s.rtt, sample << 3)
    else:
        s.rtt += sample - (s.rtt >> 3)


@compiled
def _increase_quick(s: Record) -> None:
    """tcp_incr_quickack."""
    wanted = s.rcv_wnd // (2 * s.rcv_mss)
    wanted = wanted if wanted > 0 else 2
    if wanted > s.quick:
        s.quick = min(wanted, MAX_QUICK_ACKS)


@compiled
def _slow_growth(h: Record, s: Record, truesize: int, payload: int) -> int:
    """__tcp_grow_window, for an skb that is mostly overhead."""
    truesize, window = _win_from_space(h, truesize) >> 1, _win_from_space(h, h.rmem_max_bytes) >> 1
    while s.ssthresh <= window:
        if truesize <= payload:
            return 2 * s.rcv_mss  # type: ignore[no-any-return]
        truesize, window = truesize >> 1, window >> 1
    return 0


@compiled
def _grow_window(h: Record, s: Record, truesize: int, payload: int) -> None:
    """tcp_grow_window; each growth asks for an ACK at once."""
    if s.ssthresh >= s.clamp or s.ssthresh >= _space(h, s):
        return
    if _win_from_space(h, truesize) <= payload:
        growth = 2 * h.advertised_mss_bytes
    else:
        growth = _slow_growth(h, s, truesize, payload)
    if growth > 0:
        s.ssthresh = min(s.ssthresh + max(growth, 2 * payload), s.clamp)
        s.quick |= 1


@compiled
def _data_received(h: Record, s: Record, packet: Record, truesize: int, payload: int) -> None:
    """tcp_rcv_rtt_measure_ts, then tcp_event_data_recv."""
    tick = _tick(h, s.clock)
    if packet.echo_tick >= 0 and payload >= s.rcv_mss:
        _rtt_sample(s, tick - packet.echo_tick, False)
    s.scheduled = 1
    _measure_mss(h, s, packet)
    if s.rtt_from < 0 or s.rcv_nxt >= s.rtt_seq:
        if s.rtt_from >= 0:
            _rtt_sample(s, tick - s.rtt_from, True)
        s.rtt_seq, s.rtt_from = s.rcv_nxt + s.rcv_wnd, tick
    gap, least = tick - s.last_data_tick, _ato_min(h)
    if s.ato == 0:
        _increase_quick(s)
        s.ato = least
    elif gap <= least // 2:
        s.ato = (s.ato >> 1) + least // 2
    elif gap < s.ato:
        s.ato = min((s.ato >> 1) + gap, _rto(h))
    elif gap > _rto(h):
        _increase_quick(s)
    s.last_data_tick = tick
    if payload >= GROWTH_BYTES:
        _grow_window(h, s, truesize, payload)


@compiled
def _adjust_space(h: Record, s: Record) -> None:
    """tcp_rcv_space_adjust of 4.10: once a round trip, the buffer follows what the reader took in it."""
    tick = _tick(h, s.now)
    if not h.autotune or s.rtt == 0 or tick - s.space_tick < s.rtt >> 3:
        return
    taken = s.copied_bytes - s.space_seq
    if taken > s.space_bytes:
        wanted = 2 * taken + 16 * h.advertised_mss_bytes
        if taken >= s.space_bytes + (s.space_bytes >> 1):
            wanted <<= 1
        elif taken >= s.space_bytes + (s.space_bytes >> 2):
            wanted += wanted >> 1
        rcvbuf = min(wanted // h.advertised_mss_bytes * h.autotune_skb_bytes, h.rmem_max_bytes)
        if rcvbuf > s.rcvbuf:
            s.rcvbuf, s.clamp = rcvbuf, wanted
            s.window_growths += 1
        s.space_bytes = taken
    s.space_seq, s.space_tick = s.copied_bytes, tick


@compiled
def _ack_is_due(h: Record, s: Record) -> bool:
    """__tcp_ack_snd_check, then tcp_send_delayed_ack where nothing is due; true: an ACK must leave now."""
    if s.rcv_nxt > s.rcv_wup + s.rcv_wnd:
        s.scheduled = 1  # the kernel had opened the window by then: it answers when the reader has caught up
        return False
    if s.rcv_nxt - s.rcv_wup > s.rcv_mss and select_window(h, s) >= s.rcv_wnd:
        return True
    if s.quick > 0:
        return True
    tick, ato = _tick(h, s.clock), s.ato
    if ato > _ato_min(h):
        ato = min(ato, _ato_min(h))  # the round trip is known and shorter than TCP_DELACK_MIN
    timeout = tick + ato
    if s.timer != NEVER:
        if s.blocked or s.timer <= tick + (ato >> 2):
            return True
        timeout = min(timeout, s.timer)
    s.scheduled, s.timer = 1, timeout
    return False


@compiled
def _takes(h: Record, s: Record, packets: Rows, first: int, count: int) -> bool:
    """tcp_rcv_established queues one skb (`count` packets coalesced); true: an ACK must leave now."""
    payload, truesize = 0, 0
    packet = packets[first]
    tail = first - 1
    joins = (
        not h.linux4
        and tail >= s.head
        and packets[tail].skb_fragments + packets[first + count - 1].skb_fragments <= MAX_FRAGMENTS
    )
    for at in range(first, first + count):
        row = packets[at]
        row.taken_ns = s.clock
        payload += row.payload_bytes
        truesize += row.charge_bytes
        if joins:
            row.skb = packets[tail].skb
            row.skb_fragments += packets[tail].skb_fragments
    if joins:
        s.queue_coalesced += 1
        saved = packet.charge_bytes - packet.payload_bytes
        packet.charge_bytes -= saved
        truesize -= saved
    s.rmem += truesize
    s.next = first + count
    s.rcv_nxt = packets[first + count - 1].end
    _data_received(h, s, packet, truesize, payload)
    return _ack_is_due(h, s)


@compiled
def _wake(s: Record) -> None:
    if s.asleep:
        s.asleep = 0
        s.wake_ups += 1
        s.now = max(s.now, s.clock)


@compiled
def _softirq_takes(h: Record, s: Record, packets: Rows, acks: Rows) -> None:
    s.clock += h.tcp_ns + packets[s.next].payload_bytes * h.checksum_ps_per_byte // 1000
    if _takes(h, s, packets, s.next, 1):
        s.clock += h.ack_ns
        _send_ack(h, s, acks, IN_SOFTIRQ)
    _wake(s)


@compiled
def _prequeues(h: Record, s: Record, packets: Rows, acks: Rows, truesize: int) -> None:
    """tcp_prequeue of 4.10: flushed here above 31 packets or with the buffer full; the first one wakes the reader."""
    s.prequeued += 1
    s.prequeue_bytes += truesize
    if s.prequeued >= h.prequeue_packets or s.prequeue_bytes + s.rmem > s.rcvbuf:
        s.prequeue_dropped += s.prequeued
        while s.prequeued > 0:
            s.prequeued -= 1
            _softirq_takes(h, s, packets, acks)
        s.prequeue_bytes = 0
    elif s.prequeued == 1:
        _wake(s)
        if not s.scheduled:
            s.timer = _tick(h, s.clock) + PREQUEUE_TIMER_NS // h.tick_ns


@compiled
def _joins_backlog(h: Record, s: Record, packets: Rows, at: int) -> None:
    """sk_add_backlog; 6.x (tcp_add_backlog) first tries to join the skb at its tail."""
    packet = packets[at]
    tail = packets[at - 1]
    if (
        not h.linux4
        and s.backlogged > 0
        and tail.options == packet.options
        and tail.skb_fragments + packet.fragments <= MAX_FRAGMENTS
    ):
        packet.skb = tail.skb
        packet.skb_fragments = tail.skb_fragments + packet.fragments
        packet.charge_bytes = packet.payload_bytes
        s.backlog_coalesced += 1
    s.backlogged += 1
    s.backlog_bytes += packet.charge_bytes


@compiled
def _arrives(h: Record, s: Record, packets: Rows, acks: Rows) -> None:
    """The three-way choice of tcp_v4_rcv, in softirq."""
    at = s.arrived
    packet = packets[at]
    s.clock = max(packet.arrival_ns, s.busy_until)
    s.arrived += 1
    beyond = packet.end - (s.rcv_wup + s.rcv_wnd)
    if beyond > 0:
        s.beyond_window += 1
        s.owed_bytes = max(s.owed_bytes, beyond)
    packet.skb, packet.skb_fragments, packet.charge_bytes = at, packet.fragments, packet.truesize_bytes
    if s.owned:
        packet.queue = BACKLOG
        _joins_backlog(h, s, packets, at)
    elif h.prequeue and s.installed:
        packet.queue = PREQUEUE
        _prequeues(h, s, packets, acks, packet.truesize_bytes)
    else:
        packet.queue = DIRECT
        _softirq_takes(h, s, packets, acks)
    s.clock += h.softirq_ns
    s.busy_until = s.clock


@compiled
def _timer_handler(h: Record, s: Record, packets: Rows, acks: Rows) -> None:
    """tcp_delack_timer_handler."""
    s.timer = NEVER
    s.scheduler_failed += s.prequeued > 0
    while s.prequeued > 0:
        s.prequeued -= 1
        _softirq_takes(h, s, packets, acks)
    s.prequeue_bytes = 0
    if s.scheduled:
        s.ato = min(s.ato << 1, _rto(h))
        s.clock += h.ack_ns
        s.delayed_acks += 1
        _send_ack(h, s, acks, BY_TIMER)


@compiled
def _timer_fires(h: Record, s: Record, packets: Rows, acks: Rows) -> None:
    s.clock = max(h.tick_phase_ns + s.timer * h.tick_ns, s.busy_until)
    if s.owned:  # what release_sock then does
        s.blocked, s.late_timer, s.timer_ns = 1, 1, s.timer
        s.timer = NEVER
        s.delayed_acks_locked += 1
    else:
        _timer_handler(h, s, packets, acks)
    s.busy_until = s.clock


@compiled
def _next_event_ns(h: Record, s: Record, packets: Rows) -> int:
    timer_ns = NEVER if s.timer == NEVER else h.tick_phase_ns + s.timer * h.tick_ns
    if s.arrived < packets.size:
        return min(timer_ns, packets[s.arrived].arrival_ns)  # type: ignore[no-any-return]
    return timer_ns


@compiled
def _event(h: Record, s: Record, packets: Rows, acks: Rows) -> None:
    at = NEVER if s.arrived == packets.size else packets[s.arrived].arrival_ns
    if at == _next_event_ns(h, s, packets):
        _arrives(h, s, packets, acks)
    else:
        _timer_fires(h, s, packets, acks)


@compiled
def _sender_ahead_ns(h: Record, s: Record, packets: Rows) -> int:
    """How long before the next packet arrives its sender has the CPU."""
    if s.arrived == packets.size or not h.sender_here:
        return 0
    return h.sender_ns + packets[s.arrived].payload_bytes * h.sender_ps_per_byte // 1000  # type: ignore[no-any-return]


@compiled
def _work(h: Record, s: Record, packets: Rows, acks: Rows, ns: int) -> None:
    """The reader's process works for that long; on a shared CPU packets take their time from it."""
    end = s.now + ns
    while True:
        event = _next_event_ns(h, s, packets)
        if event == NEVER:
            break
        from_ns = event - _sender_ahead_ns(h, s, packets)
        if from_ns >= end:
            break
        free_from = max(s.busy_until, s.now)
        _event(h, s, packets, acks)
        if h.shared_cpu:
            end += max(s.busy_until - max(from_ns, free_from), 0)
    s.now = end
    s.clock = end


@compiled
def _sender_has_cpu(h: Record, s: Record, packets: Rows) -> bool:
    """On a shared CPU: the next packet comes as soon as the sender can make it, so it was never taken off the CPU."""
    if s.arrived == packets.size or not h.sender_here:
        return False
    packet = packets[s.arrived]
    work_ns = h.pause_ns + packet.payload_bytes * h.sender_ps_per_byte // 1000
    return packet.arrival_ns - s.now < work_ns  # type: ignore[no-any-return]


@compiled
def _waits_for_cpu(h: Record, s: Record, packets: Rows, acks: Rows) -> None:
    """The reader is runnable and gets the CPU."""
    s.now += h.reader_delay_ns
    if not h.shared_cpu:
        while _next_event_ns(h, s, packets) <= s.now:
            _event(h, s, packets, acks)
    else:
        s.now = max(s.now, s.busy_until)
        while _next_event_ns(h, s, packets) <= s.now or _sender_has_cpu(h, s, packets):
            _event(h, s, packets, acks)
            s.now = max(s.now, s.busy_until)
    _work(h, s, packets, acks, h.schedule_ns)


@compiled
def _sleep(h: Record, s: Record, packets: Rows, acks: Rows) -> bool:
    """The reader sleeps, is woken, and gets the CPU; false where nothing will ever wake it."""
    s.owned, s.asleep = 0, 1
    while s.asleep:
        if _next_event_ns(h, s, packets) == NEVER:
            return False
        _event(h, s, packets, acks)
    _waits_for_cpu(h, s, packets, acks)
    return True


@compiled
def _is_answered(h: Record, s: Record, packets: Rows, acks: Rows) -> None:
    """On a shared CPU an ACK's softirq runs at once and sends what the sender had ready: a burst no writer makes."""
    if h.shared_cpu:
        _work(h, s, packets, acks, h.answer_ns)
    while h.sender_here and s.arrived + 1 < packets.size:
        if packets[s.arrived + 1].arrival_ns - packets[s.arrived].arrival_ns > h.burst_ns:
            return
        upto = packets[s.arrived].arrival_ns
        while _next_event_ns(h, s, packets) <= upto:
            _event(h, s, packets, acks)
        s.now = max(s.now, s.busy_until)


@compiled
def _reader_acks(h: Record, s: Record, packets: Rows, acks: Rows, why: int) -> None:
    _work(h, s, packets, acks, h.ack_ns)
    _send_ack(h, s, acks, why)
    _is_answered(h, s, packets, acks)


@compiled
def _copied(h: Record, s: Record, packets: Rows, count: int) -> None:
    """The reader holds so many more bytes."""
    s.left -= count
    s.copied += count
    s.copied_bytes += count
    _adjust_space(h, s)


@compiled
def _eats(h: Record, s: Record, packets: Rows, acks: Rows) -> bool:
    """tcp_copy_to_iovec: the segment goes to the user at once; true: an ACK must leave now."""
    packet = packets[s.next]
    _work(h, s, packets, acks, h.copy_packet_ns + packet.payload_bytes * h.copy_ps_per_byte // 1000)
    packet.eaten, packet.taken_ns, packet.copied_ns = 1, s.now, s.now
    s.next += 1
    s.head = s.next
    s.rcv_nxt = packet.end
    s.eaten_packets += 1
    _copied(h, s, packets, packet.payload_bytes)
    _data_received(h, s, packet, packet.truesize_bytes, packet.payload_bytes)
    return _ack_is_due(h, s)


@compiled
def _reader_takes(h: Record, s: Record, packets: Rows, acks: Rows, count: int) -> None:
    """TCP takes one skb in the reader's context, with the socket owned."""
    checksum_ns = packets[s.next].payload_bytes * h.checksum_ps_per_byte // 1000
    _work(h, s, packets, acks, h.tcp_ns + checksum_ns)
    fits = packets[s.next].payload_bytes <= s.left
    if h.linux4 and s.installed and s.head == s.next and fits:
        due = _eats(h, s, packets, acks)
    else:
        due = _takes(h, s, packets, s.next, count)
    if due and h.ack_defer:
        s.deferred = 1
    elif due:
        _reader_acks(h, s, packets, acks, IN_READER)


@compiled
def _drain_prequeue(h: Record, s: Record, packets: Rows, acks: Rows) -> None:
    """tcp_prequeue_process."""
    s.prequeue_runs += 1
    before = s.copied
    while s.prequeued > 0:
        s.prequeued -= 1
        _reader_takes(h, s, packets, acks, 1)
    s.prequeue_bytes = 0
    s.bytes_from_prequeue += s.copied - before


@compiled
def _drain_backlog(h: Record, s: Record, packets: Rows, acks: Rows) -> None:
    """__release_sock, then tcp_release_cb: the ACK that 6.x held back, the timer that found the socket owned."""
    before = s.copied
    while s.backlogged > 0:
        last = s.next
        while last + 1 < s.next + s.backlogged and packets[last + 1].skb == packets[s.next].skb:
            last += 1
        count = last + 1 - s.next
        s.backlogged -= count
        _reader_takes(h, s, packets, acks, count)
    s.backlog_bytes = 0
    s.bytes_from_backlog += s.copied - before
    if s.late_timer:
        s.late_timer = 0
        _timer_handler(h, s, packets, acks)
        s.now = max(s.now, s.clock)
    if s.deferred and s.scheduled:
        _reader_acks(h, s, packets, acks, BY_RELEASE)
    s.deferred = 0


@compiled
def _cleanup(h: Record, s: Record, packets: Rows, acks: Rows) -> None:
    """tcp_cleanup_rbuf: the second segment's ACK that TCP did not send, an emptied queue's, or a doubled window."""
    due = False
    if s.scheduled:
        pushed = s.pushed != 0 and s.copied > 0 and s.rmem == 0
        due = (s.blocked and h.linux4) or s.rcv_nxt - s.rcv_wup > s.rcv_mss or pushed
    if not due and s.copied > 0 and 2 * _open_bytes(s) <= s.clamp:
        window = select_window(h, s)
        due = window > 0 and window >= 2 * _open_bytes(s)
    if due:
        _reader_acks(h, s, packets, acks, BY_CLEANUP)


@compiled
def _copy_from_queue(h: Record, s: Record, packets: Rows, acks: Rows) -> None:
    """The reader copies from the oldest packet; an skb's memory is free when its last byte is copied."""
    packet = packets[s.head]
    part = min(packet.payload_bytes - s.offset, s.left)
    s.now = max(s.now, packet.taken_ns)  # softirq on another CPU held the socket until then
    if s.owed_bytes > 0:
        s.owed_bytes -= min(part, s.owed_bytes)
    else:
        _work(h, s, packets, acks, h.copy_packet_ns + part * h.copy_ps_per_byte // 1000)
    s.offset += part
    if s.offset == packet.payload_bytes:
        packet.copied_ns = s.now
        s.offset = 0
        s.freed += packet.charge_bytes
        s.head += 1
    _copied(h, s, packets, part)
    if s.head == s.next or (s.offset == 0 and packets[s.head].skb != packet.skb):
        s.rmem -= s.freed
        s.freed = 0


@compiled
def _wait_for_data(h: Record, s: Record, packets: Rows, acks: Rows) -> bool:
    """tcp_recvmsg with the receive queue empty; false where nothing will ever come."""
    _cleanup(h, s, packets, acks)
    s.installed = h.prequeue
    if s.prequeued > 0:
        _drain_prequeue(h, s, packets, acks)
        return True
    taken = s.next
    _drain_backlog(h, s, packets, acks)
    if s.copied == 0 and s.head == s.next and s.next == taken:
        if not _sleep(h, s, packets, acks):
            return False
        s.owned = 1
    if s.installed and s.head == s.next and s.prequeued > 0:
        _drain_prequeue(h, s, packets, acks)
    return True


@compiled
def _recv(h: Record, s: Record, packets: Rows, acks: Rows) -> bool:
    """tcp_recvmsg; false where nothing will ever come."""
    s.owned, s.installed, s.copied = 1, 0, 0
    s.reads += 1
    while s.left > 0:
        if s.head < s.next:
            _copy_from_queue(h, s, packets, acks)
        elif not h.blocking or (s.copied > 0 and s.backlogged == 0):
            break
        elif not _wait_for_data(h, s, packets, acks):
            return False
    if s.installed and s.prequeued > 0:
        if s.copied == 0:
            s.left = 0
        _drain_prequeue(h, s, packets, acks)
    s.installed = 0
    _cleanup(h, s, packets, acks)
    _drain_backlog(h, s, packets, acks)
    s.owned = 0
    return True


@compiled
def replay(h: Record, s: Record, packets: Rows, acks: Rows) -> None:
    """Fills packets and acks until every packet is copied or nothing moves any more.

    Parameters
    ----------
    h
        One row of HOST.
    s
        One row of STATE, with the connection as it is when the first packet arrives.
    packets
        Rows of PACKET, in order of arrival; the first ``s.next`` are in the receive queue already.
    acks
        Rows of ACK, more than enough.
    """
    _waits_for_cpu(h, s, packets, acks)
    while s.head < packets.size:
        if not h.blocking and s.head == s.next and not _sleep(h, s, packets, acks):
            return
        s.left = h.read_bytes
        while s.left > 0:
            _work(h, s, packets, acks, h.syscall_ns)
            if not _recv(h, s, packets, acks):
                return
            if not h.whole_reads or s.copied == 0:
                break
    while _next_event_ns(h, s, packets) != NEVER:
        _event(h, s, packets, acks)

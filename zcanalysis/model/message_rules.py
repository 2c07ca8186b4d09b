"""The rules of `messages` as one compiled loop for one connection: integers in, integers out.

The receiver's CPU walks from one decision to the next; before each, whatever has come by then is served: the sender's
turns, packets in order of arrival, the ACK timer. A piece of work once begun is finished first.
"""

from typing import Any, Final, TypeAlias

import numpy as np

from zcanalysis.model.compiling import compiled, inlined

Record: TypeAlias = Any  # one row of HOST, STATE, SEGMENT, ARRIVAL, ACK or MESSAGE: numba reads and writes its fields
Rows: TypeAlias = Any  # an array of such rows

# fmt: off
NEVER: Final = np.iinfo(np.int64).max
OFF, PREQUEUE, KLEEN, KLEEN_IF_EMPTY = range(4)  # who may wait in the prequeue
SLEEPS, WOKEN, RUNS = range(3)  # the reader
SMALL_BYTES: Final = 76  # 2.4.17 net/ipv4/tcp_ipv4.c:1520
TCP_HEADER_BYTES: Final = 32  # with time stamps
LEAST_RCV_MSS: Final = 536  # TCP_MIN_RCVMSS, include/net/tcp.h
PACKET_HEADER_BYTES: Final = 66  # Ethernet, IP, TCP with time stamps
COPYBREAK_BYTES: Final = 200  # shorter frames get a buffer of their size (3c59x, eepro100)
BUFFER_BYTES: Final = 1536
SK_BUFF_BYTES: Final = 160
DUPLICATES: Final = 3
HOST_FIELDS: Final = (
    "sender_ns", "write_ps_per_byte", "link_ps_per_byte", "framing_bytes", "delay_ns", "packet_ns", "tcp_ns",
    "checksum_ps_per_byte", "copy_ps_per_byte", "fused_ps_per_byte", "ack_ns", "wake_ns", "schedule_ns", "syscall_ns",
    "reader_delay_ns", "delack_ns", "prequeue_timer_ns", "window_bytes", "clamp_bytes", "mss_bytes", "reader_bytes",
    "summed", "kernel", "message_bytes", "gap_ns", "writes", "answered", "nagle", "sender_bytes",
)
COUNTERS: Final = (
    "acks", "delayed_acks", "scheduler_failed", "prequeued", "flushed", "eaten", "wake_ups", "overtakers",
    "duplicate_acks", "repeated", "segments",
)
STATE_FIELDS: Final = (
    *COUNTERS, "now", "arrivals", "arrived", "wire_free", "sender_free", "sender_at", "written", "next_write",
    "sent_bytes", "small_end", "una", "edge", "duplicates", "repeated_to", "heard", "answers", "reader", "run_at",
    "owned", "installed", "pre_first", "pre_last", "pre_bytes", "back_first", "back_last", "next", "head",
    "offset", "charged", "copied", "left", "delivered", "acked_bytes", "window", "rcv_mss", "scheduled", "pushed",
    "pingpong", "blocked", "timer", "last_data",
)
# fmt: on
HOST: Final = np.dtype([(name, np.int64) for name in HOST_FIELDS])
STATE: Final = np.dtype([(name, np.int64) for name in STATE_FIELDS])
SEGMENT: Final = np.dtype([("start", np.int64), ("end", np.int64), ("here", np.int8)])
ARRIVAL: Final = np.dtype([(name, np.int64) for name in ("ns", "segment", "prequeue", "backlog")])  # two are queues
ACK: Final = np.dtype([(name, np.int64) for name in ("ns", "end", "edge", "answer")])
MESSAGE: Final = np.dtype([("written_ns", np.int64), ("delivered_ns", np.int64)])


@inlined
def _ns(n_bytes: int, ps_per_byte: int) -> int:
    return -(-n_bytes * ps_per_byte // 1000)


@inlined
def _charge(payload_bytes: int) -> int:
    """What a segment takes of the window: three quarters of its truesize, or its payload."""
    wire = payload_bytes + PACKET_HEADER_BYTES
    buffer = wire if wire < COPYBREAK_BYTES else max(BUFFER_BYTES, wire)
    return max(payload_bytes, 3 * ((buffer + 16 + 15) // 16 * 16 + SK_BUFF_BYTES) // 4)


@inlined
def _write_ns(h: Record, s: Record, messages: Rows) -> int:
    """When the sender's next write is made; NEVER where it waits for an answer, or has written all."""
    message = s.next_write // h.writes
    if message >= messages.size or (h.answered and message > s.answers):
        return NEVER
    return messages[message].written_ns + s.next_write % h.writes * h.sender_ns  # type: ignore[no-any-return]


@inlined
def _write_until(h: Record, s: Record, messages: Rows, now: int) -> None:
    while _write_ns(h, s, messages) <= now:
        part = s.next_write % h.writes
        each = h.message_bytes // h.writes
        s.written += each if part + 1 < h.writes else h.message_bytes - each * (h.writes - 1)
        s.next_write += 1


@inlined
def _carry(h: Record, s: Record, segments: Rows, arrivals: Rows, segment: int, now: int) -> None:
    """The sender pays for a segment, the link carries it."""
    n_bytes = segments[segment].end - segments[segment].start
    sent = now + h.sender_ns + _ns(n_bytes, h.write_ps_per_byte)
    s.wire_free = max(sent, s.wire_free) + _ns(n_bytes + h.framing_bytes, h.link_ps_per_byte)
    arrivals[s.arrivals].ns = s.wire_free + h.delay_ns
    arrivals[s.arrivals].segment = segment
    s.arrivals += 1
    s.sender_free = s.sender_at = sent


@inlined
def _sender_turn(h: Record, s: Record, segments: Rows, arrivals: Rows, messages: Rows) -> None:
    """tcp_snd_test: one segment, if there is something to send and the window, cwnd and Nagle let it go."""
    now = s.sender_at
    _write_until(h, s, messages, now)
    n_bytes = min(h.mss_bytes, s.written - s.sent_bytes)
    end, outstanding = s.sent_bytes + n_bytes, s.sent_bytes > s.una
    if n_bytes > 0 and (end > s.edge or (outstanding and end - s.una > h.sender_bytes)):
        s.sender_at = NEVER
        return
    small = n_bytes < h.mss_bytes
    if n_bytes == 0 or (h.nagle and small and outstanding and s.small_end > s.una):  # Minshall's rule
        s.sender_at = _write_ns(h, s, messages)
        return
    segments[s.segments].start, segments[s.segments].end = s.sent_bytes, end
    segments[s.segments].here = 0
    s.sent_bytes = end
    if small:
        s.small_end = end
    _carry(h, s, segments, arrivals, s.segments, now)
    s.segments += 1


@inlined
def _first_unacked(s: Record, segments: Rows) -> int:
    at = s.segments - 1
    while at > 0 and segments[at].start > s.una:
        at -= 1
    return at  # type: ignore[no-any-return]


@inlined
def _ack_arrives(h: Record, s: Record, segments: Rows, arrivals: Rows, acks: Rows, messages: Rows) -> None:
    """The sender learns what has come and what it may send; the third duplicate makes it repeat a segment."""
    ack = acks[s.heard]
    now = ack.ns + h.delay_ns
    s.heard += 1
    if ack.end > s.una:
        s.una, s.duplicates = ack.end, 0
    elif ack.end == s.una and ack.edge == s.edge and s.sent_bytes > s.una and not ack.answer:
        s.duplicates += 1
    s.edge = max(s.edge, ack.edge)
    if ack.answer:
        s.answers += 1
        if s.answers < messages.size:
            messages[s.answers].written_ns = now + h.gap_ns
    s.sender_at = max(now, s.sender_free)
    if s.duplicates == DUPLICATES and s.una >= s.repeated_to:
        s.repeated_to = s.sent_bytes  # one repair a window
        s.repeated += 1
        _carry(h, s, segments, arrivals, _first_unacked(s, segments), s.sender_at)


@inlined
def _sender_next(h: Record, s: Record, acks: Rows) -> int:
    heard = NEVER
    if s.heard < s.acks:
        heard = acks[s.heard].ns + h.delay_ns
    return min(heard, s.sender_at)  # type: ignore[no-any-return]


@compiled
def _sender_until(h: Record, s: Record, segments: Rows, arrivals: Rows, acks: Rows, messages: Rows) -> None:
    """All that the sender does until now."""
    while _sender_next(h, s, acks) <= s.now:
        if s.heard < s.acks and acks[s.heard].ns + h.delay_ns <= s.sender_at:
            _ack_arrives(h, s, segments, arrivals, acks, messages)
        else:
            _sender_turn(h, s, segments, arrivals, messages)


@inlined
def _taken_bytes(s: Record, segments: Rows) -> int:
    """rcv_nxt."""
    return segments[s.next - 1].end if s.next > 0 else 0


@inlined
def _select_window(h: Record, s: Record) -> int:
    """__tcp_select_window, 2.4.17 net/ipv4/tcp_output.c:643."""
    free = h.window_bytes - s.charged
    if free < h.clamp_bytes // 2 and free < s.rcv_mss:
        return 0
    free = min(free, h.clamp_bytes)
    if s.window <= free - s.rcv_mss or s.window > free:
        return (free // s.rcv_mss) * s.rcv_mss  # type: ignore[no-any-return]
    return s.window  # type: ignore[no-any-return]


@compiled
def _send_ack(h: Record, s: Record, segments: Rows, acks: Rows, answer: int) -> None:
    """An ACK, alone or with an answer, and what it clears."""
    s.now += h.ack_ns
    taken = _taken_bytes(s, segments)
    window = max(_select_window(h, s), s.acked_bytes + s.window - taken)
    s.acked_bytes, s.window = taken, window
    row = acks[s.acks]
    row.ns, row.end, row.edge, row.answer = s.now, taken, taken + window, answer
    s.acks += 1
    s.scheduled, s.pushed, s.blocked, s.timer = 0, 0, 0, NEVER


@inlined
def _delay_ack(h: Record, s: Record) -> bool:
    """tcp_send_delayed_ack: arms the timer; true where the ACK must leave now instead."""
    if s.timer != NEVER and (s.blocked > 0 or s.timer <= s.now + h.delack_ns // 4):
        return True
    s.timer = min(s.timer, s.now + h.delack_ns)
    return False


@inlined
def _note(s: Record, payload_bytes: int) -> None:
    """tcp_event_data_recv and tcp_measure_rcv_mss."""
    s.scheduled, s.last_data = 1, s.now
    if payload_bytes < s.rcv_mss:
        s.pushed = 1
    s.rcv_mss = max(s.rcv_mss, payload_bytes)


@inlined
def _queue_all(s: Record, segments: Rows) -> None:
    """Into the receive queue what is in order now, also what had overtaken."""
    while s.next < s.segments and segments[s.next].here:
        s.charged += _charge(segments[s.next].end - segments[s.next].start)
        s.next += 1


@compiled
def _take(h: Record, s: Record, segments: Rows, acks: Rows, messages: Rows, segment: int) -> None:
    """TCP takes one segment: eaten, queued, out of order or old."""
    row = segments[segment]
    n_bytes = row.end - row.start
    late = not h.summed and n_bytes + TCP_HEADER_BYTES > SMALL_BYTES
    s.now += h.tcp_ns
    if segment != s.next:
        if late:
            s.now += _ns(n_bytes, h.checksum_ps_per_byte)
        s.overtakers += segment > s.next
        row.here = 1
        s.pingpong = 0
        s.duplicate_acks += 1
        _send_ack(h, s, segments, acks, 0)
        return
    row.here = 1
    _note(s, n_bytes)
    alone = s.next + 1 == s.segments or not segments[s.next + 1].here
    if s.owned and s.installed and s.head == s.next and n_bytes <= s.left and alone:
        s.now += _ns(n_bytes, h.fused_ps_per_byte if late else h.copy_ps_per_byte)
        s.next += 1
        s.head += 1
        s.eaten += 1
        _deliver(h, s, messages, n_bytes)
        if _delay_ack(h, s):
            _send_ack(h, s, segments, acks, 0)
        return
    if late:
        s.now += _ns(n_bytes, h.checksum_ps_per_byte)
    _queue_all(s, segments)
    unacked = _taken_bytes(s, segments) - s.acked_bytes
    if (unacked > s.rcv_mss and _select_window(h, s) >= s.window) or _delay_ack(h, s):
        _send_ack(h, s, segments, acks, 0)


@inlined
def _deliver(h: Record, s: Record, messages: Rows, n_bytes: int) -> None:
    """Bytes are in the reader's buffer."""
    before = s.delivered // h.message_bytes
    s.delivered += n_bytes
    s.copied += n_bytes
    s.left -= n_bytes
    for message in range(before, s.delivered // h.message_bytes):
        messages[message].delivered_ns = s.now


@inlined
def _wake(h: Record, s: Record) -> None:
    if s.reader == SLEEPS:
        s.now += h.wake_ns
        s.reader, s.run_at = WOKEN, s.now + h.reader_delay_ns
        s.wake_ups += 1


@compiled
def _take_prequeue(h: Record, s: Record, segments: Rows, arrivals: Rows, acks: Rows, messages: Rows) -> None:
    while s.pre_first < s.pre_last:
        segment = arrivals[s.pre_first].prequeue
        s.pre_first += 1
        _take(h, s, segments, acks, messages, segment)
    s.pre_bytes = 0


@inlined
def _into_prequeue(h: Record, s: Record, segments: Rows, arrivals: Rows, acks: Rows, messages: Rows) -> None:
    """tcp_prequeue, 2.4.17 include/net/tcp.h:1306."""
    segment = arrivals[s.arrived].segment
    arrivals[s.pre_last].prequeue = segment
    s.pre_last += 1
    s.prequeued += 1
    s.pre_bytes += _charge(segments[segment].end - segments[segment].start)
    if s.pre_bytes > h.window_bytes:
        s.flushed += s.pre_last - s.pre_first
        _take_prequeue(h, s, segments, arrivals, acks, messages)
    elif s.pre_last - s.pre_first == 1:
        _wake(h, s)
        if not s.scheduled:
            s.timer = s.now + h.prequeue_timer_ns


@inlined
def _packet(h: Record, s: Record, segments: Rows, arrivals: Rows, acks: Rows, messages: Rows) -> None:
    """Interrupt, softirq, and the three-way choice of tcp_v4_rcv."""
    row = segments[arrivals[s.arrived].segment]
    n_bytes = row.end - row.start
    s.now += h.packet_ns
    small = n_bytes + TCP_HEADER_BYTES <= SMALL_BYTES
    if small and not h.summed:
        s.now += _ns(n_bytes, h.checksum_ps_per_byte)
    past = h.kernel == OFF or (
        (h.summed or small) and (h.kernel == KLEEN or (h.kernel == KLEEN_IF_EMPTY and s.pre_first == s.pre_last))
    )
    if s.owned:
        arrivals[s.back_last].backlog = arrivals[s.arrived].segment
        s.back_last += 1
    elif s.installed and not past:
        _into_prequeue(h, s, segments, arrivals, acks, messages)
    else:
        _take(h, s, segments, acks, messages, arrivals[s.arrived].segment)
        _wake(h, s)
    s.arrived += 1


@inlined
def _timer_fires(h: Record, s: Record, segments: Rows, arrivals: Rows, acks: Rows, messages: Rows) -> None:
    """tcp_delack_timer, 2.4.17 net/ipv4/tcp_timer.c:210."""
    if s.owned:
        s.blocked, s.timer = 1, s.now + h.delack_ns
        return
    s.timer = NEVER
    if s.pre_first < s.pre_last:
        s.scheduler_failed += 1
        _take_prequeue(h, s, segments, arrivals, acks, messages)
    if s.scheduled:
        s.delayed_acks += 1
        _send_ack(h, s, segments, acks, 0)


@inlined
def _arrival_ns(s: Record, arrivals: Rows) -> int:
    return arrivals[s.arrived].ns if s.arrived < s.arrivals else NEVER


@compiled
def _serve(h: Record, s: Record, segments: Rows, arrivals: Rows, acks: Rows, messages: Rows) -> None:
    """Whatever has come by now, first come first."""
    while True:
        _sender_until(h, s, segments, arrivals, acks, messages)
        arrival = _arrival_ns(s, arrivals)
        if min(arrival, s.timer) > s.now:
            return
        if arrival <= s.timer:
            _packet(h, s, segments, arrivals, acks, messages)
        else:
            _timer_fires(h, s, segments, arrivals, acks, messages)


@inlined
def _sleep(h: Record, s: Record, segments: Rows, arrivals: Rows, acks: Rows, messages: Rows) -> bool:
    """Until the reader has the CPU again; false where nothing will ever wake it."""
    s.owned, s.reader = 0, SLEEPS
    _serve(h, s, segments, arrivals, acks, messages)
    while s.reader == SLEEPS or s.run_at > s.now:
        wakes = s.run_at if s.reader == WOKEN else NEVER
        event = min(min(_arrival_ns(s, arrivals), s.timer), min(wakes, _sender_next(h, s, acks)))
        if event == NEVER:
            return False
        s.now = max(s.now, event)
        _serve(h, s, segments, arrivals, acks, messages)
    s.reader = RUNS
    s.now += h.schedule_ns
    _serve(h, s, segments, arrivals, acks, messages)
    s.owned = 1
    return True


@inlined
def _clean_up(h: Record, s: Record, segments: Rows, acks: Rows) -> None:
    """cleanup_rbuf, 2.4.17 net/ipv4/tcp.c:1278."""
    taken = _taken_bytes(s, segments)
    drained = s.copied > 0 and s.pushed and not s.pingpong and s.head == s.next
    if s.scheduled and (s.blocked or taken - s.acked_bytes > s.rcv_mss or drained):
        _send_ack(h, s, segments, acks, 0)
        return
    opened = s.acked_bytes + s.window - taken
    if s.copied > 0 and 2 * opened <= h.clamp_bytes:
        window = _select_window(h, s)
        if window > 0 and window >= 2 * opened:
            _send_ack(h, s, segments, acks, 0)


@inlined
def _copy_queue(h: Record, s: Record, segments: Rows, arrivals: Rows, acks: Rows, messages: Rows) -> None:
    """From the receive queue into the reader's buffer."""
    while s.head < s.next and s.left > 0:
        row = segments[s.head]
        rest = row.end - row.start - s.offset
        n_bytes = min(rest, s.left)
        s.now += _ns(n_bytes, h.copy_ps_per_byte)
        _deliver(h, s, messages, n_bytes)
        s.offset += n_bytes
        if n_bytes == rest:
            s.charged -= _charge(row.end - row.start)
            s.head += 1
            s.offset = 0
        _serve(h, s, segments, arrivals, acks, messages)


@inlined
def _take_backlog(h: Record, s: Record, segments: Rows, arrivals: Rows, acks: Rows, messages: Rows) -> None:
    while s.back_first < s.back_last:
        segment = arrivals[s.back_first].backlog
        s.back_first += 1
        _take(h, s, segments, acks, messages, segment)
        _serve(h, s, segments, arrivals, acks, messages)


@compiled
def _recv(h: Record, s: Record, segments: Rows, arrivals: Rows, acks: Rows, messages: Rows) -> bool:
    """tcp_recvmsg of a blocking reader; false where it would sleep for ever."""
    s.now += h.syscall_ns
    _serve(h, s, segments, arrivals, acks, messages)
    s.owned, s.copied, s.left = 1, 0, h.reader_bytes
    while True:
        _copy_queue(h, s, segments, arrivals, acks, messages)
        if s.left == 0 or (s.copied > 0 and s.back_first == s.back_last):
            break
        _clean_up(h, s, segments, acks)
        s.installed = 1
        if s.pre_first < s.pre_last:
            _take_prequeue(h, s, segments, arrivals, acks, messages)
            _serve(h, s, segments, arrivals, acks, messages)
            continue
        _take_backlog(h, s, segments, arrivals, acks, messages)
        if s.copied == 0 and s.head == s.next:
            if not _sleep(h, s, segments, arrivals, acks, messages):
                return False
            if s.head == s.next:
                _take_prequeue(h, s, segments, arrivals, acks, messages)
                _serve(h, s, segments, arrivals, acks, messages)
    _take_prequeue(h, s, segments, arrivals, acks, messages)
    s.installed = 0
    _clean_up(h, s, segments, acks)
    _take_backlog(h, s, segments, arrivals, acks, messages)
    s.owned = 0
    return True


@compiled
def replay(h: Record, s: Record, segments: Rows, arrivals: Rows, acks: Rows, messages: Rows) -> bool:
    """Fills all rows until every message is with the reader, and answered if it is to be; false where it hangs.

    Parameters
    ----------
    h
        One row of HOST.
    s
        One row of STATE, zeros.
    segments, arrivals, acks
        Rows of SEGMENT, ARRIVAL and ACK, more than enough.
    messages
        One row of MESSAGE each, with the time of its first write; of those that wait for an answer only the first.
    """
    s.timer = NEVER
    s.rcv_mss = max(LEAST_RCV_MSS, min(h.mss_bytes, h.message_bytes))
    s.window = s.edge = max(h.clamp_bytes // h.mss_bytes * h.mss_bytes, h.mss_bytes)
    s.reader = RUNS
    s.now = -h.syscall_ns
    total, answers = h.message_bytes * messages.size, 0
    while s.delivered < total:
        if not _recv(h, s, segments, arrivals, acks, messages):
            return False
        while h.answered and answers < s.delivered // h.message_bytes:
            if s.now - s.last_data < h.delack_ns:
                s.pingpong = 1
            answers += 1
            _send_ack(h, s, segments, acks, 1)
            s.now += h.syscall_ns
            _serve(h, s, segments, arrivals, acks, messages)
    return True

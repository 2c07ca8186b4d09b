"""The rules of `open_loop` as one compiled loop: from one piece of work to the next."""

from zcanalysis.model.compiling import compiled
from zcanalysis.model.open_loop_state import (
    ASLEEP,
    AWAKE,
    BACKLOG,
    CALL,
    COPY,
    DRIVER,
    N_PIECES,
    NEVER,
    PROTOCOL,
    WEIGHT,
    Nanoseconds,
    Path,
    World,
)


@compiled
def _bytes_ns(n_bytes: int, ps_per_byte: int) -> int:
    return -(-n_bytes * ps_per_byte // 1000)


@compiled
def _begin(w: World, row: int, piece: int, start_ns: int, cause_ns: int, cause: int, cpu: int) -> None:  # noqa: PLR0913, PLR0917
    """A piece of work starts: it waited for its cause or for the CPU, whichever was later."""
    c = w.cpus[cpu]
    w.from_ns[row, piece] = start_ns
    w.bound[row, piece] = c.last if c.last >= 0 and c.free > cause_ns else cause
    c.last = N_PIECES * row + piece


@compiled
def _paid(w: World, row: int, piece: int, part: int, end_ns: int) -> None:
    w.departure_ns[row, piece, part] = end_ns


# ---- the driver


@compiled
def _driver_ready_ns(w: World) -> int:
    """When the next packet could be polled: a new run waits for company first."""
    s = w.s
    arrival_ns = w.packets[s.driven].arrival
    if w.h.interrupt_each or arrival_ns <= s.driver_end:
        return int(arrival_ns)
    return int(arrival_ns + w.h.coalesce_ns)


@compiled
def _closes(w: World, row: int, end_ns: int) -> bool:
    """Whether the skb is complete with this packet."""
    if w.h.gro_bytes == 0 or row + 1 == w.packets.size or w.packets[row].ends > 0 or w.s.polled == WEIGHT:
        return True
    after = w.packets[row + 1]
    return bool(after.joins == 0 or w.s.first_bytes + after.payload > w.h.gro_bytes or after.arrival > end_ns)


@compiled
def _refused(w: World) -> bool:
    """Whether the protocol's queue has no room for another skb."""
    h, s = w.h, w.s
    waiting = s.skbs - s.taken
    s.throttle = waiting > h.most_waiting or (h.throttled > 0 and s.throttle > 0 and waiting > 0)
    return bool(s.throttle > 0)


@compiled
def _drive(w: World, start_ns: int) -> None:
    """One packet leaves the ring."""
    h, s = w.h, w.s
    row = s.driven
    packet, cpu = w.packets[row], w.cpus[h.driver_cpu]
    new_run = s.runs == 0 or packet.arrival > s.driver_end
    ready_ns = _driver_ready_ns(w)
    _begin(w, row, DRIVER, start_ns, ready_ns, -1, h.driver_cpu)
    now = start_ns + h.interrupt_ns * h.announced * (h.interrupt_each > 0 or new_run)
    _paid(w, row, DRIVER, 0, now)
    now += h.softirq_ns * (new_run and h.softirq_each == 0)
    _paid(w, row, DRIVER, 1, now)
    now += h.driver_ns
    _paid(w, row, DRIVER, 2, now)
    now += h.gro_ns
    _paid(w, row, DRIVER, 3, now)
    s.runs += new_run
    s.polled = 1 if new_run or s.polled == WEIGHT else s.polled + 1
    s.first_bytes += packet.payload
    packet.run, packet.skb = s.runs - 1, s.first
    s.driven += 1
    ends = _closes(w, row, now)
    remote = h.driver_cpu != h.protocol_cpu
    now += h.handover_ns * (ends and remote)
    _paid(w, row, DRIVER, 4, now)
    if ends:
        now = _hand_on(w, row, now)
    _paid(w, row, DRIVER, 5, now)
    s.driver_end = cpu.free = now


@compiled
def _hand_on(w: World, row: int, now: int) -> int:
    """The skb that ends with this packet joins the protocol's queue, or is dropped; when the driver is done with it."""
    h, s = w.h, w.s
    first = s.first
    s.first, s.first_bytes = row + 1, 0
    if _refused(w):
        for at in range(first, row + 1):
            w.packets[at].dropped = 1
        return now
    asleep = s.taken == s.skbs and s.protocol_end <= now
    told = h.driver_cpu != h.protocol_cpu and asleep
    now += h.send_ns * told
    skb = w.skbs[s.skbs]
    skb.first, skb.last, skb.ready, skb.by, skb.told = first, row, now, N_PIECES * row + DRIVER, told
    s.skbs += 1
    return now


# ---- the protocol


@compiled
def _ack_is_due(w: World) -> bool:
    """__tcp_ack_snd_check: more than a segment, and the window's edge goes on."""
    h, s = w.h, w.s
    return bool(s.unanswered > h.mss_bytes and h.window_bytes - s.queued_bytes >= s.told)


@compiled
def _acked(w: World) -> int:
    """Nanoseconds of an ACK that says how things are."""
    s = w.s
    s.unanswered, s.told = 0, w.h.window_bytes - s.queued_bytes
    return int(w.h.ack_ns)


@compiled
def _skb_bytes(w: World, at: int) -> int:
    n_bytes = 0
    for row in range(w.skbs[at].first, w.skbs[at].last + 1):
        n_bytes += w.packets[row].payload
    return int(n_bytes)


@compiled
def _protocol(w: World, start_ns: int) -> None:
    """One skb from IP to the socket."""
    h, s = w.h, w.s
    skb = w.skbs[s.taken]
    row, n_bytes = skb.last, _skb_bytes(w, s.taken)
    new_run = h.driver_cpu < 0 and h.announced > 0 and (s.runs == 0 or skb.ready > s.protocol_end)
    _begin(w, row, PROTOCOL, start_ns, skb.ready, skb.by, h.protocol_cpu)
    now = start_ns + h.interrupt_ns * (skb.told > 0 or new_run)
    _paid(w, row, PROTOCOL, 0, now)
    now += h.softirq_ns * (skb.told > 0 or new_run or h.softirq_each > 0)
    _paid(w, row, PROTOCOL, 1, now)
    now += h.ip_ns
    _paid(w, row, PROTOCOL, 2, now)
    if h.driver_cpu < 0:
        s.runs += new_run or s.runs == 0
        for at in range(skb.first, row + 1):
            w.packets[at].run = s.runs - 1
    s.taken += 1
    by_reader = s.owned > 0 or (h.prequeue > 0 and s.reader == ASLEEP) or s.left < s.taken - 1
    now = _left(w, row, n_bytes, now) if by_reader else _tcp(w, row, n_bytes, now)
    now = _woken(w, row, now)
    s.protocol_end = w.cpus[h.protocol_cpu].free = now
    if by_reader:
        s.left_at = now
    else:
        s.queued = s.left = s.taken
        skb.queued_at = now


@compiled
def _tcp(w: World, row: int, n_bytes: int, now: int) -> int:
    h, s = w.h, w.s
    s.queued_bytes += n_bytes
    s.unanswered += n_bytes
    now += _bytes_ns(n_bytes, h.checksum_ps)
    _paid(w, row, PROTOCOL, 3, now)
    now += h.tcp_ns
    _paid(w, row, PROTOCOL, 4, now)
    if _ack_is_due(w):
        now += _acked(w)
    _paid(w, row, PROTOCOL, 5, now)
    return now


@compiled
def _left(w: World, row: int, n_bytes: int, now: int) -> int:
    """The skb stays for the reader: in the backlog, or in the prequeue."""
    w.s.left_bytes += n_bytes
    w.skbs[w.s.taken - 1].by_reader = 1
    for part in range(3, 6):
        _paid(w, row, PROTOCOL, part, now)
    return now


@compiled
def _woken(w: World, row: int, now: int) -> int:
    """A reader that sleeps is woken."""
    h, s = w.h, w.s
    if s.reader == AWAKE:
        _paid(w, row, PROTOCOL, 6, now)
        _paid(w, row, PROTOCOL, 7, now)
        return now
    now += h.wake_ns
    _paid(w, row, PROTOCOL, 6, now)
    now += h.send_ns * (h.protocol_cpu != h.reader_cpu)
    _paid(w, row, PROTOCOL, 7, now)
    s.reader, s.woken, s.ready, s.ready_by = AWAKE, 1, now + h.delay_ns, N_PIECES * row + PROTOCOL
    return now


# ---- the reader


@compiled
def _reader_starts(w: World, row: int, piece: int, start_ns: int) -> int:
    """A piece of the reader's work; when what a wake-up costs is paid."""
    h, s = w.h, w.s
    _begin(w, row, piece, start_ns, s.ready, s.ready_by, h.reader_cpu)
    now = start_ns + h.interrupt_ns * s.woken * (h.protocol_cpu != h.reader_cpu)
    _paid(w, row, piece, 0, now)
    now += h.schedule_ns * s.woken
    _paid(w, row, piece, 1, now)
    s.woken = 0
    return int(now)


@compiled
def _reader_done(w: World, row: int, piece: int, now: int) -> None:
    s = w.s
    w.cpus[w.h.reader_cpu].free = now
    s.ready, s.ready_by = now, N_PIECES * row + piece


@compiled
def _copy(w: World, start_ns: int) -> None:
    """One packet to the reader's buffer."""
    h, s = w.h, w.s
    skb = w.skbs[s.of]
    row = s.at
    now = _reader_starts(w, row, COPY, start_ns)
    n_bytes = w.packets[row].payload
    fused = h.fused_ps >= 0 and skb.by_reader > 0
    now += h.copy_ns + _bytes_ns(n_bytes, h.fused_ps if fused else h.copy_ps)
    _paid(w, row, COPY, 2, now)
    w.packets[row].call = s.calls
    s.owned = 1
    s.got += n_bytes
    s.queued_bytes -= n_bytes
    s.copied = row
    _next_row(w)
    _reader_done(w, row, COPY, now)


@compiled
def _next_row(w: World) -> None:
    s = w.s
    if s.at < w.skbs[s.of].last:
        s.at += 1
        return
    s.of += 1
    if s.of < s.skbs:
        s.at = w.skbs[s.of].first


@compiled
def _backlog(w: World, start_ns: int) -> None:
    """TCP takes what was left for the reader; the work is the last such skb's."""
    h, s = w.h, w.s
    row = w.skbs[s.taken - 1].last
    now = _reader_starts(w, row, BACKLOG, start_ns)
    now += _bytes_ns(s.left_bytes, h.checksum_ps) * (h.fused_ps < 0)
    _paid(w, row, BACKLOG, 2, now)
    now += (s.taken - s.left) * h.tcp_ns
    _paid(w, row, BACKLOG, 3, now)
    s.owned = 1
    s.queued_bytes += s.left_bytes
    s.unanswered += s.left_bytes
    if _ack_is_due(w):
        now += _acked(w)
    _paid(w, row, BACKLOG, 4, now)
    for at in range(s.left, s.taken):
        w.skbs[at].queued_at = now
    s.queued = s.left = s.taken
    s.left_bytes = 0
    _reader_done(w, row, BACKLOG, now)


@compiled
def _end_call(w: World, start_ns: int) -> None:
    """The call returns and the next begins; the work is that of the last packet copied."""
    h, s = w.h, w.s
    row = s.copied
    _begin(w, row, CALL, start_ns, s.ready, s.ready_by, h.reader_cpu)
    now = start_ns
    if s.unanswered > h.mss_bytes:
        now += _acked(w)
    _paid(w, row, CALL, 0, now)
    now += h.syscall_ns
    _paid(w, row, CALL, 1, now)
    s.got, s.owned = 0, 0
    s.calls += 1
    _reader_done(w, row, CALL, now)


@compiled
def _read(w: World, now: int) -> None:
    """What the reader does next."""
    s = w.s
    first = w.skbs[s.of]
    full = s.got >= w.h.reader_bytes
    if s.of < s.queued and first.queued_at <= now and not full:
        s.at = max(s.at, first.first)
        _copy(w, now)
    elif s.left < s.taken and s.left_at <= now:
        _backlog(w, now)
    elif full:
        _end_call(w, now)
    elif s.of < s.queued or s.left < s.taken:  # half taken by the protocol
        s.ready, s.ready_by = w.cpus[w.h.protocol_cpu].free, w.cpus[w.h.protocol_cpu].last
    elif s.got > 0:
        _end_call(w, now)
    else:
        s.reader, s.owned = ASLEEP, 0


@compiled
def replay(w: World) -> None:
    """Until nothing is left to do."""
    h, s = w.h, w.s
    while True:
        driver_at, protocol_at, reader_at = NEVER, NEVER, NEVER
        if h.driver_cpu >= 0 and s.driven < w.packets.size:
            driver_at = max(_driver_ready_ns(w), w.cpus[h.driver_cpu].free)
        if s.taken < s.skbs:
            protocol_at = max(w.skbs[s.taken].ready, w.cpus[h.protocol_cpu].free)
        if s.reader == AWAKE:
            reader_at = max(s.ready, w.cpus[h.reader_cpu].free)
        if driver_at < protocol_at or (h.driver_first > 0 and driver_at == protocol_at):
            if driver_at <= reader_at and driver_at < NEVER:
                _drive(w, driver_at)
                continue
        elif protocol_at <= reader_at and protocol_at < NEVER:
            _protocol(w, protocol_at)
            continue
        if reader_at == NEVER:
            return
        _read(w, reader_at)


# ---- what the elapsed time was made of


@compiled
def walk_back(path: Path, row: int, part_ns: Nanoseconds, gap_ns: Nanoseconds) -> int:
    """From the copy of a packet back to the arrival that all of it waited for; that packet's row.

    What each part took is added to ``part_ns``, what passed before a piece began, though its cause was there, to
    ``gap_ns``.
    """
    piece = COPY
    while True:
        before = path.from_ns[row, piece]
        for part in range(part_ns.shape[1]):
            after = path.departure_ns[row, piece, part]
            if after >= 0:
                part_ns[piece, part] += after - before
                before = after
        bound = path.bound[row, piece]
        if bound < 0:
            gap_ns[piece] += path.from_ns[row, piece] - path.arrival_ns[row]
            return row
        end_ns = path.from_ns[bound // N_PIECES, bound % N_PIECES]
        for part in range(part_ns.shape[1]):
            end_ns = max(end_ns, path.departure_ns[bound // N_PIECES, bound % N_PIECES, part])
        gap_ns[piece] += path.from_ns[row, piece] - end_ns
        row, piece = bound // N_PIECES, bound % N_PIECES

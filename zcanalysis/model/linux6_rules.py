"""The rules of `linux6` as one compiled loop for one host: from one end of a piece of work to the next."""

from typing import NamedTuple

from zcanalysis.model.linux6_state import *  # noqa: F403


class World(NamedTuple):
    h: Record
    s: Record
    cpus: Rows
    procs: Rows
    nodes: Rows
    packets: Rows
    skbs: Rows
    under_way: Rows


@compiled
def _begin(w, cpu, kind, ns):
    """A piece of work starts on a CPU; its node is returned."""
    s, c = w.s, w.cpus[cpu]
    node = w.nodes[s.nodes]
    c.kind, c.start = kind, s.now
    c.end = NEVER if ns == NEVER else s.now + ns
    node.start, node.end, node.kind, node.pred, node.prev = s.now, c.end, kind, c.node, c.node
    node.ref, node.packets, node.handovers, node.ips, node.tcps, node.sums, node.acks = -1, 0, 0, 0, 0, 0, 0
    node.gap, node.process, node.first, node.softirq, node.driven, node.wakes, node.whole = NO_GAP, 0, 0, 0, 0, 0, 1
    c.node = s.nodes
    s.nodes += 1
    c.packets, c.skbs, c.tcps, c.tcp_packets, c.acks, c.process = 0, 0, 0, 0, 0, NOBODY
    return node


@compiled
def _is_stoppable(kind):
    return kind == WRITE or kind == COPY or kind == SYSCALL or kind == SCHEDULE or kind == OTHERS


@compiled
def _pause(w, cpu):
    """The process's work stops here and is to go on later."""
    s, c = w.s, w.cpus[cpu]
    p = w.procs[c.process]
    p.kind, p.left, p.packets = c.kind, c.end - s.now, c.packets
    w.nodes[c.node].end = s.now
    if c.kind != OTHERS:
        c.busy_ns += s.now - c.start
    c.kind, c.end = IDLE, NEVER


@compiled
def _signal(w, cpu, why, node, gap, ref):
    """Another CPU or the device interrupts this one."""
    s, c = w.s, w.cpus[cpu]
    if c.irq == 0:
        c.irq_node, c.irq_at, c.irq_gap, c.irq_ref = node, s.now, gap, ref
    c.irq |= why
    if c.kind != IDLE and _is_stoppable(c.kind):
        _pause(w, cpu)
    if c.kind == IDLE:
        _dispatch_softirq(w, cpu)


# ---- the sender


@compiled
def _allowed(w):
    """How many packets may be transmitted now."""
    h, s = w.h, w.s
    room = min(s.edge, s.acked + h.cwnd) - s.acked
    ready = min(h.gso, min(s.acked + room, min(s.ip_taken + h.tsq, s.written)) - s.sent)
    if ready <= 0:
        return 0
    if ready == h.gso or ready == s.written - s.sent or 3 * ready >= room or s.sent == s.acked:
        return ready
    return 0


@compiled
def _start_transmit(w, cpu, burst, process):
    h, s = w.h, w.s
    node = _begin(w, cpu, TRANSMIT, h.send_burst_ns + burst * h.send_packet_ns)
    node.packets, node.process = burst, process
    sent_ns = s.now + h.send_burst_ns
    for at in range(s.sent, s.sent + burst):
        packet = w.packets[at]
        sent_ns += h.send_packet_ns
        packet.sent_ns, packet.sent_node, packet.there_ns = sent_ns, w.cpus[cpu].node, sent_ns
        if h.wired:
            before = w.packets[at - 1].there_ns - h.delay_ns if at > 0 else 0
            packet.wire_by = before > sent_ns
            packet.there_ns = max(sent_ns, before) + h.wire_ns + h.delay_ns
    s.sent += burst


@compiled
def _first_on(w):
    return w.s.driver_on if w.h.driver_cpu >= 0 else w.s.protocol_on


@compiled
def _schedule_first(w, state):
    h, s = w.h, w.s
    if h.driver_cpu >= 0:
        s.driver_on, s.driver_new, s.driver_left = state, 1, WEIGHT
    else:
        s.protocol_on, s.protocol_new = state, 1


@compiled
def _first_waiting(w):
    """The first packet that no stage has taken."""
    return w.s.ringed if w.h.driver_cpu >= 0 else w.s.skb_out


@compiled
def _announce(w, cpu):
    """Packets may wait for a stage that is not scheduled."""
    h, s = w.h, w.s
    waiting = _first_waiting(w)
    if waiting == s.sent or _first_on(w) != OFF:
        return
    if h.wired:
        there_ns = w.packets[waiting].there_ns
        s.nic_at = max(there_ns, s.now) + h.coalesce_ns
        s.nic_node, s.nic_gap, s.nic_ref = w.cpus[cpu].node, BY_COALESCING, waiting
        if there_ns >= s.now:
            s.nic_gap = BY_WIRE
        _schedule_first(w, ANNOUNCED)
    elif w.packets[waiting].there_ns <= s.now:
        first_cpu = h.driver_cpu if h.driver_cpu >= 0 else h.protocol_cpu
        if first_cpu == cpu:
            _schedule_first(w, ON)
        else:
            _schedule_first(w, ANNOUNCED)
            w.cpus[cpu].owes |= TO_FIRST


@compiled
def _transmitted(w, cpu):
    waiting = w.s.sent - _first_waiting(w)
    w.s.overflows += max(0, min(waiting - MOST_BACKLOG, w.nodes[w.cpus[cpu].node].packets))
    _announce(w, cpu)


@compiled
def _room(w, cpu, gap):
    """The sender may see a window or a buffer with more room: a sleeping one transmits from here, or is woken."""
    h, s, sender = w.h, w.s, w.procs[SENDER]
    if sender.awake != ASLEEP:
        return
    if _allowed(w) > 0:
        w.cpus[cpu].transmit = 1
    if s.written < w.packets.size and 3 * (s.written - s.acked) <= 2 * h.sndbuf:
        s.sender_wake_ups += 1
        if cpu == h.sender_cpu:
            _awaken(w, cpu, SENDER, gap)
        else:
            sender.awake = WAKING
            w.cpus[cpu].owes |= TO_SENDER


@compiled
def _awaken(w, cpu, process, gap):
    p = w.procs[process]
    p.awake, p.first, p.woken_by, p.woken_gap = AWAKE, 1, w.cpus[cpu].node, gap


# ---- the socket


@compiled
def _ack_leaves(w, cpu, unanswered):
    """The ACK just paid for: all that TCP took, but for the last unanswered packets."""
    h, s = w.h, w.s
    s.answered = max(s.answered, s.taken - unanswered)
    s.told_window = h.window - (s.taken - s.copied)
    s.told_edge = max(s.told_edge, s.answered + s.told_window)
    s.timer_at = NEVER
    s.timer_due = 0
    if h.local:
        s.acked, s.edge = s.answered, s.told_edge
        _room(w, cpu, NO_GAP)
    else:
        way = w.under_way[s.ack_in % w.under_way.size]
        way.at, way.acked, way.edge, way.node = s.now + h.delay_ns, s.answered, s.told_edge, w.cpus[cpu].node
        s.ack_in += 1


@compiled
def _delay_ack(w, cpu):
    s = w.s
    if s.taken > s.answered and s.timer_at == NEVER and not s.timer_due:
        s.timer_at, s.timer_node = s.now + w.h.delack_ns, w.cpus[cpu].node


@compiled
def _tcp_takes(w, node, c, packets):
    """One skb in softirq, the socket not owned: its price and whether it is answered at once."""
    h, s = w.h, w.s
    c.tcps += 1
    c.tcp_packets += packets
    c.unanswered += packets
    queued = s.taken + c.tcp_packets - s.copied
    if c.unanswered > 1 and h.window - queued >= s.told_window:
        c.acks += 1
        c.unanswered = 0
        return h.tcp_ns + packets * h.checksum_ns + h.ack_ns + h.local * h.sender_ack_ns
    return h.tcp_ns + packets * h.checksum_ns


@compiled
def _ip_takes(w, node, c, packets):
    """One skb above the driver; nanoseconds."""
    node.ips += 1
    c.packets += packets
    c.skbs += 1
    if w.s.owned:
        return w.h.ip_ns
    return w.h.ip_ns + _tcp_takes(w, node, c, packets)


@compiled
def _finish_price(w, cpu, node, ns):
    """What is known of a step once its skbs are: counts, a reader to wake, its end."""
    c = w.cpus[cpu]
    node.tcps, node.sums, node.acks = c.tcps, c.tcp_packets, c.acks
    if c.tcps > 0 and w.procs[READER].awake == ASLEEP:
        node.wakes = 1
        ns += w.h.wake_ns
    c.end = w.s.now + ns
    node.end = c.end


@compiled
def _step_done(w, cpu):
    """Effects of IP and TCP at the end of a step."""
    h, s, c = w.h, w.s, w.cpus[cpu]
    s.ip_taken += c.packets
    if c.tcps < c.skbs:
        s.backlog_packets += c.packets - c.tcp_packets
        s.backlog_skbs += c.skbs - c.tcps
        s.backlogged += c.packets - c.tcp_packets
    s.taken += c.tcp_packets
    if c.acks > 0:
        s.acks += c.acks
        _ack_leaves(w, cpu, c.unanswered)
    if h.local:
        _room(w, cpu, NO_GAP)
    _delay_ack(w, cpu)
    if s.taken > s.copied and w.procs[READER].awake == ASLEEP:
        s.wake_ups += 1
        if cpu == h.reader_cpu:
            _awaken(w, cpu, READER, NO_GAP)
        else:
            w.procs[READER].awake = WAKING
            c.owes |= TO_READER


# ---- softirqs


@compiled
def _there(w, first, most):
    """How many packets from the first on are there, most at most."""
    last = min(first + most, w.s.sent)
    at = first
    while at < last and w.packets[at].there_ns <= w.s.now:
        at += 1
    return at - first


@compiled
def _start_driver(w, cpu):
    h, s, c = w.h, w.s, w.cpus[cpu]
    node = _begin(w, cpu, STEP, 0)
    c.unanswered = s.taken - s.answered
    node.driven = 1
    packets = _there(w, s.ringed, min(STEP_PACKETS, s.driver_left))
    last = packets == s.driver_left or _there(w, s.ringed + packets, 1) == 0
    ns = packets * (h.driver_ns + h.gro_ns)
    if s.driver_new:
        node.softirq, s.driver_new = 1, 0
        s.runs += 1
        ns += h.softirq_ns
    inline = h.protocol_cpu == h.driver_cpu
    s.skb_next = s.skb_in
    for at in range(packets):
        s.merging += 1
        if s.merging == h.gro or (last and at == packets - 1):
            if inline:
                ns += _ip_takes(w, node, c, s.merging)
            else:
                w.skbs[s.skb_next] = s.merging
                s.skb_next += 1
                node.handovers += 1
                ns += h.handover_ns
            s.merging = 0
    node.packets = packets
    s.ringed += packets
    s.driver_left -= packets
    _finish_price(w, cpu, node, ns)


@compiled
def _driver_done(w, cpu):
    h, s = w.h, w.s
    if h.protocol_cpu == h.driver_cpu:
        _step_done(w, cpu)
    elif s.skb_next > s.skb_in:
        s.skb_in = s.skb_next
        if s.protocol_on == OFF:
            s.protocol_on, s.protocol_new = ANNOUNCED, 1
            w.cpus[cpu].owes |= TO_PROTOCOL
    if s.driver_left == 0:
        s.driver_left = WEIGHT
    if _there(w, s.ringed, 1) == 0:
        s.driver_on = OFF
        _announce(w, cpu)


@compiled
def _start_protocol(w, cpu):
    h, s, c = w.h, w.s, w.cpus[cpu]
    node = _begin(w, cpu, STEP, 0)
    c.unanswered = s.taken - s.answered
    ns = 0
    if s.protocol_new:
        node.softirq, s.protocol_new = 1, 0
        s.runs += 1
        ns += h.softirq_ns
    if h.driver_cpu < 0:
        packets = _there(w, s.skb_out, STEP_PACKETS)
        for _ in range(packets):
            ns += _ip_takes(w, node, c, 1)
        s.skb_out += packets
    else:
        while s.skb_out < s.skb_in and (c.packets == 0 or c.packets + w.skbs[s.skb_out] <= STEP_PACKETS):
            ns += _ip_takes(w, node, c, w.skbs[s.skb_out])
            s.skb_out += 1
    _finish_price(w, cpu, node, ns)


@compiled
def _protocol_done(w, cpu):
    h, s = w.h, w.s
    _step_done(w, cpu)
    left = _there(w, s.skb_out, 1) if h.driver_cpu < 0 else s.skb_in - s.skb_out
    if left == 0:
        s.protocol_on = OFF
        if h.driver_cpu < 0:
            _announce(w, cpu)


@compiled
def _start_backlog(w, cpu, process):
    """The socket's backlog becomes TCP's: by the reader, or by a softirq that finds no owner any more."""
    h, s, c = w.h, w.s, w.cpus[cpu]
    ns = s.backlog_skbs * h.tcp_ns + s.backlog_packets * h.checksum_ns
    acks = int(s.taken - s.answered + s.backlog_packets > 1)
    node = _begin(w, cpu, BACKLOG, ns + acks * (h.ack_ns + h.local * h.sender_ack_ns))
    node.process, node.tcps, node.sums, node.acks = process, s.backlog_skbs, s.backlog_packets, acks
    c.packets, c.acks = s.backlog_packets, acks
    s.backlog_skbs, s.backlog_packets = 0, 0


@compiled
def _backlog_done(w, cpu):
    s, c = w.s, w.cpus[cpu]
    s.taken += c.packets
    if c.acks:
        s.acks += 1
        _ack_leaves(w, cpu, 0)
    _delay_ack(w, cpu)
    if not s.owned and s.taken > s.copied and w.procs[READER].awake == ASLEEP:
        s.wake_ups += 1
        if cpu == w.h.reader_cpu:
            _awaken(w, cpu, READER, NO_GAP)
        else:
            w.procs[READER].awake = WAKING
            c.owes |= TO_READER


@compiled
def _start_ack(w, cpu, process):
    node = _begin(w, cpu, ACK, w.h.ack_ns + w.h.local * w.h.sender_ack_ns)
    node.acks, node.process = 1, process


# ---- interrupts


@compiled
def _start_interrupt(w, cpu):
    s, c = w.s, w.cpus[cpu]
    at, pred, gap, ref = c.irq_at, c.irq_node, c.irq_gap, c.irq_ref
    node = _begin(w, cpu, INTERRUPT, w.h.interrupt_ns)
    if at == s.now:
        node.pred, node.gap, node.ref = pred, gap, ref
    c.handling, c.irq = c.irq, 0
    s.interrupts += 1


@compiled
def _interrupt_done(w, cpu):
    s, why = w.s, w.cpus[cpu].handling
    if why & (TO_FIRST | FROM_DEVICE):
        if w.h.driver_cpu >= 0:
            s.driver_on = ON
        else:
            s.protocol_on = ON
    if why & TO_PROTOCOL:
        s.protocol_on = ON
    if why & TO_READER:
        _awaken(w, cpu, READER, NO_GAP)
    if why & TO_SENDER:
        _awaken(w, cpu, SENDER, NO_GAP)
    if why & TO_FREE:
        s.free_on_way = 0


@compiled
def _start_sending(w, cpu):
    """The first of the signals that this CPU owes."""
    c = w.cpus[cpu]
    _begin(w, cpu, SEND_INTERRUPT, w.h.send_interrupt_ns)
    c.owing = c.owes & -c.owes
    c.owes ^= c.owing


@compiled
def _sending_done(w, cpu):
    h, c = w.h, w.cpus[cpu]
    why, node = c.owing, c.node
    target = h.sender_cpu
    if why == TO_FIRST and h.driver_cpu >= 0:
        target = h.driver_cpu
    elif why == TO_FIRST or why == TO_PROTOCOL:
        target = h.protocol_cpu
    elif why == TO_READER:
        target = h.reader_cpu
    _signal(w, target, why, node, NO_GAP, -1)


# ---- processes


@compiled
def _runnable(w, process):
    if process == HOG:
        return w.h.hogs > 0
    if process == SENDER and w.h.sender_cpu != w.h.reader_cpu:
        return False
    return w.procs[process].awake == AWAKE


@compiled
def _next_turn(w):
    """The turn passes to the next process that can run on the reader's CPU."""
    s = w.s
    for step in range(1, 4):
        process = (s.turn + step) % 3
        if _runnable(w, process):
            s.turn = process
            s.turn_ticks = w.h.hogs if process == HOG else 1
            return


@compiled
def _who(w, cpu):
    h, s = w.h, w.s
    if cpu == h.reader_cpu and s.contended:
        if not _runnable(w, s.turn):
            _next_turn(w)
        return s.turn if _runnable(w, s.turn) else NOBODY
    if cpu == h.sender_cpu and w.procs[SENDER].awake == AWAKE:
        return SENDER
    if cpu == h.reader_cpu and w.procs[READER].awake == AWAKE:
        return READER
    return NOBODY


@compiled
def _owner(w, cpu, process, node):
    """This node is a process's; the first since it woke up knows by whom."""
    c, p = w.cpus[cpu], w.procs[process]
    c.process = process
    node.process = 1
    if p.first:
        p.first = 0
        node.first = 1
        before = node.prev
        by_softirq = before >= 0 and w.nodes[before].end == node.start and not w.nodes[before].process
        if not by_softirq:
            node.pred = p.woken_by
            node.gap = p.woken_gap if p.woken_gap != NO_GAP else BY_OTHERS


@compiled
def _begin_process(w, cpu, process, kind, ns, packets):
    node = _begin(w, cpu, kind, ns)
    node.packets = packets
    w.cpus[cpu].packets = packets
    _owner(w, cpu, process, node)


@compiled
def _resume(w, cpu, process):
    p = w.procs[process]
    packets, left = p.packets, p.left
    node = _begin(w, cpu, p.kind, left)
    node.whole = 0
    w.cpus[cpu].packets = packets
    _owner(w, cpu, process, node)
    p.kind = -1


@compiled
def _run_sender(w, cpu):
    """What the sender's process does next; false if it sleeps."""
    h, s = w.h, w.s
    burst = _allowed(w)
    if burst > 0:
        _start_transmit(w, cpu, burst, 1)
        _owner(w, cpu, SENDER, w.nodes[w.cpus[cpu].node])
        return True
    room = min(min(h.gso, w.packets.size - s.written), h.sndbuf - (s.written - s.acked))
    if room > 0:
        _begin_process(w, cpu, SENDER, WRITE, room * h.write_ns, room)
        return True
    w.procs[SENDER].awake = ASLEEP
    return False


@compiled
def _cleanup_due(w):
    """__tcp_cleanup_rbuf: whether the reader sends an ACK here."""
    s = w.s
    if s.taken - s.answered > 1 or s.timer_due:
        return True
    opened = s.told_edge - s.taken
    window = w.h.window - (s.taken - s.copied)
    return s.got > 0 and 2 * opened <= w.h.window and window > 0 and window >= 2 * opened


@compiled
def _run_reader(w, cpu):
    """What the reader does next; false if it sleeps."""
    h, s = w.h, w.s
    if w.procs[READER].first and s.left > 0:
        _begin_process(w, cpu, READER, SCHEDULE, h.schedule_ns, 0)
        return True
    if s.owned:
        there = min(min(s.taken - s.copied, s.left), h.gso)
        if there > 0:
            _begin_process(w, cpu, READER, COPY, there * h.copy_ns, there)
            return True
        full = s.left == 0 or (s.got > 0 and s.backlog_skbs == 0)
        if (full or s.backlog_skbs == 0) and _cleanup_due(w):
            _start_ack(w, cpu, 1)
            w.cpus[cpu].process = READER
            return True
        if s.backlog_skbs > 0:
            _start_backlog(w, cpu, 1)
            w.cpus[cpu].process = READER
            return True
        s.owned = 0
        if not full:
            w.procs[READER].awake = ASLEEP
            return False
    _begin_process(w, cpu, READER, SYSCALL, h.syscall_ns, 0)
    return True


@compiled
def _run_process(w, cpu):
    process = _who(w, cpu)
    while process != NOBODY:
        if process == HOG:
            _begin_process(w, cpu, HOG, OTHERS, NEVER, 0)
            return
        if w.procs[process].kind >= 0:
            _resume(w, cpu, process)
            return
        if process == SENDER and _run_sender(w, cpu):
            return
        if process == READER and _run_reader(w, cpu):
            return
        process = _who(w, cpu)
    c = w.cpus[cpu]
    c.kind, c.end = IDLE, NEVER


@compiled
def _dispatch_softirq(w, cpu):
    """What an idle or interrupted CPU does now if a process's work may wait; else nothing changes."""
    h, s, c = w.h, w.s, w.cpus[cpu]
    if c.owes:
        _start_sending(w, cpu)
    elif c.irq:
        _start_interrupt(w, cpu)
    elif cpu == h.driver_cpu and s.driver_on == ON:
        _start_driver(w, cpu)
    elif cpu == h.protocol_cpu and s.protocol_on == ON:
        _start_protocol(w, cpu)
    elif cpu == h.protocol_cpu and s.backlog_skbs > 0 and not s.owned:
        _start_backlog(w, cpu, 0)
    elif cpu == h.protocol_cpu and s.timer_due and not s.owned:
        s.timer_due = 0
        s.delayed_acks += 1
        _start_ack(w, cpu, 0)
    elif c.transmit and w.procs[SENDER].awake == ASLEEP and _allowed(w) > 0:
        _start_transmit(w, cpu, _allowed(w), 0)
    else:
        c.transmit = 0
        return False
    return True


@compiled
def _dispatch(w, cpu):
    if not _dispatch_softirq(w, cpu):
        _run_process(w, cpu)


@compiled
def _process_done(w, cpu):
    """Effects of a process's own work."""
    h, s, c = w.h, w.s, w.cpus[cpu]
    if c.kind == WRITE:
        s.written += c.packets
    elif c.kind == SYSCALL:
        s.owned, s.left, s.got = 1, h.reader, 0
        s.calls += 1
    elif c.kind == SCHEDULE:
        s.owned = 1
    elif c.kind == COPY:
        s.copied += c.packets
        s.left -= c.packets
        s.got += c.packets
        s.freed += c.packets
        if h.free_packets > 0 and s.freed >= h.free_packets and not s.free_on_way:
            s.freed, s.free_on_way = 0, 1
            c.owes |= TO_FREE


@compiled
def _cpu_event(w, cpu):
    """A piece of work ends: its effects, then what comes next."""
    c = w.cpus[cpu]
    c.busy_ns += w.s.now - c.start
    kind = c.kind
    if kind == TRANSMIT:
        _transmitted(w, cpu)
    elif kind == SEND_INTERRUPT:
        _sending_done(w, cpu)
    elif kind == INTERRUPT:
        _interrupt_done(w, cpu)
    elif kind == STEP and w.nodes[c.node].driven:
        _driver_done(w, cpu)
    elif kind == STEP:
        _protocol_done(w, cpu)
    elif kind == BACKLOG:
        _backlog_done(w, cpu)
    elif kind == ACK:
        w.s.acks += 1
        _ack_leaves(w, cpu, 0)
    else:
        _process_done(w, cpu)
    c.kind, c.end = IDLE, NEVER
    _dispatch(w, cpu)


@compiled
def _ack_arrives(w):
    s = w.s
    way = w.under_way[s.ack_out % w.under_way.size]
    s.ack_out += 1
    s.acked, s.edge = way.acked, way.edge
    c = w.cpus[OTHER]
    idle = c.kind == IDLE
    before = c.node
    c.node = way.node
    _room(w, OTHER, BY_DELAY)
    c.node = before
    if idle:
        if _dispatch_softirq(w, OTHER):
            node = w.nodes[c.node]
            node.pred, node.gap = way.node, BY_DELAY
        else:
            _run_process(w, OTHER)


@compiled
def _timer_fires(w):
    s = w.s
    s.timer_at, s.timer_due = NEVER, 1
    cpu = w.h.protocol_cpu
    c = w.cpus[cpu]
    if s.owned:
        return
    stopped = c.kind != IDLE and _is_stoppable(c.kind)
    if stopped:
        _pause(w, cpu)
    if c.kind == IDLE:
        _dispatch(w, cpu)
        node = w.nodes[c.node]
        node.pred, node.gap = s.timer_node, BY_TIMER


@compiled
def _tick(w):
    h, s = w.h, w.s
    s.tick_at += h.slice_ns
    s.turn_ticks -= 1
    if s.turn_ticks <= 0:
        _next_turn(w)
    c = w.cpus[h.reader_cpu]
    if c.kind != IDLE and _is_stoppable(c.kind) and c.process != s.turn:
        _pause(w, h.reader_cpu)
        _dispatch(w, h.reader_cpu)


@compiled
def _start(w):
    h, s = w.h, w.s
    for cpu in range(CPUS):
        w.cpus[cpu].kind, w.cpus[cpu].end, w.cpus[cpu].node = IDLE, NEVER, -1
    for process in range(3):
        w.procs[process].kind = -1
    s.nic_at, s.timer_at, s.tick_at = NEVER, NEVER, NEVER
    s.contended = h.hogs > 0 or h.sender_cpu == h.reader_cpu
    if s.contended:
        s.tick_at = h.slice_ns
    s.turn = HOG if h.hogs > 0 else SENDER
    s.turn_ticks = max(h.hogs, 1)
    s.told_edge = s.told_window = s.edge = h.window
    s.left = h.reader
    w.procs[SENDER].awake, w.procs[SENDER].first, w.procs[SENDER].woken_by = AWAKE, 1, -1
    _dispatch(w, h.sender_cpu)
    if h.hogs > 0 and h.sender_cpu != h.reader_cpu:
        _dispatch(w, h.reader_cpu)


@compiled
def replay_host(w):
    """1 when the last byte is copied, 0 where nothing will ever happen, -1 where the nodes did not suffice."""
    s = w.s
    _start(w)
    while s.copied < w.packets.size:
        at, what = NEVER, -1
        for cpu in range(CPUS):
            if w.cpus[cpu].end < at:
                at, what = w.cpus[cpu].end, cpu
        if s.nic_at < at:
            at, what = s.nic_at, CPUS
        if s.ack_out < s.ack_in and w.under_way[s.ack_out % w.under_way.size].at < at:
            at, what = w.under_way[s.ack_out % w.under_way.size].at, CPUS + 1
        if s.timer_at < at:
            at, what = s.timer_at, CPUS + 2
        if s.tick_at < at:
            at, what = s.tick_at, CPUS + 3
        if what < 0:
            return 0
        if s.nodes + 4 > w.nodes.size:
            return -1
        s.now = at
        if what < CPUS:
            _cpu_event(w, what)
        elif what == CPUS:
            s.nic_at = NEVER
            cpu = w.h.driver_cpu if w.h.driver_cpu >= 0 else w.h.protocol_cpu
            _signal(w, cpu, FROM_DEVICE, s.nic_node, s.nic_gap, s.nic_ref)
        elif what == CPUS + 1:
            _ack_arrives(w)
        elif what == CPUS + 2:
            _timer_fires(w)
        else:
            _tick(w)
    return 1


# ---- what the elapsed time was made of


@compiled
def _blame_node(w, node, ns, uses):
    """Nanoseconds of one piece of work by stage."""
    h = w.h
    if node.kind < STEP and node.kind != TRANSMIT and node.kind != ACK:
        ns[node.kind] += node.end - node.start
        if node.kind == WRITE or node.kind == COPY:
            uses[node.kind] += node.packets * node.whole
        else:
            uses[node.kind] += node.whole
        return
    if node.kind == TRANSMIT:
        ns[TRANSMIT] += node.end - node.start
        uses[TRANSMIT] += node.packets
        return
    uses[SOFTIRQ] += node.softirq
    uses[DRIVER] += node.packets * node.driven
    uses[GRO] += node.packets * node.driven
    uses[HANDOVER] += node.handovers
    uses[IP] += node.ips
    uses[TCP] += node.tcps
    uses[CHECKSUM] += node.sums
    uses[ACK] += node.acks
    uses[SENDER_ACK] += node.acks * h.local
    uses[WAKE] += node.wakes
    ns[SOFTIRQ] += node.softirq * h.softirq_ns
    ns[DRIVER] += node.packets * node.driven * h.driver_ns
    ns[GRO] += node.packets * node.driven * h.gro_ns
    ns[HANDOVER] += node.handovers * h.handover_ns
    ns[IP] += node.ips * h.ip_ns
    ns[TCP] += node.tcps * h.tcp_ns
    ns[CHECKSUM] += node.sums * h.checksum_ns
    ns[ACK] += node.acks * h.ack_ns
    ns[SENDER_ACK] += node.acks * h.local * h.sender_ack_ns
    ns[WAKE] += node.wakes * h.wake_ns


@compiled
def _blame_wire(w, start, packet, ns, uses):
    """From an interrupt of the device back to the burst that sent the packet; its node, entered where it was sent."""
    h = w.h
    at = w.packets[packet]
    ns[COALESCING] += start - at.there_ns
    uses[COALESCING] += 1
    ns[DELAY] += h.delay_ns
    uses[DELAY] += 1
    ns[LINK] += h.wire_ns
    uses[LINK] += 1
    while w.packets[packet].wire_by:
        packet -= 1
        ns[LINK] += h.wire_ns
        uses[LINK] += 1
    sent = w.packets[packet]
    ns[TRANSMIT] += sent.sent_ns - w.nodes[sent.sent_node].start
    return sent.sent_node


@compiled
def blame_path(w, ns, uses):
    """Walks back from the last copy and adds up nanoseconds and uses by stage."""
    at = w.cpus[w.h.reader_cpu].node
    while w.nodes[at].kind != COPY:
        at = w.nodes[at].prev
    in_process, entered = True, False
    while at >= 0:
        node = w.nodes[at]
        if not entered:
            _blame_node(w, node, ns, uses)
        entered = False
        if in_process and not (node.process and node.first):
            at = node.prev
            if at >= 0 and w.nodes[at].end < node.start:
                ns[OTHERS] += node.start - w.nodes[at].end
            continue
        if node.gap == BY_WIRE:
            at = _blame_wire(w, node.start, node.ref, ns, uses)
            entered = True
        else:
            before, at = node.start, node.pred
            if at >= 0 and node.gap != NO_GAP:
                stage = (OTHERS, DELAY, COALESCING, TIMER, OTHERS)[node.gap]
                ns[stage] += before - w.nodes[at].end
                uses[stage] += 1
        if at >= 0:
            in_process = w.nodes[at].process == 1


@compiled
def replay_hosts(hosts, n_packets, most_nodes, states, ns, uses, busy):
    """Replays and blames hosts one after the other; how many were done, and what stopped the next."""
    nodes = np.zeros(most_nodes, NODE)
    packets = np.zeros(n_packets, PACKET)
    skbs = np.zeros(n_packets, np.int64)
    under_way = np.zeros(n_packets + 1, ACK_UNDER_WAY)
    for at in range(hosts.size):
        cpus = np.zeros(CPUS, CPU)
        procs = np.zeros(3, PROCESS)
        w = World(hosts[at], states[at], cpus, procs, nodes, packets, skbs, under_way)
        code = replay_host(w)
        if code < 1:
            return at, code
        blame_path(w, ns[at], uses[at])
        for cpu in range(CPUS):
            busy[at, cpu] = cpus[cpu].busy_ns
    return hosts.size, 1

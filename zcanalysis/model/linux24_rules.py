"""The rules of `linux24` as one compiled loop for one host: integers in, integers out.

One walk through time, from one decision of the CPU to the next. Everything that the CPU does is a row of `NODE`, with
the moment that bound its start, so that `blame_path` can walk back from the last byte.
"""

from typing import Any, Final, TypeAlias

import numpy as np

from zcanalysis.model.compiling import compiled, inlined

Record: TypeAlias = Any  # one row of HOST, STATE, NODE or PACKET: numba reads and writes its fields
Rows: TypeAlias = Any  # an array of such rows

# fmt: off
STAGES: Final = (
    "sender", "link", "delay", "interrupt", "softirq", "tcp", "checksum", "copy", "copy and checksum", "ack", "wake-up",
    "schedule", "syscall", "reader waits for the CPU", "timer",
)
SENDER, LINK, DELAY, INTERRUPT, SOFTIRQ, TCP, CHECKSUM, COPY = range(8)
FUSED, ACK, WAKE, SCHEDULE, SYSCALL, READER, TIMER = range(8, len(STAGES))
DIRECT, PREQUEUE, BACKLOG = range(3)  # where the softirq put a segment
BY_CPU, BY_ARRIVAL, BY_TIMER, BY_WAKE = range(4)  # what the start of a node waited for
BY_ITSELF, BY_OTHER = range(2)  # what sent and wire waited for: the packet before, or the window / the sender

NEVER: Final = np.iinfo(np.int64).max
HOST_FIELDS: Final = (
    "sender_ns", "wire_ns", "delay_ns", "interrupt_ns", "softirq_ns", "tcp_ns", "early_checksum_ns",
    "late_checksum_ns", "late_checksum", "copy_ps_per_byte", "fused_ps_per_byte", "ack_ns", "wake_ns",
    "schedule_ns", "syscall_ns", "reader_delay_ns", "delack_ns", "prequeue_timer_ns", "window_bytes", "clamp_bytes",
    "mss_bytes",
    "reader_bytes", "blocking", "prequeue",
)
STATE_FIELDS: Final = (
    "now", "nodes", "sent", "arrived", "next", "head", "offset", "prequeued", "backlogged", "asleep", "owned",
    "installed", "wake_node", "bind", "left", "copied", "eaten", "acked", "window", "scheduled", "blocked", "timer",
    "timer_node", "acks", "delayed_acks", "scheduler_failed", "eaten_packets", "wake_ups", "last_copy", "elapsed_ns",
)
NODE: Final = np.dtype(
    [
        ("start", np.int64), ("end", np.int64), ("ref", np.int64), ("stage", np.int8), ("bind", np.int8),
        ("reader", np.int8), ("use", np.int8),
    ]
)
PACKET: Final = np.dtype(
    [
        ("sent_ns", np.int64), ("on_wire_ns", np.int64), ("in_memory_ns", np.int64), ("softirq_ns", np.int64),
        ("copied_ns", np.int64), ("acked_ns", np.int64), ("opened_by", np.int64), ("queue", np.int8),
        ("sent_by", np.int8), ("on_wire_by", np.int8), ("softirq_by", np.int8),
    ]
)
# fmt: on
HOST: Final = np.dtype([(name, np.int64) for name in HOST_FIELDS])
STATE: Final = np.dtype([(name, np.int64) for name in STATE_FIELDS])


@inlined
def _node(s: Record, nodes: Rows, stage: int, ns: int, bind: int, ref: int) -> None:
    """The CPU does one thing in interrupt or softirq context."""
    node = nodes[s.nodes]
    node.start = s.now
    s.now += ns
    node.end = s.now
    node.stage, node.bind, node.ref, node.reader, node.use = stage, bind, ref, 0, 1
    s.nodes += 1


@inlined
def _send(h: Record, s: Record, packets: Rows, opened_ns: int, ack_node: int) -> None:
    """The sender learns of a window and sends what fits; the link carries it."""
    edge_bytes = s.acked * h.mss_bytes + s.window
    while s.sent < packets.size and (s.sent + 1) * h.mss_bytes <= edge_bytes:
        packet = packets[s.sent]
        before_sent, before_wire = 0, 0
        if s.sent > 0:
            before_sent, before_wire = packets[s.sent - 1].sent_ns, packets[s.sent - 1].on_wire_ns
        packet.opened_by = ack_node
        packet.sent_by = BY_OTHER if opened_ns >= before_sent else BY_ITSELF
        packet.sent_ns = max(opened_ns, before_sent) + h.sender_ns
        packet.on_wire_by = BY_OTHER if packet.sent_ns >= before_wire else BY_ITSELF
        packet.on_wire_ns = max(packet.sent_ns, before_wire) + h.wire_ns
        packet.in_memory_ns = packet.on_wire_ns + h.delay_ns
        packet.acked_ns = -1
        s.sent += 1


@inlined
def _select_window(h: Record, s: Record) -> int:
    """__tcp_select_window, tcp_output.c:643."""
    free = h.window_bytes - (s.next - s.head) * h.mss_bytes
    if free < h.clamp_bytes // 2 and free < h.mss_bytes:
        return 0
    free = min(free, h.clamp_bytes)
    if s.window <= free - h.mss_bytes or s.window > free:
        return (free // h.mss_bytes) * h.mss_bytes  # type: ignore[no-any-return]
    return s.window  # type: ignore[no-any-return]


@inlined
def _open_bytes(h: Record, s: Record) -> int:
    """tcp_receive_window: what the sender may still send."""
    return s.acked * h.mss_bytes + s.window - s.next * h.mss_bytes  # type: ignore[no-any-return]


@compiled
def _ack_leaves(h: Record, s: Record, packets: Rows) -> None:
    """The ACK just paid for says how far we are and opens the window (never shrinking it)."""
    window = max(_select_window(h, s), _open_bytes(h, s))
    for packet in range(s.acked, s.next):
        packets[packet].acked_ns = s.now
    s.acked, s.window = s.next, window
    s.scheduled, s.blocked, s.timer = 0, 0, NEVER
    s.acks += 1
    _send(h, s, packets, s.now + h.delay_ns, s.nodes - 1)


@inlined
def _ack_is_due(h: Record, s: Record) -> bool:
    """__tcp_ack_snd_check for a queued segment."""
    return s.next - s.acked > 1 and _select_window(h, s) >= s.window  # type: ignore[no-any-return]


@inlined
def _delay_ack(h: Record, s: Record) -> bool:
    """tcp_send_delayed_ack: arms the timer; true where the ACK must leave now instead."""
    s.scheduled = 1
    if s.timer != NEVER and (s.blocked > 0 or s.timer <= s.now + h.delack_ns // 4):
        return True
    if s.now + h.delack_ns < s.timer:
        s.timer, s.timer_node = s.now + h.delack_ns, s.nodes - 1
    return False


@inlined
def _wake(h: Record, s: Record, nodes: Rows) -> None:
    if s.asleep:
        _node(s, nodes, WAKE, h.wake_ns, BY_CPU, 0)
        s.asleep, s.wake_node = 0, s.nodes - 1
        s.wake_ups += 1


@inlined
def _receive_in_softirq(h: Record, s: Record, nodes: Rows, packets: Rows) -> None:
    """TCP takes a segment in softirq context: receive queue, ACK, then the reader is told."""
    _node(s, nodes, TCP, h.tcp_ns, BY_CPU, 0)
    if h.late_checksum:
        _node(s, nodes, CHECKSUM, h.late_checksum_ns, BY_CPU, 0)
    s.next += 1
    s.scheduled = 1
    if _ack_is_due(h, s) or _delay_ack(h, s):
        _node(s, nodes, ACK, h.ack_ns, BY_CPU, 0)
        _ack_leaves(h, s, packets)
    _wake(h, s, nodes)


@inlined
def _packet_interrupts(h: Record, s: Record, nodes: Rows, packets: Rows) -> None:
    """Interrupt, softirq, and the three-way choice of tcp_v4_rcv."""
    packet = packets[s.arrived]
    packet.softirq_by = BY_ARRIVAL if packet.in_memory_ns == s.now else BY_CPU
    _node(s, nodes, INTERRUPT, h.interrupt_ns, packet.softirq_by, s.arrived)
    _node(s, nodes, SOFTIRQ, h.softirq_ns, BY_CPU, 0)
    if h.early_checksum_ns > 0:
        _node(s, nodes, CHECKSUM, h.early_checksum_ns, BY_CPU, 0)
    packet.softirq_ns = s.now
    s.arrived += 1
    if s.owned:
        packet.queue = BACKLOG
        s.backlogged += 1
    elif s.installed and h.prequeue:
        packet.queue = PREQUEUE
        s.prequeued += 1
        if s.prequeued == 1:
            _wake(h, s, nodes)
            if not s.scheduled:
                s.timer, s.timer_node = s.now + h.prequeue_timer_ns, s.nodes - 1
    else:
        packet.queue = DIRECT
        _receive_in_softirq(h, s, nodes, packets)


@compiled
def _timer_fires(h: Record, s: Record, nodes: Rows, packets: Rows) -> None:
    """tcp_delack_timer, tcp_timer.c:210."""
    in_time = s.timer == s.now
    if s.owned:
        s.blocked = 1
        if not in_time:
            s.timer_node = s.nodes - 1
        s.timer = s.now + h.delack_ns
        return
    s.timer = NEVER
    _node(s, nodes, TIMER, 0, BY_TIMER if in_time else BY_CPU, s.timer_node)
    s.scheduler_failed += s.prequeued > 0
    while s.prequeued > 0:
        s.prequeued -= 1
        _receive_in_softirq(h, s, nodes, packets)
    if s.scheduled:
        s.delayed_acks += 1
        _node(s, nodes, ACK, h.ack_ns, BY_CPU, 0)
        _ack_leaves(h, s, packets)


@inlined
def _next_interrupt_ns(s: Record, packets: Rows) -> int:
    """When the next packet or the timer wants the CPU."""
    if s.arrived < s.sent:
        return min(s.timer, packets[s.arrived].in_memory_ns)  # type: ignore[no-any-return]
    return s.timer  # type: ignore[no-any-return]


@compiled
def _interrupts(h: Record, s: Record, nodes: Rows, packets: Rows) -> None:
    """All that want the CPU have it, the earlier of packet and timer first; at the same time, the packet."""
    while _next_interrupt_ns(s, packets) <= s.now:
        if s.arrived < s.sent and packets[s.arrived].in_memory_ns <= s.timer:
            _packet_interrupts(h, s, nodes, packets)
        else:
            _timer_fires(h, s, nodes, packets)


@inlined
def _work(h: Record, s: Record, nodes: Rows, packets: Rows, stage: int, ns: int) -> None:
    """The reader's process does one thing; TCP and ACKs with softirqs held off, all else can be interrupted."""
    if _next_interrupt_ns(s, packets) <= s.now:
        _interrupts(h, s, nodes, packets)
    start, end, use = s.now, s.now + ns, 1
    while True:
        until = end
        if stage not in (TCP, ACK):
            until = min(end, _next_interrupt_ns(s, packets))
        node = nodes[s.nodes]
        node.start, node.end, node.stage, node.bind, node.ref = start, until, stage, s.bind, s.wake_node
        node.reader, node.use = 1, use
        s.nodes += 1
        s.now, rows = until, s.nodes
        if until == end:
            s.bind = -1
            return
        _interrupts(h, s, nodes, packets)
        if s.nodes == rows:  # a timer that only looked
            s.nodes -= 1
            continue
        end += s.now - until
        start, use, s.bind = s.now, 0, -1


@inlined
def _sleep(h: Record, s: Record, nodes: Rows, packets: Rows) -> bool:
    """The reader sleeps, is woken, waits for the CPU and gets it; false where nothing will ever wake it."""
    s.owned, s.asleep = 0, 1
    while s.asleep:
        until = _next_interrupt_ns(s, packets)
        if until == NEVER:
            return False
        s.now = max(s.now, until)
        _interrupts(h, s, nodes, packets)
    ready = nodes[s.wake_node].end + h.reader_delay_ns
    while _next_interrupt_ns(s, packets) <= max(s.now, ready):
        s.now = max(s.now, _next_interrupt_ns(s, packets))
        _interrupts(h, s, nodes, packets)
    s.bind = BY_WAKE if ready >= s.now else BY_CPU
    s.now = max(s.now, ready)
    _work(h, s, nodes, packets, SCHEDULE, h.schedule_ns)
    return True


@inlined
def _process_ack(h: Record, s: Record, nodes: Rows, packets: Rows) -> None:
    _work(h, s, nodes, packets, ACK, h.ack_ns)
    _ack_leaves(h, s, packets)


@inlined
def _bytes_ns(n_bytes: int, ps_per_byte: int) -> int:
    return (n_bytes * ps_per_byte + 999) // 1000


@inlined
def _copied(s: Record, packets: Rows) -> None:
    """The reader holds all of its next segment."""
    packets[s.head].copied_ns = s.now
    s.head += 1
    s.last_copy, s.elapsed_ns = s.nodes - 1, s.now


@compiled
def _receive_in_process(h: Record, s: Record, nodes: Rows, packets: Rows) -> None:
    """TCP takes a segment of prequeue or backlog in the reader's context, to the user at once where that is allowed."""
    _work(h, s, nodes, packets, TCP, h.tcp_ns)
    if s.installed and s.head == s.next and h.mss_bytes <= s.left:
        if h.late_checksum:
            _work(h, s, nodes, packets, FUSED, _bytes_ns(h.mss_bytes, h.fused_ps_per_byte))
        else:
            _work(h, s, nodes, packets, COPY, _bytes_ns(h.mss_bytes, h.copy_ps_per_byte))
        _copied(s, packets)
        s.next += 1
        s.eaten_packets += 1
        s.left -= h.mss_bytes
        s.copied += h.mss_bytes
        s.eaten = 1
        if _delay_ack(h, s):
            _process_ack(h, s, nodes, packets)
        return
    if h.late_checksum:
        _work(h, s, nodes, packets, CHECKSUM, h.late_checksum_ns)
    s.next += 1
    s.scheduled = 1
    if _ack_is_due(h, s) or _delay_ack(h, s):
        _process_ack(h, s, nodes, packets)


@inlined
def _drain_prequeue(h: Record, s: Record, nodes: Rows, packets: Rows) -> None:
    while s.prequeued > 0:
        s.prequeued -= 1
        _receive_in_process(h, s, nodes, packets)


@inlined
def _drain_backlog(h: Record, s: Record, nodes: Rows, packets: Rows) -> None:
    while s.backlogged > 0:
        s.backlogged -= 1
        _receive_in_process(h, s, nodes, packets)


@compiled
def _cleanup(h: Record, s: Record, nodes: Rows, packets: Rows) -> None:
    """cleanup_rbuf, tcp.c:1278."""
    due = s.scheduled > 0 and (s.blocked > 0 or s.next - s.acked > 1)
    if not due and s.copied > 0 and 2 * _open_bytes(h, s) <= h.clamp_bytes:
        window = _select_window(h, s)
        due = window > 0 and window >= 2 * _open_bytes(h, s)
    if due:
        _process_ack(h, s, nodes, packets)


@inlined
def _copy_from_queue(h: Record, s: Record, nodes: Rows, packets: Rows) -> None:
    part_bytes = min(h.mss_bytes - s.offset, s.left)
    _work(h, s, nodes, packets, COPY, _bytes_ns(part_bytes, h.copy_ps_per_byte))
    s.offset += part_bytes
    s.left -= part_bytes
    s.copied += part_bytes
    if s.offset == h.mss_bytes:
        _copied(s, packets)
        s.offset = 0


@inlined
def _wait_for_data(h: Record, s: Record, nodes: Rows, packets: Rows) -> bool:
    """The part of tcp_recvmsg after an empty receive queue; false where nothing will ever come."""
    _cleanup(h, s, nodes, packets)
    s.installed, s.eaten = 1, 0
    if s.prequeued == 0:
        _drain_backlog(h, s, nodes, packets)
        if s.copied == 0 and s.head == s.next and not s.eaten:
            if not _sleep(h, s, nodes, packets):
                return False
            s.owned = 1
    if s.head == s.next:
        _drain_prequeue(h, s, nodes, packets)
    return True


@inlined
def _recv(h: Record, s: Record, nodes: Rows, packets: Rows) -> bool:
    """tcp_recvmsg, tcp.c:1379; false where nothing will ever come."""
    s.owned, s.installed, s.copied, s.left = 1, 0, 0, h.reader_bytes
    while s.left > 0 and s.head < packets.size:
        if s.head < s.next:
            _copy_from_queue(h, s, nodes, packets)
        elif not h.blocking or (s.copied > 0 and s.backlogged == 0):
            break
        elif not _wait_for_data(h, s, nodes, packets):
            return False
    if s.head == packets.size:
        return True
    if s.installed:
        _drain_prequeue(h, s, nodes, packets)
    s.installed = 0
    _cleanup(h, s, nodes, packets)
    _drain_backlog(h, s, nodes, packets)
    s.owned = 0
    return True


@compiled
def replay_host(h: Record, s: Record, nodes: Rows, packets: Rows) -> bool:
    """Fills nodes and packets from time 0 on; false where the connection hangs.

    Parameters
    ----------
    h
        One row of HOST.
    s
        One row of STATE, zeros.
    nodes
        Rows of NODE, as many as `node_bound` says.
    packets
        Rows of PACKET, one a packet.
    """
    s.timer, s.bind = NEVER, -1
    s.window = h.clamp_bytes // h.mss_bytes * h.mss_bytes
    _send(h, s, packets, 0, -1)
    first = True
    while s.head < packets.size:
        if not h.blocking:
            if not first:
                _work(h, s, nodes, packets, SYSCALL, h.syscall_ns)
            if s.head == s.next and not _sleep(h, s, nodes, packets):
                return False
        if not (first and h.blocking):
            _work(h, s, nodes, packets, SYSCALL, h.syscall_ns)
        first = False
        if not _recv(h, s, nodes, packets):
            return False
    return True


@compiled
def _blame_wire(h: Record, packets: Rows, packet: int, ns: Rows, uses: Rows) -> int:
    """From a packet in memory back to the ACK that let it go: its node, -1 for the start of all."""
    ns[DELAY] += h.delay_ns
    ns[LINK] += h.wire_ns
    uses[LINK] += 1
    while packets[packet].on_wire_by == BY_ITSELF:
        packet -= 1
        ns[LINK] += h.wire_ns
        uses[LINK] += 1
    ns[SENDER] += h.sender_ns
    uses[SENDER] += 1
    while packets[packet].sent_by == BY_ITSELF:
        packet -= 1
        ns[SENDER] += h.sender_ns
        uses[SENDER] += 1
    uses[DELAY] += 1
    opened_by = packets[packet].opened_by
    if opened_by >= 0:
        ns[DELAY] += h.delay_ns
        uses[DELAY] += 1
    return opened_by  # type: ignore[no-any-return]


@compiled
def blame_path(h: Record, s: Record, nodes: Rows, packets: Rows, ns: Rows, uses: Rows) -> None:
    """Walks back from the last byte copied and adds up nanoseconds and uses by stage.

    Parameters
    ----------
    h, s, nodes, packets
        What `replay_host` filled.
    ns, uses
        Shape (stages,), zeros.
    """
    at, in_reader = s.last_copy, True
    while at >= 0:
        node = nodes[at]
        ns[node.stage] += node.end - node.start
        uses[node.stage] += node.use
        wait = READER if node.bind == BY_WAKE else TIMER
        if in_reader and node.bind != BY_WAKE:
            in_reader = node.reader == 0 or node.bind != BY_CPU
            at -= 1
        elif node.bind == BY_CPU:
            at -= 1
            in_reader = nodes[at].reader == 1
        elif node.bind == BY_ARRIVAL:
            at = _blame_wire(h, packets, node.ref, ns, uses)
            in_reader = at >= 0 and nodes[at].reader == 1
        else:
            at = node.ref
            ns[wait] += node.start - nodes[at].end
            uses[wait] += 1
            in_reader = nodes[at].reader == 1


@compiled
def replay_hosts(hosts: Rows, states: Rows, nodes: Rows, packets: Rows, ns: Rows, uses: Rows) -> int:
    """Replays and blames every host; how many were done before one hung.

    Parameters
    ----------
    hosts, states
        Shape (hosts,) of HOST and STATE.
    nodes
        Rows of NODE for the busiest host; used again for each.
    packets
        Shape (hosts, packets) of PACKET, or (1, packets): used again for each.
    ns, uses
        Shape (hosts, stages), zeros.
    """
    for at in range(hosts.size):
        rows = packets[at % packets.shape[0]]
        if not replay_host(hosts[at], states[at], nodes, rows):
            return at
        blame_path(hosts[at], states[at], nodes, rows, ns[at], uses[at])
    return hosts.size  # type: ignore[no-any-return]

"""IP, TCP and ACKs of `linux6`: what a step of a softirq costs above the driver, and its effects on the socket."""

from zcanalysis.model.compiling import compiled, inlined
from zcanalysis.model.linux6_sender import room
from zcanalysis.model.linux6_state import (
    ASLEEP,
    BACKLOG,
    NEVER,
    NO_GAP,
    READER,
    TO_READER,
    Record,
    World,
)
from zcanalysis.model.linux6_work import awaken, begin, call


@inlined
def window_of(w: World, queued: int) -> int:
    """__tcp_select_window, with so many packets in the receive queue."""
    h, s = w.h, w.s
    free = h.window - queued - s.backlog_packets
    if 16 * free < h.window:
        return 0
    return int(min(h.ssthresh, free))


@compiled
def ack_leaves(w: World, cpu: int, unanswered: int) -> None:
    """The ACK just paid for: all that TCP took, but for the last unanswered packets."""
    h, s = w.h, w.s
    s.acks += 1
    s.answered = max(s.answered, s.taken - unanswered)
    s.told_edge = max(s.told_edge, s.answered + window_of(w, s.answered - s.copied))
    s.timer_at, s.timer_due = NEVER, 0
    if h.local:
        s.acked, s.edge = s.answered, s.told_edge
        room(w, cpu, NO_GAP)
        return
    way = w.packets[s.ack_in % w.packets.size]
    way.ack_at, way.ack_acked, way.ack_edge, way.ack_node = (
        s.now + h.delay_ns,
        s.answered,
        s.told_edge,
        s.cpus[cpu].node,
    )
    s.ack_in += 1


@compiled
def delay_ack(w: World, cpu: int) -> None:
    """The ACK timer runs where a segment is unanswered."""
    s = w.s
    if s.taken > s.answered and s.timer_at == NEVER and not s.timer_due:
        s.timer_at, s.timer_node = s.now + w.h.delack_ns, s.cpus[cpu].node


@inlined
def count_answered(w: World, cpu: int) -> None:
    """What a step that starts now knows of the socket."""
    s, c = w.s, w.s.cpus[cpu]
    c.unanswered, c.told = s.taken - s.answered, s.told_edge - s.answered


@compiled
def tcp_takes(w: World, cpu: int, packets: int) -> int:
    """One skb in softirq, the socket not owned: its price, and whether it is answered at once."""
    h, s, c = w.h, w.s, w.s.cpus[cpu]
    c.tcps += 1
    c.tcp_packets += packets
    c.unanswered += packets
    window = window_of(w, s.taken + c.tcp_packets - s.copied)
    ns: int = h.tcp_ns
    if c.unanswered > 1 and window >= c.told:
        c.acks += 1
        c.unanswered, c.told = 0, window
        ns += h.ack_ns + h.local * h.sender_ack_ns
    return ns


@compiled
def ip_takes(w: World, cpu: int, packets: int) -> int:
    """One skb above the driver; nanoseconds."""
    h, c = w.h, w.s.cpus[cpu]
    c.packets += packets
    c.skbs += 1
    w.s.skbs += 1
    ns: int = h.ip_ns + packets * (h.head_ns + h.checksum_ns)
    if not w.s.owned:
        ns += tcp_takes(w, cpu, packets)
    return ns


@compiled
def finish_price(w: World, cpu: int, node: Record, ns: int) -> None:
    """What is known of a step once its skbs are: counts and its end."""
    c = w.s.cpus[cpu]
    node.ips, node.tcps, node.sums, node.acks = c.skbs, c.tcps, c.packets, c.acks
    c.end = w.s.now + ns
    node.end = c.end


@compiled
def is_extended(w: World, cpu: int) -> bool:
    """Whether a step that could end now lasts on, because it finds the reader asleep and wakes it."""
    c = w.s.cpus[cpu]
    node = w.nodes[c.node]
    if c.tcps == 0 or node.wakes or w.s.procs[READER].awake != ASLEEP:
        return False
    node.wakes = 1
    c.end += w.h.wake_ns
    node.end = c.end
    return bool(c.end > w.s.now)


@compiled
def step_done(w: World, cpu: int) -> None:
    """Effects of IP and TCP at the end of a step."""
    h, s, c = w.h, w.s, w.s.cpus[cpu]
    s.ip_taken += c.packets
    if c.tcps < c.skbs:
        s.backlog_packets += c.packets - c.tcp_packets
        s.backlog_skbs += c.skbs - c.tcps
        s.backlogged += c.packets - c.tcp_packets
    s.taken += c.tcp_packets
    tcp_done(w, cpu)
    if h.local:
        room(w, cpu, NO_GAP)


@compiled
def tcp_done(w: World, cpu: int) -> None:
    """Effects of what TCP took in softirq."""
    s, c = w.s, w.s.cpus[cpu]
    if c.acks > 0:
        s.acks += c.acks - 1
        ack_leaves(w, cpu, c.unanswered)
    delay_ack(w, cpu)
    if c.tcps > 0 and s.procs[READER].awake == ASLEEP:
        s.wake_ups += 1
        if cpu == w.h.reader_cpu:
            awaken(w, cpu, READER, NO_GAP)
        else:
            call(w, cpu, READER, TO_READER)


@compiled
def start_left_behind(w: World, cpu: int) -> None:
    """The softirq takes a backlog whose owner went before the step that filled it had ended."""
    h, s, c = w.h, w.s, w.s.cpus[cpu]
    acks = int(s.taken - s.answered + s.backlog_packets > 1)
    node = begin(w, cpu, BACKLOG, s.backlog_skbs * h.tcp_ns + acks * (h.ack_ns + h.local * h.sender_ack_ns))
    node.tcps, node.acks = s.backlog_skbs, acks
    c.tcps, c.tcp_packets, c.acks = s.backlog_skbs, s.backlog_packets, acks
    s.backlog_skbs, s.backlog_packets = 0, 0


@compiled
def left_behind_done(w: World, cpu: int) -> None:
    """As for any other step, but IP had it before."""
    c = w.s.cpus[cpu]
    w.s.taken += c.tcp_packets
    c.unanswered = 0
    tcp_done(w, cpu)

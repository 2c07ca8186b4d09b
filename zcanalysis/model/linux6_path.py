"""What the elapsed time of a `linux6` host was made of: from the last copy back to the first write."""

from zcanalysis.model.compiling import compiled, inlined
from zcanalysis.model.linux6_state import (
    ACK,
    BY_WIRE,
    CHECKSUM,
    COALESCING,
    COPY,
    DELAY,
    DRIVER,
    GRO,
    HANDOVER,
    HEADS,
    IP,
    LINK,
    NO_GAP,
    OTHERS,
    SENDER_ACK,
    SOFTIRQ,
    STEP,
    TCP,
    TIMER,
    TRANSMIT,
    WAKE,
    WRITE,
    Record,
    Rows,
    World,
)


@compiled
def blame_steps(w: World, node: Record, ns: Rows, uses: Rows) -> None:
    """Nanoseconds of a step of a softirq, or of an ACK, by stage."""
    h = w.h
    driven = node.packets * node.driven
    uses[SOFTIRQ] += node.softirq
    uses[DRIVER] += driven
    uses[GRO] += driven * h.merges
    uses[HANDOVER] += node.handovers
    uses[IP] += node.ips
    uses[TCP] += node.tcps
    uses[CHECKSUM] += node.sums
    uses[HEADS] += node.sums
    uses[ACK] += node.acks
    uses[SENDER_ACK] += node.acks * h.local
    uses[WAKE] += node.wakes
    ns[SOFTIRQ] += node.softirq * h.softirq_ns
    ns[DRIVER] += driven * h.driver_ns
    ns[GRO] += driven * h.gro_ns
    ns[HANDOVER] += node.handovers * h.handover_ns
    ns[IP] += node.ips * h.ip_ns
    ns[TCP] += node.tcps * h.tcp_ns
    ns[CHECKSUM] += node.sums * h.checksum_ns
    ns[HEADS] += node.sums * h.head_ns
    ns[ACK] += node.acks * h.ack_ns
    ns[SENDER_ACK] += node.acks * h.local * h.sender_ack_ns
    ns[WAKE] += node.wakes * h.wake_ns


@inlined
def blame_node(w: World, node: Record, ns: Rows, uses: Rows) -> None:
    """Nanoseconds of one piece of work by stage."""
    if node.kind >= STEP or node.kind == ACK:
        blame_steps(w, node, ns, uses)
        return
    ns[node.kind] += node.end - node.start
    if node.kind in (WRITE, COPY, TCP, TRANSMIT):
        uses[node.kind] += node.packets * node.whole
    else:
        uses[node.kind] += node.whole


@inlined
def blame_wire(w: World, start: int, packet: int, ns: Rows, uses: Rows) -> int:
    """From an interrupt of the device back to the burst that sent the packet; its node, entered where it was sent."""
    h = w.h
    while h.local and packet + 1 < h.n_packets and w.packets[packet + 1].sent_node == w.packets[packet].sent_node:
        packet += 1
    ns[COALESCING] += start - w.packets[packet].there_ns
    uses[COALESCING] += 1
    ns[DELAY] += h.delay_ns
    uses[DELAY] += 1
    ns[LINK] += h.wire_ns
    uses[LINK] += 1
    while packet > 0 and w.packets[packet].wire_by:
        packet -= 1
        ns[LINK] += h.wire_ns
        uses[LINK] += 1
    if w.packets[packet].wire_by:  # its tokens came since time 0
        return -1
    ns[LINK] -= h.depth_ns
    sent = w.packets[packet]
    burst = w.nodes[sent.sent_node]
    ns[TRANSMIT] += sent.sent_ns - burst.start
    uses[TRANSMIT] += packet - burst.ref + 1
    return int(sent.sent_node)


@compiled
def blame_path(w: World, ns: Rows, uses: Rows) -> None:
    """Walks back from the last copy and adds up nanoseconds and uses by stage."""
    at = w.s.cpus[w.h.reader_cpu].node
    while w.nodes[at].kind != COPY:
        at = w.nodes[at].prev
    in_process, entered = True, False
    while at >= 0:
        node = w.nodes[at]
        if not entered:
            blame_node(w, node, ns, uses)
        entered = False
        if in_process and not (node.process and node.first):
            at = node.prev
            if at >= 0 and w.nodes[at].end < node.start:
                ns[OTHERS] += node.start - w.nodes[at].end
            continue
        if node.gap == BY_WIRE:
            at = blame_wire(w, node.start, node.ref, ns, uses)
            entered = True
        else:
            before, at = node.start, node.pred
            if at >= 0 and node.gap != NO_GAP:
                stage = (OTHERS, DELAY, TIMER, OTHERS)[node.gap]
                ns[stage] += before - w.nodes[at].end
                uses[stage] += 1
        if at >= 0:
            in_process = w.nodes[at].process == 1

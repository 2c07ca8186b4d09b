"""The sender of `linux6`, its link, and how what it sent is announced to the first stage that receives."""

from zcanalysis.model.compiling import compiled, inlined
from zcanalysis.model.linux6_state import (
    ANNOUNCED,
    ASLEEP,
    BY_WIRE,
    MOST_BACKLOG,
    NO_GAP,
    OFF,
    ON,
    SENDER,
    TO_FIRST,
    TO_SENDER,
    TRANSMIT,
    WEIGHT,
    Record,
    World,
)
from zcanalysis.model.linux6_work import awaken, begin, call


@compiled
def allowed(w: World) -> int:
    """How many packets may be transmitted now."""
    h, s = w.h, w.s
    room = min(s.edge, s.acked + h.cwnd) - s.acked
    ready: int = min(h.gso, min(s.acked + room, min(s.ip_taken + h.tsq, s.written)) - s.sent)
    if ready <= 0:
        return 0
    if ready in (h.gso, s.written - s.sent) or 3 * ready >= room or s.sent == s.acked:
        return ready
    return 0


@compiled
def start_transmit(w: World, cpu: int, burst: int) -> None:
    """A burst: each packet's time is known now."""
    h, s = w.h, w.s
    node = begin(w, cpu, TRANSMIT, h.send_burst_ns + burst * h.send_packet_ns)
    node.packets, node.ref = burst, s.sent
    sent_ns, held = s.now + h.send_burst_ns, 0
    for at in range(s.sent, s.sent + burst):
        packet = w.packets[at]
        sent_ns += h.send_packet_ns
        before = w.packets[at - 1].there_ns - h.delay_ns * w.packets[at - 1].held if at > 0 else 0
        packet.sent_ns, packet.sent_node, packet.there_ns = sent_ns, s.cpus[cpu].node, max(sent_ns, before)
        if h.wired:
            held = take_tokens(w, packet)
            packet.there_ns += h.delay_ns * held
    s.sent += burst
    s.bursts += 1
    if h.wired and h.local:
        go_whole(w, burst, held)
    if held:
        announce(w, cpu)


@inlined
def take_tokens(w: World, packet: Record) -> int:
    """The wire takes a packet when those before it are through, a bucket that has tokens at once; whether it waits."""
    h, s = w.h, w.s
    full_ns = packet.sent_ns - h.depth_ns
    packet.wire_by = s.wire_at > full_ns
    s.wire_at = max(s.wire_at, full_ns) + h.wire_ns
    packet.held = not h.local or s.wire_at > packet.there_ns
    packet.there_ns = max(packet.there_ns, s.wire_at)
    return int(packet.held)


@inlined
def go_whole(w: World, burst: int, held: int) -> None:
    """A shaper lets a burst go with its last packet, and none before another."""
    first = w.s.sent - burst
    there_ns = w.packets[w.s.sent - 1].there_ns
    if first > 0:
        there_ns = max(there_ns, w.packets[first - 1].there_ns)
    for at in range(first, w.s.sent):
        w.packets[at].there_ns, w.packets[at].held = there_ns, held


@inlined
def first_on(w: World) -> int:
    """The state of the first stage's poll."""
    return int(w.s.driver_on if w.h.driver_cpu >= 0 else w.s.protocol_on)


@inlined
def schedule_first(w: World, state: int) -> None:
    """The first stage begins a run, or will once it is interrupted."""
    h, s = w.h, w.s
    if h.driver_cpu >= 0:
        s.driver_on, s.driver_new, s.driver_left = state, 1, WEIGHT
    else:
        s.protocol_on, s.protocol_new = state, 1


@inlined
def first_waiting(w: World) -> int:
    """The first packet that no stage has taken."""
    return int(w.s.ringed if w.h.driver_cpu >= 0 else w.s.skb_out)


@inlined
def first_moves(w: World, cpu: int) -> None:
    """The first stage is this CPU's from now on, and with it the protocol where nothing steers packets elsewhere."""
    w.s.driver_at = cpu
    if not w.h.steered:
        w.s.protocol_at = cpu


@compiled
def announce(w: World, cpu: int) -> None:
    """Packets may wait for a first stage that is not scheduled."""
    h, s = w.h, w.s
    waiting = first_waiting(w)
    if waiting == s.sent or first_on(w) != OFF:
        return
    there_ns = w.packets[waiting].there_ns
    if h.wired and w.packets[waiting].held:
        if h.follows:
            first_moves(w, cpu)
        told_ns = there_ns + h.coalesce_ns
        s.nic_at = max(told_ns, s.now)
        s.nic_node, s.nic_ref, s.nic_gap = s.cpus[cpu].node, waiting, BY_WIRE if told_ns >= s.now else NO_GAP
        schedule_first(w, ANNOUNCED)
    elif there_ns <= s.now:
        if h.follows:
            first_moves(w, cpu)
        first_cpu = s.driver_at if h.driver_cpu >= 0 else s.protocol_at
        if first_cpu == cpu:
            schedule_first(w, ON)
        else:
            schedule_first(w, ANNOUNCED)
            s.cpus[cpu].owes |= TO_FIRST


@compiled
def transmitted(w: World, cpu: int) -> None:
    """A burst has left."""
    waiting = w.s.sent - first_waiting(w)
    w.s.overflows += max(0, min(waiting - MOST_BACKLOG, w.nodes[w.s.cpus[cpu].node].packets))
    if not (w.h.wired and w.packets[w.nodes[w.s.cpus[cpu].node].ref].held):
        announce(w, cpu)


@compiled
def room(w: World, cpu: int, gap: int) -> None:
    """Window, buffer or small queue may have more room: for a sleeping sender this CPU transmits, and may wake it."""
    h, s, sender = w.h, w.s, w.s.procs[SENDER]
    if sender.awake != ASLEEP:
        return
    if allowed(w) > 0:
        s.cpus[cpu].transmit = 1
    if s.written < h.n_packets and 3 * (s.written - s.acked) <= 2 * h.sndbuf:
        s.sender_wake_ups += 1
        if cpu == h.sender_cpu:
            awaken(w, cpu, SENDER, gap)
        else:
            call(w, cpu, SENDER, TO_SENDER)

"""The driver's poll, the protocol's, and the interrupts of `linux6`."""

from zcanalysis.model.compiling import compiled
from zcanalysis.model.linux6_sender import announce
from zcanalysis.model.linux6_socket import count_answered, finish_price, ip_takes, step_done
from zcanalysis.model.linux6_state import (
    ANNOUNCED,
    FROM_DEVICE,
    IDLE,
    NO_GAP,
    OFF,
    ON,
    READER,
    SEND_INTERRUPT,
    SENDER,
    STEP,
    STEP_PACKETS,
    TO_FIRST,
    TO_FREE,
    TO_PROTOCOL,
    TO_READER,
    TO_SENDER,
    WEIGHT,
    Record,
    World,
)
from zcanalysis.model.linux6_work import awaken, begin, signal


@compiled
def there(w: World, first: int, most: int) -> int:
    """How many packets from the first on are there, most at most."""
    last = min(first + most, w.s.sent)
    at = first
    while at < last and w.packets[at].there_ns <= w.s.now:
        at += 1
    return at - first


@compiled
def start_driver(w: World, cpu: int) -> None:
    """A step of the driver's poll."""
    h, s = w.h, w.s
    node = begin(w, cpu, STEP, 0)
    count_answered(w, cpu)
    node.driven = 1
    packets = there(w, s.ringed, min(STEP_PACKETS, s.driver_left))
    s.ringed += packets
    s.driver_left -= packets
    last = s.driver_left == 0 or there(w, s.ringed, 1) == 0
    ns = packets * (h.driver_ns + h.gro_ns) + new_run_ns(w, node, s.driver_new)
    s.driver_new = 0
    s.skb_next = s.skb_in
    for at in range(packets):
        s.merging += 1
        if s.merging == h.gro or (last and at == packets - 1):
            ns += one_skb(w, cpu, node)
    node.packets = packets
    if last:
        s.driver_left = WEIGHT
    finish_price(w, cpu, node, ns)


@compiled
def one_skb(w: World, cpu: int, node: Record) -> int:
    """What was merged goes on; nanoseconds."""
    h, s = w.h, w.s
    packets, s.merging = s.merging, 0
    if not h.steered:
        return ip_takes(w, cpu, packets)
    w.packets[s.skb_next].skb = packets
    s.skb_next += 1
    node.handovers += 1
    return int(h.handover_ns)


@compiled
def new_run_ns(w: World, node: Record, new: int) -> int:
    """What the first step of a run pays."""
    node.softirq = new
    w.s.runs += new
    return int(new * w.h.softirq_ns)


@compiled
def driver_done(w: World, cpu: int) -> None:
    """Effects of a driver's step."""
    h, s = w.h, w.s
    if not h.steered:
        step_done(w, cpu)
    elif s.skb_next > s.skb_in:
        s.skb_in = s.skb_next
        if s.protocol_on == OFF:
            s.protocol_on, s.protocol_new = (ON, 1) if cpu == s.protocol_at else (ANNOUNCED, 1)
            if cpu != s.protocol_at:
                s.cpus[cpu].owes |= TO_PROTOCOL
    if there(w, s.ringed, 1) == 0:
        s.driver_on = OFF
        announce(w, cpu)


@compiled
def start_protocol(w: World, cpu: int) -> None:
    """A step of the protocol's poll of its CPU's backlog."""
    h, s, c = w.h, w.s, w.s.cpus[cpu]
    node = begin(w, cpu, STEP, 0)
    count_answered(w, cpu)
    ns = new_run_ns(w, node, s.protocol_new)
    s.protocol_new = 0
    if h.driver_cpu < 0:
        packets = there(w, s.skb_out, STEP_PACKETS)
        for _ in range(packets):
            ns += ip_takes(w, cpu, 1)
        s.skb_out += packets
    else:
        while s.skb_out < s.skb_in and (c.packets == 0 or c.packets + w.packets[s.skb_out].skb <= STEP_PACKETS):
            ns += ip_takes(w, cpu, w.packets[s.skb_out].skb)
            s.skb_out += 1
    finish_price(w, cpu, node, ns)


@compiled
def protocol_done(w: World, cpu: int) -> None:
    """Effects of a protocol's step."""
    h, s = w.h, w.s
    step_done(w, cpu)
    left = there(w, s.skb_out, 1) if h.driver_cpu < 0 else s.skb_in - s.skb_out
    if left == 0:
        s.protocol_on = OFF
        if h.driver_cpu < 0:
            announce(w, cpu)


@compiled
def interrupt_done(w: World, cpu: int) -> None:
    """What this CPU was interrupted for."""
    s, why = w.s, w.s.cpus[cpu].handling
    if why & (TO_FIRST | FROM_DEVICE):
        if w.h.driver_cpu >= 0:
            s.driver_on = ON
        else:
            s.protocol_on = ON
    if why & TO_PROTOCOL:
        s.protocol_on = ON
    if why & TO_READER:
        awaken(w, cpu, READER, NO_GAP)
    if why & TO_SENDER:
        awaken(w, cpu, SENDER, NO_GAP)
    if why & TO_FREE:
        s.free_on_way = 0


@compiled
def receiver_of(w: World, why: int) -> int:
    """The CPU that this signal is for."""
    h = w.h
    if why == TO_FIRST and h.driver_cpu >= 0:
        return int(w.s.driver_at)
    if why in (TO_FIRST, TO_PROTOCOL):
        return int(w.s.protocol_at)
    return int(h.reader_cpu if why == TO_READER else h.sender_cpu)


@compiled
def start_sending(w: World, cpu: int) -> None:
    """The first of the signals that this CPU owes; a CPU at work feels it at once."""
    c = w.s.cpus[cpu]
    node = begin(w, cpu, SEND_INTERRUPT, w.h.send_interrupt_ns)
    c.owing = c.owes & -c.owes
    c.owes ^= c.owing
    w.s.signals += 1
    target = receiver_of(w, c.owing)
    if w.s.cpus[target].kind != IDLE:
        signal(w, target, c.owing, (node.prev, NO_GAP, -1))
        c.owing = 0


@compiled
def sending_done(w: World, cpu: int) -> None:
    """A CPU that was idle when the sending began is interrupted."""
    c = w.s.cpus[cpu]
    if c.owing:
        signal(w, receiver_of(w, c.owing), c.owing, (c.node, NO_GAP, -1))

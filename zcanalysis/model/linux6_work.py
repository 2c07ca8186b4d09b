"""Pieces of work of a `linux6` CPU: how one starts, is stopped, and is asked for by an interrupt."""

from zcanalysis.model.compiling import compiled, inlined
from zcanalysis.model.linux6_state import (
    ACK,
    ASLEEP,
    AWAKE,
    COPY,
    FROM_DEVICE,
    HOG,
    IDLE,
    IDLE_EXIT,
    INTERRUPT,
    NEVER,
    NO_GAP,
    NOBODY,
    OTHERS,
    READER,
    SCHEDULE,
    SENDER,
    SYSCALL,
    TCP,
    WAKING,
    WRITE,
    Record,
    World,
)


@compiled
def begin(w: World, cpu: int, kind: int, ns: int) -> Record:
    """A piece of work starts on a CPU; its node is returned."""
    s, c = w.s, w.s.cpus[cpu]
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


@inlined
def is_stoppable(kind: int) -> bool:
    """Whether interrupts stop this work: a process's, but for what it sends."""
    return kind in (WRITE, COPY, SYSCALL, SCHEDULE, TCP, OTHERS)


@compiled
def pause(w: World, cpu: int) -> None:
    """The process's work stops here and is to go on later."""
    s, c = w.s, w.s.cpus[cpu]
    if c.kind != OTHERS:
        p = s.procs[c.process]
        p.kind, p.left, p.packets = c.kind, c.end - s.now, c.packets
        c.busy_ns += s.now - c.start
    w.nodes[c.node].end = s.now
    c.kind, c.end = IDLE, NEVER


@compiled
def start_ack(w: World, cpu: int, process: int) -> None:
    """An ACK that is a piece of work of its own."""
    node = begin(w, cpu, ACK, w.h.ack_ns + w.h.local * w.h.sender_ack_ns)
    node.acks = 1
    node.process = process != NOBODY
    w.s.cpus[cpu].process = process


@compiled
def start_interrupt(w: World, cpu: int) -> None:
    """All interrupts that came since the last one, as one."""
    s, c = w.s, w.s.cpus[cpu]
    at, pred, gap, ref = c.irq_at, c.irq_node, c.irq_gap, c.irq_ref
    by_shaper = w.h.local and c.irq == FROM_DEVICE
    node = begin(w, cpu, INTERRUPT, 0 if by_shaper else w.h.interrupt_ns)
    node.whole = not by_shaper
    if at == s.now:
        node.pred, node.gap, node.ref = pred, gap, ref
    c.handling, c.irq = c.irq, 0
    s.interrupts += 1


@compiled
def signal(w: World, cpu: int, why: int, bound: tuple[int, int, int]) -> None:
    """Another CPU or the device interrupts this one; bound by this node, with this gap and packet."""
    s, c = w.s, w.s.cpus[cpu]
    if c.irq == 0:
        c.irq_at = s.now
        c.irq_node, c.irq_gap, c.irq_ref = bound
    c.irq |= why
    if is_stoppable(c.kind):
        pause(w, cpu)
        start_interrupt(w, cpu)
    elif c.kind == IDLE and w.h.idle_exit_ns > 0:
        node = begin(w, cpu, IDLE_EXIT, w.h.idle_exit_ns)
        node.pred, node.gap, node.ref = bound
        c.irq_at = -1  # it starts when the CPU is there, not when it was asked for
    elif c.kind == IDLE:
        start_interrupt(w, cpu)


@compiled
def settle(w: World) -> None:
    """What sender and reader had of the CPU they share with others, or were owed, since somebody looked last."""
    h, s = w.h, w.s
    ns, most = s.now - s.settled_at, (h.hogs + 1) * h.slice_ns
    s.settled_at = s.now
    for process in (SENDER, READER):
        p = s.procs[process]
        if p.awake != AWAKE:
            p.credit = min(p.credit, most) if p.credit >= 0 else min(max(p.credit, -most) + ns // 2, 0)
        elif s.turn == process:
            p.credit -= h.hogs * ns
        else:
            p.credit += ns


@compiled
def awaken(w: World, cpu: int, process: int, gap: int) -> None:
    """A process can run from now on, because of what this CPU did."""
    settle(w)
    h, s, p = w.h, w.s, w.s.procs[process]
    called_ns = s.now - p.called_at if p.awake == WAKING else 0
    p.awake, p.first, p.woken_by, p.woken_gap = AWAKE, 1, s.cpus[cpu].node, gap
    if h.hogs > 0 and cpu == h.reader_cpu and s.turn == HOG and p.credit >= 0:
        s.turn = process
        p.credit -= h.hogs * called_ns


@compiled
def call(w: World, cpu: int, process: int, why: int) -> None:
    """A process of another CPU is to be woken by this one."""
    p = w.s.procs[process]
    p.awake, p.called_at = WAKING, w.s.now
    w.s.cpus[cpu].owes |= why


@compiled
def sleep(w: World, process: int) -> None:
    """Nothing is left for this process."""
    settle(w)
    w.s.procs[process].awake = ASLEEP

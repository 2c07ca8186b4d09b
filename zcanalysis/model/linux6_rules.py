"""The rules of `linux6` as one compiled loop for one host: from one end of a piece of work to the next."""

from zcanalysis.model.compiling import compiled, inlined
from zcanalysis.model.linux6_path import blame_path
from zcanalysis.model.linux6_processes import next_turn, process_done, run_process
from zcanalysis.model.linux6_sender import allowed, room, start_transmit, transmitted
from zcanalysis.model.linux6_socket import ack_leaves, is_extended, left_behind_done, start_left_behind
from zcanalysis.model.linux6_softirqs import (
    driver_done,
    interrupt_done,
    protocol_done,
    sending_done,
    start_driver,
    start_protocol,
    start_sending,
)
from zcanalysis.model.linux6_state import (
    ACK,
    AWAKE,
    BACKLOG,
    BY_DELAY,
    BY_TIMER,
    CPUS,
    FROM_DEVICE,
    HOG,
    HUNG,
    IDLE,
    IDLE_EXIT,
    INTERRUPT,
    NEVER,
    NO_ROOM,
    NOBODY,
    ON,
    OTHER,
    OTHERS,
    READER,
    SEND_INTERRUPT,
    SENDER,
    STEP,
    TRANSMIT,
    Rows,
    World,
)
from zcanalysis.model.linux6_work import is_stoppable, pause, settle, signal, start_ack, start_interrupt

DEVICE, ACKS, TIMER, TICK = range(CPUS, CPUS + 4)  # what can happen beside a CPU's end of work


@compiled
def dispatch_softirq(w: World, cpu: int) -> bool:
    """What a free CPU does before any process; false if nothing."""
    s, c = w.s, w.s.cpus[cpu]
    if c.owes:
        start_sending(w, cpu)
    elif c.irq:
        start_interrupt(w, cpu)
    elif cpu == s.protocol_at and s.backlog_skbs > 0 and not s.owned:
        start_left_behind(w, cpu)
    elif cpu == s.driver_at and s.driver_on == ON:
        start_driver(w, cpu)
    elif cpu == s.protocol_at and s.protocol_on == ON:
        start_protocol(w, cpu)
    elif cpu == s.protocol_at and s.timer_due and not s.owned:
        s.timer_due = 0
        s.delayed_acks += 1
        start_ack(w, cpu, NOBODY)
    elif c.transmit and allowed(w) > 0:
        start_transmit(w, cpu, allowed(w))
    else:
        c.transmit = 0
        return False
    return True


@compiled
def dispatch(w: World, cpu: int) -> None:
    """What a free CPU does next."""
    if not dispatch_softirq(w, cpu):
        run_process(w, cpu)


@inlined
def have_effect(w: World, cpu: int) -> None:
    """What the end of a piece of work changes."""
    kind = w.s.cpus[cpu].kind
    if kind == TRANSMIT:
        transmitted(w, cpu)
    elif kind == SEND_INTERRUPT:
        sending_done(w, cpu)
    elif kind == INTERRUPT:
        interrupt_done(w, cpu)
    elif kind == STEP:
        if w.nodes[w.s.cpus[cpu].node].driven:
            driver_done(w, cpu)
        else:
            protocol_done(w, cpu)
    elif kind == BACKLOG:
        left_behind_done(w, cpu)
    elif kind == ACK:
        ack_leaves(w, cpu, 0)
    else:
        process_done(w, cpu)


@inlined
def work_ends(w: World, cpu: int) -> None:
    """A piece of work ends: its effects, then what comes next."""
    c = w.s.cpus[cpu]
    if c.kind in (STEP, BACKLOG) and is_extended(w, cpu):
        return
    c.busy_ns += (w.s.now - c.start) // (2 if c.kind == IDLE_EXIT else 1)
    if c.kind != IDLE_EXIT:
        have_effect(w, cpu)
    c.kind, c.end = IDLE, NEVER
    dispatch(w, cpu)


@inlined
def device_interrupts(w: World) -> None:
    """The device has waited long enough."""
    s = w.s
    s.nic_at = NEVER
    cpu = w.s.driver_at if w.h.driver_cpu >= 0 else w.s.protocol_at
    signal(w, cpu, FROM_DEVICE, (s.nic_node, s.nic_gap, s.nic_ref))


@inlined
def ack_arrives(w: World) -> None:
    """An ACK reaches the other machine."""
    s = w.s
    way = w.packets[s.ack_out % w.packets.size]
    s.ack_out += 1
    s.acked, s.edge = way.ack_acked, way.ack_edge
    c = s.cpus[OTHER]
    idle = c.kind == IDLE
    before = c.node
    c.node = way.ack_node
    room(w, OTHER, BY_DELAY)
    c.node = before
    if idle:
        if dispatch_softirq(w, OTHER):
            node = w.nodes[c.node]
            node.pred, node.gap = way.ack_node, BY_DELAY
        else:
            run_process(w, OTHER)


@inlined
def timer_fires(w: World) -> None:
    """The ACK timer: a softirq, unless the reader owns the socket."""
    s, cpu = w.s, w.s.protocol_at
    s.timer_at, s.timer_due = NEVER, 1
    if s.owned:
        return
    c = s.cpus[cpu]
    if is_stoppable(c.kind):
        pause(w, cpu)
    if c.kind == IDLE:
        dispatch(w, cpu)
        node = w.nodes[c.node]
        node.pred, node.gap = s.timer_node, BY_TIMER


@inlined
def tick(w: World) -> None:
    """The scheduler looks whose turn it is."""
    s, cpu = w.s, w.h.reader_cpu
    s.tick_at += w.h.slice_ns
    settle(w)
    next_turn(w)
    c = s.cpus[cpu]
    if is_stoppable(c.kind) and c.process != s.turn:
        pause(w, cpu)
        dispatch(w, cpu)


@compiled
def start(w: World) -> None:
    """Time 0: the reader waits in recv, the sender starts to write."""
    h, s = w.h, w.s
    for cpu in range(CPUS):
        c = s.cpus[cpu]
        c.kind, c.end, c.node = IDLE, NEVER, -1
    for process in range(NOBODY):
        s.procs[process].kind = -1
    s.nic_at, s.timer_at, s.tick_at = NEVER, NEVER, NEVER
    s.driver_at, s.protocol_at = h.driver_cpu, h.protocol_cpu
    s.contended = h.hogs > 0 or h.sender_cpu == h.reader_cpu
    if s.contended:
        s.tick_at = h.slice_ns
    s.turn = SENDER if h.sender_cpu == h.reader_cpu else HOG
    s.told_edge = s.edge = min(h.ssthresh, h.window)
    s.left = h.reader
    s.procs[SENDER].awake, s.procs[SENDER].first, s.procs[SENDER].woken_by = AWAKE, 1, -1
    dispatch(w, h.sender_cpu)
    if h.hogs > 0 and h.sender_cpu != h.reader_cpu:
        dispatch(w, h.reader_cpu)


@inlined
def next_event(w: World) -> tuple[int, int]:
    """When the next thing happens, and what: a CPU's number, or one of the constants above; -1 if nothing ever."""
    s = w.s
    at, what = NEVER, -1
    for cpu in range(CPUS):
        if s.cpus[cpu].end < at:
            at, what = s.cpus[cpu].end, cpu
    if s.nic_at < at:
        at, what = s.nic_at, DEVICE
    if s.ack_out < s.ack_in and w.packets[s.ack_out % w.packets.size].ack_at < at:
        at, what = w.packets[s.ack_out % w.packets.size].ack_at, ACKS
    if s.timer_at < at:
        at, what = s.timer_at, TIMER
    waits = s.procs[READER].awake == AWAKE or s.procs[SENDER].awake == AWAKE
    if s.tick_at < at and (what >= 0 or waits):
        at, what = s.tick_at, TICK
    return at, what


@compiled
def replay_host(w: World) -> int:
    """0 when the last byte is copied, else why it never was."""
    s = w.s
    start(w)
    while s.copied < w.h.n_packets:
        at, what = next_event(w)
        if what < 0:
            return HUNG
        if s.nodes + 4 > w.nodes.size:
            return NO_ROOM
        s.now = at
        if what < CPUS:
            work_ends(w, what)
        elif what == DEVICE:
            device_interrupts(w)
        elif what == ACKS:
            ack_arrives(w)
        elif what == TIMER:
            timer_fires(w)
        else:
            tick(w)
    for cpu in range(CPUS):
        c = s.cpus[cpu]
        if c.kind not in (IDLE, OTHERS):
            c.busy_ns += (s.now - c.start) // (2 if c.kind == IDLE_EXIT else 1)
    return 0


@compiled
def replay_hosts(hosts: Rows, states: Rows, nodes: Rows, packets: Rows, path_ns: Rows, uses: Rows) -> int:
    """Replays and blames hosts one after the other; how many were done before one hung."""
    for at in range(hosts.size):
        w = World(hosts[at], states[at], nodes, packets[at % packets.shape[0]])
        why = replay_host(w)
        if why == HUNG:
            return at
        w.s.stopped = why
        if why == 0:
            blame_path(w, path_ns[at], uses[at])
    return int(hosts.size)

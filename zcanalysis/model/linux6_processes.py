"""Sender, reader and other processes of `linux6`: whose turn it is, and what each does next."""

from zcanalysis.model.compiling import compiled, inlined
from zcanalysis.model.linux6_sender import allowed, start_transmit
from zcanalysis.model.linux6_socket import delay_ack, window_of
from zcanalysis.model.linux6_state import (
    ASLEEP,
    AWAKE,
    BY_OTHERS,
    CLOSING,
    COPY,
    HOG,
    IDLE,
    NEVER,
    NO_GAP,
    NOBODY,
    OTHERS,
    READER,
    SCHEDULE,
    SENDER,
    SYSCALL,
    TCP,
    TO_FREE,
    WRITE,
    World,
)
from zcanalysis.model.linux6_work import begin, sleep, start_ack


@compiled
def is_runnable(w: World, process: int) -> bool:
    """Whether a process wants the reader's CPU."""
    if process == HOG:
        return bool(w.h.hogs > 0)
    if process == SENDER and w.h.sender_cpu != w.h.reader_cpu:
        return False
    return bool(w.s.procs[process].awake == AWAKE)


@compiled
def next_turn(w: World) -> None:
    """The turn passes to sender or reader, whichever had it less lately, if it has its share to come; else to hogs."""
    s = w.s
    for step in (1, 2):
        process = (s.turn + step) % HOG
        if is_runnable(w, process) and s.procs[process].credit >= 0:
            s.turn = process
            return
    if w.h.hogs > 0:
        s.turn = HOG


@compiled
def whose_turn(w: World, cpu: int) -> int:
    """The process that this CPU runs now."""
    h, s = w.h, w.s
    if cpu == h.reader_cpu and s.contended:
        if not is_runnable(w, s.turn):
            next_turn(w)
        return int(s.turn) if is_runnable(w, s.turn) else NOBODY
    if cpu == h.sender_cpu and s.procs[SENDER].awake == AWAKE:
        return SENDER
    if cpu == h.reader_cpu and s.procs[READER].awake == AWAKE:
        return READER
    return NOBODY


@compiled
def owned_by(w: World, cpu: int, process: int) -> None:
    """The work just begun is a process's; the first since it woke up knows by whom."""
    c, p = w.s.cpus[cpu], w.s.procs[process]
    node = w.nodes[c.node]
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
def begin_of(w: World, cpu: int, kind: int, ns: int, packets: int) -> None:
    """A process's piece of work; the process is the one whose kind of work it is."""
    node = begin(w, cpu, kind, ns)
    node.packets = packets
    w.s.cpus[cpu].packets = packets
    owned_by(w, cpu, SENDER if kind == WRITE else HOG if kind == OTHERS else READER)


@compiled
def resume(w: World, cpu: int, process: int) -> None:
    """A process's work goes on where it was stopped."""
    p = w.s.procs[process]
    begin_of(w, cpu, p.kind, p.left, p.packets)
    w.nodes[w.s.cpus[cpu].node].whole = 0
    p.kind = -1


@compiled
def run_sender(w: World, cpu: int) -> bool:
    """What the sender's process does next; false if it sleeps."""
    h, s = w.h, w.s
    burst = allowed(w)
    if burst > 0:
        start_transmit(w, cpu, burst)
        owned_by(w, cpu, SENDER)
        return True
    packets = min(min(h.gso, h.n_packets - s.written), h.sndbuf - (s.written - s.acked))
    if packets > 0:
        begin_of(w, cpu, WRITE, packets * h.write_ns, packets)
        return True
    sleep(w, SENDER)
    return False


@compiled
def is_cleanup_due(w: World) -> bool:
    """__tcp_cleanup_rbuf: whether the reader sends an ACK here."""
    s = w.s
    if s.taken - s.answered > 1 or s.timer_due:
        return True
    opened = s.told_edge - s.taken
    window = window_of(w, s.taken - s.copied)
    return bool(s.got > 0 and 2 * opened <= w.h.window and window > 0 and window >= 2 * opened)


@compiled
def take_backlog(w: World, cpu: int) -> None:
    """The reader does TCP's work for the socket's backlog."""
    s = w.s
    begin_of(w, cpu, TCP, s.backlog_skbs * w.h.tcp_ns, s.backlog_skbs)
    s.flushing, s.flushed_packets = 1, s.backlog_packets
    s.backlog_skbs, s.backlog_packets = 0, 0


@compiled
def run_reader(w: World, cpu: int) -> bool:
    """What the reader does next; false if it sleeps."""
    h, s = w.h, w.s
    if s.procs[READER].first and s.left > 0:
        begin_of(w, cpu, SCHEDULE, h.schedule_ns, 0)
        return True
    if s.flushing:
        if s.backlog_skbs > 0:
            take_backlog(w, cpu)
            return True
        s.flushing = 0
        if s.taken - s.answered > 1:
            start_ack(w, cpu, READER)
            return True
    if s.owned and use_socket(w, cpu):
        return True
    if s.procs[READER].awake == ASLEEP:
        return False
    begin_of(w, cpu, SYSCALL, h.syscall_ns, 0)
    return True


@compiled
def use_socket(w: World, cpu: int) -> bool:
    """What the owner does next; false once it has given the socket up, at the end of the call or to sleep."""
    h, s = w.h, w.s
    packets = min(min(s.taken - s.copied, s.left), h.gso)
    if packets > 0:
        begin_of(w, cpu, COPY, packets * h.copy_ns, packets)
        return True
    if s.left != CLOSING:
        done = s.left == 0 or (s.got > 0 and s.backlog_skbs == 0)
        if (done or s.backlog_skbs == 0) and is_cleanup_due(w):
            if done:
                s.left = CLOSING
            s.delayed_acks += s.timer_due
            start_ack(w, cpu, READER)
            return True
        if done:
            s.left = CLOSING
    if s.backlog_skbs > 0:
        take_backlog(w, cpu)
        return True
    s.owned = 0
    if s.left != CLOSING:
        sleep(w, READER)
    return False


@compiled
def run_process(w: World, cpu: int) -> None:
    """The process in turn goes on; where none can, the CPU is idle."""
    process = whose_turn(w, cpu)
    while process != NOBODY:
        if process == HOG:
            begin_of(w, cpu, OTHERS, NEVER, 0)
            return
        if w.s.procs[process].kind >= 0:
            resume(w, cpu, process)
            return
        if process == SENDER and run_sender(w, cpu):
            return
        if process == READER and run_reader(w, cpu):
            return
        process = whose_turn(w, cpu)
    c = w.s.cpus[cpu]
    c.kind, c.end = IDLE, NEVER


@inlined
def process_done(w: World, cpu: int) -> None:
    """Effects of a process's own work."""
    h, s, c = w.h, w.s, w.s.cpus[cpu]
    if c.kind == WRITE:
        s.written += c.packets
    elif c.kind == SYSCALL:
        s.owned, s.left, s.got = 1, h.reader, 0
        s.calls += 1
    elif c.kind == SCHEDULE:
        s.owned = 1
    elif c.kind == TCP:
        s.taken += s.flushed_packets
        delay_ack(w, cpu)
    elif c.kind == COPY:
        s.copied += c.packets
        s.left -= c.packets
        s.got += c.packets
        s.freed += c.packets
        if h.free_packets > 0 and s.freed >= h.free_packets and not s.free_on_way:
            s.freed, s.free_on_way = 0, 1
            c.owes |= TO_FREE

"""The rules of `udp` as one compiled loop: from one arrival or end of work to the next."""

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from zcanalysis.model.compiling import compiled

Nanoseconds = npt.NDArray[np.int64]
Record: TypeAlias = Any  # one row of a table below: numba reads and writes its fields

NEVER: Final = np.iinfo(np.int64).max
DELIVERED, IN_RING, IN_BACKLOG, AT_SOCKET = range(1, 5)
FATES: Final = (DELIVERED, IN_RING, IN_BACKLOG, AT_SOCKET)
QUIET, RAISED, HANDED = range(3)  # softirq: nothing pending, ahead of the reader, ksoftirqd's
NOTHING, INTERRUPT, SOFTIRQ, READ = range(4)  # what a CPU does

PRICES: Final = (
    "interrupt_ns", "softirq_ns", "read_ns", "wake_ns", "schedule_ns", "most_queued", "ring_packets", "shared_cpu",
    "interrupt_each", "most_backlog", "coalesce_ns", "pass_packets", "passes", "run_ns", "fair",
)  # fmt: skip
HOST: Final = np.dtype([(name, np.int64) for name in (*PRICES, "from_ns", "to_ns")])
STATE: Final = np.dtype(
    [
        (name, np.int64)
        for name in (
            # packets that came, and how many hold a place in ring, backlog and socket
            "now", "tail", "ring", "backlog", "queued", "throttle", "due",
            # rows at work (-1: none), what is left to pay, and from which row on the next is looked for
            "irq", "irq_left", "irq_next", "soft", "soft_left", "soft_next", "read", "read_left", "read_next",
            # softirq: its mode, this net_rx_action's packets, those before it, since when; ksoftirqd's lead
            "mode", "in_pass", "passed", "run_at", "lead", "asleep", "woken",
            "irq_busy", "soft_busy", "read_busy",
        )
    ]
)  # fmt: skip


class World(NamedTuple):
    """All of one scenario."""

    h: Record
    s: Record
    arrival_ns: Nanoseconds
    fate: Nanoseconds
    departure_ns: Nanoseconds


@compiled
def _arrivals(w: World) -> None:
    """What has come takes its place in the ring."""
    h, s = w.h, w.s
    while s.tail < w.arrival_ns.size and w.arrival_ns[s.tail] <= s.now:
        if s.ring >= h.ring_packets:
            w.fate[s.tail] = IN_RING
        else:
            if s.ring == 0:
                s.due = w.arrival_ns[s.tail] + h.coalesce_ns
            s.ring += 1
        s.tail += 1


@compiled
def _next_row(w: World, row: int) -> int:
    """The first packet from a row on that was not dropped."""
    while w.fate[row] > 0:
        row += 1
    return row


@compiled
def _waiting(w: World) -> int:
    """Packets that the softirq could take."""
    return int(w.s.backlog if w.h.interrupt_each else w.s.ring)


# ---- beginnings


@compiled
def _interrupts(w: World) -> bool:
    """Whether an interrupt is at work; one that is due begins."""
    h, s = w.h, w.s
    if s.irq >= 0:
        return True
    if s.ring == 0 or (h.interrupt_each == 0 and (s.mode != QUIET or s.now < s.due)):
        return False
    s.irq, s.irq_left = 0, h.interrupt_ns
    if h.interrupt_each:
        s.irq = _next_row(w, s.irq_next)
        s.irq_next = s.irq + 1
        s.ring -= 1
    return True


@compiled
def _reader_has_work(w: World) -> bool:
    return bool(w.s.queued > 0)


@compiled
def _reader_is_first(w: World) -> bool:
    """Whether ksoftirqd waits for a reader that shares its CPU."""
    h, s = w.h, w.s
    between = s.mode == HANDED and s.in_pass == 0
    if not between or h.shared_cpu == 0 or not _reader_has_work(w):
        return False
    return bool(h.fair == 0 or s.lead > 0 or s.read_left > 0)


@compiled
def _softirq_goes(w: World) -> bool:
    """Whether the softirq goes before the reader; its next packet begins."""
    h, s = w.h, w.s
    if s.soft >= 0:
        return True
    if s.mode == QUIET or _reader_is_first(w):
        return False
    s.soft = _next_row(w, s.soft_next)
    s.soft_next = s.soft + 1
    s.soft_left = h.softirq_ns + h.wake_ns * s.asleep
    if h.interrupt_each:
        s.backlog -= 1
    else:
        s.ring -= 1
    s.in_pass += 1
    return True


@compiled
def _reader_goes(w: World) -> bool:
    """Whether the reader can run; its next datagram begins."""
    h, s = w.h, w.s
    if not _reader_has_work(w):
        return False
    if s.read < 0:
        s.read = _next_row(w, s.read_next)
        s.read_next = s.read + 1
        s.read_left = h.read_ns + h.schedule_ns * s.woken
        s.woken = 0
    return True


# ---- ends


@compiled
def _interrupt_done(w: World) -> None:
    """netif_rx queues or drops, or NAPI is scheduled; the softirq is raised."""
    h, s = w.h, w.s
    row, s.irq = s.irq, -1
    if h.interrupt_each:
        s.throttle = s.backlog > h.most_backlog or (s.throttle > 0 and s.backlog > 0)
        if s.throttle:
            w.fate[row] = IN_BACKLOG
        else:
            s.backlog += 1
    if s.mode != RAISED and s.soft < 0 and _waiting(w) > 0:
        s.mode, s.in_pass, s.passed, s.run_at = RAISED, 0, 0, s.now


@compiled
def _softirq_done(w: World) -> None:
    """The socket takes it or not; the run goes on or ends."""
    h, s = w.h, w.s
    row, s.soft = s.soft, -1
    if s.queued >= h.most_queued:
        w.fate[row] = AT_SOCKET
    else:
        s.queued += 1
        s.woken |= s.asleep
        s.asleep = 0
    if _waiting(w) == 0:
        s.mode = QUIET
    elif s.in_pass == h.pass_packets:
        s.in_pass = 0
        s.passed += 1
        if s.mode == RAISED and (s.passed >= h.passes or s.now - s.run_at >= h.run_ns):
            s.mode, s.lead = HANDED, 0


@compiled
def _read_done(w: World) -> None:
    s = w.s
    w.fate[s.read], w.departure_ns[s.read] = DELIVERED, s.now
    s.read = -1
    s.queued -= 1
    if s.queued == 0:
        s.asleep, s.lead = 1, 0


# ---- time


@compiled
def _until_next(w: World, first: int, second: int) -> int:
    """How long nothing changes; NEVER where nothing is left."""
    s = w.s
    ns = NEVER
    if s.tail < w.arrival_ns.size:
        ns = w.arrival_ns[s.tail] - s.now
    if s.ring > 0 and s.mode == QUIET and s.now < s.due:
        ns = min(ns, s.due - s.now)
    if first == INTERRUPT:
        ns = min(ns, s.irq_left)
    if first == SOFTIRQ:
        ns = min(ns, s.soft_left)
    if READ in (first, second):
        ns = min(ns, s.read_left)
    return ns


@compiled
def _work(w: World, doing: int, ns: int) -> None:
    """A CPU works, and what is paid for is done."""
    h, s = w.h, w.s
    counted = max(0, min(s.now, h.to_ns) - max(s.now - ns, h.from_ns))
    if doing == INTERRUPT:
        s.irq_left -= ns
        s.irq_busy += counted
        if s.irq_left == 0:
            _interrupt_done(w)
    elif doing == SOFTIRQ:
        s.soft_left -= ns
        s.soft_busy += counted
        s.lead += ns * (s.mode == HANDED)
        if s.soft_left == 0:
            _softirq_done(w)
    elif doing == READ:
        s.read_left -= ns
        s.read_busy += counted
        s.lead -= ns * (s.mode == HANDED)
        if s.read_left == 0:
            _read_done(w)


@compiled
def replay(w: World) -> None:
    """Until nothing is left to do."""
    h, s = w.h, w.s
    while True:
        _arrivals(w)
        first, second = NOTHING, NOTHING
        if _interrupts(w):
            first = INTERRUPT
        elif _softirq_goes(w):
            first = SOFTIRQ
        elif h.shared_cpu and _reader_goes(w):
            first = READ
        if h.shared_cpu == 0 and _reader_goes(w):
            second = READ
        ns = _until_next(w, first, second)
        if ns == NEVER:
            return
        s.now += ns
        _work(w, first, ns)
        _work(w, second, ns)

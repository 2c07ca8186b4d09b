"""Datagrams: who goes first, where they are dropped, and what that cost."""

from collections import deque
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import ns
from zcanalysis.model.udp import AT_SOCKET, DELIVERED, IN_BACKLOG, IN_RING, PLENTY, UdpReceiver, through_udp

OLD = UdpReceiver(
    interrupt_ns=10, softirq_ns=20, read_ns=30, interrupt_each=True, pass_packets=302, passes=1, fair=False
)
NEW = UdpReceiver(interrupt_ns=10, softirq_ns=20, read_ns=30)


def through(receiver, *arrivals):
    """(departures, fates, busy) of one scenario."""
    found = through_udp([receiver], ns(*arrivals))
    return found.departure_ns[0].tolist(), found.fate[0].tolist(), found.busy_ns[0].tolist()


def test_in_2_4_every_packet_interrupts_and_the_reader_comes_last():
    # interrupts 0-10, 10-20; softirq 20-40, 40-60; reader 60-90, 90-120
    assert through(OLD, 0, 5) == ([90, 120], [DELIVERED] * 2, [20, 40, 60])


def test_a_datagram_interrupts_the_reading_of_another():
    # first: 0-10, 10-30, read from 30; at 45 the second: 45-55, 55-75; the first has 15 left: 90; the second 120
    assert through(OLD, 0, 45)[0] == [90, 120]
    # with a CPU of its own the reader is through at 60, and takes the second at 75: 105
    assert through(replace(OLD, shared_cpu=False), 0, 45)[0] == [60, 105]


def test_napi_interrupts_once_while_there_is_work():
    # one interrupt 0-10; polled 10-30, 30-50; reader 50-80, 80-110
    assert through(NEW, 0, 5) == ([80, 110], [DELIVERED] * 2, [10, 40, 60])
    # the second comes at 35, when NAPI sleeps: read 30-35; 35-45, 45-65; 25 left: 90, 120
    assert through(NEW, 0, 35)[0] == [90, 120]
    # an interrupt put off by 7: 7-17, 17-37, 37-57; 87, 117
    assert through(replace(NEW, coalesce_ns=7), 0, 5)[0] == [87, 117]


def test_the_sleeping_reader_is_woken_by_the_softirq_and_pays_until_it_runs():
    # 0-10; 10-30 and waking 4: 34; the second finds nobody asleep: 54; schedule 6: 60, 90, 120
    assert through(replace(NEW, wake_ns=4, schedule_ns=6), 0, 5)[0] == [90, 120]


def test_what_the_ring_drops_is_free_and_what_the_socket_drops_is_paid():
    # the ring holds the first until its interrupt is over at 10: no other gets in, and the CPU works for one
    assert through(replace(NEW, ring_packets=1), 0, 1, 2) == ([60, -1, -1], [1, IN_RING, IN_RING], [10, 20, 30])
    # one fits into the socket: queued at 30; at 50 the second finds it full: twice 20 for one delivered
    small = replace(NEW, truesize_bytes=100, rcvbuf_bytes=199)
    assert through(small, 0, 5) == ([80, -1], [DELIVERED, AT_SOCKET], [10, 40, 30])


def test_what_the_backlog_drops_has_interrupted():
    # room for one: the first is queued at 10, the others find it waiting at 20 and 30; softirq 30-50, reader 50-80
    found = through(replace(OLD, most_backlog=0), 0, 1, 2)
    assert found == ([80, -1, -1], [DELIVERED, IN_BACKLOG, IN_BACKLOG], [30, 20, 30])


def test_a_backlog_that_was_full_drops_until_none_waits():
    # limit 1: softirq 1-21 is put off by interrupts at 2, 4, 6 to 24; 1 and 2 wait, 3 finds two. At 30 one waits, which
    # would be room, but it is dropped. At 45 the last that waits is taken, and at 50 the queue is empty: in
    slow = replace(OLD, interrupt_ns=1, read_ns=1, most_backlog=1)
    assert through(slow, 0, 2, 4, 6, 30, 50)[1] == [1, 1, 1, IN_BACKLOG, IN_BACKLOG, 1]


def test_ksoftirqd_and_reader_take_turns():
    # interrupt 0-10, softirq 10-20, then ksoftirqd has it. Nobody leads: ksoftirqd 20-30, reader 30-40; level again:
    # ksoftirqd 40-50, and nothing is left for it; reader 50-60, 60-70
    turns = UdpReceiver(interrupt_ns=10, softirq_ns=10, read_ns=10, pass_packets=1, passes=1)
    assert through(turns, 0, 0, 0)[0] == [40, 60, 70]
    # where the softirq keeps it: 20, 30, 40 and then the reader
    assert through(replace(turns, passes=10), 0, 0, 0)[0] == [50, 60, 70]
    # nice 19: the reader goes first at 20, 30 and 40
    assert through(replace(turns, fair=False), 0, 0, 0)[0] == [30, 50, 70]


def test_the_socket_holds_what_the_kernels_say():
    # 2.4: truesize below the buffer: 3 x 100 < 301; linux-6: no more than it, and always one
    sizes = [UdpReceiver.most_queued.fget(replace(one, truesize_bytes=100, rcvbuf_bytes=size))
             for one in (OLD, NEW) for size in (99, 300, 301)]  # fmt: skip
    assert sizes == [0, 2, 3, 1, 3, 3]


@pytest.mark.parametrize("field", ["interrupt_ns", "read_ns", "ring_packets", "passes", "truesize_bytes"])
def test_an_impossible_receiver_is_refused(field):
    with pytest.raises(ValueError, match=field):
        replace(NEW, **{field: -1})


class Nanosecond:
    """The receiver one nanosecond after the other."""

    def __init__(self, receiver, arrivals):
        self.r, self.coming = receiver, deque(enumerate(arrivals))
        self.ring, self.backlog, self.socket = deque(), deque(), deque()
        self.irq = self.soft = self.read = None  # [row, nanoseconds left]
        self.fate, self.left_at, self.busy = [0] * len(arrivals), [-1] * len(arrivals), [0, 0, 0]
        self.now, self.mode, self.throttle, self.asleep, self.woken = arrivals[0], "quiet", False, True, False
        self.taken = self.passes = self.since = self.lead = self.ring_since = 0

    def live(self):
        while self.coming or self.ring or self.backlog or self.socket or self.irq or self.soft:
            while self.coming and self.coming[0][1] <= self.now:
                self.ring_or_drop(*self.coming.popleft())
            self.spend()
        return self.fate, self.left_at, self.busy, self.now

    def ring_or_drop(self, row, at):
        if len(self.ring) == self.r.ring_packets:
            self.fate[row] = IN_RING
            return
        if not self.ring:
            self.ring_since = at
        self.ring.append(row)

    def source(self):
        return self.backlog if self.r.interrupt_each else self.ring

    def spend(self):
        self.begin_interrupt()
        softirq = not self.irq and self.softirq_before_reader()
        alone = not self.r.shared_cpu
        reader = bool(self.socket) and (alone or not (self.irq or softirq))
        if reader and not self.read:
            self.read = [self.socket[0], self.r.read_ns + (self.r.schedule_ns if self.woken else 0)]
            self.woken = False
        self.now += 1
        if self.irq:
            self.pay(0, self.irq, self.interrupt_over)
        elif softirq:
            self.lead += self.mode == "handed"
            self.pay(1, self.soft, self.softirq_over)
        if reader:
            self.lead -= self.mode == "handed"
            self.pay(2, self.read, self.read_over)

    def pay(self, at, work, over):
        self.busy[at] += 1
        work[1] -= 1
        if work[1] == 0:
            over(work[0])

    def begin_interrupt(self):
        if self.irq or not self.ring:
            return
        if self.r.interrupt_each:
            self.irq = [self.ring.popleft(), self.r.interrupt_ns]
        elif self.mode == "quiet" and self.now >= self.ring_since + self.r.coalesce_ns:
            self.irq = [None, self.r.interrupt_ns]

    def interrupt_over(self, row):
        self.irq = None
        if row is not None:
            if len(self.backlog) > self.r.most_backlog:
                self.throttle = True
            elif not self.backlog:
                self.throttle = False
            if self.throttle:
                self.fate[row] = IN_BACKLOG
            else:
                self.backlog.append(row)
        if self.source() and not self.soft and self.mode != "raised":
            self.mode, self.taken, self.passes, self.since = "raised", 0, 0, self.now

    def softirq_before_reader(self):
        if not self.soft and self.mode != "quiet" and not self.reader_first():
            work = self.r.softirq_ns + (self.r.wake_ns if self.asleep else 0)
            self.soft = [self.source().popleft(), work]
            self.taken += 1
        return bool(self.soft)

    def reader_first(self):
        if self.mode != "handed" or self.taken or not self.r.shared_cpu or not self.socket:
            return False
        unfinished = self.read is not None and self.read[1] > 0
        return not self.r.fair or self.lead > 0 or unfinished

    def softirq_over(self, row):
        self.soft = None
        if len(self.socket) >= self.r.most_queued:
            self.fate[row] = AT_SOCKET
        else:
            self.socket.append(row)
            self.woken, self.asleep = self.woken or self.asleep, False
        if not self.source():
            self.mode = "quiet"
        elif self.taken == self.r.pass_packets:
            self.taken, self.passes = 0, self.passes + 1
            spent = self.passes >= self.r.passes or self.now - self.since >= self.r.run_ns
            if self.mode == "raised" and spent:
                self.mode, self.lead = "handed", 0

    def read_over(self, row):
        self.read, self.fate[row], self.left_at[row] = None, DELIVERED, self.now
        self.socket.popleft()
        if not self.socket:
            self.asleep, self.lead = True, 0


@st.composite
def receivers(draw, **fixed):
    some = {
        **{name: st.integers(1, 9) for name in ("interrupt_ns", "softirq_ns", "read_ns")},
        **{name: st.integers(0, 3) for name in ("wake_ns", "schedule_ns", "most_backlog")},
        **{name: st.booleans() for name in ("shared_cpu", "interrupt_each", "fair")},
        **{name: st.integers(1, 4) for name in ("ring_packets", "pass_packets", "passes")},
        "rcvbuf_bytes": st.integers(0, 500), "truesize_bytes": st.just(100), "coalesce_ns": st.sampled_from([0, 0, 6]),
        "run_ns": st.sampled_from([10, 1000]),
    }  # fmt: skip
    return UdpReceiver(**{name: fixed.get(name, draw(value)) for name, value in some.items()})


@st.composite
def arrivals(draw):
    return np.cumsum(draw(st.lists(st.integers(0, 12), min_size=1, max_size=30)), dtype=np.int64)


@given(receivers(), arrivals())
def test_the_loop_is_the_receiver_nanosecond_by_nanosecond(receiver, arrival_ns):
    found = through_udp([receiver], arrival_ns)
    fate, left_at, busy, end = Nanosecond(receiver, arrival_ns.tolist()).live()
    assert found.fate[0].tolist() == fate
    assert found.departure_ns[0].tolist() == left_at
    assert found.busy_ns[0].tolist() == busy
    assert found.elapsed_ns[0] == end - arrival_ns[0]


@given(receivers(), arrivals())
def test_each_is_delivered_or_dropped_once_and_nobody_overtakes(receiver, arrival_ns):
    found = through_udp([receiver], arrival_ns)
    assert found.counts().sum() == arrival_ns.size
    delivered = found.fate[0] == DELIVERED
    assert np.array_equal(delivered, found.departure_ns[0] >= 0)
    assert np.all(np.diff(found.departure_ns[0][delivered]) > 0)
    least_ns = receiver.softirq_ns + receiver.read_ns
    assert np.all(found.departure_ns[0][delivered] >= arrival_ns[delivered] + least_ns)


@given(receivers(), st.integers(1, 60))
def test_below_the_smallest_service_rate_nothing_is_dropped(receiver, n):
    receiver = replace(receiver, rcvbuf_bytes=200)
    gap_ns = 1 + sum(
        getattr(receiver, name)
        for name in ("interrupt_ns", "softirq_ns", "read_ns", "wake_ns", "schedule_ns", "coalesce_ns")
    )
    assert through_udp([receiver], np.arange(n) * gap_ns).counts().tolist() == [[n, 0, 0, 0]]


@given(receivers(passes=1 << 40, run_ns=PLENTY, interrupt_each=False, wake_ns=0), st.integers(1, 12), st.integers(0, 9))
def test_a_larger_buffer_never_delivers_less_at_a_constant_rate(receiver, gap_ns, more):
    # where ksoftirqd takes no turns: with turns, a longer turn of the reader's may overflow the ring
    larger = replace(receiver, rcvbuf_bytes=receiver.rcvbuf_bytes + 100 * more)
    delivered = through_udp([receiver, larger], np.arange(200) * gap_ns).counts()[:, 0]
    assert delivered[1] >= delivered[0]


def rates(receiver, gaps_ns):
    """Delivered in the second half of the time, per arrival."""
    arrival_ns = np.arange(30_000) * np.array(gaps_ns)[:, None]
    found, end_ns = through_udp([receiver] * len(gaps_ns), arrival_ns), arrival_ns[:, -1:]
    return ((found.departure_ns > end_ns / 2) & (found.departure_ns <= end_ns)).sum(axis=1) / end_ns[:, 0] * 2


def test_on_one_cpu_more_load_is_less_goodput_and_at_last_none():
    # interrupt, softirq and reader are 60 ns; softirq and interrupt 30; the interrupt alone 10
    for receiver in (OLD, replace(NEW, passes=1 << 40, run_ns=PLENTY)):
        found = rates(receiver, [80, 60, 50, 40, 30, 20, 10])
        assert found[:2] == pytest.approx([1 / 80, 1 / 60], rel=0.01)
        assert np.all(np.diff(found[1:]) <= 1e-5)
        assert found[3] < 0.7 * found[1]
        assert found[-1] == 0


def test_on_two_cpus_goodput_levels_off():
    # the softirqs' CPU is the limit, 20 ns a packet and no interrupts any more; without NAPI that CPU livelocks itself
    found = rates(replace(NEW, read_ns=15, shared_cpu=False), [40, 25, 19, 15, 10, 5])
    assert found[:2] == pytest.approx([1 / 40, 1 / 25], rel=0.01)
    assert found[2:] == pytest.approx(4 * [1 / 20], rel=0.01)
    assert rates(replace(OLD, read_ns=15, shared_cpu=False), [10])[0] == 0


def test_ksoftirqd_leaves_the_reader_a_share_at_any_load():
    # with room for what ksoftirqd's turn of 320 brings, half of the CPU is the reader's: one datagram in 2 x 30 ns
    roomy = replace(NEW, rcvbuf_bytes=2304 * 1000)
    assert rates(roomy, [20, 10, 5]) == pytest.approx(3 * [1 / 60], rel=0.05)
    # with 92 places a turn of the reader ends after 92 datagrams: 92 in 320 x 20 + 92 x 30 ns
    assert rates(NEW, [20, 10, 5]) == pytest.approx(3 * [92 / (320 * 20 + 92 * 30)], rel=0.05)

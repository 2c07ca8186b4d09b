"""The backlog of 2.4: its limit, its throttle, the end of a run."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import ns, traffic
from zcanalysis.model.arrays import group_first
from zcanalysis.model.backlog import Backlog, through_backlog
from zcanalysis.model.queueing import fifo_departure_ns


def test_once_full_everything_is_dropped_until_the_queue_is_empty():
    # limit 1, ten each. 0 goes into work at once, 1 and 2 wait (one waiting lets one more in), 3 finds two: drop.
    # At 15 packet 1 is in work and 2 waits: room, but dropped all the same. At 25 packet 2 is in work: queue empty, in.
    found = through_backlog(ns(0, 1, 2, 3, 15, 25), ns(10, 10, 10, 10, 10, 10), Backlog(limit_packets=1))
    assert found.dropped.tolist() == [False, False, False, True, True, False]
    assert found.departure_ns.tolist() == [10, 20, 30, 30, 30, 40]


def test_301_wait_and_302_are_served_in_one_run():
    # all at once: 301 are queued, the 302nd finds 301 waiting: 301 > 300, dropped, and so is the rest
    found = through_backlog(np.zeros(310, np.int64), np.ones(310, np.int64), Backlog())
    assert np.flatnonzero(found.dropped).tolist() == list(range(301, 310))
    # one goes into work at 0, 301 more are queued at 0.5 of its service: 302 in one run, and nothing is left
    found = through_backlog(ns(0, *[1] * 301), np.full(302, 2), Backlog())
    assert not found.dropped.any()
    assert found.run.tolist() == [0] * 302
    # the 303rd comes during the run: the next run is another's
    found = through_backlog(ns(0, *[1] * 301, 3), np.full(303, 2), Backlog(ksoftirqd_ns=100))
    assert found.run.tolist() == [0] * 302 + [1]
    assert found.departure_ns[-2:].tolist() == [604, 604 + 100 + 2]


def test_a_run_ends_when_a_second_tick_has_begun():
    # ticks at 10, 20: the packet that ends at 21 is the last, ksoftirqd goes on at 26
    found = through_backlog(ns(0, 0, 0, 0), ns(7, 7, 7, 7), Backlog(tick_ns=10, ksoftirqd_ns=5))
    assert found.departure_ns.tolist() == [7, 14, 21, 33]
    assert found.run.tolist() == [0, 0, 0, 1]


def test_the_next_interrupt_comes_before_ksoftirqd():
    # as above, but a packet at 23 brings the softirq along: 23 + 7 = 30, 37
    found = through_backlog(ns(0, 0, 0, 0, 23), ns(7, 7, 7, 7, 7), Backlog(tick_ns=10, ksoftirqd_ns=50))
    assert found.departure_ns.tolist() == [7, 14, 21, 30, 37]


def test_arrivals_take_time_away_from_the_softirq():
    # ten of work, two arrivals of three meanwhile: 16; then 26 and 36
    found = through_backlog(ns(0, 1, 15), ns(10, 10, 10), Backlog(hardirq_ns=3))
    # 0..10, + 3 = 13; 15 is after that: 13 + 10 = 23, + 3 = 26, 36
    assert found.departure_ns.tolist() == [13, 26, 36]


@pytest.mark.parametrize("field", ["limit_packets", "tick_ns", "hardirq_ns", "ksoftirqd_ns"])
def test_an_impossible_backlog_is_refused(field):
    with pytest.raises(ValueError, match=field):
        Backlog(**{field: -1})


class Cpu:
    """dev.c of 2.4.17 in Python, line by line, with a clock."""

    def __init__(self, arrivals, services, backlog):
        self.coming = deque(enumerate(arrivals))
        self.services, self.backlog = services, backlog
        self.queue, self.throttle, self.now, self.run = deque(), False, 0, 0
        self.rows = {}

    def netif_rx(self, row):
        if len(self.queue) <= self.backlog.limit_packets:
            if self.queue:
                if self.throttle:
                    self.rows[row] = None
                    return
            else:
                self.throttle = False
            self.queue.append(row)
            return
        self.throttle = True
        self.rows[row] = None

    def interrupts(self, cost):
        while self.coming and self.coming[0][1] <= self.now:
            self.netif_rx(self.coming.popleft()[0])
            self.now += cost

    def net_rx_action(self):
        """True if it gave up."""
        budget, start = self.backlog.limit_packets, self.now // self.backlog.tick_ns
        while True:
            if not self.queue:
                self.throttle = False
                return False
            row = self.queue.popleft()
            self.now += self.services[row]
            self.interrupts(self.backlog.hardirq_ns)
            self.rows[row] = (self.now, self.run)
            late = self.now // self.backlog.tick_ns - start > 1
            budget, exhausted = budget - 1, budget < 0
            if exhausted or late:
                return True

    def live(self):
        gave_up = False
        while self.coming or self.queue:
            next_ns = self.coming[0][1] if self.coming else float("inf")
            wake_ns = self.now + self.backlog.ksoftirqd_ns if gave_up and self.queue else float("inf")
            self.now = max(self.now, min(next_ns, wake_ns))
            self.interrupts(0)
            gave_up = self.net_rx_action()
            self.run += 1
        return [self.rows[row] for row in range(len(self.services))]


@given(
    traffic(most=60, gap_ns=8), st.integers(0, 4), st.sampled_from([5, 30, 10**6]), st.integers(0, 3), st.integers(0, 9)
)
def test_the_loop_is_the_kernel_of_2_4(arrivals, limit, tick_ns, hardirq_ns, ksoftirqd_ns):
    arrival_ns, service_ns = arrivals
    backlog = Backlog(limit_packets=limit, tick_ns=tick_ns, hardirq_ns=hardirq_ns, ksoftirqd_ns=ksoftirqd_ns)
    expected = Cpu(arrival_ns.tolist(), service_ns.tolist(), backlog).live()
    found = through_backlog(arrival_ns, service_ns, backlog)
    assert [None if lost else (at, run) for at, lost, run in zip(*(a.tolist() for a in found), strict=True)] == expected


@given(traffic(most=60, gap_ns=8), st.integers(0, 4))
def test_nobody_is_early_nobody_overtakes_and_what_is_served_takes_its_time(arrivals, limit):
    arrival_ns, service_ns = arrivals
    found = through_backlog(arrival_ns, service_ns, Backlog(limit_packets=limit, ksoftirqd_ns=3))
    served = ~found.dropped
    assert np.all(np.diff(found.departure_ns) >= 0)
    assert np.all(np.diff(found.run) >= 0)
    assert np.all(found.departure_ns[served] >= (arrival_ns + service_ns)[served])
    assert np.bincount(found.run[served]).max() <= limit + 2
    assert group_first(found.run).sum() == np.unique(found.run).size


@given(traffic())
def test_with_room_and_time_the_backlog_is_a_queue(arrivals):
    arrival_ns, service_ns = arrivals
    found = through_backlog(arrival_ns, service_ns, Backlog(tick_ns=10**12))
    assert not found.dropped.any()
    assert np.array_equal(found.departure_ns, fifo_departure_ns(arrival_ns, service_ns))


@given(traffic())
def test_a_free_backlog_changes_nothing(arrivals):
    arrival_ns, service_ns = arrivals
    found = through_backlog(arrival_ns, 0 * service_ns, Backlog())
    assert np.array_equal(found.departure_ns, arrival_ns)


def test_the_throttle_loses_in_bursts():
    # arrivals twice as fast as service: losses come in runs of about what the queue holds, not one by one
    found = through_backlog(np.arange(3000) * 10, np.full(3000, 20), Backlog())
    borders = np.flatnonzero(np.diff(found.dropped.astype(int)))
    assert 0.4 < found.dropped.mean() < 0.6
    assert np.diff(borders).min() > 300


def test_scenarios_run_side_by_side():
    found = through_backlog(ns(0, 1, 2, 3), np.array([[10] * 4, [1] * 4]), Backlog(limit_packets=0))
    assert found.dropped.tolist() == [[False, False, True, True], [False] * 4]

"""Polls, budgets, squeezes, wakes and drops of linux-6."""

from collections import deque
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import ns, traffic
from zcanalysis.model.napi import Napi, ring, through_napi
from zcanalysis.model.queueing import fifo_departure_ns


def test_who_finds_napi_asleep_wakes_it():
    # 0 wakes, polled from 5 on, 15; 1 joins, 25. Asleep at 25: 30 wakes, polled at 35, 45
    found = through_napi(ns(0, 1, 30), ns(10, 10, 10), Napi(wake_ns=5))
    assert found.departure_ns.tolist() == [15, 25, 45]
    assert found.wakes.tolist() == [True, False, True]
    assert found.poll.tolist() == [0, 0, 1]


def test_a_poll_takes_its_weight_and_each_poll_has_its_price():
    # two a poll, 100 a poll, 10 each: 110, 120; 230, 240; 350
    found = through_napi(ns(*[0] * 5), ns(*[10] * 5), Napi(weight=2, poll_ns=100))
    assert found.departure_ns.tolist() == [110, 120, 230, 240, 350]
    assert found.poll.tolist() == [0, 0, 1, 1, 2]


def test_the_budget_ends_a_run_and_the_last_pass_goes_to_ksoftirqd():
    # budget 300 in polls of 64: 320 packets. Ten passes of 320 at once, then ksoftirqd
    found = through_napi(np.zeros(5000, np.int64), np.full(5000, 1), Napi(slots=5000, ksoftirqd_ns=777))
    assert np.flatnonzero(found.squeezed).tolist() == list(range(319, 5000, 320))
    waited = np.flatnonzero(np.diff(found.departure_ns) > 1)
    assert waited.tolist() == [3199]
    assert found.departure_ns[3200] - found.departure_ns[3199] == 778


def test_time_ends_a_run_between_polls():
    # one a poll of 3, ticks at 5, 10: the poll that ends at 12 is the last of the run
    napi = Napi(weight=1, tick_ns=5, passes=1, ksoftirqd_ns=100)
    found = through_napi(ns(*[0] * 5), ns(*[3] * 5), napi)
    assert found.departure_ns.tolist() == [3, 6, 9, 12, 115]
    assert found.squeezed.tolist() == [False, False, False, True, False]


def test_what_is_spliced_away_makes_room():
    # slots 2. 0 is spliced at 0. 1, 2 join; 3 finds two. At 10 both are spliced: 4 finds room at 11
    spliced = through_napi(ns(0, 1, 2, 3, 11), ns(*[10] * 5), Napi(slots=2))
    assert spliced.dropped.tolist() == [False, False, False, True, False]
    # a ring frees one descriptor a packet: at 11, 2 waits, 4 finds room; at 12 two wait, 5 does not
    unspliced = through_napi(ns(0, 1, 2, 3, 11, 12), ns(*[10] * 6), ring(2))
    assert unspliced.dropped.tolist() == [False, False, False, True, False, True]


def test_a_backlog_holds_1001_besides_what_is_in_work():
    found = through_napi(ns(0, *[1] * 1005), np.full(1006, 10), Napi())
    assert np.flatnonzero(found.dropped).tolist() == [1002, 1003, 1004, 1005]


@pytest.mark.parametrize("field", ["slots", "weight", "budget", "ticks", "tick_ns", "softirq_ticks", "passes"])
def test_nothing_of_it_may_be_zero(field):
    with pytest.raises(ValueError, match=f"{field} must be >= 1, got 0"):
        Napi(**{field: 0})


@pytest.mark.parametrize("field", ["wake_ns", "poll_ns", "ksoftirqd_ns"])
def test_no_price_is_negative(field):
    with pytest.raises(ValueError, match=field):
        Napi(**{field: -1})


class Cpu:
    """net_rx_action, process_backlog and handle_softirqs of 6.18 in Python, with a clock."""

    def __init__(self, arrivals, services, napi):
        self.coming, self.services, self.napi = deque(enumerate(arrivals)), services, napi
        self.input, self.process, self.now, self.polls = deque(), deque(), 0, -1
        self.rows, self.wakes, self.squeezed = {}, set(), set()

    def enqueue(self):
        while self.coming and self.coming[0][1] <= self.now:
            row, _ = self.coming.popleft()
            if len(self.input) == self.napi.slots:
                self.rows[row] = None
            else:
                self.input.append(row)

    def dequeue(self):
        if not self.napi.spliced:
            return self.input.popleft() if self.input else None
        if not self.process:
            self.process, self.input = self.input, deque()
        return self.process.popleft() if self.process else None

    def poll(self):
        self.polls += 1
        self.now += self.napi.poll_ns
        for work in range(self.napi.weight):
            self.enqueue()
            row = self.dequeue()
            if row is None:
                return work
            self.now += self.services[row]
            self.rows[row] = (self.now, self.polls)
            self.last = row
        self.enqueue()
        return self.napi.weight

    def net_rx_action(self):
        """True if NAPI is done."""
        left, limit = self.napi.budget, self.now // self.napi.tick_ns + self.napi.ticks
        while True:
            work = self.poll()
            if work < self.napi.weight:
                return True
            left -= work
            if left <= 0 or self.now // self.napi.tick_ns >= limit:
                self.squeezed.add(self.last)
                return False

    def handle_softirqs(self):
        end, restarts = self.now // self.napi.tick_ns + self.napi.softirq_ticks, self.napi.passes
        while not self.net_rx_action():
            restarts -= 1
            if not restarts or self.now // self.napi.tick_ns >= end:
                return False
            if self.finished():
                return True
        return True

    def finished(self):
        return not (self.coming or self.input or self.process)

    def live(self):
        while not self.finished():
            row, at = self.coming[0]
            self.wakes.add(row)
            self.now = max(self.now, at + self.napi.wake_ns)
            while not self.handle_softirqs() and not self.finished():
                self.now += self.napi.ksoftirqd_ns


NAPIS = st.builds(
    Napi,
    slots=st.integers(1, 5),
    spliced=st.booleans(),
    weight=st.integers(1, 4),
    budget=st.integers(1, 9),
    tick_ns=st.sampled_from([10, 40, 10**6]),
    passes=st.integers(1, 3),
    wake_ns=st.integers(0, 5),
    poll_ns=st.integers(0, 5),
    ksoftirqd_ns=st.integers(0, 9),
)


@given(traffic(most=60, gap_ns=12), NAPIS)
def test_the_loop_is_the_kernel_of_6_18(arrivals, napi):
    arrival_ns, service_ns = arrivals
    cpu = Cpu(arrival_ns.tolist(), service_ns.tolist(), napi)
    cpu.live()
    found = through_napi(arrival_ns, service_ns, napi)
    rows = zip(found.departure_ns.tolist(), found.poll.tolist(), found.dropped.tolist(), strict=True)
    assert [None if lost else (at, poll) for at, poll, lost in rows] == [cpu.rows[i] for i in range(arrival_ns.size)]
    assert set(np.flatnonzero(found.wakes).tolist()) == cpu.wakes
    assert set(np.flatnonzero(found.squeezed).tolist()) == cpu.squeezed


@given(traffic(most=60, gap_ns=12), NAPIS)
def test_order_weight_and_time_hold(arrivals, napi):
    arrival_ns, service_ns = arrivals
    found = through_napi(arrival_ns, service_ns, napi)
    served = ~found.dropped
    assert np.all(np.diff(found.departure_ns) >= 0)
    assert np.all(found.departure_ns[served] >= (arrival_ns + service_ns)[served])
    assert np.bincount(found.poll[served]).max() <= napi.weight
    assert found.wakes[0]
    assert not np.any(found.wakes & found.dropped)


@given(traffic(most=60, gap_ns=12), NAPIS)
def test_work_conserved_costs_only_what_it_says(arrivals, napi):
    # without prices of its own NAPI is the plain queue
    arrival_ns, service_ns = arrivals
    free = replace(napi, slots=1000, wake_ns=0, poll_ns=0, ksoftirqd_ns=0)
    found = through_napi(arrival_ns, service_ns, free)
    assert np.array_equal(found.departure_ns, fifo_departure_ns(arrival_ns, service_ns))


def test_scenarios_run_side_by_side():
    found = through_napi(ns(0, 1, 2), np.array([[10] * 3, [1] * 3]), ring(1))
    assert found.dropped.tolist() == [[False, False, True], [False] * 3]

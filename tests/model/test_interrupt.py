"""Which packets share an interrupt and when its handler has ended."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import ns, traffic
from zcanalysis.model.interrupt import (
    InterruptPrice,
    Interrupts,
    Moderation,
    after_ipi_ns,
    handler_departure_ns,
    moderated,
)


def test_the_timer_gathers_what_arrives_before_it_fires():
    # first waits from 0, fires at 50: 50 is still in, 51 starts anew and fires at 101
    found = moderated(ns(0, 50, 51), Moderation(timer_ns=50, packets=64))
    assert found.group.tolist() == [0, 0, 1]
    assert found.raised_ns.tolist() == [50, 50, 101]


def test_the_second_packet_of_two_raises_the_interrupt():
    # two packets: raised at 10 with the second; the third waits for the timer at 120
    found = moderated(ns(0, 10, 20), Moderation(timer_ns=100, packets=2))
    assert found.group.tolist() == [0, 0, 1]
    assert found.raised_ns.tolist() == [10, 10, 120]


def test_the_handler_runs_once_an_interrupt_and_the_next_waits_for_it():
    # raised 10 and 20, latency 5, handler 30: 15 + 30 = 45; the next is due at 25, waits, 45 + 30 = 75
    interrupts = Interrupts(ns(0, 0, 1), ns(10, 10, 20))
    price = InterruptPrice(latency_ns=5, handler_ns=30)
    assert handler_departure_ns(interrupts, price).tolist() == [45, 45, 75]


def test_only_a_remote_cpu_needs_an_ipi():
    assert after_ipi_ns(ns(10, 20), np.array([True, False]), InterruptPrice(ipi_ns=7)).tolist() == [17, 20]


@pytest.mark.parametrize("field", ["latency_ns", "handler_ns", "ipi_ns"])
def test_an_impossible_price_is_refused(field):
    with pytest.raises(ValueError, match=field):
        InterruptPrice(**{field: -1})


@pytest.mark.parametrize("field", ["timer_ns", "packets"])
def test_impossible_moderation_is_refused(field):
    with pytest.raises(ValueError, match=field):
        Moderation(**{field: -1})


@given(traffic(), st.integers(0, 60), st.integers(1, 5))
def test_moderation_is_a_card_that_lives_nanosecond_by_nanosecond(arrivals, timer_ns, count):
    arrival_ns, _ = arrivals
    coming, waiting, expected, interrupt, since = list(enumerate(arrival_ns.tolist())), [], {}, 0, 0
    for now in range(arrival_ns[-1] + timer_ns + 1):
        while coming and coming[0][1] == now:
            since = since if waiting else now
            waiting.append(coming.pop(0)[0])
            if len(waiting) == count:
                expected |= dict.fromkeys(waiting, (interrupt, now))
                waiting, interrupt = [], interrupt + 1
        if waiting and now == since + timer_ns:
            expected |= dict.fromkeys(waiting, (interrupt, now))
            waiting, interrupt = [], interrupt + 1
    found = moderated(arrival_ns, Moderation(timer_ns=timer_ns, packets=count))
    assert list(zip(found.group.tolist(), found.raised_ns.tolist(), strict=True)) == [
        expected[row] for row in range(arrival_ns.size)
    ]


@given(traffic(), st.integers(0, 60), st.integers(1, 5))
def test_nobody_waits_longer_than_the_timer_nor_in_larger_company_than_allowed(arrivals, timer_ns, count):
    arrival_ns, _ = arrivals
    group, raised_ns = moderated(arrival_ns, Moderation(timer_ns=timer_ns, packets=count))
    assert np.all((raised_ns >= arrival_ns) & (raised_ns - arrival_ns <= timer_ns))
    assert np.all(np.diff(raised_ns) >= 0)
    assert np.bincount(group).max() <= count
    assert set(np.diff(group).tolist()) <= {0, 1}


@given(traffic())
def test_no_moderation_and_no_price_change_nothing(arrivals):
    arrival_ns, _ = arrivals
    interrupts = moderated(arrival_ns, Moderation())
    assert np.array_equal(handler_departure_ns(interrupts, InterruptPrice()), arrival_ns)


@given(traffic(), st.integers(0, 60))
def test_fewer_interrupts_cost_less_handler_time(arrivals, timer_ns):
    arrival_ns, _ = arrivals
    alone, shared = (moderated(arrival_ns, Moderation(timer_ns=timer_ns, packets=count)) for count in (1, 64))
    assert shared.group[-1] <= alone.group[-1]


def test_scenarios_run_side_by_side():
    arrival_ns = np.array([[0, 10, 20], [0, 100, 200]])
    together = moderated(arrival_ns, Moderation(timer_ns=15, packets=8))
    assert together.group.tolist() == [[0, 0, 1], [0, 1, 2]]

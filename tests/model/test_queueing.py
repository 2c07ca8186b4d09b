"""One server, a finite ring, servers in series."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import ns, traffic
from zcanalysis.model.queueing import fifo_departure_ns, finite_fifo, occupancy_packets, series_departure_ns


def test_a_busy_server_makes_the_third_packet_wait():
    # 0 + 5 = 5; idle till 10, 10 + 5 = 15; arrives at 12, waits till 15, leaves at 20
    assert fifo_departure_ns(ns(0, 10, 12), ns(5, 5, 5)).tolist() == [5, 15, 20]


def test_a_full_ring_drops_until_a_packet_has_departed():
    # two slots, ten a packet: 0 leaves at 10, 1 at 20; 2 finds both slots taken at 9; 3 arrives when 0 departs: in, 30
    served = finite_fifo(ns(0, 1, 9, 10), ns(10, 10, 10, 10), 2)
    assert served.dropped.tolist() == [False, False, True, False]
    assert served.departure_ns.tolist() == [10, 20, 20, 30]


def test_the_slower_of_two_servers_sets_the_pace():
    # 2 then 10 each: the first lets go at 2, 4; the second at 12, 22
    departures = series_departure_ns(ns(0, 0), [ns(2, 2), ns(10, 10)])
    assert departures.tolist() == [[2, 4], [12, 22]]


def test_an_arriving_packet_sees_those_before_it():
    # departures 10, 20, 30; at 5 one is there, at 10 the first has just gone and the second is there
    assert occupancy_packets(ns(0, 5, 10), ns(10, 20, 30)).tolist() == [0, 1, 1]


def test_no_room_at_all_is_no_ring():
    with pytest.raises(ValueError, match="slots must be >= 1, got 0"):
        finite_fifo(ns(0), ns(1), 0)


def test_no_packets_are_no_trouble():
    assert finite_fifo(ns(), ns(), 3).departure_ns.tolist() == []
    assert fifo_departure_ns(ns(), ns()).tolist() == []


@given(traffic())
def test_the_closed_form_is_the_loop(arrivals):
    arrival_ns, service_ns = arrivals
    free, expected = -(10**9), []
    for arrival, service in zip(arrival_ns.tolist(), service_ns.tolist(), strict=True):
        free = max(free, arrival) + service
        expected.append(free)
    assert fifo_departure_ns(arrival_ns, service_ns).tolist() == expected


@given(traffic(), st.integers(1, 6))
def test_the_finite_ring_is_a_list_of_who_is_inside(arrivals, slots):
    arrival_ns, service_ns = arrivals
    inside, expected, last = deque(), [], 0
    for arrival, service in zip(arrival_ns.tolist(), service_ns.tolist(), strict=True):
        inside = deque(departure for departure in inside if departure > arrival)
        if full := len(inside) == slots:
            expected.append((last, full))
            continue
        last = max([arrival, *inside]) + service
        inside.append(last)
        expected.append((last, full))
    served = finite_fifo(arrival_ns, service_ns, slots)
    assert list(zip(served.departure_ns.tolist(), served.dropped.tolist(), strict=True)) == expected


@given(traffic())
def test_with_room_for_all_a_finite_ring_is_none(arrivals):
    arrival_ns, service_ns = arrivals
    served = finite_fifo(arrival_ns, service_ns, arrival_ns.size)
    assert not served.dropped.any()
    assert np.array_equal(served.departure_ns, fifo_departure_ns(arrival_ns, service_ns))


@given(traffic())
def test_order_holds_and_wait_and_service_make_the_sojourn(arrivals):
    arrival_ns, service_ns = arrivals
    departure_ns = fifo_departure_ns(arrival_ns, service_ns)
    start_ns = np.maximum(arrival_ns, np.concatenate([arrival_ns[:1], departure_ns[:-1]]))
    assert np.all(np.diff(departure_ns) >= 0)
    assert np.array_equal((start_ns - arrival_ns) + service_ns, departure_ns - arrival_ns)


@given(traffic())
def test_littles_law(arrivals):
    # the time everybody spends inside = the number inside, summed over time
    arrival_ns, service_ns = arrivals
    departure_ns = fifo_departure_ns(arrival_ns, service_ns)
    inside = [np.sum((arrival_ns <= t) & (t < departure_ns)) for t in range(departure_ns[-1])]
    assert sum(inside) == np.sum(departure_ns - arrival_ns)


@given(traffic(), st.integers(0, 39))
def test_a_faster_server_never_makes_anyone_later(arrivals, faster):
    arrival_ns, service_ns = arrivals
    quicker_ns = np.maximum(service_ns - (np.arange(service_ns.size) == faster), 0)
    assert np.all(fifo_departure_ns(arrival_ns, quicker_ns) <= fifo_departure_ns(arrival_ns, service_ns))


@given(traffic())
def test_a_free_server_changes_nothing(arrivals):
    arrival_ns, service_ns = arrivals
    assert np.array_equal(fifo_departure_ns(arrival_ns, 0 * service_ns), arrival_ns)


@given(traffic(), st.integers(0, 20), st.integers(0, 20))
def test_servers_of_constant_pace_may_be_swapped(arrivals, one_ns, other_ns):
    # Weber 1979: departures from exchangeable servers in series do not depend on their order
    arrival_ns, service_ns = arrivals
    one, other = np.full_like(service_ns, one_ns), np.full_like(service_ns, other_ns)
    there = series_departure_ns(arrival_ns, [one, other])[-1]
    assert np.array_equal(there, series_departure_ns(arrival_ns, [other, one])[-1])


def test_scenarios_run_side_by_side():
    arrival_ns, service_ns = ns(0, 1, 9, 10), np.array([[10] * 4, [1] * 4])
    slots = ns(2, 1)
    together = finite_fifo(arrival_ns, service_ns, slots)
    for k in range(2):
        alone = finite_fifo(arrival_ns, service_ns[k], int(slots[k]))
        assert np.array_equal(together.departure_ns[k], alone.departure_ns)
        assert np.array_equal(together.dropped[k], alone.dropped)
        assert np.array_equal(
            fifo_departure_ns(arrival_ns, service_ns)[k], fifo_departure_ns(arrival_ns, service_ns[k])
        )


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
@pytest.mark.parametrize("law", ["M/M/1", "M/D/1"])
def test_mean_waits_are_those_of_theory(law, load):
    # Pollaczek-Khinchine: W = load * S * (1 + c2) / (2 * (1 - load)), c2 = 1 for exponential services, 0 for equal.
    # 100 queues of 20,000 packets; the mean of the last 15,000 of each is one observation, free of the empty start.
    random = np.random.default_rng(1952)
    mean_ns, shape = 1_000_000, (100, 20_000)
    arrival_ns = np.cumsum(random.exponential(mean_ns / load, shape), axis=-1).astype(np.int64)
    services = {"M/M/1": random.exponential(mean_ns, shape), "M/D/1": np.full(shape, mean_ns)}
    service_ns = services[law].astype(np.int64)
    wait_ns = fifo_departure_ns(arrival_ns, service_ns) - arrival_ns - service_ns
    observed = wait_ns[:, 5000:].mean(axis=-1)
    variation = {"M/M/1": 1, "M/D/1": 0}[law]
    expected = load * mean_ns * (1 + variation) / (2 * (1 - load))
    assert abs(observed.mean() - expected) < 4 * observed.std() / np.sqrt(observed.size)
    assert observed.mean() == pytest.approx(expected, rel=0.03)

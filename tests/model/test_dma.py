"""Crossing the bus, in one piece and while the rest arrives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import ns, packets
from zcanalysis.model.dma import (
    Bus,
    bursts,
    credit_gbytes_per_s,
    crossing_ns,
    cut_through_departure_ns,
    dma_departure_ns,
)


def test_a_burst_begun_is_a_burst_paid():
    # 1024 bytes are two bursts of 512, one byte more makes three
    assert bursts(ns(0, 1024, 1025), Bus(gbytes_per_s=1, burst_bytes=512)).tolist() == [0, 2, 3]


def test_descriptor_bursts_and_bytes_add_up():
    # 100 + 3 * 10 + 1500 / 0.5 = 3130; the second waits for it: 6260
    bus = Bus(gbytes_per_s=0.5, burst_bytes=512, burst_ns=10, descriptor_ns=100)
    assert dma_departure_ns(ns(0, 50), ns(1500, 1500), bus).tolist() == [3130, 6260]


def test_the_last_burst_is_late_however_fast_the_bus():
    # four bursts of 10 each; the last arrives at 100 and takes 10: 110, not 0 + 40
    assert cut_through_departure_ns(ns(0), ns(100), ns(40), ns(10)).tolist() == [110]


def test_a_slow_bus_begins_with_the_first_burst():
    # four bursts of 50 each from 0 on; the last arrives at 100: 200, not 100 + 200
    assert cut_through_departure_ns(ns(0), ns(100), ns(200), ns(50)).tolist() == [200]


def test_credits_over_latency_is_bandwidth():
    # 65 lines of 64 bytes every 320 ns: 13 GB/s
    assert credit_gbytes_per_s(65, 320.0) == 13.0


@pytest.mark.parametrize(
    ("field", "value"), [("gbytes_per_s", 0), ("burst_bytes", 0), ("burst_ns", -1), ("descriptor_ns", -1)]
)
def test_an_impossible_bus_is_refused(field, value):
    with pytest.raises(ValueError, match=field):
        Bus(**{"gbytes_per_s": 1.0, "burst_bytes": 64, field: value})


@given(packets(), st.sampled_from([32, 256, 4096]), st.sampled_from([0.1, 1.0, 12.5]))
def test_the_bus_is_a_loop_over_bursts(traffic, burst, speed):
    arrival_ns, sizes = traffic
    bus = Bus(gbytes_per_s=speed, burst_bytes=burst, burst_ns=7, descriptor_ns=30)
    free, expected = 0.0, []
    for arrival, size in zip(arrival_ns.tolist(), sizes.tolist(), strict=True):
        free = max(free, arrival) + 30
        while size > 0:
            free += 7 + min(size, burst) / speed
            size -= burst
        expected.append(free)
    assert np.all(np.abs(dma_departure_ns(arrival_ns, sizes, bus) - np.array(expected)) <= 1 + 1e-6)


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 5), st.integers(0, 20), st.integers(0, 20)),
        min_size=1,
        max_size=15,
    )
)
def test_cut_through_is_a_loop_over_bursts(rows):
    # each packet: gap before its first burst, number of bursts, gap between bursts on the wire, bus time of each
    first, last, whole, one, expected = [], [], [], [], []
    wire = free = 0
    for gap, count, apart, cost in rows:
        wire += gap
        first.append(wire)
        for burst in range(count):
            wire += apart if burst else 0
            free = max(free, wire) + cost
        last.append(wire)
        whole.append(count * cost)
        one.append(cost)
        expected.append(free)
    assert cut_through_departure_ns(ns(*first), ns(*last), ns(*whole), ns(*one)).tolist() == expected


@given(packets())
def test_cutting_through_is_never_later_than_waiting_for_the_last_byte(traffic):
    last_ns, sizes = traffic
    bus = Bus(gbytes_per_s=1.0, burst_bytes=256, burst_ns=20)
    service_ns = crossing_ns(sizes, bus)
    cut = cut_through_departure_ns(last_ns - 500, last_ns, service_ns, np.minimum(service_ns, 276))
    assert np.all(cut <= dma_departure_ns(last_ns, sizes, bus))
    assert np.all(cut >= last_ns)


@given(packets())
def test_a_wider_bus_and_longer_bursts_never_slow(traffic):
    arrival_ns, sizes = traffic
    slow = dma_departure_ns(arrival_ns, sizes, Bus(gbytes_per_s=0.5, burst_bytes=64, burst_ns=5))
    wider = dma_departure_ns(arrival_ns, sizes, Bus(gbytes_per_s=1.0, burst_bytes=64, burst_ns=5))
    longer = dma_departure_ns(arrival_ns, sizes, Bus(gbytes_per_s=0.5, burst_bytes=128, burst_ns=5))
    assert np.all(wider <= slow + 1)
    assert np.all(longer <= slow + 1)
    assert np.all(np.diff(slow) >= 0)


@given(packets())
def test_a_free_bus_changes_nothing(traffic):
    arrival_ns, sizes = traffic
    assert np.array_equal(dma_departure_ns(arrival_ns, sizes, Bus(gbytes_per_s=1e12, burst_bytes=64)), arrival_ns)

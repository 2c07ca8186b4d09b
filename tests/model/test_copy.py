"""Copying near and far, and mapping instead."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import ns, packets
from zcanalysis.model.copy import CELERON_1200, Copy, Mapping, mapped_pages, mapping_ns, through_copy
from zcanalysis.model.queueing import fifo_departure_ns

COPY = Copy(near_gbytes_per_s=10, far_gbytes_per_s=2, cache_bytes=1000, packet_ns=5)
MAPPING = Mapping(page_ns=100, flush_ns=1000)


def test_what_fits_in_the_cache_is_copied_at_cache_speed():
    # 5 + 1000 / 10 = 105; the next waits: 105 + 105
    found = through_copy(ns(0, 1), ns(1000, 1000), COPY)
    assert found.departure_ns.tolist() == [105, 210]
    assert found.in_flight_bytes.tolist() == [1000, 1000]


def test_what_piled_up_is_half_in_memory():
    # two of 1000 wait: half near, half far: 5 + 500 / 10 + 500 / 2 = 305; the second alone: 105
    found = through_copy(ns(0, 0), ns(1000, 1000), COPY)
    assert found.departure_ns.tolist() == [305, 410]
    assert found.in_flight_bytes.tolist() == [2000, 1000]


def test_a_fraction_of_a_nanosecond_is_carried_over():
    # 15 bytes at 10: 1.5, 3, 4.5, 6, halves to even: 2, 1 more, 1.5 more is 2, and 1
    found = through_copy(ns(0, 0, 0, 0), ns(15, 15, 15, 15), replace(COPY, packet_ns=0))
    assert found.departure_ns.tolist() == [2, 3, 5, 6]


def test_a_celeron_of_2002_copies_a_kilobyte_in_3430_cycles():
    assert through_copy(ns(0), ns(1024), CELERON_1200).departure_ns.tolist() == [round(3430 / 1.2)]


def test_only_full_aligned_pages_are_mapped():
    aligned = np.array([True, True, False])
    assert mapped_pages(ns(4095, 9000, 8192), aligned, MAPPING).tolist() == [0, 2, 0]


def test_a_call_pays_a_flush_and_another_after_32_pages():
    # call 0: 2 pages and the flush; 31 more: the 33rd page begins a second batch. Call 1: one page and its flush
    assert mapping_ns(ns(2, 31, 1), ns(0, 0, 1), MAPPING).tolist() == [1200, 4100, 1100]


def test_a_call_without_pages_flushes_nothing():
    assert mapping_ns(ns(0, 1, 1), ns(0, 0, 0), MAPPING).tolist() == [0, 1100, 100]


@pytest.mark.parametrize("field", ["near_gbytes_per_s", "far_gbytes_per_s", "cache_bytes", "packet_ns"])
def test_an_impossible_copy_is_refused(field):
    with pytest.raises(ValueError, match=field):
        replace(COPY, **{field: -1})


@pytest.mark.parametrize("field", ["page_ns", "flush_ns", "page_bytes", "pages_per_flush"])
def test_an_impossible_mapping_is_refused(field):
    with pytest.raises(ValueError, match=field):
        replace(MAPPING, **{field: -1})


@given(packets(gap_ns=500), st.integers(0, 20_000))
def test_the_copy_is_a_reader_who_looks_at_his_queue(traffic, cache):
    arrival_ns, sizes = traffic
    now, ends, seen = 0.0, [], []
    for i, (arrival, size) in enumerate(zip(arrival_ns.tolist(), sizes.tolist(), strict=True)):
        begin = max(now, arrival)
        waiting = sum(sizes[j] for j in range(i, sizes.size) if arrival_ns[j] <= round(begin))
        hit = min(1, cache / waiting)
        now = begin + 5 + size * hit / 10 + size * (1 - hit) / 2
        ends.append(now)
        seen.append(waiting)
    found = through_copy(arrival_ns, sizes, replace(COPY, cache_bytes=cache))
    # rounding may move a copy past an arrival, then the prices differ: compare up to there
    same = np.cumprod(found.in_flight_bytes == np.array(seen)).astype(bool)
    assert same[0]
    assert np.all(np.abs(found.departure_ns - np.array(ends))[same] <= 1 + 1e-6)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 1)), min_size=1, max_size=20))
def test_mapping_is_a_loop_over_pages(rows):
    pages = np.array([row[0] for row in rows])
    call = np.cumsum([row[1] for row in rows])
    expected, last, batch = [], None, 0
    for count, of_call in zip(pages.tolist(), call.tolist(), strict=True):
        batch, last = (0 if of_call != last else batch), of_call
        cost = 0
        for _ in range(count):
            cost += 100 + (1000 if batch % 32 == 0 else 0)
            batch += 1
        expected.append(cost)
    assert mapping_ns(pages, call, MAPPING).tolist() == expected


@given(packets(gap_ns=500))
def test_where_near_is_far_the_copy_is_a_plain_queue(traffic):
    arrival_ns, sizes = traffic
    found = through_copy(arrival_ns, sizes * 2, replace(COPY, near_gbytes_per_s=2))
    assert np.array_equal(found.departure_ns, fifo_departure_ns(arrival_ns, sizes + 5))


@given(packets(gap_ns=500), st.integers(0, 20_000))
def test_a_larger_cache_never_slows(traffic, cache):
    arrival_ns, sizes = traffic
    small, large = (through_copy(arrival_ns, sizes, replace(COPY, cache_bytes=c)) for c in (cache, 2 * cache))
    assert np.all(large.departure_ns <= small.departure_ns + 1)
    assert np.all(np.diff(small.departure_ns) >= 0)
    assert np.all(small.in_flight_bytes >= sizes)


@given(packets(gap_ns=500))
def test_a_free_copy_changes_nothing(traffic):
    arrival_ns, sizes = traffic
    free = Copy(near_gbytes_per_s=1e12, far_gbytes_per_s=1e12, cache_bytes=0)
    assert np.array_equal(through_copy(arrival_ns, sizes, free).departure_ns, arrival_ns)


def test_scenarios_run_side_by_side():
    found = through_copy(np.array([[0, 0], [0, 500]]), ns(1000, 1000), COPY)
    assert found.departure_ns.tolist() == [[305, 410], [105, 605]]

"""Who waits in the prequeue, and who overtakes: the hazard of the Kleen patch and the variant without it."""

from collections import deque

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import ns
from zcanalysis.model.checksum import Summed, summed_at_tcp
from zcanalysis.model.prequeue import Bypass, summed_before_tcp, through_prequeue

# A card without sums: two full segments and the tail of a message (20 bytes of payload behind 32 of header), twice,
# each time while the reader sleeps.
SIZES = ns(1480, 1480, 52, 1480, 1480, 52)
SLEEPS = ns(0, 0, 0, 1, 1, 1)
SUMMED = summed_before_tcp(np.full(6, Summed.NONE), SIZES)


def test_76_bytes_or_less_bypass_the_prequeue_under_the_kleen_patch():
    summed = summed_before_tcp(np.full(3, Summed.NONE), ns(75, 76, 77))
    one_a_sleep = ns(0, 1, 2)
    assert through_prequeue(summed, one_a_sleep, Bypass.SUMMED).waits.tolist() == [False, False, True]
    assert through_prequeue(summed, one_a_sleep, Bypass.NOTHING).waits.tolist() == [True, True, True]


def test_a_small_tail_overtakes_the_segments_in_the_prequeue_and_is_out_of_order_for_tcp():
    # TCP takes 2, then 0 and 1 with the reader; then 5, then 3 and 4
    found = through_prequeue(SUMMED, SLEEPS, Bypass.SUMMED)
    assert found.waits.tolist() == [True, True, False, True, True, False]
    assert found.place.tolist() == [1, 2, 0, 4, 5, 3]
    assert found.early.tolist() == [False, False, True, False, False, True]


def test_a_bypass_only_past_an_empty_prequeue_keeps_the_order():
    found = through_prequeue(SUMMED, SLEEPS, Bypass.SUMMED_IF_EMPTY)
    assert found.waits.all()
    assert found.place.tolist() == list(range(6))
    assert not found.early.any()
    # and still lets a small segment past that comes alone
    assert not through_prequeue(SUMMED[2:3], SLEEPS[:1], Bypass.SUMMED_IF_EMPTY).waits.any()


def test_without_the_patch_nothing_overtakes():
    found = through_prequeue(SUMMED, SLEEPS, Bypass.NOTHING)
    assert found.waits.all()
    assert found.place.tolist() == list(range(6))


def test_a_card_that_sums_everything_leaves_the_prequeue_empty_and_in_order():
    summed = summed_before_tcp(np.full(6, Summed.COMPLETE), SIZES)
    found = through_prequeue(summed, SLEEPS, Bypass.SUMMED)
    assert not found.waits.any()
    assert not found.early.any()


def test_a_netfilter_hook_brings_the_hazard_back_to_a_card_that_sums():
    spoiled = summed_at_tcp(np.full(6, Summed.COMPLETE), np.zeros(6, bool), np.ones(6, bool))
    found = through_prequeue(summed_before_tcp(spoiled, SIZES), SLEEPS, Bypass.SUMMED)
    assert found.early.tolist() == [False, False, True, False, False, True]


def test_three_tails_behind_one_full_segment_are_enough_for_a_fast_retransmit():
    found = through_prequeue(ns(0, 1, 1, 1).astype(bool), ns(0, 0, 0, 0), Bypass.SUMMED)
    assert found.early.sum() == 3


class Socket:
    """tcp_v4_rcv, tcp_prequeue and the part of TCP that looks at sequence numbers."""

    def __init__(self, bypass):
        self.bypass, self.prequeue = bypass, deque()
        self.next, self.later = 0, set()
        self.taken, self.early, self.waited = [], set(), set()

    def arrive(self, number, summed):
        if self.bypass == Bypass.SUMMED_IF_EMPTY and self.prequeue:
            summed = False
        if self.bypass == Bypass.NOTHING or not summed:
            self.prequeue.append(number)
            self.waited.add(number)
        else:
            self.tcp(number)

    def wake(self):
        while self.prequeue:
            self.tcp(self.prequeue.popleft())

    def tcp(self, number):
        self.taken.append(number)
        if number != self.next:
            self.early.add(number)
        self.later.add(number)
        while self.next in self.later:
            self.next += 1


arrivals = st.lists(st.tuples(st.booleans(), st.integers(0, 1)), min_size=1, max_size=40)


@given(arrivals, st.sampled_from(Bypass))
def test_the_loop_is_a_socket_that_looks_at_sequence_numbers(rows, bypass):
    summed, sleep = np.array([row[0] for row in rows]), np.cumsum([row[1] for row in rows])
    socket = Socket(bypass)
    for number, known in enumerate(summed):
        if number and sleep[number] != sleep[number - 1]:
            socket.wake()
        socket.arrive(number, known)
    socket.wake()
    found = through_prequeue(summed, sleep, bypass)
    assert np.argsort(found.place).tolist() == socket.taken
    assert set(np.flatnonzero(found.early)) == socket.early
    assert set(np.flatnonzero(found.waits)) == socket.waited


@given(arrivals)
def test_the_safe_variant_is_never_out_of_order_and_never_makes_more_wait(rows):
    summed, sleep = np.array([row[0] for row in rows]), np.cumsum([row[1] for row in rows])
    safe = through_prequeue(summed, sleep, Bypass.SUMMED_IF_EMPTY)
    assert not safe.early.any()
    assert np.array_equal(safe.place, np.arange(summed.size))
    assert not (safe.waits & ~through_prequeue(summed, sleep, Bypass.NOTHING).waits).any()
    assert not (through_prequeue(summed, sleep, Bypass.SUMMED).waits & ~safe.waits).any()


def test_scenarios_run_side_by_side():
    found = through_prequeue(np.array([[False, True], [True, True]]), ns(0, 0), Bypass.SUMMED)
    assert found.early.tolist() == [[False, True], [False, False]]

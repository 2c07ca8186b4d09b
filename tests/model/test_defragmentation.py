"""Which packet completes a datagram, and what copying or chaining it costs."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import ns
from zcanalysis.model.checksum import Summed, summed_at_tcp
from zcanalysis.model.defragmentation import (
    COPIES_OF_2_4_0,
    COPIES_OF_2_4_17,
    Defragmentation,
    Fragments,
    copies,
    datagrams,
    summed_datagrams,
    through_defragmentation,
)

COPYING = Defragmentation(copies=COPIES_OF_2_4_0, gbytes_per_s=1, fragment_ns=10, datagram_ns=100)
CHAINING = Defragmentation(copies=COPIES_OF_2_4_17, gbytes_per_s=1, fragment_ns=10, datagram_ns=100)
# an NFS read of 3000 bytes in three fragments
THREE = Fragments(ns(5, 5, 5), ns(0, 1480, 2960), ns(1480, 1480, 40), np.array([True, True, False]))


def test_copying_takes_the_whole_datagram_in_hand_again():
    # 10, 20, 30 + 100 + 3000: all three leave with the last
    found = through_defragmentation(ns(0, 0, 0), THREE, COPYING)
    assert found.departure_ns.tolist() == [3130] * 3


def test_chaining_does_not():
    assert through_defragmentation(ns(0, 0, 0), THREE, CHAINING).departure_ns.tolist() == [130] * 3


def test_the_last_fragment_may_come_first():
    turned = Fragments(ns(5, 5, 5), ns(2960, 1480, 0), ns(40, 1480, 1480), np.array([False, True, True]))
    assert datagrams(turned).completed_by.tolist() == [2, 2, 2]


def test_a_lost_fragment_loses_the_datagram():
    found = through_defragmentation(ns(0, 5), Fragments(*(column[[0, 2]] for column in THREE)), COPYING)
    assert found.dropped.tolist() == [True, True]


def test_a_packet_that_is_whole_costs_nothing():
    whole = Fragments(ns(1, 2), ns(0, 0), ns(1480, 1480), np.array([False, False]))
    assert through_defragmentation(ns(3, 4), whole, COPYING).departure_ns.tolist() == [3, 4]


def test_two_datagrams_may_overlap_in_time():
    # rows 0 and 2 are one, 1 and 3 the other; 10 each and 100 more for the second: 10, 20, 130, 240
    mixed = Fragments(ns(1, 2, 1, 2), ns(0, 0, 8, 8), ns(8, 8, 8, 8), np.array([True, True, False, False]))
    assert through_defragmentation(ns(0, 0, 0, 0), mixed, CHAINING).departure_ns.tolist() == [130, 240, 130, 240]


def test_a_netfilter_hook_turns_hardware_sums_off_and_linearises():
    # 2.4.17 chains: 130 without a hook; with one the 3000 bytes are copied once more, and the card's sum is lost
    hooked = replace(CHAINING, copies=copies(COPIES_OF_2_4_17, linear_reader=True))
    assert through_defragmentation(ns(0, 0, 0), THREE, CHAINING).departure_ns.tolist() == [130] * 3
    assert through_defragmentation(ns(0, 0, 0), THREE, hooked).departure_ns.tolist() == [130 + 3000] * 3
    no, yes = np.array([False]), np.array([True])
    assert summed_at_tcp(ns(Summed.COMPLETE), padded=no, hooked=no).tolist() == [Summed.COMPLETE]
    assert summed_at_tcp(ns(Summed.COMPLETE), padded=no, hooked=yes).tolist() == [Summed.NONE]


def test_knfsd_and_netfilter_copy_a_chain():
    assert copies(COPIES_OF_2_4_17, linear_reader=False) == 0
    assert copies(COPIES_OF_2_4_17, linear_reader=True) == 1
    assert copies(COPIES_OF_2_4_0, linear_reader=False) == 1


@pytest.mark.parametrize(
    ("field", "value"), [("copies", -1), ("gbytes_per_s", 0), ("fragment_ns", -1), ("datagram_ns", -1)]
)
def test_an_impossible_price_is_refused(field, value):
    with pytest.raises(ValueError, match=field):
        Defragmentation(**{"copies": 0, "gbytes_per_s": 1.0, field: value})


@st.composite
def shuffled_fragments(draw):
    """Datagrams in fragments of 8, some lost, in any order."""
    rows = []
    for datagram in range(draw(st.integers(1, 5))):
        count = draw(st.integers(1, 5))
        rows += [(datagram * 7, 8 * k, 8 if k < count - 1 else 3, k < count - 1) for k in range(count)]
    rows = draw(st.permutations(rows))
    return rows[: draw(st.integers(1, len(rows)))]


def columns(rows):
    datagram, offset, size, more = zip(*rows, strict=True)
    return Fragments(ns(*datagram), ns(*offset), ns(*size), np.array(more))


@given(shuffled_fragments())
def test_putting_together_is_a_loop_over_queues(rows):
    meat, end, now, done = {}, {}, 0, {}
    for datagram, offset, size, more in rows:
        meat[datagram] = meat.get(datagram, 0) + size
        if not more:
            end[datagram] = offset + size
        if not more and offset == 0:
            done[datagram] = now
            continue
        now += 10
        if meat[datagram] == end.get(datagram):
            now += 100 + meat[datagram]
            done[datagram] = now
    found = through_defragmentation(np.zeros(len(rows), np.int64), columns(rows), COPYING)
    assert found.dropped.tolist() == [row[0] not in done for row in rows]
    whole = ~found.dropped
    assert found.departure_ns[whole].tolist() == [done[row[0]] for row in rows if row[0] in done]


@given(shuffled_fragments())
def test_chaining_is_never_slower_and_a_faster_copy_neither(rows):
    arrival_ns = 5 * np.arange(len(rows))
    fast = Defragmentation(copies=1, gbytes_per_s=2, fragment_ns=10, datagram_ns=100)
    copied, quicker, chained = (
        through_defragmentation(arrival_ns, columns(rows), price).departure_ns for price in (COPYING, fast, CHAINING)
    )
    assert np.all(chained <= quicker)
    assert np.all(quicker <= copied)
    assert np.all(chained >= arrival_ns)


@given(shuffled_fragments())
def test_free_chaining_only_waits_for_the_last_fragment(rows):
    arrival_ns = 5 * np.arange(len(rows))
    free = Defragmentation(copies=0, gbytes_per_s=1)
    found = through_defragmentation(arrival_ns, columns(rows), free)
    completed_by = datagrams(columns(rows)).completed_by
    assert np.array_equal(found.departure_ns[~found.dropped], arrival_ns[completed_by[~found.dropped]])


@pytest.mark.parametrize(
    ("lengths", "said", "left"),
    [
        ([1480, 1480, 40], [Summed.COMPLETE] * 3, Summed.COMPLETE),  # added up
        ([1480, 1480, 40], [Summed.COMPLETE, Summed.NONE, Summed.COMPLETE], Summed.NONE),  # one came without
        ([1480, 1480, 40], [Summed.UNNECESSARY, Summed.COMPLETE, Summed.COMPLETE], Summed.NONE),  # mixed
        ([1480, 1481, 40], [Summed.COMPLETE] * 3, Summed.NONE),  # cut to a multiple of 8: its sum is void
        ([1480, 1480, 41], [Summed.COMPLETE] * 3, Summed.COMPLETE),  # the last may have any length
    ],
)
def test_what_is_left_of_the_cards_sums(lengths, said, left):
    payload = np.array([*lengths, 100])
    pieces = Fragments(
        np.array([7, 7, 7, 3]), np.array([0, 1480, 2960, 0]), payload, np.array([True, True, False, False])
    )
    summed = summed_datagrams(pieces, np.array([*said, Summed.UNNECESSARY]))
    assert summed.tolist() == [left, left, left, Summed.UNNECESSARY]  # another datagram's is its own


def test_no_packet_leaves_no_verdict():
    none = np.zeros(0, dtype=np.int64)
    assert summed_datagrams(Fragments(none, none, none, none.astype(bool)), none).tolist() == []

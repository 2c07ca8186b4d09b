"""When a receiver acknowledges: at once, when its timer fires, when the reader has read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import ns
from zcanalysis.model.acks import (
    ATO_MIN_NS,
    AckRules,
    acked_at_once,
    acked_by_reader,
    acks,
    delay_ns,
    next_ato_ns,
    quick_acks,
    window_updated,
)

MS = 1_000_000
RULES = AckRules(rcv_mss=1448)


def yes(count):
    return np.ones(count, bool)


def test_every_second_full_segment_is_answered_at_once():
    # 1448 is not above 1448; 2896 is
    found = acks(ns(0, 10, 20, 30), ns(*[1448] * 4), np.arange(4), yes(4), RULES)
    assert found.ack.tolist() == [0, 0, 1, 1]
    assert found.sent_ns.tolist() == [10, 10, 30, 30]
    assert not found.delayed.any()


def test_the_last_odd_segment_waits_for_the_timer():
    found = acks(ns(0, 10, 20), ns(*[1448] * 3), np.arange(3), yes(3), RULES)
    assert found.sent_ns.tolist() == [10, 10, 20 + 40 * MS]
    assert found.delayed.tolist() == [False, False, True]


def test_a_timer_fires_before_a_late_second_segment():
    # armed at 0, fires at 40 ms; the second comes right then and is alone
    found = acks(ns(0, 40 * MS), ns(1448, 1448), np.arange(2), yes(2), RULES)
    assert found.sent_ns.tolist() == [40 * MS, 80 * MS]


def test_an_skb_of_gro_is_answered_once():
    found = acks(ns(9, 9, 9, 20, 20), ns(*[1448] * 5), ns(0, 0, 0, 3, 3), yes(5), RULES)
    assert found.ack.tolist() == [0, 0, 0, 1, 1]
    assert found.sent_ns.tolist() == [9, 9, 9, 20, 20]


def test_a_window_that_cannot_move_keeps_the_ack_for_the_reader():
    found = acks(ns(0, 10), ns(1448, 1448), np.arange(2), ~yes(2), RULES)
    assert found.sent_ns.tolist() == [40 * MS, 40 * MS]


def test_quick_acks_answer_each_segment_until_they_are_used_up():
    found = acks(ns(0, 10, 20, 30), ns(*[1448] * 4), np.arange(4), yes(4), AckRules(rcv_mss=1448, quick=2))
    assert found.sent_ns.tolist() == [0, 10, 30, 30]


def test_half_the_window_in_quick_acks():
    # 65535 / 2896 = 22, at most 16; 1448 / 2896 = 0 is two; 2896 / 2896 = 1
    assert quick_acks(ns(65535, 1448, 2896, 14480), ns(1448)).tolist() == [16, 2, 1, 5]


def test_the_delay_follows_the_pace_of_the_segments():
    # 100 ms before; 20 ms or less: halfway to 40: 70. 50 ms: 50 + 50. 300 ms: stays. rto bounds the middle case
    gap, rto = ns(20 * MS, 21 * MS, 50 * MS, 300 * MS, 99 * MS), ns(*[200 * MS] * 4, 90 * MS)
    expected = [70 * MS, 71 * MS, 100 * MS, 100 * MS, 90 * MS]
    assert next_ato_ns(ns(100 * MS), gap, rto).tolist() == expected


def test_the_caps_of_a_long_delay():
    # plain 500, interactive 200, srtt 60 or at least 40; at 40 nothing is capped
    ato, srtt = ns(*[900 * MS] * 4, 40 * MS), ns(0, 0, 60 * MS, 1, 1)
    interactive = np.array([False, True, False, True, False])
    assert delay_ns(ato, srtt, interactive).tolist() == [500 * MS, 200 * MS, 60 * MS, 40 * MS, 40 * MS]


def test_more_than_a_segment_or_quick_or_a_gap_is_answered():
    no, one = np.array([False]), np.array([True])
    assert not acked_at_once(ns(1448), ns(1448), moves=one, quick=no, gap=no)[0]
    assert acked_at_once(ns(1449), ns(1448), moves=one, quick=no, gap=no)[0]
    assert not acked_at_once(ns(1449), ns(1448), moves=no, quick=no, gap=no)[0]
    assert acked_at_once(ns(1), ns(1448), moves=no, quick=one, gap=no)[0]
    assert acked_at_once(ns(1), ns(1448), moves=no, quick=no, gap=one)[0]


def test_the_reader_answers_what_tcp_held_back():
    no, one = np.array([False]), np.array([True])
    assert not acked_by_reader(ns(1448), ns(1448), blocked=no, drained=no)[0]
    assert acked_by_reader(ns(1449), ns(1448), blocked=no, drained=no)[0]
    assert acked_by_reader(ns(1), ns(1448), blocked=one, drained=no)[0]
    assert acked_by_reader(ns(1), ns(1448), blocked=no, drained=one)[0]


def test_a_window_is_announced_when_it_has_doubled_and_was_small():
    # clamp 100: 50 to 100 yes, 50 to 99 no, 51 is not small, nothing stays nothing
    assert window_updated(ns(50, 50, 51, 0), ns(100, 99, 200, 0), ns(100)).tolist() == [True, False, False, False]


@pytest.mark.parametrize("field", ["rcv_mss", "delay_ns", "quick"])
def test_impossible_rules_are_refused(field):
    with pytest.raises(ValueError, match=field):
        AckRules(**{"rcv_mss": 1448, field: -1})


@st.composite
def streams(draw):
    """(time, bytes, skb, window may move), one row a packet; all packets of an skb at one time."""
    rows, now = [], 0
    for skb in range(draw(st.integers(1, 15))):
        now += draw(st.integers(0, 30))
        moves = draw(st.booleans())
        rows += [(now, draw(st.integers(1, 12)), skb, moves) for _ in range(draw(st.integers(1, 3)))]
    return rows


def slow(rows, mss, delay, quick):
    """A socket that gets skbs one by one, and a timer."""
    skbs, sent, waiting, unacked, deadline = {}, {}, [], 0, None
    for row, (now, size, skb, moves) in enumerate(rows):
        skbs.setdefault(skb, []).append((row, now, size, moves))
    number = 0
    for packets in skbs.values():
        now = packets[-1][1]
        if deadline is not None and deadline <= now:
            sent |= dict.fromkeys(waiting, (number, deadline, True))
            waiting, unacked, deadline, number, quick = [], 0, None, number + 1, max(quick - 1, 0)
        waiting += [packet[0] for packet in packets]
        unacked += sum(packet[2] for packet in packets)
        if bool(acked_at_once(unacked, mss, moves=packets[-1][3], quick=quick > 0, gap=False)):
            sent |= dict.fromkeys(waiting, (number, now, False))
            waiting, unacked, deadline, number, quick = [], 0, None, number + 1, max(quick - 1, 0)
        elif deadline is None:
            deadline = now + delay
    return sent | dict.fromkeys(waiting, (number, deadline, True))


@given(streams(), st.integers(1, 20), st.integers(0, 50), st.integers(0, 3))
def test_the_loop_is_a_socket_with_a_timer(rows, mss, delay, quick):
    now, size, skb, moves = (np.array(column) for column in zip(*rows, strict=True))
    found = acks(now, size, skb, moves, AckRules(rcv_mss=mss, delay_ns=delay, quick=quick))
    expected = slow(rows, mss, delay, quick)
    assert list(zip(*(column.tolist() for column in found), strict=True)) == [expected[i] for i in range(len(rows))]


@given(streams(), st.integers(1, 20), st.integers(0, 50))
def test_every_byte_is_acknowledged_once_in_order_and_within_the_delay(rows, mss, delay):
    now, size, skb, moves = (np.array(column) for column in zip(*rows, strict=True))
    found = acks(now, size, skb, moves, AckRules(rcv_mss=mss, delay_ns=delay))
    assert np.all(found.sent_ns >= now)
    assert np.all(found.sent_ns - now <= delay)
    assert np.all(np.diff(found.sent_ns) >= 0)
    assert set(np.diff(found.ack).tolist()) <= {0, 1}


@given(streams())
def test_quick_for_ever_changes_nothing(rows):
    now, size, skb, moves = (np.array(column) for column in zip(*rows, strict=True))
    found = acks(now, size, skb, moves, AckRules(rcv_mss=1, quick=len(rows)))
    assert np.array_equal(found.sent_ns, now)


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10**9)), min_size=1))
def test_the_delay_is_the_kernels_chain_of_ifs(rows):
    def kernel(ato, gap, rto):
        if gap <= ATO_MIN_NS // 2:
            return ato // 2 + ATO_MIN_NS // 2
        if gap < ato:
            return min(ato // 2 + gap, rto)
        return ato

    ato, gap = (np.array(column) for column in zip(*rows, strict=True))
    assert next_ato_ns(ato, gap, ns(200 * MS)).tolist() == [kernel(*row, 200 * MS) for row in rows]


def test_scenarios_run_side_by_side():
    found = acks(ns(0, 10), ns(1448, 1448), np.arange(2), np.array([[True, True], [False, False]]), RULES)
    assert found.sent_ns.tolist() == [[10, 10], [40 * MS] * 2]

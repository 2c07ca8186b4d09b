"""Which packets become one skb, and when it goes up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import ns
from zcanalysis.model.gro import ACK, CWR, FIN, PSH, SYN, Gro, Segments, flushed_ns, grouped


def train(count, **columns):
    """So many full segments of one flow in sequence."""
    plain = {
        "flow": 0,
        "seq": 1448 * np.arange(count),
        "payload_bytes": 1448,
        "header_bytes": 52,
        "flags": ACK,
        "ack": 7,
        "window": 500,
        "options": 0,
    }
    return Segments(**(plain | columns))


def one_poll(segments, count, **gro):
    return grouped(segments, np.zeros(count, np.int64), Gro(**gro))


def test_the_end_of_a_poll_sends_everything_up():
    found = grouped(train(4), ns(0, 0, 1, 1), Gro())
    assert found.skb.tolist() == [0, 0, 2, 2]
    assert found.flushed_by.tolist() == [1, 1, 3, 3]
    assert flushed_ns(ns(10, 20, 30, 40), found).tolist() == [20, 20, 40, 40]


def test_an_skb_holds_45_full_segments():
    # 52 + 45 * 1448 = 65212; one more would make 66660
    found = one_poll(train(50), 50)
    assert found.skb.tolist() == [0] * 45 + [45] * 5
    assert found.flushed_by[0] == 45


def test_the_limit_itself_is_too_much():
    # 52 + 2 * 1448 = 2948 is not below 2948
    assert one_poll(train(2), 2, max_bytes=2948).skb.tolist() == [0, 1]
    assert one_poll(train(2), 2, max_bytes=2949).skb.tolist() == [0, 0]


def test_a_short_segment_and_a_push_end_an_skb_and_are_part_of_it():
    short = train(3, payload_bytes=ns(1448, 100, 1448), seq=ns(0, 1448, 1548))
    assert one_poll(short, 3).skb.tolist() == [0, 0, 2]
    assert one_poll(short, 3).flushed_by.tolist() == [1, 1, 2]
    pushed = train(3, flags=ns(ACK, ACK | PSH, ACK))
    assert one_poll(pushed, 3).skb.tolist() == [0, 0, 2]


def test_a_push_that_is_alone_goes_up_at_once():
    found = one_poll(train(2, flags=ns(ACK | PSH, ACK)), 2)
    assert found.skb.tolist() == [0, 1]
    assert found.flushed_by.tolist() == [0, 1]


@pytest.mark.parametrize(
    "column",
    [
        {"seq": ns(0, 1449)},
        {"ack": ns(7, 8)},
        {"window": ns(500, 501)},
        {"options": ns(0, 1)},
        {"flags": ns(ACK, ACK | CWR)},
        {"flags": ns(ACK | CWR, ACK | CWR)},
        {"flags": ns(ACK, 0)},
        {"payload_bytes": ns(1000, 1448), "seq": ns(0, 1000)},
        {"payload_bytes": ns(1448, 0)},
    ],
)
def test_who_differs_sends_the_held_skb_up_and_begins_anew(column):
    found = one_poll(train(2, **column), 2)
    assert found.skb.tolist() == [0, 1]
    assert found.flushed_by.tolist() == [1, 1]


def test_sequence_numbers_wrap():
    assert one_poll(train(2, seq=ns(2**32 - 1448, 0)), 2).skb.tolist() == [0, 0]


def test_the_ninth_flow_of_a_bucket_pushes_the_oldest_up():
    flow = ns(*[8 * k for k in range(9)], 8, 0)
    found = one_poll(train(11, flow=flow, seq=ns(*[0] * 9, 1448, 1448)), 11)
    # flow 8 is still held and joined; flow 0 went up with the ninth, begins anew, and now 8 is the oldest
    assert found.skb.tolist() == [*range(9), 1, 10]
    assert found.flushed_by[0] == 8
    assert found.flushed_by[1] == 10


def test_an_impossible_limit_is_refused():
    with pytest.raises(ValueError, match="max_bytes"):
        Gro(max_bytes=-1)


def slow(rows, polls, max_bytes):
    """Lists of held skbs, newest first, as in dev_gro_receive; names as there."""
    skb, flushed = {}, {}
    buckets = [[] for _ in range(8)]
    for i, (flow, seq, size, header, flags, ack, window, options) in enumerate(rows):
        if i and polls[i] != polls[i - 1]:
            for bucket in buckets:
                for p in bucket:
                    flushed[p["row"]] = i - 1
                bucket.clear()
        bucket = buckets[flow % 8]
        p = next((p for p in bucket if p["flow"] == flow), None)
        mss, same_flow = 1, False
        if p:
            flush = bool(flags & CWR) or bool((flags ^ p["flags"]) & ~(FIN | PSH)) or ack != p["ack"]
            flush = flush or options != p["options"] or window != p["window"] or (size - 1) % 2**32 >= p["mss"]
            flush = flush or (p["seq"] + p["len"]) % 2**32 != seq or p["header"] + p["len"] + size >= max_bytes
            if not flush:
                mss, same_flow = p["mss"], True
                p["len"] += size
        flush = size < mss or bool(flags & 0b101111)
        if p and (not same_flow or flush):
            flushed[p["row"]] = i
            bucket.remove(p)
        skb[i] = p["row"] if same_flow else i
        if same_flow:
            continue
        if flush:
            flushed[i] = i
            continue
        if len(bucket) >= 8:
            flushed[bucket.pop()["row"]] = i
        kept = {"row": i, "flow": flow, "mss": size, "len": size, "seq": seq, "header": header}
        bucket.insert(0, kept | {"flags": flags, "ack": ack, "window": window, "options": options})
    for bucket in buckets:
        for p in bucket:
            flushed[p["row"]] = len(rows) - 1
    return [skb[i] for i in range(len(rows))], [flushed[skb[i]] for i in range(len(rows))]


@st.composite
def flows(draw):
    """Segments of up to twenty flows, mostly in sequence and alike."""
    sent, rows = {}, []
    for _ in range(draw(st.integers(1, 60))):
        flow = draw(st.one_of(st.integers(0, 1), st.sampled_from(range(0, 80, 8))))
        size = draw(st.sampled_from([10, 10, 10, 10, 9, 11, 0]))
        seq = sent.get(flow, 2**32 - 40) + draw(st.sampled_from([0] * 9 + [1]))
        flags = draw(st.sampled_from([ACK] * 9 + [ACK | PSH, ACK | FIN, SYN, ACK | CWR, 0]))
        alike = draw(st.sampled_from([(0, 0, 0)] * 9 + [(1, 0, 0), (0, 1, 0), (0, 0, 1)]))
        rows.append((flow, seq % 2**32, size, 4, flags, *alike))
        sent[flow] = seq + size
    polls = np.cumsum(draw(st.lists(st.sampled_from([0] * 9 + [1, 2]), min_size=len(rows), max_size=len(rows))))
    return rows, polls


@given(flows(), st.sampled_from([30, 45, 1000]))
def test_the_loop_is_the_kernels_lists(traffic, max_bytes):
    rows, polls = traffic
    found = grouped(Segments(*np.array(rows).T), polls, Gro(max_bytes=max_bytes))
    assert (found.skb.tolist(), found.flushed_by.tolist()) == slow(rows, polls, max_bytes)


@given(flows())
def test_an_skb_is_one_flow_in_one_poll_and_goes_up_after_its_last_packet(traffic):
    rows, polls = traffic
    flow = np.array([row[0] for row in rows])
    found = grouped(Segments(*np.array(rows).T), polls, Gro())
    assert np.array_equal(flow[found.skb], flow)
    assert np.array_equal(polls[found.skb], polls)
    assert np.array_equal(polls[found.flushed_by], polls)
    assert np.all(found.skb <= np.arange(flow.size))
    assert np.all(found.flushed_by >= np.arange(flow.size))


@given(flows())
def test_without_room_gro_changes_nothing(traffic):
    rows, polls = traffic
    assert grouped(Segments(*np.array(rows).T), polls, Gro(max_bytes=0)).skb.tolist() == list(range(len(rows)))


def test_scenarios_run_side_by_side():
    found = grouped(train(2), np.array([[0, 0], [0, 1]]), Gro())
    assert found.skb.tolist() == [[0, 0], [0, 1]]

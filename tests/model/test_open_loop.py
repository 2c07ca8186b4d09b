"""Recorded arrivals through a receiver: working by hand, what is spent is spent once, and the path back sums up."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from zcanalysis.model.open_loop import PARTS, PIECES, Arrivals, Receiver, critical_path, worked

DRIVER, PROTOCOL, BACKLOG, COPY, CALL = range(5)
ONE_CPU = Receiver(
    driver_cpu=0, protocol_cpu=0, reader_cpu=0, mss_bytes=1000, window_bytes=1_000_000, reader_bytes=3000,
    interrupt_ns=7, send_ns=3, softirq_ns=5, driver_ns=11, gro_ns=2, handover_ns=4, ip_ns=20, tcp_ns=30, ack_ns=40,
    wake_ns=6, schedule_ns=8, syscall_ns=9, copy_ns=50,
)  # fmt: skip
PLACES = [(0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0), (0, 1, 2), (-1, 0, 0), (-1, 0, 1)]


def arrivals(arrival_ns, *, payload_bytes=1000, joins=None, ends=None):
    n = len(arrival_ns)
    alone = np.zeros(n, np.bool_)
    return Arrivals(
        np.array(arrival_ns, np.int64),
        np.full(n, payload_bytes, np.int64),
        alone if joins is None else np.array(joins, np.bool_),
        alone if ends is None else np.array(ends, np.bool_),
    )


def end_ns(work, piece):
    return work.departure_ns[:, piece].max(axis=1).tolist()


def path_of(work, came):
    return critical_path(came.arrival_ns, work.from_ns, work.bound, work.departure_ns)


def at(places, **changes):
    driver, protocol, reader = places
    return replace(ONE_CPU, driver_cpu=driver, protocol_cpu=protocol, reader_cpu=reader, **changes)


def test_softirqs_go_before_the_reader_on_one_cpu():
    # packet 0: driver 100 + 7 + 5 + 11 + 2 = 125, protocol + 20 + 30 + 6 (wake) = 181
    # packet 1: driver + 13 = 194, protocol + 20 + 30 = 244: two segments, but a smaller window than told, so no ACK yet
    # then the reader: schedule 8 + copy 50 = 302, copy 352, queue empty: ACK 40 and syscall 9 = 401
    work = worked(ONE_CPU, arrivals([100, 110]))
    assert end_ns(work, DRIVER) == [125, 194]
    assert end_ns(work, PROTOCOL) == [181, 244]
    assert end_ns(work, COPY) == [302, 352]
    assert end_ns(work, CALL) == [-1, 401]


def test_on_another_cpu_the_reader_copies_while_the_softirq_goes_on_and_its_backlog_waits():
    # packet 0: protocol ends 125 + 20 + 30 + 6 + 3 (IPI) = 184; reader: 184 + 7 + 8 + 50 = 249
    # packet 1 comes while the reader owns the socket: ip only, 184 + 13 + 20 = 217; TCP by the reader 249 + 30 = 279
    work = worked(at((0, 0, 1)), arrivals([100, 110]))
    assert end_ns(work, PROTOCOL) == [184, 217]
    assert end_ns(work, BACKLOG) == [-1, 279]
    assert end_ns(work, COPY) == [249, 329]


def test_the_backlog_pays_tcp_for_each_skb():
    # packet 0 is copied until 249, when 2 is half taken (217 + 13 + 20 = 250), so the reader waits for it: TCP takes
    # both until 250 + 2 x 30; more than a segment, but a smaller window than told: no ACK before the call ends
    work = worked(at((0, 0, 1)), arrivals([100, 110, 120]))
    assert end_ns(work, BACKLOG) == [-1, -1, 310]
    assert end_ns(work, COPY) == [249, 360, 410]
    assert end_ns(work, CALL) == [-1, -1, 459]


def test_gro_merges_what_waits_and_a_pushed_packet_ends_its_skb():
    together = arrivals([0] * 4, joins=[False, True, True, True], ends=[False, True, False, False])
    work = worked(at((0, 0, 1), gro_bytes=10_000), together)
    assert work.skb.tolist() == [0, 0, 2, 2]
    assert (work.from_ns[:, PROTOCOL] >= 0).tolist() == [False, True, False, True]
    assert worked(at((0, 0, 1), gro_bytes=0), together).skb.tolist() == [0, 1, 2, 3]
    assert worked(at((0, 0, 1), gro_bytes=1999), together).skb.tolist() == [0, 1, 2, 3]


def test_a_full_queue_drops_until_it_is_empty_where_it_is_throttled():
    # linux-2.4: interrupts first; 20 packets at once, 3 may wait besides the fourth that finds 3
    old = at((0, 0, 0), driver_first=1, interrupt_each=1, softirq_each=1, most_waiting=3, throttled=1)
    work = worked(old, arrivals([0] * 20))
    assert np.flatnonzero(~work.dropped).tolist() == [0, 1, 2, 3]
    assert work.call[4:].tolist() == [-1] * 16
    assert not worked(replace(old, most_waiting=20), arrivals([0] * 20)).dropped.any()


def test_a_sleeping_reader_with_a_prequeue_does_tcp_itself():
    work = worked(at((0, 0, 0), prequeue=1), arrivals([0]))
    assert work.from_ns[0, BACKLOG] >= 0
    assert work.departure_ns[0, PROTOCOL, PARTS["protocol"].index("tcp")] == 7 + 5 + 13 + 20
    assert worked(ONE_CPU, arrivals([0])).from_ns[0, BACKLOG] == -1


def test_behind_a_tap_in_the_stack_nothing_before_it_is_paid():
    work = worked(at((-1, 0, 1), announced=0), arrivals([0, 0, 500], joins=[False, True, False]))
    assert work.skb.tolist() == [0, 0, 2]
    assert (work.from_ns[:, DRIVER] == -1).all()
    assert work.departure_ns[1, PROTOCOL, 2] == 20  # ip, and no interrupt before it


times = st.lists(st.integers(0, 4000), min_size=1, max_size=60).map(lambda gaps: np.cumsum(gaps).tolist())
receivers = st.builds(
    lambda places, gro, reader, old, prequeue, prices: at(
        places, gro_bytes=gro, reader_bytes=reader, prequeue=prequeue, interrupt_each=old, softirq_each=old,
        driver_first=old, **prices,
    ),
    st.sampled_from(PLACES), st.sampled_from([0, 3000, 64_000]), st.sampled_from([1000, 2500, 100_000]),
    st.sampled_from([0, 1]), st.sampled_from([0, 1]),
    st.fixed_dictionaries({
        name: st.integers(1, 900)
        for name in ("interrupt_ns", "driver_ns", "ip_ns", "tcp_ns", "ack_ns", "wake_ns", "schedule_ns", "syscall_ns",
                     "copy_ns", "coalesce_ns", "send_ns", "delay_ns")
    }),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(times, receivers)
def test_everything_is_read_in_order_and_each_cpu_does_one_thing_at_a_time(arrival_ns, receiver):
    work = worked(receiver, arrivals(arrival_ns, joins=[False] + [True] * (len(arrival_ns) - 1)))
    copied = np.array(end_ns(work, COPY))
    assert np.all(np.diff(copied) > 0)
    assert np.all(copied > np.array(arrival_ns))
    assert np.all(np.diff(work.call) >= 0)
    cpu_of = [receiver.driver_cpu, receiver.protocol_cpu, *[receiver.reader_cpu] * 3]
    spans = [
        (cpu_of[piece], work.from_ns[row, piece], work.departure_ns[row, piece].max())
        for row, piece in np.argwhere(work.from_ns >= 0)
    ]
    spans.sort()
    for (cpu, _, end), (next_cpu, start, _) in pairwise(spans):
        assert cpu != next_cpu or end <= start


@settings(max_examples=60, deadline=None)
@given(times, receivers)
def test_the_path_back_sums_to_the_elapsed_time(arrival_ns, receiver):
    came = arrivals(arrival_ns, joins=[False] + [True] * (len(arrival_ns) - 1))
    work = worked(receiver, came)
    path = path_of(work, came)
    assert path.elapsed_ns == max(end_ns(work, COPY)) - arrival_ns[0]
    assert path.arrivals_ns + path.part_ns.sum() + path.gap_ns.sum() == path.elapsed_ns
    assert path.part_ns.min() >= 0
    assert path.gap_ns.min() >= 0


@settings(max_examples=60, deadline=None)
@given(times, receivers)
def test_without_delays_every_piece_of_work_begins_when_another_ends(arrival_ns, receiver):
    came = arrivals(arrival_ns)
    prompt = replace(receiver, coalesce_ns=0, delay_ns=0)
    assert path_of(worked(prompt, came), came).gap_ns.max() == 0


PRICES = {
    "interrupt": "interrupt_ns", "driver": "driver_ns", "ip": "ip_ns", "tcp": "tcp_ns", "ack": "ack_ns",
    "wake-up": "wake_ns", "schedule": "schedule_ns", "syscall": "syscall_ns", "copy": "copy_ns",
    "send interrupt": "send_ns",
}  # fmt: skip


@settings(max_examples=150, deadline=None)
@example(
    arrival_ns=np.cumsum([3544, 424, *[0] * 5, 2951, 0, 0, 0, 1147, 423, 424, 1, 3230, 847, 4000]).tolist(),
    receiver=at(
        (0, 1, 1), reader_bytes=1000, gro_bytes=64_000, interrupt_ns=176, send_ns=145, coalesce_ns=1, driver_ns=239,
        ip_ns=247, tcp_ns=900, ack_ns=1, wake_ns=276, delay_ns=1, schedule_ns=821, syscall_ns=880, copy_ns=525,
    ),
    stage="ack",
)  # fmt: skip
@given(times, receivers, st.sampled_from(sorted(PRICES)))
def test_a_price_raised_by_one_is_felt_once_for_each_use_on_the_path(arrival_ns, receiver, stage):
    came = arrivals(arrival_ns, joins=[False] + [True] * (len(arrival_ns) - 1))
    price = PRICES[stage]
    ns = getattr(receiver, price)

    less, now, more = (worked(replace(receiver, **{price: ns + change}), came) for change in (-1, 0, 1))
    # where one waits for another than before, time may jump: the law holds between the jumps
    assume(np.array_equal(less.bound, now.bound) and np.array_equal(now.bound, more.bound))
    before, path, after = (path_of(work, came) for work in (less, now, more))
    spent = sum(
        int(path.part_ns[piece, PARTS[name].index(stage)]) for piece, name in enumerate(PIECES) if stage in PARTS[name]
    )
    assert spent == ns * (after.elapsed_ns - path.elapsed_ns) == ns * (path.elapsed_ns - before.elapsed_ns)


def test_prices_and_places_have_bounds():
    with pytest.raises(ValueError, match="ip_ns must be >= 0, got -1"):
        at((0, 0, 0), ip_ns=-1)
    with pytest.raises(ValueError, match="reader_cpu must be at most 2, got 3"):
        at((0, 0, 3))

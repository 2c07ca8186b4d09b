"""One receiver's rules by hand, against a plain loop for a reader that never runs, and laws of any replay."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zcanalysis.model.tcp_receiver import (
    NEVER,
    Arrivals,
    Connection,
    Prices,
    Receiver,
    autotune_skb_bytes,
    linear_truesize_bytes,
    new_connection,
    replay_receiver,
)

MS = 1_000_000
US = 1000
MSS = 1000
SOFTIRQ, READER, CLEANUP, TIMER, RELEASE = range(5)


def prices(**changes) -> Prices:
    """TCP 1 us, an ACK 2 us, a copy 1 us, everything else free."""
    ours = {"tcp_ns": US, "ack_ns": 2 * US, "copy_packet_ns": US, "copy_ps_per_byte": 0, "syscall_ns": 0}
    return Prices(**(ours | {"schedule_ns": 0} | changes))


def receiver(*, price=None, **changes) -> Receiver:
    """A polling 4.10 reader on its own CPU."""
    facts = {
        "generation": "linux-4.10",
        "prices": prices(**(price or {})),
        "read_bytes": 65536,
        "tick_ns": 10 * MS,
        "rmem_max_bytes": 6 << 20,
        "window_scale": 7,
        "advertised_mss_bytes": MSS,
        "reader": "polling",
        "shared_cpu": False,
    }
    return Receiver(**(facts | changes))


def connection(**changes) -> Connection:
    """Fully grown: no segment grows the window any more, no quick ACKs are left."""
    state = {
        "rcvbuf_bytes": 1 << 20,
        "clamp_bytes": 1 << 16,
        "ssthresh_bytes": 1 << 16,
        "window_bytes": 1 << 16,
        "measured_mss_bytes": MSS,
        "established": True,
    }
    return Connection(**(state | changes))


def arriving(time_ns, *, payload_bytes=MSS, truesize_bytes=2304, push=False, fragments=1, options=0) -> Arrivals:
    times = np.asarray(time_ns, np.int64)
    full = np.ones(times.size, np.int64)
    payload = payload_bytes * full
    return Arrivals(
        time_ns=times,
        payload_bytes=payload,
        truesize_bytes=truesize_bytes * full,
        push=push * full > 0,
        segment_bytes=np.minimum(payload, MSS),
        fragments=fragments * full,
        options=options * full,
        echo_tick=-full,
    )


NOBODY = {"reader_delay_ns": 10**12}  # the reader gets the CPU when all is over


def test_softirq_acknowledges_every_second_segment():
    # 1 us for TCP, 2 us for the ACK after the second and the fourth
    said = replay_receiver(arriving([0, 10 * US, 20 * US, 30 * US]), connection(), receiver(price=NOBODY)).acks
    assert said["end"].tolist()[:2] == [2 * MSS, 4 * MSS]
    assert said["time_ns"].tolist()[:2] == [13 * US, 33 * US]
    assert said["why"].tolist()[:2] == [SOFTIRQ, SOFTIRQ]


def test_no_second_segment_is_acknowledged_while_the_window_would_shrink():
    # room is (2**17 + 5000 - 2304 n) / 2: more than 2**16 after 2 segments, less after 3
    state = connection(rcvbuf_bytes=(1 << 17) + 5000)
    said = replay_receiver(arriving(np.arange(8) * 10 * US), state, receiver(price=NOBODY))
    in_softirq = said.acks[said.acks["why"] == SOFTIRQ]
    assert in_softirq["end"].tolist() == [2 * MSS]


def test_eaten_segments_pass_the_ack_check_in_4_10():
    # the reader sleeps in recv, is woken by the first and runs 100 us later: 2 segments eaten, acknowledged by the
    # check itself at the second; 2.4 would have left that to the reader's cleaning up
    arrivals = arriving([0, 200 * US, 210 * US])
    host = receiver(reader="blocking", price={"reader_delay_ns": 100 * US})
    said = replay_receiver(arrivals, connection(), host)
    assert said.packets["queue"].tolist() == [0, 1, 1]
    assert said.packets["eaten"].tolist() == [0, 1, 1]
    assert (said.acks["end"][0], said.acks["why"][0]) == (2 * MSS, READER)
    assert said.counters["prequeue_runs"] == 1
    assert said.counters["bytes_from_prequeue"] == 2 * MSS


def test_polling_and_low_latency_readers_never_prequeue():
    arrivals = arriving(np.arange(20) * 30 * US)
    for host in (receiver(), receiver(reader="blocking", low_latency=True), receiver(generation="linux-6")):
        assert 1 not in replay_receiver(arrivals, connection(), host).packets["queue"]
    assert 1 in replay_receiver(arrivals, connection(), receiver(reader="blocking")).packets["queue"]


def prequeued(segments, **changes):
    """One segment before the reader's first recv, then as many while it is woken but has no CPU for 1 ms."""
    times = [0, *(5 * MS + np.arange(segments) * US).tolist()]
    state = changes.pop("state", connection())
    host = receiver(reader="blocking", price={"reader_delay_ns": MS})
    return replay_receiver(arriving(times, **changes), state, host)


def test_the_prequeue_is_flushed_in_softirq_with_32_segments():
    assert prequeued(31).counters["prequeue_dropped"] == 0
    said = prequeued(32)
    assert said.counters["prequeue_dropped"] == 32
    assert not said.packets["eaten"].any()
    assert (said.acks["why"] == SOFTIRQ).sum() == 16
    assert (prequeued(31).acks["why"] == READER).sum() >= 15


def test_the_prequeue_is_flushed_when_its_memory_exceeds_the_buffer():
    # 4 x 2304 = 9216 fit, the fifth does not
    state = connection(rcvbuf_bytes=10_000, clamp_bytes=5000, ssthresh_bytes=5000, window_bytes=5000)
    assert prequeued(4, state=state).counters["prequeue_dropped"] == 0
    assert prequeued(5, state=state).counters["prequeue_dropped"] == 5


def test_a_reader_that_does_not_run_for_150_ms_loses_its_prequeue_to_the_timer():
    host = receiver(reader="blocking", price={"reader_delay_ns": 160 * MS})
    said = replay_receiver(arriving([0, 183 * MS]), connection(), host)
    # prequeued at 183 ms, tick 18; 15 ticks later is 330 ms, TCP 1 us, ACK 2 us; the reader would have run at 343 ms
    assert said.packets["queue"].tolist() == [0, 1]
    assert said.counters["scheduler_failed"] == 1
    assert said.acks["time_ns"][-1] == 330 * MS + 3 * US
    assert said.acks["why"].tolist() == [TIMER, SOFTIRQ]  # the last at once: nothing had come for over 200 ms


def test_a_lone_segment_is_acknowledged_40_ms_later_counted_in_ticks():
    said = replay_receiver(arriving([3 * MS]), connection(), receiver())
    assert said.acks["time_ns"].tolist() == [40 * MS + 2 * US]
    assert said.counters["delayed_acks"] == 1


def test_a_short_pushed_segment_is_acknowledged_when_the_reader_has_emptied_the_queue():
    said = replay_receiver(arriving([3 * MS], payload_bytes=200, push=True), connection(), receiver())
    assert said.acks["why"].tolist() == [CLEANUP]
    assert said.acks["time_ns"][0] == 3 * MS + US + US + 2 * US  # TCP, copy, ACK


@pytest.mark.parametrize(("defer", "ends", "why"), [(True, [6], RELEASE), (False, [2, 4, 6], READER)])
def test_linux_6_sends_one_ack_for_a_whole_backlog(defer, ends, why):
    # the first in softirq; the reader's copy of it takes 10 us, and 5 more come while it owns the socket
    times = [0, US, 4 * US, 5 * US, 6 * US, 7 * US]
    host = receiver(generation="linux-6", backlog_ack_defer=defer, price={"copy_packet_ns": 10 * US})
    said = replay_receiver(arriving(times, options=np.arange(6)), connection(), host)  # other options: nothing joins
    assert said.packets["queue"].tolist() == [0, 2, 2, 2, 2, 2]
    assert said.acks["end"].tolist() == [n * MSS for n in ends]
    assert set(said.acks["why"].tolist()) == {why}


def test_backlogged_segments_join_up_to_17_fragments_where_options_are_equal():
    times = [0, *range(US, US + 40)]
    host = receiver(generation="linux-6", price={"copy_packet_ns": 50 * US})
    joined = replay_receiver(arriving(times), connection(), host)
    # 40 arrive within the first copy: skbs of 17, 17 and 6
    assert joined.counters["backlog_coalesced"] == 40 - 3
    apart = replay_receiver(arriving(times, options=np.arange(41)), connection(), host)
    assert apart.counters["backlog_coalesced"] == 0


def test_the_window_is_rounded_up_to_a_scale_unit_and_never_shrinks():
    # nobody reads: room falls below what is open, and what is open stays advertised
    state = connection(rcvbuf_bytes=40_000, clamp_bytes=20_000, ssthresh_bytes=20_000, window_bytes=20_096)
    said = replay_receiver(arriving(np.arange(9) * 50 * MS), state, receiver(price=NOBODY)).acks
    assert (said["window_bytes"] % 128 == 0).all()
    edges = said["end"] + said["window_bytes"]
    assert (np.diff(edges) >= 0).all()
    assert said["window_bytes"][-1] < said["window_bytes"][0]


def test_a_full_buffer_closes_the_window():
    # room is below a sixteenth of the buffer (2681) from the 35th: (85816 - 35 x 2304) / 2 = 2588; the sender may go on
    # to what was open, 41756 after the first, and does with a last one of 756
    state = connection(rcvbuf_bytes=85_816, clamp_bytes=42_908, ssthresh_bytes=42_908, window_bytes=35_000)
    payload = np.array([MSS] * 42 + [756])
    arrivals = arriving(np.arange(43) * 50 * MS, payload_bytes=payload)
    said = replay_receiver(arrivals, state, receiver(window_scale=1, price=NOBODY))
    by_timer = said.acks[said.acks["why"] == TIMER]["window_bytes"]
    assert (by_timer[0], by_timer[-2], by_timer[-1]) == (41_756, 756, 0)
    assert said.counters["zero_windows"] == 1
    assert said.counters["wanted_zero_windows"] == 42 - 34


def test_a_new_connection_acknowledges_each_segment_while_its_window_grows_by_two():
    state = new_connection(1460, 28_960, 87_380, 6 << 20)
    arrivals = arriving(np.arange(1, 40) * 50 * US, payload_bytes=1448)._replace(segment_bytes=np.full(39, 1448))
    said = replay_receiver(arrivals, state, receiver(advertised_mss_bytes=1448)).acks
    assert np.diff(said["end"]).tolist()[:30] == [1448] * 30
    # captured of 4.10: 249 272 295 317 340 362 385 408 430 units
    assert (said["window_bytes"] // 128).tolist()[:9] == [249, 272, 295, 317, 340, 362, 385, 408, 430]


def test_buffer_and_skb_sizes_are_those_the_captured_windows_imply():
    assert new_connection(8960, 26_844, 87_380, 6 << 20).rcvbuf_bytes == 235_392
    assert autotune_skb_bytes(1448) == 2936
    assert linear_truesize_bytes(np.array([8948, 2900]), 8948).tolist() == [9796, 4352]


def obvious_acks(times, state, host):
    """Direct segments that nobody reads, one after the other: (end, window) of each ACK."""
    unit = 1 << host.window_scale
    said, queued, end, acked, offered = [], 0, 0, 0, state.window_bytes
    ssthresh, quick, timer = state.ssthresh_bytes, 0, None
    whole = state.rcvbuf_bytes - state.rcvbuf_bytes // 2

    def window():
        nonlocal quick
        used = state.rcvbuf_bytes - queued
        room = used - used // 2 if used % 2 == 0 else (used + 1) // 2
        if room < min(state.clamp_bytes, whole) // 2:
            quick = 0
            room = room // unit * unit
            if room < whole // 16 or room < MSS:
                return 0
        return -(-min(room, ssthresh) // unit) * unit

    def ack():
        nonlocal acked, offered, quick, timer
        best, still = window(), max(acked + offered - end, 0)
        offered = best if best >= still else -(-still // unit) * unit
        acked, timer, quick = end, None, max(quick - 1, 0)
        said.append((end, offered))

    for time in [*times, 10**12]:
        tick = time // host.tick_ns
        if timer is not None and (timer * host.tick_ns < time or time == 10**12):
            ack()
        if time == 10**12:
            break
        queued, end = queued + 2304, end + MSS
        used = state.rcvbuf_bytes - queued
        if ssthresh < state.clamp_bytes and ssthresh < used - used // 2 and MSS >= 1152:
            ssthresh, quick = min(ssthresh + 2 * MSS, state.clamp_bytes), quick | 1
        if (end - acked > MSS and window() >= offered) or quick or (timer is not None and timer <= tick + 1):
            ack()
        elif timer is None:
            timer = tick + 4
    return said


@example(gaps=[5] * 13 + [70_000], rcvbuf=30_000, share=4, scale=1)
@settings(max_examples=60)
@given(
    gaps=st.lists(st.sampled_from([5, 50, 3000, 20_000, 70_000]), min_size=1, max_size=40),
    rcvbuf=st.sampled_from([30_000, 65_536, 100_000, 131_072, 400_000]),
    share=st.sampled_from([2, 3, 4]),
    scale=st.sampled_from([1, 3, 7, 10]),
)
def test_segments_that_nobody_reads_are_acknowledged_as_a_plain_loop_says(gaps, rcvbuf, share, scale):
    times = np.cumsum(np.array(gaps) * US) + 1
    clamp = rcvbuf // share
    state = connection(rcvbuf_bytes=rcvbuf, clamp_bytes=clamp, ssthresh_bytes=clamp, window_bytes=clamp)
    host = receiver(window_scale=scale, price={"tcp_ns": 0, "ack_ns": 0, "reader_delay_ns": 10**13})
    replayed = replay_receiver(arriving(times), state, host)
    if replayed.counters["beyond_window"]:  # no sender sends that: what was open at first is within the window always
        times = times[: clamp // int(arriving(times).payload_bytes[0])]
        replayed = replay_receiver(arriving(times), state, host)
    said = replayed.acks
    unread = said[said["why"] != CLEANUP]
    assert list(zip(unread["end"].tolist(), unread["window_bytes"].tolist(), strict=True)) == obvious_acks(
        times, state, host
    )


def test_what_arrives_was_within_the_window_so_a_reader_that_is_behind_catches_up():
    # a copy takes 10 ms, so after 100 ms 10 of 40 are copied; the 41st lies beyond the window that 30 unread ones leave
    state = connection(rcvbuf_bytes=80_000, clamp_bytes=40_000, ssthresh_bytes=40_000, window_bytes=40_000)
    slow = receiver(price={"copy_packet_ns": 10 * MS})
    inside = replay_receiver(arriving([*(np.arange(40) * US), 100 * MS]), state, slow)
    assert inside.counters["beyond_window"] == 1
    assert (inside.packets["copied_ns"] == inside.packets["copied_ns"][10]).sum() > 1
    patient = replay_receiver(arriving([*(np.arange(40) * US), 900 * MS]), state, slow)
    assert patient.counters["beyond_window"] == 0


@st.composite
def receivers(draw) -> Receiver:
    price = st.sampled_from([0, 500, 5000, 80_000])
    return receiver(
        generation=draw(st.sampled_from(["linux-4.10", "linux-6"])),
        reader=draw(st.sampled_from(["blocking", "polling"])),
        whole_reads=draw(st.booleans()),
        shared_cpu=draw(st.booleans()),
        sender_here=draw(st.booleans()),
        low_latency=draw(st.booleans()),
        read_bytes=draw(st.sampled_from([500, 1000, 4096, 65536])),
        price={
            name: draw(price)
            for name in ("tcp_ns", "ack_ns", "copy_packet_ns", "schedule_ns", "pause_ns", "burst_ns", "reader_delay_ns")
        },
    )


@settings(max_examples=80)
@given(host=receivers(), gaps=st.lists(st.sampled_from([0, 1, 10, 100, 5000, 60_000]), min_size=1, max_size=60))
def test_every_byte_is_copied_once_in_order_and_acknowledged(host, gaps):
    arrivals = arriving(np.cumsum(np.array(gaps) * US))
    said = replay_receiver(arrivals, connection(rcvbuf_bytes=1 << 22), host)
    packets, acks = said.packets, said.acks
    assert (packets["copied_ns"] != NEVER).all()
    assert (np.diff(packets["copied_ns"]) >= 0).all()
    assert (packets["taken_ns"] >= packets["arrival_ns"]).all()
    assert (packets["copied_ns"] >= packets["taken_ns"]).all()
    assert (np.diff(acks["end"]) >= 0).all()
    assert packets["end"][-1] - (acks["end"][-1] if acks.size else 0) <= MSS
    assert (np.diff(acks["end"] + acks["window_bytes"]) >= 0).all()
    assert said.counters["acks"] == acks.size


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generation": "linux-2.4"}, "generation must be"),
        ({"read_bytes": 0}, "read_bytes must be >= 1, got 0"),
        ({"window_scale": 0}, "window_scale must be 1 to 14, got 0"),
        ({"reader": "lazy"}, "reader must be"),
    ],
)
def test_facts_that_cannot_be_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        receiver(**change)

"""Messages in closed loop: by hand, against the bulk replay and the open loop, and laws that hold of any host."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zcanalysis.model.linux24 import Linux24, replay_summaries
from zcanalysis.model.messages import Kernel, Messages, replay_messages
from zcanalysis.model.prequeue import Bypass, through_prequeue

MS = 1_000_000
HAND = Linux24(
    link_ps_per_byte=0, sender_packet_ns=10, delay_ns=100, interrupt_packet_ns=5, softirq_packet_ns=5,
    tcp_packet_ns=20, checksum_ps_per_byte=500, copy_ps_per_byte=1000, copy_and_checksum_ps_per_byte=2000, ack_ns=7,
    wake_ns=3, schedule_ns=4, syscall_ns=2, window_bytes=65_535, mss_bytes=1448, reader_bytes=65_536,
    hardware_checksum="verified",
)  # fmt: skip


@pytest.mark.parametrize(
    ("checksum", "kernel", "delivered_ns"),
    [
        # sent 10, in memory 110, interrupt and softirq 120, wake 123, schedule 127, TCP 147, copy of 100 bytes
        ("verified", Kernel.PREQUEUE, 247),
        # TCP 140 before wake 143 and schedule 147: the same work in another order
        ("verified", Kernel.OFF, 247),
        ("none", Kernel.PREQUEUE, 347),  # copied and summed in one pass of 200 ns
        ("none", Kernel.OFF, 297),  # summed in 50 ns by softirq, copied in 100
        ("none", Kernel.KLEEN, 347),
    ],
)
def test_one_message_takes_the_time_of_its_stages(checksum, kernel, delivered_ns):
    host = replace(HAND, hardware_checksum=checksum)
    said = replay_messages(host, Messages(message_bytes=100, messages=1), kernel)
    assert said.delivered_ns.tolist() == [delivered_ns]


@pytest.mark.parametrize(("kernel", "waited_ms"), [(Kernel.PREQUEUE, 60 + 40 + 60), (Kernel.KLEEN, 60)])
def test_a_request_in_two_writes_waits_for_the_timer_that_the_prequeue_starts_late(kernel, waited_ms):
    # Nagle holds the second write until the first is acknowledged. The second request is in ping-pong: nobody but the
    # timer sends that ACK. With the prequeue it is armed when the reader comes after 60 ms and fires 40 ms later, and
    # the reader is 60 ms late again. Without, it fires 40 ms after the first write: both are read at 60 ms.
    host = replace(HAND, reader_delay_ns=60 * MS)
    said = replay_messages(host, Messages(message_bytes=200, messages=2, answered=True, writes=2), kernel)
    assert said.delivered_ns[1] - said.written_ns[1] == pytest.approx(waited_ms * MS, abs=2000)
    assert said.counters["delayed_acks"] >= 1


@pytest.mark.parametrize("kernel", [Kernel.OFF, Kernel.PREQUEUE, Kernel.KLEEN])
@pytest.mark.parametrize("delay_ns", [0, MS, 10 * MS])
@pytest.mark.parametrize("checksum", ["none", "verified"])
def test_bulk_is_what_the_bulk_replay_says(kernel, delay_ns, checksum):
    host = replace(
        HAND, link_ps_per_byte=8000, sender_packet_ns=9000, interrupt_packet_ns=3500, tcp_packet_ns=1500, ack_ns=2000,
        copy_ps_per_byte=2220, copy_and_checksum_ps_per_byte=2790, delay_ns=10_000, reader_delay_ns=delay_ns,
        hardware_checksum=checksum,
    )  # fmt: skip
    said = replay_messages(host, Messages(message_bytes=host.mss_bytes, messages=600), kernel)
    bulk = replace(host, prequeue=kernel != Kernel.OFF, kleen_bypass=kernel == Kernel.KLEEN)
    expected = replay_summaries([bulk], 600)
    assert said.delivered_ns[-1] == pytest.approx(int(expected.elapsed_ns[0]), rel=2e-3)
    assert abs(said.counters["acks"] - int(expected.acks[0])) <= 2


@pytest.mark.parametrize(
    ("kernel", "bypass"),
    [(Kernel.PREQUEUE, Bypass.NOTHING), (Kernel.KLEEN, Bypass.SUMMED), (Kernel.KLEEN_IF_EMPTY, Bypass.SUMMED_IF_EMPTY)],
)
def test_tails_overtake_as_in_the_open_loop(kernel, bypass):
    # Each message, a full segment and a tail of 32 bytes, finds the reader asleep: one sleep a message.
    messages = 50
    host = replace(HAND, hardware_checksum="none", reader_delay_ns=1000)
    sent = Messages(message_bytes=1480, messages=messages, gap_ns=100_000, nagle=False)
    said = replay_messages(host, sent, kernel)
    summed, sleep = np.tile([False, True], messages), np.repeat(np.arange(messages), 2)
    expected = through_prequeue(summed, sleep, bypass)
    assert said.counters["overtakers"] == expected.early.sum()
    assert said.counters["prequeued"] == expected.waits.sum()


def test_a_second_segment_does_not_put_the_delayed_ack_off():
    # In memory 110, interrupt and softirq 120, TCP 140: the timer stands at 40 ms from there, also after the next came
    # 20 ms later, and the ACK of 7 ns covers both.
    host = replace(HAND, reader_delay_ns=200 * MS)
    said = replay_messages(host, Messages(message_bytes=100, messages=2, gap_ns=20 * MS, nagle=False), Kernel.OFF)
    assert (said.ack_ns[0], said.ack_bytes[0]) == (40 * MS + 147, 200)


def test_a_tail_that_overtook_is_answered_at_once_and_then_acknowledged_with_what_it_overtook():
    host = replace(HAND, hardware_checksum="none", reader_delay_ns=MS)
    said = replay_messages(host, Messages(message_bytes=1480, messages=1, nagle=False), Kernel.KLEEN)
    # The tail finds a hole within a microsecond; the reader, who takes what it overtook, comes 1 ms later.
    assert said.ack_bytes.tolist() == [0, 1480]
    assert said.ack_ns[0] < 1000 < MS < said.ack_ns[1] < said.delivered_ns[0]


def test_three_duplicate_acks_make_the_sender_repeat_what_nobody_lost():
    host = replace(HAND, hardware_checksum="none", reader_delay_ns=MS)
    sent = Messages(message_bytes=1480, messages=100, gap_ns=50_000, nagle=False)
    patched, safe = (replay_messages(host, sent, rule).counters for rule in (Kernel.KLEEN, Kernel.KLEEN_IF_EMPTY))
    assert patched["repeated"] > 0
    assert (safe["repeated"], safe["overtakers"], safe["duplicate_acks"]) == (0, 0, 0)


def test_the_prequeue_is_taken_in_softirq_when_it_holds_more_than_the_buffer():
    # Each frame of 166 bytes is charged 264: the 249th makes 65,736 bytes, above the buffer of 65,535.
    host = replace(HAND, reader_delay_ns=100 * MS)
    said = replay_messages(host, Messages(message_bytes=100, messages=300, gap_ns=1000, nagle=False), Kernel.PREQUEUE)
    assert said.counters["flushed"] == 249


MESSAGES = st.builds(
    Messages,
    message_bytes=st.integers(2, 9000),
    messages=st.integers(1, 40),
    answered=st.booleans(),
    gap_ns=st.integers(0, MS),
    writes=st.integers(1, 2),
    nagle=st.booleans(),
    sender_bytes=st.sampled_from([1, 1448, 5000, 1 << 40]),
)
HOSTS = st.builds(
    replace,
    st.just(HAND),
    hardware_checksum=st.sampled_from(["none", "summed", "verified"]),
    reader_delay_ns=st.sampled_from([0, 1000, MS, 60 * MS, 400 * MS]),
    reader_bytes=st.sampled_from([100, 1448, 65_536]),
    ack_ns=st.sampled_from([0, 5000]),
)


@settings(max_examples=150, deadline=None)
@given(host=HOSTS, sent=MESSAGES, kernel=st.sampled_from(Kernel), advertised=st.sampled_from([None, 8192]))
def test_every_message_comes_once_in_order_and_is_acknowledged(host, sent, kernel, advertised):
    said = replay_messages(host, sent, kernel, advertised_bytes=advertised)
    assert (said.delivered_ns > said.written_ns).all()
    assert (np.diff(said.delivered_ns) >= 0).all()
    assert (np.diff(said.ack_ns) >= 0).all()
    assert (np.diff(said.ack_bytes) >= 0).all()
    assert said.ack_bytes.max(initial=0) <= sent.message_bytes * sent.messages
    if kernel == Kernel.OFF or (kernel == Kernel.KLEEN and host.hardware_checksum != "none"):
        assert said.counters["prequeued"] == 0
    if kernel in (Kernel.OFF, Kernel.PREQUEUE, Kernel.KLEEN_IF_EMPTY):
        assert said.counters["overtakers"] == said.counters["repeated"] == 0


def test_impossible_input_is_refused():
    with pytest.raises(ValueError, match="messages must be >= 1"):
        Messages(message_bytes=1, messages=0)
    with pytest.raises(ValueError, match="writes must be <= message_bytes 1"):
        Messages(message_bytes=1, messages=1, writes=2)
    with pytest.raises(ValueError, match="reader must be blocking, got polling"):
        replay_messages(replace(HAND, reader="polling"), Messages(message_bytes=1, messages=1), Kernel.OFF)
    with pytest.raises(ValueError, match="advertised_bytes must be >= 2896"):
        replay_messages(HAND, Messages(message_bytes=1, messages=1), Kernel.OFF, advertised_bytes=1)

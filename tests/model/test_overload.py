"""The balance of a blast, by hand and against the replay."""

import numpy as np
import pytest

from zcanalysis.model.overload import dropped_before_ip, read_per_ns
from zcanalysis.model.udp import DELIVERED, UdpReceiver, through_udp


def test_what_is_offered_is_read_while_there_is_time():
    # 200 + 300 + 400 ns a packet, one packet each 1000 ns
    assert read_per_ns(np.array(0.001), 200.0, 300.0, 400.0, False) == pytest.approx(0.001)


def test_the_reader_gets_what_interrupts_and_softirqs_leave():
    # one each 800 ns: 500 of 800 are theirs, 300 are the reader's: three quarters of a datagram of 400
    assert read_per_ns(np.array(1 / 800), 200.0, 300.0, 400.0, False) == pytest.approx(0.75 / 800)
    assert read_per_ns(np.array(1 / 500), 200.0, 300.0, 400.0, False) == pytest.approx(0, abs=1e-15)


def test_a_reader_on_another_cpu_is_limited_by_itself_alone():
    assert read_per_ns(np.array(1 / 350), 200.0, 100.0, 400.0, True) == pytest.approx(1 / 400)
    # 0.005 a ns: interrupts leave nothing to softirqs
    assert read_per_ns(np.array(0.005), 200.0, 100.0, 400.0, True) == pytest.approx(0)


def test_the_backlog_drops_once_interrupts_and_softirqs_alone_are_too_much():
    assert dropped_before_ip(np.array([1 / 501, 1 / 499]), np.array(200.0), np.array(300.0)).tolist() == [False, True]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("gap_ns", [6000, 9500, 11_000, 14_000])
def test_it_is_where_the_replay_settles(gap_ns, shared):
    receiver = UdpReceiver(
        interrupt_ns=2000, softirq_ns=3000, read_ns=5000, truesize_bytes=2000, rcvbuf_bytes=65_535, ring_packets=256,
        shared_cpu=shared, interrupt_each=True, pass_packets=302, passes=1, fair=False,
    )  # fmt: skip
    arrival_ns = np.arange(20_000) * gap_ns
    found = through_udp([receiver], arrival_ns)
    late = (found.departure_ns > arrival_ns[-1] // 2) & (found.departure_ns <= arrival_ns[-1])
    replayed = (late & (found.fate == DELIVERED)).sum() / (arrival_ns[-1] / 2)
    assert read_per_ns(np.array(1 / gap_ns), 2000.0, 3000.0, 5000.0, not shared) == pytest.approx(replayed, rel=0.02)

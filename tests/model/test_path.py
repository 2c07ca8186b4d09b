"""All stages of linux-6 and of linux-2.4 in a row: nothing gets lost between them, and free stages are free."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.strategies import packets
from zcanalysis.model.acks import AckRules, acks
from zcanalysis.model.backlog import Backlog, through_backlog
from zcanalysis.model.copy import Copy, through_copy
from zcanalysis.model.dma import Bus, dma_departure_ns
from zcanalysis.model.gro import ACK, Gro, Segments, flushed_ns, grouped
from zcanalysis.model.interrupt import InterruptPrice, Moderation, handler_departure_ns, moderated
from zcanalysis.model.link import Link, link_departure_ns
from zcanalysis.model.napi import ring, through_napi


def linux_6(sent_ns, l3_bytes, *, slow):
    """Times of each packet behind each stage; `slow` is zero for a free path."""
    size = l3_bytes - 52
    wire = link_departure_ns(sent_ns, l3_bytes, Link(gbits_per_s=10 if slow else 1e12, mtu_bytes=9000))
    memory = dma_departure_ns(wire, l3_bytes, Bus(gbytes_per_s=8 if slow else 1e12, burst_bytes=256, burst_ns=slow))
    polls = through_napi(memory, np.full_like(size, 300 * slow), ring(512, wake_ns=900 * slow, poll_ns=200 * slow))
    seq = np.cumsum(size) - size
    segments = Segments(np.array(0), seq, size, np.array(52), np.array(ACK), np.array(0), np.array(0), np.array(0))
    skbs = grouped(segments, polls.poll, Gro())
    queued = flushed_ns(polls.departure_ns, skbs)
    speed = 5 if slow else 1e12
    read = through_copy(queued, size, Copy(near_gbytes_per_s=speed, far_gbytes_per_s=speed / 2, cache_bytes=20_000))
    answered = acks(queued, size, skbs.skb, np.ones(size.size, bool), AckRules(rcv_mss=1448))
    return wire, memory, polls, queued, read, answered


@settings(max_examples=30)
@given(packets(least_bytes=60))
def test_behind_every_stage_of_linux_6_it_is_later_and_in_order(traffic):
    sent_ns, l3_bytes = traffic
    wire, memory, polls, queued, read, answered = linux_6(sent_ns, l3_bytes, slow=1)
    assert not polls.dropped.any()
    times = [sent_ns, wire, memory, polls.departure_ns, queued, read.departure_ns]
    for before, after in pairwise(times):
        assert np.all(after >= before)
        assert np.all(np.diff(after) >= 0)
        assert after.dtype == np.int64
        assert after.shape == sent_ns.shape
    assert np.all(answered.sent_ns >= queued)


@settings(max_examples=30)
@given(packets(least_bytes=60))
def test_a_free_path_changes_nothing(traffic):
    sent_ns, l3_bytes = traffic
    *_, read, _ = linux_6(sent_ns, l3_bytes, slow=0)
    assert np.array_equal(read.departure_ns, sent_ns)


@settings(max_examples=30)
@given(packets(least_bytes=60), st.integers(0, 50_000))
def test_linux_2_4_in_a_row(traffic, timer_ns):
    sent_ns, l3_bytes = traffic
    wire = link_departure_ns(sent_ns, l3_bytes, Link(gbits_per_s=1, mtu_bytes=9000))
    handled = handler_departure_ns(moderated(wire, Moderation(timer_ns=timer_ns, packets=16)), InterruptPrice())
    found = through_backlog(handled, np.full_like(l3_bytes, 20_000), Backlog())
    assert np.all(handled >= wire)
    assert np.all(found.departure_ns >= handled)
    assert found.dropped.sum() + (~found.dropped).sum() == sent_ns.size


def test_an_overloaded_softirq_loses_packets_and_the_faster_one_does_not():
    sent_ns = 1000 * np.arange(5000)
    services_ns = np.array([[1500], [500]]) + np.zeros(5000, np.int64)
    dropped = through_napi(sent_ns, services_ns, ring(256)).dropped.mean(axis=-1)
    # two scenarios in one call: it can do two packets of three
    assert 0.25 < dropped[0] < 1 / 3
    assert dropped[1] == 0

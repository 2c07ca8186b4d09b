"""Framing and serialisation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import ns, packets
from zcanalysis.model.link import (
    Link,
    link_departure_ns,
    payload_share,
    serialisation_ns,
    wire_bytes,
    wire_packets,
)

SPEEDS = st.sampled_from([0.1, 1.0, 10.0, 25.0, 400.0])


def pieces(record, mtu=1500):
    """Sizes of the packets that one record was cut into."""
    left, sizes = record - 52, []
    while left > 0 or not sizes:
        sizes.append(min(left, mtu - 52) + 52)
        left -= mtu - 52
    return sizes


def test_a_full_packet_takes_1538_bytes_of_ethernet():
    # 1500 + 14 + 4 + 8 + 12
    assert wire_bytes(ns(1500), Link(gbits_per_s=1)).tolist() == [1538]


def test_an_ack_is_padded():
    # 40 + 18 = 58, padded to 64, + 20
    assert wire_bytes(ns(40), Link(gbits_per_s=1)).tolist() == [84]


def test_a_super_packet_pays_for_every_header():
    # 4396 = 52 + 3 * 1448: three packets of 1500
    assert wire_bytes(ns(4396), Link(gbits_per_s=1)).tolist() == [3 * 1538]


def test_two_packets_back_to_back_and_one_later():
    # 1538 * 8 / 1 = 12304 ns each, 1000 ns of cable
    link = Link(gbits_per_s=1, propagation_ns=1000)
    departure = link_departure_ns(ns(0, 0, 100_000), ns(1500, 1500, 1500), link)
    assert departure.tolist() == [13_304, 25_608, 113_304]


def test_small_packets_at_400_gbit_are_not_rounded_up_one_by_one():
    # 84 bytes: 1.68 ns; a thousand of them 1680
    assert serialisation_ns(np.full(1000, 40), Link(gbits_per_s=400)).sum() == 1680


@pytest.mark.parametrize(("field", "value"), [("gbits_per_s", 0), ("mtu_bytes", 60), ("propagation_ns", -1)])
def test_an_impossible_link_is_refused(field, value):
    with pytest.raises(ValueError, match=field):
        Link(**{"gbits_per_s": 1.0, field: value})


@given(packets(most_bytes=70_000), st.sampled_from([576, 1500, 9000]))
def test_cutting_by_hand_gives_the_same_packets(traffic, mtu):
    _, l3_bytes = traffic
    link = Link(gbits_per_s=1, mtu_bytes=mtu)
    rows = zip(l3_bytes.tolist(), wire_packets(l3_bytes, link), wire_bytes(l3_bytes, link), strict=True)
    for record, count, total in rows:
        sizes = pieces(record, mtu)
        assert len(sizes) == count
        assert sum(max(size + 18, 64) + 20 for size in sizes) == total


@given(packets(), SPEEDS)
def test_the_link_is_a_loop_over_bits(traffic, speed):
    arrival_ns, l3_bytes = traffic
    free, expected = 0.0, []
    for arrival, size in zip(arrival_ns.tolist(), l3_bytes.tolist(), strict=True):
        wire = sum(max(piece + 18, 64) + 20 for piece in pieces(size))
        free = max(free, arrival) + wire * 8 / speed
        expected.append(free)
    found = link_departure_ns(arrival_ns, l3_bytes, Link(gbits_per_s=speed))
    assert np.all(np.abs(found - np.array(expected)) <= 1 + 1e-6)


@given(packets(), SPEEDS)
def test_twice_the_bandwidth_never_slows(traffic, speed):
    # by more than the nanosecond that rounding owes
    arrival_ns, l3_bytes = traffic
    slow = link_departure_ns(arrival_ns, l3_bytes, Link(gbits_per_s=speed))
    fast = link_departure_ns(arrival_ns, l3_bytes, Link(gbits_per_s=2 * speed))
    assert np.all(fast <= slow + 1)
    assert np.all(np.diff(slow) >= 0)


@given(packets())
def test_a_link_of_endless_bandwidth_changes_nothing(traffic):
    arrival_ns, l3_bytes = traffic
    assert np.array_equal(link_departure_ns(arrival_ns, l3_bytes, Link(gbits_per_s=1e12)), arrival_ns)


def test_a_full_segment_leaves_six_percent_to_framing():
    # 1448 of 1538
    assert payload_share(ns(1448), ns(1500), Link(gbits_per_s=1)).tolist() == [1448 / 1538]


@given(packets(least_bytes=53))
def test_payload_never_takes_the_whole_link(traffic):
    _, l3_bytes = traffic
    share = payload_share(l3_bytes - 52, l3_bytes, Link(gbits_per_s=1))
    assert np.all((share > 0) & (share < 1))

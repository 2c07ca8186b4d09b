"""Goodput from counters and the ceiling it is compared with."""

from pathlib import Path

import polars as pl
import pytest

from zcanalysis.goodput import ceiling, counted_goodput, throughput
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.io.recording import Recording
from zcanalysis.tables import COUNTERS, polars_schema

SECOND_NS = 1_000_000_000


def recording(counters: list[tuple], **host) -> Recording:
    """A recording with counters given as (ts_ns, source, instance, counter, value), all in phase `counters`."""
    rows = [(ts_ns, "counters", *rest) for ts_ns, *rest in counters]
    table = pl.DataFrame(rows, schema=polars_schema(COUNTERS), orient="row")
    return Recording(name="r", path=Path("r"), host=HostFacts(device="eth0", **host), counters=table)


def test_goodput_is_what_the_sockets_received():
    # 1.25e9 bytes in one second: 10 Gbit/s
    found = counted_goodput(
        recording(
            [(0, "socket", "a>b", "bytes_received", 7), (SECOND_NS, "socket", "a>b", "bytes_received", 1_250_000_007)]
        )
    )
    assert found is not None
    assert found.gbps == pytest.approx(10.0)
    assert found.payload_bytes == 1_250_000_000


def test_without_sockets_headers_are_taken_off_the_devices_bytes():
    # 1,000 packets of 1,514 bytes with 66 bytes of headers: 1,448,000 bytes of payload in 1 ms
    rows = [(0, "netdev", "eth0", "rx_bytes", 0), (0, "netdev", "eth0", "rx_packets", 0)]
    rows += [(1_000_000, "netdev", "eth0", "rx_bytes", 1_514_000), (1_000_000, "netdev", "eth0", "rx_packets", 1000)]
    found = counted_goodput(recording(rows))
    assert found is not None
    assert (found.payload_bytes, found.packets) == (1_448_000, 1000)
    assert found.gbps == pytest.approx(11.584)


def test_two_sockets_add_up():
    rows = [
        (ts, "socket", who, "bytes_received", value) for who in "ab" for ts, value in ((0, 0), (SECOND_NS, 125_000_000))
    ]
    found = counted_goodput(recording(rows))
    assert found is not None
    assert found.gbps == pytest.approx(2.0)


def test_a_hundred_seconds_at_400_gbps_do_not_overflow():
    rows = [(0, "socket", "a", "bytes_received", 0), (100 * SECOND_NS, "socket", "a", "bytes_received", 5 * 10**12)]
    found = counted_goodput(recording(rows))
    assert found is not None
    assert found.gbps == pytest.approx(400.0)


def test_no_counters_no_goodput():
    assert counted_goodput(Recording(name="r", path=Path("r"))) is None
    assert counted_goodput(recording([])) is None
    assert throughput(recording([])).is_empty()


def test_the_ceiling_is_the_users_figure_then_the_shaper_then_the_nic_then_the_sender():
    nic = recording([], physical=True, speed_mbps=25_000, link_rate_gbps=4.0)
    assert ceiling(nic, 3.0, 0.5, 10.0)[:2] == (10.0, "link")
    assert ceiling(nic, 3.0, 0.5)[:2] == (4.0, "link")
    assert ceiling(recording([], physical=True, speed_mbps=25_000), 3.0, 0.5)[:2] == (25.0, "link")
    # a veth says 10 Gbit/s and means nothing; the sender used half a CPU for 9 Gbit/s
    assert ceiling(recording([], physical=False, speed_mbps=10_000), 9.0, 0.5)[:2] == (18.0, "modelled")
    assert ceiling(recording([]), 9.0, None)[:2] == (None, None)


def test_headers_take_their_part_of_a_link():
    # 1,448 of 1,538 bytes on the wire of a physical link
    top = ceiling(recording([], physical=True, mtu=1500), None, None, 10.0)
    assert top.framing_gbps == pytest.approx(10 * (1 - 1448 / 1538))

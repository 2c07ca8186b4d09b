"""Goodput from counters and the ceiling it is compared with."""

import struct
from pathlib import Path

import polars as pl
import pytest

from tests import builders as make
from zcanalysis.answer import answered, sentence
from zcanalysis.goodput import MOST_RATES, ceiling, counted_goodput, probe_effects, throughput
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.io.recording import Recording, read_recording
from zcanalysis.tables import COUNTERS, polars_schema

SECOND_NS = 1_000_000_000


def recording(counters: list[tuple], **host) -> Recording:
    """A recording with counters given as (ts_ns, source, instance, counter, value), all in phase `counters`."""
    rows = [(ts_ns, "counters", 0, *rest) for ts_ns, *rest in counters]
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
    assert ceiling(recording([], physical=False, speed_mbps=10_000, made_in_lab=True), 9.0, 0.5)[:2] == (
        18.0,
        "modelled",
    )
    assert ceiling(recording([]), 9.0, None)[:2] == (None, None)


def test_headers_take_their_part_of_a_link():
    # 1,448 of 1,538 bytes on the wire of a physical link
    top = ceiling(recording([], physical=True, mtu=1500), None, None, 10.0)
    assert top.framing_gbps == pytest.approx(10 * (1 - 1448 / 1538))


def test_a_sender_elsewhere_gives_no_modelled_ceiling_whatever_else_sends_here():
    assert ceiling(recording([]), 5.0, 0.25).kind is None
    one = [(0, "socket", "me:1>peer:2", "bytes_received", 0)]
    assert ceiling(recording(one), 5.0, 0.25).kind is None
    both = [*one, (0, "socket", "peer:2>me:1", "bytes_acked", 0)]
    assert ceiling(recording(both), 5.0, 0.25)[:2] == (20.0, "modelled")


def test_connections_one_after_another_do_not_add_their_rates():
    # four transfers of 0.5 s and 125 MB each, in turn: 4 x 1 Gbit in 2 s is 2 Gbit/s, not 8
    rows = [(0, "netdev", "eth0", "rx_bytes", 0), (0, "netdev", "eth0", "rx_packets", 0)]
    rows += [
        (2 * SECOND_NS, "netdev", "eth0", "rx_bytes", 506_600_000),
        (2 * SECOND_NS, "netdev", "eth0", "rx_packets", 100_000),
    ]
    for i in range(4):
        start = i * SECOND_NS // 2
        rows += [
            (start, "socket", f"c{i}", "bytes_received", 0),
            (start + SECOND_NS // 2, "socket", f"c{i}", "bytes_received", 125_000_000),
        ]
    found = counted_goodput(recording(rows))
    assert found is not None
    assert found.gbps == pytest.approx(2.0)


def test_a_socket_that_begins_inside_the_window_counts_from_its_first_byte():
    rows = [(0, "socket", "old", "bytes_received", 10**9), (2 * SECOND_NS, "socket", "old", "bytes_received", 10**9)]
    rows += [
        (SECOND_NS, "socket", "new", "bytes_received", 100_000_000),
        (2 * SECOND_NS, "socket", "new", "bytes_received", 250_000_000),
    ]
    found = counted_goodput(recording(rows))
    assert found is not None
    assert found.payload_bytes == 250_000_000


def test_udp_beside_a_small_tcp_session_is_seen_by_the_device():
    rows = [(ts, "socket", "ssh", "bytes_received", value) for ts, value in ((0, 0), (SECOND_NS, 400))]
    rows += [
        (ts, "netdev", "eth0", name, value)
        for ts, name, value in (
            (0, "rx_bytes", 0),
            (0, "rx_packets", 0),
            (SECOND_NS, "rx_bytes", 1_066_000_000),
            (SECOND_NS, "rx_packets", 1_000_000),
        )
    ]
    found = counted_goodput(recording(rows))
    assert found is not None
    assert (found.gbps, found.source) == (pytest.approx(8.0), "device bytes less headers")


def test_too_few_readings_give_no_interval_rather_than_a_narrow_one():
    found = counted_goodput(
        recording([(0, "socket", "a", "bytes_received", 0), (SECOND_NS, "socket", "a", "bytes_received", 10**9)])
    )
    assert found is not None
    assert (found.low_gbps, found.high_gbps) == (None, None)


def test_readings_that_swing_together_give_a_wider_interval():
    def error(values: list[int]) -> float:
        total, rows = 0, [(0, "netdev", "eth0", "rx_bytes", 0), (0, "netdev", "eth0", "rx_packets", 0)]
        for i, value in enumerate(values, 1):
            total += value
            rows += [
                (i * SECOND_NS // 10, "netdev", "eth0", "rx_bytes", total),
                (i * SECOND_NS // 10, "netdev", "eth0", "rx_packets", i),
            ]
        found = counted_goodput(recording(rows))
        assert found is not None
        assert found.relative_error is not None
        return found.relative_error

    jitter = [100_000_000, 120_000_000] * 20
    drift = [100_000_000] * 20 + [120_000_000] * 20
    assert error(drift) > 2 * error(jitter)


def repeated(rates_gbps: dict[str, list[float]]) -> Recording:
    """Windows of one second, one second apart, phases in turn, given their rates in Gbit/s."""
    rows, start_ns = [], 0
    for repeat, rates in enumerate(zip(*rates_gbps.values(), strict=True)):
        for phase, rate in zip(rates_gbps, rates, strict=True):
            grown = int(rate * SECOND_NS / 8)
            rows += [(start_ns, phase, repeat, "socket", "a", "bytes_received", 10**12 * start_ns // SECOND_NS)]
            at_end = 10**12 * start_ns // SECOND_NS + grown
            rows += [(start_ns + SECOND_NS, phase, repeat, "socket", "a", "bytes_received", at_end)]
            start_ns += 2 * SECOND_NS
    table = pl.DataFrame(rows, schema=polars_schema(COUNTERS), orient="row")
    return Recording(name="r", path=Path("r"), host=HostFacts(device="eth0"), counters=table)


def test_goodput_is_that_of_all_undisturbed_windows_and_of_nothing_between():
    found = counted_goodput(repeated({"counters": [10.0, 12.0], "sampling": [3.0, 3.0]}))
    assert found is not None
    assert (found.gbps, found.elapsed_ns, found.repeats) == (pytest.approx(11.0), 2 * SECOND_NS, 2)
    assert found.relative_error is None


def test_five_windows_tell_how_sure_the_mean_is():
    found = counted_goodput(repeated({"counters": [9.0, 10.0, 11.0, 10.0, 10.0]}))
    assert found is not None
    # standard deviation sqrt(0.5), over sqrt(5) windows, times Student's 2.132 for 4 degrees of freedom, over 10
    assert found.relative_error == pytest.approx(0.0674, abs=1e-4)


def test_the_effect_of_a_probe_is_against_its_undisturbed_neighbours():
    # the goodput drifts down; each sampled window is 10 % below the mean of the two beside it
    drifting = {"counters": [20.0, 10.0, 5.0], "sampling": [13.5, 6.75, 4.5]}
    (effect,) = probe_effects(repeated(drifting))
    assert (effect.phase, effect.windows) == ("sampling", 3)
    assert [effect.low, effect.median, effect.high] == pytest.approx([-0.1, -0.1, -0.1])


def test_a_long_recording_is_thinned_without_losing_its_mean():
    # a reading every 0.1 s for 1,000 s: 1 Gbit/s, then 3 Gbit/s
    octets, rows = 0, []
    for at in range(10_001):
        rows.append((at * SECOND_NS // 10, "netdev", "eth0", "rx_bytes", octets))
        octets += 12_500_000 if at < 5000 else 37_500_000
    rates = throughput(recording(rows))
    assert 1000 < rates.height <= MOST_RATES
    assert rates["ts_ns"][-1] == 1000 * SECOND_NS
    assert rates["gbps"].mean() == pytest.approx(2.0, rel=1e-3)


def test_a_capture_without_times_has_no_goodput(tmp_path):
    # simple packet blocks of a pcapng carry no time
    packet = make.ethernet(make.ipv4(make.tcp(payload=b"x" * 100)))
    simple = make.block(3, struct.pack("<I", len(packet)) + packet)
    path = make.saved(tmp_path, make.section() + make.interface() + simple * 3, "a.pcapng")
    answer = answered(read_recording(path))
    assert answer.goodput_gbps is None
    assert answer.evidence.flows["unique_bytes"].to_list() == [100]
    assert sentence(answer).startswith("No goodput")

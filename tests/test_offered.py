"""Offered load: receive livelock of a host of 2002, two CPUs, sizes and what is refused."""

import numpy as np
import polars as pl
import pytest

import zcanalysis as zc
from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts.replayed import udp
from zcanalysis.offered import offered_load
from zcanalysis.tables import OFFERED

SMALL_BYTES = 18  # a frame of 64 bytes
BITS = SMALL_BYTES * 8


def packets_per_s(*thousands):
    """Loads of small datagrams in Gbit/s."""
    return [1e-6 * BITS * one for one in thousands]


def test_host_2002_livelocks_as_mogul_and_ramakrishnan_found():
    # a packet costs 3.5 us interrupt and 2.7 us softirq, a read 0.75 us: 143 thousand a second at most; interrupt and
    # softirq alone fill the CPU at 161, the interrupt alone at 286
    host = zc.hosts.preset("host_2002")
    found = offered_load(host, packets_per_s(20, 80, 140, 150, 155, 170, 250, 300, 1400), payload_bytes=SMALL_BYTES)
    share = (found["goodput_gbps"] / found["offered_gbps"]).to_list()
    assert share[:3] == pytest.approx([1, 1, 1], rel=0.01)
    assert found["goodput_gbps"].arg_max() == 2
    assert np.all(np.diff(found["goodput_gbps"].to_list()[2:]) <= 0)
    assert 0 < share[5] < 0.01
    assert share[7:] == [0, 0]
    assert found["cpu_busy"].to_list()[3:] == pytest.approx([1] * 6, abs=0.01)
    # what is lost is lost late at first, after all the work, and early when netif_rx and the ring drop
    assert found["dropped_late_share"][4] > 0.3
    assert found["dropped_early_share"][4] == 0
    assert found["dropped_early_share"][8] == 1


def test_where_nothing_drops_all_arrives():
    found = offered_load(zc.hosts.preset("modern"), [1.0, 4.0])
    assert found["goodput_gbps"].to_list() == pytest.approx([1.0, 4.0], rel=0.001)
    assert found["dropped_early_share"].to_list() == found["dropped_late_share"].to_list() == [0, 0]
    assert list(found.columns) == list(OFFERED)


def test_a_reader_on_a_cpu_of_its_own_levels_off_and_one_beside_the_softirqs_loses():
    # 250 + 152 + 400 + 700 ns of softirq a packet of 1448 bytes: 7.71 Gbit/s
    apart = zc.hosts.preset("modern")
    most = 1448 * 8 / 1502
    found = offered_load(apart, [10, 20, 40])
    assert found["goodput_gbps"].to_list() == pytest.approx([most] * 3, rel=0.01)
    assert found["reader_cpu_busy"].null_count() == 0
    beside = offered_load(apart.changed("places.reader_cpu", 0), [4, 10, 20, 40])
    assert beside["goodput_gbps"][0] == pytest.approx(4, rel=0.01)
    assert beside["goodput_gbps"].tail(3).max() < 0.6 * 4
    assert beside["reader_cpu_busy"].null_count() == 4


def test_prices_of_a_datagram_are_those_of_the_host():
    # 700 + 18 * 2.79 ns; driver with the interrupt; IP, TCP's price and the run in the softirq
    old = udp(zc.hosts.preset("host_2002"), SMALL_BYTES)
    assert (old.interrupt_ns, old.softirq_ns, old.read_ns) == (3500, 2700, 700 + 51)
    assert (old.wake_ns, old.schedule_ns, old.most_queued) == (1000, 3000, 65534 // (80 + 160))
    new = udp(zc.hosts.preset("modern"), 1448)
    assert (new.interrupt_ns, new.softirq_ns, new.read_ns) == (1300, 1502, 300 + 228)
    assert (new.wake_ns, new.most_queued, new.ring_packets) == (900, 212_992 // 2304, 1024)


def test_rules_of_a_datagram_are_those_of_the_generation():
    old, new = (udp(zc.hosts.preset(name), 1000) for name in ("host_2002", "modern"))
    assert (old.interrupt_each, old.pass_packets, old.passes, old.fair, old.shared_cpu) == (True, 302, 1, False, True)
    assert (new.interrupt_each, new.pass_packets, new.passes, new.fair, new.shared_cpu) == (False, 320, 10, True, False)


def test_a_sum_in_software_is_paid_by_the_reader():
    host = zc.hosts.preset("modern")
    summed = udp(host.changed("nic.hardware_checksum", "none"), 1000)
    assert summed.read_ns - udp(host, 1000).read_ns == 100


@pytest.mark.parametrize(
    ("loads", "size", "words"),
    [([0], None, "> 0 and at most 0.9564"), ([2], None, "at most 0.9564"), ([], None, "must have a load"),
     ([0.3], 18, "at most 0.2143"), ([0.1], 1473, "1 to 1472"), ([0.1], 0, "1 to 1472"),
     ([float("nan")], None, "got nan")],
)  # fmt: skip
def test_what_cannot_be_offered_is_refused(loads, size, words):
    with pytest.raises(ValueError, match=words):
        offered_load(zc.hosts.preset("host_2002"), loads, payload_bytes=size)


@pytest.mark.parametrize(("name", "value"), [("places.driver_cpu", 3), ("places.sender_cpu", 1), ("scheduler.hogs", 1)])
def test_a_host_that_shares_its_cpus_is_refused(name, value):
    host = zc.hosts.preset("modern")
    host = host.with_price("sender.ack_ns", 100).changed(name, value)
    with pytest.raises(ImpossibleHostError, match="for datagrams"):
        offered_load(host, [1.0])


def test_the_chart_has_diagonal_curve_and_peak_with_units():
    table = offered_load(zc.hosts.preset("host_2002"), packets_per_s(170, 80, 140), payload_bytes=SMALL_BYTES)
    spec = zc.charts.livelock(table).to_dict()
    diagonal, curve, point, text = spec["layer"]
    for layer in spec["layer"]:
        assert layer["encoding"]["x"]["title"] == "offered load (Gbit/s)"
        assert layer["encoding"]["y"]["title"] == "goodput (Gbit/s)"
    rows = {name: pl.DataFrame(spec["datasets"][part["data"]["name"]])
            for name, part in (("diagonal", diagonal), ("curve", curve), ("peak", point))}  # fmt: skip
    assert rows["diagonal"]["offered_gbps"].to_list() == rows["diagonal"]["goodput_gbps"].to_list()
    assert rows["diagonal"]["offered_gbps"].max() == table["offered_gbps"].max()
    assert rows["curve"]["offered_gbps"].to_list() == sorted(table["offered_gbps"])
    assert rows["peak"]["goodput_gbps"].to_list() == [table["goodput_gbps"].max()]
    assert text["data"] == point["data"]
    assert rows["peak"]["text"].to_list() == [f"peak {round(table['goodput_gbps'].max(), 3)}"]

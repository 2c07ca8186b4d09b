"""The journey view without a browser."""

from pathlib import Path

import polars as pl
import pytest

import zcanalysis as zc
from zcanalysis.errors import TraceError
from zcanalysis.journey_work import packet_at, packet_way, work_around
from zcanalysis.widgets.journey_view import JourneyView

TRACES = Path(__file__).parents[2] / "traces"
CAPTURE = TRACES / "prequeue-4.10" / "delay-2ms.pcap.gz"


@pytest.fixture(scope="module")
def journeys():
    return zc.replay(zc.scan_pcap(CAPTURE), zc.hosts.preset("host_2002"))


@pytest.fixture
def view(journeys):
    return JourneyView(journeys, "a test")


def drawn(chart, column):
    return {row[column] for rows in chart.tables.values() for row in rows}


def test_it_opens_with_a_typical_packet(view, journeys):
    packet = packet_at(journeys, 0.5)
    assert view.packet == view._slider.value == packet
    assert view.way.equals(packet_way(journeys, packet))
    assert view.work.equals(work_around(journeys, packet))


def test_the_slowest_packet_is_a_key_away(view, journeys):
    view._parts["Slowest"].click()
    assert view.packet == packet_at(journeys, 1)
    way = packet_way(journeys, view.packet)
    took_us = (way["to_ns"][-1] - way["from_ns"][0]) / 1000
    assert f"copied to the reader {took_us:,.3g} µs later" in view._says.value
    assert f"the slowest {took_us:,.3g} µs" in view._says.value
    assert drawn(view._ways, "step") == set(way["step"])
    critical = {row["packet"] for rows in view._works.tables.values() for row in rows if row["critical"]}
    assert critical == set(work_around(journeys, view.packet).filter("critical")["packet"])


def test_what_is_said_sums_to_the_whole(view):
    view.packet = 100
    took = view.way.with_columns(us=(pl.col("to_ns") - pl.col("from_ns")) / 1000)
    waited, worked = (took.filter(pl.col("kind") == kind)["us"].sum() for kind in ("waits", "works"))
    assert f"{waited:,.3g} µs of waiting, {worked:,.3g} µs of work" in view._says.value
    assert (view.way["to_ns"][-1] - view.way["from_ns"][0]) / 1000 == pytest.approx(waited + worked)


def test_next_and_previous_stay_within_the_packets(view, journeys):
    view.packet = 5
    view._step[1].click()
    assert view.packet == 6
    view.packet = 0
    view._step[-1].click()
    assert view.packet == 0
    view.packet = journeys.height - 1
    view._step[1].click()
    assert view.packet == journeys.height - 1


def test_the_slider_moves_the_pictures(view):
    before = view._ways.revision
    view._slider.value = 7
    assert view.packet == 7
    assert view._ways.revision == view._works.revision == before + 1


def test_a_packet_that_was_dropped_is_one_line_and_leaves_the_pictures(view, journeys):
    lost = journeys.with_columns(pl.when(pl.col("packet") != 3).then(pl.col("copy_copy_ns")).alias("copy_copy_ns"))
    view = JourneyView(lost, "a test")
    before = view.way
    view.packet = 3
    assert view.trouble == "packet 3 was never copied to the reader"
    assert view.way is before
    view.packet = 4
    assert view.trouble == ""


def test_a_recording_that_prices_a_host_is_replayed_through_its_own():
    view = zc.widgets.journey_view(zc.read_recording(TRACES / "veth-1500"))
    assert "replayed through the host that is calibrated from this recording" in view.children[0].value
    assert 90_000 < view.journeys.height < 101_000


def test_a_capture_alone_is_replayed_through_a_preset_and_says_so():
    view = zc.widgets.journey_view(CAPTURE)
    assert "the preset &#x27;modern&#x27; (no host can be calibrated" in view.children[0].value
    named = zc.widgets.journey_view(CAPTURE, zc.hosts.preset("host_2002"), "wire")
    assert "the given host" in named.children[0].value
    assert named.journeys["driver_from_ns"].null_count() < named.journeys.height


def test_without_a_capture_it_is_refused(tmp_path):
    (tmp_path / "counters.parquet").write_bytes((TRACES / "veth-1500" / "counters.parquet").read_bytes())
    with pytest.raises(TraceError, match="holds no capture, so there are no packets to follow"):
        zc.widgets.journey_view(tmp_path)

"""The packet explorer without a browser: traits set as the page sets them."""

import shutil
from pathlib import Path

import polars as pl
import pytest

import zcanalysis as zc
from zcanalysis.errors import TraceError
from zcanalysis.widgets.packet_fields import packet_fields
from zcanalysis.wire.packet_list import numbered_packets, packet_list

TRACES = Path(__file__).parents[2] / "traces"
CAPTURE = TRACES / "prequeue-4.10" / "delay-2ms.pcap.gz"
FLOW = zc.flows(CAPTURE).sort("payload_bytes").row(-1, named=True)


@pytest.fixture
def explorer():
    return zc.widgets.packet_explorer(CAPTURE)


def brush(explorer, *span):
    explorer.chart.selected = {"brush": {"from_s": list(span)} if span else {}}


def expected(span, most=200):
    return packet_list(numbered_packets(zc.scan_pcap(CAPTURE), FLOW), FLOW, span, most)


def drawn_bytes(explorer):
    return {row["low_byte"] for rows in explorer.chart.tables.values() for row in rows if row.get("low_byte")}


def test_it_opens_with_the_largest_transfer_and_its_first_packets(explorer):
    assert explorer.transfers.row(0, named=True)["payload_bytes"] == FLOW["payload_bytes"]
    assert explorer.packets == expected(None).packets
    assert explorer.listed.equals(expected(None).table)
    assert explorer.listed["flags"].to_list()[:2] == ["SYN", "SYN ACK"]


def test_a_brush_lists_the_packets_of_its_time(explorer):
    brush(explorer, 0.2, 0.1)
    assert explorer.between_s == (0.1, 0.2)
    assert explorer.listed.equals(expected((0.1, 0.2)).table)
    assert f"{expected((0.1, 0.2)).packets:,} packets of both sides from 0.100000 to 0.200000 s" in said(explorer)
    brush(explorer)
    assert explorer.packets == expected(None).packets


def test_the_slider_does_what_the_brush_does(explorer):
    explorer._span.value = (0.1, 0.2)
    assert explorer.packets == expected((0.1, 0.2)).packets
    brush(explorer, 0.15, 0.16)
    assert explorer._span.value == (0.15, 0.16)


def test_a_zoom_draws_the_chosen_time_again_and_finer(explorer):
    whole, slices = drawn_bytes(explorer), explorer._lines["packets"].sum()
    brush(explorer, 0.1, 0.12)
    explorer._zoom.click()
    assert explorer.shown_s == (0.1, 0.12)
    assert explorer.between_s is None
    assert explorer._lines.equals(zc.sequence_lines(zc.scan_pcap(CAPTURE), FLOW, between_s=(0.1, 0.12)))
    low, high = explorer._lines["low_byte"].min() / 1e6, explorer._lines["low_byte"].max() / 1e6
    assert len(drawn_bytes(explorer)) > sum(low <= at <= high for at in whole)
    assert (explorer._span.min, explorer._span.max) == (0.1, 0.12)
    explorer._whole.click()
    assert explorer._lines["packets"].sum() == slices
    assert drawn_bytes(explorer) == whole


def test_rows_are_chosen_by_their_number_in_the_capture(explorer):
    brush(explorer, 0.1, 0.2)
    number = explorer.listed.item(3, "number")
    explorer._list.value = (number,)
    assert explorer.chosen == (number,)


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_dissected_packets_are_those_that_were_chosen(explorer):
    numbers = tuple(explorer.listed["number"][1:3])
    explorer._list.value = numbers
    explorer.dissect_chosen()
    assert explorer.dissected["frame_number"].to_list() == list(numbers)
    fields = dict(explorer.dissected["fields"][1].struct.unnest().rows())
    assert int(fields["tcp.seq_raw"]) >= 0
    assert f"packet {numbers[0]}: eth &gt; ip &gt; tcp" in explorer._fields.value
    assert "tcp.seq_raw" in explorer._fields.value


def test_without_tshark_one_line_says_so(explorer, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    explorer._list.value = (explorer.listed.item(0, "number"),)
    explorer.dissect_chosen()
    assert "a deep look needs tshark, which is not installed" in explorer._fields.value
    assert explorer._fields.value.count("<p") == 1


def test_nothing_chosen_is_said(explorer):
    explorer.dissect_chosen()
    assert "Select rows" in explorer._fields.value


def test_another_transfer_has_its_own_picture_and_packets():
    capture = TRACES / "limits" / "delayed-ack.first.pcap.zst"
    explorer = zc.widgets.packet_explorer(zc.read_recording(capture))
    explorer.shown_s = (0.01, 0.02)
    explorer._pick.value = 1
    flow = explorer.transfers.row(1, named=True)
    assert explorer.shown_s is None
    assert explorer.packets == packet_list(numbered_packets(zc.scan_pcap(capture), flow), flow).packets
    assert f"{flow['payload_bytes']:,} bytes of payload" in explorer._says.value


def test_text_of_a_capture_cannot_become_a_page():
    fields = [{"name": "<b>x.y", "value": "<script>alert(1)</script>"}]
    dissected = pl.DataFrame({
        "frame_number": [1], "ts_ns": [0], "layers": [["<img src=x>"]], "fields": [fields], "error": ["<i>no</i>"],
    })  # fmt: skip
    page = packet_fields(dissected)
    assert "alert(1)" in page
    assert not any(tag in page for tag in ("<script", "<img", "<b>", "<i>"))


def test_a_recording_without_a_capture_is_refused_in_one_line(tmp_path):
    shutil.copy(TRACES / "veth-1500" / "counters.parquet", tmp_path)
    with pytest.raises(TraceError, match="holds no capture, so there are no packets to show"):
        zc.widgets.packet_explorer(zc.read_recording(tmp_path))


def said(explorer):
    return explorer._counts.value

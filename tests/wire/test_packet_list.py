"""PACKET_LIST: the packets of a part of a connection, bounded, numbered as their capture numbers them."""

from pathlib import Path

import polars as pl
import pytest

from tests.wire.test_connections import ACK, SYN, packets
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.tables import PACKET_LIST, polars_schema
from zcanalysis.wire.advance import sequence_lines
from zcanalysis.wire.connections import flows
from zcanalysis.wire.packet_list import numbered_packets, packet_list

CAPTURE = Path(__file__).parents[2] / "traces" / "limits" / "loss.first.pcap.zst"
PSH, RST = 8, 4
TABLE = packets(
    (0, "there", SYN, 100, 0, 0), (10, "back", SYN | ACK, 500, 101, 0), (20, "there", ACK | PSH, 101, 501, 1000),
    (30, "back", ACK, 501, 1101, 0), (40, "there", ACK, 1101, 501, 9), (50, "there", RST, 1110, 501, 0),
)  # fmt: skip


def listed(table, *arguments):
    flow = flows(table).row(0, named=True)
    return packet_list(numbered_packets(table, flow), flow, *arguments)


def test_every_packet_has_its_number_its_side_and_its_place():
    found = listed(TABLE)
    assert found.table.schema == polars_schema(PACKET_LIST)
    assert found.packets == found.table.height == 6
    assert found.table["number"].to_list() == [1, 2, 3, 4, 5, 6]
    assert found.table["flags"].to_list() == ["SYN", "SYN ACK", "PSH ACK", "ACK", "ACK", "RST"]
    assert found.table["sent_byte"].to_list() == [0, None, 1, None, 1001, None]
    assert found.table["acked_byte"].to_list() == [None, 1, None, 1001, None, None]
    assert found.table["at_s"].to_list() == pytest.approx([0, 1e-8, 2e-8, 3e-8, 4e-8, 5e-8])


def test_a_part_has_its_packets_at_the_places_they_have_in_the_whole():
    whole, part = listed(TABLE), listed(TABLE, (15e-9, 40e-9))
    assert part.table.equals(whole.table.filter(pl.col("number").is_between(3, 5)))


def test_only_the_first_are_listed_but_all_are_counted():
    found = listed(TABLE, None, 2)
    assert (found.table.height, found.packets) == (2, 6)


def test_a_header_that_the_snap_length_hides_is_listed_without_a_place():
    hidden = TABLE.with_columns(
        pl.when(pl.col("ts_ns") != 20).then(pl.col(name)).alias(name) for name in ("tcp_flags", "seq", "ack")
    )
    row = listed(hidden).table.row(2, named=True)
    assert (row["flags"], row["sent_byte"], row["payload_bytes"]) == ("", None, 1000)


def test_a_connection_too_large_to_keep_is_read_again_with_the_same_outcome():
    lazy = scan_pcap(CAPTURE)
    flow = flows(lazy).sort("payload_bytes").row(-1, named=True)
    kept, left = numbered_packets(lazy, flow), numbered_packets(lazy, flow, 10)
    assert isinstance(kept, pl.DataFrame)
    assert isinstance(left, pl.LazyFrame)
    part = (0.1, 0.12)
    assert packet_list(kept, flow, part).table.equals(packet_list(left, flow, part).table)
    assert sequence_lines(kept, flow, between_s=part).equals(sequence_lines(left, flow, between_s=part))
    assert sequence_lines(kept, flow).equals(sequence_lines(lazy, flow))


def test_the_list_counts_what_the_lines_count():
    lazy = scan_pcap(CAPTURE.parents[1] / "veth-1500" / "capture.pcap.zst")
    flow = flows(lazy).sort("payload_bytes").row(-1, named=True)
    kept, part = numbered_packets(lazy, flow), (0.02, 0.021)
    found = packet_list(kept, flow, part, 1_000_000).table.filter("sent")
    lines = sequence_lines(kept, flow, between_s=part)
    assert found.height == lines["packets"].sum() > 100
    assert found["payload_bytes"].sum() == lines["payload_bytes"].sum()
    assert found.filter(pl.col("payload_bytes") > 0)["sent_byte"].min() == lines["low_byte"].min()

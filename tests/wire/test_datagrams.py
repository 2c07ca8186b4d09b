"""PACKETS become FRAGMENTS: datagrams in pieces, whole or not, with bytes that come twice."""

import shutil
import subprocess

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders as make
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.tables import FRAGMENTS, PACKETS, empty, polars_schema
from zcanalysis.wire import connections, datagrams
from zcanalysis.wire.datagrams import fragments

SECOND = 1_000_000_000


def pieces(*rows) -> pl.DataFrame:
    """Each row is (ts_ns, id, offset, payload bytes behind any header, more follow)."""
    table = [
        {
            "ts_ns": ts_ns,
            "ip_id": number,
            "frag_offset": offset,
            "payload_bytes": size,
            "more_fragments": more,
            "src": 1,
            "dst": 2,
            "protocol": 17,
            "ip_version": 4,
        }
        for ts_ns, number, offset, size, more in rows
    ]
    return pl.concat([empty(PACKETS), pl.DataFrame(table, schema_overrides=polars_schema(PACKETS))], how="diagonal")


def test_a_datagram_in_three_pieces_in_any_order():
    # 8 bytes of UDP header and 16 of data, then 24, then 10: 58
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        rows = [(0, 7, 0, 16, True), (1, 7, 24, 24, True), (2, 7, 48, 10, False)]
        (row,) = fragments(pieces(*(rows[at] for at in order))).to_dicts()
        assert (row["datagrams"], row["fragments"], row["bytes"], row["overlap_bytes"]) == (1, 3, 58, 0)
        assert (row["incomplete_datagrams"], row["src"], row["dst"]) == (0, "::1", "::2")


def test_a_missing_piece_and_a_repeated_one():
    rows = [(0, 7, 0, 16, True), (1, 7, 48, 10, False), (2, 8, 0, 16, True), (3, 8, 16, 16, True), (4, 8, 32, 8, False)]
    (row,) = fragments(pieces(*rows)).to_dicts()
    assert (row["incomplete_datagrams"], row["incomplete_bytes"]) == (1, 34)
    assert (row["overlapping_datagrams"], row["overlap_bytes"], row["bytes"]) == (1, 8, 40)


def test_an_identification_used_again_later_is_another_datagram():
    one = [(0, 7, 0, 16, True), (1, 7, 24, 24, False)]
    later = [(ts_ns + 2 * SECOND, *rest) for ts_ns, *rest in one]
    (row,) = fragments(pieces(*one, *later)).to_dicts()
    assert (row["datagrams"], row["bytes"], row["overlap_bytes"]) == (2, 96, 0)


def test_a_piece_that_comes_again_is_no_new_datagram_however_the_packets_come(monkeypatch):
    rows = [(0, 7, 0, 16, True), (1, 7, 24, 24, False), (2, 7, 24, 24, False)]
    for size in (1, 2, 3):
        monkeypatch.setattr(connections, "BATCH_ROWS", size)
        (row,) = fragments(pieces(*rows)).to_dicts()
        assert (row["datagrams"], row["incomplete_datagrams"], row["overlap_bytes"]) == (1, 0, 24)


@pytest.mark.parametrize("far_ns", [(1 << 63) - 1, -(1 << 63), 1 << 62])
def test_a_piece_with_a_time_out_of_all_bounds_is_a_piece(far_ns):
    (row,) = fragments(pieces((5, 7, 0, 16, True), (far_ns, 7, 24, 24, False))).to_dicts()
    assert (row["datagrams"], row["incomplete_datagrams"], row["bytes"]) == (1, 0, 48)


PIECES = st.tuples(
    st.integers(-(1 << 62), 1 << 62),
    st.integers(0, 2),
    st.integers(0, 40).map(lambda units: 8 * units),
    st.integers(0, 1 << 32),
    st.booleans(),
)


@given(rows=st.lists(PIECES, max_size=20), slice_rows=st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_hostile_pieces_are_all_counted(rows, slice_rows):
    before = datagrams.CHUNK_PIECES
    try:
        datagrams.CHUNK_PIECES = slice_rows
        table = fragments(pieces(*rows))
    finally:
        datagrams.CHUNK_PIECES = before
    assert table.schema == polars_schema(FRAGMENTS)
    assert table["fragments"].sum() == sum(offset > 0 or more for _, _, offset, _, more in rows)
    assert table["incomplete_datagrams"].sum() <= table["datagrams"].sum()


@pytest.mark.skipif(not make.real_captures(), reason=f"no captures in {make.SHARED}")
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("name", ["ipv6-fragments.pcap", "sll-lo-frags.pcap"])
def test_complete_datagrams_and_their_bytes_are_those_that_tshark_puts_together(name):
    path = make.SHARED / "pcap" / name
    fields = ["ip.reassembled.length", "ipv6.reassembled.length", "ip.fragment.count", "ipv6.fragment.count"]
    command = ["tshark", "-r", str(path), "-n", "-T", "fields", "-E", "occurrence=f"]
    command += [word for field in fields for word in ("-e", field)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    lines = [line.split("\t") for line in shown.splitlines()]
    lengths = [int(line[0] or line[1]) for line in lines if line[0] or line[1]]
    table = fragments(scan_pcap(path))
    assert lengths
    assert table["datagrams"].sum() - table["incomplete_datagrams"].sum() == len(lengths)
    assert table["bytes"].sum() == sum(lengths)

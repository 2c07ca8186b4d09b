"""Packets straight from the decoder are those of the table: column by column, and in what is counted of them."""

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pytest
from numba import typeof

from tests import builders as make
from tests.fuzz.cases import small_rooms
from zcanalysis.errors import TraceError
from zcanalysis.io.packet_arrays import captured_arrays
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.wire.accounts import COLUMNS, flows_and_sides, tcp_sides
from zcanalysis.wire.connections import ENDS, as_arrays, flows
from zcanalysis.wire.table_arrays import TableArrays

FOLDERS = [make.SHARED / name for name in ("pcap", "malformed", "prequeue-kernel")]
CAPTURES = [
    *(path for folder in FOLDERS for path in sorted(folder.rglob("*")) if path.is_file()),
    *sorted(path for path in Path("traces").rglob("*") if ".pcap" in path.name),
]
EVERY = 1 if os.environ.get("ZC_ALL_CAPTURES") else 4  # of the small ones in small rooms
SMALL_BYTES = 100_000
ARRAYS = [name for name in COLUMNS if name not in ("src", "dst", "sack_blocks")]
HELD = ("flow_id", "tsval", "window_scale")
OPTIONS = bytes.fromhex("020405b4 0103030e 0402 080a 00000001 00000002")
SACK = bytes.fromhex("0101 0512 00000001 00000002 00000003 00000004 0101 050a 00000005 00000006")
SEGMENTS = (make.tcp(options=OPTIONS), make.tcp(seq=5), make.tcp(options=SACK), make.tcp(options=SACK[-12:]))
MIXED = [
    *(make.ethernet(make.ipv4(segment)) for segment in SEGMENTS),
    make.ethernet(make.ipv4(make.udp(payload=bytes(9)), protocol=17)),
    make.ethernet(bytes(46), ethertype=0x0806),
    make.ethernet(make.ipv6(make.tcp(options=OPTIONS[:4], payload=b"z"))),
]


def said(way: Callable[[], tuple[pl.DataFrame, pl.DataFrame]]) -> tuple[pl.DataFrame, pl.DataFrame] | str:
    try:
        return way()
    except TraceError as error:
        return str(error)


def same(one: tuple[pl.DataFrame, pl.DataFrame] | str, other: tuple[pl.DataFrame, pl.DataFrame] | str) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return all(left.equals(right) and left.schema == right.schema for left, right in zip(one, other, strict=True))


def test_every_capture_counts_the_same_by_its_path_and_by_its_table():
    for path in CAPTURES:
        assert same(said(lambda: flows_and_sides(path)), said(lambda: flows_and_sides(scan_pcap(path)))), path  # noqa: B023


def test_blocks_batches_and_address_books_of_any_size_count_the_same():
    small = [path for path in CAPTURES if path.stat().st_size < SMALL_BYTES]
    for number, path in enumerate(small[::EVERY]):
        by_table = said(lambda: flows_and_sides(scan_pcap(path)))  # noqa: B023
        with small_rooms(Random(number), path):
            assert same(said(lambda: flows_and_sides(str(path))), by_table), path  # noqa: B023


@pytest.mark.parametrize("packets", [MIXED, MIXED[:1], MIXED[1:2], MIXED[2:4], MIXED[5:6], MIXED[:4] * 9])
def test_arrays_of_a_file_are_those_of_its_table(tmp_path, packets):
    path = make.saved(tmp_path, make.pcap(packets))
    (captured,) = captured_arrays(path, COLUMNS)
    table = TableArrays(scan_pcap(path).select(COLUMNS).collect())
    assert captured.height == table.height == len(packets)
    for name in ARRAYS:
        assert np.array_equal(captured.numbers(name), table.numbers(name)), name
    for name in HELD:
        assert np.array_equal(captured.held(name), table.held(name)), name
    for ours, theirs in zip(captured.sack_edges(), table.sack_edges(), strict=True):
        assert np.array_equal(ours, theirs)
    chosen = np.arange(len(packets))[::2]
    assert captured.table(chosen, ENDS).equals(table.table(chosen, ENDS))


@pytest.mark.parametrize("packets", [MIXED, MIXED[:1], MIXED[5:6]])
def test_machine_code_made_for_a_table_serves_a_file(tmp_path, packets):
    path = make.saved(tmp_path, make.pcap(packets))
    (captured,) = captured_arrays(path, COLUMNS)
    table = TableArrays(scan_pcap(path).select(COLUMNS).collect())
    assert typeof(as_arrays(captured)) == typeof(as_arrays(table))
    for name in ARRAYS:
        assert typeof(captured.numbers(name)) == typeof(table.numbers(name)), name
        assert not captured.numbers(name).flags.writeable
    for name in HELD:
        assert typeof(captured.held(name)) == typeof(table.held(name)), name


def test_packets_before_damage_count_and_what_is_no_capture_is_refused(tmp_path):
    path = make.saved(tmp_path, make.pcap(MIXED[:3]) + b"\xff" * 16)
    assert flows(path)["packets"].to_list() == [3]
    assert tcp_sides(str(path)).height == 1
    for content in (b"", b"no capture", make.pcap([])[:20]):
        with pytest.raises(TraceError) as by_table:
            scan_pcap(make.saved(tmp_path, content))
        with pytest.raises(TraceError) as by_path:
            flows(make.saved(tmp_path, content))
        assert str(by_path.value) == str(by_table.value)


def test_arrays_stay_as_they_are_while_the_next_batch_is_made(tmp_path):
    path = make.saved(tmp_path, make.pcap([make.ethernet(make.ipv4(make.tcp(seq=n))) for n in range(500)]))
    with small_rooms(Random(1), path):
        batches = (
            (batch, batch.numbers("seq"), batch.numbers("seq").copy()) for batch in captured_arrays(path, COLUMNS)
        )
        for (_, seq, copied), (after, *_) in pairwise(batches):
            assert np.array_equal(seq, copied)
            assert after.height

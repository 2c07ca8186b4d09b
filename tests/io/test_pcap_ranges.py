"""A capture decoded in ranges is the capture: whatever the ranges, whatever was guessed."""

import gzip
import os
import struct
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import builders as make
from zcanalysis.errors import TraceError
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.io.pcap_blocks import NO_STOP, Place
from zcanalysis.io.pcap_ranges import COLUMNS, CaptureRange, can_be_split, meeting, write_range
from zcanalysis.io.record_boundaries import guessed_place
from zcanalysis.wire.connections import flows

TRACES = Path(__file__).parents[2] / "traces"
CAPTURES = [*make.real_captures(), *sorted((TRACES / "prequeue-4.10").glob("*.pcap.gz"))]
EXAMPLES = 400 if os.environ.get("ZC_ALL_CAPTURES") else 15
PACKET = make.ethernet(make.ipv4(make.tcp(payload=b"x" * 400)))


def plain(path: Path, folder: Path) -> Path:
    """The capture, unpacked."""
    content = path.read_bytes()
    return make.saved(folder, gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content, path.stem)


def in_ranges(path: Path, cuts: list[int], folder: Path) -> tuple[pl.LazyFrame, list[int]]:
    """PACKETS of the capture cut at these bytes, and which ranges had to be decoded twice."""
    again: list[int] = []
    edges = [0, *sorted(cuts), NO_STOP]

    def name(number: int) -> Path:
        return folder / f"{number}.parquet"

    def repeated(one: CaptureRange, at: Place) -> CaptureRange:
        again.append(int(one.file.stem))
        return write_range(path, at, one.stop_bytes, one.file)

    ranges = [write_range(path, begin, stop, name(number)) for number, (begin, stop) in enumerate(pairwise(edges))]
    met = meeting(ranges, repeated)
    return pl.scan_parquet([one.file for one in met]), again


def check_equal(path: Path, cuts: list[int], folder: Path) -> list[int]:
    """Cut and uncut give the same packets, and the same flows of them; the ranges decoded twice."""
    whole = scan_pcap(path).select(COLUMNS).collect()
    joined, again = in_ranges(path, cuts, folder)
    assert joined.collect().equals(whole)
    assert flows(joined).equals(flows(path))
    return again


@pytest.mark.skipif(len(CAPTURES) < 60, reason="ZC_SHARED has no captures")
@given(data=st.data())
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_cuts_through_any_real_capture_give_the_packets_and_flows_of_the_whole(data, tmp_path):
    path = plain(data.draw(st.sampled_from(CAPTURES)), tmp_path)
    size_bytes = path.stat().st_size
    check_equal(path, data.draw(st.lists(st.integers(1, size_bytes + 10), max_size=4)), tmp_path)


@pytest.mark.parametrize("name", ["smb2-async-read-690Mbps.pcap.gz", "gro-http-29200.pcapng", "pcapng-22if.pcapng"])
def test_records_of_real_captures_are_found_without_decoding_twice(name, tmp_path):
    source = make.SHARED / "pcap" / name
    if not source.exists():
        pytest.skip("ZC_SHARED has no captures")
    path = plain(source, tmp_path)
    part = path.stat().st_size // 4
    assert check_equal(path, [part, 2 * part, 3 * part], tmp_path) == []


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D])
def test_a_place_is_the_first_record_at_or_behind_the_byte(tmp_path, order, magic):
    path = make.saved(tmp_path, make.pcap([PACKET] * 40, order=order, magic=magic))
    record = 16 + len(PACKET)
    assert guessed_place(path, 24 + 3 * record) == Place(24 + 3 * record)
    assert guessed_place(path, 24 + 3 * record + 1) == Place(24 + 4 * record)
    assert guessed_place(path, 24 + 39 * record + 1) is None


def test_payload_that_is_a_capture_itself_is_seen_through(tmp_path):
    inner = make.pcap([PACKET] * 60)[24:]
    content = make.pcap([make.ethernet(make.ipv4(make.udp(payload=inner))), PACKET] * 3)
    path = make.saved(tmp_path, content)
    middle = 24 + 16 + 200
    wrong = guessed_place(path, middle)
    assert wrong is not None
    assert wrong.offset_bytes < 24 + len(inner)  # the guess is fooled
    assert check_equal(path, [middle], tmp_path) == [1]


def test_interfaces_declared_in_the_middle_and_a_section_of_the_other_byte_order(tmp_path):
    def packets(count, number=0, order="<"):
        return b"".join(make.packet_block(PACKET, number=number, ticks=7, order=order) for _ in range(count))

    first = make.section() + make.interface() + packets(30) + make.interface(link=101) + packets(30, 1) + packets(5, 0)
    second = make.section(order=">") + make.interface(order=">", snap_bytes=96) + packets(30, 0, ">")
    path = make.saved(tmp_path, first + second)
    for cut in range(len(make.section()) // 2, len(first + second), 3331):
        check_equal(path, [cut, cut + 5000], tmp_path)


@pytest.mark.parametrize("damage", ["cut", "length"])
@pytest.mark.parametrize("where", [0.1, 0.5, 0.95])
def test_damage_ends_the_reading_where_it_does_in_one_piece(tmp_path, damage, where):
    content = make.pcap([PACKET] * 50)
    record = 16 + len(PACKET)
    at = 24 + int(50 * where) * record
    broken = content[: at + 30] if damage == "cut" else content[: at + 8] + b"\xff" * 4 + content[at + 12 :]
    path = make.saved(tmp_path, broken)
    for cut in range(1, len(broken), 5003):
        check_equal(path, [cut, cut + 4000, cut + 9000], tmp_path)
    errors = scan_pcap(path).select("error").collect()["error"].drop_nulls()
    assert f"at byte {at}" in errors[-1]


def test_a_record_longer_than_its_range_leaves_nothing_for_the_next(tmp_path):
    large = make.ethernet(make.ipv4(make.udp(payload=bytes(60_000))))
    path = make.saved(tmp_path, make.pcap([large, PACKET, PACKET]))
    check_equal(path, [1000, 2000, 50_000], tmp_path)


def test_only_files_that_can_be_read_from_the_middle_are_split(tmp_path):
    content = make.pcap([PACKET])
    assert can_be_split(make.saved(tmp_path, content))
    assert not can_be_split(make.saved(tmp_path, gzip.compress(content), "packed"))


def test_what_is_no_capture_is_refused(tmp_path):
    path = make.saved(tmp_path, struct.pack("<40I", *range(40)))
    with pytest.raises(TraceError, match="not a capture"):
        write_range(path, 50, NO_STOP, tmp_path / "part")

"""Captures become PACKETS, whole or damaged."""

import gzip
import io
import os
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import builders as make
from zcanalysis.errors import TraceError
from zcanalysis.io import packet_ahead, pcap_blocks
from zcanalysis.io.packet_ahead import decoded_batches
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.tables import PACKETS, polars_schema

START_NS = 1_700_000_000_000_000_000
PACKET = make.ethernet(make.ipv4(make.tcp(payload=b"x" * 100)))


def read(folder: Path, content: bytes, name: str = "capture.pcap") -> pl.DataFrame:
    return scan_pcap(make.saved(folder, content, name)).collect()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "tick_ns"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_both_byte_orders_and_both_resolutions_give_the_same_packets(tmp_path, order, magic, tick_ns):
    rows = read(tmp_path, make.pcap([PACKET, PACKET], order=order, magic=magic))
    assert rows["ts_ns"].to_list() == [START_NS, START_NS + tick_ns]
    assert rows["payload_bytes"].to_list() == [100, 100]
    assert rows.schema == polars_schema(PACKETS)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_compression_is_told_by_content_not_by_name(tmp_path, pack):
    assert read(tmp_path, pack(make.pcap([PACKET] * 3)), "no-suffix").height == 3


def test_a_pcap_without_packets_is_an_empty_table(tmp_path):
    assert read(tmp_path, make.pcap([])).is_empty()


def test_files_before_version_2_3_have_their_lengths_swapped(tmp_path):
    # wire length 60 stands where newer files have the captured length 40
    record = struct.pack("<IIII", 5, 0, 60, 40) + PACKET[:40]
    rows = read(tmp_path, struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 2, 0, 0, 40, 1) + record)
    assert rows.select("captured_bytes", "wire_bytes").row(0) == (40, 60)


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_sections_and_interfaces_keep_their_own_clock(tmp_path, order):
    first = [
        make.section(),
        make.interface(options=[(9, b"\x09")]),
        make.interface(options=[(9, b"\x8a"), (14, struct.pack("<q", 100))]),
        make.packet_block(PACKET, ticks=START_NS),
        make.packet_block(PACKET, number=1, ticks=5 * 1024 + 1),
        make.block(0xBAD, b"never heard of"),
    ]
    second = [
        make.section(order=order),
        make.interface(order=order, link=101),
        make.packet_block(make.ipv4(make.tcp()), ticks=7, order=order),
    ]
    rows = read(tmp_path, b"".join(first + second))
    # 1/1024 s is 976,562.5 ns; the offset adds 100 s; microseconds are the default
    assert rows["ts_ns"].to_list() == [START_NS, 105_000_976_562, 7000]
    assert rows["interface"].to_list() == [0, 1, 2]
    assert rows["src_port"].to_list() == [40000] * 3
    assert rows["error"].null_count() == 3


def test_simple_and_obsolete_packet_blocks_are_read(tmp_path):
    simple = make.block(3, struct.pack("<I", len(PACKET)) + PACKET)
    obsolete = make.block(2, struct.pack("<HHIIII", 0, 9, 0, 3, len(PACKET), len(PACKET)) + PACKET)
    rows = read(tmp_path, make.section() + make.interface() + simple + obsolete)
    assert rows["ts_ns"].to_list() == [None, 3000]
    assert rows["payload_bytes"].to_list() == [100, 100]


@given(digits=st.integers(0, 63), ticks=st.integers(0, (1 << 64) - 1))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_binary_clocks_are_exact_to_the_nanosecond(tmp_path, digits, ticks):
    block = make.packet_block(PACKET, ticks=ticks)
    rows = read(tmp_path, make.section() + make.interface(options=[(9, bytes([0x80 | digits]))]) + block)
    exact = ticks * 1_000_000_000 >> digits
    if exact >> 63:
        assert "beyond what 64 bits of nanoseconds hold" in rows["error"][0]
    else:
        assert rows["ts_ns"].to_list() == [exact]


def test_a_packet_of_an_undescribed_interface_is_a_row_with_an_error(tmp_path):
    rows = read(tmp_path, make.section() + make.packet_block(PACKET) + make.interface() + make.packet_block(PACKET))
    assert rows["error"].to_list() == ["interface 0 was never described in this section", None]


def test_a_block_smaller_than_its_packet_is_a_row_with_an_error_and_reading_goes_on(tmp_path):
    lying = make.block(6, struct.pack("<IIIII", 0, 0, 0, 9999, 9999))
    rows = read(tmp_path, make.section() + make.interface() + lying + make.packet_block(PACKET))
    assert rows["error"].to_list() == ["record claims 9999 captured bytes, more than its block holds", None]
    assert rows["payload_bytes"].to_list() == [None, 100]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (make.pcap([PACKET, PACKET])[:-10], "file ends inside a record of 170 bytes, 160 left, at byte 194"),
        (make.pcap([PACKET]) + b"\xff" * 16, "an impossible length of 4294967295 bytes, at byte 194"),
        (make.pcap([PACKET]) + b"\0" * 3, "file ends inside a record of 16 bytes, 3 left, at byte 194"),
        (make.section() + make.interface() + make.packet_block(PACKET) + b"\6\0\0\0\4\0\0\0", "length of 4 bytes"),
        (make.section() + make.interface() + make.packet_block(PACKET) + b"\1\0\0\0\4\0\0\0" * 2, "claims 4 bytes"),
        (make.section() + make.interface() + make.packet_block(PACKET)[:-4] + b"\0\0\0\0", "length of 188 bytes"),
        (make.section() + make.interface() + struct.pack("<II", 0xBAD, 1 << 31), "inside a record of 2147483648"),
    ],
)
def test_a_damaged_file_ends_with_one_row_that_says_where(tmp_path, content, says):
    rows = read(tmp_path, content)
    assert says in rows["error"][-1]
    assert rows.drop("error").row(-1) == (None,) * (rows.width - 1)
    assert rows["error"][:-1].null_count() == rows.height - 1


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_cut_off_compression_keeps_the_packets_before_the_cut(tmp_path, pack):
    packed = pack(make.pcap([os.urandom(400) for _ in range(2000)]))
    rows = read(tmp_path, packed[: len(packed) // 2])
    assert rows.height > 100
    assert "at byte" in rows["error"][-1]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"perf script text", "is not a capture (first bytes 70657266)"),
        (make.pcap([])[:23], "pcap header cut off after 23 of 24 bytes"),
        (make.section()[:20], "pcapng section header is damaged"),
        (struct.pack("<IHHIIII", 0xA1B2C3D4, 1, 0, 0, 0, 0, 1), "pcap version 1.0 is not read"),
    ],
)
def test_what_is_no_capture_is_refused_in_one_line_at_once(tmp_path, content, says):
    path = make.saved(tmp_path, content)
    with pytest.raises(TraceError) as caught:
        scan_pcap(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(TraceError, match=path.name):
            scan_pcap(path)


def test_records_across_block_borders_and_larger_than_a_block_are_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(pcap_blocks, "BLOCK_BYTES", 256)
    packets = [make.ethernet(make.ipv4(make.tcp(seq=n, payload=b"y" * (n * 37 % 900)))) for n in range(100)]
    rows = read(tmp_path, make.pcap(packets))
    assert rows["seq"].to_list() == list(range(100))
    assert rows["captured_bytes"].to_list() == [len(packet) for packet in packets]


def test_batches_are_cut_without_losing_records(tmp_path):
    rows = scan_pcap(make.saved(tmp_path, make.pcap([b""] * 70_000))).select("ts_ns", "captured_bytes").collect()
    assert rows["ts_ns"].diff().drop_nulls().unique().to_list() == [1000]
    assert rows.height == 70_000


def test_projection_filter_and_head_agree_with_the_whole_table(tmp_path):
    packets = [make.ethernet(make.ipv4(make.tcp(seq=n, payload=b"z" * (n % 3)))) for n in range(50)]
    lazy = scan_pcap(make.saved(tmp_path, make.pcap(packets)))
    whole = lazy.collect()
    for name in PACKETS:
        assert lazy.select(name).collect()[name].equals(whole[name])
    asked = lazy.filter(pl.col("payload_bytes") > 1).select("seq").head(5)
    assert asked.collect()["seq"].to_list() == [2, 5, 8, 11, 14]
    assert asked.collect(engine="streaming")["seq"].to_list() == [2, 5, 8, 11, 14]
    assert lazy.head(7).collect().equals(whole.head(7))
    assert lazy.select(pl.len()).collect().item() == 50


def test_an_early_stop_reads_no_further(tmp_path):
    # damage after the first packets is never met, and some blocks before it the file is not even read
    path = make.saved(tmp_path, make.pcap([PACKET] * 200_000) + b"\xff" * 16)
    assert scan_pcap(path).head(10).collect()["error"].null_count() == 10
    read = []
    stream = io.BytesIO(path.read_bytes())
    batches = decoded_batches(
        path, SimpleNamespace(readinto1=lambda room: read.append(stream.readinto1(room)) or read[-1]), 0, headers=True
    )
    assert next(batches).height > 1000
    batches.close()
    assert sum(read) <= 3 * pcap_blocks.BLOCK_BYTES < path.stat().st_size


def test_one_processor_reads_without_other_threads(tmp_path, monkeypatch):
    path = make.saved(tmp_path, make.pcap([PACKET] * 100_000))
    lazy = scan_pcap(path).select(pl.all().exclude("sack_blocks").hash().sum())
    both = lazy.collect()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(packet_ahead, "ThreadPoolExecutor", None)
    assert lazy.collect().equals(both)


def test_a_scan_in_an_exit_handler_is_complete(tmp_path):
    # threads cannot be started any more then
    path = make.saved(tmp_path, make.pcap([PACKET] * 100_000))
    script = (
        "import atexit; from pathlib import Path; from zcanalysis.io.packet_ahead import decoded_batches\n"
        f"path = Path({str(path)!r})\n"
        "read = lambda: print(sum(b.height for b in decoded_batches(path, path.open('rb'), 0, headers=True)))\n"
        "atexit.register(read)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "100000\n")


def test_a_process_that_stopped_a_scan_early_ends_well(tmp_path):
    path = make.saved(tmp_path, make.pcap([PACKET[:60]] * 300_000))
    script = (
        "from zcanalysis.io.pcap import scan_pcap; import polars as pl; "
        f"rows = scan_pcap({str(path)!r}).filter(pl.col('ack') == 0).head(1).collect(engine='streaming'); "
        "assert rows.height == 1"
    )
    for _ in range(6):  # it is a matter of luck
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_importing_the_reader_does_not_import_numba():
    script = "import sys, zcanalysis.io.pcap; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


@given(junk=st.binary(max_size=300), opening=st.sampled_from(["pcap", "pcapng", "packet"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_whatever_do_more_than_errors_in_rows(tmp_path, junk, opening):
    content = {
        "pcap": make.pcap([PACKET]) + junk,
        "pcapng": make.section() + make.interface() + junk,
        "packet": make.pcap([make.ethernet(b"\x45" + junk), make.ethernet(b"\x60" + junk), PACKET[:54] + junk]),
    }[opening]
    rows = read(tmp_path, content)
    assert rows.schema == polars_schema(PACKETS)


@pytest.mark.skipif(not (make.SHARED / "malformed").is_dir(), reason=f"no damaged captures in {make.SHARED}")
def test_every_damaged_capture_gives_rows_or_one_line():
    messages = []
    files = [path for path in sorted((make.SHARED / "malformed").rglob("*")) if path.is_file()]
    for path in files:
        try:
            rows = scan_pcap(path).collect()
        except TraceError as error:
            messages.append(str(error))
        else:
            assert not rows["error"][:-1].str.contains("at byte").any()
    assert 0 < len(messages) < len(files) / 5
    assert not any("\n" in message for message in messages)

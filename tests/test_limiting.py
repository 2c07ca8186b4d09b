"""Who limited, told of recordings whose limit is known: with counters, with a capture alone, and with less."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from tests.lab.limit_cases import CASES, KEPT, LARGEST_BYTES
from zcanalysis.answer import answered, report_document
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.io.recording import read_recording
from zcanalysis.limit_spans import LIMIT_NAMES
from zcanalysis.limiting import limits
from zcanalysis.tables import LIMITS, conform
from zcanalysis.wire.captured_limits import captured_limits

KEPT_IN = Path(__file__).parent.parent / "traces" / "limits"
RIGHT = 0.9
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def share_in(rows: pl.DataFrame, names: set[str] | frozenset[str]) -> float:
    """Share of the time with one of these limits."""
    return float(rows.filter(pl.col("limit").is_in(list(names))).get_column("share_time").sum())


def share_of_data(rows: pl.DataFrame, names: set[str] | frozenset[str]) -> float:
    """The same of the connection that moved most: iperf3 has another, to talk about the first."""
    moved = rows.group_by("connection").agg(pl.col("payload_bytes").sum()).sort("payload_bytes").tail(1)
    rows = rows.join(moved.select("connection"), on="connection", how="semi")
    return share_in(rows, names) / float(rows.get_column("share_time").sum())


def recording(case, folder: Path, *, without: tuple[str, ...] = ()):
    """The kept recording of a case, less sources of its counters."""
    for name in KEPT:
        shutil.copy(KEPT_IN / f"{case.name}.{name}", folder / name)
    counters = pl.read_parquet(folder / "counters.parquet").filter(~pl.col("source").is_in(without))
    counters.write_parquet(folder / "counters.parquet")
    return read_recording(folder)


@each_case
def test_what_is_kept_is_small(case):
    assert sum((KEPT_IN / f"{case.name}.{name}").stat().st_size for name in KEPT) < LARGEST_BYTES


@each_case
def test_counters_of_both_ends_name_the_limit_nine_tenths_of_the_time(case, tmp_path):
    rows = limits(recording(case, tmp_path))
    assert share_in(rows, {case.limit}) >= RIGHT
    assert rows.get_column("share_time").sum() == pytest.approx(1)
    assert rows.get_column("evidence").null_count() == 0


@each_case
def test_a_capture_alone_names_it_or_says_unknown(case):
    rows = captured_limits(scan_pcap(KEPT_IN / f"{case.name}.first.pcap.zst"))
    assert share_of_data(rows, case.in_capture) >= RIGHT
    assert set(rows.get_column("limit")) <= set(LIMIT_NAMES)


@each_case
def test_one_direction_of_a_capture_is_unknown(case):
    packets = scan_pcap(KEPT_IN / f"{case.name}.first.pcap.zst")
    for port in ("src_port", "dst_port"):
        rows = captured_limits(packets.filter(pl.col(port) == 5201))
        assert set(rows.get_column("limit")) == {"unknown"}
        assert set(rows.get_column("evidence")) == {"only one side of the connection was captured"}


@each_case
def test_without_the_handshake_a_capture_names_nothing_else(case):
    packets = scan_pcap(KEPT_IN / f"{case.name}.first.pcap.zst").collect()
    rows = captured_limits(packets.filter((pl.col("tcp_flags") & 2) == 0))
    assert share_of_data(rows, {*case.in_capture, "unknown"}) >= RIGHT


@each_case
def test_the_receivers_counters_alone_name_it_or_say_unknown(case, tmp_path):
    rows = limits(recording(case, tmp_path, without=("sender_socket",)))
    named = {case.limit, "unknown"} | ({"receive window"} if case.name == "slow-reader" else set())
    assert share_in(rows, named) >= RIGHT


@each_case
def test_without_cpu_counters_no_cpu_is_named(case, tmp_path):
    rows = limits(recording(case, tmp_path, without=("cpuidle", "process")))
    if case.limit in ("receiver cpu", "reader"):
        assert share_in(rows, {"unknown"}) >= RIGHT
    else:
        assert share_in(rows, {case.limit, "unknown"}) >= RIGHT


def test_the_report_carries_the_rows(tmp_path):
    answer = answered(recording(CASES[0], tmp_path))
    rows = json.loads(json.dumps(report_document(answer), allow_nan=False))["limits"]
    assert {"from_ns", "to_ns", "limit", "evidence", "share_time", "share_bytes", "connection"} <= set(rows[0])
    assert conform(pl.DataFrame(rows), LIMITS).equals(answer.limits)
    assert sum(row["share_time"] for row in rows) == pytest.approx(1)

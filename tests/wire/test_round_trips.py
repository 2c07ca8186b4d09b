"""ROUND_TRIPS: by hand, against the plain way from MARKS, and its samples against tshark's."""

import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings

from tests import builders as make
from tests.wire.test_advance import rows as any_rows
from tests.wire.test_connections import ACK, SYN, packets
from tests.wire.test_connections import st as strategies
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.tables import ROUND_TRIPS, polars_schema
from zcanalysis.wire import round_trips as module
from zcanalysis.wire.connections import flows
from zcanalysis.wire.round_trips import round_trips
from zcanalysis.wire.segment_marks import marks

TRACES = Path(__file__).parents[2] / "traces"
NAMES = ("ftp-1MB-mirror-lossy.pcap.gz", "sll2-http-gro-1.28Gbps.pcap.gz", "tcptrace-sack-bigendian.dmp.gz")
CAPTURES = [
    TRACES / "prequeue-4.10" / "delay-2ms.pcap.gz",
    TRACES / "limits" / "delayed-ack.first.pcap.zst",
    *(path for path in make.real_captures() if path.name in NAMES),
]
MS = 1_000_000


def there(table: pl.DataFrame) -> dict:
    return next(row for row in flows(table).iter_rows(named=True) if row["src_port"] == 10)


def sent_and_answered(*delays_ms: int) -> pl.DataFrame:
    """A packet every 100 ms, each answered after its delay, and a last one that nobody answers."""
    rows = []
    for number, delay_ms in enumerate(delays_ms):
        at_ns, seq = 100 * number * MS, 1000 * number
        rows += [
            (at_ns, "there", ACK, seq, 1, 1000),
            (at_ns + delay_ms * MS, "back", ACK, 1, seq + 1000, 0),
        ]
    return packets(*rows, (100 * len(delays_ms) * MS, "there", ACK, 1000 * len(delays_ms), 1, 1000))


def test_each_slice_has_its_round_trips():
    # 0, 100, 200, 300 ms: two slices of 200 ms and a bit each; the last packet has no ACK
    table = sent_and_answered(1, 2, 30, 4)
    found = round_trips(table, there(table), 2)
    assert found.schema == polars_schema(ROUND_TRIPS)
    assert found.get_column("from_s").to_list() == pytest.approx([0, 0.2])
    assert found.get_column("to_s").to_list() == pytest.approx([0.2, 0.4])
    assert found.get_column("samples").to_list() == [2, 2]
    assert found.get_column("min_ms").to_list() == [1, 4]
    assert found.get_column("max_ms").to_list() == [2, 30]
    assert found.get_column("median_ms").to_list() == pytest.approx([1, 4], rel=1 / 64)
    assert found.get_column("p95_ms").to_list() == pytest.approx([2, 30], rel=1 / 64)


def test_slices_without_an_ack_are_left_out_and_late_acks_are_in_the_last():
    table = packets((0, "there", ACK, 0, 1, 10), (90, "there", ACK, 10, 1, 10), (5000, "back", ACK, 1, 20, 0))
    found = round_trips(table, there(table), 3)
    assert found.select("samples", "min_ms").rows() == [(1, 4910 / 1e6)]
    assert found.get_column("to_s").to_list() == [90 / 1e9]


def test_a_later_connection_on_the_same_ports_is_not_mixed_in():
    handshake = ((0, "there", SYN, 0, 0, 0), (1 * MS, "back", SYN | ACK, 0, 1, 0), (2 * MS, "there", ACK, 1, 1, 0))
    again = ((9 * MS, "there", SYN, 900, 0, 0), (49 * MS, "back", SYN | ACK, 70, 901, 0))
    table = packets(*handshake, *again)
    first, second = (row for row in flows(table).iter_rows(named=True) if row["src_port"] == 10)
    assert round_trips(table, first).get_column("max_ms").to_list() == [1]
    assert round_trips(table, second).get_column("max_ms").to_list() == [40]


def test_what_is_no_connection_is_refused():
    table = sent_and_answered(1)
    with pytest.raises(ValueError, match="a TCP connection with time stamps is needed, got udp"):
        round_trips(table, there(table) | {"protocol": "udp"})
    with pytest.raises(ValueError, match="slices must be at least 1, got 0"):
        round_trips(table, there(table), 0)


def test_very_many_different_times_take_more_room(monkeypatch):
    monkeypatch.setattr(module, "ENTRIES", 8)
    table = sent_and_answered(*range(1, 90))
    assert round_trips(table, there(table), 5).get_column("samples").sum() == 89


@settings(max_examples=60, deadline=None)
@given(strategies.lists(any_rows, min_size=1, max_size=40), strategies.integers(1, 50))
def test_whatever_the_numbers_the_samples_are_those_of_the_marks(rows, slices):
    table = packets(*rows)
    told = marks(table).with_columns(table.select("ts_ns", "src_port"))
    for flow in flows(table).iter_rows(named=True):
        found = round_trips(table, flow, slices)
        own = told.filter(pl.col("connection") == flow["connection"], pl.col("src_port") == flow["dst_port"])
        assert found.get_column("samples").sum() == own.get_column("ack_rtt_ns").count()
        assert found.height <= slices
        ordered = found.select(pl.col("min_ms") <= pl.col("median_ms"), pl.col("median_ms") <= pl.col("p95_ms"))
        assert ordered.select(pl.all_horizontal(pl.all()).all()).item()


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_the_samples_are_tsharks(capture):
    """Each slice: how many, the shortest, the longest, the median of them all."""
    table = scan_pcap(capture)
    flow = flows(table).filter(pl.col("protocol") == "tcp").sort("payload_bytes").row(-1, named=True)
    theirs = tshark_round_trips(capture, flow)
    found = round_trips(table, flow, 20)
    slice_ns = (flow["last_ns"] - flow["first_ns"]) // 20 + 1
    place = ((pl.col("ts_ns") - flow["first_ns"]) // slice_ns).clip(0, 19).alias("place")
    wanted = theirs.group_by(place).agg(
        pl.len().alias("samples"),
        (pl.col("rtt_ns").min() / 1e6).alias("min_ms"),
        (pl.col("rtt_ns").quantile(0.5, "lower") / 1e6).alias("median_ms"),
        (pl.col("rtt_ns").max() / 1e6).alias("max_ms"),
    ).sort("place")  # fmt: skip
    assert theirs.height > 20
    assert found.get_column("from_s").to_list() == pytest.approx((wanted["place"] * slice_ns / 1e9).to_list())
    for name in ("samples", "min_ms", "max_ms"):
        assert found.get_column(name).to_list() == pytest.approx(wanted.get_column(name).to_list())
    assert found.get_column("median_ms").to_list() == pytest.approx(wanted["median_ms"].to_list(), rel=1 / 64)


def tshark_round_trips(capture: Path, flow: dict) -> pl.DataFrame:
    """``ts_ns`` and ``rtt_ns`` of ACKs of one direction; one that came in the same instant is 0."""
    fields = ("frame.time_epoch", "tcp.analysis.ack_rtt", "tcp.analysis.acks_frame")
    ends = f"tcp.srcport == {flow['dst_port']} && tcp.dstport == {flow['src_port']} && tcp.analysis.acks_frame"
    command = ["tshark", "-r", str(capture), "-n", "-o", "tcp.check_checksum:FALSE", "-Y", ends, "-T", "fields"]
    command += [word for field in fields for word in ("-e", field)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    lines = [line.split("\t") for line in shown.splitlines()]
    nanoseconds = [
        pl.col(name).str.replace(".", "", literal=True).replace("", "0").cast(pl.Int64) for name in ("ts_ns", "rtt_ns")
    ]
    told = pl.DataFrame(lines, schema=dict.fromkeys(("ts_ns", "rtt_ns", "frame"), pl.String), orient="row")
    return told.with_columns(nanoseconds)

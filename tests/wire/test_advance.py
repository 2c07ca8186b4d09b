"""SEQUENCE_LINES: what was sent, acknowledged and allowed, slice by slice."""

import shutil
import subprocess

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders as make
from tests.wire.test_connections import ACK, SYN, packets
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.tables import PACKETS, TRANSFER_RATES, polars_schema
from zcanalysis.wire import connections
from zcanalysis.wire.advance import sequence_lines, transfer_rates
from zcanalysis.wire.connections import flows

NAMES = ("tcptrace-zwnd.dmp.gz", "ftp-1MiB-exact.pcap.gz", "sll2-http-gro-1.28Gbps.pcap.gz")
MASK = (1 << 32) - 1
CAPTURES = [path for path in make.real_captures() if path.name in NAMES]


def with_windows(table, raw, scale):
    """The table with one raw window in each packet, and a window scale in its SYNs, by direction."""
    return table.with_columns(
        pl.lit(raw, pl.UInt16).alias("window_raw"),
        pl.when(pl.col("tcp_flags") & SYN != 0)
        .then(pl.col("direction").replace_strict(dict(enumerate(scale)), return_dtype=pl.UInt8))
        .alias("window_scale"),
        pl.lit("1").alias("text"),
    ).drop("text")


def lines_of(table, slices=10):
    flow = next(row for row in flows(table).iter_rows(named=True) if row["src_port"] == 10)
    return sequence_lines(table, flow, slices).rows(named=True)


EXCHANGE = ((20, "there", ACK, 101, 501, 1000), (30, "back", ACK, 501, 1101, 0), (40, "there", ACK, 1101, 501, 9))
HANDSHAKE = ((0, "there", SYN, 100, 0, 0), (10, "back", SYN | ACK, 500, 101, 0))


def test_sent_acknowledged_and_allowed_in_their_slices():
    table = packets(*HANDSHAKE, (20, "there", ACK, 101, 501, 1000), (30, "back", ACK, 501, 1101, 0),
                    (100, "there", ACK, 1101, 501, 0))  # fmt: skip
    found = lines_of(with_windows(table, 50, (7, 3)))
    assert [row["packets"] for row in found] == [1, 1, 0, 1]
    assert (found[1]["low_byte"], found[1]["high_byte"], found[1]["in_flight_bytes"]) == (1, 1001, 1000)
    assert (found[2]["acked_byte"], found[2]["edge_byte"]) == (1001, 1001 + (50 << 3))
    assert found[2]["in_flight_bytes"] == 0


@pytest.mark.parametrize(("scales", "edge"), [((7, 3), 1001 + 400), ((None, 3), 1051), ((7, None), 1051)])
def test_a_window_is_scaled_only_if_both_sides_asked(scales, edge):
    table = packets(*HANDSHAKE, *EXCHANGE)
    assert lines_of(with_windows(table, 50, scales), 1)[0]["edge_byte"] == edge


def test_without_a_handshake_the_edge_is_not_known():
    table = packets(
        (20, "there", ACK, 101, 501, 1000), (30, "back", ACK, 501, 1101, 0), (40, "there", ACK, 1101, 501, 9)
    )
    found = lines_of(with_windows(table, 50, (7, 3)), 1)
    assert (found[0]["edge_byte"], found[0]["acked_byte"]) == (None, 1000)


def test_bytes_sent_again_are_counted_and_the_numbers_may_wrap():
    start = (1 << 32) - 500
    table = packets((0, "there", ACK, start, 1, 1000), (10, "there", ACK, start + 1000, 1, 1000),
                    (20, "there", ACK, start + 500, 1, 1000), (30, "back", ACK, 1, start + 2000, 0),
                    (40, "there", ACK, start + 2000, 1, 10))  # fmt: skip
    found = lines_of(table, 5)
    assert sum(row["repeated_bytes"] for row in found) == 1000
    assert [row["high_byte"] for row in found if row["high_byte"] is not None] == [1000, 2000, 1500, 2010]
    assert max(row["acked_byte"] or 0 for row in found) == 2000


def with_blocks(table, blocks):
    """The table in order of time, with SACK blocks in the packets at these times."""
    table = table.sort("ts_ns", maintain_order=True)
    lists = [
        [{"left": left & MASK, "right": right & MASK} for left, right in blocks[ts_ns]] if ts_ns in blocks else None
        for ts_ns in table.get_column("ts_ns")
    ]
    return table.with_columns(pl.Series("sack_blocks", lists, dtype=PACKETS["sack_blocks"].dtype))


@pytest.mark.parametrize("start", [1000, MASK - 2500])
def test_the_last_reported_ranges_of_each_slice_are_kept_without_what_came_twice(start):
    # 1000 bytes each; the second and fourth are missing when 25 and 35 are sent, all is there at 60
    table = packets(*((10 * n, "there", ACK, start + 1000 * n, 1, 1000) for n in range(5)),
                    (25, "back", ACK, 1, start + 1000, 0), (35, "back", ACK, 1, start + 1000, 0),
                    (60, "back", ACK, 1, start + 5000, 0), (99, "there", ACK, start + 5000, 1, 10))  # fmt: skip
    blocks = {
        25: [(start + 2000, start + 3000)],
        35: [(start + 4000, start + 5000), (start + 2000, start + 3000)],
        60: [(start + 1000, start + 2000)],
    }
    found = lines_of(with_blocks(table, blocks), 2)
    assert found[0]["sacked"] == [{"low_byte": 4000, "high_byte": 5000}, {"low_byte": 2000, "high_byte": 3000}]
    assert found[1]["sacked"] == []
    assert [row["payload_bytes"] for row in found] == [5000, 10]


def test_the_most_in_flight_may_be_more_than_what_is_at_the_slices_end():
    table = packets((0, "there", ACK, 0, 1, 100), (1, "back", ACK, 1, 100, 0), (2, "there", ACK, 100, 1, 700),
                    (3, "back", ACK, 1, 800, 0), (90, "there", ACK, 800, 1, 50))  # fmt: skip
    found = lines_of(table, 2)
    assert [(row["in_flight_most_bytes"], row["in_flight_bytes"]) for row in found] == [(700, 0), (50, 50)]


def test_rates_are_those_of_whole_slices():
    # 1 ms each, 3 ms in all: 1000 bytes in the first, none in the second, 500 new and 500 again in the third
    ms = 1_000_000
    table = packets(
        (0, "there", ACK, 0, 1, 1000), (2 * ms, "there", ACK, 500, 1, 1000), (3 * ms - 3, "there", ACK, 0, 1, 0)
    )
    found = transfer_rates(sequence_lines(table, flows(table).row(0, named=True), 3), 3)
    assert found.schema == polars_schema(TRANSFER_RATES)
    assert found.get_column("from_s").to_list() == pytest.approx([0, 0.001, 0.002], rel=1e-5)
    assert found.get_column("new_gbps").to_list() == pytest.approx([0.008, 0, 0.004], rel=1e-5)
    assert found.get_column("repeated_gbps").to_list() == pytest.approx([0, 0, 0.004], rel=1e-5)


@pytest.mark.parametrize("slices", [1, 7, 100])
def test_rates_add_up_to_what_was_sent(slices):
    table = packets(*((n * 997, "there", ACK, 100 * n, 1, 100) for n in range(500)))
    lines = sequence_lines(table, flows(table).row(0, named=True))
    found = transfer_rates(lines, slices)
    assert found.height <= slices
    moved = (found["new_gbps"] + found["repeated_gbps"]) * (found["to_s"] - found["from_s"])
    assert moved.sum() * 1e9 / 8 == pytest.approx(50_000)


def test_a_single_moment_has_no_rate():
    table = packets((5, "there", ACK, 0, 1, 100))
    assert transfer_rates(sequence_lines(table, flows(table).row(0, named=True))).is_empty()


def test_what_is_no_connection_is_refused():
    flow = flows(packets(*HANDSHAKE)).row(0, named=True)
    with pytest.raises(ValueError, match="a TCP connection with time stamps is needed"):
        sequence_lines(packets(*HANDSHAKE), flow | {"protocol": "udp"})
    with pytest.raises(ValueError, match="slices must be at least 1, got 0"):
        sequence_lines(packets(*HANDSHAKE), flow, 0)


def test_a_syn_tells_of_the_windows_behind_it_however_the_packets_come(monkeypatch):
    early = (5, "back", ACK, 501, 7001, 0)
    table = with_windows(packets(HANDSHAKE[0], early, HANDSHAKE[1], *EXCHANGE), 50, (7, 3))
    whole = lines_of(table, 1)
    assert (whole[0]["acked_byte"], whole[0]["edge_byte"]) == (6901, 1001 + (50 << 3))
    for size in (1, 2, 3):
        monkeypatch.setattr(connections, "BATCH_ROWS", size)
        assert lines_of(table, 1) == whole


def test_packets_that_tell_nothing_may_come_alone(monkeypatch):
    monkeypatch.setattr(connections, "BATCH_ROWS", 1)
    found = lines_of(
        packets((20, "there", ACK, 101, 501, 1000), (30, "back", 0, 501, 0, 0), (40, "there", ACK, 1101, 501, 9)), 1
    )
    assert (found[0]["packets"], found[0]["high_byte"]) == (2, 1009)


numbers = st.integers(0, (1 << 32) - 1)
rows = st.tuples(
    st.integers(0, 1 << 40), st.sampled_from(["there", "back"]), st.sampled_from([ACK, SYN, SYN | ACK, 0, 1 | ACK]),
    numbers, numbers, st.integers(0, 70_000),
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(rows, min_size=1, max_size=40), st.integers(1, 50))
def test_whatever_the_numbers_every_packet_is_in_one_slice(table, slices):
    table = packets(*table)
    for flow in flows(table).iter_rows(named=True):
        lines = sequence_lines(table, flow, slices)
        assert lines.height <= slices
        inside = table.filter(pl.col("ts_ns").is_between(flow["first_ns"], flow["last_ns"]))
        sent = inside.filter(pl.col("src_port") == flow["src_port"])
        assert lines.get_column("packets").sum() == sent.height
        assert 0 <= lines.get_column("repeated_bytes").sum() <= sent.get_column("payload_bytes").sum()
        assert lines.get_column("payload_bytes").sum() == sent.get_column("payload_bytes").sum()
        assert lines.select((pl.col("in_flight_most_bytes") >= 0).all()).item()


@pytest.mark.skipif(not CAPTURES, reason="the shared captures are not here")
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_the_highest_bytes_and_the_edge_are_tsharks(capture):
    table = scan_pcap(capture)
    largest = flows(table).filter(pl.col("protocol") == "tcp").sort("payload_bytes").row(-1, named=True)
    found = sequence_lines(table, largest, 50)
    fields = ["tcp.srcport", "tcp.seq", "tcp.len", "tcp.ack", "tcp.window_size"]
    wanted = f"tcp.port == {largest['src_port']} && tcp.port == {largest['dst_port']} && tcp.flags.reset == 0"
    command = ["tshark", "-r", str(capture), "-o", "tcp.check_checksum:FALSE", "-Y", wanted, "-T", "fields"]
    said = subprocess.run(
        [*command, *(word for field in fields for word in ("-e", field))],
        capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    told = [
        [int(part.split(",")[0]) for part in line.split("\t")] for line in said.splitlines() if line.count("\t") == 4
    ]
    sent = [row for row in told if row[0] == largest["src_port"]]
    back = [row for row in told if row[0] != largest["src_port"]]
    first = sent[0][1]
    assert found.get_column("high_byte").max() == max(seq + size for _, seq, size, _, _ in sent if size) - first
    assert found.get_column("acked_byte").max() == max(row[3] for row in back) - first
    if found.get_column("edge_byte").null_count() < found.height:
        assert found.get_column("edge_byte").max() == max(row[3] + row[4] for row in back if row[3]) - first


def test_a_part_is_cut_finer_and_stands_where_it_stood_in_the_whole():
    table = with_windows(
        packets(*HANDSHAKE, *((100 + 10 * n, "there", ACK, 101 + 1000 * n, 501, 1000) for n in range(90)),
                *((105 + 10 * n, "back", ACK, 501, 101 + 1000 * n, 0) for n in range(90))),
        50, (7, 3),
    )  # fmt: skip
    flow = next(row for row in flows(table).iter_rows(named=True) if row["src_port"] == 10)
    part = sequence_lines(table, flow, 20, between_s=(500e-9, 599e-9))
    inside = table.filter(pl.col("ts_ns").is_between(500, 599), pl.col("src_port") == 10)
    assert part["packets"].sum() == inside.height == 10
    assert (part["from_s"].min(), part["to_s"].max()) == (500e-9, 599e-9)
    start = 101 - 100  # counted from the SYN's number
    assert part["low_byte"].drop_nulls().to_list() == [start + 1000 * n for n in range(40, 50)]
    assert part["edge_byte"].drop_nulls().to_list() == [start + 1000 * n + 400 for n in range(40, 50)]
    assert part["in_flight_bytes"].max() == 2000
    assert inside["payload_bytes"].sum() == part["payload_bytes"].sum()


def test_a_part_that_ends_before_it_begins_is_refused():
    table = packets(*HANDSHAKE)
    flow = flows(table).row(0, named=True)
    with pytest.raises(ValueError, match="must not end before it begins, got 2 to 1"):
        sequence_lines(table, flow, between_s=(2, 1))

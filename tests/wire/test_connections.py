"""PACKETS become FLOWS: sequence space, round trips, reused ports."""

import shutil
import subprocess

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders as make
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.tables import FLOWS, PACKETS, empty, polars_schema
from zcanalysis.wire import connections
from zcanalysis.wire.connections import Followed, flows
from zcanalysis.wire.sequence_space import MAX_HOLES, MAX_PROBES, new_index, slot_of
from zcanalysis.wire.table_arrays import TableArrays

CAPTURES = make.real_captures()
SYN, ACK, RST, FIN = 2, 16, 4, 1
TCP = 6


def packets(*rows) -> pl.DataFrame:
    """One connection: each row is (ts_ns, 'there' or 'back', flags, seq, ack, payload bytes)."""
    table = [
        {
            "ts_ns": ts_ns,
            "direction": way == "back",
            "tcp_flags": flags,
            "seq": seq & 0xFFFFFFFF,
            "ack": ack & 0xFFFFFFFF,
            "payload_bytes": size,
            "wire_bytes": 54 + size,
            "protocol": 6,
            "flow_id": 42,
            "src": 1 if way == "there" else 2,
            "dst": 2 if way == "there" else 1,
            "src_port": 10 if way == "there" else 20,
            "dst_port": 20 if way == "there" else 10,
        }
        for ts_ns, way, flags, seq, ack, size in rows
    ]
    return pl.concat([empty(PACKETS), pl.DataFrame(table, schema_overrides=polars_schema(PACKETS))], how="diagonal")


def test_a_handshake_with_data_and_ack():
    # 1000 bytes sent at 20, covered at 50: 30 ns; life 0..80 ns, so 8000 bits / 80 ns = 100 Gbit/s
    rows = flows(
        packets(
            (0, "there", SYN, 100, 0, 0),
            (10, "back", SYN | ACK, 500, 101, 0),
            (20, "there", ACK, 101, 501, 1000),
            (50, "back", ACK, 501, 1101, 0),
            (80, "there", FIN | ACK, 1101, 501, 0),
        )
    )
    assert rows.schema == polars_schema(FLOWS)
    there, back = rows.to_dicts()
    assert (there["packets"], there["payload_bytes"], there["unique_bytes"], there["wire_bytes"]) == (
        3,
        1000,
        1000,
        1162,
    )
    assert (there["first_ns"], there["last_ns"], there["goodput_gbps"]) == (0, 80, 100.0)
    assert there["rtt_ms"] * 1e6 == pytest.approx(30)
    assert (there["src"], there["src_port"], there["dst"], there["dst_port"]) == ("::1", 10, "::2", 20)
    assert (back["src"], back["unique_bytes"], back["rtt_ms"], back["connection"]) == ("::2", 0, None, 0)


def test_repeated_and_overlapping_bytes_count_once():
    # 0-100, hole 100-200, 200-300, then 50-250 fills the hole and repeats 100 bytes
    rows = flows(
        packets((0, "there", ACK, 0, 0, 100), (1, "there", ACK, 200, 0, 100), (2, "there", ACK, 50, 0, 200))
    ).to_dicts()
    assert (rows[0]["payload_bytes"], rows[0]["unique_bytes"], rows[0]["retransmitted_bytes"]) == (400, 300, 100)


def test_keep_alives_resets_syn_and_fin_add_no_unique_bytes():
    rows = flows(
        packets(
            (0, "there", SYN, 99, 0, 0),
            (1, "there", ACK, 99, 0, 1),
            (2, "there", ACK, 100, 0, 10),
            (3, "there", ACK, 109, 0, 1),
            (4, "there", FIN | ACK, 110, 0, 0),
            (5, "there", RST, 111, 0, 7),
        )
    ).to_dicts()
    assert rows[0]["unique_bytes"] == 10


def test_a_keep_alive_at_the_start_of_a_capture_is_not_unique():
    rows = flows(packets((0, "there", ACK, 500, 0, 0), (1, "there", ACK, 499, 0, 1))).to_dicts()
    assert rows[0]["unique_bytes"] == 0


def test_fast_open_data_begins_after_the_syn():
    rows = flows(packets((0, "there", SYN, 9, 0, 50), (1, "there", ACK, 60, 0, 50))).to_dicts()
    assert rows[0]["unique_bytes"] == 100


def test_a_packet_sent_twice_gives_no_round_trip():
    rows = flows(
        packets((0, "there", ACK, 0, 0, 100), (50, "there", ACK, 0, 0, 100), (60, "back", ACK, 0, 100, 0))
    ).to_dicts()
    assert rows[0]["rtt_ms"] is None


def test_an_ack_for_several_packets_times_the_latest():
    # covered at 100: sent at 0, 10 and 20; the latest tells 80 ns
    rows = flows(packets(*((t, "there", ACK, t, 0, 10) for t in (0, 10, 20)), (100, "back", ACK, 0, 30, 0))).to_dicts()
    assert rows[0]["rtt_ms"] * 1e6 == pytest.approx(80)


def test_a_new_syn_on_the_same_ports_is_a_new_connection():
    rows = flows(
        packets(
            (0, "there", SYN, 100, 0, 0),
            (1, "there", SYN, 100, 0, 0),
            (2, "there", ACK, 101, 0, 5),
            (3, "there", SYN, 9000, 0, 0),
            (4, "back", SYN | ACK, 7, 9001, 0),
            (5, "there", ACK, 9001, 8, 6),
        )
    )
    assert rows.select("connection", "src", "packets", "unique_bytes").rows() == [
        (0, "::1", 3, 5),
        (1, "::1", 2, 6),
        (1, "::2", 1, 0),
    ]


def test_goodput_needs_two_packets():
    assert flows(packets((5, "there", ACK, 0, 0, 10)))["goodput_gbps"].to_list() == [None]


def test_udp_payload_is_all_unique_and_later_fragments_belong_to_no_flow(tmp_path):
    whole = make.ethernet(make.ipv4(make.udp(payload=bytes(100)), protocol=17))
    later = make.ethernet(make.ipv4(bytes(100), protocol=17, fragment=1480))
    rows = flows(scan_pcap(make.saved(tmp_path, make.pcap([whole, later, whole]))))
    assert rows.select("protocol", "packets", "unique_bytes").rows() == [("udp", 2, 200)]


def test_more_flows_and_holes_than_the_first_room_holds():
    # 10,000 flows; the first also has 40,000 holes, then filled one by one: the highest of them count
    count = 10_000
    many = packets((0, "there", ACK, 0, 0, 10))
    many = pl.concat([many] * count).with_columns(flow_id=pl.int_range(count, dtype=pl.UInt64))
    holes = [(n, "there", ACK, 20 * n, 0, 10) for n in range(40_000)]
    fills = [(n, "there", ACK, 20 * n + 10, 0, 10) for n in range(40_000)]
    alone = packets(*holes, *fills).with_columns(flow_id=pl.lit(0, dtype=pl.UInt64))
    rows = flows(pl.concat([many, alone.tail(-1)]))
    assert rows.height == count
    assert rows["unique_bytes"].to_list() == [400_010 + 10 * MAX_HOLES] + [10] * (count - 1)


def test_gaps_without_end_need_no_room_without_end():
    followed = Followed()
    gap = packets((0, "there", ACK, 0, 0, 10)).select(connections.FOLLOWED)
    many = pl.concat([gap] * 50_000).with_columns(seq=pl.int_range(50_000, dtype=pl.UInt32) * 20)
    split = pl.concat([gap] * 50_000).with_columns(seq=2_000_000 + pl.int_range(50_000, dtype=pl.UInt32) * 20)
    far = packets((0, "there", ACK, 4_000_000, 0, 10)).select(connections.FOLLOWED)
    for part in (many, far, split):
        followed.take(TableArrays(part))
    sides, nodes = followed.holes
    assert sides.holes[0] == MAX_HOLES
    assert nodes.start.size <= 2 * (MAX_HOLES + MAX_PROBES)


def test_flows_that_are_alike_in_their_low_bits_do_not_want_the_same_place():
    index = new_index(1 << 10)
    places = {slot_of(index, np.uint64(number << 40)) for number in range(1000)}
    assert len(places) > 100


@given(
    start=st.integers(0, 0xFFFFFFFF),
    segments=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), min_size=1, max_size=30),
    slice_rows=st.integers(1, 7),
)
@settings(max_examples=200, deadline=None)
def test_unique_bytes_are_the_union_of_all_segments_wherever_the_numbers_wrap(start, segments, slice_rows):
    segments = [(0, 2), *((offset + 1, size + 1) for offset, size in segments)]
    rows = [(n, "there", ACK, start + offset, 0, size) for n, (offset, size) in enumerate(segments)]
    covered = {byte for offset, size in segments for byte in range(offset, offset + size)}
    table = packets(*rows)
    before = connections.BATCH_ROWS
    try:
        connections.BATCH_ROWS = slice_rows
        assert flows(table)["unique_bytes"].to_list() == [len(covered)]
    finally:
        connections.BATCH_ROWS = before


@pytest.mark.skipif(not CAPTURES, reason=f"no captures in {make.SHARED}")
@pytest.mark.parametrize(
    ("name", "unique_bytes"),
    [
        ("ftp-1MiB-exact.pcap.gz", 1_048_576),
        ("ftp-1MB-mirror-lossy.pcap.gz", 1_048_576),
        ("zeek-timestamp.pcap", 1_000_000),
        ("tcptrace-zwnd.dmp.gz", 24_554_344),
        ("smb2-async-read-690Mbps.pcap.gz", 3_165_788),
    ],
)
def test_transfers_of_known_size_are_found_to_the_byte(name, unique_bytes):
    assert flows(scan_pcap(make.SHARED / "pcap" / name))["unique_bytes"].max() == unique_bytes


UNITS = {"bytes": 1, "kB": 1000, "MB": 1_000_000, "GB": 1_000_000_000}


def by_counts(conversations):
    """Conversations with their busier side first, in an order that rounded bytes do not disturb."""
    sides_first = [sorted(sides, key=lambda side: side[:2], reverse=True) for sides in conversations]
    return sorted(sides_first, key=lambda sides: ([side[0] for side in sides], [side[1] for side in sides]))


def tshark_conversations(path):
    """(packets, bytes, resolution of the bytes) each way of every TCP conversation."""
    command = ["tshark", "-r", str(path), "-n", "-q", "-z", "conv,tcp"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    rows = [line.split() for line in shown.splitlines() if "<->" in line]
    return by_counts(
        [[(int(row[at]), int(row[at + 1]) * UNITS[row[at + 2]], UNITS[row[at + 2]]) for at in (3, 6)] for row in rows]
    )


# where tshark 4.0 counts other conversations, and why
OTHERWISE = {
    "bigtcp-ipv6.pcap": "it does not know a payload length of 0 without a jumbo option, and sees no TCP",
    "qinq-rtmp.pcap": "it counts the TCP inside GTP tunnels; ours are the connections of the tunnel",
}


@pytest.mark.skipif(not CAPTURES, reason=f"no captures in {make.SHARED}")
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_packets_and_bytes_of_each_connection_are_those_of_tshark(path):
    found = []
    for _, sides in flows(scan_pcap(path).filter(pl.col("protocol") == TCP)).group_by("connection"):
        pairs = list(zip(sides["packets"], sides["wire_bytes"], strict=True))
        found.append(pairs + [(0, 0)] * (2 - len(pairs)))
    ours, theirs = by_counts(found), tshark_conversations(path)
    counts, their_counts = ([[side[0] for side in sides] for sides in found] for found in (ours, theirs))
    assert (counts != their_counts) == (path.name in OTHERWISE)
    if path.name in OTHERWISE:
        return
    for mine, other in zip(ours, theirs, strict=True):
        for (_, exact), (_, rounded, unit) in zip(mine, other, strict=True):
            assert abs(exact - rounded) < unit

"""PACKETS become MARKS: hand-made connections, reused ports, nonsense, bounds."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders as make
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.tables import MARKS, PACKETS, empty, polars_schema
from zcanalysis.wire import connections, mark_state, segment_marks
from zcanalysis.wire.connections import flows
from zcanalysis.wire.segment_marks import mark_batches, marks

FIN, SYN, RST, ACK = 1, 2, 4, 16
MS = 1_000_000
CAPTURES = make.real_captures()


def packets(*rows, flow_id=42) -> pl.DataFrame:
    """One connection: each row is (ts_ns, 'there' or 'back', flags, seq, ack, payload bytes, and more columns)."""
    table = [
        {
            "ts_ns": row[0],
            "direction": row[1] == "back",
            "tcp_flags": row[2],
            "seq": row[3] & 0xFFFFFFFF,
            "ack": row[4] & 0xFFFFFFFF,
            "payload_bytes": row[5],
            "window_raw": 100,
            "protocol": 6,
            "flow_id": flow_id,
            "wire_bytes": 54 + (row[5] or 0),
            "more_fragments": False,
            "frag_offset": 0,
            **(row[6] if len(row) > 6 else {}),
        }
        for row in rows
    ]
    return pl.concat([empty(PACKETS), pl.DataFrame(table, schema_overrides=polars_schema(PACKETS))], how="diagonal")


def marked(table: pl.DataFrame) -> list[set[str]]:
    """The names of each packet's marks."""
    flags = table.select(pl.col(pl.Boolean).exclude("direction"))
    return [{name for name, value in row.items() if value} for row in flags.iter_rows(named=True)]


def sack(*edges):
    return {"sack_blocks": [{"left": left, "right": right} for left, right in edges]}


OPENING = (
    (0, "there", SYN, 99, 0, 0, {"window_scale": 2}),
    (10 * MS, "back", SYN | ACK, 499, 100, 0, {"window_scale": 3}),
    (20 * MS, "there", ACK, 100, 500, 0),
)


def test_an_ordinary_exchange_has_no_marks_but_numbers():
    # 50 bytes sent at 30 ms, acknowledged at 45: 15 ms; windows 100 << 2 there, 100 << 3 back, never scaled in a SYN
    rows = marks(packets(*OPENING, (30 * MS, "there", ACK, 100, 500, 50), (45 * MS, "back", ACK, 500, 150, 0)))
    assert rows.schema == polars_schema(MARKS)
    assert marked(rows) == [set()] * 5
    assert rows["packet"].to_list() == [1, 2, 3, 4, 5]
    assert rows["window_bytes"].to_list() == [100, 100, 400, 400, 800]
    assert rows["ack_rtt_ns"].to_list() == [None, 10 * MS, 10 * MS, None, 15 * MS]
    assert rows["in_flight_bytes"].to_list() == [None, None, None, 50, None]
    assert rows["relative_seq"].to_list() == [0, 0, 1, 1, 1]
    assert rows["relative_ack"].to_list() == [None, 1, 1, 1, 51]


def test_two_repeated_acks_make_a_retransmission_fast_for_20_ms():
    data = [(30 * MS + n, "there", ACK, 100 + 10 * n, 500, 10) for n in range(5)]
    repeats = [(40 * MS + n, "back", ACK, 500, 110, 0) for n in range(3)]
    soon, late = ((at, "there", ACK, 110, 500, 10) for at in (59 * MS, 61 * MS))
    rows = marks(packets(*OPENING, *data, *repeats, soon))
    assert rows["repeats"].to_list()[-4:] == [None, 1, 2, None]
    assert marked(rows)[-4:] == [
        set(),
        {"duplicate_ack"},
        {"duplicate_ack"},
        {"retransmission", "fast_retransmission", "seen_before"},
    ]
    assert marked(marks(packets(*OPENING, *data, *repeats, late)))[-1] == {"retransmission", "seen_before"}


def test_what_comes_within_the_first_round_trip_is_out_of_order():
    # round trip of the handshake: 20 ms
    later = (30 * MS, "there", ACK, 110, 500, 10)
    for at, mark in ((49 * MS, "out_of_order"), (51 * MS, "retransmission")):
        rows = marks(packets(*OPENING, later, (at, "there", ACK, 100, 500, 10)))
        assert marked(rows)[-2:] == [{"lost_segment"}, {mark}]


def test_bytes_that_the_tap_saw_before_are_no_reordering():
    rows = marks(
        packets(
            *OPENING,
            *((30 * MS, "there", ACK, seq, 500, 10) for seq in (100, 110)),
            (31 * MS, "there", ACK, 100, 500, 10),
        )
    )
    assert marked(rows)[-1] == {"out_of_order", "seen_before"}


def test_what_was_acknowledged_is_sent_in_vain():
    # 100-120 sent; 110-120 reported by SACK, then sent again: in vain; 100-110 fills the hole
    rows = marks(
        packets(
            *OPENING,
            (30 * MS, "there", ACK, 100, 500, 10),
            (30 * MS, "there", ACK, 110, 500, 10),
            (31 * MS, "back", ACK, 500, 100, 0, sack((110, 120))),
            (80 * MS, "there", ACK, 110, 500, 10),
            (80 * MS, "there", ACK, 100, 500, 10),
            (81 * MS, "back", ACK, 500, 120, 0, sack((110, 120))),
            (82 * MS, "there", ACK, 100, 500, 10),
        )
    )
    assert marked(rows)[-4:] == [
        {"retransmission", "seen_before", "sent_in_vain"},
        {"retransmission", "seen_before", "in_sack_hole"},
        {"duplicate_sack"},
        {"retransmission", "spurious_retransmission", "sent_in_vain"},
    ]


def test_a_second_block_that_only_overlaps_is_no_duplicate():
    inside = (1, "back", ACK, 500, 100, 0, sack((120, 130), (110, 140)))
    overlap = (2, "back", ACK, 500, 101, 0, sack((110, 140), (120, 140)))
    assert marked(marks(packets(inside, overlap))) == [{"duplicate_sack"}, set()]


def test_a_window_of_zero_is_probed():
    shut = {"window_raw": 0}
    rows = marks(
        packets(
            *OPENING,
            (30 * MS, "back", ACK, 500, 100, 0, shut),
            (40 * MS, "there", ACK, 100, 500, 1),
            (41 * MS, "back", ACK, 500, 100, 0, shut),
            (42 * MS, "back", ACK, 500, 100, 0),
            (43 * MS, "there", ACK, 100, 500, 800),
        )
    )
    assert marked(rows)[3:] == [
        {"zero_window"},
        {"zero_window_probe"},
        {"zero_window", "zero_window_probe_ack"},
        {"window_update"},
        {"window_full"},  # 100 << 3 is 800
    ]


def test_a_keep_alive_is_answered():
    rows = marks(packets(*OPENING, (9000 * MS, "back", ACK, 499, 100, 1), (9010 * MS, "there", ACK, 100, 500, 0)))
    assert marked(rows)[3:] == [{"keep_alive"}, {"keep_alive_ack"}]


def test_an_ack_of_what_was_not_captured_is_told_once():
    late = [(30 * MS + n, "back", ACK, 500, 300, 0) for n in range(2)]
    assert marked(marks(packets(*OPENING, *late)))[3:] == [{"ack_lost_segment"}, {"duplicate_ack"}]


def test_without_a_handshake_the_window_is_not_known():
    rows = marks(packets((0, "there", ACK, 100, 500, 100), (1, "back", ACK, 500, 200, 0)))
    assert rows["window_bytes"].to_list() == [None, None]
    assert marked(rows) == [set(), set()]


def test_a_new_syn_on_the_same_ports_starts_over():
    second = [
        (at + 1000 * MS, way, flags, seq + 7000, ack and ack + 7000, 0) for at, way, flags, seq, ack, *_ in OPENING
    ]
    rows = marks(packets(*OPENING, (30 * MS, "there", ACK, 100, 500, 50), *second))
    assert rows["connection"].to_list() == [0] * 4 + [1] * 3
    assert marked(rows)[4:] == [{"port_reused"}, set(), set()]


def test_a_refused_connection_that_is_tried_again_misses_nothing():
    # who refuses has no number of its own: 0 (RFC 9293, 3.10.7.1)
    rows = marks(packets(OPENING[0], (MS, "back", RST | ACK, 0, 100, 0), (2 * MS, *OPENING[0][1:]), *OPENING[1:]))
    assert marked(rows) == [set(), set(), {"retransmission"}, {"port_reused"}, set()]


def test_a_clock_that_went_back_times_no_round_trip():
    rows = marks(packets((5, "there", ACK, 100, 500, 10), (4, "back", ACK, 500, 110, 0)))
    assert rows["ack_rtt_ns"].to_list() == [None, None]


def test_sequence_numbers_wrap():
    start = (1 << 32) - 50
    rows = marks(
        packets(
            *((n, "there", ACK, start + 100 * n, 500, 100) for n in range(3)),
            (10, "back", ACK, 500, start + 300, 0),
            (200 * MS, "there", ACK, start + 200, 500, 100),
        )
    )
    assert marked(rows)[:4] == [set()] * 4
    assert marked(rows)[4] == {"retransmission", "spurious_retransmission", "sent_in_vain"}
    assert rows["in_flight_bytes"].to_list()[:3] == [100, 200, 300]


def test_a_first_fragment_changes_nothing():
    fragment = (30 * MS, "there", ACK, 4000, 9000, 100, {"more_fragments": True})
    rows = marks(packets(*OPENING, fragment, (31 * MS, "there", ACK, 100, 500, 10)))
    assert rows.height == 5
    assert marked(rows)[3:] == [set(), set()]
    assert rows.select("relative_seq", "window_bytes").row(3) == (None, None)


def test_packets_of_no_connection_and_datagrams_have_no_rows():
    table = packets(*OPENING)
    others = table.with_columns(
        flow_id=pl.Series([None, 42, 7], dtype=pl.UInt64), protocol=pl.Series([6, 6, 17], dtype=pl.UInt8)
    )
    assert marks(others)["packet"].to_list() == [2]


@pytest.mark.skipif(not CAPTURES, reason=f"no captures in {make.SHARED}")
@pytest.mark.parametrize(
    "path", [path for path in CAPTURES if path.stat().st_size < 400_000], ids=lambda path: path.name
)
def test_connections_are_numbered_as_in_flows(path):
    counted = marks(scan_pcap(path)).group_by("connection").len().sort("connection")
    table = flows(scan_pcap(path)).filter(pl.col("protocol") == "tcp").group_by("connection")
    expected = table.agg(pl.col("packets").sum()).sort("connection")
    assert counted["connection"].to_list() == expected["connection"].to_list()
    assert counted["len"].to_list() == expected["packets"].to_list()


def seen_earlier(path) -> pl.DataFrame:
    """MARKS with `earlier`: an earlier packet of the same side holds all of this payload."""
    sizes = scan_pcap(path).select("payload_bytes").with_row_index("packet", 1).collect()
    table = marks(scan_pcap(path)).join(sizes.cast({"packet": pl.UInt64}), on="packet", maintain_order="left")
    sent, earlier = {}, []
    for row in table.select("connection", "direction", "relative_seq", "payload_bytes").iter_rows():
        begin, end = row[2] or 0, (row[2] or 0) + (row[3] or 0)
        known = sent.setdefault(row[:2], [])
        earlier.append(end > begin and any(low <= begin and end <= high for low, high in known))
        known.append((begin, end))
    return table.with_columns(earlier=pl.Series(earlier, dtype=pl.Boolean))


LOSSY = [path for path in CAPTURES if path.name.startswith(("fack", "comp", "tcptrace-hw-dups", "ftp-1MB-mirror"))]


@pytest.mark.skipif(not LOSSY, reason=f"no captures in {make.SHARED}")
def test_what_was_seen_before_was_in_an_earlier_packet():
    table = pl.concat(seen_earlier(path) for path in LOSSY)
    assert table.filter("seen_before")["earlier"].all()
    assert table.filter("seen_before").height > 20
    assert table.filter(pl.col("out_of_order") & pl.col("seen_before")).height > 0  # where time alone misjudges


numbers = st.sampled_from([0, 1, 2, 100, 101, 200, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 32) - 100])
edges = st.one_of(st.none(), st.lists(st.fixed_dictionaries({"left": numbers, "right": numbers}), max_size=6))
rows = st.fixed_dictionaries(
    {
        "ts_ns": st.one_of(st.none(), st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, 50 * MS)),
        "direction": st.booleans(),
        "tcp_flags": st.one_of(st.none(), st.sampled_from([SYN, SYN | ACK, ACK, ACK, FIN | ACK, RST, 0, 0xFFFF])),
        "seq": st.one_of(st.none(), numbers),
        "ack": st.one_of(st.none(), numbers),
        "payload_bytes": st.one_of(st.none(), st.sampled_from([0, 1, 99, 100, 65_535, 1 << 31, (1 << 32) - 1])),
        "window_raw": st.one_of(st.none(), st.sampled_from([0, 1, 65_535])),
        "window_scale": st.one_of(st.none(), st.sampled_from([0, 14, 255])),
        "sack_blocks": edges,
        "protocol": st.sampled_from([6, 6, 6, 17, None]),
        "flow_id": st.one_of(st.none(), st.integers(1, 4)),
        "more_fragments": st.sampled_from([None, False, False, True]),
        "frag_offset": st.sampled_from([None, 0, 0, 8]),
    }
)


@settings(deadline=None, max_examples=150)
@given(st.lists(rows, max_size=60))
def test_nonsense_gives_sane_marks_however_it_is_cut(table):
    packets = pl.DataFrame(table, schema={name: polars_schema(PACKETS)[name] for name in segment_marks.COLUMNS})
    whole = marks(packets)
    tcp = packets.filter((pl.col("protocol") == 6) & pl.col("flow_id").is_not_null())
    assert whole.height == tcp.height
    retransmitted = whole["fast_retransmission"] | whole["spurious_retransmission"]
    assert (~retransmitted | whole["retransmission"]).all()
    assert not (whole["retransmission"] & whole["out_of_order"]).any()
    assert (whole["duplicate_ack"] == whole["repeats"].is_not_null()).all()
    assert (whole["in_flight_bytes"].drop_nulls() > 0).all()
    assert (whole["window_bytes"].drop_nulls() <= 65_535 << 14).all()
    judged = segment_marks.Judged()
    parts = [judged.table(part) for part in packets.iter_slices(7)]
    assert pl.concat([empty(MARKS), *parts]).equals(whole)


def test_an_ack_is_timed_from_the_first_of_two_packets_in_whatever_part_they_come():
    again = packets(
        *OPENING,
        (30 * MS, "there", ACK, 100, 500, 10),
        (70 * MS, "there", ACK, 100, 500, 10),
        (80 * MS, "back", ACK, 500, 110, 0),
    )
    judged = segment_marks.Judged()
    parts = [judged.table(part) for part in again.select(segment_marks.COLUMNS).iter_slices(4)]
    assert pl.concat(parts)["ack_rtt_ns"].to_list()[-1] == 50 * MS


def one_sided(count: int) -> pl.DataFrame:
    """Data that nobody acknowledges, from one connection."""
    data = packets((0, "there", ACK, 0, 0, 100)).select(segment_marks.COLUMNS)
    return pl.concat([data] * count).with_columns(seq=pl.int_range(count, dtype=pl.UInt32) * 100)


def test_what_nobody_acknowledges_is_remembered_up_to_a_bound():
    judged = segment_marks.Judged()
    for part in one_sided(50_000).iter_slices(5000):
        judged.table(part)
    assert judged._memory.used[0] == mark_state.MAX_SEGMENTS
    assert judged._memory.segments.size <= 2 * mark_state.MAX_SEGMENTS


@pytest.mark.parametrize("way", ["there", "back"])
def test_a_connection_that_takes_over_the_ports_frees_the_memory_of_the_one_before(way):
    data = [(2 + n, way, ACK, 100 * n, 0, 100) for n in range(50)]
    judged = segment_marks.Judged()
    for number in range(500):
        first = (0, "there", SYN, 1_000_000 + number, 0, 0)
        judged.table(packets(first, *data).select(segment_marks.COLUMNS))
    assert judged._memory.used[0] <= 51
    assert judged._memory.segments.size == segment_marks.SEGMENTS


def test_many_connections_need_no_more_than_their_room(monkeypatch):
    monkeypatch.setattr(connections, "BATCH_ROWS", 3000)
    one = packets(*OPENING, (30 * MS, "there", ACK, 100, 500, 50)).select(segment_marks.COLUMNS)
    many = pl.concat([one] * 20_000).with_columns(flow_id=pl.int_range(80_000, dtype=pl.UInt64) // 4 * 2_654_435_761)
    found = pl.concat(mark_batches(many.lazy()))
    assert found["connection"].to_list() == [number // 4 for number in range(80_000)]
    assert not any(found.select(pl.col(pl.Boolean).exclude("direction").any()).row(0))

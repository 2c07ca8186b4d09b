"""PACKETS become TCP_SIDES: by hand, by an obvious slow account, and with hostile numbers."""

from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders as make
from tests.fuzz import laws
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.tables import FLOWS, PACKETS, TCP_SIDES, empty, polars_schema
from zcanalysis.wire import accounts
from zcanalysis.wire.accounts import flows_and_sides, tcp_sides
from zcanalysis.wire.connections import flows

SYN, ACK, RST, FIN, PSH, ECE, CWR = 2, 16, 4, 1, 8, 64, 128
MS = 1_000_000


def packets(*rows, **columns) -> pl.DataFrame:
    """One connection: each row is (ts_ns, 'there' or 'back', flags, seq, ack, payload bytes, more columns)."""
    table = []
    for number, (ts_ns, way, flags, seq, ack, size, *more) in enumerate(rows):
        back = way == "back"
        table.append(
            {
                "ts_ns": ts_ns,
                "direction": back,
                "tcp_flags": flags,
                "seq": seq & 0xFFFFFFFF,
                "ack": ack & 0xFFFFFFFF,
                "payload_bytes": size,
                "wire_bytes": 54 + size,
                "protocol": 6,
                "flow_id": 42,
                "src": 2 if back else 1,
                "dst": 1 if back else 2,
                "src_port": 20 if back else 10,
                "dst_port": 10 if back else 20,
                "window_raw": 1000,
                "ip_id": number + 1,
                **(more[0] if more else {}),
            }
        )
    made = pl.DataFrame(table, schema_overrides=polars_schema(PACKETS), infer_schema_length=None)
    return pl.concat([empty(PACKETS), made], how="diagonal").with_columns(**columns)


def sides(*rows) -> list[dict]:
    return tcp_sides(packets(*rows)).to_dicts()


SCALED = {"mss": 1000, "window_scale": 3, "sack_permitted": True}
OPENED = (
    (0, "there", SYN, 99, 0, 0, SCALED),
    (10 * MS, "back", SYN | ACK, 499, 100, 0, SCALED | {"window_scale": 1}),
    (11 * MS, "there", ACK, 100, 500, 0),
)


def test_a_handshake_tells_options_and_both_ways():
    there, back = sides(*OPENED)
    assert (there["opens"], back["opens"]) == (True, False)
    assert (there["handshake_ms"], back["handshake_ms"]) == (10.0, 1.0)
    assert (there["mss_bytes"], there["window_shift"], back["window_shift"]) == (1000, 3, 1)
    assert (there["sack_permitted"], there["timestamps"], there["ecn"]) == (True, False, False)
    assert (there["window_min_bytes"], there["window_max_bytes"]) == (8000, 8000)


def test_without_a_handshake_the_window_is_unknown_and_a_zero_is_still_zero():
    there, back = sides(
        (0, "there", ACK, 0, 0, 10),
        (5 * MS, "back", ACK, 0, 10, 0, {"window_raw": 0}),
        (7 * MS, "back", ACK, 0, 10, 0, {"window_raw": 7}),
    )
    assert (there["window_shift"], there["window_max_bytes"], there["opens"], there["mss_bytes"]) == (None,) * 4
    assert (back["zero_windows"], back["zero_window_ms"]) == (1, 2.0)
    assert (there["lost_in_capture_bytes"], back["lost_in_capture_bytes"]) == (0, None)


def test_only_the_side_that_answered_knows_its_shift_when_the_first_syn_is_missing():
    there, back = sides(OPENED[1], OPENED[2])
    by_end = {row["src_port"]: row["window_shift"] for row in (there, back)}
    assert by_end == {20: 1, 10: None}


def test_a_syn_without_the_option_means_no_shift_for_both():
    there, back = sides((0, "there", SYN, 99, 0, 0, {"mss": 1000}), (1, "back", ACK, 500, 100, 0))
    assert (there["window_shift"], back["window_shift"]) == (0, 0)


def test_what_was_sent_again_is_told_from_what_fills_a_gap():
    # 0-100 lost before the tap, 100-300 seen, then 0-100 comes 50 ms later, and 200-300 twice
    there, _ = sides(
        *OPENED,
        (20 * MS, "there", ACK, 200, 500, 100),
        (21 * MS, "there", ACK, 300, 500, 100),
        (71 * MS, "there", ACK, 100, 500, 100),
        (72 * MS, "there", ACK, 300, 500, 100),
    )
    assert (there["recovered_packets"], there["out_of_order_packets"]) == (1, 0)
    assert (there["resent_packets"], there["resent_bytes"], there["data_packets"]) == (1, 100, 4)


def test_a_late_packet_with_an_older_time_stamp_was_reordered():
    def stamped(value):
        return {"tsval": value, "tsecr": 1}

    there = sides(
        (0, "there", ACK, 100, 500, 100, stamped(7)),
        (1 * MS, "there", ACK, 300, 500, 100, stamped(9)),
        (90 * MS, "there", ACK, 200, 500, 100, stamped(8)),
        (91 * MS, "there", ACK, 500, 500, 100, stamped(20)),
        (91 * MS, "there", ACK, 400, 500, 100, stamped(21)),
        (92 * MS, "there", ACK, 700, 500, 100, stamped(31)),
        (192 * MS, "there", ACK, 600, 500, 100, stamped(30)),
    )[0]
    assert (there["out_of_order_packets"], there["recovered_packets"]) == (2, 1)


def test_a_packet_captured_twice_is_not_sent_twice():
    there, _ = sides(
        *OPENED,
        (20 * MS, "there", ACK, 100, 500, 100, {"ip_id": 77}),
        (21 * MS, "there", ACK, 100, 500, 100, {"ip_id": 77}),
        (22 * MS, "back", ACK, 500, 200, 0),
    )
    assert (there["duplicated_packets"], there["duplicated_bytes"], there["resent_packets"]) == (1, 100, 0)
    assert there["rtt_max_ms"] == 10.0  # the data's: 2 ms


def test_keep_alives_and_window_probes_are_neither_data_nor_sent_again():
    there, back = sides(
        *OPENED,
        (20 * MS, "there", ACK, 100, 500, 100),
        (21 * MS, "back", ACK, 500, 200, 0),
        (900 * MS, "there", ACK, 199, 500, 0),
        (900 * MS, "there", ACK, 199, 500, 1),
        (901 * MS, "back", ACK, 500, 200, 0, {"window_raw": 0}),
        (950 * MS, "there", ACK, 199, 500, 1),
    )
    assert (there["keep_alives"], there["window_probes"], there["resent_packets"]) == (2, 1, 0)
    assert back["zero_windows"] == 1


def test_a_duplicate_ack_says_the_same_while_data_waits():
    # the first ACK of 200 advances; of the next three one has another window, one is a real duplicate
    there, back = sides(
        *OPENED,
        (20 * MS, "there", ACK, 100, 500, 100),
        (21 * MS, "there", ACK, 300, 500, 100),
        (22 * MS, "back", ACK, 500, 200, 0),
        (23 * MS, "back", ACK, 500, 200, 0),
        (24 * MS, "back", ACK, 500, 200, 0, {"window_raw": 999}),
        (25 * MS, "back", ACK, 500, 200, 0, {"window_raw": 7, "sack_blocks": [{"left": 300, "right": 400}]}),
    )
    assert (back["duplicate_acks"], back["sack_packets"], back["dsack_packets"]) == (2, 1, 0)
    assert there["lost_in_capture_bytes"] == 0


@pytest.mark.parametrize(
    ("blocks", "spurious"),
    [
        ([(100, 150)], True),  # below the ACK
        ([(0xFFFFFF00, 150)], True),  # and wrapped
        ([(400, 450), (380, 500)], True),  # inside the second
        ([(400, 600), (380, 500)], False),  # overlaps it only
        ([(400, 450)], False),
        ([(100, 100)], False),
    ],
)
def test_a_dsack_reports_what_had_arrived(blocks, spurious):
    edges = {"sack_blocks": [{"left": left, "right": right} for left, right in blocks]}
    there, back = sides(*OPENED, (20 * MS, "there", ACK, 100, 500, 900), (22 * MS, "back", ACK, 500, 200, 0, edges))
    assert (there["spurious_packets"] == 1) == spurious
    assert back["dsack_packets"] == (1 if spurious or blocks == [(100, 100)] else 0)


def test_acknowledged_bytes_that_were_never_seen_are_lost_in_the_capture():
    # 100-200 and 300-400 seen, 700 acknowledged: 100 in the hole, 300 above
    there, _ = sides(
        *OPENED,
        (20 * MS, "there", ACK, 100, 500, 100),
        (21 * MS, "there", ACK, 300, 500, 100),
        (22 * MS, "back", ACK, 500, 700, 0),
    )
    assert there["lost_in_capture_bytes"] == 400


def test_an_ack_that_no_window_allows_is_not_believed():
    there, _ = sides(*OPENED, (20 * MS, "there", ACK, 100, 500, 100), (22 * MS, "back", ACK, 500, (1 << 30) + 999, 0))
    assert (there["lost_in_capture_bytes"], there["rtt_samples"]) == (0, 1)


def test_round_trips_leave_out_what_was_sent_twice_and_what_a_retransmission_overtook():
    # 100-200 sent twice: none; 200-300 sent before that: none; 300-400 after it: 5 ms
    there, _ = sides(
        *OPENED,
        (20 * MS, "there", ACK, 100, 500, 100),
        (21 * MS, "there", ACK, 200, 500, 100),
        (60 * MS, "there", ACK, 100, 500, 100),
        (61 * MS, "there", ACK, 300, 500, 100),
        (62 * MS, "back", ACK, 500, 200, 0),
        (63 * MS, "back", ACK, 500, 300, 0),
        (66 * MS, "back", ACK, 500, 400, 0),
    )
    assert (there["rtt_samples"], there["rtt_min_ms"], there["rtt_max_ms"]) == (2, 5.0, 10.0)


def test_a_time_stamp_is_timed_by_its_first_echo_that_acknowledges():
    there, _ = sides(
        (0, "there", ACK, 100, 500, 100, {"tsval": 0xFFFFFFFF, "tsecr": 5}),
        (1 * MS, "there", ACK, 200, 500, 100, {"tsval": 0xFFFFFFFF, "tsecr": 5}),
        (4 * MS, "back", ACK, 500, 200, 0, {"tsval": 5, "tsecr": 0xFFFFFFFF}),
        (5 * MS, "there", ACK, 300, 500, 100, {"tsval": 0, "tsecr": 5}),
        (6 * MS, "back", ACK, 500, 300, 0, {"tsval": 6, "tsecr": 0}),
        (12 * MS, "back", ACK, 500, 400, 0, {"tsval": 6, "tsecr": 0}),
    )
    assert (there["rtt_ts_samples"], there["rtt_ts_min_ms"], there["rtt_ts_p95_ms"]) == (2, 4.0, 7.0)


def test_a_delayed_ack_is_a_stall_of_its_receiver():
    # the answer to the SYN took 10 ms, that to 100-200 50 ms: 40 ms more
    there, back = sides(
        *OPENED,
        (20 * MS, "there", ACK, 100, 500, 100),
        (70 * MS, "back", ACK, 500, 200, 0),
        (71 * MS, "there", ACK, 200, 500, 1000),
        (72 * MS, "there", ACK, 1200, 500, 1000),
        (82 * MS, "back", ACK, 500, 2200, 0),
    )
    assert (back["delayed_ack_stalls"], back["ack_delay_p95_ms"], back["ack_bytes_mean"]) == (1, 50.0, 1050.0)
    assert (there["stall_ms"], there["stall_cause"], there["stall_at_ns"]) == (51.0, "delayed ack", 20 * MS)
    assert (there["in_flight_max_bytes"], back["single_acks"]) == (2000, 1)


def test_four_acks_of_one_segment_each_are_one_quick_ack_phase():
    rows = [
        row
        for n in range(6)
        for row in (
            ((20 + n) * MS, "there", ACK, 100 + 1000 * n, 500, 1000),
            ((20 + n) * MS + 9, "back", ACK, 500, 1100 + 1000 * n, 0),
        )
    ]
    _, back = sides(*OPENED, *rows)
    assert (back["single_acks"], back["quick_ack_phases"], back["ack_bytes_p95"]) == (6, 1, 1000)


def test_a_packet_without_a_time_that_opens_the_window_tells_no_time():
    _, back = sides(
        *OPENED,
        (20 * MS, "there", ACK, 100, 500, 100),
        (21 * MS, "back", ACK, 500, 200, 0, {"window_raw": 0}),
        (None, "back", ACK, 500, 200, 0),
        (30 * MS, "back", ACK, 500, 200, 0),
    )
    assert (back["zero_windows"], back["zero_window_ms"]) == (1, 0.0)


@pytest.mark.parametrize("far_ns", [(1 << 63) - 1, 1 << 62, -1, -(1 << 63) + 1])
def test_times_out_of_all_bounds_are_none(far_ns):
    there, back = sides(
        *OPENED,
        (far_ns, "there", ACK, 100, 500, 100),
        (22 * MS, "back", ACK, 500, 200, 0),
        (far_ns, "back", ACK, 500, 200, 100),
        (23 * MS, "there", ACK, 200, 600, 0),
    )
    assert (there["rtt_samples"], back["rtt_samples"], there["stall_ms"], back["idle_periods"]) == (1, 1, None, 0)
    assert flows(packets((far_ns, "there", ACK, 100, 500, 100)))["first_ns"].to_list() == [None]


def test_a_mean_of_more_than_146_years_is_not_told():
    rows = [
        row
        for n in range(3)
        for row in ((0, "there", ACK, 100 * n, 5, 100), ((1 << 62) - 1, "back", ACK, 5, 100 * (n + 1), 0))
    ]
    there, _ = sides(*rows)
    assert (there["rtt_samples"], there["rtt_mean_ms"], there["rtt_max_ms"]) == (3, None, ((1 << 62) - 1) / 1e6)


def test_windows_that_are_closed_for_centuries_are_counted_to_a_bound():
    rows = [(at_ns, "back", ACK, 5, 100, 0, {"window_raw": raw}) for at_ns, raw in ((0, 0), ((1 << 62) - 1, 9))]
    back, _ = sides(*rows * 4, (0, "there", ACK, 100, 5, 100))
    assert (back["zero_windows"], back["zero_window_ms"]) == (4, (1 << 62) / 1e6)


def test_gaps_that_are_given_up_stay_lost_in_the_capture():
    # 3 GiB in steps of 1 MiB of which the half is missing, then 20,000 gaps of 10 bytes
    mib = 1 << 20
    far = [(n, "there", ACK, n * mib, 5, mib // 2) for n in range(3072)]
    near = [(3072 + n, "there", ACK, 3072 * mib + 20 * n, 5, 10) for n in range(20_000)]
    end = 3072 * mib + 20 * 20_000
    there, _ = sides(*far, *near, (99_000, "back", ACK, 5, end - 10, 0))
    assert there["lost_in_capture_bytes"] == 3072 * mib // 2 + 19_999 * 10


PAUSED = (*OPENED, (20 * MS, "there", ACK, 100, 500, 100))
SHUT = (25 * MS, "back", ACK, 500, 200, 0, {"window_raw": 0})
ACKED = (30 * MS, "back", ACK, 500, 200, 0)
NEXT = (1020 * MS, "there", ACK, 200, 500, 100)


@pytest.mark.parametrize(
    ("between", "then", "cause"),
    [
        ([ACKED], NEXT, "application"),
        ([ACKED, (1019 * MS, "back", ACK, 500, 200, 10)], NEXT, "peer"),
        ([], (1020 * MS, "there", ACK, 100, 500, 100), "timeout"),
        ([SHUT, (1019 * MS, "back", ACK, 500, 200, 0)], NEXT, "zero window"),
        ([(1010 * MS, "back", ACK, 500, 200, 0)], NEXT, "delayed ack"),
        ([(None, "back", ACK, 500, 200, 0)], NEXT, "application"),
        ([(30 * MS, "back", ACK, 500, 150, 0, {"window_raw": 40})], NEXT, "window"),
        ([(30 * MS, "back", ACK, 500, 150, 0)], NEXT, "unknown"),
    ],
)
def test_the_longest_pause_has_its_cause(between, then, cause):
    there, _ = sides(*PAUSED, *between, then)
    assert (there["stall_cause"], there["stall_ms"], there["idle_periods"]) == (cause, 1000.0, 1)


def test_super_packets_are_cut_at_the_segment_size_without_the_options():
    # 5,000 bytes in segments of 1,000 - 12 bytes: six; the SYN and the ACK are one each
    there, _ = sides(*OPENED, (20 * MS, "there", ACK, 100, 500, 5000, {"tsval": 1, "tsecr": 1}))
    assert (there["super_packets"], there["estimated_wire_packets"], there["largest_payload_bytes"]) == (1, 8, 5000)
    alone = sides((20 * MS, "there", ACK, 100, 500, 5000))[0]
    assert alone["estimated_wire_packets"] is None


def test_ecn_is_agreed_by_both_and_marks_are_counted():
    there, back = sides(
        (0, "there", SYN | ECE | CWR, 99, 0, 0),
        (1, "back", SYN | ACK | ECE, 499, 100, 0),
        (2, "there", ACK, 100, 500, 10, {"ecn": 3}),
        (3, "back", ACK | ECE, 500, 110, 0),
        (4, "there", ACK | CWR, 110, 500, 10, {"ecn": 2}),
    )
    assert (there["ecn"], there["ce_packets"], there["ect_packets"], there["cwr_packets"]) == (True, 1, 2, 1)
    assert (back["ece_packets"], back["ecn"]) == (1, True)


def test_sequence_numbers_that_wrap_and_ports_that_are_used_again():
    start = 0xFFFFFF00
    rows = tcp_sides(
        packets(
            (0, "there", SYN, start - 1, 0, 0),
            (1, "there", ACK, start, 0, 1000),
            (2, "back", ACK, 7, start + 1000, 0),
            (3, "back", SYN, 9000, 0, 0),
        )
    )
    assert rows.select("src_port", "port_use", "sequence_wraps", "rtt_samples").rows() == [
        (10, 0, 1, 1),
        (20, 0, 0, 0),
        (20, 1, 0, 0),
    ]


def test_flows_are_the_same_with_and_without_an_account(tmp_path):
    whole = [make.ethernet(make.ipv4(make.udp(payload=bytes(9)), protocol=17)), make.ethernet(make.ipv4(make.tcp()))]
    path = make.saved(tmp_path, make.pcap(whole))
    both, told = flows_and_sides(scan_pcap(path))
    assert both.equals(flows(scan_pcap(path)))
    assert both.schema == polars_schema(FLOWS)
    assert told.schema == polars_schema(TCP_SIDES)
    assert told.height == 1


def test_many_connections_and_many_waiting_packets_find_room():
    # 3,000 connections of one packet, and one with 40,000 packets that no ACK covers
    many = packets((0, "there", ACK, 0, 0, 10))
    many = pl.concat([many] * 3000).with_columns(flow_id=pl.int_range(3000, dtype=pl.UInt64))
    alone = packets(*((n, "there", ACK, 10 * n, 0, 10) for n in range(40_000)))
    rows = tcp_sides(pl.concat([many, alone.with_columns(flow_id=pl.lit(7777, dtype=pl.UInt64))]))
    assert rows.height == 3001
    assert rows["data_packets"].to_list() == [1] * 3000 + [40_000]


WORDS = st.one_of(st.integers(0, 3000), st.integers((1 << 32) - 3000, (1 << 32) - 1), st.integers(0, (1 << 32) - 1))
TIMES = st.one_of(st.integers(0, 10**9), st.integers(-(1 << 63), (1 << 63) - 1), st.none())
HOSTILE = st.fixed_dictionaries(
    {
        "ts_ns": TIMES,
        "direction": st.booleans(),
        "tcp_flags": st.one_of(st.sampled_from([ACK, ACK, ACK, SYN, SYN | ACK, FIN | ACK, RST]), st.integers(0, 511)),
        "seq": WORDS,
        "ack": WORDS,
        "payload_bytes": st.one_of(st.sampled_from([0, 1, 100, 1460]), st.integers(0, (1 << 32) - 1)),
        "window_raw": st.integers(0, 65535),
        "mss": st.one_of(st.none(), st.integers(0, 65535)),
        "window_scale": st.one_of(st.none(), st.integers(0, 255)),
        "tsval": st.one_of(st.none(), WORDS),
        "tsecr": st.one_of(st.none(), WORDS),
        "ecn": st.integers(0, 3),
        "ip_id": st.integers(0, 3),
        "flow_id": st.one_of(st.none(), st.integers(0, 2)),
        "sack_blocks": st.one_of(
            st.none(), st.lists(st.fixed_dictionaries({"left": WORDS, "right": WORDS}), max_size=5)
        ),
    }
)


@given(rows=st.lists(HOSTILE, max_size=40), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_hostile_numbers_leave_every_count_sane(rows, seed):
    fixed = {"protocol": 6, "src": 1, "dst": 2, "src_port": 1, "dst_port": 2, "wire_bytes": 60}
    made = pl.DataFrame(
        [row | fixed for row in rows], schema_overrides=polars_schema(PACKETS), infer_schema_length=None
    )
    laws.accounts_hold(pl.concat([empty(PACKETS), made], how="diagonal"), Random(seed))


VALUES = st.lists(st.one_of(st.integers(0, 300), st.integers(0, (1 << 62) - 1)), min_size=1, max_size=60)


@given(values=VALUES, level=st.sampled_from([0.5, 0.95]))
@settings(max_examples=200, deadline=None)
def test_a_quantile_is_that_of_the_values_within_its_error(values, level):
    from zcanalysis.wire import tally

    counted, used = tally.new_tally(512), np.zeros(3, np.int64)
    for value in values:
        tally.count(counted, used, 5, 2, value)
        tally.count(counted, used, 4, 2, 7)
        tally.count(counted, used, 5, 3, 7)
    grown = tally.new_tally(1024)
    tally.enter_all(counted, grown)
    ordered = tally.in_order(grown)
    found = tally.quantiles(ordered, 2, {"at": level}).filter(pl.col("side") == 5)["at"][0]
    exact = sorted(values)[int(np.ceil(level * len(values))) - 1]
    assert abs(found - exact) <= exact / 64
    assert tally.quantiles(ordered, 1, {"at": level}).is_empty()


def test_rooms_start_small_enough_for_the_tests_above():
    assert accounts.CONNECTIONS < 3000
    assert accounts.STRETCHES < 40_000

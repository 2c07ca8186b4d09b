"""Latency by stage: by hand, against a walk skb by skb, and on traces of real kernels."""

import pytest

import zcanalysis as zc
from tests.cpu.packet_traces import Trace, socket_name
from zcanalysis.errors import TraceError
from zcanalysis.tables import LATENCY_STAGES, latency_column

STAGES = [latency_column(stage) for stage in LATENCY_STAGES]
US = 1000


def test_the_stages_of_one_packet_are_the_times_between_its_events(tmp_path):
    trace = Trace()
    trace.switched(50, 0)
    trace.handed(0xA, 1000)
    trace.taken(0xA, 1000, after_us=10)
    trace.segment(0xA, 1000, after_us=20)
    trace.event("sched_waking", "comm=b pid=50 prio=120 target_cpu=001", after_us=5)
    trace.switched(0, 50)  # 6 us after the segment
    trace.event("softirq_entry", "vec=3 [action=NET_RX]", cpu=1, tid=50, after_us=29)
    trace.copy(0xA, 1000, lasts_us=4)
    trace.returned(1000)
    found = zc.latency(trace.saved(tmp_path))
    row = found.ranges.row(0, named=True)
    assert found.ranges.height == 1
    assert [row[stage] for stage in STAGES] == [10 * US, 20 * US, 6 * US, 30 * US, 4 * US]
    assert (row["total_ns"], row["complete"]) == (70 * US, True)
    assert (row["socket"], row["tid"], row["from_byte"], row["to_byte"]) == (socket_name(), 50, 0, 1000)


def test_a_reader_that_runs_when_data_arrive_waits_for_no_wake_up(tmp_path):
    trace = Trace()
    trace.switched(0, 50)
    trace.handed(0xA, 1000), trace.taken(0xA, 1000), trace.segment(0xA, 1000)
    trace.copy(0xA, 1000)
    row = zc.latency(trace.saved(tmp_path)).ranges.row(0, named=True)
    assert (row["wake_up_ns"], row["queue_ns"]) == (0, US)


def test_where_the_switch_to_the_reader_is_not_traced_its_first_event_says_that_it_runs(tmp_path):
    trace = Trace()
    trace.switched(50, 0)
    trace.handed(0xA, 1000), trace.taken(0xA, 1000), trace.segment(0xA, 1000)
    trace.event("softirq_entry", "vec=3 [action=NET_RX]", cpu=1, tid=50, after_us=9)
    trace.copy(0xA, 1000)
    row = zc.latency(trace.saved(tmp_path)).ranges.row(0, named=True)
    assert (row["wake_up_ns"], row["queue_ns"]) == (9 * US, US)


def test_packets_merged_by_gro_keep_the_moment_of_their_own_arrival(tmp_path):
    trace = Trace()
    arrivals = [trace.handed(skb, 100, gro=True) for skb in (0xA, 0xB, 0xC)]
    trace.taken(0xA, 300)
    trace.segment(0xA, 300)
    trace.copy(0xA, 300)
    ranges = zc.latency(trace.saved(tmp_path)).ranges
    assert ranges.select("from_byte", "bytes", "driver_at_ns").rows() == [
        (0, 100, arrivals[0]), (100, 100, arrivals[1]), (200, 100, arrivals[2])
    ]  # fmt: skip


def test_skbs_merged_in_the_sockets_backlog_and_its_queue_are_found_by_position(tmp_path):
    # B vanishes into A while the reader owns the socket; C vanishes into A in the queue; one copy has all three
    trace = Trace()
    driver = [trace.handed(skb, 100) for skb in (0xA, 0xB, 0xC)]
    stack = [trace.taken(skb, 100) for skb in (0xA, 0xB, 0xC)]
    both, last = trace.segment(0xA, 200), trace.segment(0xC, 100)
    trace.copy(0xA, 250)
    trace.copy(0xA, 50)
    ranges = zc.latency(trace.saved(tmp_path)).ranges
    assert ranges.select("bytes", "driver_at_ns", "stack_at_ns", "socket_at_ns").rows() == [
        (100, driver[0], stack[0], both), (100, driver[1], stack[1], both),
        (50, driver[2], stack[2], last), (50, driver[2], stack[2], last),
    ]  # fmt: skip


def test_bytes_queued_when_the_trace_began_are_told_apart(tmp_path):
    trace = Trace()
    trace.copy(0x9, 400)  # arrived before
    for skb in (0xA, 0xB):
        trace.handed(skb, 100), trace.taken(skb, 100), trace.segment(skb, 100)
    trace.copy(0x9, 50)
    trace.returned(1000)  # 550 of them before the trace
    trace.copy(0xA, 100), trace.copy(0xB, 60)
    trace.returned(160)
    found = zc.latency(trace.saved(tmp_path))
    account = found.accounting.row(0, named=True)
    expected = {
        "received_bytes": 1160, "copied_bytes": 610, "cut_bytes": 550, "lost_bytes": 0, "early_bytes": 450,
        "joined_bytes": 160, "unmatched_bytes": 0, "unread_bytes": 40, "joined_share": 1.0,
    }  # fmt: skip
    assert {name: account[name] for name in expected} == expected
    assert found.ranges["bytes"].sum() == 160


def test_bytes_between_two_stages_when_the_trace_began_are_told_apart_too(tmp_path):
    trace = Trace()
    trace.segment(0xA, 100)  # handed over and taken before
    trace.handed(0xB, 100), trace.taken(0xB, 100), trace.segment(0xB, 100)
    trace.copy(0xA, 100), trace.copy(0xB, 100)
    found = zc.latency(trace.saved(tmp_path))
    assert found.accounting.select("early_bytes", "joined_bytes", "unmatched_bytes").row(0) == (100, 100, 0)
    assert found.ranges["complete"].to_list() == [False, True]


def test_a_reader_that_copied_only_what_was_there_before_has_nothing_joined_and_nothing_unmatched(tmp_path):
    trace = Trace()
    trace.handed(0xA, 100), trace.taken(0xA, 100), trace.segment(0xA, 100)
    trace.copy(0x9, 400)
    found = zc.latency(trace.saved(tmp_path))
    columns = ("early_bytes", "joined_bytes", "unmatched_bytes", "unread_bytes", "joined_share")
    assert found.accounting.select(columns).row(0) == (400, 0, 0, 100, None)
    assert "most bytes were on their way when the trace began: trace longer" in found.doubts
    trace.lines.append("CPU:1 [LOST 1 EVENTS]")  # then nobody knows when they came
    lossy = zc.latency(trace.saved(tmp_path)).accounting
    assert lossy.select(columns).row(0) == (0, 0, 400, 100, 0.0)


def test_data_that_tcp_had_already_take_no_place_in_the_stream(tmp_path):
    trace, arrived = Trace(), {}
    for skb in (0xA, 0xB, 0xC, 0xD):
        trace.handed(skb, 100), trace.taken(skb, 100)
        arrived[skb] = trace.segment(skb, 100)
        if skb == 0xB:
            trace.dropped(skb)
    trace.copy(0xA, 300)  # A with C and D in it
    found = zc.latency(trace.saved(tmp_path))
    assert found.ranges.select("bytes", "socket_at_ns").rows() == [(100, arrived[skb]) for skb in (0xA, 0xC, 0xD)]
    assert found.accounting["joined_share"].to_list() == [1.0]


def test_what_came_out_of_order_is_found_under_its_own_address(tmp_path):
    # B, sent again, arrives behind C and D, and is copied before them
    trace = Trace()
    arrived = {}
    for skb in (0xA, 0xC, 0xD, 0xB, 0xE):
        trace.handed(skb, 100), trace.taken(skb, 100)
        arrived[skb] = trace.segment(skb, 100)
    for skb in (0xA, 0xB, 0xC, 0xD, 0xE):
        trace.copy(skb, 100)
    ranges = zc.latency(trace.saved(tmp_path)).ranges
    assert ranges["socket_at_ns"].to_list() == [arrived[skb] for skb in (0xA, 0xB, 0xC, 0xD, 0xE)]


def test_a_segment_of_more_than_64_kib_is_made_whole(tmp_path):
    # tcp_probe says 80,000 modulo 65,536
    trace = Trace()
    for skb in (0xA, 0xB):
        for part in (skb, skb + 0x100):
            trace.handed(part, 40_000), trace.taken(part, 40_000)
        trace.segment(skb, 80_000)
    trace.handed(0xC, 100), trace.taken(0xC, 100), trace.segment(0xC, 100)
    for skb, size in ((0xA, 80_000), (0xB, 80_000), (0xC, 100)):
        trace.copy(skb, size)
    found = zc.latency(trace.saved(tmp_path))
    assert found.accounting.select("joined_bytes", "addresses_agree").row(0) == (160_100, 3)


def test_lost_events_are_counted_and_said(tmp_path):
    trace = Trace()
    trace.handed(0xA, 100), trace.taken(0xA, 100), trace.segment(0xA, 100)
    trace.copy(0xA, 100)
    trace.lines.insert(2, "CPU:1 [LOST 17 EVENTS]")
    trace.lines.insert(2, "no event at all")
    found = zc.latency(trace.saved(tmp_path))
    assert any("17 events lost, 1 lines unreadable" in doubt for doubt in found.doubts)


def test_a_copy_that_was_lost_is_missed_by_the_calls_own_count(tmp_path):
    trace = Trace()
    for skb in (0xA, 0xB, 0xC):
        trace.handed(skb, 100), trace.taken(skb, 100), trace.segment(skb, 100)
    trace.copy(0xA, 100)
    trace.returned(100)
    trace.copy(0xC, 100)  # that of B is lost
    trace.returned(200)
    account = zc.latency(trace.saved(tmp_path)).accounting.row(0, named=True)
    assert (account["lost_bytes"], account["joined_bytes"]) == (100, 200)
    assert account["joined_share"] == pytest.approx(2 / 3)


def test_two_connections_of_one_device_are_kept_apart_by_their_hash(tmp_path):
    trace = Trace()
    driver = {}
    for skb, port in ((0xA, 1), (0xB, 2), (0xC, 1), (0xD, 2)):
        driver[skb] = trace.handed(skb, 100, flow=port)
        trace.taken(skb, 100)
    trace.segment(0xA, 200, port=1)  # with C in it
    trace.segment(0xB, 200, port=2)  # with D in it
    trace.copy(0xB, 200, port=2, tid=51)
    trace.copy(0xA, 200, port=1)
    ranges = zc.latency(trace.saved(tmp_path)).ranges.sort("socket", "from_byte")
    assert ranges.select("socket", "tid", "driver_at_ns").rows() == [
        (socket_name(1), 50, driver[0xA]), (socket_name(1), 50, driver[0xC]),
        (socket_name(2), 51, driver[0xB]), (socket_name(2), 51, driver[0xD]),
    ]  # fmt: skip


def test_without_a_hash_connections_are_known_by_the_address_of_their_skbs_alone(tmp_path):
    trace = Trace()
    for skb, port in ((0xA, 1), (0xB, 2)):
        trace.handed(skb, 100, flow=0), trace.taken(skb, 100), trace.segment(skb, 100, port=port)
    trace.copy(0xB, 100, port=2, tid=51), trace.copy(0xA, 100)
    assert zc.latency(trace.saved(tmp_path)).accounting["joined_share"].to_list() == [1.0, 1.0]


def test_without_tcps_event_its_time_is_in_the_next_stage_and_the_total_stands(tmp_path):
    trace = Trace()
    trace.handed(0xA, 100)
    trace.taken(0xA, 100, after_us=7)
    trace.event("skb_copy_datagram_iovec", "skbaddr=000000000000000a len=100", cpu=1, tid=50, after_us=9)
    found = zc.latency(trace.saved(tmp_path))
    row = found.ranges.row(0, named=True)
    assert [row[stage] for stage in STAGES] == [7 * US, None, None, 9 * US, None]
    assert (row["total_ns"], row["socket"]) == (16 * US, "reader 50")
    assert found.doubts[0].startswith("not recorded: protocol, wake-up, copy")


def test_copies_of_other_sockets_than_tcps_are_left_out(tmp_path):
    trace = Trace()
    trace.event("skb_copy_datagram_iovec", "skbaddr=00000000000000ff len=77", cpu=1, tid=50)
    trace.handed(0xA, 100), trace.taken(0xA, 100), trace.segment(0xA, 100)
    trace.copy(0xA, 100)
    assert zc.latency(trace.saved(tmp_path)).accounting["copied_bytes"].to_list() == [100]


def test_perf_prints_the_same_events(tmp_path):
    lines = [
        "swapper 0 [000] 10.000001000: net:netif_rx: dev=eth0 skbaddr=0xffff888000000a00 len=152",
        "swapper 0 [000] 10.000002500: net:netif_receive_skb: dev=eth0 skbaddr=0xffff888000000a00 len=152",
        "swapper 0 [000] 10.000004000: tcp:tcp_probe: family=AF_INET src=10.0.0.2:5201 dest=10.0.0.1:1 mark=0 "
        "data_len=100 sock_cookie=1 skbaddr=0xffff888000000a00 skaddr=0xffff888000000b00",
        "iperf3 50 [001] 10.000009100: skb:skb_copy_datagram_iovec: skbaddr=0xffff888000000a00 len=100",
        "iperf3 50 [001] 10.000009400: tcp:tcp_rcv_space_adjust: family=AF_INET sport=5201 dport=1 saddr=10.0.0.2 "
        "daddr=10.0.0.1 saddrv6=::ffff:10.0.0.2 daddrv6=::ffff:10.0.0.1 sock_cookie=1",
    ]
    file = tmp_path / "perf.txt"
    file.write_text("\n".join(lines) + "\n")
    row = zc.latency(file).ranges.row(0, named=True)
    assert [row[stage] for stage in STAGES] == [1500, 1500, None, 5100, 300]


def test_a_trace_without_packets_is_one_line_that_says_how_to_record_them(tmp_path):
    trace = Trace()
    trace.switched(50, 0)
    with pytest.raises(
        TraceError, match=r"no packets followed to a reader; record it with `zcanalysis record --trace`"
    ):
        zc.latency(trace.saved(tmp_path))
    with pytest.raises(TraceError, match=r"veth-9000: has no traced packets; record it with"):
        zc.latency("traces/veth-9000")

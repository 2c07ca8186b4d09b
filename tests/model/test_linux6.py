import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from tests.model.linux6_hosts import SEED, any_host, free
from tests.model.simpy_linux6 import COUNTED, simulate
from zcanalysis.model.linux6 import STAGES, replay


def assert_simpy_agrees(host, packets):
    found, world = replay([host], packets), simulate(host, packets)
    assert int(found.elapsed_ns[0]) == world.env.now
    assert {name: int(found.counts[name][0]) for name in COUNTED} == world.counts
    assert found.busy_ns[0].tolist() == world.busy_ns()
    assert int(found.path_ns.sum()) == world.env.now


@settings(max_examples=300, deadline=None)
@given(SEED, st.sampled_from([1, 2, 10, 50, 300]))
def test_every_host_takes_as_long_as_simpy_says_to_the_nanosecond(seed, packets):
    assert_simpy_agrees(any_host(seed), packets)


VETH = {
    "write_ps_per_byte": 76, "copy_ps_per_byte": 95, "send_burst_ns": 500, "send_packet_ns": 320, "sender_ack_ns": 100,
    "send_interrupt_ns": 11000, "interrupt_ns": 20000, "softirq_ns": 300, "ip_skb_ns": 120, "tcp_skb_ns": 150,
    "ack_ns": 100, "wake_ns": 300, "schedule_ns": 1000, "syscall_ns": 500, "mss_bytes": 1448, "free_packets": 32,
    "window_bytes": 3_000_000, "tsq_bytes": 1_500_000,
}  # fmt: skip
OTHER_MACHINE = {
    "sender_cpu": None, "driver_cpu": 0, "link_ps_per_byte": 320, "framing_bytes": 90, "delay_ns": 20_000,
    "coalesce_ns": 10_000, "driver_packet_ns": 60, "gro_packet_ns": 50, "gro_bytes": 65536, "tsq_bytes": 1 << 40,
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol_cpu": 1},
        {"driver_cpu": 0, "gro_bytes": 65536},
        OTHER_MACHINE,
        {"hogs": 1},
        {"protocol_cpu": 1, "idle_exit_ns": 30_000},
    ],
)
def test_thousands_of_packets_take_as_long_as_simpy_says(changes):
    assert_simpy_agrees(free(**VETH | changes), 3000)


# The rules one at a time. Segments of 1000 bytes; sender and protocol on CPU 0, the reader on CPU 1; what is not named
# costs nothing.


def outcome(packets, **changes):
    found = replay([free(**changes)], packets)
    path_ns = dict(zip(STAGES, found.path_ns[0].tolist(), strict=True))
    return int(found.elapsed_ns[0]), path_ns, {name: int(count[0]) for name, count in found.counts.items()}


def test_two_packets_on_one_cpu_take_the_sum_of_their_prices():
    # write 2 x 1000; a burst of 500 + 2 x 100; softirq 300; ip 2 x 120, tcp 2 x 150; no ACK, for the window would be
    # smaller than at the start; wake-up 400; the sender sleeps, so schedule 1000; copy 2 x 500
    prices = {"write_ps_per_byte": 1000, "send_burst_ns": 500, "send_packet_ns": 100, "softirq_ns": 300}
    prices |= {"ip_skb_ns": 120, "tcp_skb_ns": 150, "wake_ns": 400, "schedule_ns": 1000, "copy_ps_per_byte": 500}
    elapsed_ns, path_ns, counts = outcome(2, reader_cpu=0, **prices, ack_ns=7, interrupt_ns=7, syscall_ns=7)
    assert elapsed_ns == 2000 + 700 + 300 + 540 + 400 + 1000 + 1000
    assert (path_ns["write"], path_ns["transmit"], path_ns["tcp"], path_ns["copy"]) == (2000, 700, 300, 1000)
    assert (counts["acks"], counts["interrupts"], counts["wake_ups"]) == (0, 0, 1)


def test_a_window_of_one_segment_is_opened_by_the_reader():
    # sent 100, taken 300, copied 800; the edge is reached and the window can open: ACK 50 + 30 on the reader's CPU,
    # 880. That CPU sends the second, 980; taken 1180, copied 1680
    prices = {"send_packet_ns": 100, "tcp_skb_ns": 200, "copy_ps_per_byte": 500, "ack_ns": 50, "sender_ack_ns": 30}
    elapsed_ns, _, counts = outcome(2, window_bytes=1000, **prices)
    assert elapsed_ns == 1680
    assert (counts["acks"], counts["delayed_acks"], counts["wake_ups"]) == (1, 0, 2)


def test_who_reads_each_segment_at_once_acknowledges_every_second():
    # one packet a microsecond on the link; the reader finds two unacknowledged after each second one
    _, _, counts = outcome(40, sender_cpu=None, link_ps_per_byte=1000)
    assert counts["acks"] == 19  # the last two are never answered: the replay ends with their copy
    assert counts["delayed_acks"] == 0


def test_a_step_of_eight_gets_four_acks_where_the_buffer_is_larger_than_what_is_advertised():
    # all 8 are there at once; 4 x 50 for ACKs in the step, then the reader. With all of the buffer advertised the first
    # two would already make the window smaller: no ACK
    burst = {"sender_cpu": None, "ack_ns": 50, "tcp_skb_ns": 10}
    roomy_ns, _, roomy = outcome(8, ssthresh_bytes=50_000, **burst)
    tight_ns, _, tight = outcome(8, **burst)
    assert (roomy["acks"], tight["acks"]) == (4, 0)
    assert (roomy_ns, tight_ns) == (8 * 10 + 4 * 50, 8 * 10)


def test_a_backlog_gets_one_ack_at_its_end():
    # packet 1: sent 100, taken 300, copied 10,300. The other 9 come meanwhile, each in a burst of its own, into the
    # backlog; 9 x 200 for TCP, 12,100; one ACK 50; 9 copies of 10,000
    prices = {"send_packet_ns": 100, "tcp_skb_ns": 200, "copy_ps_per_byte": 10_000, "ack_ns": 50}
    elapsed_ns, _, counts = outcome(10, gso_bytes=1000, **prices)
    assert elapsed_ns == 10_300 + 1800 + 50 + 90_000
    assert (counts["acks"], counts["backlogged"]) == (1, 9)


def test_a_lonely_segment_is_answered_after_40_milliseconds():
    # sent 100; the timer; the protocol's CPU sends the second
    elapsed_ns, path_ns, counts = outcome(2, cwnd_bytes=1000, send_packet_ns=100)
    assert elapsed_ns == 100 + 40_000_000 + 100
    assert path_ns["timer"] == 40_000_000
    assert counts["delayed_acks"] == 1


def test_a_fast_receiver_is_interrupted_for_each_packet_and_a_slow_one_once():
    wire = {"sender_cpu": None, "driver_cpu": 0, "reader_cpu": 0, "link_ps_per_byte": 1000}
    fast_ns, _, fast = outcome(100, driver_packet_ns=100, interrupt_ns=50, **wire)
    slow_ns, _, slow = outcome(100, driver_packet_ns=2000, interrupt_ns=50, **wire)
    assert (fast["interrupts"], slow["interrupts"]) == (100, 1)
    # the last packet is on the wire at 100,000; the first was at 1000
    assert (fast_ns, slow_ns) == (100_000 + 50 + 100, 1000 + 50 + 100 * 2000)


def test_gro_merges_64_of_a_run():
    # all 128 are there at 100: 128 x 10 for the driver, then 2 skbs of 64
    burst = {"sender_cpu": None, "driver_cpu": 0, "delay_ns": 100, "gso_bytes": 128_000, "gro_bytes": 128_000}
    elapsed_ns, path_ns, counts = outcome(128, driver_packet_ns=10, ip_skb_ns=1000, window_bytes=128_000, **burst)
    assert elapsed_ns == 100 + 1280 + 2 * 1000
    assert path_ns["ip"] == 2000
    assert counts["runs"] == 1


def test_a_busy_process_takes_every_second_tick():
    # 1000 copies of 1000 ns are ten slices, each but the first behind one of the other process
    alone_ns, _, _ = outcome(1000, copy_ps_per_byte=1000, window_bytes=1_000_000)
    shared_ns, path_ns, _ = outcome(1000, copy_ps_per_byte=1000, window_bytes=1_000_000, hogs=1, slice_ns=100_000)
    assert (alone_ns, shared_ns) == (1_000_000, 1_900_000)
    assert path_ns["other processes"] == 900_000


def test_two_busy_processes_take_two_of_three_ticks():
    shared_ns, _, _ = outcome(1000, copy_ps_per_byte=1000, window_bytes=1_000_000, hogs=2, slice_ns=100_000)
    assert shared_ns == 2_800_000


SHAPED = {"write_ps_per_byte": 1000, "link_ps_per_byte": 1000, "gso_bytes": 10_000, "window_bytes": 1_000_000}


def test_a_shaper_lets_pass_at_once_what_it_has_tokens_for():
    # ten packets are written in 10 us, in which as many tokens come; without a bucket they take 10 us more on the wire
    passed_ns, path_ns, _ = outcome(10, **SHAPED, bucket_bytes=10_000)
    held_ns, held_path_ns, _ = outcome(10, **SHAPED)
    assert (passed_ns, path_ns["link"]) == (10_000, 0)
    assert (held_ns, held_path_ns["link"]) == (20_000, 10_000)


def test_a_small_bucket_holds_a_burst_until_its_last_packet_has_a_token():
    # tokens for four were saved when the ten are sent at 10 us: the last has its own 6 us later
    held_ns, path_ns, _ = outcome(10, **SHAPED, bucket_bytes=4_000)
    assert (held_ns, path_ns["link"]) == (16_000, 6_000)


def test_no_burst_is_larger_than_half_of_the_largest_window():
    _, _, whole = outcome(128, gso_bytes=64_000, window_bytes=128_000)
    _, _, halved = outcome(128, gso_bytes=64_000, window_bytes=64_000)
    assert (whole["bursts"], halved["bursts"]) == (2, 4)


def test_who_slept_below_its_share_waits_for_a_tick_and_then_runs_as_long_as_it_waited():
    # one packet every 10 us, each copied in 8: beside one hog its credit falls by 8 and grows by 1 while it sleeps,
    # so the second packet finds it below 0 and waits until the tick at 100 us
    slow = {"sender_cpu": None, "driver_cpu": 1, "reader_cpu": 1, "link_ps_per_byte": 10_000, "mss_bytes": 1000}
    alone_ns, _, _ = outcome(3, copy_ps_per_byte=8000, **slow)
    beside_ns, path_ns, _ = outcome(3, copy_ps_per_byte=8000, hogs=1, slice_ns=100_000, **slow)
    assert alone_ns == 38_000
    assert beside_ns == 100_000 + 2 * 8_000
    assert path_ns["other processes"] > 0


LINK_BOUND = {
    "sender_cpu": None, "driver_cpu": 0, "link_ps_per_byte": 1000, "delay_ns": 5000, "interrupt_ns": 200,
    "driver_packet_ns": 50, "ip_skb_ns": 100, "tcp_skb_ns": 100, "ack_ns": 50, "wake_ns": 50, "schedule_ns": 100,
    "send_interrupt_ns": 50, "copy_ps_per_byte": 100, "syscall_ns": 10,
}  # fmt: skip


def test_a_receiver_that_is_faster_than_its_link_takes_as_long_as_the_link():
    elapsed_ns, path_ns, _ = outcome(1000, **LINK_BOUND)
    assert path_ns["link"] == 1000 * 1000
    assert 1_000_000 < elapsed_ns < 1_010_000


def test_a_dearer_call_off_the_path_of_an_idle_cpu_changes_nothing():
    elapsed_ns, _, _ = outcome(1000, **LINK_BOUND)
    dearer_ns, _, _ = outcome(1000, **{**LINK_BOUND, "syscall_ns": 400})
    assert dearer_ns == elapsed_ns


def test_who_hardly_gets_the_cpu_is_an_error_that_names_the_host():
    with pytest.raises(RuntimeError, match=r"host 0: its transfer hardly moves: Linux6\(sender_cpu=0"):
        outcome(1, copy_ps_per_byte=10**9, hogs=1, slice_ns=1)


@pytest.mark.parametrize(
    "wrong", [{"window_bytes": 999}, {"ssthresh_bytes": 999}, {"ack_ns": -1}, {"reader_cpu": 4}, {"slice_ns": 0}]
)
def test_a_wrong_host_is_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        free(**wrong)


def test_a_packet_waits_for_those_before_it_in_its_burst():
    # five packets leave 1000 apart, 100 on the wire, 10 for the driver; only the last one's way is the path
    slow = {"sender_cpu": None, "driver_cpu": 0, "link_ps_per_byte": 100, "send_packet_ns": 1000}
    found = replay([free(**slow, driver_packet_ns=10)], 5)
    uses = dict(zip(STAGES, found.path_uses[0].tolist(), strict=True))
    assert found.elapsed_ns.tolist() == [5 * 1000 + 100 + 10]
    assert (uses["transmit"], uses["link"], uses["driver"]) == (5, 1, 1)

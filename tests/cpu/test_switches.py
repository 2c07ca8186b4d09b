"""Idle time from traced switches, by hand."""

import pytest

from zcanalysis.cpu.switches import idle_by_switches
from zcanalysis.io.trace_events import scan_events

SWITCH = "sched_switch: prev_comm=a prev_pid={} prev_prio=120 prev_state=S ==> next_comm=b next_pid={} next_prio=120"


def idle_of(tmp_path, *lines: tuple[str, int, str, float, str]) -> dict[int, float]:
    """Milliseconds of idle time by CPU over the first second; lines are (comm-tid, cpu, flags, seconds, event)."""
    file = tmp_path / "trace.txt"
    text = [f"{who:>16}    [{cpu:03}] {flags} {at:.6f}: {event}" for who, cpu, flags, at, event in lines]
    file.write_text("# tracer: nop\n#\n" + "\n".join(text) + "\n")
    table = idle_by_switches(scan_events(file), 0, 1_000_000_000)
    return {cpu: idle_s * 1000 for cpu, idle_s in table.select("cpu", "idle_s").iter_rows()}


def test_idle_is_from_the_switch_in_to_the_switch_away(tmp_path):
    away = ("<idle>-0", 0, "d..2.", 0.4, SWITCH.format(0, 7))
    assert idle_of(tmp_path, ("iperf3-7", 0, "d..2.", 0.1, SWITCH.format(7, 0)), away) == pytest.approx({0: 300})


def test_an_interrupt_in_the_idle_thread_does_not_end_it(tmp_path):
    idle = ("iperf3-7", 0, "d..2.", 0.1, SWITCH.format(7, 0))
    inside = [
        ("<idle>-0", 0, "..s1.", at, f"softirq_{kind}: vec=3 [action=NET_RX]")
        for at, kind in ((0.2, "entry"), (0.3, "exit"))
    ]
    away = ("<idle>-0", 0, "d..2.", 0.5, SWITCH.format(0, 7))
    assert idle_of(tmp_path, idle, *inside, away) == pytest.approx({0: 400})


def test_where_the_switch_away_is_not_traced_a_pending_reschedule_or_another_thread_ends_it(tmp_path):
    idle = ("iperf3-7", 0, "d..2.", 0.1, SWITCH.format(7, 0))
    pending = ("<idle>-0", 0, ".Ns1.", 0.3, "softirq_exit: vec=3 [action=NET_RX]")
    later = ("iperf3-7", 0, "..s1.", 0.9, "softirq_entry: vec=3 [action=NET_RX]")
    assert idle_of(tmp_path, idle, pending, later) == pytest.approx({0: 200})
    assert idle_of(tmp_path, idle, later) == pytest.approx({0: 800})


def test_a_wake_up_from_another_cpu_ends_it(tmp_path):
    idle = ("iperf3-7", 0, "d..2.", 0.1, SWITCH.format(7, 0))
    woken = ("sender-9", 1, "dN.4.", 0.6, "sched_wakeup: comm=iperf3 pid=7 prio=120 target_cpu=000")
    assert idle_of(tmp_path, idle, woken)[0] == pytest.approx(500)


def test_what_the_first_event_was_traced_in_ran_before_it(tmp_path):
    away = ("<idle>-0", 0, "d..2.", 0.25, SWITCH.format(0, 7))
    assert idle_of(tmp_path, away) == pytest.approx({0: 250})


def test_a_cpu_without_events_says_nothing(tmp_path):
    event = ("iperf3-7", 1, "..s1.", 0.5, "softirq_entry: vec=3 [action=NET_RX]")
    assert idle_of(tmp_path, event) == {1: 0}

"""Batches, waits and sizes of events and of histograms."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from zcanalysis.cpu.spreads import spreads, traced
from zcanalysis.errors import TraceError
from zcanalysis.tables import SPREADS, polars_schema

SAMPLES = Path(__file__).parent.parent / "io" / "samples"
LINE = "  {}-{}  [{:03d}] ..s1. {:.9f}: {}\n"


def trace(tmp_path, *lines: tuple[str, int, int, int, str] | str) -> Path:
    """Lines of ftrace: command, thread, CPU, nanoseconds, event; or a line as it is."""
    file = tmp_path / "trace.txt"
    file.write_text(
        "".join(one if isinstance(one, str) else LINE.format(*one[:3], one[3] / 1e9, one[4]) for one in lines)
    )
    return file


def entry(cpu: int, ns: int) -> tuple[str, int, int, int, str]:
    return ("x", 1, cpu, ns, "softirq_entry: vec=3 [action=NET_RX]")


def leave(cpu: int, ns: int) -> tuple[str, int, int, int, str]:
    return ("x", 1, cpu, ns, "softirq_exit: vec=3 [action=NET_RX]")


def told(table: pl.DataFrame) -> list[tuple]:
    return table.select("quantity", "of", "unit", "count", "p50_high", "p99_high", "most").rows()


def test_a_softirq_lasts_from_its_entry_to_its_exit_on_its_cpu(tmp_path):
    # CPU 0: 100 and 300 ns; CPU 1 runs meanwhile, 50 ns; another softirq (vec=1) is none of ours
    file = trace(
        tmp_path, entry(0, 1000), entry(1, 1010), ("x", 1, 0, 1020, "softirq_entry: vec=1 [action=TIMER]"),
        leave(1, 1060), leave(0, 1100), entry(0, 2000), leave(0, 2300),
    )  # fmt: skip
    assert told(spreads(file)) == [
        ("time of a NET_RX softirq", "CPU 0", "ns", 2, 300, 300, 300),
        ("time of a NET_RX softirq", "CPU 1", "ns", 1, 50, 50, 50),
    ]


def test_what_a_loss_cut_in_two_is_left_out_and_told(tmp_path):
    lost = "CPU:0 [LOST 7 EVENTS]\n"
    found = traced(trace(tmp_path, entry(0, 1000), lost, leave(0, 5000), entry(0, 6000), leave(0, 6200)))
    assert told(found.table) == [("time of a NET_RX softirq", "CPU 0", "ns", 1, 200, 200, 200)]
    assert found.notes == ("events were lost in 1 places: softirqs and waits around them are left out",)


def test_a_wait_lasts_from_the_wake_up_to_the_switch_to_the_thread(tmp_path):
    away = "sched_switch: prev_comm=x prev_pid=1 prev_prio=120 prev_state=S ==> next_comm={} next_pid={} next_prio=120"
    file = trace(
        tmp_path,
        ("x", 1, 0, 1000, "sched_wakeup: comm=rd pid=7 prio=120 target_cpu=001"),
        ("x", 1, 1, 1250, away.format("rd", 7)),
        ("x", 1, 1, 4000, away.format("rd", 7)),  # was preempted, not woken
        ("x", 1, 0, 5000, away.format("swapper/0", 0)),
    )
    assert told(spreads(file)) == [("from wake-up to running", "rd", "ns", 1, 250, 250, 250)]


def test_polls_copies_and_drops_are_counted_with_their_sizes(tmp_path):
    poll = "napi_poll: napi poll on napi struct ff for device eth0 work {} budget 64"
    file = trace(
        tmp_path,
        *(("x", 1, 0, 1000 + work, poll.format(work)) for work in (1, 2, 64)),
        ("rd", 7, 0, 2000, "skb_copy_datagram_iovec: skbaddr=ff len=1448"),
        ("x", 1, 0, 2100, "kfree_skb: skbaddr=ff rx_sk=(nil) protocol=2048 location=f+0x1/0x2 reason: NO_SOCKET"),
        ("x", 1, 0, 2200, "kfree_skb: skbaddr=ff protocol=2048 location=f+0x1/0x2 reason: NOT_SPECIFIED"),
    )
    table = spreads(file)
    assert table.schema == polars_schema(SPREADS)
    assert told(table) == [
        ("packets of a NAPI poll", "eth0", "packets", 3, 2, 64, 64),
        ("bytes of a copy to user", "rd", "bytes", 1, 1448, 1448, 1448),
        ("skbs dropped", "NO_SOCKET", None, 1, None, None, None),
    ]


def test_quantiles_of_histograms_lie_between_the_bounds_of_their_bins():
    table = spreads(SAMPLES / "bpftrace.json")
    row = table.filter(pl.col("quantity") == "bytes of a copy to user").row(0, named=True)
    # of 28,767 copies 9,061 lie below 32 KB and 16,718 between 32 and 64
    assert (row["count"], row["p50_low"], row["p50_high"], row["most"]) == (28_767, 32_768, 65_535, 262_143)
    assert set(table["source"]) == {"bpftrace"}


def test_a_real_trace_pipe_tells_its_loss():
    found = traced(SAMPLES / "trace_pipe.txt")
    lines = (SAMPLES / "trace_pipe.txt").read_text().splitlines()
    polls = found.table.filter(pl.col("quantity") == "packets of a NAPI poll").get_column("count").sum()
    assert polls == sum(": napi_poll: " in line for line in lines)
    assert len(found.notes) == sum("[LOST " in line for line in lines) == 1


def test_a_recording_is_asked_for_all_its_traces(tmp_path):
    (tmp_path / "ss.txt").write_text("ESTAB 0 0 10.0.0.1:1 10.0.0.2:2\n\t cubic cwnd:10 bytes_acked:50\n")
    (tmp_path / "bpftrace.json").write_bytes((SAMPLES / "bpftrace.json").read_bytes())
    trace(tmp_path, entry(0, 1000), leave(0, 1100))
    assert set(spreads(tmp_path)["source"]) == {"events", "bpftrace"}


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "zcanalysis", *map(str, words)], capture_output=True, text=True)


def test_the_command_tells_them_where_no_byte_is_followed():
    shown = run("latency", SAMPLES / "bpftrace.json")
    assert shown.returncode == 0
    assert "holds histograms" in shown.stdout
    assert "time of a NET_RX softirq" in shown.stdout
    document = json.loads(run("latency", SAMPLES / "bpftrace.json", "--json").stdout)
    assert document["summary"] is None
    assert document["spreads"] == spreads(SAMPLES / "bpftrace.json").to_dicts()


def test_what_holds_neither_is_refused(tmp_path):
    with pytest.raises(TraceError, match="no event found"):
        spreads(_file(tmp_path, "words\n"))
    refused = run("latency", _file(tmp_path, "words\n"))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def _file(tmp_path, text: str) -> Path:
    file = tmp_path / "file"
    file.write_text(text)
    return file

"""Real kernels as oracle: what they did with the captured arrivals against what the rules say."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from zcanalysis.cases.prequeue_kernel import kernel_host
from zcanalysis.errors import TableError
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.io.recording import read_recording
from zcanalysis.kernel_check import (
    KernelHost,
    captured_connection,
    compare_with_kernel,
    replay_kernel,
    socket_state,
)
from zcanalysis.model.tcp_receiver import Prices

TRACES = Path(__file__).parent.parent / "traces"
CASES = {case["case"]: case for case in json.loads((TRACES / "prequeue-4.10" / "cases.json").read_text())}
COLUMNS = [
    "ts_ns", "flow_id", "direction", "tcp_flags", "seq", "ack", "window_raw", "payload_bytes", "mss", "window_scale",
    "tsval", "tsecr",
]  # fmt: skip


@cache
def packets(case: str) -> pl.DataFrame:
    return scan_pcap(TRACES / "prequeue-4.10" / f"{case}.pcap.gz").select(COLUMNS).collect()


def host_4_10(case: str, **changes) -> KernelHost:
    return replace(kernel_host(case), **changes)


@cache
def errors_4_10(case: str) -> dict[str, float]:
    table = compare_with_kernel(packets(case), host_4_10(case))
    return dict(table.select("measure", "error").iter_rows())


# What the rules must reach, and where they do not (measured, with the reason).
TARGETS = {"acks": 0.05, "stretch": 0.1, "window": 0.05, "mean window": 0.05}
COUNTER_TARGET = 0.1
AUTOTUNING = (
    "what the reader copied in a round trip counts, between two ticks of 10 ms: its place at a tick sets the clamp"
)
WHO_RUNS = "who has the CPU is the scheduler's choice; tcpdump's turns leave no mark in the arrivals"
PACE = "windows follow the reader's place byte by byte; its pace changes with tcpdump and the other CPU"
AT_THE_BRINK = (
    "the queue stands at a sixteenth of the buffer: 1 % in the reader's pace decides between no window and some"
)
TWO_RUNS = "the counters are of another run, without tcpdump, which has the same CPU; the scheduler decides who sleeps"
MISSES_4_10: dict[tuple[str, str], tuple[float, str]] = {
    ("blocking", "window"): (0.249, AUTOTUNING),
    ("blocking", "prequeued"): (0.46, TWO_RUNS),
    ("blocking", "bytes from the prequeue"): (0.581, TWO_RUNS),
    ("blocking", "bytes from the backlog"): (1.503, TWO_RUNS),
    ("blocking", "flushed"): (0.113, TWO_RUNS),
    ("delay-2ms", "window"): (0.907, AUTOTUNING),
    ("delay-2ms", "mean window"): (0.435, AUTOTUNING),
    ("delay-2ms", "prequeued"): (0.168, TWO_RUNS),
    ("delay-2ms", "bytes from the prequeue"): (2.066, TWO_RUNS),
    ("delay-2ms", "flushed"): (0.578, TWO_RUNS),
    ("delay-2ms-low-latency", "window"): (0.976, AUTOTUNING),
    ("delay-2ms-low-latency", "mean window"): (0.166, AUTOTUNING),
    ("low-latency", "window"): (0.989, AUTOTUNING),
    ("mtu-65000", "window"): (0.688, AUTOTUNING),
    ("mtu-65000", "prequeued"): (1.01, TWO_RUNS),
    ("mtu-65000", "bytes from the prequeue"): (1.01, TWO_RUNS),
    ("mtu-65000", "flushed"): (1.01, TWO_RUNS),
    ("mtu-65000-low-latency", "window"): (0.639, AUTOTUNING),
    ("mtu-9000", "acks"): (0.078, WHO_RUNS),
    ("mtu-9000", "window"): (0.455, AUTOTUNING),
    ("mtu-9000", "mean window"): (0.091, AUTOTUNING),
    ("mtu-9000", "prequeued"): (0.81, TWO_RUNS),
    ("mtu-9000", "flushed"): (1.01, TWO_RUNS),
    ("mtu-9000-low-latency", "window"): (0.97, AUTOTUNING),
    ("mtu-9000-low-latency", "mean window"): (0.103, AUTOTUNING),
    ("poll", "window"): (0.869, AUTOTUNING),
    ("poll", "mean window"): (0.157, AUTOTUNING),
    ("small-reads", "acks"): (0.066, WHO_RUNS),
    ("small-reads", "window"): (0.96, AUTOTUNING),
    ("small-reads", "prequeued"): (1.107, TWO_RUNS),
    ("small-reads", "flushed"): (0.329, TWO_RUNS),
    ("software-checksum", "window"): (0.753, AUTOTUNING),
    ("software-checksum", "prequeued"): (0.202, TWO_RUNS),
    ("software-checksum", "bytes from the prequeue"): (0.241, TWO_RUNS),
    ("software-checksum", "bytes from the backlog"): (5.972, TWO_RUNS),
    ("software-checksum", "flushed"): (0.145, TWO_RUNS),
    ("software-checksum-low-latency", "window"): (0.847, AUTOTUNING),
}


def check(case: str, errors: dict[str, float], misses: dict[tuple[str, str], tuple[float, str]]) -> None:
    for measure, error in errors.items():
        target = TARGETS.get(measure, COUNTER_TARGET)
        limit, why = misses.get((case, measure), (target, ""))
        assert abs(error) <= limit, (measure, error, limit)
        assert not why or abs(error) > target, f"{case} {measure} is no miss any more: {error}"


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_prequeue_kernel_does_what_the_rules_say(case):
    check(case, errors_4_10(case), MISSES_4_10)


def test_readers_that_cannot_prequeue_leave_the_counters_at_nought_in_kernel_and_replay():
    for case in ("poll", "low-latency", "delay-2ms-low-latency", "mtu-9000-low-latency", "small-messages-low-latency"):
        table = compare_with_kernel(packets(case), host_4_10(case)).filter(
            pl.col("measure").is_in(["prequeued", "flushed"])
        )
        assert table.select("captured", "replayed").sum().row(0) == (0, 0)


def test_each_small_message_is_prequeued_once_and_acknowledged():
    rows = {
        row[0]: row[1:3] for row in compare_with_kernel(packets("small-messages"), host_4_10("small-messages")).rows()
    }
    assert rows["prequeued"] == (1999, 1999)
    assert rows["bytes from the prequeue"] == (399_800, 399_800)


def test_the_first_windows_of_a_new_connection_are_the_kernels_to_the_unit():
    for case, segments in (("blocking", 20), ("mtu-9000", 3)):
        captured = captured_connection(packets(case))
        said = replay_kernel(captured, host_4_10(case)).acks["window_bytes"][:segments] // 128
        assert said.tolist() == captured.acks.get_column("window_raw").to_list()[:segments]


def test_without_netems_one_byte_skbs_the_delayed_cases_miss():
    case = "delay-2ms-low-latency"
    host = host_4_10(case, netem=False)
    errors = dict(compare_with_kernel(packets(case), host).select("measure", "error").iter_rows())
    assert errors["acks"] < -0.1 < errors_4_10(case)["acks"]


# Fitted to each recording: tcpdump and the other CPU weigh differently on each. In veth-1500 the window is nearly
# always full: there the arrivals set the reader's pace, not its price of a byte.
PRICES_6 = {
    "veth-1500": {
        "tcp_ns": 164,
        "ack_ns": 1_883,
        "copy_packet_ns": 36,
        "copy_ps_per_byte": 18_046,
        "syscall_ns": 2_321,
        "schedule_ns": 1_393,
        "softirq_ns": 741,
        "reader_delay_ns": 290,
        "answer_ns": 273,
    },
    "veth-9000": {
        "tcp_ns": 241,
        "ack_ns": 321,
        "copy_packet_ns": 849,
        "copy_ps_per_byte": 412,
        "syscall_ns": 1_472,
        "schedule_ns": 486,
        "softirq_ns": 825,
        "reader_delay_ns": 56,
        "answer_ns": 1_109,
    },
    "veth-gro": {
        "tcp_ns": 8_803,
        "ack_ns": 497,
        "copy_packet_ns": 4_966,
        "copy_ps_per_byte": 167,
        "syscall_ns": 152,
        "schedule_ns": 3_543,
        "reader_delay_ns": 475,
    },
}
MISSES_6: dict[tuple[str, str], tuple[float, str]] = {
    ("veth-1500", "stretch"): (0.45, AT_THE_BRINK),
    ("veth-1500", "window"): (0.65, AT_THE_BRINK),
    ("veth-1500", "mean window"): (1.35, AT_THE_BRINK),
    ("veth-9000", "stretch"): (0.22, PACE),
    ("veth-9000", "window"): (0.85, PACE),
    ("veth-9000", "mean window"): (0.37, PACE),
}


def host_6(name: str) -> tuple[KernelHost, pl.DataFrame]:
    recording = read_recording(TRACES / name)
    state = socket_state(recording.counters.filter(pl.col("phase") == "capture"))
    host = KernelHost(
        generation="linux-6",
        prices=Prices(**PRICES_6[name]),
        read_bytes=131_072,  # iperf3's block
        hz=250,
        reader="polling",
        whole_reads=True,
        shared_cpu=name != "veth-gro",  # there softirq runs on CPU 0
        rmem_max_bytes=33_554_432,
        socket=state,
    )
    return host, recording.packets.select(COLUMNS).collect()


@pytest.mark.parametrize("name", sorted(PRICES_6))
def test_a_current_kernel_does_what_the_rules_say(name):
    host, table = host_6(name)
    errors = dict(compare_with_kernel(table, host).select("measure", "error").iter_rows())
    check(name, errors, MISSES_6)


def test_a_capture_that_says_too_little_is_refused():
    late = packets("poll").filter(pl.col("tcp_flags") & 2 == 0)
    with pytest.raises(TableError, match="start is missing"):
        compare_with_kernel(late, host_4_10("poll"))
    with pytest.raises(TableError, match="no connection with payload"):
        compare_with_kernel(late.filter(pl.col("payload_bytes") == 0), host_4_10("poll"))
    with pytest.raises(TableError, match="no socket"):
        socket_state(
            pl.DataFrame(
                schema={
                    "ts_ns": pl.Int64,
                    "source": pl.String,
                    "instance": pl.String,
                    "counter": pl.String,
                    "value": pl.Int64,
                }
            )
        )


def test_a_capture_that_lacks_a_packet_is_refused():
    table = packets("poll")
    whole = captured_connection(table).data
    missing = table.filter(pl.col("seq") != whole.get_column("seq")[100])
    with pytest.raises(TableError, match="1 of 7005 do not follow"):
        compare_with_kernel(missing, host_4_10("poll"))


def test_sequence_numbers_may_wrap():
    table = packets("small-messages")
    shift = (1 << 32) - 100_000
    moved = table.with_columns(
        ((pl.col(name).cast(pl.Int64) + shift - table["seq"].min()) % (1 << 32)).cast(pl.UInt32).alias(name)
        for name in ("seq", "ack")
    )
    wrapped = compare_with_kernel(moved, host_4_10("small-messages"))
    assert wrapped.equals(compare_with_kernel(table, host_4_10("small-messages")))

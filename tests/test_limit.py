"""What holds a receiver back, told from built counters: one test a kind, figures as they were measured."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.cpu.test_accounts import staged_rows
from zcanalysis.evidence import Evidence, gather
from zcanalysis.goodput import Ceiling, counted_goodput
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.io.recording import Recording
from zcanalysis.limit import limit_rows, named_limit
from zcanalysis.tables import COUNTERS, polars_schema

SECOND_NS = 1_000_000_000
NO_CEILING = Ceiling(None, None, "unknown", 0.0)
SOCKET = "10.0.0.2:5201>10.0.0.1:40000"
PACKETS = 2_000_000
FREE = {"rmem_alloc": 360_000, "rcvbuf": 8_600_000, "rcv_ssthresh": 7_700_000, "rcv_space": 3_600_000}
FULL = {"rmem_alloc": 31_300_000, "rcvbuf": 33_500_000, "rcv_ssthresh": 21_200_000, "rcv_space": 9_900_000}
SMALL = {"rmem_alloc": 0, "rcvbuf": 65_536, "rcv_ssthresh": 40_773, "rcv_space": 95_568}


def counters(idle=(0.9, 0.5), socket=None, grown=None) -> pl.DataFrame:
    """Two readings, 2 s apart, of 10 Gbit/s; `idle` is each CPU's idle share, `grown` what other counters gained."""
    rows = []
    for second in (0, 2):
        gained = [
            ("netdev", "eth0", "rx_bytes", PACKETS * 1_250 * second // 2),
            ("netdev", "eth0", "rx_packets", PACKETS * second // 2),
            ("socket", SOCKET, "bytes_received", PACKETS * 1_200 * second // 2),
            *(("socket", SOCKET, name, value) for name, value in (socket or FREE).items()),
            *(("cpuidle", f"cpu{cpu}", "idle_ns", int(share * second * SECOND_NS)) for cpu, share in enumerate(idle)),
            *((*where, count * second // 2) for where, count in (grown or {}).items()),
        ]
        rows += [(second * SECOND_NS, "counters", 0, *row) for row in gained]
    return pl.DataFrame(rows, schema=polars_schema(COUNTERS), orient="row")


def evidence(table: pl.DataFrame, account=(), foreign: pl.DataFrame | None = None) -> Evidence:
    """Evidence of these counters; `account` is (CPU, stage, share of wall time) as samples would say."""
    recording = Recording(name="hand", path=Path(), host=HostFacts(device="eth0", mtu=1500), counters=table)
    seen = gather(recording)
    shares = pl.DataFrame(
        [(cpu, stage, share, share) for cpu, stage, share in account],
        schema={"cpu": pl.Int32, "stage": pl.String, "seconds": pl.Float64, "share": pl.Float64},
        orient="row",
    )
    return Evidence(
        **{name: getattr(seen, name) for name in Evidence.__slots__}
        | {"account": shares, "quiet": counted_goodput(recording)}
        | ({} if foreign is None else {"stages": foreign})
    )


def limit_of(table, account=(), top=NO_CEILING, foreign=None):
    return named_limit(evidence(table, account, foreign), top)


READER_AND_SOFTIRQ = ((1, "copy", 0.5), (1, "tcp_rx", 0.5), (0, "sender", 0.3), (0, "idle", 0.7))


def test_a_full_queue_before_a_saturated_reader_is_its_cpu():
    found = limit_of(counters((0.7, 0.0), FULL), READER_AND_SOFTIRQ)
    assert (found.kind, found.where) == ("receiver cpu", "CPU 1")
    assert "CPU 1 is the limit (100.0% busy): mostly copy to user" in found.words
    assert "the receive queue was 93% full (30 MiB of 32 MiB)" in found.evidence


def test_a_saturated_sender_does_not_hide_the_full_queue_behind_it():
    # both CPUs are busy, and the sender's even more receives; but the queue stands before the reader
    account = ((0, "sender", 0.5), (0, "backlog", 0.5), (1, "copy", 0.9), (1, "idle", 0.1))
    assert limit_of(counters((0.0, 0.04), FULL), account).where == "CPU 1"


def test_a_hog_beside_the_reader_is_named_as_evidence():
    hog = staged_rows(100, "foreign", cpu=1).with_columns(pl.lit("sh").alias("comm"), pl.lit(77).alias("pid"))
    account = ((1, "foreign", 0.41), (1, "copy", 0.4), (1, "tcp_rx", 0.19))
    found = limit_of(counters((0.6, 0.0), FULL), account, foreign=hog)
    assert (found.kind, found.where) == ("receiver cpu", "CPU 1")
    assert "other processes took 41% of CPU 1, sh (77) most" in found.evidence


def test_a_full_queue_before_an_idle_cpu_is_a_slow_reader():
    found = limit_of(counters((0.9, 0.6), FULL), ((1, "copy", 0.2), (1, "tcp_rx", 0.2), (1, "idle", 0.6)))
    assert found.kind == "reader"
    assert "40% of CPU 1, where it reads, is busy" in found.evidence


@pytest.mark.parametrize(("wanted", "kind"), [(0.3, "reader"), (0.95, "receiver cpu")])
def test_a_reader_that_sleeps_beside_a_full_queue_is_slow_whatever_keeps_its_cpu_busy(wanted, kind):
    clocks = {("process", "7", "cpu_ns"): 10**8, ("process", "7", "cpu_wait_ns"): round((2 * wanted - 0.1) * 10**9)}
    seen = evidence(counters((0.5, 0.0), FULL, clocks), READER_AND_SOFTIRQ)
    host = HostFacts(device="eth0", mtu=1500, reader_pids=frozenset({7}))
    fields = {name: getattr(seen, name) for name in Evidence.__slots__}
    found = named_limit(Evidence(**fields | {"recording": replace(seen.recording, host=host)}), NO_CEILING)
    assert found.kind == kind


def test_a_closed_window_is_a_slow_reader_even_when_the_readings_missed_the_full_queue():
    table = counters((0.9, 0.6), FREE, {("netstat", "", "TcpExt.TCPToZeroWindowAdv"): 60})
    found = limit_of(table, ((1, "copy", 0.2), (1, "idle", 0.8)))
    assert found.kind == "reader"
    assert "the receiver closed its window 60 times" in found.evidence


def test_a_window_that_closed_once_is_no_slow_reader():
    table = counters((0.9, 0.6), FREE, {("netstat", "", "TcpExt.TCPToZeroWindowAdv"): 1})
    assert limit_of(table, ((1, "copy", 0.2), (1, "idle", 0.8))).kind == "sender"


def test_without_a_queue_the_saturated_cpu_is_the_softirqs_though_the_sender_shares_it():
    found = limit_of(counters((0.02, 0.3)), ((0, "sender", 0.54), (0, "gro", 0.44), (1, "copy", 0.7)))
    assert (found.kind, found.where) == ("receiver cpu", "CPU 0")
    assert "the sender's own work is 54% of CPU 0, the receive path 44%" in found.evidence


def test_a_cpu_that_only_sends_is_the_senders_limit():
    found = limit_of(counters((0.01, 0.5)), ((0, "sender", 0.85), (0, "backlog", 0.15), (1, "copy", 0.5)))
    assert (found.kind, found.where) == ("sender", "CPU 0")
    assert "the sender runs there" in found.words


def test_a_cpu_that_others_keep_busy_while_the_queue_is_empty_is_left_open():
    found = limit_of(counters((0.5, 0.02)), ((1, "foreign", 0.63), (1, "copy", 0.35), (1, "idle", 0.02)))
    assert (found.kind, found.where) == ("unknown", "CPU 1")
    assert "cannot be told" in found.words
    assert "other processes took 63% of CPU 1" in found.evidence


def test_when_nothing_here_is_busy_it_is_the_sender_or_the_path():
    found = limit_of(counters((0.9, 0.6)), ((1, "copy", 0.35), (1, "idle", 0.65)))
    assert (found.kind, found.where) == ("sender", "beyond this host")


def test_a_cpu_that_others_fill_and_that_does_not_receive_says_nothing():
    found = limit_of(counters((0.0, 0.6)), ((0, "foreign", 1.0), (1, "copy", 0.35), (1, "idle", 0.65)))
    assert (found.kind, found.where) == ("sender", "beyond this host")


def test_the_composition_of_a_probed_phase_is_scaled_to_the_undisturbed_busy_time():
    # under perf the transfer fell to a fifth and CPU 0 idled; undisturbed it does not
    found = limit_of(counters((0.03, 0.2)), ((0, "sender", 0.2), (0, "softirq", 0.4), (0, "idle", 0.4)))
    assert (found.kind, found.where) == ("receiver cpu", "CPU 0")
    assert "CPU 0 was busy 97.0% of 2.0 s" in found.evidence


def test_a_buffer_that_the_reader_drains_within_a_round_trip_is_the_window():
    found = limit_of(counters((0.3, 0.2), SMALL), READER_AND_SOFTIRQ)
    assert found.kind == "receive window"
    assert "the buffer of 64 KiB does not grow" in found.words
    assert "the reader drains 93 KiB a round trip, the window is 40 KiB" in found.evidence


def test_a_full_link_comes_before_everything_else():
    top = Ceiling(10.2, "link", "rate of the link's shaper", 0.4)
    found = limit_of(counters((0.0, 0.0), FULL), READER_AND_SOFTIRQ, top)
    assert found.kind == "link"
    assert "the link carries 10.00 of 10.2 Gbit/s, headers included" in found.evidence
    assert limit_of(counters((0.0, 0.0), FULL), READER_AND_SOFTIRQ, top._replace(gbps=25)).kind == "receiver cpu"


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (("softnet", "cpu1", "dropped"), "500 packets dropped by a full backlog"),
        (("netdev", "eth0", "rx_fifo"), "500 packets lost to a full ring"),
        (("ethtool", "eth0", "rx_out_of_buffer_discards"), "500 packets counted by the driver as"),
    ],
)
def test_drops_before_the_stack_limit_when_no_cpu_does(where, words):
    found = limit_of(counters((0.5, 0.5), FREE, {where: 500}))
    assert (found.kind, found.where) == ("drops", "before the stack")
    assert any(fact.startswith(words) for fact in found.evidence)


def test_a_few_drops_and_those_of_another_device_or_direction_are_no_limit():
    few = {
        ("softnet", "cpu1", "dropped"): 31,
        ("netdev", "lo", "rx_dropped"): 9_999,
        ("ethtool", "eth0", "tx_drops"): 999,
    }
    found = limit_of(counters((0.5, 0.5), FREE, few))
    assert found.kind == "sender"
    assert "31 packets dropped by a full backlog" in found.evidence


def test_with_counters_alone_a_saturated_cpu_is_named_and_what_root_would_add():
    found = limit_of(counters((0.9, 0.01), FULL))
    assert (found.kind, found.where) == ("receiver cpu", "CPU 1")
    assert "which need root" in found.words


def test_with_counters_alone_the_saturated_cpu_that_takes_the_packets_is_named():
    taken = {("softnet", "cpu0", "processed"): 10, ("softnet", "cpu1", "processed"): 900_000}
    assert limit_of(counters((0.0, 0.01), FREE, taken)).where == "CPU 1"


def test_nothing_recorded_is_unknown():
    bare = gather(Recording(name="capture", path=Path()))
    assert named_limit(bare, NO_CEILING).kind == "unknown"
    assert limit_rows(bare, named_limit(bare, NO_CEILING)) is None
    silent = counters(()).filter(pl.col("source") != "cpuidle")
    assert limit_of(silent).kind == "unknown"


def test_a_limit_row_spans_the_undisturbed_time():
    seen = evidence(counters((0.5, 0.5)))
    (row,) = limit_rows(seen, named_limit(seen, NO_CEILING)) or []
    assert (row["from_ns"], row["to_ns"], row["limit"], row["share_time"]) == (0, 2 * SECOND_NS, "sender", 1.0)
    assert "no packet was dropped here" in row["evidence"]

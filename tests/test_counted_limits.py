"""What counters of both ends say of each tenth of a second: one test a rule, counters built by hand."""

from pathlib import Path

import polars as pl
import pytest

from zcanalysis.counted_limits import counted_limits
from zcanalysis.evidence import gather
from zcanalysis.goodput import Ceiling
from zcanalysis.io.host_facts import HostFacts, Process
from zcanalysis.io.recording import Recording
from zcanalysis.tables import COUNTERS, LIMITS, polars_schema

TICK_NS = 100_000_000
HERE, THERE = "10.0.0.2:5201>10.0.0.1:40000", "10.0.0.1:40000>10.0.0.2:5201"
READER, SENDER = 20, 10
NO_LINK = Ceiling(None, None, "unknown", 0.0)
FREE = {"rmem_alloc": 0, "rcvbuf": 6_000_000, "rcv_ssthresh": 3_000_000, "rcv_space": 300_000}
STANDS = FREE | {"rmem_alloc": 5_000_000}
SMALL = {"rmem_alloc": 20_000, "rcvbuf": 65_536, "rcv_ssthresh": 40_000, "rcv_space": 80_000}


def counters(*, queue=FREE, chrono=(1.0, 0.0, 0.0), lost=0.0, notsent=0, delayed=0, idle=(0.5, 0.5), wants=(0.4, 0.4)):
    """Two seconds at 1 Gbit/s; shares of the time for busy, rwnd and sndbuf, for idle CPUs, for sender and reader."""
    rows = []
    for tick in range(21):
        gauges = queue | {"bytes_received": 12_500_000 * tick, "data_segs_in": 10_000 * tick, "rcv_ooopack": 0}
        clocks = dict(zip(("busy_us", "rwnd_limited_us", "sndbuf_limited_us"), chrono, strict=True))
        sent = {name: round(share * 100_000) * tick for name, share in clocks.items()}
        sent |= {"total_retrans": round(lost * 10_000) * tick, "data_segs_out": 10_000 * tick, "notsent_bytes": notsent}
        sent |= {"min_rtt_us": 100, "snd_mss": 1448}
        told = [
            ("netdev", "eth0", "rx_bytes", 12_900_000 * tick),
            ("netstat", "", "TcpExt.DelayedACKs", delayed * tick),
            *(("socket", HERE, name, value) for name, value in gauges.items()),
            *(("sender_socket", THERE, name, value) for name, value in sent.items()),
            *(("cpuidle", f"cpu{cpu}", "idle_ns", round(share * TICK_NS) * tick) for cpu, share in enumerate(idle)),
            *(("softnet", f"cpu{cpu}", "processed", 5_000 * tick) for cpu in range(len(idle))),
        ]
        for pid, share in zip((SENDER, READER), wants, strict=True):
            told += [
                ("process", str(pid), "cpu_ns", round(share * TICK_NS / 2) * tick),
                ("process", str(pid), "cpu_wait_ns", round(share * TICK_NS / 2) * tick),
            ]
        rows += [(tick * TICK_NS, "counters", 0, *row) for row in told]
    return pl.DataFrame(rows, schema=polars_schema(COUNTERS), orient="row")


def limits_of(table: pl.DataFrame, top: Ceiling = NO_LINK) -> pl.DataFrame:
    host = HostFacts(
        device="eth0",
        mtu=1500,
        reader_pids=frozenset({READER}),
        sender_pids=frozenset({SENDER}),
        readers=(Process(READER, "r", (1,)),),
        senders=(Process(SENDER, "s", (0,)),),
    )
    return counted_limits(gather(Recording(name="hand", path=Path(), host=host, counters=table)), top)


def limit_of(table: pl.DataFrame, top: Ceiling = NO_LINK) -> str:
    """The one limit of all the time."""
    (row,) = limits_of(table, top).iter_rows(named=True)
    assert (row["from_ns"], row["to_ns"], row["share_time"]) == (0, 20 * TICK_NS, 1.0)
    assert (row["connection"], row["payload_bytes"]) == ("10.0.0.1:40000 > 10.0.0.2:5201", 250_000_000)
    return row["limit"]


def without(table: pl.DataFrame, *sources: str) -> pl.DataFrame:
    return table.filter(~pl.col("source").is_in(sources))


def test_a_full_link_is_the_limit_whatever_its_queue_does_to_the_window():
    link = Ceiling(1.05, "link", "given", 0.0)  # 129 MB/s are 1.03 Gbit/s
    assert limit_of(counters(chrono=(1.0, 1.0, 0.0)), link) == "link"
    assert limit_of(counters(chrono=(0.1, 0.0, 0.0)), link._replace(gbps=2.0)) == "sender application"


def test_the_senders_clock_of_the_window_decides_before_cpus():
    assert limit_of(counters(queue=SMALL, chrono=(0.6, 0.5, 0.0), idle=(0.0, 0.0), wants=(1, 1))) == "receive window"


def test_a_window_that_stops_the_sender_before_a_standing_queue_is_the_readers():
    stopped = {"queue": STANDS, "chrono": (1.0, 0.9, 0.0)}
    assert limit_of(counters(**stopped, idle=(0.5, 0.0), wants=(0.4, 0.95))) == "receiver cpu"
    assert limit_of(counters(**stopped, idle=(0.5, 0.6), wants=(0.4, 0.2))) == "reader"
    # its CPU is full of others' work, and it sleeps
    assert limit_of(counters(**stopped, idle=(0.5, 0.0), wants=(0.4, 0.2))) == "reader"


def test_a_standing_queue_without_any_cpu_counter_is_unknown():
    blind = without(counters(queue=STANDS, chrono=(1.0, 0.9, 0.0)), "cpuidle", "process")
    assert limit_of(blind) == "unknown"


def test_acks_held_back_count_only_while_the_sender_has_more_to_send():
    # 2 of 40 ms in each tenth of a second
    assert limit_of(counters(delayed=2, notsent=1000)) == "delayed ack"
    assert limit_of(counters(delayed=2, chrono=(0.85, 0.0, 0.0))) == "unknown"


@pytest.mark.parametrize(
    ("busy", "limit"), [(0.1, "sender application"), (0.7, "sender application"), (1.0, "unknown")]
)
def test_a_sender_that_is_not_busy_is_its_application(busy, limit):
    assert limit_of(counters(chrono=(busy, 0.0, 0.0))) == limit


def test_losses_are_the_limit_where_they_are_many_or_pace_the_sender():
    assert limit_of(counters(lost=0.02)) == "loss"
    # 1448 bytes, 100 us, 0.5 %: Mathis says 250 MB/s, twice what came; with 0.01 % 14 times
    assert limit_of(counters(lost=0.005)) == "loss"
    assert limit_of(counters(lost=0.0001)) == "unknown"


def test_a_saturated_cpu_that_drops_is_the_limit_not_its_few_losses():
    saturated = {"idle": (0.5, 0.0), "wants": (0.4, 0.9)}
    assert limit_of(counters(lost=0.005, **saturated)) == "receiver cpu"
    assert limit_of(counters(lost=0.02, **saturated)) == "loss"


def test_a_cpu_full_of_others_work_is_no_limit():
    assert limit_of(counters(idle=(0.0, 0.0), wants=(0.2, 0.2))) == "unknown"
    assert limit_of(counters(idle=(0.0, 0.5), wants=(0.9, 0.2))) == "sender application"


def test_the_receivers_counters_alone_do_not_name_the_sender():
    alone = without(counters(chrono=(0.1, 0.0, 0.0)), "sender_socket")
    assert limit_of(alone) == "unknown"
    assert "the sender, its application or the path" in limits_of(alone).get_column("evidence").item()
    assert limit_of(without(counters(queue=SMALL), "sender_socket")) == "receive window"


def test_a_change_is_seen_where_it_happens():
    first, then = counters(chrono=(0.1, 0.0, 0.0)), counters(lost=0.02)
    late = pl.col("ts_ns") >= 10 * TICK_NS
    rows = limits_of(pl.concat([first.filter(~late), then.filter(late)]))
    assert rows.get_column("limit").to_list() == ["sender application", "loss"]
    assert rows.get_column("to_ns").item(0) == pytest.approx(10 * TICK_NS, abs=3 * TICK_NS)


def test_lost_bytes_are_counted_from_what_the_link_could_carry():
    # half the time idle, half lossy, both at 1 of 2 Gbit/s: each lost as much
    first, then = counters(chrono=(0.1, 0.0, 0.0)), counters(lost=0.05)
    late = pl.col("ts_ns") >= 10 * TICK_NS
    rows = limits_of(pl.concat([first.filter(~late), then.filter(late)]), Ceiling(2.0, "link", "given", 0.0))
    assert rows.get_column("share_bytes").to_list() == pytest.approx(rows.get_column("share_time").to_list())


def test_datagrams_and_no_counters_have_no_rows():
    assert limits_of(without(counters(), "socket", "sender_socket")).schema == polars_schema(LIMITS)
    assert counted_limits(gather(Recording(name="hand", path=Path())), NO_LINK).is_empty()

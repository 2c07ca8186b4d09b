"""Stages, idle and unsampled time add up; costs divide by packets and bytes; pictures lose nothing."""

import numpy as np
import polars as pl
import pytest

from zcanalysis.cpu.costs import seconds_by_stretch, stage_costs
from zcanalysis.cpu.timeline import BINS, cpu_timeline, flame
from zcanalysis.cpu.wall_time import cpu_times, process_shares, scaled_to_clocks, wall_time_account
from zcanalysis.tables import COSTS, COUNTERS, STAGED_SAMPLES, polars_schema


def staged_rows(count: int, stage: str, cpu: int = 0, weight_ns: int = 1_000_000, first_ns: int = 0) -> pl.DataFrame:
    """`count` samples of one stage, one a weight."""
    return pl.DataFrame(
        {
            "ts_ns": [first_ns + i * weight_ns for i in range(count)],
            "at_ns": [first_ns + i * weight_ns for i in range(count)],
            "cpu": cpu, "pid": 1, "tid": 1, "comm": "iperf3", "stage": stage, "function": "f", "context": "softirq",
            "direction": "rx", "mode": "kernel", "skid": False, "in_idle": False,
            "weight_ns": weight_ns, "folded": "a;b",
        },
        schema=polars_schema(STAGED_SAMPLES),
    )  # fmt: skip


def account(stages: pl.DataFrame, counters: pl.DataFrame | None, phase: str | None = "chains") -> pl.DataFrame:
    return wall_time_account(stages, cpu_times(stages, counters, phase))


def idle_counters(cpu: int, idle_ns: int, wall_ns: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "ts_ns": [0, wall_ns], "phase": "chains", "repeat": 0, "source": "cpuidle", "instance": f"cpu{cpu}",
            "counter": "idle_ns", "value": [5, 5 + idle_ns],
        },
        schema=polars_schema(COUNTERS),
    )  # fmt: skip


def test_a_cpus_wall_time_is_accounted_for():
    # 1 s of wall: 300 ms copy, 200 ms tcp, 450 ms idle by the counters -> 50 ms nobody saw
    stages = pl.concat([staged_rows(300, "copy"), staged_rows(200, "tcp_rx"), staged_rows(7, "idle")])
    table = account(stages, idle_counters(0, 450_000_000, 1_000_000_000))
    seconds = dict(table.select("stage", "seconds").iter_rows())
    assert seconds == pytest.approx({"copy": 0.3, "tcp_rx": 0.2, "idle": 0.45, "unsampled": 0.05})
    assert table.get_column("share").sum() == pytest.approx(1.0)


def test_an_interrupt_served_inside_an_idle_state_is_not_counted_twice():
    # 1 s: 600 ms by the idle counter, of which samples show 100 ms of interrupts; 400 ms of copying
    served = staged_rows(100, "hardirq").with_columns(in_idle=True)
    stages = pl.concat([staged_rows(400, "copy"), served])
    table = account(stages, idle_counters(0, 600_000_000, 1_000_000_000))
    seconds = dict(table.select("stage", "seconds").iter_rows())
    assert seconds == pytest.approx({"copy": 0.4, "hardirq": 0.1, "idle": 0.5, "unsampled": 0.0}, abs=1e-9)


def test_the_account_is_the_same_to_the_last_bit_however_the_samples_are_ordered():
    stages = pl.concat([staged_rows(20, f"stage {at}", weight_ns=333_667 * (at % 7 + 1) ** at) for at in range(12)])
    first = account(stages, idle_counters(0, 450_000_000, 1_000_000_000))
    for seed in range(20):
        shuffled = stages.sample(fraction=1, shuffle=True, seed=seed)
        assert account(shuffled, idle_counters(0, 450_000_000, 1_000_000_000)).equals(first)


def processes(clock: float, sampled: float) -> pl.DataFrame:
    return pl.DataFrame({"pid": [1], "clock": [clock], "sampled": [sampled]}, schema_overrides={"pid": pl.Int32})


def test_a_biased_sampler_is_scaled_to_the_clock_of_the_process():
    # the kernel booked 500 ms, samples caught 400 ms: each stands for 1.25 times its interval
    stages = pl.concat(
        [staged_rows(300, "copy"), staged_rows(100, "tcp_rx"), staged_rows(9, "copy").with_columns(pid=pl.lit(7))],
        how="vertical_relaxed",
    )
    scaled = scaled_to_clocks(stages, processes(0.5, 0.4), irq_time_apart=False)
    by_pid = dict(scaled.group_by("pid").agg(pl.col("weight_ns").sum()).iter_rows())
    assert by_pid == {1: 500_000_000, 7: 9_000_000}  # process 7 is not followed
    assert scaled.get_column("stage").to_list() == stages.get_column("stage").to_list()


def test_interrupts_are_not_scaled_where_the_clock_leaves_them_out():
    copied = staged_rows(400, "copy").with_columns(context=pl.lit("syscall"))
    stages = pl.concat([copied, staged_rows(100, "tcp_rx")])  # in a softirq that interrupted the same process
    scaled = scaled_to_clocks(stages, processes(0.5, 0.4), irq_time_apart=True)
    by_stage = dict(scaled.group_by("stage").agg(pl.col("weight_ns").sum()).iter_rows())
    assert by_stage == {"copy": 500_000_000, "tcp_rx": 100_000_000}


@pytest.mark.parametrize(("clock", "sampled"), [(1.0, 0.1), (0.1, 0.9), (0.015, 0.01)])
def test_a_sampler_that_is_more_than_biased_is_not_scaled(clock, sampled):
    scaled = scaled_to_clocks(staged_rows(100, "copy"), processes(clock, sampled), irq_time_apart=False)
    assert scaled.get_column("weight_ns").sum() == 100_000_000


def test_a_processs_clock_is_held_against_its_samples():
    clock = idle_counters(0, 0, 1_000_000_000).with_columns(
        source=pl.lit("process"), instance=pl.lit("1"), counter=pl.lit("cpu_ns"), value=pl.Series([0, 480_000_000])
    )
    table = process_shares(staged_rows(500, "copy"), clock, "chains")
    assert table.rows() == [(1, pytest.approx(0.48), pytest.approx(0.5))]


def test_without_counters_what_was_not_sampled_is_unsampled():
    table = account(staged_rows(500, "copy", weight_ns=2_000_000), None, None)
    assert set(table.get_column("stage")) == {"copy", "unsampled"}


def test_costs_are_time_over_packets_and_over_bytes():
    # 300 ms of copy for 1,000 packets of 1,000 bytes: 300 us a packet, 300 ns a byte
    table = stage_costs(staged_rows(300, "copy"), packets=1000, payload_bytes=1_000_000)
    row = table.row(0, named=True)
    assert row["ns_per_packet"] == pytest.approx(300_000)
    assert row["ns_per_byte"] == pytest.approx(300)
    assert row["low"] <= row["ns_per_packet"] <= row["high"]


def test_costs_without_packets_give_shares_and_no_invented_ratio():
    row = stage_costs(staged_rows(300, "copy")).row(0, named=True)
    assert row["ns_per_packet"] is None
    assert row["low"] <= row["cpu_share"] <= row["high"]
    assert stage_costs(staged_rows(3, "idle")).schema == pl.Schema(polars_schema(COSTS))


def test_a_lone_sample_without_any_interval_gives_no_nan():
    row = stage_costs(staged_rows(1, "copy", weight_ns=0)).row(0, named=True)
    assert (row["cpu_share"], row["low"], row["high"]) == (0.0, 0.0, 0.0)


def test_a_steadier_stage_has_a_narrower_interval():
    steady = staged_rows(400, "copy", weight_ns=2_000_000)
    burst = staged_rows(400, "tcp_rx", weight_ns=2_000_000).with_columns(pl.col("at_ns") // 10)
    table = stage_costs(pl.concat([steady, burst]), packets=1000)
    width = dict(table.select("stage", pl.col("high") - pl.col("low")).iter_rows())
    assert width["copy"] < width["tcp_rx"]


def test_stretches_hold_all_the_time():
    keys, by_stretch = seconds_by_stretch(pl.concat([staged_rows(123, "copy"), staged_rows(77, "gro", cpu=1)]))
    assert dict(zip(keys.get_column("stage"), by_stretch.sum(axis=0), strict=True)) == pytest.approx(
        {"copy": 0.123, "gro": 0.077}
    )


def test_the_timeline_has_every_group_in_every_bin_and_loses_no_time():
    stages = pl.concat([staged_rows(600, "copy"), staged_rows(30, "gro")])
    table = cpu_timeline(stages)
    assert table.height == 2 * BINS
    bin_s = (stages.get_column("ts_ns").max() // BINS) / 1e9
    assert table.get_column("share").sum() * bin_s == pytest.approx(0.63)


def test_a_flame_is_as_wide_as_its_samples_and_children_lie_within_parents():
    frames = flame(pl.concat([staged_rows(75, "copy"), staged_rows(25, "gro").with_columns(folded=pl.lit("a;c"))]))
    widths = {(row["depth"], row["name"]): row["end"] - row["start"] for row in frames.iter_rows(named=True)}
    assert widths == pytest.approx({(0, "iperf3"): 1.0, (1, "a"): 1.0, (2, "b"): 0.75, (2, "c"): 0.25})
    inner = frames.filter(pl.col("depth") == 2).sort("start")
    assert np.allclose(inner.get_column("start")[1:], inner.get_column("end")[:-1])

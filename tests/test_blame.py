"""Blame sums to the gap, whatever the shares."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cpu.test_accounts import account as account_of
from tests.cpu.test_accounts import idle_counters, staged_rows
from zcanalysis.blame import blame_by_share, limiting_cpu
from zcanalysis.goodput import Ceiling, Goodput

MODELLED = Ceiling(20.0, "modelled", "test", 0.0)


def goodput(gbps: float, relative_error: float | None = None) -> Goodput:
    return Goodput(gbps, relative_error, 0, None, 0, 1, "test")


def case(copy_ms: int, tcp_ms: int, idle_ms: int, sender_ms: int = 0):
    """One second of CPU 1."""
    parts = [("copy", copy_ms), ("tcp_rx", tcp_ms), ("sender", sender_ms)]
    stages = pl.concat([staged_rows(ms, stage, cpu=1) for stage, ms in parts if ms] or [staged_rows(1, "copy", cpu=1)])
    account = account_of(stages, idle_counters(1, idle_ms * 1_000_000, 1_000_000_000))
    return stages, account


def test_the_gap_is_divided_by_time_on_the_limiting_cpu():
    # copy 600 ms, tcp 300 ms, 100 ms unsampled, of a 10 Gbit/s gap; the sender's 0 ms are not blamed
    stages, account = case(600, 300, 0)
    limit = limiting_cpu(account)
    assert limit is not None
    lost = dict(
        blame_by_share(stages, account, limit, goodput(10.0), MODELLED).table.select("stage", "lost_gbps").iter_rows()
    )
    assert lost == pytest.approx({"framing": 0.0, "copy": 6.0, "tcp_rx": 3.0, "waiting": 0.0, "unexplained": 1.0})


@given(st.integers(60, 400), st.integers(0, 300), st.integers(0, 290), st.floats(0.1, 30), st.booleans())
def test_blame_sums_to_ceiling_less_goodput(copy_ms, tcp_ms, idle_ms, goodput_gbps, link):
    stages, account = case(copy_ms, tcp_ms, idle_ms, sender_ms=10)
    limit = limiting_cpu(account)
    assert limit is not None
    top = Ceiling(25.0, "link", "test", 1.5) if link else MODELLED
    table = blame_by_share(stages, account, limit, goodput(goodput_gbps), top).table
    assert math.fsum(table.get_column("lost_gbps")) == pytest.approx(max(top.gbps - goodput_gbps, 0.0), abs=1e-12)
    assert {"framing", "unexplained"} <= set(table.get_column("stage"))
    assert "sender" not in table.get_column("stage")
    assert (table.get_column("lost_gbps") >= -1e-12).all()


def test_time_that_samples_missed_is_unexplained():
    # 100 of 1,000 ms are neither sampled nor idle
    stages, account = case(700, 200, 0)
    limit = limiting_cpu(account)
    assert limit is not None
    table = blame_by_share(stages, account, limit, goodput(10.0), MODELLED).table
    lost = dict(table.select("stage", "lost_gbps").iter_rows())
    assert lost == pytest.approx({"framing": 0, "copy": 7.0, "tcp_rx": 2.0, "waiting": 0, "unexplained": 1.0})


def test_the_interval_holds_the_uncertainty_of_the_gap():
    stages, account = case(600, 300, 0)
    limit = limiting_cpu(account)
    assert limit is not None

    def width(error: float) -> float:
        table = blame_by_share(stages, account, limit, goodput(10.0, error), MODELLED).table
        return table.filter(pl.col("stage") == "copy").select(pl.col("high_gbps") - pl.col("low_gbps")).item()

    # 5 % of 10 Gbit/s either way is 0.5 of a gap of 10: the copy's 6 Gbit/s move by 0.3 either way
    assert width(0.05) == pytest.approx(width(0.0) + 0.6, rel=0.25)


def test_a_cpu_that_only_computes_is_not_the_limit():
    stages = pl.concat([staged_rows(1000, "foreign", cpu=0), staged_rows(970, "copy", cpu=1)])
    counters = pl.concat([idle_counters(0, 0, 1_000_000_000), idle_counters(1, 30_000_000, 1_000_000_000)])
    limit = limiting_cpu(account_of(stages, counters))
    assert limit is not None
    assert limit.cpu == 1
    assert limiting_cpu(account_of(staged_rows(1000, "foreign"), idle_counters(0, 0, 1_000_000_000))) is None


def test_samples_without_cpu_number_name_no_limit():
    assert limiting_cpu(account_of(staged_rows(900, "copy", cpu=-1), None, None)) is None


def test_the_limit_is_the_busiest_cpu_and_on_a_tie_the_one_that_receives():
    # CPU 0: 99 % busy sending; CPU 1: 98 % busy receiving -> within 3 points, the receiver's
    stages = pl.concat([staged_rows(990, "sender", cpu=0), staged_rows(980, "copy", cpu=1)])
    counters = pl.concat([idle_counters(0, 10_000_000, 1_000_000_000), idle_counters(1, 20_000_000, 1_000_000_000)])
    limit = limiting_cpu(account_of(stages, counters))
    assert limit is not None
    assert (limit.cpu, limit.saturated, limit.stages) == (1, True, ("copy",))


def test_an_idle_machine_is_not_called_saturated():
    stages, account = case(100, 100, 800)
    limit = limiting_cpu(account)
    assert limit is not None
    assert not limit.saturated
    assert limit.busy_share == pytest.approx(0.2)
    assert stages.height

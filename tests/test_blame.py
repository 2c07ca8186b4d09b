"""Blame sums to the gap, whatever the shares."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cpu.test_accounts import account as account_of
from tests.cpu.test_accounts import idle_counters, staged_rows
from zcanalysis.blame import blame_by_share, limiting_cpu
from zcanalysis.goodput import Ceiling

MODELLED = Ceiling(20.0, "modelled", "test", 0.0)


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
    lost = dict(blame_by_share(stages, account, limit, 10.0, MODELLED).select("stage", "lost_gbps").iter_rows())
    assert lost == pytest.approx({"framing": 0.0, "copy": 6.0, "tcp_rx": 3.0, "waiting": 0.0, "unexplained": 1.0})


@given(st.integers(1, 400), st.integers(0, 300), st.integers(0, 290), st.floats(0.1, 30), st.booleans())
def test_blame_sums_to_ceiling_less_goodput(copy_ms, tcp_ms, idle_ms, goodput_gbps, link):
    stages, account = case(copy_ms, tcp_ms, idle_ms, sender_ms=10)
    limit = limiting_cpu(account)
    assert limit is not None
    top = Ceiling(25.0, "link", "test", 1.5) if link else MODELLED
    table = blame_by_share(stages, account, limit, goodput_gbps, top)
    assert math.fsum(table.get_column("lost_gbps")) == pytest.approx(max(top.gbps - goodput_gbps, 0.0), abs=1e-12)
    assert {"framing", "unexplained"} <= set(table.get_column("stage"))
    assert "sender" not in table.get_column("stage")
    assert (table.get_column("lost_gbps") >= -1e-12).all()


def test_no_ceiling_no_blame():
    stages, account = case(500, 100, 100)
    limit = limiting_cpu(account)
    assert limit is not None
    assert blame_by_share(stages, account, limit, 10.0, Ceiling(None, None, "unknown", 0.0)).is_empty()


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

"""What a look costs is measured against its own undisturbed window."""

import os
from pathlib import Path

import polars as pl
import pytest

from zcanalysis.io.host_facts import HostFacts
from zcanalysis.io.recording import Recording
from zcanalysis.live import Look, Received, counting_plan, overhead_share, sampling_plan
from zcanalysis.tables import COUNTERS, polars_schema

SECOND_NS = 1_000_000_000


def looked(recorded: Received, own_cpu_ns: int = 0) -> Look:
    """10 s undisturbed at 1 GB/s."""
    rows = [
        (second * SECOND_NS, "counters", 0, source, instance, counter, value * second // 10)
        for second in (0, 10)
        for source, instance, counter, value in (
            ("netdev", "eth0", "rx_bytes", 10 * SECOND_NS), ("process", str(os.getpid()), "cpu_ns", own_cpu_ns),
        )
    ]  # fmt: skip
    counters = pl.DataFrame(rows, schema=polars_schema(COUNTERS), orient="row")
    host = HostFacts(device="eth0", cpus=4)
    return Look(Recording(name="look", path=Path(), host=host, counters=counters), recorded)


def test_what_is_missing_after_the_undisturbed_window_is_the_cost():
    # 2.5 s at 800 MB/s: 0.5 GB missing of 12.5
    assert overhead_share(looked(Received(12_500_000_000, 12 * SECOND_NS))) == pytest.approx(0.04)


def test_reading_the_counters_costs_its_part_of_the_machine():
    # 200 ms of CPU in 10 s, one of four CPUs; nothing is missing
    assert overhead_share(looked(Received(11 * SECOND_NS, 11 * SECOND_NS), 200_000_000)) == pytest.approx(0.005)


def test_a_faster_transfer_afterwards_is_no_negative_cost():
    assert overhead_share(looked(Received(11 * SECOND_NS, 13 * SECOND_NS))) == 0


def test_a_transfer_that_ended_meanwhile_cannot_be_compared():
    assert overhead_share(looked(Received(12 * SECOND_NS, 10 * SECOND_NS))) is None


def test_a_look_is_mostly_counters_and_makes_no_capture():
    for seconds in (3.0, 20.0, 600.0):
        plan = sampling_plan(seconds)
        assert sum(phase.seconds for phase in plan) == pytest.approx(0.6 * seconds, abs=0.02)
        assert {phase.probes for phase in plan} == {(), ("perf",)}
        assert sum(phase.seconds for phase in plan if phase.probes) <= 0.15 * seconds
    assert [phase.probes for phase in counting_plan(5)] == [()]

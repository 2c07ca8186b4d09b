"""What the audit says of CPUs that a hypervisor moves."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from zcanalysis.io.recording import read_recording
from zcanalysis.trust import audit

TRACE = Path(__file__).parent.parent / "traces" / "veth-1500"


def checked(trips_ns):
    recording = read_recording(TRACE)
    template = recording.counters.filter(pl.col("source") == "softnet").head(1)
    rows = [
        template.with_columns(
            source=pl.lit("distance"),
            instance=pl.lit("cpu0-cpu1"),
            counter=pl.lit("round_trip_ns"),
            value=pl.lit(trip, pl.Int64),
        )
        for trip in trips_ns
    ]
    recording = replace(recording, counters=pl.concat([recording.counters, *rows]))
    table = audit(recording)
    return table.filter(pl.col("check") == "CPUs' distance").rows(named=True)


@pytest.mark.parametrize(
    ("trips_ns", "verdict", "value"),
    [
        ([260, 250, 310], "ok", "250 to 310 ns"),
        ([260, 470, 260], "warn", "260 to 470 ns"),
        ([260], "ok", "260 to 260 ns"),
    ],
)
def test_cpus_that_were_moved_while_we_looked_are_said(trips_ns, verdict, value):
    (row,) = checked(trips_ns)
    assert (row["verdict"], row["value"]) == (verdict, value)
    assert ("moved" in row["why"]) == (verdict == "warn")


def test_a_recording_without_distances_says_nothing():
    assert checked([]) == []

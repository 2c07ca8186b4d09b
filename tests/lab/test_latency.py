"""Packets of a fresh transfer, followed to the reader: needs root, iproute2, ethtool, iperf3, tracefs."""

import polars as pl
import pytest

import zcanalysis as zc
from tests.lab.real import why_not
from zcanalysis.lab import LabOptions, run_scenario
from zcanalysis.recorder import Phase

PLAN = (Phase("counters", 0.3), Phase("packets", 0.1, ("packets",)))

pytestmark = [pytest.mark.root, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]


@pytest.mark.parametrize("scenario", ["mtu-1500", "gro", "no-rps"])
def test_nearly_all_bytes_that_a_fresh_transfer_received_are_joined(tmp_path, scenario):
    recording = zc.read_recording(run_scenario(scenario, tmp_path, LabOptions(plan=PLAN)))
    if any("tracepoints" in line or "tracefs" in line for line in recording.host.missing):
        pytest.skip(str(recording.host.missing))
    found = zc.latency(recording)
    # other transfers of this machine are traced too; ours is among those that matter
    busy = found.accounting.filter(pl.col("copied_bytes") > 1_000_000)
    assert busy.height
    if recording.host.lost["packet_events"]:
        assert any("events lost" in doubt for doubt in found.doubts)
        pytest.skip("the machine lost events")
    assert busy["joined_share"].min() >= 0.95
    assert (busy["received_bytes"] - busy["copied_bytes"]).abs().max() <= 1 << 22  # calls under way at either end
    received = recording.counters.filter(source="socket", counter="bytes_received", phase="packets")
    grown = received.group_by("instance").agg(pl.col("value").max() - pl.col("value").min())["value"].max()
    window = next(phase for phase in recording.host.phases if phase.name == "packets")
    segments = arrived_within(recording, window.from_ns, window.to_ns)
    assert segments >= 0.5 * grown


def arrived_within(recording, from_ns: int, to_ns: int) -> int:
    """Payload that TCP took in the window, by `tcp_probe`."""
    probes = recording.packet_events.filter(pl.col("event") == "tcp_probe", pl.col("ts_ns").is_between(from_ns, to_ns))
    length = probes.select(pl.col("payload").str.extract(r"data_len=(\d+)").cast(pl.Int64).sum()).collect().item()
    return int(length)

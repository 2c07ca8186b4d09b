"""One slow packet in the report: its figures are there where a host was calibrated, and say what the replay says."""

import json
from pathlib import Path

import pytest

from zcanalysis.answer import answered
from zcanalysis.io.recording import read_recording
from zcanalysis.journey_figures import PACKETS_REPLAYED, SLOW, journey_figures
from zcanalysis.journey_work import packet_at
from zcanalysis.journeys import replay

TRACES = Path(__file__).parent.parent / "traces"


def test_the_last_step_ends_when_the_packet_was_copied():
    answer = answered(read_recording(TRACES / "veth-1500"))
    way, path = journey_figures(answer)
    assert [way.key, path.key] == ["packet-way", "critical-path"]
    journeys = replay(answer.recording.packets.head(PACKETS_REPLAYED), answer.model.calibration.host)
    packet = journeys.row(packet_at(journeys, SLOW), named=True)
    rows = [row for rows in json.loads(way.spec)["datasets"].values() for row in rows]
    assert max(row["to_us"] for row in rows) == pytest.approx((packet["copy_copy_ns"] - packet["arrival_ns"]) / 1000)


@pytest.mark.parametrize("name", ["limits/loss.first.pcap.zst", "veth-no-rps", "whole-udp"])
def test_without_a_host_or_without_captured_data_there_is_no_such_figure(name):
    assert not list(journey_figures(answered(read_recording(TRACES / name))))

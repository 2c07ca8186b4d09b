"""The million packets are one connection that goes on, and say that they are generated."""

import polars as pl

import zcanalysis as zc
from tests.bench.long_recording import SOURCE, write_recording


def test_two_rounds_are_the_capture_twice_in_one_connection(tmp_path):
    once = zc.flows(zc.read_recording(SOURCE).packets.filter(pl.col("ip_version") == 4))
    place = tmp_path / "twice"
    assert write_recording(place, once["packets"].sum() + 1) == 2 * once["packets"].sum()
    twice = zc.read_recording(place)
    assert twice.name == "twice (generated)"
    assert "2 times over" in twice.host.generated
    found = zc.flows(twice.packets)
    for name in ("packets", "payload_bytes", "unique_bytes", "retransmitted_bytes"):
        assert found[name].to_list() == [2 * value for value in once[name]], name
    assert found["retransmitted_bytes"].sum() == 0
    assert twice.packets.select(pl.col("tsval").max() - pl.col("tsval").min()).collect().item() > 200  # ms: both rounds

"""A host from a shipped recording: time is conserved, intervals hold their value, and what is missing is said."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from zcanalysis.answer import answered, calibrate
from zcanalysis.cpu.kernel_stages import STAGES
from zcanalysis.errors import TraceError
from zcanalysis.io.recording import read_recording
from zcanalysis.model_trust import model_audit
from zcanalysis.prices.charges import charged
from zcanalysis.prices.settings import shape_of
from zcanalysis.prices.uses import uses
from zcanalysis.tables import PRICES


@pytest.fixture
def calibration(shipped_answer):
    return shipped_answer.model.calibration


def test_prices_times_uses_are_the_cpu_time_that_was_charged(shipped_answer, calibration):
    seen = shipped_answer.evidence
    spent = charged(seen.stages).filter(pl.col("charge").is_not_null()).get_column("weight_ns").sum()
    assert sum(calibration.spent_ns.values()) == pytest.approx(spent, rel=0.03)
    counted = uses(seen, shape_of(seen), calibration.host.places.reader_cpu)
    for row in calibration.prices.filter(pl.col("origin") == "measured", pl.col("per").is_not_null()).to_dicts():
        assert row["uses_per_s"] == pytest.approx(counted.total(row["per"]) / counted.seconds.sum())


def test_every_price_lies_within_its_interval_and_says_where_it_is_from(calibration):
    table = calibration.prices
    assert list(table.columns) == list(PRICES)
    assert table.filter((pl.col("low") > pl.col("value")) | (pl.col("value") > pl.col("high"))).is_empty()
    assert set(table.get_column("origin")) == {"measured", "assumed"}
    assert table.get_column("source").str.len_chars().min() > 0
    assert dict(table.select("price", "value").iter_rows()) == {
        name: price.value for name, price in calibration.host.prices().items()
    }


def test_the_parts_of_a_price_are_stages_and_sum_to_it(calibration):
    for name, parts in calibration.parts.items():
        assert set(parts) <= set(STAGES), name
        assert sum(parts.values()) == pytest.approx(1.0)


def test_drawn_hosts_scatter_around_the_host_as_their_intervals_say(calibration):
    hosts = calibration.hosts(200)
    for name in ("ip.skb_ns", "copy.ns_per_byte"):
        price = calibration.host.prices()[name]
        drawn = np.array([host.prices()[name].value for host in hosts])
        assert 0.75 <= np.mean((drawn >= price.low) & (drawn <= price.high)) <= 1
        assert np.median(drawn) == pytest.approx(price.value, rel=0.1)


def test_the_reader_and_the_sender_are_where_the_lab_put_them(calibration):
    places = calibration.host.places
    assert (places.sender_cpu, places.protocol_cpu, places.reader_cpu, places.driver_cpu) == (0, 1, 1, None)


def test_the_replay_without_patches_comes_near_the_measured_goodput(shipped_answer):
    # within a factor of two on any machine the traces are made on; the audit says how near
    assert 0.5 < shipped_answer.model.fit < 2
    assert "replay without patches" in shipped_answer.audit.get_column("check").to_list()


def test_an_audit_without_a_host_has_no_rows():
    assert model_audit("no samples").is_empty()


def test_without_samples_or_counters_no_host_is_calibrated_and_the_reason_is_one_line(shipped_answer):
    recording = shipped_answer.recording
    for missing in ({"samples": None}, {"counters": None}):
        with pytest.raises(TraceError) as caught:
            calibrate(replace(recording, **missing))
        assert "\n" not in str(caught.value)
        assert str(recording.path) in str(caught.value)


@pytest.mark.parametrize("name", ["veth-9000", "veth-gro", "veth-no-rps", "veth-small-buffer", "veth-cpu-hog"])
def test_every_shipped_recording_gives_a_host_that_can_be_replayed(name, shipped_answer):
    answer = answered(read_recording(shipped_answer.recording.path.parent / name))
    assert answer.no_model is None
    assert answer.model.before.gbps.min() > 0
    assert answer.model.before.path_ns.sum(axis=1).tolist() == answer.model.before.elapsed_ns.tolist()

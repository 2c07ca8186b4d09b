"""Which price the goodput hangs on, and what saving part of a stage gives: laws, and a host made by hand."""

from pathlib import Path

import pytest

from zcanalysis.answer import answered, model_of
from zcanalysis.hosts import Price
from zcanalysis.io.recording import read_recording
from zcanalysis.modelled import Basis
from zcanalysis.sensitivity import fixable_stages, speedup_curve, tornado
from zcanalysis.tables import SPEEDUP, TORNADO
from zcanalysis.transfers import transfers

TRACES = Path(__file__).parent.parent / "traces"


@pytest.fixture(scope="module")
def start() -> Basis:
    return model_of(answered(read_recording(TRACES / "veth-1500")))


def test_each_uncertain_price_is_replayed_at_both_bounds(start):
    table = tornado(start)
    assert table.schema == {name: column.dtype for name, column in TORNADO.items()}
    unsure = {name for name, price in start.hosts[0].prices().items() if price.low < price.high}
    assert set(table.get_column("price")) == unsure
    assert table.get_column("swing_gbps").to_list() == sorted(table.get_column("swing_gbps"), reverse=True)
    row = table.row(0, named=True)
    alone = transfers([start.hosts[0].with_price(row["price"], row["high"])]).gbps[0] / start.fit
    assert row["at_high_gbps"] == pytest.approx(alone)
    ends = (row["at_low_gbps"], row["at_high_gbps"], start.goodput.gbps)
    assert row["swing_gbps"] == pytest.approx(max(ends) - min(ends))


def test_a_price_that_nothing_pays_swings_nothing(start):
    # the device checks checksums, so that no pass over the payload is paid, whatever it would cost
    assert start.hosts[0].nic.hardware_checksum == "verified"
    table = {row["price"]: row["swing_gbps"] for row in tornado(start).iter_rows(named=True)}
    assert table["checksum.ns_per_byte"] == pytest.approx(0, abs=1e-12)


def test_a_host_whose_prices_are_all_sure_has_an_empty_tornado(start):
    host = start.hosts[0]
    sure = host.with_prices(
        {name: Price(one.value, one.value, one.value, one.origin) for name, one in host.prices().items()}
    )
    assert tornado(start._replace(hosts=(sure,))).is_empty()


def test_a_curve_starts_at_the_goodput_and_ends_at_the_gain_of_fixing_alone(start):
    stage = fixable_stages(start)[0]
    table = speedup_curve(start, stage, "copy")
    assert table.schema == {name: column.dtype for name, column in SPEEDUP.items()}
    for name in (stage, "copy"):
        curve = table.filter(stage=name)
        assert curve.get_column("percent").to_list() == list(range(0, 101, 10))
        assert curve.item(0, "gbps") == pytest.approx(start.goodput.gbps)
    blame = answered(read_recording(TRACES / "veth-1500")).blame
    alone = blame.filter(stage="copy").item(0, "gain_alone_gbps")
    assert table.filter(stage="copy").item(-1, "gbps") == pytest.approx(start.goodput.gbps + alone)


def test_a_stage_without_a_price_is_refused_with_those_there_are(start):
    with pytest.raises(ValueError, match=r"no price of this host is the work of 'framing'; there are .*copy"):
        speedup_curve(start, "framing")
    assert speedup_curve(start).is_empty()

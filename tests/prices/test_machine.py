"""Prices of a machine take the place of assumptions, never of what a recording measured."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tests.prices.machines import CPU, KERNEL, machine, price
from zcanalysis import patches
from zcanalysis.answer import answered
from zcanalysis.errors import TraceError
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.patched import Known, patched
from zcanalysis.prices.machine import calibrated_names, require_same_machine, with_calibrated
from zcanalysis.prices.settings import ASSUMED
from zcanalysis.tables import PRICES
from zcanalysis.whatif import predict, predict_document, what_if

IDLE = price("interrupt.idle_ns", 10_000.0, low=9_000.0, high=12_000.0)


@pytest.fixture
def calibration(shipped_answer):
    return shipped_answer.model.calibration


def test_what_was_assumed_is_replaced_and_what_was_measured_stays(calibration):
    made = with_calibrated(calibration, machine(IDLE, price("ip.skb_ns", 1.0), price("interrupt.send_ns", 1.0)))
    assert calibrated_names(made.host) == ("interrupt.idle_ns",)
    before, after = calibration.host.prices(), made.host.prices()
    assert {name for name in after if after[name] != before[name]} == {"interrupt.idle_ns"}
    assert after["interrupt.idle_ns"] == IDLE.price


def test_the_table_of_prices_says_what_was_replaced(calibration):
    made = with_calibrated(calibration, machine(IDLE))
    assert list(made.prices.columns) == list(PRICES)
    assert made.prices.get_column("price").to_list() == calibration.prices.get_column("price").to_list()
    (row,) = made.prices.filter(pl.col("origin") == "calibrated").to_dicts()
    assert (row["price"], row["value"], row["high"], row["per"]) == ("interrupt.idle_ns", 10_000.0, 12_000.0, None)
    assert row["source"] == "interrupt.idle_ns of a test"


def test_replaced_prices_are_drawn_from_their_intervals_beside_the_others(calibration):
    made = with_calibrated(calibration, machine(IDLE))
    drawn = np.array([host.prices()["interrupt.idle_ns"].value for host in made.hosts(400)])
    assert len(drawn) == 400
    assert np.median(drawn) == pytest.approx(10_000, rel=0.02)
    assert np.quantile(drawn, [0.05, 0.95]) == pytest.approx([9_000, 12_000], rel=0.05)
    same = [one.hosts(5)[4].prices()["ip.skb_ns"].value for one in (calibration, made)]
    assert same[0] == same[1]


def test_a_host_without_drawn_prices_gets_some(calibration):
    bare = replace(calibration, draws=np.zeros((0, 0)), drawn=())
    assert (
        len({host.prices()["interrupt.idle_ns"].value for host in with_calibrated(bare, machine(IDLE)).hosts(9)}) == 9
    )


def test_nothing_to_replace_changes_nothing(calibration):
    assert with_calibrated(calibration, machine(price("ip.skb_ns", 1.0))) is calibration


def test_of_several_mtus_the_nearest_is_taken():
    made = machine(price("gro.packet_ns", 100.0, 1500), price("gro.packet_ns", 300.0, 9000), IDLE)
    found = [made.price("gro.packet_ns", mtu).value for mtu in (576, 1500, 5000, 6000, 65_535)]
    assert found == [100.0, 100.0, 100.0, 300.0, 300.0]
    assert made.price("interrupt.idle_ns", 4000).value == 10_000.0
    assert made.price("checksum.ns_per_byte", 1500) is None


@pytest.mark.parametrize(
    ("host", "says"),
    [
        (HostFacts(kernel="6.1.0", cpu_model=CPU), "of kernel '6.18.44-fc-v669', the recording of '6.1.0'"),
        (HostFacts(kernel=KERNEL, cpu_model="Xeon"), "of CPU 'AMD EPYC', the recording of 'Xeon'"),
        (HostFacts(kernel=KERNEL), "does not say its CPU"),
        (HostFacts(cpu_model=CPU), "does not say its kernel"),
    ],
)
def test_another_machines_prices_are_refused(host, says):
    with pytest.raises(TraceError, match=says):
        require_same_machine(machine(), host)


def test_software_checksums_cost_what_they_do_on_this_machine(calibration):
    known = Known({}, 0)
    off = patches.hw_checksum(False)
    made = with_calibrated(calibration, machine(price("checksum.ns_per_byte", 0.06, 1500)))
    assert patched(made.host, [off], known).checksum.ns_per_byte.value == 0.06
    assert patched(calibration.host, [off], known).checksum.ns_per_byte == ASSUMED["checksum.ns_per_byte"]


def test_predictions_with_calibrated_prices_say_so(shipped_answer):
    recording = shipped_answer.recording
    dear = machine(price("gro.packet_ns", 2000.0, 1500), IDLE)
    answer = answered(recording, machine=dear)
    document = predict_document(answer, [patches.gro(True)])
    assert (document["tier"], document["confidence"]) == ("calibrated", 0.9)
    without = predict(shipped_answer, [patches.gro(True)])
    assert without.tier == "recording"
    assert document["predicted_gbps"] < 0.7 * without.gbps  # a packet takes 2 us longer than was assumed
    table = what_if(recording, [patches.gro(True)], machine=dear)
    assert table.row(0, named=True)["predicted_gbps"] == document["predicted_gbps"]
    assert table.row(0, named=True)["tier"] == "calibrated"


def test_a_machine_without_a_recording_is_refused(shipped_answer):
    with pytest.raises(ValueError, match="goes with a recording"):
        what_if(shipped_answer, [patches.gro(True)], machine=machine())
    with pytest.raises(TraceError, match="of CPU"):
        answered(shipped_answer.recording, machine=machine(cpu_model="another"))

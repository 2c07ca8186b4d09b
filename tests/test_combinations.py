"""Combinations of changes for a page without a kernel: the same figures as a prediction asked for, and bounded."""

from itertools import product

import pytest

import zcanalysis as zc
from tests.conftest import TRACES
from zcanalysis import combinations
from zcanalysis.answer import answered
from zcanalysis.combinations import Control, combined_changes
from zcanalysis.io.recording import read_recording
from zcanalysis.patches import parse_patch
from zcanalysis.tables import COMBINATIONS

SAME = ("predicted_gbps", "low_gbps", "high_gbps")


@pytest.fixture(scope="module")
def combined(shipped_answer):
    return combined_changes(shipped_answer)


@pytest.fixture(scope="module")
def small_buffer():
    return combined_changes(answered(read_recording(TRACES / "veth-small-buffer")))


def test_the_controls_are_the_changes_that_can_act_on_this_host(combined):
    assert combined.controls == (
        Control("MTU (bytes)", ("", "mtu=3000", "mtu=9000"), ("as recorded (1500)", "3000", "9000")),
        Control("GRO", ("", "gro=on"), ("as recorded", "on")),
        Control("RPS", ("", "rps=off"), ("as recorded", "off")),
        Control("reader and softirqs", ("", "cpu=split"), ("as recorded", "on two CPUs")),
    )


def test_there_is_one_row_for_every_combination(combined):
    assert combined.table.schema == {name: column.dtype for name, column in COMBINATIONS.items()}
    keys = ["|".join(chosen) for chosen in product(*(control.options for control in combined.controls))]
    assert combined.table["key"].to_list() == keys


def test_every_row_says_what_what_if_says(combined, shipped_answer):
    groups = [tuple(map(parse_patch, filter(None, key.split("|")))) for key in combined.table["key"]]
    asked = zc.what_if(shipped_answer, groups)
    assert combined.table["patch"].to_list() == asked["patch"].to_list()
    for name in SAME:
        assert combined.table[name].to_list() == asked[name].to_list()
    predicted = asked["predicted_gbps"].is_not_null() & (asked["patch"] != "no patch")
    assert combined.table.filter(predicted)["limit_after"].to_list() == asked.filter(predicted)["limit_after"].to_list()


def test_the_first_row_is_the_host_as_recorded(combined, shipped_answer, small_buffer):
    first = combined.table.row(0, named=True)
    assert first["predicted_gbps"] == shipped_answer.goodput_gbps
    assert (first["limit_after"], first["change"]) == ("CPU 1", "as recorded")
    assert small_buffer.table["limit_after"][0] == "the receive buffer"


def test_words_have_unit_interval_and_what_they_are_held_against(combined):
    says = {row["patch"]: (row["says"], row["change"]) for row in combined.table.iter_rows(named=True)}
    assert says["mtu=9000"][0].startswith("30 Gbit/s (25-36), 90%")
    assert says["mtu=9000"][1] == "2.87 times the goodput as recorded, +19.7 Gbit/s"
    assert says["rps=off"][1].endswith("; no change is inside the interval")
    assert says["rps=off + cpu=split"] == ("no prediction", "the recording does not say which CPU takes the packets")


def test_a_small_receive_buffer_can_be_widened(small_buffer):
    controls = {control.title: control.labels for control in small_buffer.controls}
    assert controls["receive buffer"] == ("as recorded", "32 MiB")


def test_the_bound_leaves_out_what_matters_least(monkeypatch, shipped_answer):
    monkeypatch.setattr(combinations, "MOST_COMBINATIONS", 4)
    few = combined_changes(shipped_answer)
    assert [control.options for control in few.controls] == [("", "mtu=9000"), ("", "gro=on")]
    assert few.table.height == 4
    monkeypatch.setattr(combinations, "MOST_COMBINATIONS", 1)
    assert combined_changes(shipped_answer).table.is_empty()


def test_without_a_calibrated_host_nothing_is_combined():
    none = combined_changes(answered(read_recording(TRACES / "limits/loss.first.pcap.zst")))
    assert none.controls == ()
    assert none.table.is_empty()

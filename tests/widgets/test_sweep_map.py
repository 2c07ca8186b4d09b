"""The sweep map without a browser."""

from html import escape
from pathlib import Path

import pytest

import zcanalysis as zc
from zcanalysis.answer import answered
from zcanalysis.errors import PatchError
from zcanalysis.patches import parse_patch
from zcanalysis.whatif import predict

TRACES = Path(__file__).parents[2] / "traces"
VALUES = {"mtu": [1500, 3000, 9000], "rcvbuf": [4000000, 8000000]}


@pytest.fixture(scope="module")
def answer():
    return answered(zc.read_recording(TRACES / "veth-1500"))


@pytest.fixture
def sweep_map(answer):
    return zc.widgets.sweep_map(answer, VALUES)


def drawn(sweep_map):
    return {row["patch"]: row["gbps"] for rows in sweep_map.chart.tables.values() for row in rows}


def test_every_cell_is_what_sweep_gives(sweep_map, answer):
    table = zc.sweep(answer, VALUES)
    assert sweep_map.swept.equals(table)
    assert drawn(sweep_map) == dict(table.filter("applies").select("patch", "predicted_gbps").rows())
    assert len(drawn(sweep_map)) == 6


def test_a_click_tells_the_prediction_its_interval_and_the_command(sweep_map, answer):
    sweep_map.chart.selected = {"cell": {"patch": ["mtu=3000 + rcvbuf=8000000"]}}
    expected = predict(answer, [parse_patch("mtu=3000"), parse_patch("rcvbuf=8000000")])
    assert sweep_map.prediction == expected
    assert f"{expected.gbps:.0f} Gbit/s ({expected.low_gbps:.0f}-{expected.high_gbps:.0f}) predicted" in said(sweep_map)
    assert f"<code>{escape(expected.command)}</code>" in said(sweep_map)
    assert f"<code>{escape(expected.undo)}</code>" in said(sweep_map)
    assert [slider.value for slider in sweep_map._sliders] == ["mtu=3000", "rcvbuf=8000000"]


def test_the_sliders_choose_a_cell_too(sweep_map):
    sweep_map._sliders[0].value = "mtu=1500"
    assert sweep_map.cell.startswith("mtu=1500 + rcvbuf=")
    assert sweep_map.prediction.name == sweep_map.cell


def test_it_opens_at_the_best_cell(sweep_map):
    best = max(drawn(sweep_map).values())
    assert drawn(sweep_map)[sweep_map.cell] == best == sweep_map.prediction.gbps
    assert f"to {best:.3g} Gbit/s ({sweep_map.cell})" in sweep_map._says.value


def test_other_values_are_swept_when_asked(sweep_map, answer):
    sweep_map._texts[0].value = "mtu=1500,9000"
    assert len(drawn(sweep_map)) == 6
    sweep_map._sweep.click()
    assert len(drawn(sweep_map)) == 4
    assert sweep_map.across == "mtu=1500,9000"
    assert sweep_map._sliders[0].options == ("mtu=1500", "mtu=9000")


def test_what_cannot_be_swept_is_one_line_and_changes_nothing(sweep_map):
    before = sweep_map.swept
    sweep_map._texts[1].value = "no<b>patch=1"
    sweep_map._sweep.click()
    assert 'role="alert"' in sweep_map._trouble.value
    assert "<b>" not in sweep_map._trouble.value
    assert sweep_map.swept is before
    sweep_map._texts[1].value = "rcvbuf=4000000"
    sweep_map._sweep.click()
    assert sweep_map._trouble.value == ""


def test_a_combination_that_cannot_act_has_no_number_and_says_why(answer):
    sweep_map = zc.widgets.sweep_map(answer, {"mtu": [3000], "coalesce-us": [0, 50]})
    assert set(drawn(sweep_map).values()) == {None}
    assert "None of the 2 combinations can act here" in sweep_map._says.value
    assert "no prediction" in sweep_map._cell.value


def test_two_patches_are_needed(answer):
    with pytest.raises(ValueError, match="two patches, got 1"):
        zc.widgets.sweep_map(answer, {"mtu": [1500]})
    with pytest.raises(PatchError, match="nothing"):
        zc.widgets.sweep_map(answer, {"nothing": [1], "mtu": [1500]})


def said(sweep_map):
    return sweep_map._cell.value

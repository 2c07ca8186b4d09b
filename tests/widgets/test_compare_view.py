"""The compare view without a browser."""

from pathlib import Path

import polars as pl
import pytest

import zcanalysis as zc
from zcanalysis.answer import answered

TRACES = Path(__file__).parents[2] / "traces"


@pytest.fixture(scope="module")
def sides():
    return [answered(zc.read_recording(TRACES / name)) for name in ("veth-gro", "veth-1500")]


@pytest.fixture
def view(sides):
    return zc.widgets.compare_view(*sides)


def drawn(view):
    """At which value each dot stands, by row; costs before blame, which has the same stages."""
    rows = [row for rows in view.chart.tables.values() for row in rows if row.get("of") in ("now", "before")]
    rows = [row for row in rows if row["unit"] != "Gbit/s" or row["name"] == "goodput"]
    return {(row["name"], row["of"]): row["at"] for row in rows}


def test_it_draws_and_lists_what_compare_gives(view, sides):
    table = zc.compare([sides[0]], [sides[1]])
    assert view.comparison.table.equals(table)
    assert drawn(view)["goodput", "now"] == sides[0].goodput_gbps
    assert drawn(view)["goodput", "before"] == sides[1].goodput_gbps
    row = table.row(by_predicate=(pl.col("quantity") == "wakeup_sched") & (pl.col("of") == "cost"), named=True)
    assert drawn(view)["wake-ups and scheduler", "now"] == row["value"]
    assert "<td>wake-ups and scheduler</td>" in view._table.value


def test_it_says_that_one_run_tells_nothing_of_the_next(view):
    said = " ".join(view.says)
    assert said.startswith("Now: veth-gro. Before: veth-1500.")
    assert "between-run variance unknown" in said
    assert "no more than chance makes" in said
    assert "between-run variance unknown" in view.children[0].value


def test_one_kind_can_be_shown_alone(view):
    view._pick.value = "cost"
    assert set(view.shown["of"]) == {"cost"}
    assert ("goodput", "now") not in drawn(view)
    assert view.chart.revision == 2


def test_what_chance_makes_can_be_left_out(view):
    view.only_changed = True
    assert view._only.value is True
    assert view.shown.equals(view.comparison.changed)
    assert 0 < view.shown.height < view.comparison.table.height


def test_where_nothing_is_left_words_stand_in_for_the_picture(view):
    view.only_changed, view.kind = True, "goodput"
    assert view.shown.is_empty()
    assert view.chart.layout.display == "none"
    assert "nothing of this kind changed" in view._empty.value
    view.only_changed = False
    assert view.chart.layout.display is None
    assert view._empty.value == ""


def test_sets_of_recordings_are_compared_too(sides):
    view = zc.widgets.compare_view(sides, [sides[1], sides[0]])
    assert view.comparison.names == (("veth-gro", "veth-1500"), ("veth-1500", "veth-gro"))
    assert not view.comparison.table["changed"].any()


def test_a_recordings_name_is_text():
    recording = zc.read_recording(TRACES / "limits" / "loss.first.pcap.zst")
    named = answered(type(recording)(name="<b>x</b>", path=recording.path, packets=recording.packets))
    view = zc.widgets.compare_view(named, named)
    assert "&lt;b&gt;x" in view.children[0].value
    assert "<b>" not in view.children[0].value
    assert view.flame is None
    assert "no CPU samples were recorded" in view.children[-2].value


def test_the_flame_is_that_of_the_same_sets(sides):
    view = zc.widgets.compare_view(sides, [sides[1]])
    frames = zc.compare_flames(sides, [sides[1]])
    drawn = next(iter(view.flame.tables.values()))
    assert [row["name"] for row in drawn] == frames["name"].to_list()
    assert [row["after"] for row in drawn] == pytest.approx(frames["after"].to_list(), abs=1e-4)
    first = view.comparison.functions.row(0, named=True)
    assert f"<td>{first['quantity']}</td>" in view.children[-1].value
    assert "samples of the receive path before" in view.children[-1].value

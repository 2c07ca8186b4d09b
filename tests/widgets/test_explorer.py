"""The explorer without a browser: controls are moved by their traits, and what it shows equals the library."""

import asyncio
import gc
import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path

import ipywidgets
import polars as pl
import pytest
from ipywidgets.widgets.widget import _instances

from zcanalysis.answer import answered, gbps_text
from zcanalysis.errors import TraceError
from zcanalysis.exploring import subject_of
from zcanalysis.hosts import preset
from zcanalysis.io.recording import read_recording
from zcanalysis.measured_change import Measured
from zcanalysis.patches import CATALOGUE, parse_patch
from zcanalysis.scenarios import Scenario, read_scenarios
from zcanalysis.whatif import what_if
from zcanalysis.widgets import explorer
from zcanalysis.widgets.best_changes import UNSURE, gain_html
from zcanalysis.widgets.explorer_panes import LADDER, TIME
from zcanalysis.widgets.explorer_widget import OLD, OLD_HOST, PRICES, RECORDED
from zcanalysis.widgets.explorer_words import connection_html, doubt, figures_html, is_outside

TRACES = Path(__file__).parents[2] / "traces"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def answer():
    return answered(read_recording(TRACES / "veth-1500"))


@pytest.fixture(scope="module")
def opened(answer):
    made = explorer(answer)
    yield made
    made.close()


@pytest.fixture
def shown(opened):
    """As just opened."""
    opened.scenarios.kept = []
    opened.panes.tab.selected_index = TIME
    if opened.generation.value == OLD:
        opened.generation.value = RECORDED
    opened._ask_of(opened._recorded)
    return opened


def move(shown, name, value):
    """As a user does it."""
    shown.patch_controls.rows[name].control.value = value


def words(answer, patches, prices=None):
    row = what_if(answer, [[parse_patch(text) for text in patches]], prices=prices).row(0, named=True)
    return gbps_text(row["predicted_gbps"], row["low_gbps"], row["high_gbps"])


def html_of(widget):
    """All HTML that it shows."""
    own = [widget.value] if isinstance(widget, ipywidgets.HTML) else []
    return own + [text for child in getattr(widget, "children", ()) for text in html_of(child)]


def buttons(widget):
    """All buttons that it shows."""
    own = [widget] if isinstance(widget, ipywidgets.Button) else []
    return own + [button for child in getattr(widget, "children", ()) for button in buttons(child)]


def test_it_opens_with_what_was_recorded(shown, answer):
    assert gbps_text(answer.goodput_gbps, answer.low_gbps, answer.high_gbps) in shown.panes.words.text
    assert "The limit is CPU 1" in shown.panes.words.text
    assert "CPU 1 is the limit" in shown.about.value
    assert shown.undo.disabled
    assert shown.redo.disabled
    best = shown.best.rows[0]
    assert best["patch"] == "mtu=9000"
    assert gbps_text(best["predicted_gbps"], best["low_gbps"], best["high_gbps"]) in "".join(html_of(shown.best.box))
    assert best["command"] in shown.best.table.value
    assert best["why"] in unescape(shown.best.table.value)


def test_what_would_help_is_tried_by_its_button_and_says_what_may_give_nothing(shown):
    first = buttons(shown.best.box)[0]
    assert first.description == "Try mtu=9000"
    first.click()
    assert [str(patch) for patch in shown.scenario.patches] == ["mtu=9000"]
    row = shown.best.rows[0]
    assert UNSURE not in gain_html(row, row["low_gbps"] - 0.1)
    assert UNSURE in gain_html(row, row["low_gbps"])


def test_each_group_of_changes_is_shown_when_it_is_chosen(shown):
    names = [name for name, _ in shown.groups.options]
    assert len(names) == len(shown.controls.children) == len(shown.patch_controls.groups) + 1
    assert names[-1].startswith(PRICES)
    for at, rows in enumerate(shown.patch_controls.groups.values()):
        shown.groups.value = at
        assert shown.controls.selected_index == at
        assert {row.box for row in rows} == set(shown.controls.children[at].children)
    shown.groups.value = len(names) - 1
    prices = [row.box for row in shown.price_controls.rows.values()]
    assert list(shown.controls.children[shown.controls.selected_index].children) == prices


def test_a_moved_slider_and_a_ticked_box_show_what_what_if_says(shown, answer):
    move(shown, "mtu", "mtu=9000")
    assert words(answer, ["mtu=9000"]) in shown.panes.words.text
    assert words(answer, ["mtu=9000"]) in shown.panes.figures.value
    move(shown, "gro", True)
    assert words(answer, ["mtu=9000", "gro=on"]) in shown.panes.words.text
    assert shown.found.exact
    rows = {row["name"]: row for row in shown.panes.outcomes.tables["table_0"]}
    assert rows["with the changes"]["gbps"] == what_if(answer, [shown.scenario.patches]).item(0, "predicted_gbps")


def test_a_price_within_and_beyond_its_interval(shown, answer):
    row = shown.price_controls.rows["tcp.skb_ns"]
    assert row.slider.max > 2 * row.price.high
    row.slider.value = row.price.high
    assert "within the 90 % interval" in unescape(row.note.value)
    row.slider.value = 2.5 * row.price.high
    assert "outside the 90 % interval" in unescape(row.note.value)
    assert words(answer, [], {"tcp.skb_ns": 2.5 * row.price.high}) in shown.panes.words.text
    shown.reset.click()
    assert shown.scenario.prices == {}
    assert "as it is" in row.note.value


def test_what_cannot_act_is_greyed_with_its_reason(shown):
    row = shown.patch_controls.rows["zero-copy-rx"]
    assert row.control.disabled
    assert "not in whole pages" in row.box.children[1].value
    assert not shown.patch_controls.rows["mtu"].control.disabled
    every = {row.name.partition(":")[0] for row in shown.patch_controls.rows.values()}
    assert every == set(CATALOGUE)
    assert all(row.reason for row in shown.patch_controls.rows.values() if row.control.disabled)


def test_the_measured_point_of_another_recording_is_named(shown):
    move(shown, "mtu", "mtu=9000")
    assert "(veth-9000)" in shown.panes.words.text
    assert shown.panes.words.doubt in shown.panes.words.text
    assert "(veth-9000), outside the prediction: " in shown.panes.words.doubt
    assert "the two CPUs were was not recorded" in shown.panes.words.doubt
    assert "measured: veth-9000" in [row["name"] for row in shown.panes.outcomes.tables["table_0"]]
    move(shown, "mtu", "mtu=6000")
    assert "Measured in the lab" not in shown.panes.words.text
    assert shown.panes.words.doubt == ""


def test_a_measurement_within_the_prediction_is_no_warning(shown):
    move(shown, "mtu", "mtu=9000")
    gbps, low, high = shown.found.rate
    for point, outside in {
        (gbps, None, None): False, (low - 1, low - 2, low + 0.1): False, (high + 1, high - 0.1, None): False,
        (high + 1, None, None): True, (low - 1, low - 2, low - 0.1): True, (high + 2, high + 1, high + 3): True,
    }.items():  # fmt: skip
        assert is_outside(shown.found, Measured(*point, "x")) == outside
    apart = doubt(shown.subject, shown.found, [Measured(1.0, None, None, "x", "its CPUs were 2.0 times as far apart")])
    assert apart.endswith("; its CPUs were 2.0 times as far apart.")


def test_undo_and_redo_go_through_every_step(shown):
    move(shown, "mtu", "mtu=9000")
    move(shown, "gro", True)
    shown.price_controls.rows["tcp.skb_ns"].slider.value = 1.0
    asked = shown.scenario
    for expected in (["mtu=9000", "gro=on"], ["mtu=9000"], []):
        shown.undo.click()
        assert [str(patch) for patch in shown.scenario.patches] == expected
        assert shown.scenario.prices == {}
    assert shown.undo.disabled
    for _ in range(3):
        shown.redo.click()
    assert shown.scenario == asked
    assert shown.redo.disabled
    shown.undo.click()
    move(shown, "gro", False)
    assert shown.redo.disabled


def test_what_the_page_rounds_to_its_steps_is_no_change(shown):
    row = shown.price_controls.rows["tcp.skb_ns"]
    row.slider.value = row.price.value + 0.4 * row.slider.step
    assert shown.scenario.prices == {}
    assert shown.undo.disabled
    shown.show_scenario(Scenario(name="exact", prices={"tcp.skb_ns": 123.456}))
    row.slider.value = 123.456 - 0.4 * row.slider.step
    assert shown.scenario.prices == {"tcp.skb_ns": 123.456}
    row.slider.value = row.price.value + 0.3 * row.slider.step
    assert shown.scenario.prices == {}


def test_one_move_of_a_slider_is_one_step(shown):
    for value in ("mtu=2000", "mtu=3000", "mtu=9000"):
        move(shown, "mtu", value)
    shown.undo.click()
    assert shown.scenario.patches == ()


def test_scenarios_are_kept_compared_saved_loaded_and_deleted(shown, answer, tmp_path):
    kept = shown.scenarios
    move(shown, "mtu", "mtu=9000")
    kept.name.value = HOSTILE
    kept.keep.click()
    move(shown, "gro", True)
    kept.keep.click()
    assert [one.scenario.name for one in kept.kept] == [HOSTILE, "mtu=9000 + gro=on"]
    assert HOSTILE not in kept.table.value
    assert HOSTILE in unescape(kept.table.value)
    assert words(answer, ["mtu=9000"]) in kept.table.value
    assert [row["kind"] for row in shown.panes.outcomes.tables["table_0"]] == [
        "as it is", "with the changes", "kept", "kept",
    ]  # fmt: skip
    kept.file.value = str(tmp_path / "mine.toml")
    kept.save.click()
    before = [one.scenario for one in kept.kept]
    assert list(read_scenarios(tmp_path / "mine.toml")) == before
    kept.chosen.value = 0
    kept.delete.click()
    assert len(kept.kept) == 1
    kept.load.click()
    assert [one.scenario for one in kept.kept][1:] == before
    kept.chosen.value = 1
    kept.shown.click()
    assert [str(patch) for patch in shown.scenario.patches] == ["mtu=9000"]
    assert words(answer, ["mtu=9000"]) in shown.panes.words.text


def test_files_that_cannot_be_used_say_so_and_nothing_breaks(shown, tmp_path):
    kept = shown.scenarios
    kept.file.value = str(tmp_path / "none<b>.toml")
    kept.load.click()
    assert "No such file" in kept.message.value
    assert "<b>" not in kept.message.value
    (tmp_path / "bad.toml").write_text("[[scenario]]\nname = 'x'\npatches = ['mtv=1']")
    kept.file.value = str(tmp_path / "bad.toml")
    kept.load.click()
    assert "no patch" in unescape(kept.message.value)
    kept.file.value = str(tmp_path)
    kept.save.click()
    assert "directory" in kept.message.value


def test_a_loaded_scenario_that_cannot_act_here_is_asked_and_named(shown):
    shown.show_scenario(Scenario(name="x", patches=tuple(map(parse_patch, ["gro=off", "mtu=1234", "dma-gbps=3"]))))
    assert [str(patch) for patch in shown.patch_controls.others] == ["gro=off", "dma-gbps=3"]
    assert shown.patch_controls.rows["mtu"].control.value == "mtu=1234"
    assert "gro=off, dma-gbps=3" in shown.message.value
    assert "is virtual" in shown.panes.words.text
    shown.show_scenario(Scenario(name="x", prices={"nothing.at_all_ns": 1.0}))
    assert shown.scenario.prices == {}
    shown.scenarios._add([Scenario(name="odd", prices={"nothing.at_all_ns": 1.0})])
    assert "unknown" in shown.scenarios.table.value


def test_the_code_is_that_of_the_scenario(shown):
    move(shown, "mtu", "mtu=9000")
    shown.price_controls.rows["tcp.skb_ns"].slider.value = 300.0
    assert shown.code.command.value.endswith("veth-1500 --patch mtu=9000 --price tcp.skb_ns=300.0")
    assert "'mtu=9000'" in shown.code.python.value
    shown.reset.click()
    assert shown.code.command.value.startswith("# change something first")
    assert shown.code.python.value == shown.code.command.value


def test_the_ladder_is_drawn_when_it_is_looked_at(shown, answer):
    shown.panes.tab.selected_index = LADDER
    move(shown, "link-gbps", "link-gbps=4")
    rows = shown.panes.ladder.tables["table_0"]
    assert {row["when"] for row in rows} == {"as it is", "with the changes"}
    assert rows[0]["from"] == answer.goodput_gbps


def test_linux_2_4_is_a_preset_and_says_so(shown):
    shown.generation.value = OLD
    assert "Not recorded: the preset host_2002, linux-2.4" in shown.about.value
    assert "published" in shown.about.value
    assert shown.patch_controls.rows["gro"].control.disabled
    move(shown, "cpu-speed", "cpu-speed=2")
    row = what_if(preset(OLD_HOST), [parse_patch("cpu-speed=2")]).row(0, named=True)
    assert gbps_text(row["predicted_gbps"], row["low_gbps"], row["high_gbps"]) in shown.panes.words.text
    assert f"preset('{OLD_HOST}')" in shown.code.python.value
    shown.generation.value = RECORDED
    assert "CPU 1 is the limit" in shown.about.value
    assert not shown.patch_controls.rows["gro"].control.disabled


def test_several_recordings_are_chosen_from():
    shown = explorer(TRACES)
    names = [name for name, _ in shown.recording.options]
    assert {"veth-1500", "veth-9000"} <= set(names)
    shown.recording.value = names.index("veth-small-buffer")
    assert "The limit is the receive buffer" in shown.panes.words.text
    assert shown.subject.name == "veth-small-buffer"
    assert "Then the limit is" not in shown.panes.words.text
    shown.recording.value = names.index("veth-cpu-hog")
    # a process to move away is no patch: it is named, and cannot be tried
    ranked = [row["patch"] for row in shown.best.rows]
    assert any(name.startswith("move:") for name in ranked)
    assert len(buttons(shown.best.box)) == len(ranked) - 1
    move(shown, "mtu", "mtu=9000")
    assert "The limit stays CPU 1." in shown.panes.words.text
    shown.close()


def test_a_host_and_a_list_can_be_explored(answer):
    shown = explorer([preset("modern"), answer])
    assert shown.subject.answer is None
    assert "Nobody recorded this host" in "".join(html_of(shown.best.box))
    move(shown, "cpu-speed", "cpu-speed=2")
    row = what_if(preset("modern"), [parse_patch("cpu-speed=2")]).row(0, named=True)
    assert gbps_text(row["predicted_gbps"], row["low_gbps"], row["high_gbps"]) in shown.panes.words.text
    shown.recording.value = 1
    assert "CPU 1 is the limit" in shown.about.value
    shown.close()


def test_a_path_without_recording_says_so(tmp_path):
    with pytest.raises(TraceError, match="no recording"):
        explorer(tmp_path)
    with pytest.raises(TraceError, match="No such file"):
        explorer(tmp_path / "none")


def test_hostile_names_are_text_wherever_they_are_shown(tmp_path):
    shutil.copytree(TRACES / "veth-small-buffer", tmp_path / HOSTILE.replace("/", ""))
    shown = explorer(tmp_path)
    move(shown, "mtu", "mtu=9000")
    shown.scenarios.name.value = HOSTILE
    shown.scenarios.keep.click()
    found = html_of(shown)
    assert len(found) > 50
    assert not [text for text in found if re.search("<img", text)]
    assert any("<img" in unescape(text) for text in found)
    shown.close()


def test_connections_are_text_too(answer):
    renamed = answer.limits.with_columns(pl.lit(HOSTILE).alias("connection"))
    assert "<img" not in connection_html(replace(answer, limits=renamed), HOSTILE)


def test_where_a_loop_runs_the_exact_answer_follows(answer):
    async def drag():
        shown = explorer(answer)
        move(shown, "mtu", "mtu=2000")
        move(shown, "mtu", "mtu=9000")
        at_once = shown.found
        await asyncio.sleep(0.5)
        return at_once, shown.found

    at_once, later = asyncio.run(drag())
    assert not at_once.exact
    assert "99 of 100" in figures_html(subject_of(answer), at_once)
    assert later.exact
    assert later.prediction.gbps == what_if(answer, [parse_patch("mtu=9000")]).item(0, "predicted_gbps")


def test_a_thousand_changes_leave_nothing_behind(answer, monkeypatch):
    shown = explorer(answer)
    monkeypatch.setattr(shown._exact, "_work", lambda: None)  # the fast path is what repeats
    large = shown.patch_controls.rows["mtu"].control
    texts = ["mtu=32000", "mtu=65535"]  # few packets, so quick to replay

    def change(times):
        for at in range(times):
            large.value = texts[at % 2]

    change(20)
    gc.collect()
    widgets, objects = len(_instances), len(gc.get_objects())
    change(1000)
    gc.collect()
    assert len(_instances) == widgets
    assert len(gc.get_objects()) - objects < 1000
    shown.close()

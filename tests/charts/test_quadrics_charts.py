"""The pictures of the case: what they encode, and that nothing is missing from them."""

import json

import pytest

from tests.charts.small_tables import NAMES as THREE
from tests.charts.small_tables import hypotheses, table
from zcanalysis import charts
from zcanalysis.cases.quadrics_hypotheses import NAMES
from zcanalysis.charts.theme import HYPOTHESIS_COLOURS
from zcanalysis.tables import BLAST, INFORMATION, ODDS, REMEDIES, STEPS


def drawn(chart):
    return json.dumps(chart.to_dict())


def test_volumes_show_both_shares_with_the_line_of_one_in_a_hundred():
    text = drawn(charts.volumes(hypotheses()))
    assert all(name in text for name in (*THREE, "transmits_share", "explains_share", "ruled out"))
    assert text.count('"datum": 0.01') == 2


def test_a_hypothesis_has_one_colour_in_all_charts():
    steps = table(STEPS, step=[0] * 3, measurement=["first"] * 3, hypothesis=THREE, share=[0.6, 0.3, 0.1])
    for chart in (charts.believed(hypotheses()), charts.share_steps(steps, "memory bus")):
        scale = chart.to_dict()["encoding"]["color"]["scale"]
        assert dict(zip(scale["domain"], scale["range"], strict=True)) == {one: HYPOTHESIS_COLOURS[one]
                                                                         for one in THREE}  # fmt: skip
    assert len(set(HYPOTHESIS_COLOURS.values())) == len(HYPOTHESIS_COLOURS) == len(NAMES)
    assert set(HYPOTHESIS_COLOURS) == set(NAMES)


def test_odds_that_are_not_told_apart_are_grey():
    pairs = [(one, other) for one in THREE[:2] for other in THREE[:2]]
    odds = table(ODDS, branch=["TCP"] * 4, hypothesis=[one for one, _ in pairs], against=[other for _, other in pairs],
                 odds=[1, 5, 0.2, 1], told_apart=[False, True, True, False])  # fmt: skip
    spec = charts.odds_matrix(odds).to_dict()
    colour = spec["layer"][0]["encoding"]["color"]
    assert "told_apart" in json.dumps(colour)
    assert spec["width"] == 2 * 58


def test_measurements_are_coloured_by_what_they_need():
    rows = table(INFORMATION, branch=["TCP"] * 2, measurement=["vmstat", "a new driver"],
                 needs=["counters", "a driver module"], bits=[1.2, 0.1], left_bits=[2.0, 2.0],
                 outcomes=[5, 2])  # fmt: skip
    encoding = charts.telling(rows).to_dict()["encoding"]
    assert encoding["color"]["field"] == "needs"
    assert encoding["y"]["sort"] == "-x"
    assert encoding["color"]["scale"]["domain"] == ["counters", "a driver module"]


def test_a_hypothesis_that_never_had_a_share_is_not_in_the_steps():
    rows = table(STEPS, step=[0] * 3 + [1] * 3, measurement=["first"] * 3 + ["second"] * 3, hypothesis=THREE * 2,
                 share=[0.6, 0.4, 0.0, 1.0, 0.0, 0.0])  # fmt: skip
    text = drawn(charts.share_steps(rows, "memory bus"))
    assert "second CPU" not in text
    assert "its cause: memory bus" in text


def test_what_was_believed_is_a_slider_that_needs_no_kernel():
    spec = charts.believed(hypotheses()).to_dict()
    bound = {param["name"]: param["bind"] for param in spec["params"]}
    assert bound["which"]["options"] == THREE
    assert bound["times"]["input"] == "range"


def test_a_blast_shows_the_closed_form_the_replay_and_what_was_reported():
    rows = table(BLAST, hypothesis=["plain stack"] * 3, how=["closed form"] * 2 + ["replayed packet by packet"],
                 offered_gbps=[1.0, 1.4, 1.4], goodput_gbps=[1.0, 0.9, 0.91], low_gbps=[1.0, 0.8, None],
                 high_gbps=[1.0, 0.95, None])  # fmt: skip
    text = drawn(charts.blasts(rows))
    assert "reported" in text
    assert "replayed packet by packet" in text


@pytest.mark.parametrize("goal", [1.8, 2.5])
def test_remedies_are_in_the_order_given_with_the_goal(goal):
    rows = table(REMEDIES, remedy=["nothing", "a driver"], needs=["counters", "a driver module"],
                 receives_gbps=[0.9, 1.2], low_gbps=[0.8, 0.9], high_gbps=[1.0, 1.5])  # fmt: skip
    text = drawn(charts.remedy_ranges(rows, goal))
    assert f'"datum": {goal}' in text
    assert '"sort": ["nothing", "a driver"]' in text

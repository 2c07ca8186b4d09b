import math
from dataclasses import replace

import pytest

from tests.lab.test_pairs import pair, window
from zcanalysis.lab.draw import Case, cases_of
from zcanalysis.lab.outcome import CaseOutcome, Foretold, at_limit, link_payload_gbps
from zcanalysis.lab.pairs import Measured, Pair
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.lab.scores import TARGETS, Scores, score_entries

(CASE,) = cases_of("mtu-1500", ["mtu=9000"])


def foretold(gbps=10.0, **changed) -> Foretold:
    """Of a recorded baseline of 5 Gbit/s."""
    fields = {
        "baseline_gbps": 5.0, "no_change_gbps": 5.0, "samples_removed_gbps": 20.0, "amdahl_gbps": None,
        "predicted_gbps": gbps, "low_gbps": None if gbps is None else gbps / 1.25,
        "high_gbps": None if gbps is None else gbps * 1.25,
        "limit_before": "CPU 1", "limit_after": "CPU 1", "busy_before": {0: 0.5, 1: 1.0},
        "busy_after": {0: 0.6, 1: 1.0}, "tier": "recording",
    }  # fmt: skip
    return Foretold(**(fields | changed))


def outcome(ratio=2.0, gbps=10.0, case: Case = CASE, **changed) -> CaseOutcome:
    return CaseOutcome(case, foretold(gbps, **changed), Measured((pair(10, 10 * ratio),) * 4, 4))


def test_errors_are_of_ratios_so_that_another_speed_of_the_day_cancels():
    # recorded at 5, measured at 10 and 20 Gbit/s: a ratio of 2 both foretold and measured
    assert outcome().predicted_ratio == outcome().measured.ratio == pytest.approx(2)
    assert outcome().error == pytest.approx(0)
    assert outcome(gbps=15.0).error == pytest.approx(0.5)
    assert outcome().null_errors == pytest.approx({"no change": -0.5, "samples removed": 1.0, "Amdahl": -0.5})


def test_who_is_silent_has_said_that_nothing_changes():
    silent = outcome(gbps=None)
    assert silent.predicted_ratio is None
    assert silent.error == pytest.approx(-0.5)
    assert not silent.inside
    assert not silent.direction_right
    assert not outcome(1.0, gbps=None).false_alarm
    assert silent.width == math.inf


def test_the_interval_holds_its_ends():
    assert outcome().interval == pytest.approx((1.6, 2.5))
    assert outcome().width == pytest.approx(1.25**2)
    assert outcome(1.61).inside
    assert outcome(2.49).inside
    assert not outcome(1.59).inside
    assert not outcome(2.51).inside


def test_the_error_is_weighed_by_what_unchanged_hosts_differ_by():
    # baselines 10 and 20 in turn: noise ln 2 / 2; the mean ratio is that of 20 over the geometric mean of both
    runs = Measured(tuple(pair(gbps, 20) for gbps in (10, 20, 10, 20)), 4)
    seen = CaseOutcome(CASE, foretold(10.0), runs)
    assert seen.error == pytest.approx(2 / math.sqrt(2) - 1)
    assert seen.error_over_noise == pytest.approx((math.log(2) / 2) / (math.log(2) / 2))
    assert outcome().error_over_noise is None


@pytest.mark.parametrize(("ratio", "changed"), [(1.15, False), (1.16, True), (0.85, False), (0.84, True)])
def test_a_change_is_more_than_fifteen_percent(ratio, changed):
    assert outcome(ratio).changed is changed


def test_a_false_alarm_is_a_change_foretold_where_there_was_none():
    assert outcome(1.05, gbps=6.0).false_alarm  # 1.2 foretold
    assert not outcome(1.05, gbps=5.5).false_alarm
    assert not outcome(1.3, gbps=6.0).false_alarm


def test_the_direction_is_right_on_the_same_side_of_no_change():
    assert outcome(2.0, gbps=5.1).direction_right
    assert not outcome(2.0, gbps=4.9).direction_right
    assert outcome(0.5, gbps=4.9).direction_right
    assert not outcome(2.0, gbps=5.0).direction_right


PLAIN = Scenario(name="x")


@pytest.mark.parametrize(
    ("changes", "gbps", "busy", "limits"),
    [
        ({}, 9.0, {0: 0.5, 1: 0.96}, ("CPU 1",)),
        ({}, 9.0, {0: 0.95, 1: 0.999}, ("CPU 0", "CPU 1")),
        ({}, 9.0, {0: 0.94, 1: 0.96}, ("CPU 0", "CPU 1")),  # within 3 points
        ({}, 9.0, {0: 0.92, 1: 0.96}, ("CPU 1",)),
        ({}, 9.0, {0: 0.90, 1: 0.94}, ("unknown",)),
        ({"rcvbuf_bytes": 65_536}, 9.0, {0: 0.90, 1: 0.94}, ("receive window",)),
        ({"rcvbuf_bytes": 65_536}, 9.0, {0: 0.90, 1: 0.96}, ("CPU 1",)),
        # 4 Gbit/s carry 3.825 of payload: 95 % are 3.634
        ({"link_rate_gbps": 4.0}, 3.7, {0: 0.2, 1: 0.5}, ("link",)),
        ({"link_rate_gbps": 4.0}, 3.6, {0: 0.2, 1: 0.5}, ("unknown",)),
        ({"link_rate_gbps": 4.0}, 3.7, {0: 0.2, 1: 1.0}, ("CPU 1", "link")),
        ({"link_rate_gbps": 4.0, "hog_cpu": 1}, 3.7, {0: 0.2, 1: 1.0}, ("link",)),
        ({"link_rate_gbps": 4.0, "hog_cpu": 1}, 2.0, {0: 0.2, 1: 1.0}, ("CPU 1",)),
        ({"rcvbuf_bytes": 65_536, "hog_cpu": 1}, 2.0, {0: 0.2, 1: 1.0}, ("CPU 1", "receive window")),
        ({"rcvbuf_bytes": 65_536, "hog_cpu": 1}, 2.0, {0: 1.0, 1: 1.0}, ("CPU 0", "CPU 1")),
    ],
)
def test_what_is_at_its_limit_is_told_by_idle_time_and_goodput(changes, gbps, busy, limits):
    assert at_limit(replace(PLAIN, **changes), gbps, busy) == limits


def test_a_link_carries_headers_too():
    assert link_payload_gbps(replace(PLAIN, link_rate_gbps=4.0)) == pytest.approx(4 * 1448 / 1514)
    assert link_payload_gbps(PLAIN) is None


def test_a_limit_is_right_when_it_is_one_of_those_measured():
    assert outcome().limits_after == ("CPU 1",)
    assert outcome().limit_right
    assert not outcome(limit_after="CPU 0").limit_right
    assert outcome().limit_before_right
    assert not outcome(limit_before="link").limit_before_right


def test_loads_are_compared_where_both_are_known():
    assert outcome().load_errors == pytest.approx({0: 0.1, 1: 0.0})
    assert outcome(busy_after={0: 0.2, 7: 1.0}).load_errors == pytest.approx({0: -0.3})


def scores() -> Scores:
    """Three changes with errors 0, +9 % and -50 %, and two cases without a change, one foretold to have one."""
    return Scores((
        outcome(2.0, 10.0), outcome(2.0, 10.9), outcome(4.0, 10.0, limit_after="link"),
        outcome(1.0, 5.0), outcome(1.0, 7.5, busy_after={0: 0.9, 1: 1.0}),
    ))  # fmt: skip


def test_scores_of_hand_made_cases():
    found = scores()
    assert len(found.changes) == 3
    assert found.median_error == pytest.approx(0.09)
    assert found.large_error == pytest.approx(0.09 + 0.8 * 0.41)  # sizes 0, 0.09, 0.5: 0.9 lies at place 1.8
    assert found.direction_right == 1.0
    assert found.coverage == pytest.approx(2 / 3)  # 4 lies beyond 2.5
    assert found.coverage_of_all == pytest.approx(3 / 5)  # 1 lies below 1.5 / 1.25
    assert found.width == pytest.approx(1.25**2)
    assert found.null_errors == pytest.approx({"no change": 0.5, "samples removed": 1.0, "Amdahl": 0.5})
    assert found.error_over_best_null == pytest.approx(0.18)
    assert found.false_alarms == pytest.approx(1 / 2)
    assert found.limits_right == pytest.approx(4 / 5)
    assert found.limits_before_right == 1.0
    assert found.loads_near == pytest.approx(9 / 10)  # 0.9 foretold where 0.5 was measured
    assert found.pairs_marked == 0.0
    assert found.silent == 0


def test_directions_and_silence_are_counted():
    found = Scores((outcome(2.0, 4.0), outcome(2.0, None), outcome(0.5, 4.0)))
    assert found.direction_right == pytest.approx(1 / 3)
    assert found.silent == 1


def test_marked_pairs_are_counted_over_all():
    loud = Measured((pair(), pair(foreign=0.3)), 2)
    assert Scores((CaseOutcome(CASE, foretold(), loud),)).pairs_marked == pytest.approx(1 / 2)


def test_without_cases_there_are_no_figures():
    nothing = Scores(())
    assert {entry["value"] for entry in score_entries(nothing)} == {None}
    assert {entry["met"] for entry in score_entries(nothing)} == {None}
    assert Scores((outcome(1.0, 5.0),)).median_error is None


def test_targets_are_met_from_their_side():
    met = {entry["figure"]: entry["met"] for entry in score_entries(scores())}
    assert met == {
        "median_error": True, "large_error": False, "direction_right": True, "false_alarms": False, "coverage": False,
        "width": True, "error_over_best_null": True, "limits_right": False, "loads_near": True,
    }  # fmt: skip
    assert [target.bound for target in TARGETS] == [0.10, 0.25, 1.0, 0.10, 0.80, 1.6, 0.5, 0.90, 0.80]


def test_windows_of_a_pair_stay_apart():
    both = Pair(window(10, busy={0: 0.1, 1: 0.2}), window(20, busy={0: 0.3, 1: 0.4}))
    assert Measured((both, both), 2).busy == ({0: 0.1, 1: 0.2}, {0: 0.3, 1: 0.4})


def test_a_limit_elsewhere_is_right_where_nothing_here_was_full():
    idle = Measured((Pair(window(10), window(20, busy={0: 0.5, 1: 0.8})),) * 4, 4)
    elsewhere = foretold(limit_after="a limit outside this host's CPUs")
    assert CaseOutcome(CASE, elsewhere, idle).limit_right
    assert not CaseOutcome(CASE, elsewhere, Measured((pair(),) * 4, 4)).limit_right

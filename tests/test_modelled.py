"""Predictions by replay of a shipped recording: their laws."""

import math

import pytest

from zcanalysis.modelled import DISCREPANCY, USUAL_DISCREPANCY, limit_of, predicted
from zcanalysis.patches import parse_patch
from zcanalysis.transfers import transfers


def foretold(answer, *texts):
    return predicted(answer.model, [parse_patch(text) for text in texts])


def test_no_patch_is_the_measured_goodput_within_its_own_error(shipped_answer):
    made = predicted(shipped_answer.model, [])
    assert made.gbps == pytest.approx(shipped_answer.goodput_gbps)
    error = shipped_answer.evidence.quiet.relative_error
    assert made.high_gbps == pytest.approx(made.gbps * math.exp(error))


@pytest.mark.parametrize("text", ["mtu=9000", "gro=on", "rps=off", "rcvbuf=65536", "speedup:copy=50", "cpu-speed=2"])
def test_a_prediction_lies_within_its_interval_which_is_never_narrower_than_the_discrepancy(shipped_answer, text):
    made = foretold(shipped_answer, text)
    assert made.low_gbps < made.gbps < made.high_gbps
    least = DISCREPANCY.get(parse_patch(text).kind, USUAL_DISCREPANCY)
    assert math.log(made.high_gbps / made.gbps) >= least
    assert all(0 <= share <= 1 for share in made.busy.values())


def test_a_smaller_window_a_slower_clock_and_a_busy_neighbour_do_not_help(shipped_answer):
    base = shipped_answer.goodput_gbps
    for text in ("rcvbuf=16384", "cpu-speed=0.5", "competing-load=3"):
        assert foretold(shipped_answer, text).gbps < base


def test_a_link_is_not_exceeded_and_then_is_the_limit(shipped_answer):
    made = foretold(shipped_answer, "link-gbps=2")
    assert made.gbps <= made.high_gbps < 2
    assert made.limit_after == "link"


def test_a_window_of_two_segments_is_the_limit(shipped_answer):
    host = shipped_answer.model.hosts[0]
    host = host.changed("socket.window_bytes", 2 * host.link.mss_bytes)
    assert limit_of(host, transfers([host])) == "receive window"


def test_a_host_that_cannot_be_says_why(shipped_answer):
    change = [parse_patch("mtu=9000"), parse_patch("rcvbuf=4096")]
    assert "window_bytes must hold a segment" in predicted(shipped_answer.model, change)


def test_the_same_question_has_the_same_answer(shipped_answer):
    assert foretold(shipped_answer, "mtu=4000") == foretold(shipped_answer, "mtu=4000")

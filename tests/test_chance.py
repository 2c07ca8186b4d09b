"""What chance makes of a difference: against scipy's own test, by simulation, and at the edges."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from zcanalysis.chance import Figures, beyond_chance, difference


def test_two_sets_are_tested_as_scipy_tests_them():
    after, before = [9.1, 9.4, 8.8, 9.9, 9.2], [8.0, 8.9, 8.3]
    found = difference(Figures(after), Figures(before), None)
    theirs = ttest_ind(after, before, equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert found.p == pytest.approx(theirs.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_where_nothing_changed_one_comparison_in_twenty_says_it_did():
    draw = np.random.default_rng(1)
    sets = draw.normal(10, 1, (2000, 2, 5))
    alarms = sum(difference(Figures(list(a)), Figures(list(b)), None).p <= 0.05 for a, b in sets)
    assert 60 <= alarms <= 140


def test_of_thirty_figures_together_one_comparison_in_twenty_says_that_any_changed():
    draw = np.random.default_rng(2)
    alarms = 0
    for _ in range(200):
        pairs = draw.normal(10, 1, (30, 2, 5))
        alarms += any(beyond_chance([difference(Figures(list(a)), Figures(list(b)), None).p for a, b in pairs]))
    assert alarms <= 20


def test_the_spread_of_one_side_serves_both():
    found = difference(Figures([10.0, 11, 12]), Figures([11.0]), 0.5)
    assert found.value == 0
    assert found.p == pytest.approx(1)
    assert found.high == pytest.approx(4.303 * np.sqrt(1 / 3 + 1), rel=1e-3)  # Student's t of two degrees of freedom


def test_single_figures_take_the_known_spread():
    found = difference(Figures([12.0]), Figures([10.0]), 0.1)
    assert found.high == pytest.approx(2 + 1.96 * np.hypot(1.2, 1.0), rel=1e-3)


def test_equal_figures_without_spread_are_no_change_and_unequal_ones_are():
    assert difference(Figures([0.0, 0]), Figures([0.0, 0]), None).p == 1
    assert difference(Figures([1.0, 1]), Figures([0.0, 0]), None).p == 0


def test_an_unsure_one_ends_the_list_of_changes():
    assert beyond_chance([0.001, 0.04, 0.03]) == [True, False, False]
    assert beyond_chance([]) == []

"""Whole nanoseconds and groups."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcanalysis.model.arrays import group_first, require, whole_ns


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_rounded_durations_never_drift(exact):
    exact_ns = np.array(exact)
    drift = np.cumsum(whole_ns(exact_ns)) - np.cumsum(exact_ns)
    assert np.all(np.abs(drift) <= 0.5)
    assert np.all(whole_ns(exact_ns) >= 0)


@given(st.lists(st.integers(0, 1000), max_size=20))
def test_whole_durations_stay_as_they_are(exact):
    assert whole_ns(np.array(exact, dtype=float)).tolist() == exact


def test_each_scenario_is_rounded_by_itself():
    assert whole_ns(np.array([[0.4, 0.4], [0.6, 0.6]])).tolist() == [[0, 1], [1, 0]]


def test_the_first_of_each_group_is_found():
    assert group_first(np.array([0, 0, 1, 4, 4])).tolist() == [True, False, True, True, False]


@pytest.mark.parametrize(("value", "beyond"), [(-1, False), (0, True), (float("nan"), False)])
def test_a_price_out_of_bounds_is_refused_with_its_name_and_value(value, beyond):
    with pytest.raises(ValueError, match=f"handler_ns must be >=? 0, got {value}"):
        require(value, "handler_ns", 0, beyond=beyond)

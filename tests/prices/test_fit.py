"""CPU time divided over its uses: by hand, by law, and what happens where nothing can be told apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcanalysis.prices.fit import PRIOR_SPREAD, fitted


def test_one_price_is_time_over_uses():
    # 30 + 50 = 80 ns for 10 + 30 = 40 uses; both windows agree on 2 ns
    found = fitted(np.array([20.0, 60.0]), np.array([[10.0], [30.0]]), np.array([1.0]))
    assert found.prices == pytest.approx([2.0])
    assert found.rank == 1


def test_windows_of_different_mix_tell_two_prices_apart_whatever_was_thought_before():
    # 3 ns a packet and 100 ns a batch: windows with many packets, and with many batches
    uses = np.array([[1000.0, 1.0], [10.0, 50.0], [500.0, 30.0], [900.0, 2.0]])
    found = fitted(uses @ np.array([3.0, 100.0]), uses, np.array([0.2, 0.8]))
    assert found.prices == pytest.approx([3.0, 100.0], rel=0.15)
    assert found.rank == 2
    assert found.condition < 10


def test_windows_of_one_mix_keep_the_split_that_was_thought_before():
    uses = np.array([[1000.0, 10.0], [2000.0, 20.0], [1500.0, 15.0]])
    busy_ns = uses @ np.array([3.0, 100.0])  # 4 ns a packet all in all
    found = fitted(busy_ns, uses, np.array([0.5, 0.5]))
    assert found.prices == pytest.approx([2.0, 200.0])
    assert found.rank == 1
    assert found.condition > 1e6
    assert found.spread.min() > 0.3 * PRIOR_SPREAD


def test_no_price_is_negative_however_the_windows_lie():
    # more batches, less time: the batch would cost less than nothing
    found = fitted(np.array([100.0, 50.0]), np.array([[10.0, 1.0], [10.0, 9.0]]), np.array([0.5, 0.5]))
    assert found.prices.min() >= 0


@given(st.floats(0.1, 1e4), st.lists(st.floats(1, 1e6), min_size=1, max_size=8), st.floats(1e-3, 1e3))
def test_prices_follow_the_unit_of_time(price, uses, factor):
    columns = np.array(uses)[:, None]
    once = fitted(price * columns[:, 0], columns, np.ones(1)).prices[0]
    scaled = fitted(factor * price * columns[:, 0], columns, np.ones(1)).prices[0]
    assert once == pytest.approx(price, rel=1e-6)
    assert scaled == pytest.approx(factor * once, rel=1e-6)

"""Gains alone and last, and the ladder: caps by hand, laws of Shapley, and a shipped recording."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcanalysis.gains import gains, ladder, shapley, with_gains
from zcanalysis.tables import LADDER


def rates_of_caps(caps, ceiling):
    """The tightest cap that is left, for every set of caps lifted."""
    n = len(caps)
    return np.array([
        min([ceiling, *(cap for at, cap in enumerate(caps) if not index >> at & 1)]) for index in range(1 << n)
    ], np.float64)  # fmt: skip


def test_of_caps_two_three_and_nine_under_ten_only_lifting_the_tightest_helps():
    rates = rates_of_caps([2, 3, 9], 10)
    singles = [rates[1 << at] for at in range(3)]
    but_one = [rates[7 - (1 << at)] for at in range(3)]
    found = gains(np.array([rates[0], rates[7], *singles, *but_one]))
    assert found.alone.tolist() == [1, 0, 0]  # to 3, the next cap
    assert found.last.tolist() == [8, 7, 1]  # all others lifted, each holds 10 down to itself


def test_the_ladder_of_those_caps_averages_over_every_order():
    # 2 -> 10: the tightest is worth most. By hand, over the 6 orders: 2: (1 + 1 + 1 + 7 + 1 + 8) / 6, ...
    orders = {
        (0, 1, 2): [1, 6, 1], (0, 2, 1): [1, 0, 7], (1, 0, 2): [0, 7, 1],
        (1, 2, 0): [0, 0, 8], (2, 0, 1): [0, 1, 7], (2, 1, 0): [0, 0, 8],
    }  # fmt: skip
    by_hand = np.zeros(3)
    for order, steps in orders.items():
        for cap, step in zip(order, steps, strict=True):
            by_hand[cap] += step / 6
    assert shapley(rates_of_caps([2, 3, 9], 10)) == pytest.approx(by_hand)


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=6), st.floats(100, 200))
def test_the_rungs_sum_to_the_climb_and_do_not_depend_on_names(caps, ceiling):
    rates = rates_of_caps(caps, ceiling)
    parts = shapley(rates)
    assert parts.sum() == pytest.approx(rates[-1] - rates[0])
    turned = shapley(rates_of_caps(caps[::-1], ceiling))
    assert turned == pytest.approx(parts[::-1])


@given(st.floats(0.1, 100), st.integers(2, 5))
def test_equal_caps_share_equally_and_a_cap_above_the_ceiling_gets_nothing(cap, n):
    parts = shapley(rates_of_caps([cap] * n + [500.0], 100.0))
    assert parts[:n] == pytest.approx([parts[0]] * n)
    assert parts[n] == pytest.approx(0.0, abs=1e-9)


def test_blame_gets_what_fixing_a_stage_gives_and_rows_without_work_stay_empty(shipped_answer):
    table = shipped_answer.blame
    fixed = table.filter(pl.col("gain_alone_gbps").is_not_null())
    assert fixed.height > 3
    assert table.filter(pl.col("stage").is_in(("framing", "waiting", "unexplained")))["gain_alone_gbps"].is_null().all()
    assert with_gains(table, shipped_answer.model).equals(table)


def test_the_ladder_of_a_recording_leads_from_its_goodput_to_a_free_receiver(shipped_answer):
    table = ladder(shipped_answer.model)
    assert list(table.columns) == list(LADDER)
    assert table.get_column("part_gbps").sum() > 0
    assert table.get_column("stages").str.split(", ").explode().n_unique() == len(
        table.get_column("stages").str.split(", ").explode()
    )

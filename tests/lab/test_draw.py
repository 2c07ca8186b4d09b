from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zcanalysis.errors import HostError
from zcanalysis.lab.applied import APPLIED, patched
from zcanalysis.lab.draw import LEVELS, NO_OPS, PATCH_VALUES, cases_of, configured, development_set, draw
from zcanalysis.patches import parse_patch

SEEDS = st.text(max_size=20)
COUNTS = st.integers(1, 30)


def kinds_of(case) -> list[str]:
    return [patch.partition("=")[0] for patch in case.patches]


@given(SEEDS, COUNTS)
@settings(deadline=None, max_examples=40)
def test_cases_are_distinct_and_a_third_have_two_patches_of_different_kinds(seed, count):
    cases = draw(seed, count)
    assert len({case.key for case in cases}) == len(cases) == count
    pairs = [case for case in cases if len(case.patches) == 2]
    assert 3 * len(pairs) >= count
    assert all(len(set(kinds_of(case))) == len(case.patches) for case in cases)


@given(SEEDS, COUNTS)
@settings(deadline=None, max_examples=40)
def test_every_patch_changes_what_it_meets_but_for_one_no_op_in_six_cases(seed, count):
    cases = draw(seed, count)
    no_ops = [case for case in cases if NO_OPS & set(case.patches)]
    assert 6 * len(no_ops) <= count
    assert all(len(case.patches) == 1 for case in no_ops)
    for case in cases:
        if case not in no_ops:
            scenario = case.configuration
            for patch in case.patches:
                before, scenario = scenario, patched(scenario, patch)
                assert replace(before, name=scenario.name) != scenario
            assert scenario == case.patched


@given(SEEDS, COUNTS)
@settings(deadline=None, max_examples=20)
def test_a_seed_draws_the_same_cases_and_fewer_are_the_first_of_more(seed, count):
    assert draw(seed, count) == draw(seed, count + 5)[:count]


def test_what_a_text_draws_is_the_same_on_every_machine():
    # written down when the space was last widened: whoever changes it changes every earlier draw
    assert [case.name for case in draw("a", 3)] == [
        "mtu=3000,gro=off,rps=1,rcvbuf=262144,link-gbps=2,competing-load=1 competing-load=0+rcvbuf=131072",
        "mtu=3000,gro=on,rps=off,rcvbuf=262144,link-gbps=2 mtu=4000",
        "mtu=9000,gro=off,rps=1,rcvbuf=262144 rps=0",
    ]


def test_seeds_draw_different_cases():
    assert draw("a", 10) != draw("b", 10)


@given(SEEDS)
@settings(deadline=None, max_examples=20)
def test_what_is_excluded_is_not_drawn(seed):
    first = {case.key for case in draw(seed, 12)}
    assert not first & {case.key for case in draw(seed, 12, without=first)}


def test_the_order_of_patches_does_not_make_another_case():
    one, other = cases_of("mtu-1500", ["mtu=9000+gro=on", "gro=on+mtu=9000"])
    assert one.key == other.key


def test_the_development_set_is_drawn_by_a_word_of_its_own():
    assert len(development_set()) == 48
    assert development_set() == draw("development-1", 48)


def test_no_kind_of_patch_is_left_out():
    kinds = [kinds_of(case)[0] for case in draw("kinds", 10 * len(PATCH_VALUES))]
    assert set(kinds) == set(PATCH_VALUES)
    assert max(map(kinds.count, PATCH_VALUES)) < len(kinds) / 2


def test_every_value_of_the_space_can_be_applied_and_foretold():
    for kind, values in PATCH_VALUES.items():
        assert kind in APPLIED
        assert [parse_patch(f"{kind}={value}") for value in values]
    for kind, levels in LEVELS.items():
        assert [configured([f"{kind}={level}"]) for level in levels if level is not None]


def test_more_than_there_are_is_refused():
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        draw("a", 0)


def test_what_is_impossible_together_is_not_drawn(monkeypatch):
    monkeypatch.setattr("zcanalysis.lab.draw.LEVELS", {"mtu": ("1500", "60", "3000")})
    monkeypatch.setattr("zcanalysis.lab.draw.PATCH_VALUES", {"mtu": ("9000", "9"), "gro": ("on",)})
    drawn = [case.name for case in draw("a", 3)]
    assert not any("60" in name or name.endswith("mtu=9") or "mtu=9+" in name for name in drawn)


def test_a_space_that_is_used_up_says_so(monkeypatch):
    monkeypatch.setattr("zcanalysis.lab.draw.LEVELS", {"mtu": ("1500", "9000")})
    monkeypatch.setattr("zcanalysis.lab.draw.PATCH_VALUES", {"mtu": ("9000",), "gro": ("on",)})
    assert [len(case.patches) for case in draw("a", 3)] == [2, 1, 1]
    with pytest.raises(ValueError, match="no case could be drawn in 1000 tries; 3 are taken"):
        draw("a", 4)  # the fourth should have two patches, and only one case can


def test_picked_cases_are_one_a_text():
    alone, together = cases_of("mtu-1500", ["mtu=9000", "mtu=9000+gro=on"])
    assert (alone.patches, together.patches) == (("mtu=9000",), ("mtu=9000", "gro=on"))
    assert (together.patched.mtu, together.patched.receiver_gro) == (9000, True)
    assert together.patched.name == "mtu-1500+mtu=9000+gro=on"


def test_what_cannot_be_applied_is_one_line():
    with pytest.raises(HostError, match="the lab cannot apply this"):
        cases_of("mtu-1500", ["nonsense=1"])
    with pytest.raises(HostError, match="no such scenario"):
        cases_of("nothing", ["mtu=9000"])

import json
import os
import subprocess

import pytest

from tests.lab.real import namespaces_of, why_not
from zcanalysis.errors import HostError
from zcanalysis.lab.bare_probes import BARE_PROBES, BareProbe, looking
from zcanalysis.lab.namespaces import two_hosts
from zcanalysis.lab.probe_effect import (
    COUNTERS,
    EffectOptions,
    Rate,
    effect_of,
    effects_document,
    markdown,
    noise_of_median,
    probe_effect,
    turned,
)
from zcanalysis.lab.scenarios import scenario_named

needs_the_lab = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
PLAIN = "499 Hz without"


def effect():
    # drifting down: 12 10 8 6; counters 11 between 12 and 10: 1; perf 4.5 between 10 and 8: a half; counters 7: 1
    values = [12.0, 11.0, 10.0, 4.5, 8.0, 7.0, 6.0]
    names = ["untouched", COUNTERS, "untouched", PLAIN, "untouched", COUNTERS, "untouched"]
    return effect_of("x", [Rate(name, gbps) for name, gbps in zip(names, values, strict=True)])


def test_drift_cancels_between_a_window_and_its_neighbours():
    assert {each.probe: each.ratios for each in effect().probes} == {COUNTERS: (1.0, 1.0), PLAIN: (0.5,)}
    assert effect().noise.ratios == (1.0, 1.0)  # 10 between 12 and 8, 8 between 10 and 6


def test_a_probe_that_costs_half_is_not_noise():
    counters, plain = effect().probes
    assert effect().within_noise(counters)
    assert not effect().within_noise(plain)


def test_the_noise_of_a_median_is_what_nine_in_ten_stay_within():
    assert noise_of_median([0.9, 1.0, 1.1], 1) == pytest.approx(0.1)
    assert noise_of_median([0.9] + [1.0] * 20 + [1.1], 5) < 0.01


def test_the_table_has_a_column_a_probe_and_a_row_a_scenario():
    lines = markdown([effect(), effect()._replace(scenario="y")]).splitlines()
    assert lines[0] == "| configuration | untouched, Gbit/s | untouched again | counters | 499 Hz without |"
    assert lines[2] == "| x | 9.0 | 1.00 (1.00–1.00) | 1.00 (1.00–1.00) | 0.50 (0.50–0.50) |"
    assert lines[3].startswith("| y |")


def test_the_document_holds_every_ratio():
    document = effects_document([effect()], EffectOptions(rounds=2))
    (scenario,) = json.loads(json.dumps(document))["scenarios"]
    assert scenario["untouched_gbps"] == [12.0, 10.0, 8.0, 6.0]
    assert [(each["probe"], each["ratios"], each["within_noise"]) for each in scenario["probes"]] == [
        (COUNTERS, [1.0, 1.0], True),
        (PLAIN, [0.5], False),
    ]


def test_every_probe_is_first_in_some_round():
    assert [turned("abc", turn)[0] for turn in range(4)] == ["a", "b", "c", "a"]


@pytest.mark.parametrize("wrong", [{"rounds": 1}, {"window_seconds": 0.1}])
def test_too_little_to_compare_is_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        EffectOptions(**wrong)


@pytest.mark.root
@needs_the_lab
def test_a_real_transfer_is_measured_with_and_without_probes():
    seen = probe_effect(scenario_named("gro"), EffectOptions(rounds=2, window_seconds=0.4, probes=(COUNTERS, PLAIN)))
    assert len(seen.untouched_gbps) == 5
    counters, plain = seen.probes
    assert (len(counters.ratios), len(plain.ratios)) == (2, 2)
    assert all(0.1 < ratio < 10 for ratio in (*counters.ratios, *plain.ratios))
    assert plain.samples_per_s > 500
    assert namespaces_of(os.getpid()) == []


@pytest.mark.root
@needs_the_lab
def test_a_probe_ends_with_its_block_whatever_happens(tmp_path):
    with pytest.raises(ZeroDivisionError):
        look_and_fail(tmp_path)
    assert namespaces_of(os.getpid()) == []
    assert list(tmp_path.iterdir()) == []


def look_and_fail(scratch):
    with two_hosts(scenario_named("gro")) as pair, looking(BARE_PROBES[0], pair, scratch):
        assert "perf" in running_in(pair.receiver)
        raise ZeroDivisionError


def running_in(namespace: str) -> str:
    pids = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True).stdout.split()
    return subprocess.run(
        ["ps", "-o", "comm=", "-p", ",".join(pids)], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.root
@needs_the_lab
def test_a_tool_that_is_absent_is_one_line(tmp_path):
    no_tool = BareProbe("nothing", ("no-such-tool",), lambda child, log: False)
    with two_hosts(scenario_named("gro")) as pair, pytest.raises(HostError, match=r"nothing: does not look: .*no-such"):
        looking(no_tool, pair, tmp_path).__enter__()

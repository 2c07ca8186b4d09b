from dataclasses import asdict

import pytest

from zcanalysis.cli import SCENARIO_NAMES
from zcanalysis.errors import HostError
from zcanalysis.lab import SCENARIOS, Scenario
from zcanalysis.lab.applied import APPLIED, patched
from zcanalysis.lab.scenarios import scenario_named

BASELINE = Scenario(name="mtu-1500")


def changed(patch: str, scenario: Scenario = BASELINE) -> dict[str, object]:
    """The fields that a patch gives another value, but for the name."""
    before, after = asdict(scenario), asdict(patched(scenario, patch))
    return {name: after[name] for name in before if name != "name" and after[name] != before[name]}


@pytest.mark.parametrize(
    ("patch", "fields"),
    [
        ("hw-checksum=on", {}),
        ("mtu=9000", {"mtu": 9000}),
        ("gro=on", {"receiver_gro": True}),
        ("rps=off", {"rps_cpu": None}),
        ("rps=0", {"rps_cpu": 0}),
        ("rps=on", {}),
        ("rcvbuf=65536", {"rcvbuf_bytes": 65_536}),
        ("competing-load=1", {"hog_cpu": 1}),
        ("link-gbps=4", {"link_rate_gbps": 4.0}),
    ],
)
def test_a_patch_changes_only_what_it_says(patch, fields):
    assert changed(patch) == fields
    assert patched(BASELINE, patch).name == f"mtu-1500+{patch}"


def test_what_a_patch_did_another_undoes():
    assert changed("rps=on", scenario_named("no-rps")) == {"rps_cpu": 1}
    assert changed("gro=off", scenario_named("gro")) == {"receiver_gro": False}
    assert changed("competing-load=0", scenario_named("cpu-hog")) == {"hog_cpu": None}


def test_the_hog_computes_where_the_reader_reads():
    assert patched(Scenario(name="x", reader_cpu=3), "competing-load=1").hog_cpu == 3


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ("zero-copy-rx", "the lab cannot apply this; it can apply hw-checksum, mtu"),
        ("mtu=many", "'many' is no value of mtu"),
        ("mtu", "'nothing' is no value of mtu"),
        ("mtu=12", "mtu must be 68"),
        ("gro=perhaps", "is no value of gro"),
        ("hw-checksum=off", "always verified"),
        ("competing-load=2", "at most one"),
        ("rcvbuf=1", "rcvbuf_bytes must be at least"),
    ],
)
def test_a_patch_the_lab_cannot_apply_is_one_line(patch, why):
    with pytest.raises(HostError, match=why):
        patched(BASELINE, patch)


def test_a_scenario_names_all_its_cpus():
    assert Scenario(name="x", sender_cpu=0, reader_cpu=2, rps_cpu=None, hog_cpu=5).cpus == {0, 2, 5}


def test_the_command_line_lists_every_scenario():
    assert SCENARIO_NAMES.split(", ") == [scenario.name for scenario in SCENARIOS]


def test_every_patch_of_the_lab_has_been_applied_here():
    applied = {"hw-checksum", "mtu", "gro", "rps", "rcvbuf", "competing-load", "link-gbps"}
    assert applied == set(APPLIED)

"""What the lab measured of a change is found where a recording, or a validated case, differs by exactly it."""

import json
import shutil
from pathlib import Path

import pytest

from zcanalysis.goodput import counted_goodput
from zcanalysis.io.recording import read_recording
from zcanalysis.measured_change import LabRuns
from zcanalysis.patches import parse_patch

TRACES = Path(__file__).parent.parent / "traces"


def found(runs, *texts):
    return runs.measured(map(parse_patch, texts))


@pytest.fixture(scope="module")
def runs():
    return LabRuns(read_recording(TRACES / "veth-1500"))


def test_a_recording_that_differs_by_the_patches_is_the_measured_point(runs):
    for name, texts in {
        "veth-9000": ["mtu=9000"], "veth-gro": ["rps=off", "gro=on"], "veth-cpu-hog": ["competing-load=1"],
    }.items():  # fmt: skip
        (measured,) = found(runs, *texts)
        assert measured.where == name
        assert measured.gbps == counted_goodput(read_recording(TRACES / name)).gbps


def test_a_validated_case_is_one_too_as_a_ratio_of_this_goodput(runs):
    recorded, validated = found(runs, "rcvbuf=65536")
    row = next(
        case["row"] for case in json.loads((TRACES / "validation.json").read_text())["cases"]
        if case["row"]["configuration"] == "mtu=1500,gro=off,rps=1" and case["patches"] == ["rcvbuf=65536"]
    )  # fmt: skip
    assert recorded.where == "veth-small-buffer"
    mine = counted_goodput(read_recording(TRACES / "veth-1500")).gbps
    assert validated.gbps == mine * row["measured_ratio"]
    assert validated.low_gbps < validated.gbps < validated.high_gbps


@pytest.mark.parametrize("texts", [[], ["mtu=4000"], ["gro=on"], ["kernel-bypass"], ["zero-copy-rx"], ["link-gbps=4"]])
def test_what_nobody_measured_has_no_point(runs, texts):
    assert found(runs, *texts) == ()


@pytest.mark.parametrize("text", ["{", "[]", '{"lab": 3}', '{"lab": {"name": "x", "mtu": "y"}}', '{"lab": {"mtu": 1}}'])
def test_damaged_neighbours_are_left_out(tmp_path, text):
    shutil.copytree(TRACES / "veth-1500", tmp_path / "mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/host.json").write_text(text)
    (tmp_path / "validation.json").write_text(text)
    assert found(LabRuns(read_recording(tmp_path / "mine")), "mtu=9000") == ()

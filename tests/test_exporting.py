"""Exports: the same numbers as the library's tables, in forms whose rules are checked here."""

import json
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

import zcanalysis as zc
from zcanalysis.cli import app
from zcanalysis.errors import TraceError
from zcanalysis.exporting import PACKETS_SHOWN, export
from zcanalysis.io.folded import folded_text
from zcanalysis.io.recording import read_recording
from zcanalysis.journey_work import all_work
from zcanalysis.journeys import replay

TRACES = Path(__file__).parent.parent / "traces"
NEEDED = {"X": {"name", "ts", "dur", "pid", "tid"}, "M": {"name", "args"}, "C": {"name", "ts", "args"}}
FLOWS = {"id", "name", "cat", "ts", "pid", "tid"}


@pytest.fixture(scope="module")
def trace(shipped_answer, tmp_path_factory) -> dict:
    target = tmp_path_factory.mktemp("perfetto") / "trace.json"
    export(shipped_answer, "perfetto", target)
    return json.loads(target.read_text())


def test_folded_call_chains_are_those_of_the_function(shipped_answer, tmp_path):
    done = export(shipped_answer, "folded", tmp_path / "folded")
    stacks = zc.folded_stacks(shipped_answer.recording.samples)
    assert (tmp_path / "folded").read_text() == folded_text(stacks)
    assert done.number == stacks.height


def test_speedscope_holds_every_sample_once(shipped_answer, tmp_path):
    export(shipped_answer, "speedscope", tmp_path / "file.json")
    document = json.loads((tmp_path / "file.json").read_text())
    names = [frame["name"] for frame in document["shared"]["frames"]]
    counted: Counter[str] = Counter()
    for profile in document["profiles"]:
        assert len(profile["samples"]) == len(profile["weights"])
        assert sum(profile["weights"]) == profile["endValue"]
        for stack, weight in zip(profile["samples"], profile["weights"], strict=True):
            counted[";".join(names[at] for at in stack)] += weight
    stacks = zc.folded_stacks(shipped_answer.recording.samples)
    assert counted == Counter(dict(stacks.iter_rows()))


def test_every_event_has_what_the_format_asks_for(trace):
    for event in trace["traceEvents"]:
        assert NEEDED.get(event["ph"], FLOWS) <= set(event)
        assert event.get("ts", 0) >= 0
        assert event.get("dur", 0) >= 0
    assert {event["ph"] for event in trace["traceEvents"]} == {"X", "M", "C", "s", "t"}


def test_slices_of_a_track_do_not_overlap(trace):
    tracks = defaultdict(list)
    for event in trace["traceEvents"]:
        if event["ph"] == "X":
            tracks[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    assert len(tracks) > 5
    for spans in tracks.values():
        assert all(later[0] >= earlier[1] - 1e-6 for earlier, later in pairwise(sorted(spans)))


def test_arrows_follow_each_packet_through_its_slices(trace, shipped_answer):
    host = shipped_answer.model.calibration.host
    steps = all_work(replay(shipped_answer.recording.packets, host).head(PACKETS_SHOWN))
    slices = {(e["pid"], e["tid"], e["ts"], e["args"].get("packet")) for e in trace["traceEvents"] if e["ph"] == "X"}
    begun, arrows = set(), 0
    for event in trace["traceEvents"]:
        if event["ph"] not in "st":
            continue
        assert (event["pid"], event["tid"], event["ts"], event["id"]) in slices
        assert (event["ph"] == "t") == (event["id"] in begun)
        begun.add(event["id"])
        arrows += 1
    assert arrows == steps.height
    spent = sum(e["dur"] for e in trace["traceEvents"] if e["ph"] == "X" and "packet" in e["args"])
    assert spent * 1000 == pytest.approx((steps["to_ns"] - steps["from_ns"]).sum())


def test_what_is_left_out_is_said(tmp_path, shipped_answer):
    assert "packets behind the first 20,000" in export(shipped_answer, "perfetto", tmp_path / "trace.json").left_out


def test_a_file_that_exists_and_the_recording_itself_are_kept(tmp_path):
    (tmp_path / "there").write_text("mine")
    recording = read_recording(TRACES / "veth-1500")
    with pytest.raises(TraceError, match="exists already"):
        export(recording, "folded", tmp_path / "there")
    with pytest.raises(TraceError, match="part of the recording"):
        export(recording, "folded", TRACES / "veth-1500" / "host.json", overwrite=True)
    assert (tmp_path / "there").read_text() == "mine"


def test_a_recording_without_samples_has_no_call_chains(tmp_path):
    with pytest.raises(TraceError, match="holds no CPU samples"):
        export(read_recording(TRACES / "veth-1500" / "capture.pcap.zst"), "speedscope", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_it_wrote_and_refuses_other_forms(tmp_path):
    target = tmp_path / "stacks"
    asked = ["export", str(TRACES / "veth-1500"), "--format", "folded", "-o", str(target)]
    assert "call chains" in CliRunner().invoke(app, asked).stdout
    asked[3] = "svg"
    assert "perfetto, folded or speedscope" in str(CliRunner().invoke(app, asked).exception)

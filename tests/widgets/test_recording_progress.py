"""Progress of a recording without a recorder, and the recorder apart without a page."""

import os
import queue
from itertools import count

import pytest

import zcanalysis as zc
from zcanalysis.live import Received
from zcanalysis.recorder import Phase, RecordOptions
from zcanalysis.recorder.apart import Apart


class Made:
    """A recording whose phases a test tells."""

    def __init__(self):
        self.told, self.complaint, self.stopped = queue.Queue(), None, False
        self.stops = 0

    def phases(self):
        while (phase := self.told.get(timeout=30)) is not None:
            yield phase

    def stop(self):
        self.stopped, self.stops = True, self.stops + 1
        self.told.put(None)

    def fails(self, complaint):
        self.complaint = complaint
        self.told.put(None)


@pytest.fixture
def as_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.fixture
def progress(as_root, tmp_path):
    return zc.widgets.recording_progress(tmp_path / "recording", "lo", 8)


@pytest.fixture
def made(progress):
    made = Made()
    moments = count()
    progress.follow(made, lambda: Received((at := next(moments)) * 1_000_000_000, at * 250_000_000))
    return made


def finished(progress):
    for thread in progress.threads:
        thread.join(30)
        assert not thread.is_alive()


def seen(progress, *names):
    """What `names` became, one after the other."""
    values = []
    progress.observe(lambda change: values.append((change["name"], change["new"])), names)
    return values


def test_it_says_what_it_is_about_to_do(progress):
    assert "Ready to record lo for 8 s" in progress._says.value
    assert (progress._start.disabled, progress._stop.disabled) == (False, True)


def test_phases_are_told_until_the_recording_is_there(progress, made):
    values = seen(progress, "phase", "share", "ended", "running")
    for phase in (("counters", 0.0), ("sampling", 0.5), ("done", 1.0), None):
        made.told.put(phase)
    finished(progress)
    assert [value for name, value in values if name == "phase"] == ["counters", "sampling", "done"]
    assert progress.ended == "recorded"
    assert progress._bar.value == 1
    assert f"zc.read_recording(&#x27;{progress.directory}&#x27;)" in progress._says.value
    assert (progress._start.disabled, progress._stop.disabled) == (False, True)


def test_what_the_device_receives_is_drawn_with_its_phase(progress, made):
    made.told.put(("sampling", 0.25))
    for _ in range(600):
        if "lo receives" in progress._says.value and progress.readings["phase"][-1] == "sampling":
            break
        progress.threads[1].join(0.05)
    assert progress.readings["gbps"].unique().to_list() == [2.0]  # 250 MB a second
    assert "Now: CPU samples; about" in progress._says.value
    assert "lo receives 2.00 Gbit/s, headers included" in progress._says.value
    (rows,) = progress.chart.tables.values()
    assert rows[-1]["phase"] == "sampling"
    made.told.put(None)
    finished(progress)


def test_stop_keeps_what_was_seen(progress, made):
    made.told.put(("counters", 0.0))
    progress._stop.click()
    assert progress._stop.disabled
    progress.stop()
    finished(progress)
    assert made.stops == 1
    assert progress.ended == "stopped"
    assert f"What was seen until then is in {progress.directory}" in progress._says.value
    assert not progress.running


def test_a_failure_is_one_line(progress, made):
    made.fails("tcpdump: <b>no\nsuch device")
    finished(progress)
    assert progress.ended == "failed"
    assert progress._says.value == '<p class="zc-trouble" role="alert">tcpdump: &lt;b&gt;no such device</p>'


def test_without_root_it_refuses_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    progress = zc.widgets.recording_progress(tmp_path / "recording", "lo")
    assert progress.trouble.startswith("Recording needs root")
    assert progress._says.value.count("<p") == 1
    assert progress._start.disabled
    progress.start()
    assert not progress.running
    assert not (tmp_path / "recording").exists()


def test_a_device_that_is_not_there_is_one_line(as_root, tmp_path):
    progress = zc.widgets.recording_progress(tmp_path / "recording", "nothing0")
    progress._start.click()
    assert progress.trouble.startswith("nothing0: no such network device here")
    assert not progress.running


def test_a_folder_in_use_is_one_line(as_root, tmp_path):
    (tmp_path / "file").touch()
    progress = zc.widgets.recording_progress(tmp_path, "lo")
    progress._start.click()
    assert "is not empty" in progress.trouble
    assert not progress.running


def test_a_recorder_apart_tells_its_phases_and_leaves_a_recording(tmp_path):
    apart = Apart(tmp_path / "r", RecordOptions(device="lo", plan=[Phase("counters", 0.2), Phase("again", 0.2)]))
    assert list(apart.phases()) == [("counters", 0.0), ("again", 0.5), ("done", 1.0)]
    assert (apart.complaint, apart.stopped) == (None, False)
    assert zc.read_recording(tmp_path / "r").host.device == "lo"


def test_a_recorder_apart_that_is_stopped_leaves_what_it_saw(tmp_path):
    apart = Apart(tmp_path / "r", RecordOptions(device="lo", plan=[Phase("counters", 60)]))
    told = []
    for phase in apart.phases():
        told.append(phase)
        apart.stop()
    assert told == [("counters", 0.0)]
    assert (apart.complaint, apart.stopped) == (None, True)
    assert zc.read_recording(tmp_path / "r").counters is not None


def test_a_recorder_apart_that_fails_says_why_in_one_line(tmp_path):
    apart = Apart(tmp_path / "r", RecordOptions(device="nothing0", plan=[Phase("counters", 1)]))
    assert list(apart.phases()) == []
    assert apart.complaint.startswith("nothing0: no such network device here")
    assert "\n" not in apart.complaint

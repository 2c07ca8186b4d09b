"""Whatever ends a recording early: no probe stays, and what remains can be read."""

import json
import os
import pkgutil
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest
import zstandard

from zcanalysis.io.recording import read_recording
from zcanalysis.recorder import Phase, RecordOptions, probes, record
from zcanalysis.recorder.interruption import interruptions_held_back
from zcanalysis.recorder.processes import comm_of


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Write shell scripts that take the place of real tools."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    for name in ("why_perf_cannot_run", "why_tcpdump_cannot_run"):
        monkeypatch.setattr(probes, name, lambda: None)

    def write(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(stat.S_IRWXU)

    return write


@pytest.fixture
def children(monkeypatch):
    """Every child that the recorder spawns."""
    spawned = []

    def spawn(*arguments, real=probes.spawn, **descriptors):
        spawned.append(real(*arguments, **descriptors))
        return spawned[-1]

    monkeypatch.setattr(probes, "spawn", spawn)
    return spawned


def anything_runs(children) -> bool:
    for child in children:
        try:
            os.killpg(child.pid, 0)
        except ProcessLookupError:
            continue
        return True
    return False


def interrupting_once(function):
    """The same function, but Ctrl-C comes at its first call."""
    calls = []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return function(*arguments)

    return interrupted


@pytest.mark.parametrize(
    ("tool", "waiting"),
    [("perf", "zcanalysis.recorder.probes.select.select"), ("tcpdump", "zcanalysis.recorder.probes._written")],
)
def test_ctrl_c_while_a_probe_starts_leaves_nothing_running(tmp_path, monkeypatch, tools, children, tool, waiting):
    tools(tool, 'case "$1" in --version) exit;; esac\nexec sleep 60')
    monkeypatch.setattr(waiting, interrupting_once(pkgutil.resolve_name(waiting)))
    with pytest.raises(KeyboardInterrupt):
        record(tmp_path / "out", RecordOptions(device="lo", plan=(Phase("counters", 0.1), Phase("x", 1, (tool,)))))
    assert len(children) == 1
    assert not anything_runs(children)
    assert [phase.name for phase in read_recording(tmp_path / "out").host.phases] == ["counters"]


def test_ctrl_c_while_a_child_is_spawned_is_not_before_the_child_is_known():
    known = []

    def spawn_interrupted():
        with interruptions_held_back():
            signal.raise_signal(signal.SIGINT)
            known.append("child")

    with pytest.raises(KeyboardInterrupt):
        spawn_interrupted()
    assert known == ["child"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("script", ["exit 1", "exit 0", "echo text; exit 1"])
def test_a_perf_script_that_gives_nothing_leaves_the_folder_readable(tmp_path, tools, script):
    # perf record acknowledges every order and writes some bytes; perf script fails
    tools("perf", PERF.replace("SCRIPT", script))
    record(tmp_path / "out", RecordOptions(device="lo", plan=(Phase("chains", 0.1, ("perf",)),)))
    recording = read_recording(tmp_path / "out")
    assert recording.samples is None
    assert [line for line in recording.host.missing if line.startswith("no perf.txt.zst: perf ")]


PERF = """case "$1" in
record)
  for word; do case "$word" in fd:*) fds=${word#fd:};; */perf.data) echo content > "$word";; esac; done
  orders=${fds%,*} answers=${fds#*,}
  while eval "read order <&$orders"; do eval "echo ack >&$answers"; [ "$order" = stop ] && exit 0; done;;
script) SCRIPT;;
esac"""


def test_a_capture_without_packets_leaves_the_folder_readable(tmp_path, monkeypatch, tools):
    monkeypatch.setattr(probes, "DRAIN_SECONDS", 0.1)
    tools("tcpdump", 'case "$1" in --version) exit;; esac\necho listening on lo >&2\nexec sleep 60')
    record(tmp_path / "out", RecordOptions(device="lo", plan=(Phase("capture", 0.1, ("tcpdump",)),)))
    recording = read_recording(tmp_path / "out")
    assert recording.packets is None
    assert "no capture.pcap.zst: tcpdump caught no packet" in recording.host.missing


@pytest.mark.skipif(shutil.which("timeout") is None, reason="needs coreutils' timeout")
def test_tcpdump_on_a_quiet_device_ends_by_itself_when_we_are_killed(tmp_path, monkeypatch, tools):
    for name in ("READY_SECONDS", "DRAIN_SECONDS", "STOP_SECONDS"):
        monkeypatch.setattr(probes, name, 0.4)
    tools("tcpdump", "echo listening on lo >&2\nsleep 60")
    probe = probes.TcpdumpProbe.spawned(tmp_path, "lo", 0.1)
    with probe.log:
        probe.begin()
        assert comm_of(probe.pid) == "tcpdump"
        assert probe.child.wait(10) == 124  # what timeout says
    assert comm_of(probe.pid) is None


def test_a_dropped_connection_still_leaves_a_recording(tmp_path):
    document = {"directory": str(tmp_path / "out"), "device": "lo", "plan": [["counters", 60.0, []]]}
    (tmp_path / "document").write_text(json.dumps(document))
    with (tmp_path / "document").open() as told:
        recorder = subprocess.Popen([sys.executable, "-m", "zcanalysis.recorder"], stdin=told, stderr=subprocess.PIPE)
    time.sleep(2.0)  # imports, facts, and the window is open
    recorder.send_signal(signal.SIGHUP)
    recorder.send_signal(signal.SIGTERM)
    assert recorder.communicate(timeout=20) == (None, b"interrupted\n")
    assert recorder.returncode == 130
    host = read_recording(tmp_path / "out").host
    assert [phase.name for phase in host.phases] == ["counters"]
    assert "phase counters: interrupted" in host.missing


def test_an_interrupted_compression_keeps_the_file_itself(tmp_path, monkeypatch):
    (tmp_path / "capture.pcap").write_bytes(b"content")
    monkeypatch.setattr(zstandard, "ZstdCompressor", interrupt_compression)
    with pytest.raises(KeyboardInterrupt):
        probes.compress_file(tmp_path / "capture.pcap")
    assert [path.name for path in tmp_path.iterdir()] == ["capture.pcap"]


def interrupt_compression(level):
    raise KeyboardInterrupt

"""Whoever of a running lab is killed: no namespace and no process of it remains."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lab.real import alive, descendants, namespaces_of, why_not
from zcanalysis.errors import HostError
from zcanalysis.lab.meter import running_meter
from zcanalysis.lab.namespaces import sweep_leftovers, two_hosts
from zcanalysis.lab.scenarios import scenario_named
from zcanalysis.lab.transfer import running_transfer

pytestmark = [pytest.mark.root, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]

RUN = [
    sys.executable,
    "-m",
    "zcanalysis",
    "lab",
    "run",
    "--scenario",
    "cpu-hog",
    "--seconds",
    "3",
    "--no-capture",
    "-o",
]
KINDS = {
    "receiver": "--server",
    "sender": "--client",
    "hog": "sched_setaffinity",
    "recorder": "zcanalysis.recorder",
    "perf": "perf record",
}
PATIENCE_SECONDS = 60


@contextlib.contextmanager
def running_lab(directory) -> Iterator["subprocess.Popen[bytes]"]:
    """A lab that is recording, all its children there."""
    with subprocess.Popen([*RUN, str(directory)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as lab:
        try:
            await_that(lambda: all(pid_of(lab, kind) for kind in KINDS) or lab.poll() is not None)
            missing = [kind for kind in KINDS if not pid_of(lab, kind)]
            assert not missing, (missing, lab.poll())
            yield lab
        finally:
            lab.kill()


def pid_of(lab, kind: str) -> int | None:
    words = KINDS[kind]
    return next(
        (pid for pid, command in descendants(lab.pid).items() if words in command and "sleep" not in words), None
    )


def await_that(condition) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_that_is_killed_leaves_nothing(kind, tmp_path):
    with running_lab(tmp_path) as lab:
        below = descendants(lab.pid)
        os.kill(pid_of(lab, kind), signal.SIGKILL)
        _, said = lab.communicate(timeout=PATIENCE_SECONDS)
    # a perf that dies is a phase without samples, as the recording says; of the others one line tells
    assert lab.returncode == (0 if kind == "perf" else 2), said
    assert said.count(b"\n") == (0 if kind == "perf" else 1), said
    assert namespaces_of(lab.pid) == []
    assert alive(below) == {}


def test_ctrl_c_leaves_nothing(tmp_path):
    with running_lab(tmp_path) as lab:
        below = descendants(lab.pid)
        lab.send_signal(signal.SIGINT)
        lab.communicate(timeout=PATIENCE_SECONDS)
    assert lab.returncode == 130
    assert namespaces_of(lab.pid) == []
    assert alive(below) == {}


def test_a_lab_that_is_killed_takes_its_processes_along_and_the_next_run_its_namespaces(tmp_path):
    with running_lab(tmp_path) as lab:
        below = descendants(lab.pid)
        lab.kill()
    await_that(lambda: not alive(below))
    assert alive(below) == {}
    sweep_leftovers()  # as the next run does, of whomever
    assert namespaces_of(lab.pid) == []


def test_runs_that_begin_at_once_may_sweep_the_same():
    gone = subprocess.Popen(["true"])
    gone.wait()
    for end in "sr":
        subprocess.run(["ip", "netns", "add", f"zc-{gone.pid}-{end}"], check=True)
    with ThreadPoolExecutor(8) as runs:
        for done in [runs.submit(sweep_leftovers) for _ in range(8)]:
            done.result()
    assert namespaces_of(gone.pid) == []


def test_a_meter_that_is_killed_is_one_line_and_leaves_nothing(tmp_path):
    below: dict[int, str] = {}
    with pytest.raises(HostError, match="is gone"):
        kill_the_meter(tmp_path, below)
    assert below
    assert alive(below) == {}
    assert namespaces_of(os.getpid()) == []


def kill_the_meter(scratch, below) -> None:
    scenario = scenario_named("gro")
    with two_hosts(scenario) as pair, running_transfer(pair, scenario, 5, scratch), running_meter(pair) as meter:
        below |= descendants(os.getpid())
        meter.process.kill()
        meter.read()

"""What a test starts is ended with it, also what does not want to, and also when the test fails."""

import subprocess
import sys

import psutil
import pytest

from tests.browser.processes import ended

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def started() -> tuple[subprocess.Popen[str], int]:
    """A process that does not end when asked to, and the process that it has started."""
    running = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True)
    return running, int(running.stdout.readline())


def test_what_does_not_end_is_killed_with_its_children_and_said():
    running, child = started()
    with running, pytest.raises(AssertionError, match="had to be killed"), ended(running.pid, running.terminate, 0.2):
        assert psutil.pid_exists(child)
    assert running.returncode is not None
    psutil.wait_procs([psutil.Process(child)] if psutil.pid_exists(child) else [], timeout=5)
    assert not psutil.pid_exists(child)


def test_the_failure_of_the_test_itself_is_what_is_told():
    running, _ = started()
    with running, pytest.raises(ZeroDivisionError), ended(running.pid, running.kill, 0.2):
        1 / 0  # noqa: B018 - it fails
    assert running.returncode is not None


def test_what_ends_when_asked_to_is_no_error():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as running:
        with ended(running.pid, running.terminate) as process:
            assert process.is_running()
        assert not process.is_running()

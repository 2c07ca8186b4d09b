"""Children that run to their end, complain, hang, or lose their parent."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab.real import alive, descendants
from zcanalysis.errors import HostError
from zcanalysis.lab.children import run_child

PYTHON = [sys.executable, "-c"]
PATIENCE_SECONDS = 30


def test_what_a_child_is_told_comes_back_as_it_answers():
    code = "import sys, zcanalysis; print(sys.stdin.read()[::-1], zcanalysis.__file__)"
    said, place = run_child([*PYTHON, code], "it", PATIENCE_SECONDS, b"abc").split()
    assert said == b"cba"
    assert Path(place.decode()).parent.name == "zcanalysis"


def test_the_last_line_of_a_complaint_is_the_reason():
    with pytest.raises(HostError, match=r"^the pings failed: ValueError: too loud$"):
        run_child([*PYTHON, "raise ValueError('too loud')"], "the pings", PATIENCE_SECONDS)
    with pytest.raises(HostError, match=r"^the pings failed: status 7$"):
        run_child([*PYTHON, "import sys; sys.exit(7)"], "the pings", PATIENCE_SECONDS)


def test_a_child_that_takes_too_long_is_killed_with_what_it_has_started(tmp_path):
    pids = tmp_path / "pids"
    code = "import os, subprocess as s, sys, time; from pathlib import Path; child = s.Popen(['sleep', '60'])\n"
    code += f"Path({str(pids)!r}).write_text(f'{{os.getpid()}} {{child.pid}}'); time.sleep(60)"
    with pytest.raises(HostError, match=r"^the pings did not end within 3 s$"):
        run_child([*PYTHON, code], "the pings", 3)
    leader, below = map(int, pids.read_text().split())
    assert not Path(f"/proc/{leader}").exists()
    await_that(lambda: not running(below))
    assert not running(below)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux")
def test_a_child_ends_with_a_parent_that_is_killed():
    code = "from zcanalysis.lab.children import run_child; run_child(['sleep', '60'], 'it', 60)"
    with subprocess.Popen([*PYTHON, code], env=os.environ) as parent:
        await_that(lambda: "sleep 60 " in descendants(parent.pid).values())
        below = descendants(parent.pid)
        parent.kill()
    assert "sleep 60 " in below.values()
    await_that(lambda: not alive(below))
    assert alive(below) == {}


def running(pid: int) -> bool:
    """Whether it runs; one that ended and that nobody has asked for does not."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def await_that(condition) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)

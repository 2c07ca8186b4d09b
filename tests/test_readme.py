"""What the README shows is what the commands print, and its Python runs."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SHOWN = re.findall(r"```console\n\$ zcanalysis (.*?)\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command for command, _ in SHOWN])
def test_the_output_shown_is_what_the_command_prints(command, shown):
    environment = os.environ | {"TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-m", "zcanalysis", *command.split()],
        capture_output=True, text=True, check=True, cwd=ROOT, env=environment, timeout=120,
    )  # fmt: skip
    assert [line.rstrip() for line in done.stdout.rstrip().splitlines()] == shown.rstrip().splitlines()


def test_the_python_shown_runs_and_prints_what_is_shown(monkeypatch):
    monkeypatch.chdir(ROOT)
    tried = doctest.testfile(str(ROOT / "README.md"), module_relative=False, encoding="utf-8")
    assert tried.attempted >= 5
    assert tried.failed == 0
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    block = next(code for code in blocks if "read_recording" in code)
    names: dict = {}
    exec(compile(f"import zcanalysis as zc\n{block}", "README.md", "exec"), names)
    assert not names["costs"].is_empty()


def test_newcomers_commands_are_named():
    assert "make demo" in README
    assert "make test" in README

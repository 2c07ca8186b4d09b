"""What the README shows is what the commands print, and its Python runs."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from zcanalysis.answer import answered
from zcanalysis.cases import CASES
from zcanalysis.io.recording import read_recording
from zcanalysis.patches import parse_patch
from zcanalysis.whatif import predict

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PICTURES = ROOT / "notebooks" / "images"
MOST_PICTURE_BYTES = 80_000
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


def test_the_foretold_figures_shown_are_those_of_the_shipped_recordings():
    table = README.partition("<!-- foretold -->")[2].partition("<!-- /foretold -->")[0]
    rows = re.findall(
        r"^\| `(.+?)` \(`(.+?)`\) \| ([\d.]+) \| ([\d.]+) .*? \| (\d+)-(\d+), (\w+) ", table, re.MULTILINE
    )
    answer = answered(read_recording(ROOT / "traces/veth-1500"))
    holds = 0
    for texts, name, *shown in rows:
        made = predict(answer, map(parse_patch, texts.split(" + ")))
        measured = answered(read_recording(ROOT / "traces" / name)).goodput_gbps
        inside = made.low_gbps <= measured <= made.high_gbps
        holds += inside
        figures = [f"{measured:.1f}", f"{made.gbps:.1f}", f"{made.low_gbps:.0f}", f"{made.high_gbps:.0f}"]
        assert shown == [*figures, "holds" if inside else "misses"]
    assert len(rows) >= 3
    assert f"interval holds {holds} of the {len(rows)}" in " ".join(table.split())


def test_newcomers_commands_are_named():
    assert "make demo" in README
    assert "make test" in README


@pytest.mark.parametrize("name", CASES)
def test_every_case_has_its_line_its_notebook_and_its_picture(name):
    shown = next(part for part in README.split("\n\n") if part.startswith(f"**`zcanalysis case {name}`**"))
    linked = [ROOT / link for link in re.findall(r"\]\((.+?)\)", shown)]
    notebook, picture = linked
    assert notebook.name.endswith(f"_{name}.py")
    assert picture == PICTURES / f"{name}.png"
    assert notebook.is_file()
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < MOST_PICTURE_BYTES

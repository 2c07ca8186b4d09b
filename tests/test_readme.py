"""What the README and the guide show is what the commands print, and their Python runs."""

import doctest
import json
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
GUIDE = ROOT / "notebooks" / "guide"
PAGES = {path: path.read_text() for path in (ROOT / "README.md", *sorted(GUIDE.glob("*.md")))}
README = PAGES[ROOT / "README.md"]
PICTURES = ROOT / "notebooks" / "images"
MOST_PICTURE_BYTES = 80_000
TWO_SCREENS = 130
BLOCK = re.compile(r"```console\n\$ zcanalysis (.*?)\n(.*?)```", re.DOTALL)
SHOWN = list(dict.fromkeys(found for text in PAGES.values() for found in BLOCK.findall(text)))


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command for command, _ in SHOWN])
def test_the_output_shown_is_what_the_command_prints(command, shown):
    environment = os.environ | {"TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-m", "zcanalysis", *command.split()],
        capture_output=True, text=True, check=True, cwd=ROOT, env=environment, timeout=120,
    )  # fmt: skip
    assert [line.rstrip() for line in done.stdout.rstrip().splitlines()] == shown.rstrip().splitlines()


def test_the_python_shown_runs_and_prints_what_is_shown(monkeypatch, tmp_path):
    (tmp_path / "traces").symlink_to(ROOT / "traces")
    monkeypatch.chdir(tmp_path)
    page = GUIDE / "python.md"
    tried = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert tried.attempted >= 5
    assert tried.failed == 0
    blocks = re.findall(r"```python\n(.*?)```", PAGES[page], flags=re.DOTALL)
    block = next(code for code in blocks if "read_recording" in code)
    names: dict = {}
    exec(compile(f"import zcanalysis as zc\n{block}", page.name, "exec"), names)
    assert not names["costs"].is_empty()
    exec(next(code for code in blocks if "write_report" in code), names)
    assert {file.name for file in tmp_path.iterdir()} == {"traces", "report.html", "veth-1500.perfetto.json"}


def test_the_foretold_figures_shown_are_those_of_the_shipped_recordings():
    table = PAGES[GUIDE / "changes.md"].partition("<!-- foretold -->")[2].partition("<!-- /foretold -->")[0]
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


def test_the_readme_is_two_screens_and_leads_to_every_page_of_the_guide():
    assert len(README.splitlines()) <= TWO_SCREENS
    assert {path.name for path in PAGES} - {"README.md"} == set(re.findall(r"\(notebooks/guide/(.+?)\)", README))


def test_every_link_leads_somewhere():
    links = [path.parent / link for path, text in PAGES.items() for link in re.findall(r"\]\(([^)#:]+)\)", text)]
    assert len(links) > len(PAGES)
    assert [str(link) for link in links if not link.exists()] == []


def test_the_cases_of_the_validation_are_those_of_the_shipped_one():
    cases = [case["row"] for case in json.loads((ROOT / "traces" / "validation.json").read_text())["cases"]]
    wanted = sorted((f"{row['measured_ratio']:.2f}", f"{row['predicted_ratio']:.2f}") for row in cases)
    row = re.compile(r"^\| mtu=.*? \| `.*?` \| ([\d.]+) \(.*?\) \| ([\d.]+) \|", re.MULTILINE)
    assert sorted((measured, foretold) for foretold, measured in row.findall(PAGES[GUIDE / "trust.md"])) == wanted
    few = row.findall(README)
    assert few == row.findall(PAGES[GUIDE / "trust.md"])[: len(few)] != []


@pytest.mark.parametrize("name", CASES)
def test_every_case_has_its_line_its_notebook_and_its_picture(name):
    parts = PAGES[GUIDE / "cases.md"].split("\n\n")
    shown = next(part for part in parts if part.startswith(f"**`zcanalysis case {name}`**"))
    linked = [(GUIDE / link).resolve() for link in re.findall(r"\]\((.+?)\)", shown)]
    notebook, picture = linked
    assert notebook.name.endswith(f"_{name}.py")
    assert picture == PICTURES / f"{name}.png"
    assert notebook.is_file()
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < MOST_PICTURE_BYTES

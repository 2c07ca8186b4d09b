"""`zcanalysis batch` as people call it: what it prints, where, and how it exits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import builders as make
from zcanalysis.cli import app
from zcanalysis.errors import ZcError

CAPTURE = make.pcap([make.ethernet(make.ipv4(make.tcp(payload=b"x" * 100)))] * 3)


@pytest.fixture
def captures(tmp_path) -> Path:
    root = tmp_path / "captures"
    root.mkdir()
    for number in range(3):
        (root / f"{number}.pcap").write_bytes(CAPTURE)
    return root


def run(*arguments: str | Path):
    return CliRunner().invoke(app, ["batch", *map(str, arguments)])


def test_it_says_where_the_page_is_and_what_was_done(captures, tmp_path):
    said = run(captures, "-o", tmp_path / "out")
    assert said.exit_code == 0
    assert said.stdout == f"{tmp_path}/out/index.html: 3 done, 0 failed, 0 left\n"
    assert run(captures, "-o", tmp_path / "out").stdout.endswith("0 done, 3 before, 0 failed, 0 left\n")


def test_a_source_that_fails_makes_it_end_with_status_2_after_all_others(captures, tmp_path):
    (captures / "1.pcap").write_bytes(b"x")
    command = [sys.executable, "-m", "zcanalysis", "batch", str(captures), "-o", str(tmp_path / "out"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert {name: document[name] for name in ("done", "failed", "left", "kept")} == {
        "done": 2, "failed": 1, "left": 0, "kept": 0,
    }  # fmt: skip
    assert [Path(row["path"]).name for row in document["recordings"]] == ["0.pcap", "2.pcap"]
    assert "not a perf sample" in document["failures"][0]["reason"]
    assert done.stderr == f"zcanalysis: 1 source could not be analysed; {tmp_path}/out/index.html says why\n"


def test_a_manifest_lists_more(captures, tmp_path):
    (tmp_path / "list").write_text("captures/1.pcap\n# not this one\ncaptures/2.pcap\n")
    said = run(captures / "0.pcap", "--manifest", tmp_path / "list", "-o", tmp_path / "out")
    assert "3 done" in said.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "needs paths"),
        (("x", "--link-gbps", "0"), "must be above 0"),
        (("x", "--part-mb", "100"), "is for --scheduler"),
        (("x", "--manifest", "/no/such"), "/no/such: No such file"),
    ],
)
def test_bad_input_is_one_line(tmp_path, arguments, words):
    said = run(*arguments, "-o", tmp_path / "out")
    assert isinstance(said.exception, ZcError)
    assert words in str(said.exception)
    assert not (tmp_path / "out").exists()

"""The history of the benchmarks: a line a run, from all its processes, and how far the figures moved."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import history
from tests.bench.history import FILE, note, one_run, shown

ROOT = Path(__file__).parents[2]


def test_a_run_is_one_line_with_the_figures_of_all_its_processes(tmp_path):
    file = tmp_path / "history.jsonl"
    for ratio in (2.0, 3.0):
        with one_run(file):
            note("ours over theirs", ratio / 1.0001)
            child = "from tests.bench.history import note; note('child', 4)"
            subprocess.run([sys.executable, "-c", child], cwd=ROOT, check=True)
    runs = [json.loads(line) for line in file.read_text().splitlines()]
    assert [run["ratios"] for run in runs] == [{"ours over theirs": ratio, "child": 4.0} for ratio in (2.0, 3.0)]
    assert {"cpu", "cpus", "kernel", "python", "polars"} <= set(runs[0]["machine"])


def test_a_run_that_fails_leaves_no_line_and_a_benchmark_alone_none(tmp_path):
    file = tmp_path / "history.jsonl"
    with pytest.raises(ZeroDivisionError), one_run(file):
        note("ours over theirs", 1 / 0)
    note("alone", 1.0)
    assert not file.exists()


def test_the_last_run_is_held_against_the_one_before():
    had = {"cpu": "made up", "cpus": 2, "kernel": "6", "python": "3"}
    common = {"date": "2026-01-01", "machine": had, "load": 0.5}
    ratios = [{"a over b": 2.0, "gone": 1.0}, {"a over b": 3.0}, {"a over b": 1.5, "new": 8.0}]
    text = shown([{"commit": f"c{at}", "ratios": these} | common for at, these in enumerate(ratios)])
    rows = [line.split() for line in text.splitlines()]
    assert rows[3][:4] == ["3", "2026-01-01", "c2", "0.5"]
    assert "other work" not in text
    assert [row for row in rows if row[0] in ("a", "new", "gone")] == [
        ["a", "over", "b", "2", "3", "1.5", "-50%"],
        ["new", "-", "-", "8"],
        ["gone", "1", "-", "-"],
    ]


def test_a_run_among_other_work_is_told():
    had = {"cpu": "made up", "cpus": 2, "kernel": "6", "python": "3"}
    run = {"commit": "c", "date": "2026-01-01", "machine": had, "load": 6.0, "ratios": {"a over b": 2.0}}
    assert "other work" in shown([run])


def test_nothing_is_shown_of_no_runs():
    assert shown([]).count("\n") == 0


def test_what_is_kept_is_whole():
    for run in history._lines(FILE):
        assert set(run) == {"commit", "date", "machine", "load", "ratios"}
        assert run["ratios"]
        assert all(ratio > 0 for ratio in run["ratios"].values())

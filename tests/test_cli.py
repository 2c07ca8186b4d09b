"""The command as a stranger meets it: answers on standard output, one line and status 2 for bad input."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.io.test_perf import TWO_SAMPLES
from tests.test_report import folder  # noqa: F401 - a fixture
from zcanalysis.cli import main

TRACE = Path(__file__).parent.parent / "traces/veth-1500"


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zcanalysis", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_report_prints_the_answer_and_writes_the_page(folder, tmp_path):  # noqa: F811
    page = tmp_path / "out.html"
    done = run("report", folder, "-o", page)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "CPU 1 is the limit" in done.stdout
    assert "where the missing bandwidth went" in done.stdout
    assert page.read_text().startswith("<!doctype html>")


def test_json_is_one_document_and_nothing_else(folder):  # noqa: F811
    for command, key in (("report", "goodput_gbps"), ("audit", "audit"), ("costs", "costs")):
        done = run(command, folder, "--json")
        assert done.returncode == 0, done.stderr
        assert key in json.loads(done.stdout)


def test_flows_tell_what_tcp_did_as_a_table_as_json_and_as_csv():
    told = run("flows", TRACE)
    assert told.returncode == 0, told.stderr
    assert "what TCP did" in told.stdout
    assert "zero window" in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 110
    rows = json.loads(run("flows", TRACE, "--json").stdout)["flows"]
    assert [row["zero_windows"] for row in rows] == [137, 0]  # tshark: tcp.analysis.zero_window
    assert {"goodput_gbps", "rtt_p95_ms", "stall_cause"} <= rows[0].keys()
    assert run("flows", TRACE, "--csv").stdout.splitlines()[0].split(",") == list(rows[0])


def test_flows_name_the_limit_of_each_direction_where_asked():
    capture = Path(__file__).parent.parent / "traces/limits/window.first.pcap.zst"
    told = run("flows", capture, "--limits")
    assert told.returncode == 0, told.stderr
    assert "receive window 100 %" in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 110
    rows = json.loads(run("flows", capture, "--limits", "--json").stdout)["flows"]
    assert [row["limit"] for row in rows] == ["unknown", None, "receive window", None]
    assert rows[2]["limit_share"] > 0.95
    assert "limit_share" in run("flows", capture, "--limits", "--csv").stdout.splitlines()[0].split(",")
    assert "limit" not in json.loads(run("flows", capture, "--json").stdout)["flows"][0]
    refused = run("flows", capture, "--limits", "--follow")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1
    report = json.loads(run("report", capture, "--json").stdout)["flows"]
    assert [row["limit"] for row in report] == [row["limit"] for row in rows]


def bad_files(place: Path) -> dict[str, Path]:
    """Things that are no recording."""
    files = {name: place / name for name in ("empty", "noise", "half.pcap", "words.txt", "folder", "broken")}
    files["empty"].write_bytes(b"")
    files["noise"].write_bytes(bytes(range(256)) * 40)
    files["half.pcap"].write_bytes(bytes.fromhex("d4c3b2a1020004000000"))
    files["words.txt"].write_text("once upon a time\n" * 100)
    files["folder"].mkdir()
    files["broken"].mkdir()
    (files["broken"] / "counters.parquet").write_bytes(b"PAR1 not really")
    files["missing"] = place / "missing"
    return files


@pytest.mark.parametrize("what", ["empty", "noise", "half.pcap", "words.txt", "folder", "broken", "missing"])
@pytest.mark.parametrize("command", ["report", "flows", "audit", "costs"])
def test_bad_input_is_one_line_and_status_2(tmp_path, command, what):
    file = bad_files(tmp_path)[what]
    done = run(command, file)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert ("is empty" in done.stderr) == (what == "empty")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[1]", "expected a JSON object"),
        ('{"phases": 7}', "unexpected form"),
        ('{"clock": [{"realtime_ns": "x"}]}', "unexpected form"),
        ("[" * 100_000, "not valid JSON"),
        ('{"link_rate_gbps": NaN}', "unexpected form"),
        ('{"mtu": -14}', "unexpected form"),
        ('{"roles": {"reader": [{"pid": 1000000000000}]}}', "unexpected form"),
        ('{"phases": [{"name": "a", "from_ns": 5, "to_ns": 3}]}', "unexpected form"),
    ],
)
def test_a_damaged_host_json_is_named(tmp_path, content, message):
    (tmp_path / "host.json").write_text(content)
    (tmp_path / "perf.txt").write_text(TWO_SAMPLES)
    done = run("report", tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "host.json" in done.stderr


def test_half_a_surrogate_in_a_label_is_harmless(tmp_path):
    (tmp_path / "host.json").write_text('{"label": "\\ud800", "missing": ["\\udfff"]}')
    (tmp_path / "perf.txt").write_text(TWO_SAMPLES)
    done = run("report", tmp_path, "-o", tmp_path / "new.html")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["host.json", "load.json", "counters.parquet", "perf.txt"])
def test_a_pipe_in_a_recording_is_refused_not_waited_for(tmp_path, name):
    (tmp_path / "perf.txt").write_text(TWO_SAMPLES)
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    done = run("report", tmp_path)
    assert done.returncode == 2
    assert "not a regular file" in done.stderr


def test_a_reader_that_has_gone_is_no_failure():
    command = f"set -o pipefail; {sys.executable} -m zcanalysis audit {TRACE} | true"
    assert subprocess.run(["bash", "-c", command], capture_output=True, check=False, timeout=120).returncode == 0


def test_the_loss_is_readable_in_80_columns():
    environment = os.environ | {"COLUMNS": "80"}
    done = subprocess.run(
        ["script", "-qec", f"stty cols 80; {sys.executable} -m zcanalysis report {TRACE}", "/dev/null"],
        capture_output=True, text=True, check=True, timeout=120, env=environment,
    )  # fmt: skip
    (row,) = [line for line in done.stdout.splitlines() if line.strip().startswith("copy to user")]
    assert re.search(r"copy to user\s+\d+\.\d\d\s+\d+\.\d\d-\d+\.\d\d", row)


def test_text_from_a_trace_cannot_drive_the_terminal(tmp_path):
    file = tmp_path / "perf.txt"
    file.write_text(TWO_SAMPLES.replace("iperf3", "\x1b]0;owned\x07[bold]x"))
    done = run("report", file)
    assert done.returncode == 0, done.stderr
    assert "\x1b]0" not in done.stdout


def test_a_report_that_cannot_be_written_says_where(folder):  # noqa: F811
    done = run("report", folder, "-o", "/nowhere/report.html")
    assert done.returncode == 2
    assert done.stderr == "zcanalysis: /nowhere/report.html: cannot be written: No such file or directory\n"


@pytest.mark.parametrize("link", ["0", "-3", "nan", "inf"])
def test_an_impossible_link_is_refused(folder, link):  # noqa: F811
    done = run("report", folder, "--link-gbps", link)
    assert done.returncode == 2
    assert "--link-gbps" in done.stderr


def test_predict_prints_the_range_the_command_and_its_undo():
    done = run("predict", TRACE, "--patch", "mtu=9000")
    assert done.returncode == 0, done.stderr
    assert "per packet and byte (Amdahl)" in done.stdout
    assert "command    ip link set dev veth-r mtu 9000\nundo       ip link set dev veth-r mtu 1500\n" in done.stdout


def test_predict_and_patches_as_json_are_one_document():
    done = run("predict", TRACE, "--patch", "gro", "--patch", "mtu=9000", "--json")
    assert [patch["patch"] for patch in json.loads(done.stdout)["patches"]] == ["gro=on", "mtu=9000"]
    catalogue = json.loads(run("patches", "--json").stdout)["patches"]
    assert {"group", "patch", "value", "what", "source", "unless", "origin"} == set(catalogue[0])


def test_patches_lists_the_catalogue_with_sources():
    done = run("patches")
    assert done.returncode == 0, done.stderr
    assert "net/core/gro.c" in done.stdout
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines.index("copies") < next(n for n, line in enumerate(lines) if line.startswith("  zero-copy-rx "))


@pytest.mark.parametrize("what", ["empty", "noise", "folder", "broken", "missing"])
def test_predict_names_a_bad_recording_in_one_line(tmp_path, what):
    done = run("predict", bad_files(tmp_path)[what], "--patch", "mtu=9000")
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")


def test_an_unknown_patch_is_one_line_and_status_2():
    done = run("predict", TRACE, "--patch", "mtv=\x1b]0;owned")
    assert done.returncode == 2
    assert done.stderr == "zcanalysis: no patch 'mtv'; did you mean mtu?\n"
    assert run("predict", TRACE).returncode == 2


def test_wrong_usage_is_status_2_without_traceback():
    done = run("report")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def called(monkeypatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["zcanalysis", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, 2)


@pytest.mark.parametrize("words", [("record", "--device", "lo"), ("lab", "run")])
def test_the_next_command_after_recording_can_be_copied(tmp_path, monkeypatch, capsys, words):
    made = tmp_path / "a b; $(touch x)"
    monkeypatch.setattr("zcanalysis.recorder.record", lambda *_: made)
    monkeypatch.setattr("zcanalysis.lab.run_scenario", lambda *_: made)
    called(monkeypatch, *words, "-o", made)
    next_command = capsys.readouterr().out.rstrip("\n").partition("; next: ")[2]
    assert shlex.split(next_command) == ["zcanalysis", "report", str(made)]


def test_sweep_prints_a_row_for_each_value_and_one_json_document():
    done = run("sweep", TRACE, "--patch", "mtu=1500,9000")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^mtu=9000 +\d", done.stdout, flags=re.MULTILINE)
    document = json.loads(run("sweep", TRACE, "--patch", "mtu=1500,9000", "--patch", "gro=on", "--json").stdout)
    assert [row["patch"] for row in document["sweep"]] == ["mtu=1500 + gro=on", "mtu=9000 + gro=on"]


@pytest.mark.parametrize("values", ["mtu=1500,", "mtu=9000,\x1b]0;owned", "mtu=", "mtv=1,2", "gro=on,maybe"])
def test_a_bad_value_of_a_sweep_is_one_line_and_status_2(values):
    done = run("sweep", TRACE, "--patch", values)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert "\x1b" not in done.stderr


PACKETS = TRACE.parent / "packets"


def test_latency_says_stages_bytes_and_doubts():
    done = run("latency", PACKETS / "gro.txt.zst")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"driver to stack: GRO, backlog, RPS +[\d,.]+ +[\d,.]+ +[\d,.]+ +[\d.]+%", done.stdout)
    assert "that came and were read meanwhile are joined (100.0%)" in " ".join(done.stdout.split())
    assert "- tracing packets slows the transfer" in done.stdout


def test_latency_is_one_json_document():
    document = json.loads(run("latency", PACKETS / "prequeue-4.10.txt.gz", "--json").stdout)
    assert set(document) == {
        "recording",
        "summary",
        "accounting",
        "ranges",
        "doubts",
        "spreads",
        "spread_notes",
    }
    assert [row["stage"] for row in document["summary"]] == [
        "hand-over", "protocol", "wake-up", "queue", "copy", "total"
    ]  # fmt: skip
    assert document["summary"][1]["mean_ns"] is None
    assert document["accounting"][0]["joined_bytes"] == 1_507_328


@pytest.mark.parametrize("what", ["empty", "noise", "half.pcap", "words.txt", "folder", "missing"])
def test_latency_of_what_is_no_trace_is_one_line_and_status_2(tmp_path, what):
    done = run("latency", bad_files(tmp_path)[what])
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_latency_of_a_recording_without_packets_says_how_to_record_them():
    done = run("latency", TRACE)
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no traced packets; record it with `zcanalysis record --trace`" in done.stderr

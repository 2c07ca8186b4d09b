"""Histograms that bpftrace printed, as JSON and as text; and what is no histogram of ours."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from zcanalysis.errors import TraceError
from zcanalysis.io.bpftrace import SCRIPT, is_bpftrace, read_histograms
from zcanalysis.tables import HISTOGRAMS, polars_schema

SAMPLES = Path(__file__).parent / "samples"
HIST = '{"type": "hist", "data": {"@net_rx_ns": {"0": [{"min": 1024, "max": 2047, "count": 3}]}}}\n'


def histograms(tmp_path, text: str | bytes):
    file = tmp_path / "bpftrace"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_histograms(file)


def test_json_of_a_real_run_is_read_whole():
    found = read_histograms(SAMPLES / "bpftrace.json")
    documents = [json.loads(line) for line in (SAMPLES / "bpftrace.json").read_text().splitlines()]
    counts = sum(
        one["count"]
        for document in documents
        if document["type"] == "hist"
        for by_key in document["data"].values()
        for bins in by_key.values()
        for one in bins
    )
    assert found.table.schema == polars_schema(HISTOGRAMS)
    assert found.table.get_column("count").sum() == counts
    assert found[1:] == ((), 0, 0)


def test_text_of_a_real_run_is_read_with_its_bounds():
    table = read_histograms(SAMPLES / "bpftrace.txt").table
    polls = table.filter(table["map"] == "poll_packets").rows()
    assert polls[0] == ("poll_packets", "(no_device)", 1, 1, 15594)
    copies = table.filter(table["map"] == "copy_bytes").rows()
    assert copies[0] == ("copy_bytes", "iperf3", 16, 31, 2)
    assert copies[-1] == ("copy_bytes", "iperf3", 131_072, 262_143, 1791)
    assert set(table["map"]) == {"poll_packets", "net_rx_ns", "copy_bytes", "wakeup_ns"}


def test_ends_of_a_scale_are_open(tmp_path):
    text = "@poll_packets: \n(..., 0)      1 |@ |\n[0]           2 |@ |\n[64, ...)     3 |@ |\n"
    json_text = (
        '{"type":"hist","data":{"@poll_packets":[{"max":-1,"count":1},{"min":0,"max":0,"count":2},'
        '{"min":64,"count":3}]}}\n'
    )
    expected = [("poll_packets", "", None, -1, 1), ("poll_packets", "", 0, 0, 2), ("poll_packets", "", 64, None, 3)]
    assert histograms(tmp_path, text).table.rows() == expected
    assert histograms(tmp_path, json_text).table.rows() == expected


def test_a_map_printed_again_counts_once(tmp_path):
    assert histograms(tmp_path, HIST + HIST.replace('"count": 3', '"count": 7')).table["count"].to_list() == [7]
    text = "@net_rx_ns[0]: \n[1K, 2K)  {} |@ |\n\n"
    assert histograms(tmp_path, text.format(3) + text.format(7)).table["count"].to_list() == [7]


def test_other_maps_losses_and_damage_are_told(tmp_path):
    more = (
        '{"type": "lost_events", "data": {"events": 12}}\n{"type": "map", "data": {"@calls": 5}}\n'
        '{"type": "printf", "data": "hello"}\n{"type": "hist", "data": {"@net_rx_ns": {"0": [{"m\n[]\n'
        '{"type": "hist", "data": {"@net_rx_ns": 7}}\n'
    )
    found = histograms(tmp_path, HIST + more)
    assert (found.left_out, found.lost_events, found.unreadable_lines) == (("calls",), 12, 3)
    found = histograms(tmp_path, "Attaching 2 probes...\nLost 9 events\n@calls: 5\n@net_rx_ns: \n[1]  3 |@ |\nwhat\n")
    assert (found.left_out, found.lost_events, found.unreadable_lines) == (("calls",), 9, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no histogram"),
        (b"Attaching 1 probe...\n@mine: \n[1]  3 |@ |\n", "holds only @mine; expected"),
        (b'{"type": "map", "data": {"@a": 1}}\n', "holds only @a; expected"),
        (b"@net_rx_ns\0", "is a binary file"),
    ],
)
def test_what_tells_nothing_is_refused_in_one_line(tmp_path, content, message):
    with pytest.raises(TraceError) as caught:
        histograms(tmp_path, content)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_hostile_numbers_stay_in_their_columns(tmp_path):
    huge = '{"type":"hist","data":{"@net_rx_ns":[{"min":-1e400,"max":1,"count":1},{"min":1,"max":2,"count":1e99}]}}\n'
    found = histograms(tmp_path, HIST + huge)
    assert found.unreadable_lines == 1
    text = "@net_rx_ns: \n[9999999999999999999E, 1)  999999999999999999 |@ |\n"
    assert histograms(tmp_path, text).table["low"].to_list() == [(1 << 62) - 1]


def test_it_is_told_by_its_content():
    assert is_bpftrace((SAMPLES / "bpftrace.json").read_bytes()[:512])
    assert is_bpftrace((SAMPLES / "bpftrace.txt").read_bytes()[:512])
    assert not is_bpftrace((SAMPLES / "trace_pipe.txt").read_bytes()[:512])
    assert not is_bpftrace(b'{"common": {"timestamp": 1}}')


def test_the_script_fills_the_maps_that_are_known():
    for name in ("poll_packets", "net_rx_ns", "copy_bytes", "wakeup_ns"):
        assert f"@{name}[" in SCRIPT


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("bpftrace"), reason="needs root and bpftrace")
@pytest.mark.parametrize("form", ["json", "text"])
def test_the_script_runs_and_is_read(tmp_path, form):
    output = tmp_path / "bpftrace.out"
    command = ["bpftrace", "-f", form, "-o", str(output), "-e", SCRIPT, "-c", "/bin/sleep 0.5"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    found = read_histograms(output)
    assert "wakeup_ns" in set(found.table["map"])  # whatever else runs, sleep is woken
    assert found[1:] == ((), 0, 0)

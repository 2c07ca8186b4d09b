"""A deep look at a few packets."""

import asyncio
import os
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import polars as pl
import pytest

from tests import builders as make
from zcanalysis.errors import TraceError
from zcanalysis.io import tshark
from zcanalysis.io.dissection import DISSECTED, dissect

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
PACKETS = [make.ethernet(make.ipv4(make.tcp(seq=n, window=100 + n))) for n in range(9)]


@pytest.fixture
def capture(tmp_path):
    return make.saved(tmp_path, make.pcap(PACKETS, magic=0xA1B23C4D, tick=7))


@needs_tshark
def test_layers_fields_and_exact_times_of_the_first_packets(capture):
    rows = dissect(capture, limit=2)
    assert rows.schema == DISSECTED
    assert rows["frame_number"].to_list() == [1, 2]
    assert rows["ts_ns"].to_list() == [1_700_000_000_000_000_000, 1_700_000_000_000_000_007]
    assert rows["layers"].to_list()[0][:3] == ["eth", "ip", "tcp"]
    fields = {field["name"]: field["value"] for field in rows["fields"][1]}
    assert (fields["tcp.seq_raw"], fields["ip.src"], fields["tcp.flags_ack"]) == ("1", "10.0.0.1", "True")


@needs_tshark
@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({"packets": [8, 3, 3]}, [3, 8]),
        ({"packets": range(4, 7)}, [4, 5, 6]),
        ({"display_filter": "tcp.window_size_value >= 107"}, [8, 9]),
        ({"display_filter": "tcp", "packets": [5], "limit": 1}, [5]),
    ],
)
def test_packets_are_chosen_by_number_and_by_filter(capture, asked, numbers):
    assert dissect(capture, **asked)["frame_number"].to_list() == numbers


@needs_tshark
def test_it_works_inside_a_running_event_loop(capture):
    async def cell():
        return dissect(capture, limit=1)

    assert asyncio.run(cell()).height == 1


@needs_tshark
def test_a_capture_that_is_cut_off_ends_with_a_row_that_says_so(tmp_path):
    rows = dissect(make.saved(tmp_path, make.pcap(PACKETS)[:-3]))
    assert rows["frame_number"].to_list() == [*range(1, 9), None]
    assert rows["error"][-1].startswith("tshark stopped")
    assert "cut short" in rows["error"][-1]
    assert "\n" not in rows["error"][-1]


@needs_tshark
def test_a_wrong_filter_and_a_foreign_file_are_one_line(capture, tmp_path):
    with pytest.raises(TraceError, match=r"unexpected|not a valid|syntax") as caught:
        dissect(capture, display_filter="tcp.port ==")
    assert "\n" not in str(caught.value)
    with pytest.raises(TraceError, match=r"text\.txt"):
        dissect(make.saved(tmp_path, b"no capture at all", "text.txt"))


@needs_tshark
def test_a_look_that_takes_too_long_is_ended(capture):
    with pytest.raises(TraceError, match=r"took longer than 0\.05 s"):
        dissect(capture, timeout_s=0.05)


def processes_that_name(path) -> list[str]:
    """Command lines that hold a path; its own process is left out."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(path) in words and place.parent.name != str(os.getpid()):
            found.append(words)
    return found


def eventually(condition) -> bool:
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def long_capture(tmp_path):
    """Some seconds of work for tshark."""
    one = make.pcap(PACKETS[:1])
    return make.saved(tmp_path, one[:24] + 400_000 * one[24:], "long.pcap")


@needs_tshark
def test_nothing_is_left_running_when_time_is_up(long_capture):
    with pytest.raises(TraceError, match=r"took longer than 2 s"):
        dissect(long_capture, display_filter="tcp.port == 1", timeout_s=2)
    assert eventually(lambda: not processes_that_name(long_capture))


@needs_tshark
def test_nothing_is_left_running_when_the_caller_is_killed(long_capture):
    look = f"import zcanalysis as zc; zc.dissect({str(long_capture)!r}, display_filter='tcp.port == 1')"
    with subprocess.Popen([sys.executable, "-c", look], start_new_session=True) as caller:
        assert eventually(
            lambda: any(words.startswith("/usr/bin/tshark") for words in processes_that_name(long_capture))
        )
        caller.send_signal(signal.SIGKILL)
    assert eventually(lambda: not processes_that_name(long_capture))


@needs_tshark
def test_more_output_than_fits_is_refused(capture, monkeypatch):
    monkeypatch.setattr(tshark, "MAX_SHOWN_BYTES", 5000)
    with pytest.raises(TraceError, match="look at fewer packets"):
        dissect(capture)


@needs_tshark
def test_a_packet_without_time_has_none(tmp_path):
    simple = make.block(3, struct.pack("<I", len(PACKETS[0])) + PACKETS[0])
    rows = dissect(make.saved(tmp_path, make.section() + make.interface() + simple, "a.pcapng"))
    assert (rows["frame_number"].to_list(), rows["error"].to_list()) == ([1], [None])
    assert rows["ts_ns"].to_list() in ([None], [0])


@needs_tshark
def test_modules_that_lie_beside_the_captures_are_not_imported(capture, monkeypatch):
    make.saved(capture.parent, b"raise SystemExit('imported')", "json.py")
    monkeypatch.chdir(capture.parent)
    assert dissect(capture.name, limit=1).height == 1


@needs_tshark
def test_a_layer_that_occurs_twice_is_there_twice(tmp_path):
    packet = make.ethernet(
        make.ipv4(make.ipv4(make.udp(payload=b"x"), src="1.1.1.1", protocol=17), protocol=4), vlans=(5, 6)
    )
    rows = dissect(make.saved(tmp_path, make.pcap([packet])))
    assert rows["layers"].to_list()[0][:6] == ["eth", "vlan", "vlan", "ip", "ip", "udp"]
    fields = [(field["name"], field["value"]) for field in rows["fields"][0]]
    assert [value for name, value in fields if name in ("vlan.id", "ip.src")] == ["5", "6", "10.0.0.1", "1.1.1.1"]


@needs_tshark
def test_a_note_without_value_is_there(tmp_path):
    data = [make.tcp(seq=n, payload=b"x" * 100) for n in (1, 101, 201, 101)]
    capture = make.saved(tmp_path, make.pcap([make.ethernet(make.ipv4(segment)) for segment in data]))
    rows = dissect(capture, display_filter="tcp.analysis.out_of_order || tcp.analysis.retransmission")
    names = {field["name"]: field["value"] for field in rows["fields"][0]}
    assert rows["frame_number"].to_list() == [4]
    assert names["tcp.analysis_flags"] is None
    assert names["tcp.analysis_out_of_order"] is None


COMPARED = ("frame.len", "frame.time_epoch", "ip.src", "ip.ttl", "ipv6.src", "tcp.srcport", "tcp.seq_raw", "tcp.len",
            "tcp.flags", "tcp.window_size_value", "tcp.options.timestamp.tsval", "tcp.analysis.ack_rtt",
            "udp.length")  # fmt: skip
LOOKED_AT = 40
LOOKED_INTO = make.real_captures()[:: 1 if os.environ.get("ZC_ALL_CAPTURES") else 8]


@needs_tshark
@pytest.mark.skipif(not LOOKED_INTO, reason=f"no captures in {make.SHARED}")
def test_fields_are_those_of_tshark():
    compared = 0
    for path in LOOKED_INTO:
        command = ["tshark", "-n", "-r", path, "-c", str(LOOKED_AT), "-T", "fields", "-E", "occurrence=a"]
        command += ["-E", "aggregator=;", *(word for field in COMPARED for word in ("-e", field))]
        theirs = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
        rows = dissect(path, limit=LOOKED_AT)
        for row, line in zip(rows.filter(pl.col("error").is_null()).iter_rows(named=True), theirs, strict=True):
            said = {}
            for field in row["fields"]:
                said.setdefault(field["name"], []).append(field["value"])
            for name, value in zip(COMPARED, line.split("\t"), strict=True):
                layer, _, rest = name.partition(".")
                ours = said.get(f"{layer}.{rest.replace('.', '_')}", [])
                assert ";".join(ours) == value, (path, row["frame_number"], name)
                compared += bool(value)
    assert compared > 100 * len(LOOKED_INTO)


IN_A_KERNEL = """
    import zcanalysis as zc
    heights = []
    for _ in range(20):
        heights.append(zc.dissect({path!r}, limit=9).height)
    assert heights == [9] * 20, heights
    fields = zc.tshark_fields({path!r}, ["tcp.seq_raw"])
    assert fields["tcp.seq_raw"].to_list() == list(range(9))
    import asyncio
    assert asyncio.get_running_loop().is_running()
    print("20 of 20")
"""


@needs_tshark
@pytest.mark.filterwarnings("default")  # what Jupyter warns of is not ours
def test_twenty_of_twenty_looks_work_inside_a_running_kernel(capture):
    import nbformat
    from nbclient import NotebookClient

    cell = nbformat.v4.new_code_cell(textwrap.dedent(IN_A_KERNEL).format(path=str(capture)))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    assert cell["outputs"][0]["text"] == "20 of 20\n"


def test_without_tshark_the_message_names_it(capture, monkeypatch):
    monkeypatch.setattr(tshark.shutil, "which", lambda name: None)
    with pytest.raises(TraceError, match="needs tshark, which is not installed"):
        dissect(capture)


def test_a_large_capture_is_not_filtered_by_tshark(capture, monkeypatch):
    monkeypatch.setattr(tshark, "MAX_READ_BYTES", 100)
    with pytest.raises(TraceError, match="find packets with scan_pcap first"):
        dissect(capture, display_filter="tcp")


def test_limits_and_packet_numbers_are_checked(capture):
    with pytest.raises(ValueError, match="limit must be 1 to 100000, got 0"):
        dissect(capture, limit=0)
    with pytest.raises(ValueError, match="packet numbers go from 1 to 4294967295, got 0 to 1"):
        dissect(capture, packets=[0, 1])
    assert dissect(capture, packets=[]).is_empty()

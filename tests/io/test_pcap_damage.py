"""Damaged captures: rows or one line, soon and in little memory, through the command as through the function."""

import os
import random
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import builders as make
from zcanalysis import cli
from zcanalysis.errors import TraceError
from zcanalysis.io.compressed import open_bytes
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.wire.connections import flows

MALFORMED = [path for path in sorted((make.SHARED / "malformed").rglob("*")) if path.is_file()]
EVERY = 1 if os.environ.get("ZC_ALL_CAPTURES") else 8  # of the damaged ones through the command
PLACES = 200 if os.environ.get("ZC_ALL_CAPTURES") else 20  # in each good one
GOOD_BYTES = 20_000
SECONDS = 60  # that is a hang, whatever the machine and whatever is compiled meanwhile
MEGABYTES = 500


def memory_bytes(name: str) -> int:
    return 1024 * int(re.findall(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())[0])


@contextmanager
def within_bounds(path: Path) -> Iterator[None]:
    started, before = time.monotonic(), memory_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    yield
    assert time.monotonic() - started < SECONDS, path
    assert memory_bytes("VmHWM") - before < MEGABYTES * 1_000_000, path


def complaint(path: Path) -> str:
    """What reading the flows of a capture is refused with; empty if it is not."""
    try:
        flows(scan_pcap(path))
    except TraceError as error:
        return str(error)
    return ""


@pytest.mark.skipif(not MALFORMED, reason=f"no damaged captures in {make.SHARED}")
def test_every_damaged_capture_has_flows_or_one_line_of_complaint():
    for path in MALFORMED:
        with within_bounds(path):
            assert "\n" not in complaint(path)


@pytest.mark.skipif(not MALFORMED, reason=f"no damaged captures in {make.SHARED}")
def test_the_command_ends_with_0_or_2_and_at_most_one_line_of_complaint(monkeypatch, capsys):
    for path in MALFORMED[::EVERY]:
        monkeypatch.setattr(sys, "argv", ["zcanalysis", "flows", str(path), "--csv"])
        with within_bounds(path), pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        status = ended.value.code or 0
        assert (status, said.err.count("\n")) in {(0, 0), (0, 1), (2, 1)}, (path, said.err)
        assert status or not said.err or "records damaged; record " in said.err


def good_captures() -> list[bytes]:
    opened = []
    for path in [*make.real_captures()[:10], *sorted(Path("traces").glob("*/capture.pcap*"))][-10:]:
        with open_bytes(path) as stream:
            opened.append(stream.read(GOOD_BYTES))
    return opened


def test_a_capture_cut_anywhere_gives_the_packets_before_the_cut(tmp_path):
    chance = random.Random(2026)
    columns = ("ts_ns", "flow_id", "payload_bytes")
    for content in good_captures():
        whole = scan_pcap(make.saved(tmp_path, content)).select(columns).collect()
        for place in [chance.randrange(len(content)) for _ in range(PLACES)]:
            path = make.saved(tmp_path, content[:place])
            if place < 28:  # what is shorter than any file header is refused
                assert "\n" not in complaint(path)
                continue
            rows = scan_pcap(path).collect()
            assert flows(rows)["packets"].sum() == rows["flow_id"].count()
            complete = rows.height - rows["error"][-1:].str.contains("is not read").fill_null(value=False).sum()
            assert rows.select(columns)[:complete].equals(whole[:complete])

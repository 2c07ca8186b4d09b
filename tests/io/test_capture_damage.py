"""Damage is counted as packets go by, in arrays as in tables, and `flows` says so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shifted import unpacked
from zcanalysis.io.capture_damage import Damage
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.wire.accounts import flows_and_sides
from zcanalysis.wire.flow_limits import flows_sides_and_limits
from zcanalysis.wire.quality import capture_quality

WHOLE = unpacked(Path(__file__).parents[2] / "traces" / "veth-1500" / "capture.pcap.zst")
HEADER, RECORD = 24, 16
CUT_BYTES = 3_000_017


def records(content: bytes) -> list[int]:
    """Where each record begins, the one that is cut off included."""
    found, at = [], HEADER
    while at < len(content):
        found.append(at)
        at += RECORD + int.from_bytes(content[at + 8 : at + 12], "little")
    return found


@pytest.fixture
def damaged(tmp_path):
    """A capture whose packets 3 and 7 claim an impossible IP header, cut off inside a record."""
    content = bytearray(WHOLE[:CUT_BYTES])
    places = records(content)
    for packet in (3, 7):
        content[places[packet - 1] + RECORD + 14] = 0x41
    file = tmp_path / "damaged.pcap"
    file.write_bytes(content)
    return file, len(places)


def test_both_readings_and_the_audit_count_the_same(damaged):
    file, packets = damaged
    of_arrays, of_tables = Damage(), Damage()
    flows_and_sides(file, of_arrays)
    flows_sides_and_limits(scan_pcap(file), of_tables)
    audited = capture_quality(scan_pcap(file))
    for one in (of_arrays, of_tables, audited):
        assert (one.records, one.damaged_records) == (packets, 3)
        assert one.first_error == "record 3: IPv4 header length 4 bytes, at least 20 needed"


@pytest.mark.parametrize("more", [[], ["--limits"]])
def test_flows_says_so_and_still_answers(damaged, more):
    file, packets = damaged
    command = [sys.executable, "-m", "zcanalysis", "flows", str(file), "--json", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert sum(row["packets"] for row in json.loads(done.stdout)["flows"]) <= packets - 3
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"zcanalysis: {file}: 3 of {packets:,} records damaged; record 3: IPv4 header")
    assert f"; last record {packets}: file ends inside a record" in line
    assert line.endswith("the rest of the file is not read")


def test_a_whole_capture_has_none():
    damage = Damage()
    flows_and_sides(Path(__file__).parents[2] / "traces" / "veth-1500" / "capture.pcap.zst", damage)
    assert damage.words is None
    assert damage.records == len(records(WHOLE))

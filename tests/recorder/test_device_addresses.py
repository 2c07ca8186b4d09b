import os
import shutil
import struct
import subprocess
import sys

import polars as pl
import pytest

from zcanalysis.io.recording import read_recording
from zcanalysis.recorder import Phase, RecordOptions, record
from zcanalysis.recorder.device_addresses import device_addresses, parse_addresses

SHORT = (Phase("counters", 0.25),)
ODD_NAMES = (b"a\x01b", b"a'b", b"a\xffb", b"a\x1cb", b"a\xc2\x85b")
RECORD_ODD = """
import os, sys
from pathlib import Path
from zcanalysis.recorder import Phase, RecordOptions, record
for number, name in enumerate(sys.argv[2:]):
    record(Path(sys.argv[1], str(number)), RecordOptions(device=name, plan=(Phase("counters", 0.12),)))
"""


def address_message(index: int, *attributes: tuple[int, bytes]) -> bytes:
    body = struct.pack("=BBBBI", 2, 24, 0, 0, index)
    body += b"".join(struct.pack("=HH", 4 + len(content), kind) + content for kind, content in attributes)
    return struct.pack("=IHHII", 16 + len(body), 20, 2, 1, 0) + body


def test_a_point_to_point_link_has_its_own_address_not_that_of_its_peer():
    other = address_message(1, (1, bytes([127, 0, 0, 1])))
    tunnel = address_message(7, (1, bytes([10, 0, 0, 2])), (2, bytes([10, 0, 0, 1])))
    assert parse_addresses(other + tunnel, 7) == ("10.0.0.1",)


def test_loopback_has_its_address_and_an_unknown_device_none_we_know():
    assert "127.0.0.1" in (device_addresses("lo") or ())
    assert device_addresses("nosuch0") is None


def test_without_ip_the_device_still_has_its_address(tmp_path, monkeypatch):
    monkeypatch.setattr("zcanalysis.recorder.host_facts.shutil.which", lambda name: None)
    host = read_recording(record(tmp_path, RecordOptions(device="lo", plan=SHORT))).host
    assert host.missing == ()


def test_unknown_addresses_mean_no_sockets_instead_of_everybodys(tmp_path, monkeypatch):
    monkeypatch.setattr("zcanalysis.recorder.host_facts.device_addresses", lambda device: None)
    recording = read_recording(record(tmp_path, RecordOptions(device="lo", plan=SHORT)))
    assert recording.host.missing == ("the addresses of lo are unknown: no sockets are recorded",)
    assert recording.counters is not None
    assert recording.counters.filter(pl.col("source") == "socket").is_empty()


@pytest.fixture
def odd_namespace():
    """A namespace with devices of unprintable names, each up and with an address."""
    namespace = f"zctest-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    try:
        for number, name in enumerate(ODD_NAMES):
            for arguments in (
                ["link", "add", "name", name, "type", "veth", "peer", "name", f"p{number}"],
                ["link", "set", name, "up"],
                ["addr", "add", f"10.9.0.{number}/24", "dev", name],
            ):
                subprocess.run(["ip", "-n", namespace, *arguments], check=True)
        yield namespace
    finally:
        subprocess.run(["ip", "netns", "delete", namespace], check=True)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="makes a network namespace: needs root, ip")
def test_a_device_with_control_characters_in_its_name_is_recorded(tmp_path, odd_namespace):
    inside = ["ip", "netns", "exec", odd_namespace]
    subprocess.run([*inside, sys.executable, "-c", RECORD_ODD, str(tmp_path), *ODD_NAMES], check=True)
    for number, name in enumerate(ODD_NAMES):
        recording = read_recording(tmp_path / str(number))
        assert recording.host.device == name.decode(errors="replace")
        assert recording.host.missing == ()
        counters = recording.counters
        assert counters is not None
        assert recording.host.device in counters.filter(pl.col("source") == "netdev")["instance"].to_list()

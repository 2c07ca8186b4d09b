"""Both ends of real transfers between two network namespaces: one kernel, one clock, so the true difference is 0."""

import contextlib
import re
import shutil
import signal
import subprocess
import time

import numpy as np
import polars as pl
import pytest

from tests.lab.real import why_not
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.lab.namespaces import RECEIVER_ADDRESS, RECEIVER_DEVICE, SENDER_DEVICE, inside, two_hosts
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.wire.two_taps import match_taps

TRIES = 5
NEEDED = ("tcpdump", "iperf3", "editcap")
MISSING = why_not() or next((f"needs {tool}" for tool in NEEDED if shutil.which(tool) is None), None)
pytestmark = [pytest.mark.root, pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]
MTU_1500, MTU_1500_GRO, OFFLOADED = (
    Scenario(name="plain"),
    Scenario(name="gro", receiver_gro=True),
    Scenario(name="offloaded", sender_gso=True, receiver_gro=True),
)


@contextlib.contextmanager
def running(command):
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)


def tap(namespace, device, path):
    options = [
        "-i",
        device,
        "-s",
        "128",
        "-B",
        "65536",
        "--time-stamp-precision=nano",
        "-Z",
        "root",
        "-w",
        str(path),
        "tcp",
    ]
    return running(inside(namespace, ["tcpdump", *options]))


def lost(hosts):
    """Packets that the kernel dropped between the taps, as its own counters say."""
    places = (hosts.sender, SENDER_DEVICE), (hosts.receiver, RECEIVER_DEVICE)
    files = [
        (host, f"/sys/class/net/{device}/statistics/{way}_dropped") for host, device in places for way in ("rx", "tx")
    ]
    return sum(int(subprocess.check_output(inside(host, ["cat", file]))) for host, file in files)


def recorded(folder, scenario):
    """Captures of the sender's and of the receiver's device in which nothing is missing: a busy machine drops."""
    for _ in range(TRIES):
        paths, dropped = once(folder, scenario)
        if not dropped:
            return paths
    pytest.skip(f"this machine dropped {dropped} packets, and each of {TRIES - 1} times before")


def once(folder, scenario):
    """Two captures, and how many packets kernel and taps dropped meanwhile."""
    paths = folder / "a.pcap", folder / "b.pcap"
    with (
        two_hosts(scenario, "taps") as hosts,
        tap(hosts.sender, SENDER_DEVICE, paths[0]) as first,
        tap(hosts.receiver, RECEIVER_DEVICE, paths[1]) as second,
        running(inside(hosts.receiver, ["iperf3", "-s", "-1"])),
    ):
        for listening in (first, second):
            while "listening" not in (line := listening.stderr.readline()):
                assert line
        time.sleep(0.5)
        sending = ["iperf3", "-c", RECEIVER_ADDRESS, "-t", "2", "-b", "200M"]
        subprocess.run(inside(hosts.sender, sending), check=True, capture_output=True, timeout=60)
        time.sleep(0.5)
        dropped = lost(hosts)
        for listening in (first, second):
            listening.send_signal(signal.SIGINT)
            dropped += int(re.findall(r"(\d+) packets? dropped by kernel", listening.stderr.read())[0])
    return paths, dropped


@pytest.fixture(scope="module", params=[MTU_1500, MTU_1500_GRO, OFFLOADED], ids=lambda scenario: scenario.name)
def pair(request, tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("taps"), request.param)


def test_one_clock_has_no_difference(pair):
    found = match_taps(*map(scan_pcap, pair))
    assert found.clocks.disagreement_ns == 0
    times_ns = found.ranges["sent_ns"].drop_nulls().to_numpy()
    assert np.abs(found.clocks.difference_ns(times_ns)).max() <= found.clocks.error_ns < 1_000_000
    assert found.clocks.drift == pytest.approx(0, abs=found.clocks.drift_error)
    counted = found.ranges.group_by("fate").agg(pl.len(), pl.col("payload_bytes").sum())
    assert counted.filter(pl.col("fate") == "arrived")["payload_bytes"].sum() >= 40_000_000
    assert set(counted["fate"]) <= {"arrived", "outside"}
    assert found.ranges["delay_ns"].min() >= -found.clocks.error_ns


def test_a_known_shift_and_drift_is_found(pair, tmp_path):
    shifted = tmp_path / "shifted.pcap"
    subprocess.run(["editcap", "-F", "nsecpcap", "-t", "-12.345678901", pair[1], shifted], check=True)
    b = scan_pcap(shifted).collect()
    found = match_taps(scan_pcap(pair[0]), b).clocks
    assert abs(found.offset_ns + 12_345_678_901) <= found.error_ns
    origin_ns = b["ts_ns"][0]
    drifting = b.with_columns(pl.col("ts_ns") + ((pl.col("ts_ns") - origin_ns) * 100e-6).round().cast(pl.Int64))
    found = match_taps(scan_pcap(pair[0]), drifting).clocks
    assert abs(found.drift - 100e-6) <= found.drift_error
    there_ns = np.array([origin_ns + 12_345_678_901, origin_ns + 12_345_678_901 + 2_000_000_000])
    truth_ns = -12_345_678_901 + np.array([0, 200_000])
    assert np.abs(found.difference_ns(there_ns) - truth_ns).max() <= found.error_ns


def test_records_taken_out_of_one_capture_are_lost_there_and_nowhere_else(pair, tmp_path):
    b = scan_pcap(pair[1]).with_row_index("record", offset=1).collect()
    bulk = b.filter((pl.col("payload_bytes") > 1000) & (pl.col("record") < 0.8 * b.height))
    taken = bulk.gather_every(bulk.height // 40)["record"].to_list()[1:]
    fewer = tmp_path / "fewer.pcap"
    subprocess.run(["editcap", "-F", "nsecpcap", pair[1], fewer, *map(str, taken)], check=True)
    found = match_taps(scan_pcap(pair[0]), scan_pcap(fewer)).ranges
    lost = found.filter(pl.col("fate") == "lost")
    truth = b.filter(pl.col("record").is_in(taken))
    assert lost["payload_bytes"].sum() == truth["payload_bytes"].sum()
    assert lost["from_tap"].unique().to_list() == ["a"]
    assert set(truth["seq"]) <= set(lost["seq"])

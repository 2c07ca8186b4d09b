"""Our own sender and receiver over the loopback device: no root needed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from zcanalysis.lab.alignment import receiver_intervals
from zcanalysis.lab.orders import Orders
from zcanalysis.lab.transfer import joined_report

PROGRAM = [sys.executable, "-m", "zcanalysis.lab.traffic"]


@pytest.fixture
def orders():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cpu = min(os.sched_getaffinity(0))
    return Orders(parent=os.getpid(), address="127.0.0.1", port=port, cpu=cpu, congestion_control="reno")


def started(role: str, orders: Orders) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([*PROGRAM, role, orders.as_argument()], stdout=subprocess.PIPE)


def transferred(receiver: Orders, sender: Orders) -> tuple[dict, dict]:
    """What both ends report."""
    reading = started("receiver", receiver)
    try:
        sent = subprocess.run(
            [*PROGRAM, "sender", replace(sender, seconds=0.6).as_argument()],
            capture_output=True,
            check=True,
            timeout=120,
        )
        if receiver.protocol == "udp":
            time.sleep(0.2)
            reading.send_signal(signal.SIGINT)
        received = reading.communicate(timeout=30)[0]
    finally:
        reading.kill()
        reading.wait()
    load = joined_report(sent.stdout, received, "traffic")
    return load, load["server_output_json"]


def test_every_byte_sent_is_counted_when_it_is_read(orders):
    load, received = transferred(orders, orders)
    assert load["end"]["sum_sent"]["bytes"] == load["end"]["sum_received"]["bytes"] > 0
    intervals = receiver_intervals(load)
    assert sum(count for _, _, count in intervals) == received["end"]["sum_received"]["bytes"]
    assert intervals[0][0] == 0
    assert all(before[1] == after[0] for before, after in pairwise(intervals))
    assert len(intervals) >= 3
    assert abs(received["start"]["zero_epoch_ns"] - time.time_ns()) < 120e9


def test_a_call_of_the_reader_gets_no_more_than_it_asks_for(orders):
    load, _ = transferred(replace(orders, call_bytes=1024), orders)
    total = load["end"]["sum_received"]
    assert total["bytes"] == load["end"]["sum_sent"]["bytes"]
    assert 0 < total["bytes"] / total["calls"] <= 1024


def test_several_connections_are_read_to_the_end_of_each(orders):
    load, _ = transferred(replace(orders, flows=3), replace(orders, flows=3))
    assert load["end"]["sum_received"]["bytes"] == load["end"]["sum_sent"]["bytes"] > 0
    assert load["start"]["test_start"]["num_streams"] == 3


def test_datagrams_count_whole_and_the_silence_after_them_does_not(orders):
    udp = replace(orders, protocol="udp", flows=2)
    load, received = transferred(udp, replace(udp, call_bytes=1000))
    read_bytes = load["end"]["sum_received"]["bytes"]
    assert 0 < read_bytes <= load["end"]["sum_sent"]["bytes"]
    assert read_bytes % 1000 == 0
    assert received["intervals"][-1]["sum"]["bytes"] > 0


def test_a_receiver_that_is_asked_to_end_reports_what_it_has(orders):
    reading = started("receiver", orders)
    sending = started("sender", orders)
    assert reading.stdout.read(1) == b"\n"
    time.sleep(0.3)
    reading.send_signal(signal.SIGINT)
    received = json.loads(reading.communicate(timeout=30)[0])
    assert received["end"]["sum_received"]["bytes"] > 0
    # nobody reads any longer, so the sender ends by itself
    assert json.loads(sending.communicate(timeout=30)[0])["end"]["sum_sent"]["bytes"] > 0


def test_who_waits_for_the_other_end_ends_with_its_parent(orders):
    code = (
        "import json, os, subprocess as s, sys, time\n"
        f"told = json.loads({orders.as_argument()!r}) | {{'parent': os.getpid()}}\n"
        f"print(s.Popen({[*PROGRAM, 'receiver']!r} + [json.dumps(told)], stdout=s.DEVNULL, stderr=s.DEVNULL).pid)\n"
        "time.sleep(2)"
    )
    pid = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60).stdout)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_an_address_that_is_not_ours_is_said(orders):
    done = subprocess.run(
        [*PROGRAM, "receiver", replace(orders, address="192.0.2.1").as_argument()],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert "receiver: " in json.loads(done.stdout)["error"]

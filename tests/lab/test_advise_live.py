"""The whole loop on a transfer that runs: advise, do what it says, verify, undo. Needs root; asserts no figures."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.real import why_not
from zcanalysis.lab.namespaces import RECEIVER_DEVICE, inside, two_hosts
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.lab.transfer import running_transfer

pytestmark = [pytest.mark.root, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]

BY_ITSELF = ("gro=on", "rps=", "hw-checksum=", "rfs=", "cpu=")
"""Changes that work without the other end."""


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A state directory of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@contextmanager
def transfer(tmp_path):
    scenario = Scenario(name="advised", rps_cpu=None)
    with two_hosts(scenario) as pair, running_transfer(pair, scenario, 300, tmp_path):
        time.sleep(1.0)
        yield pair


def started(pair, *words: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "zcanalysis", "advise", *words]
    arguments = inside(pair.receiver, command) if pair else command
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def advise(pair, *words: str) -> tuple[int, str, str]:
    child = started(pair, *words)
    out, err = child.communicate(timeout=180)
    return child.returncode, out, err


def settings(pair) -> str:
    """What a change could have changed on the receiver."""
    steering = f"cat /sys/class/net/{RECEIVER_DEVICE}/queues/rx-*/rps_*"
    shown = f"ethtool -k {RECEIVER_DEVICE}; ip link show {RECEIVER_DEVICE}; {steering}; sysctl -ar '^net.(core|ipv4)'"
    command = inside(pair.receiver, ["sh", "-c", f"({shown}) 2>/dev/null"])
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def advised(pair) -> dict:
    """A change that works without the other end; a machine that others keep busy may have none for a while."""
    for _ in range(4):
        status, out, err = advise(pair, "--live", RECEIVER_DEVICE, "--seconds", "6", "--json")
        assert (status, err) == (0, "")
        document = json.loads(out)
        assert document["limit"]["evidence"]
        assert document["overhead_share"] is None or 0 <= document["overhead_share"] < 1
        assert all(row["command"] and row["undo"] for row in document["changes"])
        if local := [row for row in document["changes"] if row["patch"].startswith(BY_ITSELF)]:
            return local[0]
    raise AssertionError(document)


def test_advise_do_verify_undo(tmp_path):
    with transfer(tmp_path) as pair:
        change = advised(pair)
        before = settings(pair)
        subprocess.run(inside(pair.receiver, ["sh", "-c", change["command"]]), check=True)
        assert settings(pair) != before
        status, out, err = advise(pair, "--verify", change["id"], "--seconds", "3", "--json")
        assert (status, err) == (0, "")
        done = json.loads(out)["verification"]
        assert (done["id"], done["in_place"]) == (change["id"], True)
        assert done["inside"] == (change["low_gbps"] <= done["goodput_gbps"] <= change["high_gbps"])
        subprocess.run(inside(pair.receiver, ["sh", "-c", change["undo"]]), check=True)
        assert settings(pair) == before
        status, out, err = advise(pair, "--verify", change["id"], "--seconds", "3")
        assert "not in place" in out
        status, out, _ = advise(pair, "--ledger", "--json")
        rows = [row for row in json.loads(out)["ledger"] if row["id"] == change["id"]]
        assert [row["in_place"] for row in rows] == [True, False]


def test_advise_from_outside_changes_nothing_and_says_where_the_device_is(tmp_path):
    with transfer(tmp_path) as pair:
        status, _, err = advise(None, "--live", RECEIVER_DEVICE)
        assert status == 2
        # another run on this machine may have a device of that name too
        again = rf"run: ip netns exec zc-\d+-r zcanalysis advise --live {RECEIVER_DEVICE}\n"
        assert re.fullmatch(f"zcanalysis: {RECEIVER_DEVICE}: is in another network namespace; {again}", err)
        before = settings(pair)
        Path(os.environ["XDG_STATE_HOME"]).write_text("no directory")
        status, out, err = advise(pair, "--live", RECEIVER_DEVICE, "--seconds", "3")
        assert status == 0, err
        assert "the advice cannot be kept" in " ".join(out.split())
        assert "--verify" not in out
        assert settings(pair) == before


def test_ctrl_c_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    with transfer(tmp_path) as pair:
        child = started(pair, "--live", RECEIVER_DEVICE, "--seconds", "30")
        deadline = time.monotonic() + 20
        while not list(scratch.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
        assert (child.returncode, out, err) == (130, "", "zcanalysis: interrupted\n")
        assert list(scratch.iterdir()) == []


def test_without_traffic_or_when_down_it_is_one_line():
    with two_hosts(Scenario(name="silent")) as pair:
        status, _, err = advise(pair, "--live", RECEIVER_DEVICE)
        assert (status, err.count("\n")) == (2, 1)
        assert "too little to say what limits it; start the transfer" in err
        subprocess.run(["ip", "-n", pair.receiver, "link", "set", RECEIVER_DEVICE, "down"], check=True)
        status, _, err = advise(pair, "--live", RECEIVER_DEVICE)
        assert (status, err.count("\n")) == (2, 1)
        assert "the device is down" in err

"""The lab over ssh on two machines, which are namespaces with an sshd each: needs root and openssh-server."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time

import polars as pl
import pytest

from tests.lab.remote.two_machines import inside, two_machines, why_not
from zcanalysis.errors import HostError
from zcanalysis.io.recording import read_recording
from zcanalysis.lab.remote.running import machines_named, unpack

PATIENCE_SECONDS = 90


@pytest.fixture(scope="module")
def machines():
    with two_machines() as made:
        yield made


def done(machines, *arguments, **how):
    return subprocess.run(
        machines.lab(*arguments, **how), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def left_over(machines) -> list[str]:
    """Command lines of what runs on both but for sshd."""
    found = []
    for name in (machines.sender, machines.receiver):
        for pid in subprocess.run(
            ["ip", "netns", "pids", name], capture_output=True, text=True, check=True
        ).stdout.split():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
                found.append(file.read().replace(b"\0", b" ").decode())
    return [command for command in found if command and "sshd" not in command]


def await_that(condition) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)


@pytest.mark.root
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
class TestTwoMachines:
    """Each test leaves both as they were."""

    def test_a_run_is_a_recording_and_both_machines_are_as_before(self, machines, tmp_path):
        before = machines.settings()
        ran = done(machines, "run", "--scenario", "rate-4g", "--seconds", "2", "-o", str(tmp_path / "run"))
        assert ran.returncode == 0, ran.stderr
        recording = read_recording(tmp_path / "run")
        host = json.loads((tmp_path / "run" / "host.json").read_text())
        assert (host["device"], host["mtu"], host["addresses"][0]) == ("data-r", 1500, "10.78.0.2")
        assert host["lab_of_two_machines"]["link_rate_gbps"] == 4.0
        assert "lab" not in host
        assert host["roles"]["sender"] == []
        load = json.loads((tmp_path / "run" / "load.json").read_text())
        assert 1e9 < load["end"]["sum_received"]["bits_per_second"] < 4.1e9  # the shaper acted
        counters = recording.counters
        assert counters is not None
        assert counters.filter(pl.col("source") == "socket").height > 0
        assert machines.settings() == before
        assert left_over(machines) == []

    def test_our_own_traffic_runs_over_ssh(self, machines, tmp_path):
        before = machines.settings()
        ran = done(machines, "run", "--scenario", "udp", "--seconds", "1", "--no-capture", "-o", str(tmp_path / "run"))
        assert ran.returncode == 0, ran.stderr
        load = json.loads((tmp_path / "run" / "load.json").read_text())
        assert load["server_output_json"]["intervals"]
        assert machines.settings() == before
        assert left_over(machines) == []

    @pytest.mark.parametrize("how", ["interrupted", "killed"])
    def test_a_run_that_ends_early_puts_everything_back(self, machines, tmp_path, how):
        before = machines.settings()
        arguments = ["run", "--scenario", "mtu-9000", "--patch", "rcvbuf=65536", "--seconds", "20"]
        command = machines.lab(*arguments, "-o", str(tmp_path / "run"))
        ours = os.environ | {"TMPDIR": str(tmp_path)}  # what is killed leaves its own files
        with subprocess.Popen(command, stderr=subprocess.PIPE, env=ours) as lab:
            try:
                await_that(lambda: any("zcanalysis.recorder" in command for command in left_over(machines)))
                time.sleep(3)
                assert inside(machines.receiver, "cat", "/sys/class/net/data-r/mtu").strip() == "9000"
                assert inside(machines.receiver, "sysctl", "-n", "net.ipv4.tcp_rmem").split()[2] == "65536"
                assert "segmentation-offload: off" in inside(machines.sender, "ethtool", "-k", "data-s")
                lab.send_signal(signal.SIGINT if how == "interrupted" else signal.SIGKILL)
                lab.communicate(timeout=PATIENCE_SECONDS)
            finally:
                lab.kill()
        await_that(lambda: machines.settings() == before and not left_over(machines))
        assert machines.settings() == before
        assert left_over(machines) == []
        if how == "interrupted":
            assert lab.returncode == 130
            assert read_recording(tmp_path / "run").host.label == "mtu-9000+rcvbuf=65536"

    @pytest.mark.parametrize(
        ("hosts", "python", "why"),
        [
            ("unreachable,sender", sys.executable, "unreachable: "),
            ("receiver,unreachable", sys.executable, "unreachable: "),
            ("wrong-key,sender", sys.executable, "wrong-key: .*Permission denied"),
            ("changed-host-key,sender", sys.executable, "changed-host-key: its host key has changed"),
            ("unknown-host-key,sender", sys.executable, "unknown-host-key: its host key is not known"),
            ("receiver,sender", "/no/python", "receiver: /no/python cannot be run there"),
            ("receiver,sender", "/usr/bin/python3", "--remote-python"),
            ("receiver,receiver", sys.executable, "no IPv4 network joins"),
        ],
    )
    def test_what_cannot_be_reached_is_one_line_within_20_s(self, machines, tmp_path, hosts, python, why):
        started = time.monotonic()
        ran = done(machines, "run", "-o", str(tmp_path / "run"), hosts=hosts, python=python)
        assert time.monotonic() - started < 20
        assert ran.returncode == 2
        assert ran.stderr.count("\n") == 1
        assert re.search(why, ran.stderr), ran.stderr

    def test_a_shaper_of_somebody_else_is_refused_and_left_alone(self, machines, tmp_path):
        shaper = ["rate", "9gbit", "burst", "1mb", "latency", "50ms"]
        inside(machines.sender, "tc", "qdisc", "add", "dev", "data-s", "root", "tbf", *shaper)
        try:
            before = machines.settings()
            ran = done(machines, "run", "--scenario", "rate-4g", "-o", str(tmp_path / "run"))
            assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
            assert "sender: data-s: has a queueing discipline of its own (tbf): it cannot be put back" in ran.stderr
            assert machines.settings() == before
        finally:
            inside(machines.sender, "tc", "qdisc", "del", "dev", "data-s", "root")

    def test_a_port_in_use_is_refused(self, machines, tmp_path):
        listening = ["ip", "netns", "exec", machines.receiver, "iperf3", "--server"]
        with subprocess.Popen(listening, stdout=subprocess.DEVNULL) as other:
            try:
                await_that(lambda: ":5201" in inside(machines.receiver, "ss", "-ltn"))
                ran = done(machines, "run", "-o", str(tmp_path / "run"))
            finally:
                other.kill()
        assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
        assert "receiver: port 5201 is in use" in ran.stderr


def test_validation_on_other_machines_is_refused_in_one_line(tmp_path):
    command = [sys.executable, "-m", "zcanalysis", "lab", "validate", "--hosts", "a,b", "-o", str(tmp_path / "run")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "--hosts works with lab run" in ran.stderr


@pytest.mark.parametrize("hosts", ["a", "a,b,c", "-x,a", "a,"])
def test_hosts_are_two_names(hosts):
    with pytest.raises(HostError):
        machines_named(hosts, None, "python3", None)


def test_an_archive_gives_files_of_its_own_folder_only(tmp_path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, kind, link in (
            ("recording/host.json", tarfile.REGTYPE, ""),
            ("recording/../../evil", tarfile.REGTYPE, ""),
            ("/etc/absolute", tarfile.REGTYPE, ""),
            ("recording/link", tarfile.SYMTYPE, "/etc/passwd"),
            ("recording/hard", tarfile.LNKTYPE, "/etc/passwd"),
            ("recording/pipe", tarfile.FIFOTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, link, 2 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"{}"))
    packed.seek(0)
    inner = tmp_path / "inner"
    inner.mkdir()
    unpack(packed, inner)
    assert sorted(path.name for path in inner.iterdir()) == ["absolute", "evil", "host.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]

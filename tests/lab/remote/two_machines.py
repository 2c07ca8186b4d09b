"""Two machines on this one: namespaces with devices of their own, an sshd in each, and a third that reaches both."""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import zcanalysis
from tests.lab.real import why_not as why_no_lab
from zcanalysis.lab.namespaces import remove_namespace

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
PACKAGES = str(Path(zcanalysis.__file__).parents[1])


def why_not() -> str | None:
    """One line, or None where two machines can be had."""
    if why := why_no_lab():
        return why
    missing = [tool for tool in ("ssh", "ssh-keygen") if shutil.which(tool) is None] + ["sshd"] * (SSHD is None)
    return f"needs {', '.join(missing)}: install openssh-server" if missing else None


class TwoMachines(NamedTuple):
    """Names of the namespaces, host names by ssh's configuration, and the folder that holds it."""

    sender: str
    receiver: str
    outside: str
    folder: Path

    @property
    def config(self) -> Path:
        """Of ssh."""
        return self.folder / "ssh_config"

    def lab(self, *arguments: str, hosts: str = "receiver,sender", python: str = sys.executable) -> list[str]:
        """`zcanalysis lab` from outside both."""
        return [
            *("ip", "netns", "exec", self.outside, sys.executable, "-m", "zcanalysis", "lab", *arguments),
            *("--hosts", hosts, "--ssh-config", str(self.config), "--remote-python", python),
        ]

    def settings(self) -> dict[str, str]:
        """All that a lab could change, on both."""
        return {
            f"{name} {' '.join(command)}": inside(name, *command)
            for name, device in ((self.receiver, "data-r"), (self.sender, "data-s"))
            for command in (
                ("ethtool", "-k", device),
                ("tc", "qdisc", "show", "dev", device),
                ("cat", f"/sys/class/net/{device}/mtu", f"/sys/class/net/{device}/queues/rx-0/rps_cpus"),
                ("sysctl", "net.ipv4.tcp_rmem", "net.ipv4.tcp_moderate_rcvbuf", "net.ipv4.tcp_congestion_control"),
                ("sysctl", "net.ipv4.tcp_rto_min_us"),
                ("ip", "route"),
            )
        }


def inside(namespace: str, *command: str) -> str:
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, *command], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=20)


@contextlib.contextmanager
def two_machines() -> Iterator[TwoMachines]:
    """Gone afterwards, whatever happens."""
    prefix = f"zc-{os.getpid()}"
    names = [f"{prefix}-ssh-s", f"{prefix}-ssh-r", f"{prefix}-out-s"]
    with contextlib.ExitStack() as cleanup, tempfile.TemporaryDirectory(prefix="zc-ssh-") as folder:
        for name in names:
            run("ip", "netns", "add", name)
            cleanup.callback(remove_namespace, name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        made = TwoMachines(*names, Path(folder))
        link(made.sender, made.receiver, ("data-s", "data-r"), "10.78.0")
        link(made.outside, made.sender, ("to-s", "ctl"), "10.78.1")
        link(made.outside, made.receiver, ("to-r", "ctl"), "10.78.2")
        write_keys(made.folder)
        ports = {}
        for namespace, address in ((made.sender, "10.78.1.2"), (made.receiver, "10.78.2.2")):
            ports[address] = 20_000 + secrets.randbelow(20_000)
            server = start_sshd(made.folder, namespace, address, ports[address])
            cleanup.callback(server.wait, 10)
            cleanup.callback(server.terminate)
        write_config(made, ports)
        yield made


def link(one: str, other: str, devices: tuple[str, str], network: str) -> None:
    run(*("ip", "link", "add", devices[0], "netns", one, "type", "veth"), "peer", "name", devices[1], "netns", other)
    for number, (name, device) in enumerate(zip((one, other), devices, strict=True), start=1):
        run("ip", "-n", name, "addr", "add", f"{network}.{number}/24", "dev", device)
        run("ip", "-n", name, "link", "set", device, "up")


def write_keys(folder: Path) -> None:
    for name in ("host", "user", "stranger"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name))
    shutil.copy(folder / "user.pub", folder / "authorized")


def start_sshd(folder: Path, namespace: str, address: str, port: int) -> "subprocess.Popen[bytes]":
    config = folder / f"sshd-{port}"
    config.write_text(
        f"Port {port}\nListenAddress {address}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        "StrictModes no\nPidFile none\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        f"PermitRootLogin prohibit-password\nMaxStartups 100\nSetEnv PYTHONPATH={PACKAGES}"
        f" NUMBA_CACHE_DIR={os.environ.get('NUMBA_CACHE_DIR', folder / 'numba')}\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)  # as its service does: sshd refuses to run without
    with (folder / f"log-{port}").open("wb") as log:
        server = subprocess.Popen(
            ["ip", "netns", "exec", namespace, str(SSHD), "-D", "-e", "-f", str(config)],
            stdin=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + 10
    while f"{address}:{port}" not in inside(namespace, "ss", "-ltn"):
        assert time.monotonic() < deadline, (folder / f"log-{port}").read_text()
        time.sleep(0.05)
    return server


def write_config(made: TwoMachines, ports: dict[str, int]) -> None:
    """Hosts `sender` and `receiver`, and as many that fail in one way each."""
    folder = made.folder
    key = (folder / "host.pub").read_text().split()[:2]
    other = (folder / "stranger.pub").read_text().split()[:2]
    for name, shown in (("known", key), ("changed", other)):
        lines = [f"[{address}]:{port} {' '.join(shown)}\n" for address, port in ports.items()]
        (folder / name).write_text("".join(lines))
    (folder / "nothing").touch()
    text = ""
    for host, address, identity, known in (
        ("receiver", "10.78.2.2", "user", "known"),
        ("sender", "10.78.1.2", "user", "known"),
        ("unreachable", "10.78.2.77", "user", "known"),
        ("wrong-key", "10.78.2.2", "stranger", "known"),
        ("changed-host-key", "10.78.2.2", "user", "changed"),
        ("unknown-host-key", "10.78.2.2", "user", "nothing"),
    ):
        port = ports.get(address, 22)
        text += f"Host {host}\n HostName {address}\n Port {port}\n IdentityFile {folder}/{identity}\n"
        text += f" UserKnownHostsFile {folder}/{known}\n"
    made.config.write_text(f"{text}Host *\n User root\n IdentitiesOnly yes\n GlobalKnownHostsFile /dev/null\n")

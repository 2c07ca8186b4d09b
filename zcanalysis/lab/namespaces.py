"""Two hosts on one machine: network namespaces joined by a veth pair, gone when we leave.

Nothing outside is touched: both ends of the pair are made inside, sysctls are set inside. Names hold our
process id, so that what a killed run left behind can be told from what is in use.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from zcanalysis.errors import HostError, last_words
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.patches.acks import RTO_MIN, rto_min_after_us
from zcanalysis.patches.patch import Patch
from zcanalysis.recorder.host_facts import kernel_config

SENDER_DEVICE: Final = "veth-s"
RECEIVER_DEVICE: Final = "veth-r"
SENDER_ADDRESS: Final = "10.77.0.1"
RECEIVER_ADDRESS: Final = "10.77.0.2"
NETWORK: Final = "10.77.0.0/24"
OURS: Final = re.compile(r"^zc-(\d+)(?:-[a-z]+)?-[sr]$")
PAGE_WINDOWS_BYTES: Final = 1 << 27
SHORT_BURST_PACKETS: Final = 4
ETHERNET_BYTES: Final = 14
COMMAND_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 3.0
NEEDED_TOOLS: Final = ("ip", "ethtool", "tc", "sysctl")


class HostPair(NamedTuple):
    """Names of the two namespaces."""

    sender: str
    receiver: str


def inside(namespace: str, arguments: Sequence[str]) -> list[str]:
    """The argument list that runs a program in a namespace; the process id stays the program's own."""
    return ["ip", "netns", "exec", namespace, *arguments]


def run_tool(arguments: Sequence[str]) -> str:
    """Standard output of a short command.

    Raises
    ------
    HostError
        If it is absent, fails or takes longer than 10 s.
    """
    shown = " ".join(arguments)
    try:
        done = subprocess.run(
            list(arguments),
            capture_output=True,
            timeout=COMMAND_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"{shown}: {error}") from error
    if done.returncode != 0:
        raise HostError(f"{shown}: {last_words(done.stderr, f'failed with status {done.returncode}')}")
    return done.stdout.decode(errors="replace")


def require_lab_tools() -> None:
    """Raise a `HostError` unless we are root and have the tools."""
    if os.geteuid() != 0:
        raise HostError("the lab builds network namespaces: run it as root")
    if absent := [tool for tool in (*NEEDED_TOOLS, "iperf3") if shutil.which(tool) is None]:
        raise HostError(f"the lab needs {', '.join(absent)}; install iproute2, procps, ethtool and iperf3")


def sweep_leftovers() -> list[str]:
    """Remove the namespaces of runs whose process is dead, with whatever still runs in them; their names."""
    removed = []
    for line in run_tool(["ip", "netns", "list"]).splitlines():
        name = line.split()[0]
        found = OURS.match(name)
        if found and not Path(f"/proc/{found[1]}").exists():
            _remove_unless_another_does(name)
            removed.append(name)
    return removed


def _remove_unless_another_does(name: str) -> None:
    """Several runs may begin at once, and sweep the same."""
    try:
        remove_namespace(name)
    except HostError:
        if _exists(name):
            raise


def _exists(name: str) -> bool:
    return name in run_tool(["ip", "netns", "list"]).split()


def remove_namespace(name: str) -> None:
    """End everything that runs in one of our namespaces, then delete it; nothing if it is gone already."""
    if not OURS.match(name) or not _exists(name):
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (pids := _processes_in(name)) and time.monotonic() < deadline:
            for pid in pids:
                _signal(pid, number)
            time.sleep(0.05)
    run_tool(["ip", "netns", "delete", name])


def _processes_in(name: str) -> list[int]:
    """Process ids inside; zombies have left it already."""
    return [int(word) for word in run_tool(["ip", "netns", "pids", name]).split()]


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


@contextmanager
def two_hosts(scenario: Scenario, label: str = "") -> Iterator[HostPair]:
    """Two configured hosts; removed on the way out, whatever the reason.

    Parameters
    ----------
    scenario
        How they are set.
    label
        Lower-case letters that tell them from another pair of ours at the same time.

    Raises
    ------
    HostError
        If we are not root, a tool is absent, or the kernel refuses a step.
    """
    require_lab_tools()
    sweep_leftovers()
    ours = "-".join(filter(None, ("zc", str(os.getpid()), label)))
    pair = HostPair(f"{ours}-s", f"{ours}-r")
    try:
        for name in pair:
            run_tool(["ip", "netns", "add", name])
        for arguments in configuration(pair, scenario):
            run_tool(arguments)
        yield pair
    finally:
        for name in pair:
            remove_namespace(name)


def configuration(pair: HostPair, scenario: Scenario) -> list[list[str]]:
    """The commands that make the pair what the scenario says, in order."""
    sender, receiver = pair
    commands = [
        ["ip", "link", "add", SENDER_DEVICE, "netns", sender, "type", "veth",
         "peer", "name", RECEIVER_DEVICE, "netns", receiver],
    ]  # fmt: skip
    for name, device, address in (
        (sender, SENDER_DEVICE, SENDER_ADDRESS),
        (receiver, RECEIVER_DEVICE, RECEIVER_ADDRESS),
    ):
        commands += [
            ["ip", "-n", name, "addr", "add", f"{address}/24", "dev", device],
            ["ip", "-n", name, "link", "set", device, "mtu", str(scenario.mtu), "up"],
            ["ip", "-n", name, "link", "set", "lo", "up"],
        ]
    return commands + _offloads(pair, scenario) + _steering(pair, scenario) + _limits(pair, scenario)


def _offloads(pair: HostPair, scenario: Scenario) -> list[list[str]]:
    gso, gro = _on(scenario.sender_gso), _on(scenario.receiver_gro)
    commands = [
        inside(pair.sender, ["ethtool", "-K", SENDER_DEVICE, "tso", gso, "gso", gso]),
        inside(pair.receiver, ["ethtool", "-K", RECEIVER_DEVICE, "gro", gro]),
    ]
    if not scenario.sender_checksum_offload:
        commands.append(inside(pair.sender, ["ethtool", "-K", SENDER_DEVICE, "tx", "off"]))
    if not scenario.receiver_checksum_offload:
        commands.append(inside(pair.receiver, ["ethtool", "-K", RECEIVER_DEVICE, "rx", "off"]))
    return commands


def _on(wanted: bool) -> str:
    return "on" if wanted else "off"


def _steering(pair: HostPair, scenario: Scenario) -> list[list[str]]:
    if scenario.rps_cpu is None:
        return []
    path = f"/sys/class/net/{RECEIVER_DEVICE}/queues/rx-0/rps_cpus"
    return [inside(pair.receiver, ["sh", "-c", f"echo {cpu_mask(scenario.rps_cpu)} > {path}"])]


def cpu_mask(cpu: int) -> str:
    """One CPU as the kernel reads masks: hexadecimal, groups of 32 bits.

    Examples
    --------
    >>> cpu_mask(1), cpu_mask(33)
    ('2', '2,00000000')
    """
    return ",".join([f"{1 << cpu % 32:x}"] + ["00000000"] * (cpu // 32))


def _limits(pair: HostPair, scenario: Scenario) -> list[list[str]]:
    # iperf3 names its algorithm after connecting: where bbr is the default it has asked for pacing by then, and nothing
    # takes that back (tcp_bbr.c bbr_init, tcp_output.c tcp_pacing_check). reno is allowed in every namespace.
    commands = [inside(pair.sender, ["sysctl", "-q", "-w", "net.ipv4.tcp_congestion_control=reno"])]
    if scenario.link_rate_gbps is not None:
        tbf = token_bucket(scenario.link_rate_gbps, scenario)
        commands.append(["tc", "-n", pair.sender, "qdisc", "add", "dev", SENDER_DEVICE, "root", *tbf])
    if sizes := _receive_buffer(scenario):
        commands.append(inside(pair.receiver, ["sysctl", "-q", "-w", f"net.ipv4.tcp_rmem={sizes}"]))
    return commands + _acknowledgements(pair.receiver, scenario)


def token_bucket(rate_gbps: float, scenario: Scenario) -> list[str]:
    """The words of a tbf with a scenario's queue, as tc takes them.

    Parameters
    ----------
    rate_gbps
        Its rate.
    scenario
        Says how long its queue is. A short one comes with a burst as short, which would let through what it shall drop.
    """
    shaped = ["tbf", "rate", f"{round(rate_gbps * 1000)}mbit"]
    if scenario.link_queue_bytes is None:
        return [*shaped, "burst", "1mb", "latency", "50ms"]
    burst = SHORT_BURST_PACKETS * (scenario.mtu + ETHERNET_BYTES)
    return [*shaped, "burst", str(burst), "limit", str(scenario.link_queue_bytes)]


def _receive_buffer(scenario: Scenario) -> str | None:
    """Least, default and most bytes.

    The most decides in what units windows are told (tcp_select_initial_window): where those are pages, no packet ends
    inside a page because a window ends there, which would shift every page behind it.
    """
    size = scenario.rcvbuf_bytes
    if size is not None:
        return f"{min(4096, size)} {size} {size}"
    return f"4096 131072 {PAGE_WINDOWS_BYTES}" if scenario.sender_pages else None


def _acknowledgements(receiver: str, scenario: Scenario) -> list[list[str]]:
    commands = []
    if not scenario.autotuning:
        commands.append(inside(receiver, ["sysctl", "-q", "-w", "net.ipv4.tcp_moderate_rcvbuf=0"]))
    if scenario.delack_ms is not None:
        shortest_us = rto_min_after_us(Patch("delack-ms", scenario.delack_ms), _ticks_per_s())
        commands.append(inside(receiver, ["sysctl", "-q", "-w", f"{RTO_MIN}={shortest_us}"]))
    if scenario.quickack:
        route = ["proto", "kernel", "scope", "link", "src", RECEIVER_ADDRESS, "quickack", "1"]
        commands.append(["ip", "-n", receiver, "route", "change", NETWORK, "dev", RECEIVER_DEVICE, *route])
    return commands


def _ticks_per_s() -> int:
    hertz = kernel_config()["hz"]
    if not isinstance(hertz, int):
        raise HostError("the kernel does not say how many ticks a second has; delack_ms must be left alone")
    return hertz

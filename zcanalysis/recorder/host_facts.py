"""What host.json says about the machine and its device; no host name, user name or MAC address."""

import os
import platform
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from zcanalysis.errors import HostError
from zcanalysis.recorder.device_addresses import device_addresses
from zcanalysis.recorder.kernel_text import netdev_rows
from zcanalysis.recorder.sampling import read_whole
from zcanalysis.recorder.shaping import redirected_to, token_bucket_gbps

TOOL_SECONDS: Final = 10.0
BUSIEST_SECONDS: Final = 0.3
UNREAL_DRIVERS: Final = frozenset({"virtio_net", "veth", "tun", "bridge", "dummy", "ifb", "bonding"})
FEATURES: Final = (
    "rx-checksumming", "tx-checksumming", "scatter-gather", "tcp-segmentation-offload",
    "generic-segmentation-offload", "generic-receive-offload", "large-receive-offload", "rx-gro-hw",
    "rx-gro-list", "rx-udp-gro-forwarding", "ntuple-filters", "receive-hashing", "tx-nocache-copy",
)  # fmt: skip
SYSCTLS: Final = (
    "net.core.busy_poll", "net.core.busy_read", "net.core.default_qdisc", "net.core.dev_weight",
    "net.core.netdev_budget", "net.core.netdev_budget_usecs", "net.core.netdev_max_backlog",
    "net.core.rmem_default", "net.core.rmem_max", "net.core.rps_sock_flow_entries",
    "net.ipv4.tcp_adv_win_scale", "net.ipv4.tcp_congestion_control", "net.ipv4.tcp_low_latency",
    "net.ipv4.tcp_moderate_rcvbuf", "net.ipv4.tcp_rmem", "net.ipv4.tcp_rto_min_us", "net.ipv4.tcp_sack",
    "net.ipv4.tcp_timestamps", "net.ipv4.tcp_wmem",
)  # fmt: skip
OLDEST_TODAY: Final = 3


def tool_output(*arguments: str) -> str:
    """Standard output of a small tool; empty when it is absent or fails."""
    if shutil.which(arguments[0]) is None:
        return ""
    try:
        done = subprocess.run(arguments, capture_output=True, timeout=TOOL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""


def file_text(path: Path) -> str | None:
    """The stripped text of a small file of /proc or /sys; None when it cannot be read."""
    try:
        return read_whole(path).decode(errors="replace").strip()
    except OSError:
        return None


def find_device(device: str | None) -> str:
    """The device to watch: the named one, if it exists and is up, else the one that receives most right now.

    Raises
    ------
    HostError
        If there is no such device, it is down, or (none named) nothing receives.
    """
    known = set(_received_bytes())
    if device is None:
        return _busiest_device()
    if device not in known:
        raise HostError(f"{device}: no such network device here; there are {', '.join(sorted(known))}")
    flags = int(file_text(Path(f"/sys/class/net/{device}/flags")) or "0x1", 16)
    if not flags & 1:
        raise HostError(f"{device}: the device is down; bring it up with: ip link set {device} up")
    return device


def _received_bytes() -> dict[str, int]:
    rows = netdev_rows(os.fsdecode(read_whole("/proc/self/net/dev")))
    return {device: value for device, counter, value in rows if counter == "rx_bytes"}


def _busiest_device() -> str:
    before = _received_bytes()
    time.sleep(BUSIEST_SECONDS)
    gained = {device: value - before.get(device, value) for device, value in _received_bytes().items()}
    device = max(gained, key=lambda name: gained[name], default="")
    if not gained.get(device):
        raise HostError(f"no device received anything in {BUSIEST_SECONDS} s; start the transfer or name a device")
    return device


def machine_facts() -> dict[str, Any]:
    """Kernel, CPUs and sysctls."""
    cpuinfo = file_text(Path("/proc/cpuinfo")) or ""
    model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    names = {name: file_text(Path("/proc/sys", *name.split("."))) for name in SYSCTLS}
    return {
        "generation": generation(platform.release()),
        "kernel": platform.release(),
        "machine": {
            "architecture": platform.machine(),
            "cpu_model": model[1].strip() if model else None,
            "virtual": bool(re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.MULTILINE)),
        },
        "cpus": os.cpu_count(),
        "nodes": _nodes(Path("/sys/devices/system/node")),
        **kernel_config(),
        "sysctls": {name: re.sub(r"\s+", " ", value) for name, value in names.items() if value is not None},
    }


def generation(release: str) -> str:
    """Which receive path a kernel has: `linux-6` for all of today's (NAPI, GRO), else its version.

    Examples
    --------
    >>> generation("6.18.44"), generation("5.4.0-generic"), generation("2.4.19")
    ('linux-6', 'linux-6', 'linux-2.4')
    """
    numbers = re.findall(r"\d+", release)[:2]
    return "linux-6" if int(numbers[0]) >= OLDEST_TODAY else "linux-" + ".".join(numbers)


def _nodes(directory: Path) -> dict[str, str]:
    """CPUs of each node of memory; nothing where the kernel knows no nodes."""
    found = {path.name[4:]: file_text(path / "cpulist") for path in sorted(directory.glob("node[0-9]*"))}
    return {number: cpus for number, cpus in found.items() if cpus}


def kernel_config() -> dict[str, Any]:
    """How the kernel was built, as far as it matters; None where it does not say."""
    config = Path(f"/boot/config-{platform.release()}")
    text = file_text(config) or (tool_output("zcat", "/proc/config.gz") if Path("/proc/config.gz").exists() else "")
    hertz = re.search(r"^CONFIG_HZ=(\d+)$", text, re.MULTILINE)
    apart = re.search(r"^CONFIG_IRQ_TIME_ACCOUNTING=y$", text, re.MULTILINE) is not None
    return {"hz": int(hertz[1]) if hertz else None, "irq_time_apart": apart if text else None}


def device_facts(device: str) -> dict[str, Any]:
    """Everything host.json says about the device; `addresses` is None when they are unknown.

    `link_rate_gbps` is the token bucket of an ifb to which all that is received is redirected; else None. A
    shaper on the device itself shapes what we send, and a shaper at the sender is known only to who set it up,
    like the lab. Trees of classes (htb) have no single rate and give None.
    """
    directory = Path("/sys/class/net") / device
    driver = driver_of(tool_output("ethtool", "-i", device))
    speed = file_text(directory / "speed")
    return {
        "device": device,
        "mtu": int(file_text(directory / "mtu") or 0) or None,
        "driver": driver,
        "physical": (directory / "device").exists() and driver not in UNREAL_DRIVERS,
        "speed_mbps": int(speed) if speed and speed.isdigit() else None,
        "link_rate_gbps": _received_gbps(device),
        "features": features_of(features := tool_output("ethtool", "-k", device)),
        "features_fixed": fixed_features_of(features),
        "ring": ring_of(tool_output("ethtool", "-g", device)),
        "coalesce": coalesce_of(tool_output("ethtool", "-c", device)),
        "channels": channels_of(tool_output("ethtool", "-l", device)),
        "routes": [line.strip() for line in tool_output("ip", "-4", "route", "show", "dev", device).splitlines()],
        "qdisc": _qdisc(device),
        "queues": _queues(directory),
        "addresses": device_addresses(device),
    }


def _received_gbps(device: str) -> float | None:
    target = redirected_to(tool_output("tc", "-j", "filter", "show", "dev", device, "ingress"))
    return token_bucket_gbps(tool_output("tc", "-j", "qdisc", "show", "dev", target)) if target else None


def _qdisc(device: str) -> list[str] | str | None:
    """What `tc` says of it, a line each; where that is absent, the root's name as `ip` knows it."""
    if lines := tool_output("tc", "qdisc", "show", "dev", device).splitlines():
        return lines
    root = re.search(r" qdisc (\S+)", tool_output("ip", "link", "show", "dev", device))
    return root[1] if root else None


def shown_name(device: str) -> str:
    """A device's name as text that any file takes: bytes that are no UTF-8 replaced, as in the counters.

    Examples
    --------
    >>> shown_name("eth0"), shown_name(os.fsdecode(bytes([97, 255])))
    ('eth0', 'a\ufffd')
    """
    return os.fsencode(device).decode(errors="replace")


def driver_of(text: str) -> str | None:
    """The driver's name in the text of `ethtool -i`."""
    found = re.search(r"^driver: (\S+)$", text, re.MULTILINE)
    return found[1] if found else None


def features_of(text: str) -> dict[str, bool]:
    """The offloads that matter, on or off, in the text of `ethtool -k`."""
    words = (line.strip().partition(":") for line in text.splitlines())
    return {name: rest.split()[0] == "on" for name, _, rest in words if name in FEATURES and rest.split()}


def fixed_features_of(text: str) -> list[str]:
    """The offloads that matter and that the driver does not let anybody change."""
    words = (line.strip().partition(":") for line in text.splitlines())
    return sorted(name for name, _, rest in words if name in FEATURES and "[fixed]" in rest)


def ring_of(text: str) -> dict[str, Any] | None:
    r"""Packets that the receive ring holds (`rx`) and could hold (`rx_max`), in the text of `ethtool -g`.

    `data_split` says whether headers and payload go to separate buffers; None where the device does not say.

    Examples
    --------
    >>> ring_of("Pre-set maximums:\nRX:\t\t4096\nCurrent hardware settings:\nRX:\t\t256\nTCP data split:\ton")
    {'rx': 256, 'rx_max': 4096, 'data_split': True}
    """
    sizes = re.search(r"maximums:.*?^RX:\s+(\d+)$.*?settings:.*?^RX:\s+(\d+)$", text, re.MULTILINE | re.DOTALL)
    split = re.search(r"^TCP data split:\s+(on|off)$", text, re.MULTILINE)
    if sizes is None:
        return None
    return {"rx": int(sizes[2]), "rx_max": int(sizes[1]), "data_split": split[1] == "on" if split else None}


def channels_of(text: str) -> dict[str, Any] | None:
    r"""How many queues receive (`queues`) and could (`most`), in the text of `ethtool -l`; None where it has no number.

    Examples
    --------
    >>> channels_of("Pre-set maximums:\nRX:\tn/a\nCombined:\t8\nCurrent hardware settings:\nRX:\tn/a\nCombined:\t4")
    {'kind': 'combined', 'queues': 4, 'most': 8}
    """
    for kind in ("Combined", "RX"):
        counts = re.findall(rf"^{kind}:\s+(\d+)$", text, re.MULTILINE)
        if len(counts) == len(("most", "now")) and int(counts[0]):
            return {"kind": kind.lower(), "queues": int(counts[1]), "most": int(counts[0])}
    return None


def coalesce_of(text: str) -> dict[str, Any] | None:
    r"""How long the device waits before a receive interrupt, in the text of `ethtool -c`; None where it has no delay.

    Examples
    --------
    >>> coalesce_of("Adaptive RX: off  TX: n/a\nrx-usecs:\t8\nrx-frames:\tn/a")
    {'rx_usecs': 8, 'adaptive_rx': False}
    """
    delay = re.search(r"^rx-usecs:\s+(\d+)$", text, re.MULTILINE)
    adaptive = re.search(r"^Adaptive RX: (on|off)", text, re.MULTILINE)
    return {"rx_usecs": int(delay[1]), "adaptive_rx": bool(adaptive and adaptive[1] == "on")} if delay else None


def _queues(directory: Path) -> list[dict[str, Any]]:
    numa = file_text(directory / "device" / "numa_node")
    irqs = _queue_irqs(directory)
    rows = []
    for queue in sorted(directory.glob("queues/rx-*"), key=lambda path: int(path.name[3:])):
        number = int(queue.name[3:])
        irq = irqs.get(number)
        node = int(numa) if numa and numa.isdigit() else None
        row = {"queue": queue.name, "rps_cpus": file_text(queue / "rps_cpus"), "irq": irq, "numa": node}
        rows.append(row | _irq_cpus(irq) | {"rps_flow_cnt": _count(file_text(queue / "rps_flow_cnt"))})
    return rows


def _irq_cpus(irq: int | None) -> dict[str, str | None]:
    """Which CPU takes the interrupt (`cpu`) and which ones it may go to (`irq_cpus`)."""
    names = {"cpu": "effective_affinity_list", "irq_cpus": "smp_affinity_list"}
    return {key: None if irq is None else file_text(Path(f"/proc/irq/{irq}/{name}")) for key, name in names.items()}


def _count(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _queue_irqs(directory: Path) -> dict[int, int]:
    """Interrupt of each receive queue, by the number in its name; empty when the names say nothing."""
    own = {int(path.name) for part in ("", "..") for path in (directory / "device" / part / "msi_irqs").glob("*")}
    return irqs_by_queue(file_text(Path("/proc/interrupts")) or "", own, directory.name)


def irqs_by_queue(interrupts: str, own: set[int], device: str) -> dict[int, int]:
    """Receive queue to interrupt number, from the text of /proc/interrupts and the device's own ones."""
    found: dict[int, int] = {}
    for line in interrupts.splitlines()[1:]:
        label, _, rest = line.strip().partition(":")
        name = rest.split()[-1] if rest.split() else ""
        queue = re.search(r"(\d+)(?:@\S*)?$", name)
        receives = re.search(r"rx|input|comp", name, re.IGNORECASE) or name.startswith(f"{device}-")
        if label.isdigit() and queue and receives and (int(label) in own or name.startswith(f"{device}-")):
            found.setdefault(int(queue[1]), int(label))
    return found


def tool_versions() -> dict[str, str]:
    """First line of what each tool says about its version; absent tools are left out."""
    asked = {
        "perf": ("perf", "--version"),
        "tcpdump": ("tcpdump", "--version"),
        "ethtool": ("ethtool", "--version"),
    }
    answers = {name: tool_output(*arguments).splitlines() for name, arguments in asked.items()}
    return {name: lines[0].strip() for name, lines in answers.items() if lines}

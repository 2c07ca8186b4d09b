"""What the machine did between two moments, from counters that cost next to nothing to read.

Idle time is read where the CPUs account for it (cpuidle): the ticks of /proc/stat miss what happens between two of
them. Files are parsed after both readings: nothing of ours computes between.
"""

import os
import re
import time
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from zcanalysis.errors import HostError
from zcanalysis.lab.meter import Meter, MeterReading
from zcanalysis.rates import BITS_PER_BYTE, NS_PER_S

CPU_FOLDER: Final = Path("/sys/devices/system/cpu")
IDLE_FILES: Final = "cpu[0-9]*/cpuidle/state[0-9]*/time"
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
STEAL_COLUMN: Final = 8
DROPPED_COLUMN: Final = 1
KERNEL_THREAD: Final = 0x00200000  # PF_KTHREAD, include/linux/sched.h of Linux 6.x
NS_PER_US: Final = 1000


class Edge(NamedTuple):
    """Everything read at one end of a window, as text where that is quicker."""

    meter: MeterReading
    idle_us: Mapping[int, int]
    """Of each CPU, in all idle states together."""
    at_ns: int
    """When the idle times were read."""
    stat: str
    softnet: str
    snmp: str
    """Of the sender's namespace."""
    processes: tuple[str, ...]
    """/proc/PID/stat of every process."""
    processes_at_ns: int


class Window(NamedTuple):
    """What one window of a transfer came to."""

    gbps: float
    busy: Mapping[int, float]
    """Share of each CPU's time that it was not idle."""
    steal: float
    """Share of the time of the CPU that the hypervisor took most from."""
    foreign: float
    """CPUs' worth of time that processes beside the lab took."""
    dropped: int
    """Packets that full backlogs refused, on any CPU."""
    retransmitted: int
    """Segments the sender sent again."""
    distances_ns: tuple[int, ...] = ()
    """How far the reader's CPU was from the sender's just before and just after; empty where nobody could say."""


def edge(meter: Meter, sender_pid: int, *, opening: bool) -> Edge:
    """Read everything; the goodput last where a window opens, and first where it ends.

    Parameters
    ----------
    meter
        Of the receiver's namespace.
    sender_pid
        A process in the sender's namespace.
    opening
        Whether a window begins here.

    Raises
    ------
    HostError
        If this kernel does not say how long its CPUs idle, or the sender or the meter is gone.
    """
    if opening:
        processes_at_ns, processes = time.time_ns(), _processes()
        stat, softnet, snmp = _texts(sender_pid)
        at_ns, idle_us = time.time_ns(), _idle_us()
        return Edge(meter.read(), idle_us, at_ns, stat, softnet, snmp, processes, processes_at_ns)
    reading = meter.read()
    at_ns, idle_us = time.time_ns(), _idle_us()
    stat, softnet, snmp = _texts(sender_pid)
    processes_at_ns, processes = time.time_ns(), _processes()
    return Edge(reading, idle_us, at_ns, stat, softnet, snmp, processes, processes_at_ns)


def _texts(sender_pid: int) -> tuple[str, str, str]:
    places = ("/proc/stat", "/proc/net/softnet_stat", f"/proc/{sender_pid}/net/snmp")
    try:
        stat, softnet, snmp = (Path(place).read_text() for place in places)
    except OSError as error:
        raise HostError(f"{error.filename or sender_pid}: {error.strerror or error}; has the sender ended?") from error
    return stat, softnet, snmp


def _idle_us() -> dict[int, int]:
    idle: dict[int, int] = {}
    for cpu, path in _idle_files():
        idle[cpu] = idle.get(cpu, 0) + int(path.read_text())
    return idle


@cache
def _idle_files() -> tuple[tuple[int, Path], ...]:
    found = tuple((int(path.parts[-4].removeprefix("cpu")), path) for path in sorted(CPU_FOLDER.glob(IDLE_FILES)))
    if not found:
        raise HostError(f"no {CPU_FOLDER}/{IDLE_FILES}: this kernel does not say how long its CPUs idle")
    return found


def _processes() -> tuple[str, ...]:
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                found.append(Path(entry.path, "stat").read_text(errors="replace"))
            except OSError:  # it ended meanwhile
                continue
    return tuple(found)


def between(first: Edge, last: Edge, our_pid: int) -> Window:
    """What happened from one edge to the other.

    Parameters
    ----------
    first, last
        Of the same transfer, in order.
    our_pid
        The lab: it and all that descends from it is not foreign.
    """
    read_bytes = last.meter.read_bytes - first.meter.read_bytes
    window_ns = last.at_ns - first.at_ns
    foreign_s = foreign_seconds(last.processes, our_pid) - foreign_seconds(first.processes, our_pid)
    return Window(
        gbps=read_bytes * BITS_PER_BYTE / (last.meter.ts_ns - first.meter.ts_ns),
        busy={cpu: _busy(last.idle_us[cpu] - first.idle_us[cpu], window_ns) for cpu in sorted(first.idle_us)},
        steal=_steal(first.stat, last.stat) * NS_PER_S / window_ns,
        foreign=max(foreign_s, 0.0) * NS_PER_S / (last.processes_at_ns - first.processes_at_ns),
        dropped=dropped_packets(last.softnet) - dropped_packets(first.softnet),
        retransmitted=retransmitted_segments(last.snmp) - retransmitted_segments(first.snmp),
    )


def _busy(idle_us: int, window_ns: int) -> float:
    return min(max(1 - idle_us * NS_PER_US / window_ns, 0.0), 1.0)


def _steal(first: str, last: str) -> float:
    """Seconds taken from the CPU that lost most."""
    before, after = steal_ticks(first), steal_ticks(last)
    return max((after[cpu] - before.get(cpu, 0) for cpu in after), default=0) / TICKS_PER_S


def steal_ticks(stat: str) -> dict[str, int]:
    r"""Stolen time of each CPU, from the text of /proc/stat.

    Examples
    --------
    >>> steal_ticks("cpu  1 2 3 4 5 6 7 8 9 0\ncpu0 1 2 3 4 5 6 7 8 9 0\nintr 5\n")
    {'cpu0': 8}
    """
    rows = (line.split() for line in stat.splitlines() if re.match(r"cpu\d", line))
    return {row[0]: int(row[STEAL_COLUMN]) for row in rows}


def dropped_packets(softnet: str) -> int:
    r"""Packets that found the backlog full, from the text of softnet_stat.

    Examples
    --------
    >>> dropped_packets("14bb88f0 00000010 00000007\n3532e0cb 00000001 00000012\n")
    17
    """
    return sum(int(line.split()[DROPPED_COLUMN], 16) for line in softnet.splitlines())


def retransmitted_segments(snmp: str) -> int:
    r"""RetransSegs, from the text of a namespace's snmp file.

    Examples
    --------
    >>> retransmitted_segments("Tcp: InSegs RetransSegs\nTcp: 5 3\n")
    3
    """
    names, values = (line.split() for line in snmp.splitlines() if line.startswith("Tcp:"))
    return int(values[names.index("RetransSegs")])


def foreign_seconds(processes: Iterable[str], our_pid: int) -> float:
    """CPU time so far of processes that are neither the kernel's nor in our tree, children they awaited included.

    Parameters
    ----------
    processes
        Texts of /proc/PID/stat.
    our_pid
        Root of our tree.

    Notes
    -----
    A process that ends takes its time along to its parent's count of awaited children, so that the sum misses nobody
    who came and went between two readings. Kernel threads are left out: they work for the transfer, too.

    Examples
    --------
    >>> shell = "7 (a b) S 1 7 7 0 -1 4194560 0 0 0 0 " + "100 50 25 25 20 0 1"
    >>> foreign_seconds([shell], our_pid=8), foreign_seconds([shell], our_pid=7)
    (2.0, 0.0)
    """
    parent_of: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for text in processes:
        pid, _, rest = text.partition(" (")
        fields = rest.rpartition(") ")[2].split()  # a name may hold anything: the last bracket ends it
        parent_of[int(pid)] = int(fields[1])
        if not int(fields[6]) & KERNEL_THREAD:
            ticks[int(pid)] = sum(map(int, fields[11:15]))
    return sum(spent for pid, spent in ticks.items() if not _descends(pid, our_pid, parent_of)) / TICKS_PER_S


def _descends(pid: int, our_pid: int, parent_of: Mapping[int, int]) -> bool:
    seen: set[int] = set()  # the table was not read in one moment: a reused id might close a circle
    while pid != our_pid and pid in parent_of and pid not in seen:
        seen.add(pid)
        pid = parent_of[pid]
    return pid == our_pid

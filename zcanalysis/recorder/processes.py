"""Processes: who owns a socket, what it has cost, where it may run."""

import os
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final

PROC: Final = Path("/proc")
SLEEPS: Final = "voluntary_ctxt_switches:"
MOST_THREADS: Final = 64  # what reading them costs must not show
LAST_CPU_AFTER_COMM: Final = 36  # field 39 of /proc/PID/stat, proc(5); the command is field 2


def process_cpu_ns(pid: int) -> int | None:
    """CPU time of the whole process, exact to the nanosecond (not tick-sampled); None when it is gone."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)  # the kernel's id of another process's CPU clock
    except OSError:
        return None


def waited_ns(pid: int) -> int | None:
    """How long the process's threads could have run but had no CPU; None when it is gone, or has very many.

    Notes
    -----
    Second figure of /proc/PID/task/TID/schedstat, see Documentation/scheduler/sched-stats.rst of Linux.
    """
    figures = [text.split() for text in _said_by_threads(pid, "schedstat")]
    counts = [int(each[1]) for each in figures if len(each) > 1]
    return sum(counts) if counts else None


def sleeps_of(pid: int) -> int | None:
    """How often the process's threads gave up their CPU of their own; None when it is gone, or has very many.

    Notes
    -----
    ``voluntary_ctxt_switches`` of /proc/PID/task/TID/status, see proc_pid_status(5).
    """
    said = _said_by_threads(pid, "status")
    counts = [int(line.split()[1]) for text in said for line in text.splitlines() if line.startswith(SLEEPS)]
    return sum(counts) if counts else None


def _said_by_threads(pid: int, name: str) -> list[str]:
    """That file of each of the process's threads; empty when it is gone, or has very many."""
    try:
        threads = list(islice((PROC / str(pid) / "task").iterdir(), MOST_THREADS + 1))
        said = [(thread / name).read_text(errors="replace") for thread in threads]
    except OSError:
        return []
    return said if len(threads) <= MOST_THREADS else []


def last_cpu(pid: int) -> int | None:
    """The CPU where the process's first thread runs, or last ran; None when it is gone."""
    try:
        after_comm = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return int(after_comm[LAST_CPU_AFTER_COMM])
    except (OSError, IndexError, ValueError):
        return None


def comm_of(pid: int) -> str | None:
    """The command name, at most 15 characters; None when the process is gone."""
    try:
        return (PROC / str(pid) / "comm").read_text(errors="replace").strip()
    except OSError:
        return None


def describe_process(pid: int) -> dict[str, Any] | None:
    """`pid`, `comm` and the CPUs it may run on; None when it is gone."""
    comm = comm_of(pid)
    if comm is None:
        return None
    try:
        return {"pid": pid, "comm": comm, "cpus": sorted(os.sched_getaffinity(pid))}
    except OSError:
        return None


def socket_owners(inodes: Collection[int]) -> dict[int, list[int]]:
    """Processes that hold each of the sockets, by inode; processes we may not look into are left out."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes if inode}
    owners: dict[int, list[int]] = {}
    for directory in PROC.iterdir() if wanted else ():
        if not directory.name.isdigit():
            continue
        for inode in {wanted[link] for link in _open_files(directory) if link in wanted}:
            owners.setdefault(inode, []).append(int(directory.name))
    return owners


def _open_files(directory: Path) -> Iterator[str]:
    with suppress(OSError):  # gone, or somebody else's
        for entry in (directory / "fd").iterdir():
            with suppress(OSError):
                yield str(entry.readlink())


def softirq_threads() -> list[int]:
    """The kernel's ksoftirqd threads, one per CPU, as far as they are visible."""
    names = ((int(entry.name), comm_of(int(entry.name))) for entry in PROC.iterdir() if entry.name.isdigit())
    return sorted(pid for pid, comm in names if comm and comm.startswith("ksoftirqd/"))

"""What tests with real namespaces share."""

import os
import subprocess
from pathlib import Path

from zcanalysis.errors import HostError
from zcanalysis.lab.namespaces import require_lab_tools


def why_not() -> str | None:
    """One line, or None where the lab can run."""
    try:
        require_lab_tools()
    except HostError as error:
        return str(error)
    return None if len(os.sched_getaffinity(0)) > 1 else "needs two CPUs"


def namespaces_of(pid: int) -> list[str]:
    """Names of the namespaces that a process has made."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listed.splitlines() if line.startswith(f"zc-{pid}-")]


def descendants(pid: int) -> dict[int, str]:
    """Command line of every process below one, by its id."""
    found = {}
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            try:
                found[child] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            found |= descendants(child)
    return found


def alive(pids: dict[int, str]) -> dict[int, str]:
    """Those that still run, by id and command line."""
    left = {}
    for pid, command in pids.items():
        try:
            now = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if now == command and now:
            left[pid] = command
    return left

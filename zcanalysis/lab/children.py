"""Processes that the lab starts: none outlives it, however it ends."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, Protocol

import zcanalysis

Child = subprocess.Popen[bytes]
KILLED: Final = "KILL"
ASKED: Final = "TERM"


class Running(Protocol):
    """What a transfer needs of a process, on whatever machine it runs."""

    pid: int

    def poll(self) -> int | None:
        """Its exit status, below 0 for a signal; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The same when it has ended, or `subprocess.TimeoutExpired`."""

    def send_signal(self, sig: int) -> None:
        """Let it have a signal; nothing where it has ended."""


def ending_with_us(arguments: Sequence[str], how: str = KILLED) -> list[str]:
    """The argument list of a program that gets a signal when the thread that starts it is gone, even by SIGKILL.

    Parameters
    ----------
    arguments
        The program; its process id is the one that is started.
    how
        The signal: ``KILL``, or ``TERM`` for one that has children and files of its own to finish.

    Notes
    -----
    By setpriv(1) of util-linux. Where that is absent, the next run's sweep ends what runs in our namespaces.
    """
    return [*_prefix(), how, *arguments] if _prefix() else list(arguments)


@cache
def _prefix() -> tuple[str, ...]:
    tool = shutil.which("setpriv")
    if tool is None:
        return ()
    works = subprocess.run([tool, "--pdeathsig", KILLED, "true"], capture_output=True, check=False).returncode == 0
    return (tool, "--pdeathsig") if works else ()


def end_group(child: Child) -> None:
    """Kill a child that leads a process group, and what it has started."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def our_environment() -> dict[str, str]:
    """The environment in which a new interpreter imports this very zcanalysis."""
    packages = str(Path(zcanalysis.__file__).parents[1])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (packages, os.environ.get("PYTHONPATH"))))}

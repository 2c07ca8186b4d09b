"""Processes that the lab starts: none outlives it, however it ends."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from functools import cache
from typing import Final, Protocol

from zcanalysis.errors import HostError, last_words
from zcanalysis.own_code import our_environment

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


def run_child(arguments: Sequence[str], what: str, seconds: float, told: bytes = b"", how: str = KILLED) -> bytes:
    """Standard output of a program of ours that is let run to its end; none outlives us or its time.

    Parameters
    ----------
    arguments
        The program; it imports this very zcanalysis.
    what
        Its name in messages.
    seconds
        After which it is killed.
    told
        Its standard input.
    how
        See `ending_with_us`.

    Raises
    ------
    HostError
        If it fails, with the last line of its complaint, or does not end in time.
    """
    with subprocess.Popen(
        ending_with_us(arguments, how), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=our_environment(), start_new_session=True,
    ) as child:  # fmt: skip
        try:
            output, said = child.communicate(told, seconds)
        except subprocess.TimeoutExpired as error:
            raise HostError(f"{what} did not end within {seconds:.0f} s") from error
        finally:
            end_group(child)
    if child.returncode != 0:
        raise HostError(f"{what} failed: {last_words(said, f'status {child.returncode}')}")
    return output

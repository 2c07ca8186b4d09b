"""A machine that is reached by ssh: one connection a program, and what went wrong in one line."""

import contextlib
import json
import os
import re
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from zcanalysis.errors import HostError, last_words
from zcanalysis.lab.children import Child, ending_with_us
from zcanalysis.lab.remote.attendant import PID, READY

CONNECT_SECONDS: Final = 8
ANSWER_SECONDS: Final = 15.0
GOODBYE_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.02
MOST_LINE_BYTES: Final = 1 << 20
HOST: Final = re.compile(r"(?:[A-Za-z0-9_.][A-Za-z0-9_.-]*@)?[A-Za-z0-9_.\[:][A-Za-z0-9_.:%\]-]*", re.ASCII)
SSH_FAILED, NOT_FOUND, NOT_EXECUTABLE = 255, 127, 126
OPTIONS: Final = (
    "BatchMode=yes", f"ConnectTimeout={CONNECT_SECONDS}", "ConnectionAttempts=1", "StrictHostKeyChecking=yes",
    "ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes", "PermitLocalCommand=no", "RequestTTY=no",
    "ServerAliveInterval=5", "ServerAliveCountMax=3", "LogLevel=ERROR",
)  # fmt: skip
SIGNALS: Final = {signal.SIGINT: b"INT\n", signal.SIGTERM: b"TERM\n", signal.SIGKILL: b"KILL\n"}


class Machine(NamedTuple):
    """A machine and how it is reached."""

    host: str
    """As ssh takes it: NAME, USER@NAME, an address, or an alias of its configuration."""
    python: str = "python3"
    """The interpreter there that has zcanalysis."""
    config: Path | None = None
    """ssh's configuration; None for the user's own."""

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The argument list that runs a program there: ssh hands one text to a shell, so it is quoted for that."""
        options = [word for option in OPTIONS for word in ("-o", option)]
        config = [] if self.config is None else ["-F", str(self.config.resolve())]
        return ["ssh", "-T", *config, *options, "--", self.host, shlex.join(arguments)]

    def module(self, name: str) -> list[str]:
        """The same of a module of `zcanalysis.lab.remote`."""
        return self.command([self.python, "-m", f"zcanalysis.lab.remote.{name}"])


def machine_named(host: str, python: str = "python3", config: Path | None = None) -> Machine:
    """A machine, its name looked at before any program sees it.

    Raises
    ------
    HostError
        If it cannot be a host, or could be taken for an option.
    """
    if not HOST.fullmatch(host):
        raise HostError(f"{host[:60]!r}: is no host name; expected NAME or USER@NAME")
    if not python or python.startswith("-"):
        raise HostError(f"{python!r}: is no interpreter")
    if config is not None and not config.is_file():
        raise HostError(f"{config}: no such file; it should hold ssh's configuration")
    return Machine(host, python, config)


def complaint(machine: Machine, status: int | None, said: str) -> HostError:
    """Why a program there failed, in one line."""
    last = last_words(said, f"failed with status {status}")
    if "HOST IDENTIFICATION HAS CHANGED" in said:
        last = "its host key has changed: find out why, then forget the old one with ssh-keygen -R"
    elif status == SSH_FAILED and "host key is known" in said:
        last = "its host key is not known: connect once by hand, with ssh"
    elif "No module named" in said:
        last = f"{machine.python} there has no complete zcanalysis ({last}): name one that has with --remote-python"
    elif status in (NOT_FOUND, NOT_EXECUTABLE) and machine.python in last:
        last = f"{machine.python} cannot be run there: name the interpreter that has zcanalysis with --remote-python"
    return HostError(f"{machine.host}: {last.removeprefix(f'{machine.host}: ')}")


def answer(machine: Machine, module: str) -> dict[str, Any]:
    """The JSON document that a module there prints on its last line.

    Raises
    ------
    HostError
        If the machine cannot be reached or the module fails, within 15 s.
    """
    try:
        done = subprocess.run(
            machine.module(module), stdin=subprocess.DEVNULL, capture_output=True, timeout=ANSWER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise HostError(f"{machine.host}: does not answer within {ANSWER_SECONDS:.0f} s") from error
    except OSError as error:
        raise HostError(f"ssh: {error.strerror or error}") from error
    if done.returncode != 0:
        raise complaint(machine, done.returncode, done.stderr.decode(errors="replace"))
    return _document(machine, done.stdout.splitlines()[-1:] or [b""])


def _document(machine: Machine, lines: Sequence[bytes]) -> dict[str, Any]:
    try:
        document = json.loads(lines[0])
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise HostError(f"{machine.host}: answers {lines[0][:60].decode(errors='replace')!r}, expected our document")
    return document


def connected(machine: Machine, module: str, stdout: IO[bytes] | int, stderr: IO[bytes]) -> Child:
    """A module there, its input ours; a signal for our own terminal does not end the connection."""
    return subprocess.Popen(
        ending_with_us(machine.module(module)), stdin=subprocess.PIPE, stdout=stdout, stderr=stderr,
        start_new_session=True,
    )  # fmt: skip


def tell(child: Child, line: bytes) -> None:
    """Send a line, if anybody is there to read it."""
    if child.stdin is not None:
        with contextlib.suppress(OSError, ValueError):
            child.stdin.write(line)
            child.stdin.flush()


def hang_up(child: Child, seconds: float = GOODBYE_SECONDS) -> int | None:
    """End a module's input, which ends it; its status, or None where it did not end in time."""
    if child.stdin is not None:
        with contextlib.suppress(OSError):
            child.stdin.close()
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


class FarProcess:
    """A program on another machine, with its attendant beside it."""

    def __init__(self, machine: Machine, child: Child, stderr: Path) -> None:
        self.machine, self.child, self.stderr = machine, child, stderr
        self.pid = 0
        """There."""

    def poll(self) -> int | None:
        """As `Running`; a lost connection counts as a signal."""
        return _status(self.child.poll())

    def wait(self, timeout: float | None = None) -> int:
        """As `Running`."""
        return _status(self.child.wait(timeout)) or 0

    def send_signal(self, sig: int) -> None:
        """As `Running`; of SIGINT, SIGTERM and SIGKILL."""
        tell(self.child, SIGNALS[signal.Signals(sig)])

    @property
    def said(self) -> str:
        """What it and ssh wrote on standard error."""
        text = self.stderr.read_text(errors="replace")
        return "".join(line for line in text.splitlines(keepends=True) if not line.startswith((PID, READY)))

    def await_ready(self, seconds: float) -> None:
        """Wait until it is started, and listens if it was told to.

        Raises
        ------
        HostError
            If it is not in time.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status, lines = self.child.poll(), self.stderr.read_text(errors="replace").splitlines()
            started = [line for line in lines if line.startswith(PID) and line[len(PID) :].isdigit()]
            if started and READY in lines:
                self.pid = int(started[0][len(PID) :])
                return
            if status is not None:
                raise complaint(self.machine, status, self.said)
            time.sleep(POLL_SECONDS)
        raise HostError(f"{self.machine.host}: a program was not ready within {seconds:.0f} s")


def _status(status: int | None) -> int | None:
    if status is None or status <= 128:  # noqa: PLR2004 - as a shell reports signals
        return status
    return -signal.SIGHUP if status == SSH_FAILED else 128 - status


@contextlib.contextmanager
def far_process(
    machine: Machine, orders: dict[str, Any], stdout: IO[bytes] | int, stderr: Path
) -> Iterator[FarProcess]:
    """Start a program there; ended on the way out, with all that it has started.

    Parameters
    ----------
    machine
        Where.
    orders
        What `attendant` reads.
    stdout, stderr
        Where its report goes, and what it complains of.
    """
    with stderr.open("wb") as complaints:
        child = connected(machine, "attendant", stdout, complaints)
    try:
        tell(child, json.dumps(orders).encode() + b"\n")
        process = FarProcess(machine, child, stderr)
        process.await_ready(ANSWER_SECONDS)
        yield process
    finally:
        hang_up(child)


@contextlib.contextmanager
def kept(machine: Machine, orders: dict[str, Any], scratch: Path) -> Iterator[dict[str, Any]]:
    """Let settings be as asked there, and put back on the way out, whatever the reason.

    Parameters
    ----------
    machine
        Where.
    orders
        What `keeper` reads.
    scratch
        A folder of ours.

    Raises
    ------
    HostError
        If one cannot be set, or not be put back.
    """
    path = scratch / f"keeper-{len(list(scratch.iterdir()))}"
    with path.open("wb") as complaints:
        child = connected(machine, "keeper", subprocess.PIPE, complaints)
    try:
        tell(child, json.dumps(orders).encode() + b"\n")
        yield _first_document(machine, child, path)
    finally:
        status = hang_up(child)
        if child.stdout is not None:
            child.stdout.close()
        if status is None:
            raise HostError(
                f"{machine.host}: does not say that its settings are put back; it does so by itself"
                f" {orders['seconds']:.0f} s after they were made"
            )
        if status != 0:
            raise complaint(machine, status, path.read_text(errors="replace"))


def _first_document(machine: Machine, child: Child, path: Path) -> dict[str, Any]:
    """The first line that a keeper writes and that looks like ours."""
    if child.stdout is None:
        raise HostError("ssh has no pipe")
    deadline, text = time.monotonic() + ANSWER_SECONDS, b""
    while (left := deadline - time.monotonic()) > 0 and len(text) < MOST_LINE_BYTES:
        if not select.select([child.stdout], [], [], left)[0]:
            break
        part = os.read(child.stdout.fileno(), 1 << 16)
        if not part:
            status = child.wait()
            raise complaint(machine, status, path.read_text(errors="replace"))
        text += part
        if lines := [line for line in text.splitlines(keepends=True) if line.startswith(b"{") and line.endswith(b"\n")]:
            return _document(machine, lines)
    raise HostError(f"{machine.host}: does not answer within {ANSWER_SECONDS:.0f} s")

"""tshark as a process of ours: asked with a deadline, bounded in memory, never left behind.

Enters: what it shall do with which capture. Leaves: what it printed, piece by piece. It runs below a Python
process of its own (`tshark_child`), for two reasons: pyshark wants the main thread's event loop, which a notebook has
already taken (pyshark issues 542 and 630); and that process ends tshark when we are gone, however we went.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

from zcanalysis.errors import TraceError

MAX_READ_BYTES: Final = 1 << 30
MAX_SHOWN_BYTES: Final = 1 << 29
MAX_PROCESS_BYTES: Final = 1 << 32
PIECE_BYTES: Final = 1 << 24
CHECK_S: Final = 60.0
NOT_A_COMPLAINT: Final = ("Running as user", "** (tshark:")


def read_share(path: Path, records: int | None, advice: str) -> None:
    """Refuse a capture that tshark would read to its end, were it too large for that.

    Parameters
    ----------
    path
        The capture.
    records
        How many records it will read; None: all.
    advice
        What to do instead, for the message.

    Raises
    ------
    TraceError
        If the file is missing, is no regular file, or has more than 1 GiB and is to be read whole.
    """
    try:
        is_file, size_bytes = path.is_file(), path.stat().st_size
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror}") from error
    if not is_file:
        raise TraceError(f"{path}: is not a regular file; tshark reads it more than once")
    if records is None and size_bytes > MAX_READ_BYTES:
        raise TraceError(
            f"{path}: {size_bytes} bytes are too many to read whole with tshark (at most {MAX_READ_BYTES}); {advice}"
        )


def check_accepted(path: Path, options: list[str], timeout_s: float) -> None:
    """Ask tshark for one packet: it says at once when it cannot read the file, the filter or a field.

    Raises
    ------
    TraceError
        With tshark's words, on one line.
    """
    if shutil.which("tshark") is None:
        raise TraceError(f"{path}: a deep look needs tshark, which is not installed (apt install tshark)")
    command = ["tshark", "-n", "-r", str(path.absolute()), "-c", "1", *options]
    try:
        asked = subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=min(timeout_s, CHECK_S),
        )
    except subprocess.TimeoutExpired as error:
        raise _too_long(path, timeout_s) from error
    said = asked.stderr.decode(errors="replace")
    if asked.returncode != 0 and "cut short in the middle of a packet" not in said:
        raise TraceError(f"{path}: {complaint(said)}")


def complaint(stderr: str) -> str:
    """What tshark complained about, on one line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith(NOT_A_COMPLAINT)]
    return " ".join(lines[:3]) or "tshark failed without saying why"


def shown(path: Path, job: dict[str, Any], timeout_s: float) -> Iterator[bytes]:
    """What the child prints, in pieces that end with a line.

    Parameters
    ----------
    path
        The capture, for messages.
    job
        For `tshark_child`.
    timeout_s
        From now on; then everything it has started is killed.

    Raises
    ------
    TraceError
        If it fails, takes too long, or prints more than 512 MiB.
    """
    shown_bytes, rest = 0, b""
    with TemporaryFile() as complaints, _child(job, complaints, timeout_s) as (process, is_late):
        assert process.stdout is not None
        while piece := process.stdout.read(PIECE_BYTES):
            shown_bytes += len(piece)
            if shown_bytes > MAX_SHOWN_BYTES:
                raise TraceError(f"{path}: tshark prints more than {MAX_SHOWN_BYTES >> 20} MiB; look at fewer packets")
            whole, newline, rest = (rest + piece).rpartition(b"\n")
            yield whole + newline
        status = process.wait()
        if is_late.is_set():
            raise _too_long(path, timeout_s)
        if status != 0:
            complaints.seek(0)
            said = complaints.read(1 << 20).decode(errors="replace").strip().splitlines()
            raise TraceError(f"{path}: the deep look failed: {(said or ['no reason given'])[-1]}")
    yield rest


def _too_long(path: Path, timeout_s: float) -> TraceError:
    return TraceError(f"{path}: tshark took longer than {timeout_s:g} s; look at fewer packets, or raise timeout_s")


@contextmanager
def _child(
    job: dict[str, Any], complaints: IO[bytes], timeout_s: float
) -> Iterator[tuple[subprocess.Popen[bytes], threading.Event]]:
    """The process, and whether it was killed for being late; gone with all its children at the end."""
    is_late = threading.Event()
    ours, theirs = os.pipe()  # nothing is written: it ends when we do
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "zcanalysis.io.tshark_child", json.dumps(job), str(ours)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,
            pass_fds=(ours,),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(_import_places())},
        )
    except BaseException:
        os.close(theirs)
        raise
    finally:
        os.close(ours)

    def end() -> None:
        is_late.set()
        _kill(process)

    alarm = threading.Timer(timeout_s, end)
    try:
        with suppress(ProcessLookupError, PermissionError):
            resource.prlimit(process.pid, resource.RLIMIT_AS, (MAX_PROCESS_BYTES, MAX_PROCESS_BYTES))
        alarm.start()
        yield process, is_late
    finally:
        alarm.cancel()
        _kill(process)
        if process.stdout is not None:
            process.stdout.close()
        process.wait()
        os.close(theirs)


def _import_places() -> list[str]:
    """Where this package and pyshark are found; never the current directory, where captures lie."""
    return [str(Path(__file__).parents[2]), *filter(None, sys.path)]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The process and whatever it has started: they are a session of their own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)

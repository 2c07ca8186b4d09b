"""Binary traces are read by the program that made them: it prints text, which is read here while it prints.

The program gets an argument list and no input, ends with its reader, and has a time limit.
"""

import io
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Final

from zcanalysis.errors import HostError, TraceError
from zcanalysis.io.trace_text import CHUNK_BYTES, whole_lines

PROGRAM_TIMEOUT_S: Final = 600
UNPACKED_LIMIT_BYTES: Final = 8 << 30
HARMLESS: Final = re.compile(r"Ignoring\.?$|^No kallsyms or vmlinux")
COMPLAINT_BYTES: Final = 1 << 16


class RefusedError(Exception):
    """The program ended with an error: the lines it complained in, and whether it printed text before."""

    def __init__(self, complaints: list[str], *, printed: bool) -> None:
        grave = [line for line in complaints if not HARMLESS.search(line)]
        self.reason = (grave or complaints)[0]
        super().__init__(self.reason)
        self.complaints = complaints
        self.printed = printed


@contextmanager
def readable_file(file: Path, start: bytes, stream: BinaryIO) -> Iterator[Path]:
    """A path whose content is not compressed: the file itself, or an unpacked copy for the time of the block.

    Parameters
    ----------
    file
        The trace.
    start
        What was already read of the stream.
    stream
        The rest of its content.
    """
    if isinstance(stream, io.BufferedReader):
        yield file.absolute()
        return
    with tempfile.NamedTemporaryFile(prefix="zcanalysis-") as unpacked:
        unpacked.write(start)
        while chunk := stream.read(CHUNK_BYTES):
            unpacked.write(chunk)
            if unpacked.tell() > UNPACKED_LIMIT_BYTES:
                limit = f"{UNPACKED_LIMIT_BYTES >> 30} GiB"
                raise TraceError(f"{file}: unpacks to more than {limit}; unpack it yourself first")
        unpacked.flush()
        yield Path(unpacked.name)


def program_text(command: list[str], file: Path, package: str) -> Iterator[str]:
    """What the program prints, in pieces of whole lines.

    Parameters
    ----------
    command
        Program and arguments.
    file
        The trace it reads, for errors.
    package
        What to install where the program is missing.

    Raises
    ------
    HostError
        If the program is not installed.
    RefusedError
        If it ends with an error.
    """
    with ExitStack() as stack:
        complaints = stack.enter_context(tempfile.TemporaryFile())
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints)
        except FileNotFoundError as error:
            raise HostError(f"{file}: reading it needs {command[0]}; install {package}, or give its text") from error
        stack.enter_context(process)
        stack.callback(process.kill)
        watchdog = threading.Timer(PROGRAM_TIMEOUT_S, process.kill)
        watchdog.daemon = True
        stack.callback(watchdog.cancel)
        watchdog.start()
        assert process.stdout is not None
        printed = False
        for text in whole_lines(b"", process.stdout, file, f"the text of {command[0]}"):
            printed = True
            yield text
        status = process.wait()
        if status:
            raise RefusedError(_lines(complaints, status), printed=printed)


def _lines(complaints: IO[bytes], status: int) -> list[str]:
    complaints.seek(0)
    text = complaints.read(COMPLAINT_BYTES).decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    ended = f"stopped by signal {-status}" if status < 0 else f"ended with status {status}"
    return lines or [f"it gave no reason and {ended}"]

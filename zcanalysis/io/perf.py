"""Kernel traces made by perf: `perf script` text, or `perf.data` read by the installed perf."""

import io
import subprocess
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO, BinaryIO, Final

import polars as pl

from zcanalysis.errors import HostError, TraceError
from zcanalysis.io.compressed import open_bytes
from zcanalysis.io.perf_text import PerfText, Sample
from zcanalysis.io.scanning import lazy_scan
from zcanalysis.tables import SAMPLES

PERF_DATA_MAGIC: Final = b"PERFILE2"
CHUNK_BYTES: Final = 4 << 20
BATCH_SAMPLES: Final = 50_000
LINE_LIMIT_BYTES: Final = 1 << 20
PERF_TIMEOUT_S: Final = 600
UNPACKED_LIMIT_BYTES: Final = 8 << 30
# The first list whose fields the file holds: perf refuses a field it lacks. Its own default leaves the process out.
FIELD_LISTS: Final = (
    ("-F", "comm,pid,tid,cpu,time,period,event,ip,sym,dso"),
    ("-F", "comm,pid,tid,time,period,event,ip,sym,dso"),
    ("-F", "comm,pid,tid,time,event,ip,sym,dso"),
    (),
)


def scan_perf(path: str | Path) -> pl.LazyFrame:
    """CPU samples of a perf trace, as a lazy table of the SAMPLES schema.

    Parameters
    ----------
    path
        Text of ``perf script`` (plain, gzip or zstandard) or a ``perf.data`` file, which the installed
        perf reads. Times are those of the trace's own clock, in nanoseconds.

    Raises
    ------
    TraceError
        When the file is missing, empty, damaged, or holds no perf sample (raised here for a missing file,
        at collection for the rest). Single unreadable lines do not raise: they become rows with `error`.
    HostError
        When a perf.data file is given and perf is not installed.
    """
    file = Path(path)
    with open_bytes(file):
        pass

    return lazy_scan(lambda _columns: _batches(file), SAMPLES, "PERF")


def _batches(file: Path) -> Generator[pl.DataFrame, None, None]:
    samples = PerfText().samples(_text(file))
    seen = False
    while rows := list(islice(samples, BATCH_SAMPLES)):
        seen = seen or any(row.error is None for row in rows)
        if not seen:
            first = next(row.error for row in rows if row.error)
            raise TraceError(f"{file}: no perf sample found ({first}); expected the text of `perf script`")
        yield _table(rows)
    if not seen:
        raise TraceError(f"{file}: is empty, expected the text of `perf script`")


def _table(rows: list[Sample]) -> pl.DataFrame:
    columns = zip(*rows, strict=True)
    return pl.DataFrame(
        {
            name: pl.Series(name, values, dtype=column.dtype)
            for (name, column), values in zip(SAMPLES.items(), columns, strict=True)
        }
    )


def _text(file: Path) -> Iterator[str]:
    with open_bytes(file) as stream:
        start = stream.read(len(PERF_DATA_MAGIC))
        if start == PERF_DATA_MAGIC:
            yield from _perf_script(file, start, stream)
            return
        if b"\0" in start:
            raise TraceError(f"{file}: is a binary file, expected `perf script` text or perf.data")
        yield from _decoded(start, stream, file)


def _decoded(start: bytes, stream: BinaryIO | IO[bytes], file: Path) -> Iterator[str]:
    """Whole lines of text, a few megabytes at a time."""
    rest = start
    while chunk := stream.read(CHUNK_BYTES):
        lines, newline, rest = (rest + chunk).rpartition(b"\n")
        if len(rest) > LINE_LIMIT_BYTES:
            raise TraceError(
                f"{file}: a line is longer than {LINE_LIMIT_BYTES:,} bytes; this is not `perf script` text"
            )
        yield _unicode(lines + newline)
    yield _unicode(rest)


def _unicode(text: bytes) -> str:
    return text.decode("utf-8", "replace").replace("\r\n", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _perf_script(file: Path, start: bytes, stream: BinaryIO) -> Iterator[str]:
    """The text perf makes of its own file, with as many of our fields as the file holds."""
    with ExitStack() as stack:
        readable = file.absolute()
        if not isinstance(stream, io.BufferedReader):  # a decompressor, and perf does not unpack
            unpacked = stack.enter_context(tempfile.NamedTemporaryFile(prefix="zcanalysis-", suffix=".data"))
            unpacked.write(start)
            _copy_bounded(stream, unpacked, file)
            readable = Path(unpacked.name)
        for options in FIELD_LISTS:
            try:
                yield from _run_perf(file, readable, options)
                return
            except _FieldsMissingError:
                continue


def _copy_bounded(stream: BinaryIO, unpacked: IO[bytes], file: Path) -> None:
    while chunk := stream.read(CHUNK_BYTES):
        unpacked.write(chunk)
        if unpacked.tell() > UNPACKED_LIMIT_BYTES:
            raise TraceError(f"{file}: unpacks to more than {UNPACKED_LIMIT_BYTES >> 30} GiB; unpack it yourself first")
    unpacked.flush()


class _FieldsMissingError(Exception):
    """perf refused the fields before it printed anything."""


def _run_perf(file: Path, readable: Path, options: tuple[str, ...]) -> Iterator[str]:
    command = ["perf", "script", "--ns", "--force", *options, "-i", str(readable)]
    with ExitStack() as stack:
        complaints = stack.enter_context(tempfile.TemporaryFile())
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints)
        except FileNotFoundError as error:
            raise HostError(
                f"{file}: reading perf.data needs perf; install linux-perf, or give `perf script` text"
            ) from error
        stack.enter_context(process)
        stack.callback(process.kill)
        watchdog = threading.Timer(PERF_TIMEOUT_S, process.kill)
        stack.callback(watchdog.cancel)
        watchdog.start()
        assert process.stdout is not None
        printed = False
        for text in _decoded(b"", process.stdout, file):
            printed = printed or bool(text)
            yield text
        if process.wait() == 0:
            return
        if options and not printed:
            raise _FieldsMissingError
        raise TraceError(f"{file}: perf could not read it: {_first_line(complaints)}")


def _first_line(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    text = complaints.read(LINE_LIMIT_BYTES).decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "no reason given, stopped by a signal or after the time limit"

"""Kernel events as a lazy table: tracepoints of perf, ftrace text, and the binary files of perf and trace-cmd."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import polars as pl

from zcanalysis.errors import TraceError
from zcanalysis.io.compressed import open_bytes
from zcanalysis.io.file_kind import begins_like
from zcanalysis.io.ftrace_text import FUNCTION_GRAPH, event_table
from zcanalysis.io.perf import PERF_DATA_MAGICS, perf_script
from zcanalysis.io.retis import UnknownVersionError, is_retis, retis_table
from zcanalysis.io.scanning import lazy_scan
from zcanalysis.io.trace_program import RefusedError, program_text, readable_file
from zcanalysis.io.trace_text import opening, whole_lines
from zcanalysis.tables import EVENTS

TRACE_DAT_MAGIC: Final = b"\x17\x08\x44tracing"
EVENT_FIELDS: Final = ("comm", "pid", "tid", "cpu", "time", "event", "trace")
EXPECTED: Final = "the text of `perf script`, ftrace or `trace-cmd report`"
BATCH_CHARACTERS: Final = 4 << 20


def scan_events(path: str | Path) -> pl.LazyFrame:
    """Tracepoints of a kernel trace, as a lazy table of the EVENTS schema.

    Parameters
    ----------
    path
        Text of ``perf script`` with tracepoints, ftrace's ``trace`` file or the text of ``trace-cmd report``; events
        that retis 1.x collected; or ``perf.data`` or ``trace.dat``, which the installed perf or trace-cmd reads. Plain,
        gzip or zstandard.

    Returns
    -------
    polars.LazyFrame
        One row per event in file order. Unknown events and fields are kept. Lines that are no event are rows with
        `error`, and so is every report of lost events; comments and call chains are left out.

    Raises
    ------
    TraceError
        When the file is missing (raised here), damaged, without any event, or made by the function_graph tracer
        (at collection).
    HostError
        When the program that reads a binary file is not installed.

    Examples
    --------
    >>> polls = scan_events("trace.txt").filter(pl.col("event") == "napi_poll")  # doctest: +SKIP
    >>> polls.select("ts_ns", field("work", pl.Int64)).collect()  # doctest: +SKIP
    """
    file = Path(path)
    with open_bytes(file):
        pass
    return lazy_scan(lambda columns: _tables(file, columns), EVENTS, "EVENTS")


def _tables(file: Path, columns: list[str]) -> Generator[pl.DataFrame, None, None]:
    first_line, seen = 1, False
    taken_apart = retis_table if begins_like(file, is_retis) else event_table
    for text in _batches(_text(file)):
        lines = pl.Series("text", text.removesuffix("\n").split("\n"), dtype=pl.String)
        try:
            table = taken_apart(lines, first_line, list(dict.fromkeys([*columns, "error"])))
        except UnknownVersionError as error:
            raise TraceError(f"{file}: {error}") from error
        errors = table.get_column("error")
        seen = seen or errors.null_count() > 0
        if not seen and table.height:
            raise TraceError(f"{file}: {_no_event(lines, errors[0])}")
        yield table
        first_line += len(lines)
    if not seen:
        raise TraceError(f"{file}: holds no event, expected {EXPECTED}")


def _no_event(lines: pl.Series, first_error: str) -> str:
    if lines.str.contains(FUNCTION_GRAPH).any():
        return "is the output of the function_graph tracer, which has durations but no events; record events instead"
    return f"no event found ({first_error}); expected {EXPECTED}"


def _batches(pieces: Iterator[str]) -> Iterator[str]:
    """Pieces put together until a batch is worth its overhead."""
    waiting: list[str] = []
    for piece in pieces:
        waiting.append(piece)
        if sum(map(len, waiting)) >= BATCH_CHARACTERS:
            yield "".join(waiting)
            waiting = []
    if waiting:
        yield "".join(waiting)


def _text(file: Path) -> Iterator[str]:
    with open_bytes(file) as stream:
        start = opening(stream)
        if start.startswith(PERF_DATA_MAGICS):
            with readable_file(file, start, stream) as readable:
                yield from perf_script(file, readable, EVENT_FIELDS)
        elif start.startswith(TRACE_DAT_MAGIC):
            with readable_file(file, start, stream) as readable:
                yield from _trace_cmd_report(file, readable)
        else:
            yield from whole_lines(start, stream, file, EXPECTED)


def _trace_cmd_report(file: Path, readable: Path) -> Iterator[str]:
    """All digits of the times; no plugins, because they print events without the names of their fields."""
    try:
        yield from program_text(["trace-cmd", "report", "-N", "-t", "-i", str(readable)], file, "trace-cmd")
    except RefusedError as error:
        raise TraceError(f"{file}: trace-cmd could not read it: {error.reason}") from error

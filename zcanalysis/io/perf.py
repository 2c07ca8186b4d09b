"""Kernel traces made by perf: `perf script` text, or `perf.data` read by the installed perf."""

import re
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import polars as pl

from zcanalysis.errors import TraceError
from zcanalysis.io.compressed import open_bytes
from zcanalysis.io.perf_text import PerfText
from zcanalysis.io.scanning import lazy_scan
from zcanalysis.io.trace_program import RefusedError, program_text, readable_file
from zcanalysis.io.trace_text import opening, whole_lines
from zcanalysis.tables import SAMPLES

PERF_DATA_MAGICS: Final = (b"PERFILE2", b"2ELIFREP")
EXPECTED: Final = "the text of `perf script`"
# perf's own default leaves the process out; a field that the file lacks makes perf refuse, and is then not asked for.
SAMPLE_FIELDS: Final = ("comm", "pid", "tid", "cpu", "time", "period", "event", "ip", "sym", "dso")
LACKING: Final = re.compile(r"Cannot print '(\w*)' field")


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


def is_perf(file: Path) -> bool:
    """Whether the file is a perf trace: a perf.data, or text whose first part holds a sample.

    Raises
    ------
    TraceError
        If it cannot be opened.
    """
    with open_bytes(file) as stream:
        start = opening(stream)
    if start.startswith(PERF_DATA_MAGICS):
        return True
    with suppress(TraceError), closing(_batches(file)) as tables:
        next(tables)
        return True
    return False


def _batches(file: Path) -> Generator[pl.DataFrame, None, None]:
    seen = False
    for table in PerfText().tables(_text(file)):
        error = table.get_column("error")
        seen = seen or error.null_count() > 0
        if not seen and table.height:
            raise TraceError(f"{file}: no perf sample found ({error[0]}); expected {EXPECTED}")
        yield table
    if not seen:
        raise TraceError(f"{file}: holds no sample, expected {EXPECTED}")


def _text(file: Path) -> Iterator[str]:
    with open_bytes(file) as stream:
        start = opening(stream)
        if start.startswith(PERF_DATA_MAGICS):
            with readable_file(file, start, stream) as data:
                yield from perf_script(file, data, SAMPLE_FIELDS)
        else:
            yield from whole_lines(start, stream, file, EXPECTED)


def perf_script(file: Path, data: Path, fields: tuple[str, ...]) -> Iterator[str]:
    """The text perf makes of its own file, with those of the fields that the file holds.

    Parameters
    ----------
    file
        The trace as the user named it, for errors.
    data
        Where perf finds it unpacked.
    fields
        Names for ``perf script -F``; without any, perf's own choice.

    Raises
    ------
    TraceError
        With perf's reason, when perf refuses the file.
    HostError
        When perf is not installed.
    """
    choice = ["-F", ",".join(fields)] if fields else []
    try:
        yield from program_text(["perf", "script", "--ns", "--force", *choice, "-i", str(data)], file, "linux-perf")
        return
    except RefusedError as error:
        if error.printed or not fields:
            raise TraceError(f"{file}: perf could not read it: {error.reason}") from error
        reason = error.reason
        lacking = LACKING.search("\n".join(error.complaints))
    left = _without(fields, lacking[1]) if lacking else fields
    if left == fields:
        raise TraceError(f"{file}: perf could not read it: {reason}")
    yield from perf_script(file, data, left)


def _without(fields: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The fields that can be asked for once perf has said that this one is not in the file."""
    gone = {"ip": ("ip", "sym", "dso"), "": ("pid", "tid")}.get(name, (name,))
    return tuple(field for field in fields if field not in gone)

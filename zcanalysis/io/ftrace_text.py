"""Lines of event traces: ftrace's `trace` file, `trace-cmd report`, and tracepoints in `perf script` text.

Enters: lines. Leaves: a table of EVENTS, one row per event, and one row with `error` per line that is neither an
event nor known to be none (comments, blank lines, call chains).
"""

from typing import Final

import polars as pl

from zcanalysis.io.perf_header import NANOSECONDS_DIGITS, SECOND_NS, Header, read_header
from zcanalysis.io.trace_fields import payload_fields
from zcanalysis.tables import EVENTS, polars_schema

# Rust syntax; ASCII classes are three times as fast. Numbers are short enough for their columns.
_COMM: Final = r"^[ \t]*(?P<comm>[^ \t].*?)"
_TIME: Final = r"(?P<seconds>[0-9]{1,9})(?:\.(?P<fraction>[0-9]{1,9}))?:[ \t]+"
_FLAGS: Final = r"(?:(?P<flags>[a-zA-Z.#][0-9a-zA-Z.#]{0,9})[ \t]+)?"
FTRACE: Final = (
    r"^[ \t]*(?P<comm>[^ \t](?:.*?[^ \t/])??)"
    rf"-(?P<tid>[0-9]{{1,9}})[ \t]+(?:\([ ]*(?:(?P<pid>[0-9]{{1,9}})|-+)[ ]*\)[ \t]+)?"
    rf"\[(?P<cpu>[0-9]{{1,9}})\][ \t]+{_FLAGS}{_TIME}"
    r"(?:(?P<event>[0-9A-Za-z_.@-]+(?::[0-9A-Za-z_.@-]+)*):(?:[ \t]+(?P<payload>.*))?|(?P<call>[^ \t].*))$"
)
PERF: Final = (
    rf"{_COMM}[ \t]+(?P<process>-?[0-9]{{1,9}})(?:/(?P<thread>-?[0-9]{{1,9}}))?[ \t]+"
    rf"(?:\[(?P<cpu>[0-9]{{1,9}})\][ \t]+)?{_FLAGS}{_TIME}(?:[0-9]{{1,18}}[ \t]+)?"
    r"(?P<event>[^ \t:][^ \t]*?):(?:[ \t]+(?P<payload>.*))?$"
)
SILENT: Final = (
    r"^\s*$|^#|^version = |^cpus=|^CPU \d+ is empty|^\s*=> |^\s+[0-9a-f]{4,16}(?:\s.*)?$|^\s+\w+\s.*\(\S*\)\s*$"
)
# The kernel's `trace_pipe`, and trace-cmd (trace-read.c), which also knows of losses that it cannot count.
LOST: Final = r"^\s*(?:\S+:\s+)?CPU:(\d+) \[(?:LOST (\d+) EVENTS|(?:(\d+) )?EVENTS DROPPED)\]"
UNCOUNTED: Final = "an unknown number of"
FUNCTION_GRAPH: Final = r"^\s*(?:\d+\.\d+\s+\|\s+)?\d+\)\s.*\|"
NO_COMMAND: Final = "<...>"
# trace-cmd puts the name of an instance's buffer before each line. No command is that long (TASK_COMM_LEN, 16).
OF_INSTANCE: Final = r"^\S+:\s+(\S.*)$"
COMMAND_CHARACTERS: Final = 15
SHOWN: Final = 80


def event_table(lines: pl.Series, first_line: int, columns: list[str]) -> pl.DataFrame:
    """Rows of EVENTS for these lines, with the columns asked for.

    Parameters
    ----------
    lines
        Whole lines.
    first_line
        Number of the first of them.
    columns
        Names of EVENTS; fields are only taken apart when they are among them.
    """
    text = pl.DataFrame({"text": lines}).with_row_index("line", offset=first_line)
    ftrace = text.with_columns(pl.col("text").str.extract_groups(FTRACE).alias("found")).unnest("found")
    is_ftrace = pl.col("seconds").is_not_null()
    tables = [_ftrace_rows(ftrace.filter(is_ftrace))]
    rest = ftrace.filter(~is_ftrace).select("line", "text")
    if rest.height:
        perf = rest.with_columns(pl.col("text").str.extract_groups(PERF).alias("found")).unnest("found")
        tables.append(_perf_rows(perf.filter(pl.col("seconds").is_not_null())))
        tables.append(_odd_rows(perf.filter(pl.col("seconds").is_null()).select("line", "text")))
    events = pl.concat(tables).sort("line")
    if "fields" in columns:
        events = events.with_columns(payload_fields(events.get_column("payload")))
    return events.select(pl.col(name).cast(polars_schema(EVENTS)[name]) for name in columns)


def _ftrace_rows(found: pl.DataFrame) -> pl.DataFrame:
    """Events of ftrace. The function tracers and the syscall events of old kernels print no `name:`."""
    call = pl.col("call")
    function = call.str.contains(" <-", literal=True)
    called = call.str.extract(r"^(\w+)(?:\(| -> )")
    event = pl.coalesce("event", pl.when(function).then(pl.lit("function")), called, call.str.strip_chars())
    payload = pl.coalesce(
        "payload",
        pl.when(function).then(call),
        pl.when(called.is_not_null()).then(call.str.replace(r"^\w+(?:\((.*)\)| -> (.*))$", "$1${2}")),
    )
    own = pl.col("comm").str.extract(OF_INSTANCE)
    comm = pl.when(pl.col("comm").str.len_bytes() > COMMAND_CHARACTERS).then(own).fill_null(pl.col("comm"))
    comm = pl.when(comm != NO_COMMAND).then(comm)
    return _rows(found, comm=comm, pid=pl.col("pid"), tid=pl.col("tid"), event=event, payload=payload)


def _perf_rows(found: pl.DataFrame) -> pl.DataFrame:
    """Events of perf; a lone id is the thread's."""
    lone = pl.col("thread").is_null()
    return _rows(
        found,
        comm=pl.col("comm"),
        pid=pl.when(~lone).then(pl.col("process")),
        tid=pl.coalesce("thread", "process"),
        event=pl.col("event"),
        payload=pl.col("payload"),
    )


def _rows(found: pl.DataFrame, **columns: pl.Expr) -> pl.DataFrame:
    """Times without a fraction count something else than seconds: they give no time."""
    fraction = pl.col("fraction").str.pad_end(NANOSECONDS_DIGITS, "0").cast(pl.Int64)
    return found.select(
        "line",
        ts_ns=pl.col("seconds").cast(pl.Int64) * SECOND_NS + fraction,
        cpu=pl.col("cpu").cast(pl.Int32),
        pid=columns["pid"].cast(pl.Int32),
        tid=columns["tid"].cast(pl.Int32),
        comm=columns["comm"],
        flags=pl.col("flags"),
        event=columns["event"],
        payload=columns["payload"].fill_null(""),
        error=pl.lit(None, pl.String),
    )


def _odd_rows(rest: pl.DataFrame) -> pl.DataFrame:
    """Lines of no usual shape, one by one: events that lack fields, lost events, damage."""
    unknown = rest.filter(~pl.col("text").str.contains(SILENT))
    lost = unknown.get_column("text").str.extract_groups(LOST).struct.unnest().rows()
    rows: list[tuple[object, ...]] = []
    for (line, text), (cpu, lost_events, dropped) in zip(unknown.rows(), lost, strict=True):
        header = None if cpu else read_header(text)
        if cpu:
            error = f"line {line}: the kernel lost {lost_events or dropped or UNCOUNTED} events here"
            rows.append((line, None, int(cpu[:9]), None, None, None, None, None, "", error))
        elif header is None or header.event is None:
            error = f"line {line}: not an event: {text.strip()[:SHOWN]!r}"
            rows.append((line, None, None, None, None, None, None, None, "", error))
        else:
            rows.append((line, *_header_row(header)))
    types = {name: dtype for name, dtype in polars_schema(EVENTS).items() if name != "fields"}
    return pl.DataFrame(rows, schema={"line": rest.schema["line"], **types}, orient="row")


def _header_row(header: Header) -> tuple[object, ...]:
    ids = (header.ts_ns, header.cpu, header.pid, header.tid, header.comm)
    return (*ids, None, header.event, header.payload, None)

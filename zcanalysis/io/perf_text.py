"""The text that `perf script` prints, taken apart: one sample is a header line and its call chain.

A chain is parsed once for each different text: most samples repeat chains that were seen before, so the work is a
dictionary look-up. Headers are parsed many at a time. Lines that are neither header, frame, comment nor blank become
rows with `error`.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import polars as pl

from zcanalysis.io.perf_frames import callchain, frame_text
from zcanalysis.io.perf_header import (
    FULL,
    LINE_CHARACTERS,
    NANOSECONDS_DIGITS,
    SECOND_NS,
    Header,
    is_frame,
    is_timed,
    read_header,
)
from zcanalysis.tables import SAMPLES, polars_schema

UNREADABLE_SHOWN: Final = 80
REMEMBERED_CHARACTERS: Final = 32 << 20
BLANKLESS_CHARACTERS: Final = 1 << 20
HEADER_CHARACTERS: Final = 4096
BATCH_ROWS: Final = 16_384


class _Rows:
    """What some text holds, before its headers are read."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.chains: list[str] = []
        self.lines: list[int] = []
        self.read: dict[int, Header] = {}

    def add(self, head: str, chain: str, line: int) -> None:
        self.heads.append(head)
        self.chains.append(chain)
        self.lines.append(line)


class PerfText:
    """Turns pieces of text into tables of samples, remembering every line and chain it has understood."""

    def __init__(self) -> None:
        self._frames: dict[str, str | None] = {}
        self._chains: dict[str, tuple[str | None, int]] = {}
        self._remembered = 0
        self._line = 1
        self._headless: bool | None = None

    def tables(self, chunks: Iterable[str]) -> Iterator[pl.DataFrame]:
        """Tables of the SAMPLES schema, in file order.

        Parameters
        ----------
        chunks
            The text in pieces of any size; a sample may straddle pieces.
        """
        rest = ""
        rows = _Rows()
        for chunk in chunks:
            text = rest + chunk
            cut = _last_end(text)
            rest = text[cut:]
            if cut:
                self._blocks(text[:cut], rows)
            if len(rows.heads) >= BATCH_ROWS:
                yield self._table(rows)
                rows = _Rows()
                self._headless = self._headless or False
        self._blocks(rest, rows)
        if rows.heads:
            yield self._table(rows)

    def _blocks(self, text: str, rows: _Rows) -> None:
        """Adds the samples of the text, which ends where a sample does."""
        chains, add, number = self._chains, rows.add, self._line
        for block in text.split("\n\n"):
            head, newline, frames = block.partition("\n")
            chain, newlines = chains[frames] if frames in chains else self._learn(frames)
            if chain is None or not head or head[0] in "#\t \r":
                self._lines(block, rows, number)
            else:
                add(head, chain, number)
            number += newlines + (3 if newline else 2)
        self._line = number - 2

    def _learn(self, text: str) -> tuple[str | None, int]:
        """The chain in our form, or None if some line of it is not a frame; and how many line breaks it has."""
        if self._remembered > REMEMBERED_CHARACTERS:
            self._remembered = 0
            self._chains.clear()
            self._frames.clear()
        known, frame = self._frames, self._frame
        frames = [known[line] if line in known else frame(line) for line in text.split("\n")]
        whole = [part for part in frames if part]
        chain = None if None in frames else callchain(whole)
        self._chains[text] = chain, len(frames) - 1
        self._remembered += len(text)
        return self._chains[text]

    def _frame(self, line: str) -> str | None:
        if line not in self._frames:
            self._remembered += len(line)
            no_frame = len(line) > LINE_CHARACTERS or is_timed(line)
            self._frames[line] = None if no_frame else frame_text(line)
        return self._frames[line]

    def _lines(self, block: str, rows: _Rows, first_line: int) -> None:
        """The slow way, line by line, for blocks that hold several samples, comments or damage."""
        frames: list[str] = []
        row: int | None = None
        for number, line in enumerate(block.split("\n"), first_line):
            indented = line[:1] in ("", "\t", " ")
            frame = self._frame(line) if indented else None
            if frame:
                row = self._without_header(rows, number) if row is None else row
                frames.append(frame)
            elif frame is None and (line[0] != "#" or is_timed(line)):
                rows.add(line, "", number)
                if not indented or is_timed(line):  # a damaged line inside a chain does not end it
                    _close(rows, row, frames)
                    row, frames = len(rows.heads) - 1, []
        _close(rows, row, frames)

    def _without_header(self, rows: _Rows, line: int) -> int:
        """The row a frame belongs to: text without any header is one chain after the other."""
        if self._headless is None:
            self._headless = not rows.heads
        if self._headless:
            rows.read[len(rows.heads)] = Header()
        rows.add("" if self._headless else "call chain without a header", "", line)
        return len(rows.heads) - 1

    def _table(self, rows: _Rows) -> pl.DataFrame:
        found = pl.Series("head", rows.heads, dtype=pl.String).str.extract_groups(FULL).struct.unnest()
        odd = found.get_column("event").is_null().arg_true().to_list()
        errors: dict[int, str] = {}
        headers = []
        for i in odd:
            header = rows.read.get(i) or read_header(rows.heads[i], has_chain=bool(rows.chains[i]))
            headers.append(header or Header())
            if header is None:
                shown = rows.heads[i].strip()[:UNREADABLE_SHOWN]
                errors[i] = f"line {rows.lines[i]}: not a perf sample: {shown!r}"
                rows.chains[i] = ""
            elif not rows.chains[i] and header.payload:
                rows.chains[i] = self._inline(header.payload)
        error = pl.Series(values=[errors.get(i) for i in range(len(rows.heads))], dtype=pl.String)
        table = _columns(found, rows.chains, error)
        return _with_odd(table, odd, headers) if odd else table

    def _inline(self, payload: str) -> str:
        """The one frame of a sample without chain: perf prints it behind the event."""
        frame = self._frame(f" {payload}") if is_frame(payload) else None
        return callchain([frame]) if frame else ""


def _last_end(text: str) -> int:
    """Behind the line break where the last sample that is certainly whole ends."""
    cut = text.rfind("\n\n")
    if cut >= 0 and len(text) - cut <= BLANKLESS_CHARACTERS:
        return cut + 2
    end = len(text)
    while (end := text.rfind("\n", 0, end)) >= 0:
        if is_timed(text[end + 1 : end + 1 + HEADER_CHARACTERS].partition("\n")[0]):
            return end + 1
        if len(text) - end > BLANKLESS_CHARACTERS:
            return text.rfind("\n") + 1
    return 0


def _close(rows: _Rows, row: int | None, frames: list[str]) -> None:
    if row is not None and frames:
        rows.chains[row] = callchain(frames)


def _columns(found: pl.DataFrame, chains: list[str], error: pl.Series) -> pl.DataFrame:
    """Columns of SAMPLES from the fields of full headers; a lone id is the thread's."""
    lone = pl.col("tid").is_null()
    nanoseconds = pl.col("fraction").str.pad_end(NANOSECONDS_DIGITS, "0").cast(pl.Int64)
    types = polars_schema(SAMPLES)
    return found.select(
        ts_ns=pl.col("seconds").cast(pl.Int64) * SECOND_NS + nanoseconds,
        cpu=pl.col("cpu").cast(types["cpu"]),
        pid=pl.when(~lone).then(pl.col("pid").cast(types["pid"])),
        tid=pl.when(lone).then(pl.col("pid")).otherwise(pl.col("tid")).cast(types["tid"]),
        comm=pl.col("comm"),
        event=pl.col("event"),
        period=pl.col("period").cast(types["period"]),
    ).with_columns(callchain=pl.Series(values=chains, dtype=pl.String), error=error)


def _with_odd(table: pl.DataFrame, places: list[int], headers: list[Header]) -> pl.DataFrame:
    """The table with the headers that were read one by one put in their places."""
    types = polars_schema(SAMPLES)
    columns = []
    for name in ("ts_ns", "cpu", "pid", "tid", "comm", "event", "period"):
        values = pl.Series(values=[getattr(header, name) for header in headers], dtype=types[name])
        columns.append(table.get_column(name).scatter(places, values))
    return table.with_columns(columns)

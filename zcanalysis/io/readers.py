"""Files that no reader of ours knows, read by what other distributions bring.

A reader is asked last: what begins like a capture, or is a perf trace, is read by us. Of two readers that both take a
file the first by name has it. Its tables are checked as they come.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from zcanalysis.errors import ExtensionError, TableError, ZcError
from zcanalysis.extensions import Extension, loaded, usable, warn, working
from zcanalysis.io.compressed import open_bytes
from zcanalysis.io.perf import is_perf
from zcanalysis.io.scanning import lazy_scan
from zcanalysis.io.trace_text import opening
from zcanalysis.tables import PACKETS, SAMPLES, Schema, conform

ALWAYS: Final = {"packets": ("ts_ns", "captured_bytes", "wire_bytes"), "samples": ("ts_ns", "callchain")}
"""What a row that has no `error` must hold."""
CALLCHAIN: Final = r"\A(?:[^\t\n]*\t[^\t\n]*\t[ku](?:\n[^\t\n]*\t[^\t\n]*\t[ku])*)?\z"

END: Final = object()

Tables = Callable[[Path], Iterable[pl.DataFrame]]


class Reader(NamedTuple):
    """How to read one kind of file; `zcanalysis.io.compressed.open_bytes` opens it, packed or not."""

    reads: Callable[[Path, bytes], bool]
    """Whether it reads the file, by its name and its first 512 bytes, unpacked."""
    packets: Tables | None = None
    """The file's PACKETS, in file order, in one table or many; `identified` and `filled` make most columns."""
    samples: Tables | None = None
    """The file's SAMPLES; times are nanoseconds since the epoch where the file also holds packets."""


class FileReader(NamedTuple):
    """A reader that takes some file."""

    extension: Extension
    reader: Reader
    file: Path

    @property
    def origin(self) -> str:
        """What read it, and who brings that."""
        return f"{self.extension.name} ({self.extension.origin})"

    @property
    def packets(self) -> pl.LazyFrame | None:
        """PACKETS of the file; None where it gives none."""
        return self._scan("packets", self.reader.packets, PACKETS)

    @property
    def samples(self) -> pl.LazyFrame | None:
        """SAMPLES of the file; None where it gives none."""
        return self._scan("samples", self.reader.samples, SAMPLES)

    def _scan(self, kind: str, tables: Tables | None, schema: Schema) -> pl.LazyFrame | None:
        if tables is None:
            return None

        def batches(columns: list[str]) -> Generator[pl.DataFrame, None, None]:
            for table in self._tables(tables):
                yield self._checked(kind, table, schema).select(columns)

        return lazy_scan(batches, schema, self.extension.name)

    def _tables(self, tables: Tables) -> Iterator[object]:
        """What the extension yields; its code runs between one table and the next."""
        with working(self.extension):
            coming: Iterator[object] = iter(tables(self.file))
        while True:
            with working(self.extension):
                table = next(coming, END)
            if table is END:
                return
            yield table

    def _checked(self, kind: str, table: object, schema: Schema) -> pl.DataFrame:
        place = f"{self.extension}: {self.file}: {kind}"
        if not isinstance(table, pl.DataFrame):
            raise ExtensionError(f"{place}: must be polars data frames, got a {type(table).__name__}")
        try:
            known = conform(table, schema)
        except TableError as error:
            raise ExtensionError(f"{place}: {error}") from error
        whole = known.filter(pl.col("error").is_null())
        for name in ALWAYS[kind]:
            if whole.get_column(name).null_count():
                raise ExtensionError(f"{place}: {name} is null in a row that has no error")
        if kind == "samples" and not whole.get_column("callchain").unique().str.contains(CALLCHAIN).all():
            raise ExtensionError(f"{place}: callchain must be {SAMPLES['callchain'].meaning}")
        return known


@cache
def readers() -> tuple[tuple[Extension, Reader], ...]:
    """All that can be used, by name."""
    return tuple(usable("readers", read_reader))


def read_reader(extension: Extension) -> Reader:
    """The reader of an extension.

    Parameters
    ----------
    extension
        Which one.

    Raises
    ------
    ExtensionError
        If it cannot be used.
    """
    found = loaded(extension, Reader)
    if not callable(found.reads) or not all(part is None or callable(part) for part in found[1:]):
        raise ExtensionError(f"{extension}: reads must be a function, packets and samples functions or None")
    if found.packets is None and found.samples is None:
        raise ExtensionError(f"{extension}: gives neither packets nor samples")
    return found


def reader_of(file: Path) -> FileReader | None:
    """The extension that reads a file which is no capture; None where we do, or nobody does.

    Parameters
    ----------
    file
        Any regular file that does not begin like a capture.

    Raises
    ------
    TraceError
        If it cannot be read at all.
    """
    if not readers() or is_perf(file):
        return None
    with open_bytes(file) as stream:
        start = opening(stream)
    for extension, reader in readers():
        if _takes(extension, reader, file, start):
            return FileReader(extension, reader, file)
    return None


def _takes(extension: Extension, reader: Reader, file: Path, start: bytes) -> bool:
    try:
        with working(extension):
            return bool(reader.reads(file, start))
    except ZcError as error:
        warn(f"{error}; it is not used for {file}")
        return False

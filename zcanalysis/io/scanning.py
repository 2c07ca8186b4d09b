"""Lazy scans: how a reader that makes tables batch by batch becomes a polars `LazyFrame`.

Enters: a function that yields tables in file order. Leaves: a lazy table that asks the function only for the columns
a query needs, stops it when the query has seen enough, and never outlives the interpreter.
"""

import atexit
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Final

import polars as pl
from polars.io.plugins import register_io_source

from zcanalysis.tables import Schema, polars_schema

SHUTDOWN_S: Final = 2.0

Batches = Callable[[list[str]], Generator[pl.DataFrame, None, None]]

_stop = threading.Event()
_busy: set[int] = set()


def lazy_scan(batches: Batches, schema: Schema, name: str) -> pl.LazyFrame:
    """A lazy table over the batches of a reader.

    Parameters
    ----------
    batches
        Called once a query with the columns that it needs; yields tables that have at least those, in file order.
        It is closed when the query ends early.
    schema
        The columns the scan promises.
    name
        What ``explain`` calls the source.
    """
    types = polars_schema(schema)

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        del batch_size  # batches have the size that is fastest to make
        return _wanted(batches, with_columns or list(types), predicate, n_rows)

    return register_io_source(source, schema=types, is_pure=True, explain_name=name)


def _wanted(
    batches: Batches, columns: list[str], predicate: pl.Expr | None, n_rows: int | None
) -> Iterator[pl.DataFrame]:
    """The rows asked for. polars counts `n_rows` in the source: the limit comes before the predicate."""
    needed = predicate.meta.root_names() if predicate is not None else []
    asked = list(dict.fromkeys([*columns, *needed]))
    left_rows = n_rows
    with _working() as working, closing(batches(asked)) as tables:
        for whole in tables:
            table = whole if left_rows is None else whole.head(left_rows)
            left_rows = None if left_rows is None else left_rows - table.height
            if predicate is not None:
                table = table.filter(predicate)
            working.pause()
            yield table if table.columns == columns else table.select(columns)
            if left_rows == 0 or not working.resume():
                return


class _Work:
    """One scan's part in an orderly end of the process.

    A query that stops early (``head``) leaves its reader thread behind, and a reader that is inside Python code when
    the interpreter goes away aborts the process. So readers say when they compute, and the exit waits for them.
    """

    def pause(self) -> None:
        """The scan hands over a table: it is not computing."""
        _busy.discard(id(self))

    def resume(self) -> bool:
        """The scan is asked for more; False when the process is ending."""
        _busy.add(id(self))
        return not _stop.is_set()


@contextmanager
def _working() -> Iterator[_Work]:
    work = _Work()
    work.resume()
    try:
        yield work
    finally:
        work.pause()


@atexit.register
def _let_readers_end() -> None:
    _stop.set()
    deadline = time.monotonic() + SHUTDOWN_S
    while _busy and time.monotonic() < deadline:
        time.sleep(0.001)

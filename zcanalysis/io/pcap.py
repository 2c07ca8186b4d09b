"""A capture as a lazy table: pcap or pcapng, plain, .gz or .zst, one row per record.

Enters: a path. Leaves: a polars `LazyFrame` with the columns of `PACKETS`. Only the columns that a query asks for
are decoded, the file is read in blocks, and a query that has seen enough stops the reading.
"""

import atexit
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl
from polars.io.plugins import register_io_source

from zcanalysis.io.compressed import open_bytes
from zcanalysis.tables import PACKETS, polars_schema

SHUTDOWN_S: Final = 2.0

_stop = threading.Event()
_busy: set[int] = set()


def scan_pcap(path: str | Path) -> pl.LazyFrame:
    """The packets of a capture as a lazy table.

    Parameters
    ----------
    path
        pcap (both byte orders, micro- and nanoseconds) or pcapng, plain, gzip or zstandard: told by content.

    Returns
    -------
    polars.LazyFrame
        The columns of `zcanalysis.tables.PACKETS`, one row per record in file order. A record that cannot be
        decoded is a row with `error` set. A file that is cut off or damaged ends with one row that has nothing
        but `error`: what was wrong and at which byte of the unpacked file. A header that the snap length hides
        is null without an error.

    Raises
    ------
    TraceError
        If the file is missing, empty or not a capture.

    Notes
    -----
    ``checksum_ok`` costs a pass over all payload, so only when it is asked for; it is null where bytes are hidden,
    for fragments and for UDP without checksum; packets that the sending host's tap sees before its network card
    fills the checksum in are false. For memory that does not grow with the file collect with ``engine="streaming"``.

    Examples
    --------
    >>> scan_pcap("capture.pcap").filter(pl.col("payload_bytes") > 0).collect()  # doctest: +SKIP
    """
    from zcanalysis.io.pcap_blocks import OPENING_BYTES, identify

    capture = Path(path)
    with open_bytes(capture) as stream:
        identify(capture, _read_up_to(stream, OPENING_BYTES))
    types = polars_schema(PACKETS)

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        del batch_size  # batches have the size that is fastest to decode
        return _tables(capture, with_columns or list(types), predicate, n_rows)

    return register_io_source(source, schema=types, is_pure=True, explain_name="PCAP")


def _read_up_to(stream: BinaryIO, count: int) -> bytes:
    opening = b""
    while len(opening) < count and (more := stream.read(count - len(opening))):
        opening += more
    return opening


def _tables(path: Path, columns: list[str], predicate: pl.Expr | None, n_rows: int | None) -> Iterator[pl.DataFrame]:
    """Decoded batches, filtered, until the file or the wish for rows ends, or the process does."""
    from zcanalysis.io.packet_ahead import decoded_batches
    from zcanalysis.io.packet_table import needs_headers, packet_table, wants

    needed = predicate.meta.root_names() if predicate is not None else []
    asked = list(dict.fromkeys([*columns, *needed]))
    left_rows = n_rows
    with _working() as working, open_bytes(path) as stream:
        for decoded in decoded_batches(path, stream, wants(asked), headers=needs_headers(asked)):
            table = packet_table(decoded, asked)
            if left_rows is not None:
                table = table.head(left_rows)
                left_rows -= table.height
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

"""A capture that is still being written, as tables of whole packets while they arrive.

Enters: a path. Leaves: tables with columns of `PACKETS`, and None whenever all that is there has been read. A record
whose end is not written yet is waited for. Memory is bounded by one block, however long it goes on.
"""

import os
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl

from zcanalysis.errors import TraceError
from zcanalysis.io import pcap_walk as walk
from zcanalysis.io.compressed import GZIP_MAGIC, ZSTD_MAGIC
from zcanalysis.io.packet_ahead import IN_USE, decoded_in_turn
from zcanalysis.io.packet_table import needs_headers, packet_table, wants
from zcanalysis.io.pcap_blocks import (
    BATCH_ROWS,
    ENDS_INSIDE,
    OPENING_BYTES,
    PCAP_HEADER_BYTES,
    PCAPNG_MAGIC,
    Batch,
    Container,
    Pcap,
    Pcapng,
    Window,
    identify,
)

POLL_S: Final = 0.1


def growing_pcap(
    path: str | Path, columns: list[str], *, idle_s: float | None = None, poll_s: float = POLL_S
) -> Iterator[pl.DataFrame | None]:
    """The packets of a capture that is being written, as they arrive.

    Parameters
    ----------
    path
        pcap or pcapng, not compressed; it may still be empty.
    columns
        Of `zcanalysis.tables.PACKETS`.
    idle_s
        End when nothing was added for so many seconds; None: go on until the caller stops.
    poll_s
        How often to look for more, in seconds.

    Yields
    ------
    polars.DataFrame or None
        Packets in file order; None each time everything written so far has been read.

    Raises
    ------
    TraceError
        If the file is missing, no capture, compressed, damaged, or was cut while it was read.
    """
    capture = Path(path)
    try:
        if not capture.is_file():
            raise TraceError(
                f"{capture}: only a capture file can be followed" + " (no such file)" * (not capture.exists())
            )
        stream = capture.open("rb", buffering=0)
    except OSError as error:
        raise TraceError(f"{capture}: {error.strerror or error}") from error
    with stream:
        window = Window(_Unbuffered(stream))  # type: ignore[arg-type]
        batches = _batches(capture, window, _Patience(capture, stream, idle_s, poll_s))
        for decoded in decoded_in_turn(batches, wants(columns), headers=needs_headers(columns)):
            if decoded.failure is not None:
                raise TraceError(f"{capture}: {decoded.failure}")
            yield packet_table(decoded, columns) if decoded.height else None


class _Unbuffered:
    """What `Window` reads: at the end of the file it gets nothing, and more when it asks again later."""

    def __init__(self, stream: BinaryIO) -> None:
        self.readinto1: Callable[[memoryview], int | None] = stream.readinto  # type: ignore[attr-defined]


class _Patience:
    """Waiting for the file to grow."""

    def __init__(self, path: Path, stream: BinaryIO, idle_s: float | None, poll_s: float) -> None:
        self._path, self._stream, self._idle_s, self._poll_s = path, stream, idle_s, poll_s

    def is_rewarded(self) -> bool:
        """Wait until there is more than has been read; False if that took too long."""
        began_s, read_bytes = time.monotonic(), self._stream.tell()
        while (size_bytes := os.fstat(self._stream.fileno()).st_size) <= read_bytes:
            if size_bytes < read_bytes:
                raise TraceError(f"{self._path}: was cut to {size_bytes} bytes while it was read at {read_bytes}")
            if self._idle_s is not None and time.monotonic() - began_s >= self._idle_s:
                return False
            time.sleep(self._poll_s)
        return True


def _batches(path: Path, window: Window, patience: _Patience) -> Iterator[Batch]:
    """Whole records; a batch without rows when all has been read, one with a failure where nothing can be read."""
    rooms = cycle([walk.new_records(BATCH_ROWS) for _ in range(IN_USE)])
    records = next(rooms)
    nothing = Batch(window.block, records, 0, None)
    while not _is_opened(path, window):
        yield nothing
        if not patience.is_rewarded():
            return
    container: Container = Pcapng()
    if window.peek(4) != PCAPNG_MAGIC:
        container = Pcap(window.peek(PCAP_HEADER_BYTES))
        window.start += PCAP_HEADER_BYTES
    skip_bytes = 0
    while True:
        found, why, detail = 0, walk.NEED, 1
        if not skip_bytes:
            found, window.start, why, detail = container.walk(window, window.end, records)
        if found:
            yield Batch(window.lend(), records, found, None)
            records = next(rooms)
        if why == walk.SKIP:
            skip_bytes, why, detail = detail, walk.NEED, 1
        problem = _on(container, window, why, detail)
        if problem and not problem.startswith(ENDS_INSIDE):
            yield Batch(window.block, records, 0, f"{problem}, at byte {window.offset_bytes}")
            return
        passed = min(skip_bytes, window.left_bytes)
        window.start, skip_bytes = window.start + passed, skip_bytes - passed
        if problem:
            yield nothing
            if not patience.is_rewarded():
                return


def _is_opened(path: Path, window: Window) -> bool:
    """Whether the header is there.

    Raises
    ------
    TraceError
        If it is that of no capture.
    """
    whole = window.need(OPENING_BYTES)
    opening = window.peek(min(window.left_bytes, OPENING_BYTES))
    if opening[:2] == GZIP_MAGIC or opening[:4] == ZSTD_MAGIC:
        raise TraceError(f"{path}: is compressed; only a plain pcap or pcapng file can be followed")
    if whole or (len(opening) >= PCAP_HEADER_BYTES and opening[:4] != PCAPNG_MAGIC):
        identify(path, opening)
        return True
    return False


def _on(container: Container, window: Window, why: int, detail: int) -> str | None:
    """Do what the walk stopped for; a sentence if that is impossible, beginning with `ENDS_INSIDE` if only for now."""
    if why == walk.BAD:
        return f"record or block claims an impossible length of {detail} bytes"
    if why == walk.HEADER:
        return container.header(window)
    if why == walk.FULL or window.need(detail):
        return None
    return ENDS_INSIDE

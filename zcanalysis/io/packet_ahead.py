"""Decoded packets of a capture, batch by batch; the next one is made while the last is looked at."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.io.packet_decode import decode
from zcanalysis.io.packet_layout import Rows, new_address_book, new_rows
from zcanalysis.io.pcap_blocks import BATCH_ROWS, Batch, read_batches
from zcanalysis.io.pcap_walk import Records

T = TypeVar("T")
ADDRESSES: Final = 1 << 18
IN_USE: Final = 3  # batches at once: one is looked at, one is decoded, one is read


class Decoded(NamedTuple):
    """Numbers of one batch of packets; valid until the batch after the next is asked for."""

    records: Records
    rows: Rows
    height: int
    damaged: int  # rows with a fault
    addresses: pl.Series  # UInt128, by the numbers in `rows`
    failure: str | None  # why the file is not read to its end; such a batch has no rows


def decoded_batches(path: Path, stream: BinaryIO, want: int, *, headers: bool) -> Iterator[Decoded]:
    """All packets of a capture, in file order.

    Parameters
    ----------
    path
        For messages.
    stream
        The unpacked file, at its first byte.
    want
        WANT bits of `packet_layout`.
    headers
        Whether packets are to be looked at; if not, only `records` means something.

    Raises
    ------
    TraceError
        If the stream is not a capture.
    """
    return decoded_ahead(read_batches(path, stream, IN_USE), want, headers=headers)


def decoded_ahead(batches: Iterator[Batch], want: int, *, headers: bool) -> Iterator[Decoded]:
    """The same of any batches whose records stay valid for `IN_USE` of them."""
    return _one_ahead(map(_Decoder(want, headers=headers).decoded, _one_ahead(batches)))


def decoded_in_turn(batches: Iterator[Batch], want: int, *, headers: bool) -> Iterator[Decoded]:
    """The same of batches that come when they come: each is decoded before the next is asked for."""
    return map(_Decoder(want, headers=headers).decoded, batches)


def _one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made in a second thread while the one before is in use; in this one if there is one CPU."""
    if len(os.sched_getaffinity(0)) == 1:
        yield from items
        return
    with ThreadPoolExecutor(1, "packets") as maker:
        coming = _started(maker, items)
        while (item := coming()) is not None:
            coming = _started(maker, items)
            yield item


def _started(maker: ThreadPoolExecutor, items: Iterator[T]) -> Callable[[], T | None]:
    """The next item, when it is asked for; None at the end."""
    try:
        return maker.submit(next, items, None).result
    except RuntimeError:  # the interpreter is ending and starts nothing new
        return partial(next, items, None)


class _Decoder:
    """Work space for the batches in use and the addresses met so far."""

    def __init__(self, want: int, *, headers: bool) -> None:
        self._want = want
        self._headers = headers
        self._rows = cycle([new_rows(BATCH_ROWS) for _ in range(IN_USE)])
        self._book = new_address_book(ADDRESSES)
        self._addresses = pl.Series([], dtype=pl.UInt128())

    def decoded(self, batch: Batch) -> Decoded:
        """What the headers of the batch's packets say."""
        rows, damaged = next(self._rows), 0
        if self._headers and batch.rows:
            self._make_room(2 * batch.rows)
            damaged = decode(batch.block, batch.records, batch.rows, self._want, rows, self._book)
            self._learn()
        return Decoded(batch.records, rows, batch.rows, damaged, self._addresses, batch.failure)

    def _make_room(self, addresses: int) -> None:
        if int(self._book.known[0]) + addresses > ADDRESSES:
            self._book.slot.fill(-1)
            self._book.known[0] = 0
            self._addresses = self._addresses.clear()

    def _learn(self) -> None:
        known, met = self._addresses.len(), int(self._book.known[0])
        if met > known:
            new = _wide(self._book.high[known:met], self._book.low[known:met])
            self._addresses = pl.concat([self._addresses, new.alias("")], rechunk=True)


def _wide(high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64]) -> pl.Series:
    """128-bit numbers from their halves."""
    halves = pl.DataFrame({"high": high, "low": low}).select(pl.all().cast(pl.UInt128()))
    shift = pl.lit(1 << 64, dtype=pl.UInt128())
    return halves.select(pl.col("high") * shift + pl.col("low")).to_series()

"""Packets as plain arrays by column name, as compiled passes want them; here of a table.

Those of a capture file come from `zcanalysis.io.packet_arrays` without a table between: the same numbers in arrays of
the same types, contiguous and never written to, or numba compiles every pass twice.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

UNTIMED: Final = -(1 << 63)

Column = npt.NDArray[Any]


class PacketArrays(Protocol):
    """One batch of packets; its arrays are valid until the next batch is asked for."""

    @property
    def height(self) -> int:
        """How many."""

    def numbers(self, name: str) -> Column:
        """A column of PACKETS, shape (height,): nulls as zero (`ts_ns`: UNTIMED), truth values as bytes."""

    def held(self, name: str) -> npt.NDArray[np.uint8]:
        """Shape (height,): one where the column has a value, else zero."""

    def sack_edges(self) -> tuple[Column, Column, Column]:
        """Row, left and right edge of each SACK block, by packet and then as they stand in the option."""

    def table(self, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> pl.DataFrame:
        """Columns of some packets."""


class TableArrays:
    """A slice of PACKETS; see `PacketArrays`."""

    def __init__(self, table: pl.DataFrame) -> None:
        self._table = table

    @property
    def height(self) -> int:
        """How many."""
        return self._table.height

    def numbers(self, name: str) -> Column:
        """A column, nulls as zero (`ts_ns`: UNTIMED)."""
        series = self._table.get_column(name)
        if series.dtype == pl.Boolean():
            series = series.cast(pl.UInt8())
        null = UNTIMED if name == "ts_ns" else 0
        if series.null_count() == len(series):
            return unwritten(np.full(len(series), null, series.clear().to_numpy().dtype))
        return as_array(without_nulls(series, null))

    def held(self, name: str) -> npt.NDArray[np.uint8]:
        """One where the column has a value, else zero."""
        series = self._table.get_column(name)
        if series.null_count() in (0, len(series)):
            return unwritten(np.full(len(series), series.null_count() == 0, np.uint8))
        return as_array(series.is_not_null().cast(pl.UInt8))

    def sack_edges(self) -> tuple[Column, Column, Column]:
        """Row, left and right edge of each SACK block."""
        column = self._table.get_column("sack_blocks")
        if column.null_count() == len(column):
            return np.zeros(0, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.uint32)
        blocks = column.drop_nulls()
        edges = blocks.explode(empty_as_null=False).struct.unnest()
        left, right = (without_nulls(edges.get_column(edge)).to_numpy() for edge in ("left", "right"))
        return np.repeat(np.flatnonzero(column.is_not_null().to_numpy()), blocks.list.len().to_numpy()), left, right

    def table(self, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> pl.DataFrame:
        """Columns of some packets."""
        return self._table.select(columns)[rows]


def without_nulls(series: pl.Series, null: int = 0) -> pl.Series:
    """The numbers with `null` where there is none; asked first, for polars takes 60 us to find nothing to fill."""
    return series.fill_null(null) if series.null_count() else series


def as_array(series: pl.Series) -> Column:
    """One type of array whatever polars shares: contiguous and never written to, or numba compiles twice."""
    return unwritten(np.ascontiguousarray(series.to_numpy()))


def unwritten(array: Column) -> Column:
    """The same array, which nobody may write to."""
    array.flags.writeable = False
    return array

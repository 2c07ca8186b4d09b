"""Packets of a capture file as plain arrays by column name, with no table between: views of what the decoder wrote.

Enters: a path. Leaves: what `zcanalysis.wire.table_arrays` makes of tables, in arrays of the same types.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.io import packet_layout as packet
from zcanalysis.io.capture_damage import Damage
from zcanalysis.io.compressed import open_bytes
from zcanalysis.io.packet_ahead import Decoded, decoded_batches
from zcanalysis.io.packet_table import NUMBERS, RECORD_COLUMNS, needs_headers, packet_table, wants
from zcanalysis.io.pcap import check_capture
from zcanalysis.io.pcap_walk import Records

Column = npt.NDArray[Any]


def captured_arrays(path: Path, columns: Sequence[str], damage: Damage | None = None) -> Iterator["CapturedArrays"]:
    """All packets of a capture, in file order; those behind damage that ends the reading are left out.

    Parameters
    ----------
    path
        pcap or pcapng, plain, gzip or zstandard.
    columns
        Of PACKETS: those that will be asked for.
    damage
        Counts the records that could not be read.

    Yields
    ------
    CapturedArrays
        Its arrays are valid until the batch after the next is asked for.

    Raises
    ------
    TraceError
        If the file is missing, empty or not a capture.
    """
    check_capture(path)
    with open_bytes(path) as stream:
        for decoded in decoded_batches(path, stream, wants(columns), headers=needs_headers(columns)):
            if damage is not None:
                damage.decoded(decoded)
            if decoded.height:
                yield CapturedArrays(decoded)


class CapturedArrays:
    """One batch of decoded packets."""

    def __init__(self, decoded: Decoded) -> None:
        self._decoded = decoded
        self._rows = decoded.rows

    @property
    def height(self) -> int:
        """How many."""
        return self._decoded.height

    def numbers(self, name: str) -> Column:
        """A column, shape (height,), nulls as zero (`ts_ns`: UNTIMED), truth values as bytes."""
        if name == "ts_ns" or name in RECORD_COLUMNS:
            column: Column = getattr(self._decoded.records, name)[: self.height]
        else:
            block, row, bit = NUMBERS[name]
            column = self._masked(getattr(self._rows, block)[row, : self.height], bit)
        column.setflags(write=False)
        return column

    def held(self, name: str) -> npt.NDArray[np.uint8]:
        """Shape (height,): one where the column has a value, else zero."""
        ones = self._masked(np.ones(self.height, np.uint8), NUMBERS[name][2])
        ones.setflags(write=False)
        return ones

    def sack_edges(self) -> tuple[Column, Column, Column]:
        """Row, left and right edge of each SACK block, by packet and then as they stand in the option."""
        rows, left, right = self._rows.sack[:, : int(self._rows.totals[0])]
        return rows, left, right

    def table(self, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> pl.DataFrame:
        """Columns of some packets, all but `sack_blocks`."""
        blocks = {name: getattr(self._rows, name)[:, rows] for name in ("u8", "u16", "u32", "u64", "i64")}
        records = Records._make(column[rows] for column in self._decoded.records)
        some = self._decoded._replace(records=records, rows=self._rows._replace(**blocks), height=rows.size)
        return packet_table(some, columns)

    def _masked(self, column: Column, bit: int) -> Column:
        """The column, zero where the row lacks what `bit` stands for."""
        if self._rows.totals[1] & bit:
            return column
        if not self._rows.totals[2] & bit:
            return np.zeros_like(column)
        return np.where(self._rows.u16[packet.HAS, : self.height] & np.uint16(bit), column, 0)

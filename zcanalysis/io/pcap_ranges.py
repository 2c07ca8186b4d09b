"""A capture in ranges of bytes that can be decoded apart, and in any order, and are one table again: exactly.

A range begins where a record seems to begin (`record_boundaries`), and goes on to the first record that begins behind
its stop. `meeting` keeps a range only if it began where the one before ended, and with the same interfaces declared;
else it is decoded again from there. So whatever was guessed, every record is decoded once, as one reading would.
"""

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from zcanalysis.io.compressed import GZIP_MAGIC, ZSTD_MAGIC
from zcanalysis.io.packet_ahead import IN_USE, decoded_ahead
from zcanalysis.io.packet_table import needs_headers, packet_table, wants
from zcanalysis.io.pcap_blocks import BEGIN, Place, Reading
from zcanalysis.io.record_boundaries import guessed_place
from zcanalysis.io.scanning import lazy_scan
from zcanalysis.tables import PACKETS

COLUMNS: Final = tuple(name for name in PACKETS if name != "checksum_ok")  # that one costs a pass over all payload


class CaptureRange(NamedTuple):
    """Packets of one range, in a parquet file."""

    begin: Place | None
    """None: no record was found to begin in it, and nothing was decoded."""
    end: Place | None
    """Where the next range must begin; None where damage ended the reading, and nothing comes behind."""
    stop_bytes: int
    """Where the next range was looked for."""
    file: Path


def can_be_split(path: Path) -> bool:
    """Whether the file can be read from its middle: a compressed one cannot."""
    with path.open("rb") as file:
        magic = file.read(4)
    return not magic.startswith(GZIP_MAGIC) and magic != ZSTD_MAGIC


def range_packets(
    path: Path, begin: Place, stop_bytes: int, columns: list[str]
) -> Generator[pl.DataFrame, None, Place | None]:
    """PACKETS of the records from a place to the first that begins at or behind `stop_bytes`.

    Parameters
    ----------
    path
        A capture that is not compressed.
    begin
        Where a record begins.
    stop_bytes
        Where the next range is looked for.
    columns
        Of PACKETS.

    Returns
    -------
    Place or None
        Where the next record begins; None where damage ended the reading.

    Raises
    ------
    TraceError
        If the file is no capture.
    """
    with path.open("rb") as stream:
        reading = Reading(path, stream, begin)
        batches = reading.batches(IN_USE, stop_bytes)
        for decoded in decoded_ahead(batches, wants(columns), headers=needs_headers(columns)):
            yield packet_table(decoded, columns)
        return reading.place


def write_range(path: Path, begin: int | Place, stop_bytes: int, file: Path) -> CaptureRange:
    """Decode a range into a parquet file of PACKETS without ``checksum_ok``.

    Parameters
    ----------
    path
        A capture that is not compressed.
    begin
        Where a record begins, or the byte from which on to look for one.
    stop_bytes
        Where the next range is looked for.
    file
        What to write.

    Raises
    ------
    TraceError
        If the file is no capture.
    """
    place = guessed_place(path, begin) if isinstance(begin, int) else begin
    if place is None:
        return CaptureRange(None, None, stop_bytes, file)
    ends: list[Place | None] = []

    def tables(columns: list[str]) -> Generator[pl.DataFrame, None, None]:
        ends.append((yield from range_packets(path, place, stop_bytes, columns)))

    lazy_scan(tables, PACKETS, "PCAP").select(COLUMNS).sink_parquet(file, compression="lz4")
    return CaptureRange(place, ends[0], stop_bytes, file)


def meeting(ranges: Sequence[CaptureRange], again: Callable[[CaptureRange, Place], CaptureRange]) -> list[CaptureRange]:
    """The ranges of a capture such that each begins where the one before ended.

    Parameters
    ----------
    ranges
        Of the whole file, in its order.
    again
        Decodes a range, but from this place on.
    """
    met: list[CaptureRange] = []
    at: Place | None = BEGIN
    for found in ranges:
        if at is None:
            break
        met.append(found if found.begin == at else again(found, at))
        at = met[-1].end
    return met

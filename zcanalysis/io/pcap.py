"""A capture as a lazy table: pcap or pcapng, plain, .gz or .zst, one row per record.

Enters: a path. Leaves: a polars `LazyFrame` with the columns of `PACKETS`. Only the columns that a query asks for
are decoded, the file is read in blocks, and a query that has seen enough stops the reading.
"""

from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

import polars as pl

from zcanalysis.io.compressed import open_bytes
from zcanalysis.io.scanning import lazy_scan
from zcanalysis.tables import PACKETS


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
    capture = Path(path)
    check_capture(capture)
    return lazy_scan(lambda columns: _tables(capture, columns), PACKETS, "PCAP")


def check_capture(path: Path) -> None:
    """Look at a file's first bytes.

    Raises
    ------
    TraceError
        If the file is missing, empty or not a capture.
    """
    from zcanalysis.io.pcap_blocks import OPENING_BYTES, identify

    with open_bytes(path) as stream:
        identify(path, _read_up_to(stream, OPENING_BYTES))


def _read_up_to(stream: BinaryIO, count: int) -> bytes:
    opening = b""
    while len(opening) < count and (more := stream.read(count - len(opening))):
        opening += more
    return opening


def _tables(path: Path, columns: list[str]) -> Generator[pl.DataFrame, None, None]:
    """Decoded batches with these columns until the file ends."""
    from zcanalysis.io.packet_ahead import decoded_batches
    from zcanalysis.io.packet_table import needs_headers, packet_table, wants

    with open_bytes(path) as stream:
        for decoded in decoded_batches(path, stream, wants(columns), headers=needs_headers(columns)):
            yield packet_table(decoded, columns)

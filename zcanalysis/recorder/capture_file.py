"""The capture while it is being written: how far it has come, and where to cut it."""

import struct
from pathlib import Path
from typing import Final, NamedTuple

from zcanalysis.rates import NS_PER_S

NANOSECOND_MAGIC: Final = {b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">"}
FILE_HEADER_BYTES: Final = 24
RECORD_HEADER_BYTES: Final = 16


class CaptureProgress(NamedTuple):
    """Where a growing pcap file has been read to."""

    offset: int
    packets: int
    last_ns: int


NOTHING_YET: Final = CaptureProgress(0, 0, 0)


def advance(path: Path, progress: CaptureProgress, until_ns: int) -> CaptureProgress:
    """Walk the records that have been added since, up to the first that is later than `until_ns`.

    Parameters
    ----------
    path
        A nanosecond pcap file; its last record may be half written.
    progress
        What an earlier call returned, or `NOTHING_YET`.
    until_ns
        Epoch nanoseconds; a record after it is not walked over.

    Returns
    -------
    CaptureProgress
        `offset` ends the last record that is not later; `last_ns` is the time of the last record looked at.
    """
    with path.open("rb") as file:
        magic = file.read(FILE_HEADER_BYTES)[:4]
        if magic not in NANOSECOND_MAGIC:
            return progress
        header = struct.Struct(f"{NANOSECOND_MAGIC[magic]}III")
        start = max(progress.offset, FILE_HEADER_BYTES)
        file.seek(start)
        content = file.read()
    offset, packets, last_ns = 0, progress.packets, progress.last_ns
    while offset + RECORD_HEADER_BYTES <= len(content):
        seconds, nanoseconds, captured_bytes = header.unpack_from(content, offset)
        end = offset + RECORD_HEADER_BYTES + captured_bytes
        if end > len(content):
            break
        last_ns = seconds * NS_PER_S + nanoseconds
        if last_ns > until_ns:
            break
        offset, packets = end, packets + 1
    return CaptureProgress(start + offset, packets, last_ns)


def cut(path: Path, lead: CaptureProgress, end: CaptureProgress) -> None:
    """Keep the file header and the records after `lead` up to `end`."""
    if end.offset < FILE_HEADER_BYTES:
        return
    with path.open("r+b") as file:
        header = file.read(FILE_HEADER_BYTES)
        start = max(lead.offset, FILE_HEADER_BYTES)
        file.seek(start)
        records = file.read(end.offset - start)
        file.seek(0)
        file.write(header + records)
        file.truncate()

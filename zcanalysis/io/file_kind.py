"""What a file is, by its first bytes: names lie, and traces get renamed."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from zcanalysis.errors import TraceError
from zcanalysis.io.compressed import open_bytes

OPENING_BYTES: Final = 8192
PCAPNG_MAGIC: Final = b"\x0a\x0d\x0d\x0a"
PCAP_MAGICS: Final = frozenset(
    bytes.fromhex(magic) for magic in ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "a1b2cd34", "34cdb2a1")
)


def is_capture(file: Path) -> bool:
    """Whether the file, once decompressed, starts like a pcap or pcapng capture.

    Raises
    ------
    TraceError
        If the file cannot be read.
    """
    with open_bytes(file) as stream:
        magic = stream.read(4)
    return magic == PCAPNG_MAGIC or magic in PCAP_MAGICS


def begins_like(file: Path, kind: Callable[[bytes], bool]) -> bool:
    """What a reader says of the file's first bytes, once decompressed.

    Parameters
    ----------
    file
        A regular file.
    kind
        Says of first bytes whether they are its reader's.

    Raises
    ------
    TraceError
        If the file cannot be read.
    """
    with open_bytes(file) as stream:
        return kind(stream.read(OPENING_BYTES))


def refuse_empty(file: Path) -> None:
    """Before a file without a byte is taken for the last of the kinds that it may be.

    Raises
    ------
    TraceError
        If it is empty.
    """
    if file.is_file() and not file.stat().st_size:
        raise TraceError(f"{file}: is empty, expected a capture, a perf trace or a log of ss")

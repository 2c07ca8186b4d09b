"""Bytes of a trace file, whether it is plain, gzip or zstandard: told by its first bytes, never by its name."""

import gzip
import io
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from zcanalysis.errors import TraceError

GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """A binary stream of the file's content, decompressed on the way.

    Parameters
    ----------
    path
        A regular file. Pipes and devices are refused: a trace is read more than once.

    Raises
    ------
    TraceError
        If the file is missing, unreadable, not a regular file, or its compression is damaged.
        Damage inside the stream is raised while it is read.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise TraceError(f"{path}: is a directory, expected a file")
        if not stat.S_ISREG(mode):
            raise TraceError(f"{path}: is not a regular file; copy it to one first")
        raw = path.open("rb")
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or error}") from error
    with raw:
        try:
            yield _decompressed(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise TraceError(f"{path}: compressed data is damaged or cut off: {error}") from error
        except Exception as error:
            if type(error).__name__ != "ZstdError":  # zstandard is imported only when it is needed
                raise
            raise TraceError(f"{path}: compressed data is damaged or cut off: {error}") from error


def _decompressed(raw: io.BufferedReader) -> BinaryIO:
    magic = raw.peek(4)[:4]
    if magic.startswith(GZIP_MAGIC):
        return cast("BinaryIO", gzip.GzipFile(fileobj=raw))
    if magic == ZSTD_MAGIC:
        import zstandard

        return cast("BinaryIO", zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))
    return raw

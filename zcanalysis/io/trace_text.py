"""Text of a kernel trace, from a file or a program, in pieces of whole lines."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, Final

from zcanalysis.errors import TraceError

CHUNK_BYTES: Final = 1 << 18  # a piece stays in a processor's cache
LINE_LIMIT_BYTES: Final = 1 << 20
OPENING_BYTES: Final = 512
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def opening(stream: BinaryIO) -> bytes:
    """The first bytes of a stream, enough to tell what it is."""
    start = b""
    while len(start) < OPENING_BYTES and (more := stream.read(OPENING_BYTES - len(start))):
        start += more
    return start


def whole_lines(start: bytes, stream: BinaryIO | IO[bytes], file: Path, expected: str) -> Iterator[str]:
    """Pieces of text that end where a line does.

    Parameters
    ----------
    start
        What was already read of the stream.
    stream
        The rest.
    file
        Named in errors.
    expected
        What the file should have been, for errors.

    Raises
    ------
    TraceError
        If the text is binary or a line is longer than a megabyte.
    """
    if b"\0" in start:
        raise TraceError(f"{file}: is a binary file, expected {expected}")
    rest = start.removeprefix(BYTE_ORDER_MARK)
    while chunk := stream.read(CHUNK_BYTES):
        end = chunk.rfind(b"\n") + 1
        if end:
            yield _unicode(rest + chunk[:end])
            rest = chunk[end:]
        else:
            rest += chunk
        if len(rest) > LINE_LIMIT_BYTES:
            raise TraceError(f"{file}: a line is longer than {LINE_LIMIT_BYTES:,} bytes, expected {expected}")
    if rest:
        yield _unicode(rest)


def storable(text: str) -> str:
    r"""The text without what no table can hold: JSON may name halves of characters.

    Parameters
    ----------
    text
        From a JSON document.

    Examples
    --------
    >>> storable("a\ud800b")
    'a?b'
    """
    return text.encode("utf-8", "replace").decode("utf-8")


def _unicode(line_bytes: bytes) -> str:
    text = line_bytes.decode("utf-8", "replace")
    text = text.replace("\r\n", "\n") if "\r" in text else text
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in text else text

"""A capture file as batches of records: pcap and pcapng, read in blocks so that memory stays bounded.

Enters: a binary stream. Leaves: `Batch` after `Batch`, and at the end, if the file is damaged, one sentence that
says where. Nothing of a packet is looked at.
"""

import struct
import zlib
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from zcanalysis.errors import TraceError
from zcanalysis.io import pcap_walk as walk

BLOCK_BYTES: Final = 1 << 23
BATCH_ROWS: Final = 1 << 17
OPENING_BYTES: Final = 28

PCAP_NS_PER_TICK: Final = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1, 0xA1B2CD34: 1000}
PCAP_EXTRA_BYTES: Final = {0xA1B2C3D4: 0, 0xA1B23C4D: 0, 0xA1B2CD34: 8}  # the last: Kuznetzov's "modified pcap"
PCAP_HEADER_BYTES: Final = 24
PCAPNG_MAGIC: Final = b"\x0a\x0d\x0d\x0a"
BIG_ENDIAN_MARK: Final = b"\x1a\x2b\x3c\x4d"
LITTLE_ENDIAN_MARK: Final = b"\x4d\x3c\x2b\x1a"
MAX_HEADER_BLOCK_BYTES: Final = 1 << 24
ENDS_INSIDE: Final = "file ends inside"
NO_STOP: Final = 1 << 62
OPTION_TSRESOL: Final = 9
OPTION_TSOFFSET: Final = 14


class Declared(NamedTuple):
    """What blocks of a pcapng said that later records are read by; a pcap says all in its header."""

    big: bool = False
    interfaces: tuple[tuple[int, int, int, int, int], ...] = ()
    """Of all sections: link, snap length, and the clock's mode, factor and offset."""
    base: int = 0
    """Interfaces of earlier sections."""


class Place(NamedTuple):
    """Where a record begins, and what must be known to go on reading there."""

    offset_bytes: int
    """In the unpacked file; 0 is the file's begin, header and all."""
    declared: Declared = Declared()


BEGIN: Final = Place(0)


class Batch(NamedTuple):
    """Records in a block of bytes, or the reason why there are no more."""

    block: npt.NDArray[np.uint8]
    records: walk.Records
    rows: int
    failure: str | None


class Window:
    """The stretch of a stream that is in memory; `lend` keeps it from being written over once."""

    def __init__(self, stream: BinaryIO, before_bytes: int = 0) -> None:
        self._stream = stream
        self.block = np.zeros(BLOCK_BYTES, np.uint8)
        self._spare = np.zeros(BLOCK_BYTES, np.uint8)
        self._lent = False
        self.start = 0
        self.end = 0
        self._before_bytes = before_bytes
        self.damage = ""

    @property
    def offset_bytes(self) -> int:
        """Where `start` lies in the (unpacked) file."""
        return self._before_bytes + self.start

    @property
    def left_bytes(self) -> int:
        """Bytes in memory from `start` on."""
        return self.end - self.start

    def need(self, count: int) -> bool:
        """Whether `count` bytes from `start` are in memory, after reading on if they were not."""
        if self.left_bytes >= count:
            return True
        carried = self.block[self.start : self.end].copy()
        self._before_bytes += self.start
        if self._lent:
            self.block, self._spare, self._lent = self._spare, self.block, False
        if count > self.block.size:
            self.block = np.zeros(count, np.uint8)
        self.block[: carried.size] = carried
        self.start, self.end = 0, carried.size
        self._fill()
        return self.left_bytes >= count

    def lend(self) -> npt.NDArray[np.uint8]:
        """The block, which stays as it is until the one after it is lent."""
        self._lent = True
        return self.block

    def skip(self, count: int) -> bool:
        """Pass over `count` bytes without keeping them; False if the file ends first."""
        while count > self.left_bytes:
            count -= self.left_bytes
            self.start = self.end
            if not self.need(1):
                return False
        self.start += count
        return True

    def peek(self, count: int) -> bytes:
        """The next `count` bytes, which must be in memory."""
        return self.block[self.start : self.start + count].tobytes()

    def _fill(self) -> None:
        while self.end < self.block.size and not self.damage:
            try:
                got = self._stream.readinto1(self.block[self.end :].data)  # type: ignore[attr-defined]
            except (OSError, EOFError, zlib.error) as error:
                self.damage = str(error)
                return
            except Exception as error:
                if type(error).__name__ != "ZstdError":  # zstandard is imported only for .zst files
                    raise
                self.damage = str(error)
                return
            if not got:
                return
            self.end += got


class Container(Protocol):
    """How one file format is walked."""

    @property
    def declared(self) -> Declared:
        """What was said so far of the records to come."""

    def walk(self, window: Window, reach: int, records: walk.Records) -> walk.Step:
        """Find records between the window's start and `reach`, a position in its block."""

    def header(self, window: Window) -> str | None:
        """Take in a header block at the window's start; a sentence if it cannot be."""


class Pcap:
    """A pcap file: one header, then records of one link type."""

    def __init__(self, header: bytes) -> None:
        big = header[:4] in {struct.pack(">I", magic) for magic in PCAP_NS_PER_TICK}
        magic, _, minor, _, _, _, link = struct.unpack(">IHHIIII" if big else "<IHHIIII", header)
        self._layout = walk.PcapLayout(
            big=big,
            ns_per_tick=PCAP_NS_PER_TICK[magic],
            header_bytes=16 + PCAP_EXTRA_BYTES[magic],
            link=link & 0xFFFF,
            swapped={0: 1, 1: 1, 2: 1, 3: 2}.get(minor, 0),
        )

    @property
    def declared(self) -> Declared:
        """Nothing: the header says it all."""
        return Declared()

    def walk(self, window: Window, reach: int, records: walk.Records) -> walk.Step:
        """Find records between the window's start and `reach`."""
        return walk.walk_pcap(window.block, window.start, reach, self._layout, records)

    def header(self, window: Window) -> str | None:
        """Refuse: a pcap has no header after the first."""
        raise AssertionError(f"no header block in a pcap, at byte {window.offset_bytes}")


class Pcapng:
    """A pcapng file: sections, each with its own byte order and interfaces."""

    def __init__(self, declared: Declared = BEGIN.declared) -> None:
        self._big, self._base = declared.big, declared.base
        self._rows = list(declared.interfaces)
        self._seen = _interfaces(self._rows)

    @property
    def declared(self) -> Declared:
        """Byte order and interfaces so far."""
        return Declared(self._big, tuple(self._rows), self._base)

    def walk(self, window: Window, reach: int, records: walk.Records) -> walk.Step:
        """Find records between the window's start and `reach`."""
        return walk.walk_pcapng(window.block, window.start, reach, self._big, self._seen, self._base, records)

    def header(self, window: Window) -> str | None:
        """Take in a section or interface block."""
        if not window.need(12):
            return f"{ENDS_INSIDE} a block header, {window.left_bytes} bytes left"
        opening = window.peek(12)
        section = opening[:4] == PCAPNG_MAGIC
        if section:
            if opening[8:] not in (BIG_ENDIAN_MARK, LITTLE_ENDIAN_MARK):
                return f"section header has no byte order mark but {opening[8:].hex()}"
            self._big = opening[8:] == BIG_ENDIAN_MARK
        size = int(struct.unpack_from(self._order("I"), opening, 4)[0])
        smallest = 28 if section else 20
        if size < smallest or size % 4 or size > MAX_HEADER_BLOCK_BYTES:
            return f"header block claims {size} bytes"
        if not window.need(size):
            return f"{ENDS_INSIDE} a header block of {size} bytes, {window.left_bytes} left"
        block = window.peek(size)
        if struct.unpack_from(self._order("I"), block, size - 4)[0] != size:
            return f"header block of {size} bytes does not repeat its length at its end"
        problem = self._section(block) if section else self._interface(block)
        window.start += size
        return problem

    def _order(self, layout: str) -> str:
        return (">" if self._big else "<") + layout

    def _section(self, block: bytes) -> str | None:
        major = struct.unpack_from(self._order("H"), block, 12)[0]
        if major != 1:
            return f"section of pcapng version {major}, only 1 is known"
        self._base = len(self._rows)
        return None

    def _interface(self, block: bytes) -> str | None:
        link, _, snap_bytes = struct.unpack_from(self._order("HHI"), block, 8)
        mode, factor, offset_s = walk.MULTIPLY, 1000, 0
        for code, value in _options(block[16:-4], self._order("HH")):
            if code == OPTION_TSRESOL and len(value) == 1:
                mode, factor = _resolution(value[0])
            elif code == OPTION_TSOFFSET and len(value) == 8:  # noqa: PLR2004 - an int64
                offset_s = int(struct.unpack(self._order("q"), value)[0])
        bound = walk.MAX_TIME_S
        self._rows.append((link, snap_bytes, mode, factor, max(-bound, min(bound, offset_s))))
        self._seen = _interfaces(self._rows)
        return None


def _interfaces(rows: list[tuple[int, int, int, int, int]]) -> walk.Interfaces:
    columns = np.array(rows, np.int64).reshape(len(rows), 5).T
    return walk.Interfaces(*(np.ascontiguousarray(column) for column in columns))


def _options(area: bytes, layout: str) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(area):
        code, size = struct.unpack_from(layout, area, at)
        if code == 0 or at + 4 + size > len(area):
            return
        yield code, area[at + 4 : at + 4 + size]
        at += 4 + (size + 3) // 4 * 4


def _resolution(value: int) -> tuple[int, int]:
    """Mode and factor of an ``if_tsresol`` byte: a power of two, or of ten.

    Examples
    --------
    >>> _resolution(6), _resolution(9), _resolution(0x80 | 20)
    ((0, 1000), (0, 1), (2, 20))
    """
    if value & 0x80:
        return walk.SHIFT, min(value & 0x7F, 63)
    if value <= 9:  # noqa: PLR2004 - nanoseconds
        return walk.MULTIPLY, 10 ** (9 - value)
    return walk.DIVIDE, 10 ** min(value - 9, 18)


def identify(path: Path, opening: bytes) -> None:
    """Check that a file's first bytes are those of a capture.

    Raises
    ------
    TraceError
        If they are not; the message says what was found.
    """
    if not opening:
        raise TraceError(f"{path}: is empty, expected a pcap or pcapng capture")
    if opening[:4] == PCAPNG_MAGIC:
        if opening[8:12] not in (BIG_ENDIAN_MARK, LITTLE_ENDIAN_MARK) or len(opening) < OPENING_BYTES:
            raise TraceError(f"{path}: pcapng section header is damaged or cut off; capture again or repair it")
        return
    magics = [struct.unpack(order, opening[:4])[0] for order in ("<I", ">I") if len(opening) >= 4]  # noqa: PLR2004
    if not any(magic in PCAP_NS_PER_TICK for magic in magics):
        raise TraceError(
            f"{path}: is not a capture (first bytes {opening[:4].hex()}); expected pcap or pcapng, "
            f"plain, .gz or .zst: convert others with `editcap -F pcapng`"
        )
    if len(opening) < PCAP_HEADER_BYTES:
        raise TraceError(f"{path}: pcap header cut off after {len(opening)} of {PCAP_HEADER_BYTES} bytes")
    big = magics[1] in PCAP_NS_PER_TICK
    major, minor = struct.unpack_from(">HH" if big else "<HH", opening, 4)
    if (major, minor) != (543, 0) and major != 2:  # noqa: PLR2004 - 543.0 is what some AIX writers put there
        raise TraceError(f"{path}: pcap version {major}.{minor} is not read; convert it with `editcap -F pcap`")


def read_batches(path: Path, stream: BinaryIO, in_use: int = 1) -> Iterator[Batch]:
    """Every record of a capture, in file order.

    Parameters
    ----------
    path
        For messages.
    stream
        The unpacked file, at its first byte.
    in_use
        For how many batches a batch's `records` stay valid.

    Yields
    ------
    Batch
        Up to `BATCH_ROWS` records; `block` is valid until the batch after the next is asked for. A damaged file
        ends with one batch whose `failure` says what is wrong and at which byte.

    Raises
    ------
    TraceError
        If the stream is not a capture.
    """
    yield from Reading(path, stream).batches(in_use)


class Reading:
    """A capture that is being read, from its begin or from a place in it."""

    def __init__(self, path: Path, stream: BinaryIO, begin: Place = BEGIN) -> None:
        self._window = Window(stream)
        self._window.need(OPENING_BYTES)
        opening = self._window.peek(min(self._window.left_bytes, OPENING_BYTES))
        identify(path, opening)
        first_bytes = 0 if opening[:4] == PCAPNG_MAGIC else PCAP_HEADER_BYTES
        self._container: Container = Pcap(opening[:PCAP_HEADER_BYTES]) if first_bytes else Pcapng(begin.declared)
        self._window.start = first_bytes
        self._is_damaged = False
        if begin.offset_bytes > first_bytes:
            stream.seek(begin.offset_bytes)
            self._window = Window(stream, begin.offset_bytes)

    @property
    def place(self) -> Place | None:
        """What is read next; None where damage ended the reading. Of use when `batches` has ended."""
        return None if self._is_damaged else Place(self._window.offset_bytes, self._container.declared)

    def batches(self, in_use: int = 1, stop_bytes: int = NO_STOP, rows: int | None = None) -> Iterator[Batch]:
        """The records that begin before `stop_bytes` of the unpacked file, in batches of at most `rows`."""
        window, container = self._window, self._container
        rooms = cycle([walk.new_records(BATCH_ROWS if rows is None else rows) for _ in range(in_use)])
        records, asked_bytes = next(rooms), 0
        while window.offset_bytes < stop_bytes:
            # a record that begins before the stop and ends behind it is seen whole, and nothing behind it
            seen_bytes = max(stop_bytes - window.offset_bytes, asked_bytes)
            reach = min(window.end, window.start + seen_bytes)
            found, window.start, why, detail = container.walk(window, reach, records)
            if found:
                yield Batch(window.lend(), records, found, None)
                records = next(rooms)
            offset_bytes, asked_bytes = window.offset_bytes, detail if why == walk.NEED else 0
            if why == walk.NEED and not window.left_bytes and not window.need(1) and not window.damage:
                return
            if (failure := _go_on(container, window, why, detail)) is not None:
                self._is_damaged = True
                words = f"{failure}, at byte {offset_bytes}; the rest of the file is not read"
                yield Batch(window.block, records, 0, words)
                return


def _go_on(container: Container, window: Window, why: int, detail: int) -> str | None:
    """Do what the walk stopped for; a sentence if that is impossible."""
    if why == walk.BAD:
        return f"record or block claims an impossible length of {detail} bytes"
    if why == walk.HEADER:
        return container.header(window)
    if why == walk.FULL or (window.need(detail) if why == walk.NEED else window.skip(detail)):
        return None
    if window.damage:
        return f"compressed data is damaged or cut off ({window.damage})"
    return f"{ENDS_INSIDE} a record of {detail} bytes, {window.left_bytes} left"

"""Where in the middle of a capture a record probably begins: a guess, which whoever reads on from there must check.

A place is believed when the headers of a dozen records follow one another from it, or lead to the file's very end.
Payload can hold a whole capture and pass for one, so a guess alone proves nothing.
"""

import struct
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import numpy as np
import numpy.typing as npt

from zcanalysis.io.pcap_blocks import (
    BEGIN,
    OPENING_BYTES,
    PCAP_EXTRA_BYTES,
    PCAP_HEADER_BYTES,
    PCAP_NS_PER_TICK,
    PCAPNG_MAGIC,
    Declared,
    Place,
    Reading,
)
from zcanalysis.io.pcap_walk import INTERFACE_BLOCK, OLD_PACKET_BLOCK, PACKET_BLOCK, SECTION_BLOCK, SIMPLE_PACKET_BLOCK

SEARCHED_BYTES: Final = 1 << 21
CHAIN: Final = 12
MOST_BYTES: Final = 1 << 20  # of a record; tcpdump keeps at most 256 KiB of a packet
BEFORE_S, AFTER_S = 86_400, 400 * 86_400  # around the first record
HEADER_BYTES: Final = 16
BLOCKS: Final = (INTERFACE_BLOCK, OLD_PACKET_BLOCK, SIMPLE_PACKET_BLOCK, 4, 5, PACKET_BLOCK, SECTION_BLOCK, 10, 0xBAD)


def guessed_place(path: Path, from_bytes: int) -> Place | None:
    """A place at or behind `from_bytes` where a record probably begins; None where none is in sight.

    Parameters
    ----------
    path
        A capture that is not compressed.
    from_bytes
        Anywhere in the file; at 0 it is the file's begin, and no guess.

    Raises
    ------
    TraceError
        If the file is no capture.
    """
    if not from_bytes:
        return BEGIN
    with path.open("rb") as file:
        size_bytes = file.seek(0, 2)
        file.seek(0)
        declared = _declared_first(path, file)
        form = _form(file, declared)
        if form is None:
            return None
        file.seek(from_bytes)
        block = file.read(SEARCHED_BYTES)
        for at in form.candidates(block):
            if _leads_on(file, from_bytes + int(at), size_bytes, form):
                return Place(from_bytes + int(at), declared)
    return None


class _Form(Protocol):
    """What a record's header looks like."""

    def candidates(self, block: bytes) -> npt.NDArray[np.int64]:
        """Positions in a block where one could be."""

    def length(self, file: BinaryIO, at: int) -> int | None:
        """Bytes of the record that begins at a byte of the file; None if none can."""


def _declared_first(path: Path, file: BinaryIO) -> Declared:
    """What is declared before the first packet: most captures declare nothing later."""
    reading = Reading(path, file)
    next(reading.batches(rows=1), None)
    place = reading.place
    return Declared() if place is None else place.declared


def _form(file: BinaryIO, declared: Declared) -> _Form | None:
    """How this file's records look; None if it has none to take an example from."""
    file.seek(0)
    opening = file.read(OPENING_BYTES)
    if opening[:4] == PCAPNG_MAGIC:
        return _PcapngForm(big=declared.big)
    if len(opening) < PCAP_HEADER_BYTES + 4:
        return None
    big = struct.unpack(">I", opening[:4])[0] in PCAP_NS_PER_TICK
    magic, first_s = (struct.unpack_from(">I" if big else "<I", opening, at)[0] for at in (0, PCAP_HEADER_BYTES))
    return _PcapForm(big, HEADER_BYTES + PCAP_EXTRA_BYTES[magic], 1_000_000_000 // PCAP_NS_PER_TICK[magic], first_s)


class _PcapForm:
    """Seconds near those of the first record, a fraction below one, and two lengths that can be."""

    def __init__(self, big: bool, header_bytes: int, ticks_per_s: int, first_s: int) -> None:
        self._order = ">" if big else "<"
        self._header_bytes, self._ticks_per_s = header_bytes, ticks_per_s
        self._earliest_s, self._latest_s = max(first_s - BEFORE_S, 1), first_s + AFTER_S

    def candidates(self, block: bytes) -> npt.NDArray[np.int64]:
        """Positions where all four numbers can be."""
        words = _words(block, self._order)
        count = max(words.size - HEADER_BYTES + 4, 0)
        seconds, ticks, one, other = (words[at : at + count] for at in (0, 4, 8, 12))
        timed = (seconds >= self._earliest_s) & (seconds <= self._latest_s) & (ticks < self._ticks_per_s)
        sized = (np.minimum(one, other) > 0) & (np.maximum(one, other) <= MOST_BYTES)
        return np.flatnonzero(timed & sized)

    def length(self, file: BinaryIO, at: int) -> int | None:
        """Header and what was captured: the smaller length, as files before version 2.3 have them the other way."""
        file.seek(at)
        header = file.read(HEADER_BYTES)
        if not self.candidates(header).size:
            return None
        one, other = struct.unpack_from(self._order + "II", header, 8)
        return self._header_bytes + int(min(one, other))


class _PcapngForm:
    """A known kind of block, and a length that stands at both ends."""

    def __init__(self, *, big: bool) -> None:
        self._order = ">" if big else "<"

    def candidates(self, block: bytes) -> npt.NDArray[np.int64]:
        """Positions where kind and length can be."""
        words = _words(block, self._order)
        count = max(words.size - 4, 0)
        kinds, lengths = words[:count], words[4 : 4 + count]
        sized = (lengths >= 12) & (lengths % 4 == 0) & (lengths <= MOST_BYTES)  # noqa: PLR2004 - an empty block
        return np.flatnonzero(sized & np.isin(kinds, BLOCKS))

    def length(self, file: BinaryIO, at: int) -> int | None:
        """What it says at its begin, if it says the same at its end."""
        file.seek(at)
        opening = file.read(8)
        if not self.candidates(opening).size:
            return None
        length = int(struct.unpack_from(self._order + "I", opening, 4)[0])
        file.seek(at + length - 4)
        return length if file.read(4) == opening[4:] else None


def _words(block: bytes, order: str) -> npt.NDArray[np.uint32]:
    """The 32-bit number that begins at each byte."""
    return np.ndarray((max(len(block) - 3, 0),), f"{order}u4", block, strides=(1,))


def _leads_on(file: BinaryIO, at: int, size_bytes: int, form: _Form) -> bool:
    """Whether records follow one another from there."""
    for _ in range(CHAIN):
        if at == size_bytes:
            return True
        length = form.length(file, at)
        if length is None or at + length > size_bytes:
            return False
        at += length
    return True

"""Ways to damage a file: bits, lengths, stretches doubled, moved, cut off, and halves of two files joined."""

import struct
from collections.abc import Callable
from random import Random
from typing import Final

EDGES: Final = (0, 1, 3, 4, 7, 8, 11, 12, 15, 16, 19, 20, 27, 28, 31, 32, 39, 40, 41, 59, 60, 255, 256, 1500, 65535)
LARGE: Final = (1 << 16, 1 << 24, (1 << 27) - 1, (1 << 27) + 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 4, (1 << 32) - 1)
LONGEST: Final = 1 << 16

Mutation = Callable[[bytearray, Random], None]


def flip_bits(content: bytearray, chance: Random) -> None:
    """A few bits anywhere."""
    for _ in range(chance.randint(1, 8)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def edit_number(content: bytearray, chance: Random) -> None:
    """A number of one, two or four bytes at a place where numbers are likely, near an edge or out of all bounds."""
    layout = chance.choice(("B", "<H", ">H", "<I", ">I", "<I", ">I"))
    room = len(content) - struct.calcsize(layout)
    if room >= 0:
        number = chance.choice(EDGES + LARGE) % (1 << 8 * struct.calcsize(layout))
        struct.pack_into(layout, content, chance.randint(0, room), number)


def edit_header(content: bytearray, chance: Random) -> None:
    """A byte of the file's opening, which decides how all the rest is read."""
    content[chance.randrange(min(len(content), 64))] = chance.choice((0, 1, 2, 0x7F, 0x80, 0xFF, chance.randrange(256)))


def double_stretch(content: bytearray, chance: Random) -> None:
    """The same bytes again, at their own end or elsewhere."""
    start, end = _stretch(content, chance)
    place = chance.choice((end, chance.randint(0, len(content))))
    content[place:place] = content[start:end]


def drop_stretch(content: bytearray, chance: Random) -> None:
    """Some bytes are missing."""
    start, end = _stretch(content, chance)
    del content[start:end]


def fill_stretch(content: bytearray, chance: Random) -> None:
    """Some bytes are all the same, or noise."""
    start, end = _stretch(content, chance)
    filler = chance.choice((b"\0", b"\xff", b"\n", b"\t", b" ", b"\xc3", None))
    content[start:end] = chance.randbytes(end - start) if filler is None else filler * (end - start)


def cut_off(content: bytearray, chance: Random) -> None:
    """The file ends early."""
    del content[chance.randint(0, len(content)) :]


MUTATIONS: Final[tuple[Mutation, ...]] = (
    flip_bits,
    edit_number,
    edit_number,
    edit_number,
    edit_header,
    double_stretch,
    drop_stretch,
    fill_stretch,
    cut_off,
)


def damaged(seed: bytes, other: bytes, chance: Random) -> bytes:
    """The seed with one to eight damages; now and then its head with the other's tail."""
    content = bytearray(seed)
    if chance.random() < 0.1:
        content[chance.randint(0, len(content)) :] = other[chance.randint(0, len(other)) :]
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        if content:
            chance.choice(MUTATIONS)(content, chance)
    return bytes(content[:LONGEST])


def _stretch(content: bytearray, chance: Random) -> tuple[int, int]:
    start = chance.randrange(len(content))
    return start, min(len(content), start + chance.choice((1, 2, 4, 16, 64, 512, 4096)))

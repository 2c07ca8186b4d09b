"""Who talks to whom: numbers for addresses, one hash for both directions of a flow."""
# ruff: noqa: PLR0913, PLR0917, PLR2004 - compiled loops take numbers, and the numbers are those of the standards

import numpy as np

from zcanalysis.io.packet_bytes import Bytes, signed, u32, u64
from zcanalysis.io.packet_compile import compiled
from zcanalysis.io.packet_layout import (
    DIRECTION,
    DST,
    DST_PORT,
    FLOW,
    HAS,
    HAS_PORTS,
    PROTOCOL,
    SRC,
    SRC_PORT,
    VERSION,
    WANT_ADDRESSES,
    WANT_FLOW,
    AddressBook,
    Rows,
)


@compiled
def _mix(state: np.uint64, word: np.uint64) -> np.uint64:
    state = (state ^ word) * np.uint64(0x9FB21C651E98DF25)
    return state ^ (state >> np.uint64(32))


@compiled
def address_number(book: AddressBook, high: np.uint64, low: np.uint64) -> int:
    """The number of an address in the book, which learns it if it is new."""
    mask = signed(book.slot.size - 1)
    at = signed(_mix(_mix(book.salt[0], low), high) >> np.uint64(20)) & mask
    while book.slot[at] >= 0:
        number = signed(book.slot[at])
        if book.low[number] == low and book.high[number] == high:
            return number
        at = (at + 1) & mask
    number = signed(book.known[0])
    book.high[number] = high
    book.low[number] = low
    book.slot[at] = number
    book.known[0] = number + 1
    return number


@compiled
def flow_hash(
    high: np.uint64,
    low: np.uint64,
    port: int,
    other_high: np.uint64,
    other_low: np.uint64,
    other_port: int,
    protocol: int,
) -> tuple[np.uint64, int]:
    """Hash of the 5-tuple whichever way round, and 1 if the first end sorts after the second."""
    after = high > other_high or (high == other_high and (low > other_low or (low == other_low and port > other_port)))
    if after:
        high, other_high = other_high, high
        low, other_low = other_low, low
        port, other_port = other_port, port
    ports = (np.uint64(port) << np.uint64(32)) | (np.uint64(other_port) << np.uint64(16)) | np.uint64(protocol)
    state = _mix(_mix(np.uint64(0x243F6A8885A308D3), ports), low)
    state = _mix(_mix(_mix(state, other_low), high), other_high)
    state ^= state >> np.uint64(29)
    return state * np.uint64(0xBF58476D1CE4E5B9), 1 if after else 0


@compiled
def identity(block: Bytes, at: int, want: int, row: int, out: Rows, book: AddressBook) -> None:
    """Numbers of both addresses, flow and direction of the packet whose IP header is at `at`."""
    if out.u8[VERSION, row] == 4:
        mapped = np.uint64(0xFFFF00000000)
        high, other_high = np.uint64(0), np.uint64(0)
        low = mapped | np.uint64(u32(block, at + 12))
        other_low = mapped | np.uint64(u32(block, at + 16))
    else:
        high, low = u64(block, at + 8), u64(block, at + 16)
        other_high, other_low = u64(block, at + 24), u64(block, at + 32)
    if want & WANT_ADDRESSES:
        out.u32[SRC, row] = address_number(book, high, low)
        out.u32[DST, row] = address_number(book, other_high, other_low)
    if want & WANT_FLOW and out.u16[HAS, row] & HAS_PORTS:
        port, other_port = signed(out.u16[SRC_PORT, row]), signed(out.u16[DST_PORT, row])
        protocol = signed(out.u8[PROTOCOL, row])
        flow, after = flow_hash(high, low, port, other_high, other_low, other_port, protocol)
        out.u64[FLOW, row] = flow
        out.u8[DIRECTION, row] = after

"""Where each record of a capture lies in a block of bytes: the compiled half of the container readers.

Nothing is read from files here and nothing of a packet is looked at. A walk stops when the block ends in the
middle of a record, when the batch is full, or at something that Python must decide.
"""
# ruff: noqa: PLR0913, PLR0917, PLR2004 - compiled loops take numbers

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.io.packet_bytes import Bytes, signed
from zcanalysis.io.packet_bytes import u32_in_order as u32
from zcanalysis.io.packet_compile import compiled
from zcanalysis.io.packet_faults import BLOCK_SMALL, NO_INTERFACE, TIME_RANGE

FULL: Final = 0  # the batch is full, more may follow at once
NEED: Final = 1  # detail: bytes needed from here to go on
BAD: Final = 2  # detail: the length that cannot be
HEADER: Final = 3  # a pcapng section or interface block, for Python
SKIP: Final = 4  # detail: bytes to pass over

MAX_RECORD_BYTES: Final = 1 << 27
MAX_TIME_S: Final = 9_223_372_035

SECTION_BLOCK: Final = 0x0A0D0D0A
INTERFACE_BLOCK: Final = 1
OLD_PACKET_BLOCK: Final = 2
SIMPLE_PACKET_BLOCK: Final = 3
PACKET_BLOCK: Final = 6

MULTIPLY: Final = 0
DIVIDE: Final = 1
SHIFT: Final = 2
UNTIMED: Final = -(1 << 63)

Ints = npt.NDArray[np.int64]


class Records(NamedTuple):
    """One batch of records, found but not decoded; arrays are reused from batch to batch."""

    start: Ints  # position in the block
    captured_bytes: Ints
    wire_bytes: Ints
    ts_ns: Ints  # UNTIMED where the record has none
    interface: npt.NDArray[np.uint32]
    link: npt.NDArray[np.int32]  # -1: not to be decoded
    fault: npt.NDArray[np.uint8]
    fault_value: Ints


class PcapLayout(NamedTuple):
    """What a pcap file's header says of its records."""

    big: bool
    ns_per_tick: int
    header_bytes: int
    link: int
    swapped: int  # 1: wire length before captured length (files before 2.3), 2: whichever is larger is the wire's


class Interfaces(NamedTuple):
    """What a section said of its interfaces, one entry each, over all sections."""

    link: Ints
    snap_bytes: Ints
    time_mode: Ints  # MULTIPLY, DIVIDE or SHIFT
    time_factor: Ints  # ns per tick, ticks per ns, or binary digits of a second
    offset_s: Ints


Step = tuple[int, int, int, int]  # records found, position reached, why it stopped, detail


def new_records(rows: int) -> Records:
    """Room for `rows` records."""
    return Records(
        start=np.zeros(rows, np.int64),
        captured_bytes=np.zeros(rows, np.int64),
        wire_bytes=np.zeros(rows, np.int64),
        ts_ns=np.zeros(rows, np.int64),
        interface=np.zeros(rows, np.uint32),
        link=np.zeros(rows, np.int32),
        fault=np.zeros(rows, np.uint8),
        fault_value=np.zeros(rows, np.int64),
    )


@compiled
def walk_pcap(block: Bytes, start: int, end: int, layout: PcapLayout, out: Records) -> Step:
    """Records of a pcap file between `start` and `end`."""
    header, big = layout.header_bytes, layout.big
    at = start
    found = 0
    while found < out.start.size:
        if at + header > end:
            return found, at, NEED, header
        captured, wire = u32(block, at + 8, big), u32(block, at + 12, big)
        if layout.swapped == 1 or (layout.swapped == 2 and captured > wire):
            captured, wire = wire, captured
        if captured > MAX_RECORD_BYTES:
            return found, at, BAD, captured
        if at + header + captured > end:
            return found, at, NEED, header + captured
        out.start[found] = at + header
        out.captured_bytes[found] = captured
        out.wire_bytes[found] = wire
        out.ts_ns[found] = u32(block, at, big) * 1_000_000_000 + u32(block, at + 4, big) * layout.ns_per_tick
        out.interface[found] = 0
        out.link[found] = layout.link
        out.fault[found] = 0
        at += header + captured
        found += 1
    return found, at, FULL, 0


@compiled
def _time(high: int, low: int, number: int, seen: Interfaces) -> tuple[int, int]:
    """Ticks of one interface as nanoseconds, and the seconds that did not fit (0: all is well)."""
    ticks = (np.uint64(high) << np.uint64(32)) | np.uint64(low)
    factor = np.uint64(seen.time_factor[number])
    mode = seen.time_mode[number]
    billion = np.uint64(1_000_000_000)
    if mode == SHIFT:
        whole = ticks >> factor
        part = ticks - (whole << factor)
        if factor < np.uint64(33):
            rest = signed((part * billion) >> factor)
        else:
            low_part = ((part & np.uint64(0xFFFFFFFF)) * billion) >> np.uint64(32)
            rest = signed(((part >> np.uint64(32)) * billion + low_part) >> (factor - np.uint64(32)))
    elif mode == MULTIPLY:
        whole = ticks // (billion // factor)
        rest = signed((ticks - whole * (billion // factor)) * factor)
    else:
        nanoseconds = ticks // factor
        whole = nanoseconds // billion
        rest = signed(nanoseconds - whole * billion)
    if whole > np.uint64(MAX_TIME_S):
        return UNTIMED, signed(whole >> np.uint64(1))
    seconds = signed(whole) + seen.offset_s[number]
    if seconds > MAX_TIME_S or seconds < -MAX_TIME_S:
        return UNTIMED, seconds
    return seconds * 1_000_000_000 + rest, 0


@compiled
def _packet_block(
    block: Bytes, at: int, size: int, big: bool, seen: Interfaces, base: int, row: int, out: Records
) -> None:
    """An enhanced (or the obsolete) packet block becomes record `row`."""
    number = u32(block, at + 8, big)
    if u32(block, at, big) == OLD_PACKET_BLOCK:
        number = (number >> 16) if big else (number & 0xFFFF)
    captured = u32(block, at + 20, big)
    out.start[row] = at + 28
    out.captured_bytes[row] = captured
    out.wire_bytes[row] = u32(block, at + 24, big)
    out.interface[row] = base + number
    out.fault[row] = 0
    out.link[row] = -1
    out.ts_ns[row] = UNTIMED
    if base + number >= seen.link.size:
        out.fault[row] = NO_INTERFACE
        out.fault_value[row] = number
    else:
        out.link[row] = seen.link[base + number]
        ts_ns, lost_s = _time(u32(block, at + 12, big), u32(block, at + 16, big), base + number, seen)
        out.ts_ns[row] = ts_ns
        if lost_s != 0:
            out.fault[row] = TIME_RANGE
            out.fault_value[row] = lost_s
    if captured > size - 32:
        out.captured_bytes[row] = size - 32
        out.link[row] = -1
        out.fault[row] = BLOCK_SMALL
        out.fault_value[row] = captured


@compiled
def _simple_block(
    block: Bytes, at: int, size: int, big: bool, seen: Interfaces, base: int, row: int, out: Records
) -> None:
    """A simple packet block becomes record `row`: no time stamp, interface 0."""
    wire = u32(block, at + 8, big)
    out.start[row] = at + 12
    out.captured_bytes[row] = min(wire, size - 16)
    out.wire_bytes[row] = wire
    out.ts_ns[row] = UNTIMED
    out.interface[row] = base
    out.fault[row] = 0
    out.link[row] = -1
    if base >= seen.link.size:
        out.fault[row] = NO_INTERFACE
        out.fault_value[row] = 0
        return
    out.link[row] = seen.link[base]
    if seen.snap_bytes[base] > 0:
        out.captured_bytes[row] = min(out.captured_bytes[row], seen.snap_bytes[base])


@compiled
def walk_pcapng(block: Bytes, start: int, end: int, big: bool, seen: Interfaces, base: int, out: Records) -> Step:
    """Records of a pcapng section between `start` and `end`; `base` counts the interfaces of earlier sections."""
    at = start
    found = 0
    while found < out.start.size:
        if at + 8 > end:
            return found, at, NEED, 8
        kind = u32(block, at, big)
        if kind in (SECTION_BLOCK, INTERFACE_BLOCK):
            return found, at, HEADER, 0
        size = u32(block, at + 4, big)
        packet = kind in (PACKET_BLOCK, OLD_PACKET_BLOCK)
        smallest = 32 if packet else 16 if kind == SIMPLE_PACKET_BLOCK else 12
        padded = (size + 3) & ~3  # early writers left the padding out of the length
        if size < smallest or ((packet or kind == SIMPLE_PACKET_BLOCK) and size > MAX_RECORD_BYTES):
            return found, at, BAD, size
        if at + padded > end:
            wanted = packet or kind == SIMPLE_PACKET_BLOCK
            return found, at, NEED if wanted else SKIP, padded
        if u32(block, at + padded - 4, big) != size:
            return found, at, BAD, size
        if packet:
            _packet_block(block, at, padded, big, seen, base, found, out)
            found += 1
        elif kind == SIMPLE_PACKET_BLOCK:
            _simple_block(block, at, padded, big, seen, base, found, out)
            found += 1
        at += padded
    return found, at, FULL, 0

"""IP headers and IPv6 extension headers (RFC 791, 8200, 2675, 4302).

Everything returns: protocol (-1 on a fault), position of the transport header, end of the datagram on the wire,
fault, its value.
"""
# ruff: noqa: PLR0913, PLR0917, PLR2004 - compiled loops take numbers, and the numbers are those of the standards

from zcanalysis.io import packet_faults as faults
from zcanalysis.io.packet_bytes import Bytes, signed, u8, u16, u32
from zcanalysis.io.packet_compile import compiled
from zcanalysis.io.packet_layout import (
    DETOUR,
    DSCP,
    ECN,
    FRAGMENT,
    HAS,
    HAS_ID,
    HAS_IP,
    IP_ID,
    MORE,
    PROTOCOL,
    TTL,
    VERSION,
    Rows,
)


@compiled
def version4(block: Bytes, at: int, end: int, wire_end: int, row: int, out: Rows) -> tuple[int, int, int, int, int]:
    """The IPv4 header at `at`."""
    if at + 20 > end:
        return -1, at, at, faults.IP_CUT, end - at
    if u8(block, at) >> 4 != 4:
        return -1, at, at, faults.IP_VERSION, signed(block[at] >> 4)
    header = signed(block[at] & 15) * 4
    length = u16(block, at + 2)
    if header < 20:
        return -1, at, at, faults.IP_HEADER, header
    fragment = u16(block, at + 6)
    out.u16[HAS, row] |= HAS_IP | HAS_ID
    out.u8[VERSION, row] = 4
    out.u8[ECN, row] = block[at + 1] & 3
    out.u8[DSCP, row] = block[at + 1] >> 2
    out.u8[TTL, row] = block[at + 8]
    out.u8[PROTOCOL, row] = block[at + 9]
    out.u8[MORE, row] = (fragment >> 13) & 1
    out.u32[FRAGMENT, row] = (fragment & 0x1FFF) * 8
    out.u32[IP_ID, row] = u16(block, at + 4)
    protocol = u8(block, at + 9)
    if length == 0:  # segmentation offload, or more than 65,535 bytes (BIG TCP)
        return protocol, at + header, wire_end, 0, 0
    if length < header:
        return -1, at, at, faults.IP_SHORT, length
    if at + length > wire_end:
        return protocol, at + header, wire_end, faults.IP_LONG, length
    return protocol, at + header, at + length, 0, 0


@compiled
def _jumbo_bytes(block: Bytes, at: int, end: int) -> int:
    """Length from a jumbo payload option in a hop-by-hop header that ends at `end`; 0 if there is none."""
    at += 2
    while at + 2 <= end:
        if block[at] == 0xC2 and at + 6 <= end:
            return u32(block, at + 2)
        at += 1 if block[at] == 0 else 2 + u8(block, at + 1)
    return 0


@compiled
def version6(block: Bytes, at: int, end: int, wire_end: int, row: int, out: Rows) -> tuple[int, int, int, int, int]:
    """The IPv6 header at `at` and its extension headers."""
    if at + 40 > end:
        return -1, at, at, faults.IP_CUT, end - at
    if u8(block, at) >> 4 != 6:
        return -1, at, at, faults.IP_VERSION, u8(block, at) >> 4
    traffic_class = (u16(block, at) >> 4) & 0xFF
    length = u16(block, at + 4)
    out.u16[HAS, row] |= HAS_IP
    out.u8[VERSION, row] = 6
    out.u8[ECN, row] = traffic_class & 3
    out.u8[DSCP, row] = traffic_class >> 2
    out.u8[TTL, row] = block[at + 7]
    out.u8[PROTOCOL, row] = block[at + 6]
    if length == 0:  # more than 65,535 bytes (BIG TCP), with or without a jumbo payload option
        return _extensions(block, at + 40, end, wire_end, wire_end, row, out)
    stop = min(at + 40 + length, wire_end)
    protocol, upper, stop, fault, value = _extensions(block, at + 40, end, stop, 0, row, out)
    if fault == 0 and at + 40 + length > wire_end:
        fault, value = faults.IP_LONG, length
    return protocol, upper, stop, fault, value


@compiled
def _extensions(
    block: Bytes, upper: int, end: int, stop: int, jumbo_end: int, row: int, out: Rows
) -> tuple[int, int, int, int, int]:
    """Walk the IPv6 extension headers; a jumbo payload option counts if `jumbo_end`, the end of the wire, is given."""
    base = upper
    protocol = signed(out.u8[PROTOCOL, row])
    fault, value = 0, 0
    while protocol in (0, 43, 44, 51, 60, 135, 139, 140) and out.u32[FRAGMENT, row] == 0:
        if upper + 8 > min(end, stop):
            return -1, upper, stop, faults.EXTENSION, protocol
        size = (u8(block, upper + 1) + 1) * 8
        if protocol == 44:
            size = 8
            _fragment6(block, upper, row, out)
        elif protocol == 51:
            size = (u8(block, upper + 1) + 2) * 4
        elif protocol == 0 and jumbo_end:
            jumbo = _jumbo_bytes(block, upper, min(end, upper + size))
            if base + jumbo > jumbo_end:
                fault, value = faults.IP_LONG, jumbo
            elif jumbo > 0:
                stop = base + jumbo
        elif protocol == 43 and block[upper + 3] > 0:
            out.u8[MORE, row] |= DETOUR
        protocol = u8(block, upper)
        out.u8[PROTOCOL, row] = protocol
        upper += size
    if upper > stop:
        return -1, upper, stop, faults.EXTENSION, protocol
    return protocol, upper, stop, fault, value


@compiled
def _fragment6(block: Bytes, at: int, row: int, out: Rows) -> None:
    out.u16[HAS, row] |= HAS_ID
    out.u32[IP_ID, row] = u32(block, at + 4)
    out.u32[FRAGMENT, row] = u16(block, at + 2) & 0xFFF8
    out.u8[MORE, row] |= block[at + 3] & 1

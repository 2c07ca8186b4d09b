"""Link headers: which network layer follows, and where.

Codes are those of the standards: IEEE 802.3, 802.1Q and 802.1ad, RFC 1661 (PPP), 2516 (PPPoE), 3032 (MPLS).
"""
# ruff: noqa: PLR2004 - compiled loops take numbers, and the numbers are those of the standards

from typing import Final

from zcanalysis.io.packet_bytes import Bytes, u8, u16, u32
from zcanalysis.io.packet_compile import compiled

CUT: Final = -1
BAD_LINK: Final = -2
NOT_IP: Final = 0
IPV4: Final = 4
IPV6: Final = 6


@compiled
def _by_version(block: Bytes, at: int, end: int) -> int:
    if at >= end:
        return CUT
    version = u8(block, at) >> 4
    return version if version in (IPV4, IPV6) else NOT_IP


@compiled
def _point_to_point(block: Bytes, at: int, end: int) -> tuple[int, int, int]:
    """PPP, with or without HDLC's address and control bytes, protocol in one byte or two."""
    if at + 4 > end:
        return CUT, at, -1
    if block[at] == 0xFF and block[at + 1] == 0x03:
        at += 2
    protocol = u8(block, at)
    at += 1
    if protocol % 2 == 0:
        protocol = (protocol << 8) | u8(block, at)
        at += 1
    kind = IPV4 if protocol == 0x21 else IPV6 if protocol == 0x57 else NOT_IP
    return kind, at, -1


@compiled
def _labels(block: Bytes, at: int, end: int) -> tuple[int, int]:
    """MPLS: the packet below the last label."""
    while at + 4 <= end:
        at += 4
        if block[at - 2] & 1:
            return _by_version(block, at, end), at
    return CUT, at


@compiled
def _ethertype(block: Bytes, at: int, end: int) -> tuple[int, int, int]:
    """From a type field on: VLAN tags in any number, PPPoE, MPLS, LLC/SNAP, then IP."""
    vlan = -1
    while at + 2 <= end:
        kind = u16(block, at)
        at += 2
        if kind in (0x8100, 0x88A8, 0x9100, 0x9200):
            if at + 2 > end:
                return CUT, at, vlan
            vlan = (u16(block, at) & 0xFFF) if vlan < 0 else vlan
            at += 2
        elif kind <= 1500 and at + 8 <= end and u32(block, at) == 0xAAAA0300 and u16(block, at + 4) == 0:
            at += 6
        elif kind == 0x8864:
            below, at, _ = _point_to_point(block, at + 6, end)
            return below, at, vlan
        elif kind in (0x8847, 0x8848):
            below, at = _labels(block, at, end)
            return below, at, vlan
        else:
            return IPV4 if kind == 0x0800 else IPV6 if kind == 0x86DD else NOT_IP, at, vlan
    return CUT, at, vlan


@compiled
def _loopback(block: Bytes, at: int, end: int) -> tuple[int, int, int]:
    """BSD loopback: an address family in the byte order of some machine."""
    if at + 4 > end:
        return CUT, at, -1
    family = u32(block, at)
    if family > 0xFFFF:
        family = u8(block, at) | (u8(block, at + 1) << 8)
    if family == 2:
        return IPV4, at + 4, -1
    return IPV6 if family in (10, 24, 28, 30) else NOT_IP, at + 4, -1


@compiled
def link_layer(block: Bytes, at: int, end: int, link: int) -> tuple[int, int, int]:
    """Kind of network layer, its position, outermost VLAN or -1."""
    if link == 1:
        return _ethertype(block, at + 12, end)
    if link == 113:
        return _ethertype(block, at + 14, end)
    if link == 276:
        kind, below, vlan = _ethertype(block, at, end)
        return kind, (below + 18 if below == at + 2 else below), vlan
    if link in (12, 14, 101):
        return _by_version(block, at, end), at, -1
    if link in (228, 229):
        return IPV4 if link == 228 else IPV6, at, -1
    if link in (0, 108):
        return _loopback(block, at, end)
    if link in (9, 50):
        return _point_to_point(block, at, end)
    return BAD_LINK, at, -1

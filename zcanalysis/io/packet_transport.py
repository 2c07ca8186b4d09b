"""TCP and UDP headers, TCP options, checksums (RFC 9293, 768, 7323, 2018).

What returns two numbers returns a fault (0: none) and its value.
"""
# ruff: noqa: PLR0913, PLR0917, PLR2004 - compiled loops take numbers, and the numbers are those of the standards

from zcanalysis.io import packet_faults as faults
from zcanalysis.io.packet_bytes import Bytes, signed, u8, u16, u32
from zcanalysis.io.packet_compile import compiled
from zcanalysis.io.packet_layout import (
    ACK,
    CHECKSUM,
    DST_PORT,
    FLAGS,
    FRAGMENT,
    HAS,
    HAS_CHECKSUM,
    HAS_MSS,
    HAS_OPTIONS,
    HAS_PAYLOAD,
    HAS_PORTS,
    HAS_SCALE,
    HAS_TCP,
    HAS_TIMES,
    MORE,
    MSS,
    PAYLOAD,
    PROTOCOL,
    SACK_OK,
    SCALE,
    SEQ,
    SRC_PORT,
    TCP,
    TSECR,
    TSVAL,
    UDP,
    VERSION,
    WANT_OPTIONS,
    WINDOW,
    Rows,
)


@compiled
def _tcp_options(block: Bytes, at: int, end: int, row: int, out: Rows) -> int:
    """Kind of the first option with an impossible length, or -1."""
    while at < end:
        kind = u8(block, at)
        if kind == 0:
            break
        if kind == 1:
            at += 1
            continue
        if at + 2 > end:
            return kind
        size = u8(block, at + 1)
        if size < 2 or at + size > end:
            return kind
        if kind == 8 and size == 10:
            out.u16[HAS, row] |= HAS_TIMES
            out.u32[TSVAL, row] = u32(block, at + 2)
            out.u32[TSECR, row] = u32(block, at + 6)
        elif kind == 2 and size == 4:
            out.u16[HAS, row] |= HAS_MSS
            out.u16[MSS, row] = u16(block, at + 2)
        elif kind == 3 and size == 3:
            out.u16[HAS, row] |= HAS_SCALE
            out.u8[SCALE, row] = block[at + 2]
        elif kind == 4 and size == 2:
            out.u8[SACK_OK, row] = 1
        elif kind == 5 and size >= 10 and size % 8 == 2:
            for edge in range(at + 2, at + size, 8):
                line = out.totals[0]
                out.sack[0, line] = row
                out.sack[1, line] = u32(block, edge)
                out.sack[2, line] = u32(block, edge + 4)
                out.totals[0] = line + 1
        elif kind in (2, 3, 4, 5, 8):
            return kind
        at += size
    return -1


@compiled
def _tcp(block: Bytes, at: int, end: int, stop: int, want: int, row: int, out: Rows) -> tuple[int, int]:
    if at + 16 > end:
        return faults.TRANSPORT_CUT, max(0, end - at)
    header = signed(block[at + 12] >> 4) * 4
    out.u16[HAS, row] |= HAS_TCP
    out.u16[FLAGS, row] = u16(block, at + 12) & 0xFFF
    out.u32[SEQ, row] = u32(block, at + 4)
    out.u32[ACK, row] = u32(block, at + 8)
    out.u16[WINDOW, row] = u16(block, at + 14)
    if header < 20 or at + header > stop:
        return faults.TCP_HEADER, header
    out.u16[HAS, row] |= HAS_PAYLOAD
    out.i64[PAYLOAD, row] = stop - at - header
    if want & WANT_OPTIONS and header > 20:
        bad = _tcp_options(block, at + 20, min(end, at + header), row, out)
        if at + header <= end:
            out.u16[HAS, row] |= HAS_OPTIONS
            if bad >= 0:
                return faults.TCP_OPTION, bad
    else:
        out.u16[HAS, row] |= HAS_OPTIONS
    return 0, 0


@compiled
def _udp(at: int, stop: int, row: int, out: Rows) -> tuple[int, int]:
    if at + 8 > stop:
        return faults.TRANSPORT_CUT, stop - at
    out.u16[HAS, row] |= HAS_PAYLOAD
    out.i64[PAYLOAD, row] = stop - at - 8
    return 0, 0


@compiled
def transport(block: Bytes, at: int, end: int, stop: int, want: int, row: int, out: Rows) -> tuple[int, int]:
    """The TCP or UDP header at `at`, in a datagram that ends at `stop` on the wire."""
    if out.u32[FRAGMENT, row] > 0:
        out.u16[HAS, row] |= HAS_PAYLOAD
        out.i64[PAYLOAD, row] = stop - at
        return 0, 0
    if at + 4 > end:
        return faults.TRANSPORT_CUT, max(0, end - at)
    out.u16[HAS, row] |= HAS_PORTS
    out.u16[SRC_PORT, row] = u16(block, at)
    out.u16[DST_PORT, row] = u16(block, at + 2)
    if out.u8[PROTOCOL, row] == TCP:
        return _tcp(block, at, end, stop, want, row, out)
    return _udp(at, stop, row, out)


@compiled
def _sum16(block: Bytes, at: int, end: int) -> int:
    total = 0
    while at + 1 < end:
        total += u16(block, at)
        at += 2
    if at < end:
        total += u8(block, at) << 8
    return total


@compiled
def checksum(block: Bytes, network: int, at: int, end: int, stop: int, row: int, out: Rows) -> None:
    """TCP or UDP checksum of a whole, unfragmented datagram."""
    whole = stop <= end and out.u32[FRAGMENT, row] == 0 and out.u8[MORE, row] == 0
    if not whole or not out.u16[HAS, row] & HAS_PAYLOAD:
        return
    protocol = signed(out.u8[PROTOCOL, row])
    size = stop - at
    if protocol == UDP:
        if u16(block, at + 6) == 0 or not 8 <= u16(block, at + 4) <= size:
            return
        size = u16(block, at + 4)
    total = protocol + (size >> 16) + (size & 0xFFFF) + _sum16(block, at, at + size)
    if out.u8[VERSION, row] == 4:
        total += _sum16(block, network + 12, network + 20)
    else:
        total += _sum16(block, network + 8, network + 40)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    out.u16[HAS, row] |= HAS_CHECKSUM
    out.u8[CHECKSUM, row] = 1 if total == 0xFFFF else 0

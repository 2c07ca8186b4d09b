"""Headers of captured packets to numbers: the compiled half of the packet table.

Enters: a block of bytes and the records in it. Leaves: one row per record in `Rows`, whose `HAS` says which
numbers mean something. No bytes beyond the captured ones are looked at, whatever the headers claim.

Offsets and codes are those of the standards: IEEE 802.3 and 802.1Q, RFC 791, 8200, 9293, 768, 1661, 2675, 7323, 2018.
"""
# ruff: noqa: PLR0913, PLR0917, PLR2004 - compiled loops take numbers, and the numbers are those of the standards

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.io import packet_faults as faults
from zcanalysis.io.packet_bytes import Bytes, signed, u8, u16, u32, u64
from zcanalysis.io.packet_compile import compiled
from zcanalysis.io.pcap_walk import Records

# what a row has, bits of HAS
HAS_VLAN: Final = 1
HAS_IP: Final = 2
HAS_ID: Final = 4
HAS_PORTS: Final = 8
HAS_TCP: Final = 16
HAS_PAYLOAD: Final = 32
HAS_MSS: Final = 64
HAS_SCALE: Final = 128
HAS_TIMES: Final = 256
HAS_CHECKSUM: Final = 512
HAS_OPTIONS: Final = 1024

# rows of the blocks of numbers
VERSION, PROTOCOL, TTL, ECN, DSCP, MORE, SCALE, SACK_OK, CHECKSUM, DIRECTION, FAULT = range(11)
VLAN, SRC_PORT, DST_PORT, FLAGS, WINDOW, MSS, HAS = range(7)
SRC, DST, IP_ID, FRAGMENT, SEQ, ACK, PAYLOAD, TSVAL, TSECR = range(9)
FLOW, FAULT_VALUE = range(2)

# what is wanted, bits
WANT_OPTIONS: Final = 1
WANT_FLOW: Final = 2
WANT_CHECKSUM: Final = 4
WANT_ADDRESSES: Final = 8

CUT: Final = -1
BAD_LINK: Final = -2
NOT_IP: Final = 0
IPV4: Final = 4
IPV6: Final = 6

DETOUR: Final = 2  # in MORE while a packet is decoded: the checksum is over an address in a routing header

TCP: Final = 6
UDP: Final = 17


class Rows(NamedTuple):
    """Decoded numbers, one row a record; reused from batch to batch."""

    u8: npt.NDArray[np.uint8]
    u16: npt.NDArray[np.uint16]
    u32: npt.NDArray[np.uint32]
    u64: npt.NDArray[np.uint64]
    sack: npt.NDArray[np.uint32]  # (row, left, right), one line an edge pair
    totals: npt.NDArray[np.int64]  # lines in sack, HAS bits of every row, HAS bits of any row


class AddressBook(NamedTuple):
    """Addresses met so far, each with a small number: 128 bits are made once per address, not once per packet."""

    high: npt.NDArray[np.uint64]
    low: npt.NDArray[np.uint64]
    slot: npt.NDArray[np.int32]  # open addressing, -1 free
    known: npt.NDArray[np.int64]  # one number: how many


def new_rows(rows: int) -> Rows:
    """Room for `rows` packets.

    A little more than asked for: lines a power of two apart would all fall into the same sets of the CPU's cache.
    """
    rows += 136
    return Rows(
        u8=np.zeros((11, rows), np.uint8),
        u16=np.zeros((7, rows), np.uint16),
        u32=np.zeros((9, rows), np.uint32),
        u64=np.zeros((2, rows), np.uint64),
        sack=np.zeros((3, 4 * rows), np.uint32),
        totals=np.zeros(3, np.int64),
    )


def new_address_book(addresses: int) -> AddressBook:
    """Room for `addresses` different ones, a power of two."""
    return AddressBook(
        high=np.zeros(addresses, np.uint64),
        low=np.zeros(addresses, np.uint64),
        slot=np.full(2 * addresses, -1, np.int32),
        known=np.zeros(1, np.int64),
    )


# --- link layer: kind of network layer, its position, outermost VLAN or -1


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
def _link_layer(block: Bytes, at: int, end: int, link: int) -> tuple[int, int, int]:
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


# --- network layer: protocol (-1 on a fault), position of the transport header, end of the datagram on the wire,
# --- fragment offset, more fragments, fault, its value


@compiled
def _version4(block: Bytes, at: int, end: int, wire_end: int, row: int, out: Rows) -> tuple[int, int, int, int, int]:
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
def _version6(block: Bytes, at: int, end: int, wire_end: int, row: int, out: Rows) -> tuple[int, int, int, int, int]:
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


# --- addresses and flow identity


@compiled
def _mix(state: np.uint64, word: np.uint64) -> np.uint64:
    state = (state ^ word) * np.uint64(0x9FB21C651E98DF25)
    return state ^ (state >> np.uint64(32))


@compiled
def address_number(book: AddressBook, high: np.uint64, low: np.uint64) -> int:
    """The number of an address in the book, which learns it if it is new."""
    mask = signed(book.slot.size - 1)
    at = signed(_mix(_mix(np.uint64(1), low), high) >> np.uint64(20)) & mask
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
def _identity(block: Bytes, at: int, want: int, row: int, out: Rows, book: AddressBook) -> None:
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


# --- transport layer: fault, its value


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
    out.u32[PAYLOAD, row] = stop - at - header
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
    out.u32[PAYLOAD, row] = stop - at - 8
    return 0, 0


@compiled
def _transport(block: Bytes, at: int, end: int, stop: int, want: int, row: int, out: Rows) -> tuple[int, int]:
    if out.u32[FRAGMENT, row] > 0:
        out.u16[HAS, row] |= HAS_PAYLOAD
        out.u32[PAYLOAD, row] = stop - at
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
def _checksum(block: Bytes, network: int, at: int, end: int, stop: int, row: int, out: Rows) -> None:
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


# --- one packet, all packets


@compiled
def _network(
    block: Bytes, kind: int, at: int, end: int, wire_end: int, want: int, row: int, out: Rows
) -> tuple[int, int]:
    """Everything from the IP header on."""
    if kind == IPV4:
        protocol, upper, stop, fault, value = _version4(block, at, end, wire_end, row, out)
    else:
        protocol, upper, stop, fault, value = _version6(block, at, end, wire_end, row, out)
    if protocol in (TCP, UDP):
        later, later_value = _transport(block, upper, min(end, stop), stop, want, row, out)
        if fault == 0:
            fault, value = later, later_value
        if want & WANT_CHECKSUM and fault != faults.IP_LONG:
            _checksum(block, at, upper, end, stop, row, out)
    out.u8[MORE, row] &= 1
    return fault, value


@compiled
def _packet(block: Bytes, records: Records, row: int, want: int, out: Rows, book: AddressBook) -> tuple[int, int]:
    start = records.start[row]
    captured = signed(records.captured_bytes[row])
    wire = signed(records.wire_bytes[row])
    end = start + captured
    kind, at, vlan = _link_layer(block, start, end, signed(records.link[row]))
    if vlan >= 0:
        out.u16[HAS, row] |= HAS_VLAN
        out.u16[VLAN, row] = vlan
    fault, value = 0, 0
    if kind == BAD_LINK:
        return faults.LINK_TYPE, signed(records.link[row])
    if kind == CUT:
        fault, value = faults.LINK_CUT, captured
    elif kind != NOT_IP:
        fault, value = _network(block, kind, at, end, start + max(wire, captured), want, row, out)
        if want & (WANT_ADDRESSES | WANT_FLOW) and out.u16[HAS, row] & HAS_IP:
            _identity(block, at, want, row, out, book)
    if captured > wire:
        return faults.CAPTURED_LONG, wire
    hidden = captured < wire and fault in (faults.LINK_CUT, faults.IP_CUT, faults.EXTENSION, faults.TRANSPORT_CUT)
    return (0, 0) if hidden else (fault, value)


@compiled
def decode(block: Bytes, records: Records, count: int, want: int, out: Rows, book: AddressBook) -> int:
    """Fill `out` for the first `count` records; how many of them have a fault."""
    damaged = 0
    out.totals[0] = 0
    every, some = 0xFFFF, 0
    for row in range(count):
        out.u16[HAS, row] = 0
        out.u32[FRAGMENT, row] = 0
        out.u32[SRC, row] = 0
        out.u32[DST, row] = 0
        out.u8[MORE, row] = 0
        out.u8[SACK_OK, row] = 0
        fault, value = signed(records.fault[row]), records.fault_value[row]
        if records.link[row] >= 0:
            later, later_value = _packet(block, records, row, want, out, book)
            if fault == 0:
                fault, value = later, later_value
        out.u8[FAULT, row] = fault
        out.u64[FAULT_VALUE, row] = np.uint64(value)
        damaged += fault != 0
        every &= signed(out.u16[HAS, row])
        some |= signed(out.u16[HAS, row])
    out.totals[1] = every
    out.totals[2] = some
    return damaged

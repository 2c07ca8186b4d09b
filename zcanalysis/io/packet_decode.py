"""Headers of captured packets to numbers: the compiled half of the packet table.

Enters: a block of bytes and the records in it. Leaves: one row per record in `Rows`, whose `HAS` says which
numbers mean something. No bytes beyond the captured ones are looked at, whatever the headers claim.
"""
# ruff: noqa: PLR0913, PLR0917 - compiled loops take numbers, and the numbers are those of the standards

import numpy as np

from zcanalysis.io import packet_faults as faults
from zcanalysis.io.packet_bytes import Bytes, signed
from zcanalysis.io.packet_compile import compiled
from zcanalysis.io.packet_identity import identity
from zcanalysis.io.packet_layout import (
    DST,
    FAULT,
    FAULT_VALUE,
    FRAGMENT,
    HAS,
    HAS_IP,
    HAS_VLAN,
    MORE,
    SACK_OK,
    SRC,
    TCP,
    UDP,
    VLAN,
    WANT_ADDRESSES,
    WANT_CHECKSUM,
    WANT_FLOW,
    AddressBook,
    Rows,
)
from zcanalysis.io.packet_link import BAD_LINK, CUT, IPV4, NOT_IP, link_layer
from zcanalysis.io.packet_network import version4, version6
from zcanalysis.io.packet_transport import checksum, transport
from zcanalysis.io.pcap_walk import Records


@compiled
def _network(
    block: Bytes, kind: int, at: int, end: int, wire_end: int, want: int, row: int, out: Rows
) -> tuple[int, int]:
    """Everything from the IP header on."""
    if kind == IPV4:
        protocol, upper, stop, fault, value = version4(block, at, end, wire_end, row, out)
    else:
        protocol, upper, stop, fault, value = version6(block, at, end, wire_end, row, out)
    if protocol in (TCP, UDP):
        later, later_value = transport(block, upper, min(end, stop), stop, want, row, out)
        if fault == 0:
            fault, value = later, later_value
        if want & WANT_CHECKSUM and fault != faults.IP_LONG:
            checksum(block, at, upper, end, stop, row, out)
    out.u8[MORE, row] &= 1
    return fault, value


@compiled
def _packet(block: Bytes, records: Records, row: int, want: int, out: Rows, book: AddressBook) -> tuple[int, int]:
    start = records.start[row]
    captured = records.captured_bytes[row]
    wire = records.wire_bytes[row]
    end = start + captured
    kind, at, vlan = link_layer(block, start, end, signed(records.link[row]))
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
            identity(block, at, want, row, out, book)
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

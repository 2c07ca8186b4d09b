"""What is known of a packet and where it stands: lines of the decoded numbers, bits that say which mean something."""

from secrets import randbits
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

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
SRC, DST, IP_ID, FRAGMENT, SEQ, ACK, TSVAL, TSECR = range(8)
FLOW, FAULT_VALUE = range(2)
PAYLOAD = 0

# what is wanted, bits
WANT_OPTIONS: Final = 1
WANT_FLOW: Final = 2
WANT_CHECKSUM: Final = 4
WANT_ADDRESSES: Final = 8

DETOUR: Final = 2  # in MORE while a packet is decoded: the checksum is over an address in a routing header

TCP: Final = 6
UDP: Final = 17


class Rows(NamedTuple):
    """Decoded numbers, one row a record; reused from batch to batch."""

    u8: npt.NDArray[np.uint8]
    u16: npt.NDArray[np.uint16]
    u32: npt.NDArray[np.uint32]
    u64: npt.NDArray[np.uint64]
    i64: npt.NDArray[np.int64]
    sack: npt.NDArray[np.uint32]  # (row, left, right), one line an edge pair
    totals: npt.NDArray[np.int64]  # lines in sack, HAS bits of every row, HAS bits of any row


class AddressBook(NamedTuple):
    """Addresses met so far, each with a small number: 128 bits are made once per address, not once per packet."""

    high: npt.NDArray[np.uint64]
    low: npt.NDArray[np.uint64]
    slot: npt.NDArray[np.int32]  # open addressing, -1 free
    known: npt.NDArray[np.int64]  # one number: how many
    salt: npt.NDArray[np.uint64]  # one number: nobody can send addresses that all want the same slot


def new_rows(rows: int) -> Rows:
    """Room for `rows` packets.

    A little more than asked for: lines a power of two apart would all fall into the same sets of the CPU's cache.
    """
    rows += 136
    return Rows(
        u8=np.zeros((11, rows), np.uint8),
        u16=np.zeros((7, rows), np.uint16),
        u32=np.zeros((8, rows), np.uint32),
        u64=np.zeros((2, rows), np.uint64),
        i64=np.zeros((1, rows), np.int64),
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
        salt=np.array([randbits(64) | 1], np.uint64),
    )

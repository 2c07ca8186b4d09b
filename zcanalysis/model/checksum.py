"""The checksum: whether the payload is summed, where, and in a pass of its own or fused with the copy."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from zcanalysis.model.arrays import Bytes, Codes, Floats, Mask, Nanoseconds, require, whole_ns

AT_ONCE_BYTES = 76  # skb->len <= 76: 2.4.17 net/ipv4/tcp_ipv4.c:1520; CHECKSUM_BREAK, 6.18 include/linux/skbuff.h:4816


class Summed(IntEnum):
    """What the card says of the sum: skb->ip_summed with the numbers of linux-6 (in 2.4 COMPLETE is called HW)."""

    NONE = 0
    UNNECESSARY = 1
    COMPLETE = 2
    PARTIAL = 3


class Card(IntEnum):
    """What a card can sum (D. Miller, linux.conf.au, January 2001)."""

    NONE = 0
    IPV4 = 1  # TCP and UDP over IPv4, whole packets: it reads their headers
    IPV4_IPV6 = 2  # over either
    ANY_DATA = 3  # it adds up all bytes and leaves the meaning to the kernel


class Pass(IntEnum):
    """Where the payload is summed."""

    NEVER = 0
    AT_ONCE = 1  # in softirq, small packets
    SOFTIRQ = 2
    READER = 3  # in process context, a pass of its own
    FUSED = 4  # in process context, while copying


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """Price of a sum."""

    gbytes_per_s: float  # one GB/s is one byte per nanosecond
    packet_ns: float = 0.0
    fused_share: float = 0.0  # of a pass's time that remains when fused: 0 where memory is the limit (assumed)

    def __post_init__(self) -> None:
        require(self.gbytes_per_s, "gbytes_per_s", 0, beyond=True)
        require(self.packet_ns, "packet_ns", 0)
        require(self.fused_share, "fused_share", 0)


# 704 cycles/KB with cold caches at 1.2 GHz: Denis Vlasenko, linux-kernel, October 2002 (Celeron 1200).
CELERON_1200 = Checksum(gbytes_per_s=1024 / (704 / 1.2))


class ChecksumTime(NamedTuple):
    """What a sum costs, by who pays."""

    softirq_ns: Nanoseconds
    reader_ns: Nanoseconds


def summed_by_card(card: Card, ipv6: Mask, fragment: Mask) -> Codes:
    """What the card says of each packet; shape (...), of Summed.

    Parameters
    ----------
    card
        What it can sum.
    ipv6, fragment
        Shape (...). The packet is of IPv6; it is a piece of a datagram, whose checksum is of all pieces together.

    Notes
    -----
    Of 2.4: 3c59x's boomerang_rx says UNNECESSARY where the card found the sums of IP and TCP or UDP right; acenic hands
    on the card's sum (HW, today COMPLETE) and adds the pseudo header itself.
    """
    readable = ~fragment & ((card == Card.IPV4_IPV6) | ((card == Card.IPV4) & ~ipv6))
    return np.select([np.full(fragment.shape, card == Card.ANY_DATA), readable], [Summed.COMPLETE, Summed.UNNECESSARY])


def summed_at_tcp(ip_summed: Codes, padded: Mask, hooked: Mask) -> Codes:
    """What is left of the card's verdict when a packet of linux-2.4 reaches TCP.

    Parameters
    ----------
    ip_summed
        Shape (..., n), of Summed.
    padded
        Shape (..., n). The frame was longer than the packet: ip_rcv trims it (2.4.17 net/ipv4/ip_input.c:435-439).
    hooked
        Shape (..., n). A netfilter hook is registered (2.4.17 net/core/netfilter.c:445-465).
    """
    return np.where((ip_summed == Summed.COMPLETE) & (padded | hooked), Summed.NONE, ip_summed)


def pass_of_linux_2_4(ip_summed: Codes, tcp_bytes: Bytes, *, in_process: Mask, eaten: Mask, fits: Mask) -> Codes:
    """Where linux-2.4 sums each packet.

    Parameters
    ----------
    ip_summed
        Shape (..., n), of Summed; COMPLETE where the card's sum is right, NONE where it is not.
    tcp_bytes
        Shape (..., n). TCP header and payload.
    in_process
        Shape (..., n). It waited in the prequeue or in the backlog of an owned socket.
    eaten
        Shape (..., n). Copied to the waiting reader by tcp_rcv_established's fast path (in process context only).
    fits
        Shape (..., n). The reader's first buffer takes the whole payload (2.4.17 net/core/datagram.c:379-383).

    Notes
    -----
    tcp_v4_checksum_init (2.4.17 net/ipv4/tcp_ipv4.c:1509-1531), tcp_rcv_established (tcp_input.c:3223-3439).
    """
    verified = (ip_summed == Summed.UNNECESSARY) | (ip_summed == Summed.COMPLETE)
    where = [verified, tcp_bytes <= AT_ONCE_BYTES, ~in_process, eaten & fits]
    return np.select(where, [Pass.NEVER, Pass.AT_ONCE, Pass.SOFTIRQ, Pass.FUSED], Pass.READER)


def pass_of_linux_6(ip_summed: Codes, tcp_bytes: Bytes) -> Codes:
    """Where linux-6 sums each packet: in softirq if at all; TCP has no fused pass any more.

    Parameters
    ----------
    ip_summed
        Shape (..., n), of Summed.
    tcp_bytes
        Shape (..., n). TCP header and payload.

    Notes
    -----
    skb_checksum_init (6.18 include/linux/skbuff.h:4736-4893); under GRO tcp4_gro_receive sums, without it
    tcp_rcv_established or tcp_add_backlog (net/ipv4/tcp_ipv4.c:2023-2163), all in softirq.
    """
    at_once = tcp_bytes <= AT_ONCE_BYTES
    return np.select([ip_summed != Summed.NONE, at_once], [Pass.NEVER, Pass.AT_ONCE], Pass.SOFTIRQ)


def checksum_ns(where: Codes, tcp_bytes: Bytes, checksum: Checksum) -> ChecksumTime:
    """What each packet's sum costs softirq and reader; of a fused one what it adds to the copy.

    Parameters
    ----------
    where
        Shape (..., n), of Pass.
    tcp_bytes
        Shape (..., n). What is summed.
    checksum
        Its price.
    """
    pass_ns: Floats = checksum.packet_ns + tcp_bytes / checksum.gbytes_per_s
    in_softirq = (where == Pass.AT_ONCE) | (where == Pass.SOFTIRQ)
    share = np.select([where == Pass.READER, where == Pass.FUSED], [1.0, checksum.fused_share], 0.0)
    return ChecksumTime(whole_ns(np.where(in_softirq, pass_ns, 0.0)), whole_ns(share * pass_ns))

"""Defragmentation: fragments wait for their datagram, which is then copied together (2.4.0) or chained."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from zcanalysis.model.arrays import Bytes, Codes, Floats, Groups, Mask, Nanoseconds, Rows, require, whole_ns
from zcanalysis.model.checksum import Summed
from zcanalysis.model.queueing import fifo_departure_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Defragmentation:
    """Price of putting a datagram together."""

    copies: int  # of all its bytes
    gbytes_per_s: float  # of one copy; one GB/s is one byte per nanosecond
    fragment_ns: float = 0.0  # find the datagram, insert the fragment
    datagram_ns: float = 0.0  # allocate and hand on

    def __post_init__(self) -> None:
        require(self.copies, "copies", 0)
        require(self.gbytes_per_s, "gbytes_per_s", 0, beyond=True)
        require(self.fragment_ns, "fragment_ns", 0)
        require(self.datagram_ns, "datagram_ns", 0)


COPIES_OF_2_4_0 = 1  # ip_frag_reasm copies into one new skb: 2.4.0 net/ipv4/ip_fragment.c:510-584
COPIES_OF_2_4_17 = 0  # the rest hangs on the first one's frag_list: 2.4.17 net/ipv4/ip_fragment.c:508-578; 6.18 too


def copies(chaining: int, *, linear_reader: bool) -> int:
    """How often a datagram is copied before whoever reads it has it.

    Parameters
    ----------
    chaining
        COPIES_OF_2_4_0 or COPIES_OF_2_4_17.
    linear_reader
        Who reads it wants one piece: a netfilter hook (2.4.17 net/core/netfilter.c:445-465) or knfsd
        (net/sunrpc/svcsock.c:384-399). One copy more of a chain; 2.4.0's is in one piece already.

    Examples
    --------
    >>> [copies(chaining, linear_reader=True) for chaining in (COPIES_OF_2_4_0, COPIES_OF_2_4_17)]
    [1, 1]
    """
    return max(chaining, int(linear_reader))


class Fragments(NamedTuple):
    """What each packet is; shape (n,) each."""

    datagram: Groups  # the same number for all fragments of a datagram and for nothing else
    offset_bytes: Bytes
    payload_bytes: Bytes  # behind the IP header
    more: Mask  # more fragments follow: not the datagram's end


class Datagrams(NamedTuple):
    """For each packet: the row that completes its datagram, and the datagram's bytes; both -1 if none does."""

    completed_by: Rows
    datagram_bytes: Bytes


class Reassembled(NamedTuple):
    """When each packet's datagram is whole; rows of datagrams that overlap are not in order of time."""

    departure_ns: Nanoseconds
    dropped: Mask  # its datagram never became whole


def datagrams(fragments: Fragments) -> Datagrams:
    """Which packet completes each datagram.

    Parameters
    ----------
    fragments
        In order of arrival, none twice and none overlapping (linux-6 drops such datagrams, 2.4 trims).

    Notes
    -----
    A datagram is whole when its end is known and as many bytes are there (ip_frag_queue: FIRST_IN, LAST_IN and
    meat == len, net/ipv4/ip_fragment.c of 2.4 and 6.18). The timer of 30 s and the limit on waiting bytes (256 KB in
    2.4.17, ip_fragment.c:51-57) are not modelled: what is not whole in the end counts as dropped.
    """
    _, of = np.unique(fragments.datagram, return_inverse=True)
    row = np.arange(of.size)
    there = np.bincount(of, weights=fragments.payload_bytes).astype(np.int64)
    ends = np.full(there.size, -1, dtype=np.int64)
    last = ~fragments.more
    ends[of[last]] = (fragments.offset_bytes + fragments.payload_bytes)[last]
    completed_by = np.zeros(there.size, dtype=np.int64)
    np.maximum.at(completed_by, of, row)
    whole = there == ends
    return Datagrams(np.where(whole, completed_by, -1)[of], np.where(whole, there, -1)[of])


def summed_datagrams(fragments: Fragments, ip_summed: Codes) -> Codes:
    """What is left of the card's verdicts when a datagram is whole; shape (n,), the same for all its packets.

    Parameters
    ----------
    fragments
        The packets.
    ip_summed
        Shape (n,), of Summed: what the card said of each.

    Notes
    -----
    Sums of all pieces are added; pieces of which different things were said are summed anew. A piece that is not the
    last and no multiple of 8 long is cut, and its sum is void (ip_frag_queue and ip_frag_reasm, 2.4.17
    net/ipv4/ip_fragment.c).
    """
    _, of = np.unique(fragments.datagram, return_inverse=True)
    cut = fragments.more & (fragments.payload_bytes % 8 != 0)
    said = np.where(cut, Summed.NONE, ip_summed)
    least, most = np.full(of.max(initial=-1) + 1, max(Summed)), np.zeros(of.max(initial=-1) + 1, dtype=np.int64)
    np.minimum.at(least, of, said)
    np.maximum.at(most, of, said)
    return np.where(least == most, least, Summed.NONE)[of]


def defragmentation_ns(fragments: Fragments, found: Datagrams, prices: Defragmentation) -> Nanoseconds:
    """What each packet costs: its own insertion, and the whole datagram for the one that completes it.

    Parameters
    ----------
    fragments, found
        The packets and their datagrams. A packet that is a datagram by itself is not touched.
    prices
        Of insertion, datagram and copies.
    """
    fragmented = fragments.more | (fragments.offset_bytes > 0)
    completes = fragmented & (found.completed_by == np.arange(fragmented.size))
    whole_datagram_ns = prices.datagram_ns + prices.copies * found.datagram_bytes / prices.gbytes_per_s
    each_ns: Floats = np.where(fragmented, prices.fragment_ns, 0.0) + np.where(completes, whole_datagram_ns, 0.0)
    return whole_ns(each_ns)


def through_defragmentation(arrival_ns: Nanoseconds, fragments: Fragments, prices: Defragmentation) -> Reassembled:
    """When each packet's datagram is whole, on a CPU that does nothing else.

    Parameters
    ----------
    arrival_ns
        Shape (n,), non-decreasing.
    fragments, prices
        What the packets are and what putting together costs.
    """
    found = datagrams(fragments)
    done_ns = fifo_departure_ns(arrival_ns, defragmentation_ns(fragments, found, prices))
    dropped = found.completed_by < 0
    return Reassembled(np.where(dropped, done_ns, done_ns[found.completed_by]), dropped)

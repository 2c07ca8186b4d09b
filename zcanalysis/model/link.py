"""The link: packets get their framing and go out bit by bit, and arrive one propagation later."""

from dataclasses import dataclass

import numpy as np

from zcanalysis.model.arrays import Bytes, Floats, Nanoseconds, Rows, require, whole_ns
from zcanalysis.model.queueing import fifo_departure_ns

TCP_IPV4_HEADER_BYTES = 52  # IPv4 20 (RFC 791), TCP 20 (RFC 9293), the aligned timestamp option 12 (RFC 7323 app. A)


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """What a link puts around each packet."""

    header_bytes: int
    trailer_bytes: int
    least_bytes: int  # header, packet and trailer are padded to this
    gap_bytes: int  # before and after, when nobody else may send


# IEEE 802.3-2022: 14 bytes of addresses and type, 4 of FCS, minFrameSize 64 (clause 3.2, 4A.4.2), 8 of preamble and
# start delimiter (3.2.1), interPacketGap 96 bit (4A.4.2).
ETHERNET = Framing(header_bytes=14, trailer_bytes=4, least_bytes=64, gap_bytes=8 + 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Speed, length and packet size of one direction of a link."""

    gbits_per_s: float
    mtu_bytes: int = 1500
    propagation_ns: int = 0
    framing: Framing = ETHERNET

    def __post_init__(self) -> None:
        require(self.gbits_per_s, "gbits_per_s", 0, beyond=True)
        require(self.mtu_bytes, "mtu_bytes", 68)  # RFC 791: every module must forward 68 bytes
        require(self.propagation_ns, "propagation_ns", 0)


def wire_packets(l3_bytes: Bytes, link: Link, *, header_bytes: int = TCP_IPV4_HEADER_BYTES) -> Rows:
    """How many packets on the wire each record of a capture was: more than one where it exceeds the MTU.

    Parameters
    ----------
    l3_bytes
        Shape (..., n). From the IP header on.
    link, header_bytes
        The MTU, and the headers that every packet repeats.

    Examples
    --------
    >>> wire_packets(np.array([40, 1500, 52 + 3 * 1448]), Link(gbits_per_s=10)).tolist()
    [1, 1, 3]
    """
    room_bytes = link.mtu_bytes - header_bytes
    packets: Rows = np.maximum(-(-(l3_bytes - header_bytes) // room_bytes), 1)
    return packets


def wire_bytes(l3_bytes: Bytes, link: Link, *, header_bytes: int = TCP_IPV4_HEADER_BYTES) -> Bytes:
    """Bytes of the link's time that each record takes, framing and gaps included.

    Parameters
    ----------
    l3_bytes
        Shape (..., n). A record above the MTU counts as the packets it was cut into.
    link, header_bytes
        As for wire_packets.

    Notes
    -----
    Only a packet that is alone is padded: of those of one record at most the last is short, by header_bytes + 1 at
    least, which is above Ethernet's 64 bytes for TCP.
    """
    packets = wire_packets(l3_bytes, link, header_bytes=header_bytes)
    framing = link.framing
    around_bytes = framing.header_bytes + framing.trailer_bytes
    framed_bytes = l3_bytes + (packets - 1) * header_bytes + packets * around_bytes
    padded_bytes: Bytes = np.maximum(framed_bytes, framing.least_bytes)
    return padded_bytes + packets * framing.gap_bytes


def serialisation_ns(l3_bytes: Bytes, link: Link) -> Nanoseconds:
    """How long the link is busy with each record.

    Parameters
    ----------
    l3_bytes
        Shape (..., n).
    link
        Its speed and framing.
    """
    return whole_ns(wire_bytes(l3_bytes, link) * 8 / link.gbits_per_s)


def link_departure_ns(arrival_ns: Nanoseconds, l3_bytes: Bytes, link: Link) -> Nanoseconds:
    """When the last bit of each packet reaches the far end.

    Parameters
    ----------
    arrival_ns
        Shape (..., n), non-decreasing. When the sender hands it to the link.
    l3_bytes
        Shape (..., n).
    link
        The direction it takes.
    """
    return fifo_departure_ns(arrival_ns, serialisation_ns(l3_bytes, link)) + link.propagation_ns


def payload_share(payload_bytes: Bytes, l3_bytes: Bytes, link: Link) -> Floats:
    """Share of the link's time that carries payload: the rest is the blame row `framing`.

    Parameters
    ----------
    payload_bytes, l3_bytes
        Shape (..., n).
    link
        Its framing.

    Examples
    --------
    >>> payload_share(np.array([1448]), np.array([1500]), Link(gbits_per_s=10)).round(4).tolist()
    [0.9415]
    """
    share: Floats = payload_bytes / wire_bytes(l3_bytes, link)
    return share

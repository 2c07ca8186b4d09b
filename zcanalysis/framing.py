"""What a packet takes of a link besides its payload, and what the link carries then."""

from typing import Final

ETHERNET_HEADER_BYTES: Final = 14
IPV4_TCP_TIMESTAMPS_BYTES: Final = 20 + 20 + 12
PREAMBLE_FCS_GAP_BYTES: Final = 24  # preamble 8, frame check 4, inter-packet gap 12 (IEEE 802.3)


def segment_bytes(mtu: int) -> int:
    """Payload of a full packet: TCP over IPv4 with timestamps."""
    return max(mtu - IPV4_TCP_TIMESTAMPS_BYTES, 1)


def framing_bytes(*, physical: bool | None) -> int:
    """The rest of it: headers, and on a real wire preamble, frame check and gap; None, nobody knows, is no wire."""
    return IPV4_TCP_TIMESTAMPS_BYTES + ETHERNET_HEADER_BYTES + (PREAMBLE_FCS_GAP_BYTES if physical else 0)


def payload_gbps(link_gbps: float, payload_bytes: float, more_bytes: int) -> float:
    """Payload that a link carries in packets of one size.

    Parameters
    ----------
    link_gbps
        Its rate, all bytes counted; infinity for none.
    payload_bytes, more_bytes
        Of each packet, > 0 and >= 0: payload, and what it takes besides.

    Examples
    --------
    >>> round(payload_gbps(10.0, segment_bytes(1500), framing_bytes(physical=True)), 2)
    9.41
    """
    return link_gbps * payload_bytes / (payload_bytes + more_bytes)

"""What can be wrong with one record: a code for the compiled loops, a sentence for the reader."""

from typing import Final

LINK_TYPE: Final = 1
LINK_CUT: Final = 2
IP_CUT: Final = 3
IP_VERSION: Final = 4
IP_HEADER: Final = 5
IP_SHORT: Final = 6
IP_LONG: Final = 7
EXTENSION: Final = 8
TRANSPORT_CUT: Final = 9
TCP_HEADER: Final = 10
TCP_OPTION: Final = 11
CAPTURED_LONG: Final = 12
NO_INTERFACE: Final = 13
BLOCK_SMALL: Final = 14
TIME_RANGE: Final = 15

SENTENCE: Final = {
    LINK_TYPE: "link type {} is not decoded",
    LINK_CUT: "link header cut off: the packet has only {} bytes",
    IP_CUT: "IP header cut off: only {} bytes of it",
    IP_VERSION: "IP version {} where the link header announced another",
    IP_HEADER: "IPv4 header length {} bytes, at least 20 needed",
    IP_SHORT: "IP length {} bytes is shorter than its own header",
    IP_LONG: "IP length {} bytes is longer than the packet on the wire",
    EXTENSION: "IPv6 extension headers run past the packet, at header type {}",
    TRANSPORT_CUT: "TCP or UDP header cut off: only {} bytes of it",
    TCP_HEADER: "TCP header length {} bytes does not fit its segment",
    TCP_OPTION: "TCP option kind {} has an impossible length",
    CAPTURED_LONG: "more bytes captured than the {} on the wire",
    NO_INTERFACE: "interface {} was never described in this section",
    BLOCK_SMALL: "record claims {} captured bytes, more than its block holds",
    TIME_RANGE: "time stamp {} s is beyond what 64 bits of nanoseconds hold",
}


def fault_text(code: int, value: int) -> str:
    """The sentence for one fault.

    Examples
    --------
    >>> fault_text(IP_HEADER, 8)
    'IPv4 header length 8 bytes, at least 20 needed'
    """
    return SENTENCE[code].format(value)

"""Addresses of a network device, asked by netlink: no program has to be there, no name has to be printable.

Layouts are kernel ABI: include/uapi/linux/{if_addr,rtnetlink}.h.
"""

import socket
import struct
from typing import Final

from zcanalysis.recorder.sockets import (
    NLM_F_REQUEST_DUMP,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLMSG_HEADER,
    RECEIVE_BYTES,
    TIMEOUT_SECONDS,
    attributes,
    messages,
)

RTM_NEWADDR: Final = 20
RTM_GETADDR: Final = 22
ADDRESS_MESSAGE: Final = struct.Struct("=BBBBI")
IFA_ADDRESS: Final = 1
IFA_LOCAL: Final = 2


def device_addresses(device: str) -> tuple[str, ...] | None:
    """Its IPv4 and IPv6 addresses in this namespace; None when the kernel does not say."""
    try:
        return parse_addresses(_dump_addresses(), socket.if_nametoindex(device))
    except OSError:
        return None


def _dump_addresses() -> bytes:
    request = ADDRESS_MESSAGE.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
    header = NLMSG_HEADER.pack(NLMSG_HEADER.size + len(request), RTM_GETADDR, NLM_F_REQUEST_DUMP, 1, 0)
    answer = b""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(TIMEOUT_SECONDS)
        netlink.send(header + request)
        while True:
            part = netlink.recv(RECEIVE_BYTES)
            answer += part
            kinds = {kind for kind, _ in messages(part)}
            if NLMSG_ERROR in kinds:
                raise OSError("the kernel does not list its addresses")
            if NLMSG_DONE in kinds:
                return answer


def parse_addresses(dump: bytes, index: int) -> tuple[str, ...]:
    """The local addresses of one device in a netlink answer, in the kernel's order."""
    found = []
    for kind, body in messages(dump):
        if kind != RTM_NEWADDR:
            continue
        family, _, _, _, owner = ADDRESS_MESSAGE.unpack_from(body)
        named = dict(attributes(body[ADDRESS_MESSAGE.size :]))
        packed = named.get(IFA_LOCAL, named.get(IFA_ADDRESS))  # on a point-to-point link the second is the peer's
        if owner == index and packed is not None and family in (socket.AF_INET, socket.AF_INET6):
            found.append(socket.inet_ntop(family, packed))
    return tuple(found)

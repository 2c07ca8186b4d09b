"""TCP sockets of this network namespace, asked by netlink: what `ss -tim` prints, without a process.

One dump takes about half a millisecond, so sockets are read as often as every other counter.
Layouts are kernel ABI: include/uapi/linux/{inet_diag,sock_diag,tcp}.h; `tcp_info` only ever grows at its end.
"""

import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

NETLINK_SOCK_DIAG: Final = 4
SOCK_DIAG_BY_FAMILY: Final = 20
NLM_F_REQUEST: Final = 0x1
NLM_F_REQUEST_DUMP: Final = 0x301
NLMSG_ERROR: Final = 2
NLMSG_DONE: Final = 3
NLMSG_HEADER: Final = struct.Struct("=IHHII")
DIAG_MESSAGE_BYTES: Final = 72
STATES: Final = (1 << 1) | (1 << 8)  # established, close-wait
INET_DIAG_INFO: Final = 2
INET_DIAG_SKMEMINFO: Final = 7
EXTENSIONS: Final = (1 << (INET_DIAG_INFO - 1)) | (1 << (INET_DIAG_SKMEMINFO - 1))
IDENTITY_BYTES: Final = 48
RECEIVE_BYTES: Final = 1 << 15  # what the kernel fills at most; more would be mapped anew at each call
TIMEOUT_SECONDS: Final = 2.0

U32_FIELDS: Final = {
    "rtt_us": 68, "snd_cwnd": 80, "rcv_ssthresh": 64, "rcv_rtt_us": 92, "rcv_space": 96, "total_retrans": 100,
    "unacked": 24, "snd_mss": 16, "rcv_mss": 20, "segs_out": 136, "segs_in": 140, "notsent_bytes": 144,
    "min_rtt_us": 148, "data_segs_in": 152, "data_segs_out": 156, "rcv_ooopack": 224, "snd_wnd": 228, "rcv_wnd": 232,
}  # fmt: skip
U64_FIELDS: Final = {
    "bytes_acked": 120, "bytes_received": 128, "busy_us": 168, "rwnd_limited_us": 176,
    "sndbuf_limited_us": 184, "bytes_sent": 200,
}  # fmt: skip


class TcpSocket(NamedTuple):
    """One TCP connection as its local end sees it."""

    local: str
    local_port: int
    peer: str
    peer_port: int
    inode: int
    identity: bytes
    """Family and `struct inet_diag_sockid`, for `ask_sockets`."""
    counters: Mapping[str, int]

    @property
    def name(self) -> str:
        """Like `10.77.0.2:5201>10.77.0.1:41822`; IPv6 addresses in brackets."""
        return f"{_bracketed(self.local)}:{self.local_port}>{_bracketed(self.peer)}:{self.peer_port}"


def moved_bytes(connection: TcpSocket) -> int:
    """Payload it has received and sent so far."""
    return connection.counters.get("bytes_received", 0) + connection.counters.get("bytes_acked", 0)


def dump_sockets() -> bytes:
    """The kernel's answer, undecoded: all TCP connections of this namespace, IPv4 and IPv6.

    Raises
    ------
    OSError
        If the kernel has no inet_diag or does not answer.
    """
    with netlink_socket() as netlink:
        return dump_over(netlink)


def netlink_socket() -> socket.socket:
    """A netlink socket that asks about the sockets of the namespace it is made in."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
    made.settimeout(TIMEOUT_SECONDS)
    return made


def dump_over(netlink: socket.socket) -> bytes:
    """As `dump_sockets`, over a netlink socket that may be another namespace's."""
    return b"".join(_dump_family(netlink, family) for family in (socket.AF_INET, socket.AF_INET6))


def ask_sockets(identities: Iterable[bytes]) -> bytes:
    """The kernel's answers about single connections, one after the other; an error for each that is gone.

    A dump walks the whole table of connections of the machine (0.4 ms for each family where it is cold); this asks for
    one by its hash.

    Parameters
    ----------
    identities
        Family and `struct inet_diag_sockid` of each, as `parse_sockets` gives them.
    """
    with netlink_socket() as netlink:
        return ask_over(netlink, identities)


def ask_over(netlink: socket.socket, identities: Iterable[bytes]) -> bytes:
    """As `ask_sockets`, over a netlink socket that may be another namespace's."""
    return b"".join(_asked(netlink, identity) for identity in identities)


def _asked(netlink: socket.socket, identity: bytes) -> bytes:
    request = struct.pack("=BBBxI", identity[0], socket.IPPROTO_TCP, EXTENSIONS, STATES) + identity[1:]
    netlink.send(NLMSG_HEADER.pack(16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0) + request)
    return netlink.recv(RECEIVE_BYTES)


def _dump_family(netlink: socket.socket, family: int) -> bytes:
    request = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, EXTENSIONS, STATES) + bytes(IDENTITY_BYTES)
    header = NLMSG_HEADER.pack(16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, 1, 0)
    netlink.send(header + request)
    answer = b""
    while True:
        part = netlink.recv(RECEIVE_BYTES)
        answer += part
        if any(kind in (NLMSG_DONE, NLMSG_ERROR) for kind, _ in messages(part)):
            return answer


def messages(dump: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and body of each netlink message, up to the first that is damaged."""
    offset = 0
    while offset + NLMSG_HEADER.size <= len(dump):
        length, kind, *_ = NLMSG_HEADER.unpack_from(dump, offset)
        if length < NLMSG_HEADER.size:
            return
        yield kind, dump[offset + NLMSG_HEADER.size : offset + length]
        offset += (length + 3) & ~3


def parse_sockets(dump: bytes) -> list[TcpSocket]:
    """The connections in an answer of `dump_sockets`; counters that this kernel does not give are absent."""
    return [_tcp_socket(body) for kind, body in messages(dump) if kind == SOCK_DIAG_BY_FAMILY]


def _tcp_socket(body: bytes) -> TcpSocket:
    local_port, peer_port = struct.unpack_from(">HH", body, 4)
    recv_q, send_q, _uid, inode = struct.unpack_from("=IIII", body, 56)
    counters = {"recv_q": recv_q, "send_q": send_q}
    for kind, payload in attributes(body[DIAG_MESSAGE_BYTES:]):
        if kind == INET_DIAG_INFO:
            counters |= tcp_info_counters(payload)
        elif kind == INET_DIAG_SKMEMINFO and len(payload) >= 8:  # noqa: PLR2004 - two u32
            counters["rmem_alloc"], counters["rcvbuf"] = struct.unpack_from("=II", payload)
    family = body[0]
    return TcpSocket(
        _address(family, body[8:24]),
        local_port,
        _address(family, body[24:40]),
        peer_port,
        inode,
        body[:1] + body[4 : 4 + IDENTITY_BYTES],
        counters,
    )


def attributes(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and content of each netlink attribute, up to the first that is damaged."""
    offset = 0
    while offset + 4 <= len(payload):
        length, kind = struct.unpack_from("=HH", payload, offset)
        if length < 4:  # noqa: PLR2004 - its own header
            return
        yield kind, payload[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def tcp_info_counters(info: bytes) -> dict[str, int]:
    """Counters of a `struct tcp_info`; those beyond its end are absent."""
    counters = {"snd_wscale": info[6] & 15, "rcv_wscale": info[6] >> 4, "app_limited": info[7] & 1}
    for name, offset in U32_FIELDS.items():
        if offset + 4 <= len(info):
            counters[name] = struct.unpack_from("=I", info, offset)[0]
    for name, offset in U64_FIELDS.items():
        if offset + 8 <= len(info):
            counters[name] = struct.unpack_from("=Q", info, offset)[0]
    return counters


def _address(family: int, packed: bytes) -> str:
    if family == socket.AF_INET:
        return str(IPv4Address(packed[:4]))
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address

"""Small captures written by hand: bytes of packets and of the files that hold them."""

import ipaddress
import os
import re
import struct
from collections.abc import Sequence
from pathlib import Path


def tcp(
    *,
    src_port=40000,
    dst_port=5201,
    seq=1000,
    ack=0,
    flags=0x10,
    window=512,
    options=b"",
    payload=b"",
):
    """A TCP segment; options are padded to a multiple of four."""
    options += b"\0" * (-len(options) % 4)
    head = struct.pack(">HHIIHHHH", src_port, dst_port, seq, ack, (5 + len(options) // 4) << 12 | flags, window, 0, 0)
    return head + options + payload


def udp(*, src_port=4000, dst_port=53, payload=b"", checksum=0):
    return struct.pack(">HHHH", src_port, dst_port, 8 + len(payload), checksum) + payload


def ipv4(
    upper,
    *,
    src="10.0.0.1",
    dst="10.0.0.2",
    protocol=6,
    identification=7,
    fragment=0,
    more=False,
    length=None,
    options=b"",
    tos=0,
    ttl=64,
):
    """An IPv4 packet; `fragment` in bytes, `length` overrides the total length."""
    header = 20 + len(options)
    return (
        struct.pack(
            ">BBHHHBBH",
            0x40 | header // 4,
            tos,
            header + len(upper) if length is None else length,
            identification,
            more << 13 | fragment // 8,
            ttl,
            protocol,
            0,
        )
        + ipaddress.IPv4Address(src).packed
        + ipaddress.IPv4Address(dst).packed
        + options
        + upper
    )


def ipv6(upper, *, src="fd00::1", dst="fd00::2", protocol=6, length=None, traffic_class=0, hop_limit=64):
    """An IPv6 packet; extension headers are part of `upper`."""
    payload = len(upper) if length is None else length
    return (
        struct.pack(">IHBB", 6 << 28 | traffic_class << 20, payload, protocol, hop_limit)
        + ipaddress.IPv6Address(src).packed
        + ipaddress.IPv6Address(dst).packed
        + upper
    )


def ethernet(network, *, ethertype=None, vlans: Sequence[int] = ()):
    """An Ethernet packet, padded to 60 bytes; the first tag is the outermost."""
    kind = ethertype if ethertype is not None else (0x0800 if network[0] >> 4 == 4 else 0x86DD)
    tags = b"".join(struct.pack(">HH", 0x8100, vlan) for vlan in vlans)
    return (bytes(12) + tags + struct.pack(">H", kind) + network).ljust(60, b"\0")


def mss(value):
    return struct.pack(">BBH", 2, 4, value)


def window_scale(shift):
    return struct.pack(">BBB", 3, 3, shift)


def sack(*edges):
    return struct.pack(">BB", 5, 2 + 8 * len(edges)) + b"".join(struct.pack(">II", *edge) for edge in edges)


def timestamps(tsval, tsecr):
    return struct.pack(">BBII", 8, 10, tsval, tsecr)


def pcap(
    packets, *, order="<", magic=0xA1B2C3D4, link=1, ts_ticks=None, tick=1, snap_bytes=1 << 18, wire_bytes=None
) -> bytes:
    """A pcap file; the n-th packet is `tick` times n ticks after 1,700,000,000 s unless `ts_ticks` says otherwise."""
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap_bytes, link)]
    for number, packet in enumerate(packets):
        ticks = number * tick if ts_ticks is None else ts_ticks[number]
        shown = packet[:snap_bytes]
        wire = len(packet) if wire_bytes is None else wire_bytes
        out.append(struct.pack(order + "IIII", 1_700_000_000, ticks, len(shown), wire) + shown)
    return b"".join(out)


def block(kind, body, *, order="<") -> bytes:
    """A pcapng block."""
    body += b"\0" * (-len(body) % 4)
    size = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + size + body + size


def section(*, order="<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order=order)


def interface(*, link=1, snap_bytes=0, options=(), order="<") -> bytes:
    """An interface block; options are (code, value bytes)."""
    body = struct.pack(order + "HHI", link, 0, snap_bytes)
    for code, value in options:
        body += struct.pack(order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)
    return block(1, body, order=order)


def packet_block(packet, *, number=0, ticks=0, wire_bytes=None, order="<") -> bytes:
    """An enhanced packet block."""
    wire = len(packet) if wire_bytes is None else wire_bytes
    body = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(packet), wire)
    return block(6, body + packet + b"\0" * (-len(packet) % 4), order=order)


def saved(folder: Path, content: bytes, name="capture.pcap") -> Path:
    """The content in a file."""
    path = folder / name
    path.write_bytes(content)
    return path


SHARED = Path(os.environ.get("ZC_SHARED", "../shared")) / "data"
CAPTURE_NAME = re.compile(r"\.(p?cap(ng)?|dmp|trace)(\.gz)?$")


def real_captures() -> list[Path]:
    """Captures that nobody here wrote; one in six of the many small ones unless ``ZC_ALL_CAPTURES`` is set."""
    found = []
    for folder, step in (("pcap", 1), ("prequeue-kernel", 3), ("pcap/zeek-tcp", 6)):
        paths = [path for path in sorted((SHARED / folder).glob("*")) if CAPTURE_NAME.search(path.name)]
        found += paths[:: 1 if os.environ.get("ZC_ALL_CAPTURES") else step]
    return found

"""Good files to start from: our own builders, the recordings, and real captures where they are at hand."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests import builders as make
from zcanalysis.io.compressed import open_bytes

LONGEST: Final = 8192
TRACES: Final = Path("traces")


def captures() -> list[bytes]:
    """Openings of captures."""
    return [*_built(), *map(_opening, sorted(TRACES.glob("*/capture.pcap*"))), *map(_opening, make.real_captures())]


def perf_texts() -> list[bytes]:
    """Openings of what perf script prints."""
    found = [*sorted(TRACES.glob("*/perf.txt*")), *sorted((make.SHARED / "perf").rglob("*.txt*"))]
    return [b"swapper 0/0 [000] 1.5: 1 cycles:\n\t12 f+0x1 (k)\n\n", *map(_opening, found)]


def _opening(path: Path) -> bytes:
    with open_bytes(path) as stream:
        return stream.read(LONGEST)


def _built() -> Iterator[bytes]:
    packets = list(built_packets())
    for order in "<>":
        yield make.pcap(packets, order=order)
        blocks = [make.packet_block(packet, order=order, ticks=7) for packet in packets]
        yield make.section(order=order) + make.interface(order=order) + b"".join(blocks)
    simple = [make.block(3, struct.pack("<I", len(packet)) + packet) for packet in packets]
    old = [make.block(2, struct.pack("<HHIIII", 0, 9, 0, 3, len(packet), len(packet)) + packet) for packet in packets]
    clocks = [make.interface(options=[(9, bytes([value]))]) for value in (0, 9, 12, 0x80, 0x8A, 0xBF)]
    yield make.section() + b"".join(clocks + simple + old)
    for link in (0, 9, 12, 50, 101, 108, 113, 228, 229, 276):
        yield make.pcap([packet[14:] for packet in packets], link=link)


def built_packets() -> Iterator[bytes]:
    """Packets with everything the decoder knows in them."""
    options = make.mss(1460) + make.window_scale(7) + b"\4\2" + make.timestamps(5, 6)
    for segment in (
        make.tcp(flags=2, options=options),
        make.tcp(options=make.sack((1, 2), (3, 4), (5, 6), (7, 8)), payload=b"x" * 50),
        make.tcp(options=b"\1\1" + make.timestamps(7, 8) + make.sack((1, 2)), payload=b"y" * 9),
    ):
        yield make.ethernet(make.ipv4(segment, options=b"\x94\4\0\0"), vlans=(5, 6, 7))
        yield make.ethernet(make.ipv6(segment))
    hop_by_hop = b"\x2b\0\xc2\4\0\1\0\0" + b"\x2c\2\4\0" + bytes(20) + b"\x33\0\0\1\0\0\0\5" + b"\6\4" + bytes(22)
    yield make.ethernet(make.ipv6(hop_by_hop + make.tcp(payload=b"z"), protocol=0))
    yield make.ethernet(make.ipv4(make.udp(payload=b"q"), protocol=17, more=True))
    yield make.ethernet(make.ipv4(b"later", protocol=17, fragment=64))
    yield make.ethernet(b"\0\1\2\3\x45" + make.ipv4(make.tcp())[1:], ethertype=0x8847)
    yield make.ethernet(b"\x11\0\0\1\0\x16\0\x21" + make.ipv4(make.tcp()), ethertype=0x8864)

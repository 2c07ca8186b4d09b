"""Hostile but well-formed traffic: whole TCP packets whose numbers no honest host would send.

Damaged bytes seldom make a packet that the decoder takes apart to the end; these always do.
"""

import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

import polars as pl

from tests import builders as make
from zcanalysis.tables import PACKETS, polars_schema

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
TCP, UDP = 6, 17
SPACE: Final = 1 << 32
START_NS: Final = 1_700_000_000_000_000_000
EDGES_NS: Final = (0, 1, (1 << 62) - 1, 1 << 62, (1 << 63) - 1, -1, -(1 << 62), -(1 << 63) + 1, None)
STEPS_NS: Final = (0, 1, 1000, 50_000, 900_000, 3_000_000, 25_000_000, 45_000_000, 150_000_000, 2_000_000_000)
SIZES: Final = (1, 2, 700, 1447, 1448, 1448, 1448, 9000, 64_000, (1 << 31) - 1, 1 << 31, SPACE - 1)
WINDOWS: Final = (0, 0, 1, 2, 500, 40_000, 65_535, 65_535)
SCALES: Final = (None, 0, 1, 7, 14, 15, 255)
MSSES: Final = (None, 0, 1, 12, 536, 1460, 1460, 65_535)
SEQUENCES: Final = (0, 1, SPACE - 1, SPACE - 3000, (1 << 31) - 100, 1 << 31)

Row = dict[str, Any]


class Side:
    """One end of a connection."""

    def __init__(self, address: int, port: int, chance: Random) -> None:
        self.address, self.port = address, port
        self.first = self.next = chance.choice((*SEQUENCES, chance.randrange(SPACE)))
        self.sent: list[tuple[int, int]] = []
        self.acked = 0
        self.ip_id = chance.choice((0, 1, 65_530))
        self.tsval: int | None = chance.choice((None, 0, 1000, SPACE - 2, (1 << 31) - 1))
        self.scale, self.mss = chance.choice(SCALES), chance.choice(MSSES)


class Connection:
    """Two ends, and what they do next."""

    def __init__(self, number: int, chance: Random) -> None:
        mapped = 0xFFFF_0A00_0000 if chance.random() < 0.7 else 0xFD << 120
        self.number, self.chance = number, chance
        self.version = 4 if mapped >> 120 == 0 else 6
        self.ends = (
            Side(mapped + 1, chance.choice((10, 10, 5201)), chance),
            Side(mapped + chance.choice((1, 2)), 20 + number % 60_000, chance),
        )

    def packet(self, way: int, flags: int, size: int = 0, **columns: Any) -> Row:
        """A packet from one end, its numbers as they ought to be unless said otherwise."""
        me, you = self.ends[way], self.ends[way ^ 1]
        if self.version == 4:
            me.ip_id = (me.ip_id + 1) % 65_536
        if me.tsval is not None:
            me.tsval = (me.tsval + self.chance.choice((0, 0, 1, 1, 40, 1 << 30))) % SPACE
        row = {
            "ip_version": self.version, "src": me.address, "src_port": me.port, "dst": you.address,
            "dst_port": you.port, "protocol": TCP, "flow_id": 1 + self.number * 0x9E37_79B9,
            "frag_offset": 0, "more_fragments": False, "sack_permitted": False,
            "direction": (me.address, me.port) > (you.address, you.port), "tcp_flags": flags, "seq": me.next,
            "ack": you.next if flags & ACK else 0, "window_raw": self.chance.choice(WINDOWS), "payload_bytes": size,
            "ip_id": me.ip_id if self.version == 4 else None, "tsval": me.tsval,
            "ecn": self.chance.choice((0, 0, 0, 2, 3)), "tsecr": None if me.tsval is None else (you.tsval or 0),
        } | columns  # fmt: skip
        row["seq"] %= SPACE
        row["ack"] %= SPACE
        row["wire_bytes"] = 90 + row["payload_bytes"]
        return row

    def opening(self, way: int) -> list[Row]:
        """A handshake, or a part of it, now and then for the second time with other numbers."""
        me, you = self.ends[way], self.ends[way ^ 1]
        if self.chance.random() < 0.4:
            for side in (me, you):
                side.first = self.chance.choice((side.first, side.next + self.chance.choice(SIZES), *SEQUENCES)) % SPACE
                side.scale = self.chance.choice(SCALES)
        me.next, you.next = me.first, you.first
        packets = []
        for end, flags in ((way, SYN), (way ^ 1, SYN | ACK), (way, ACK)):
            side = self.ends[end]
            told = {"window_scale": side.scale, "mss": side.mss, "sack_permitted": True} if flags & SYN else {}
            early = self.chance.choice((0, 0, 0, 0, 100)) if flags & SYN else 0
            packets.append(self.packet(end, flags, early, **told))
            side.next = (side.next + (early + 1 if flags & SYN else 0)) % SPACE
        return packets[: self.chance.choice((1, 2, 3, 3, 3))]

    def data(self, way: int) -> list[Row]:
        """New data, sometimes behind a hole."""
        me = self.ends[way]
        packets = []
        for _ in range(self.chance.choice((1, 1, 2, 4, 10))):
            if self.chance.random() < 0.1:
                me.next = (me.next + self.chance.choice((*SIZES, 3, 100))) % SPACE
            size = self.chance.choice(SIZES[: self.chance.choice((9, 9, 9, len(SIZES)))])
            packets.append(self.packet(way, self.chance.choice((ACK, ACK, ACK, PSH | ACK, 0)), size))
            me.sent.append((me.next, size))
            me.next = (me.next + size) % SPACE
        return packets

    def again(self, way: int) -> list[Row]:
        """Something that was sent before, a part of it, or more than it."""
        me = self.ends[way]
        if not me.sent:
            return self.data(way)
        seq, size = self.chance.choice(me.sent[-50:])
        shift = self.chance.choice((0, 0, 0, 1, -1, size // 2, -3))
        size = min(max(size + self.chance.choice((0, 0, 1, -1, 700)), 0), SPACE - 1)
        return [self.packet(way, ACK, size, seq=seq + shift)]

    def answer(self, way: int) -> list[Row]:
        """ACKs: of what came, of less, of the future, of nothing; the same more than once, with SACK blocks."""
        you = self.ends[way ^ 1]
        away = (*6 * (0,), 1, 5000, -1, 1 << 30, (1 << 30) + 1, 1 << 31, self.chance.randrange(SPACE))
        ends = [seq + size for seq, size in you.sent[-4:]]
        ack = self.chance.choice([*ends, *(you.next + step for step in away)])
        blocks = self.blocks(ack) if self.chance.random() < 0.4 else None
        window = self.chance.choice(WINDOWS)
        return [
            self.packet(way, ACK, ack=ack, window_raw=window, sack_blocks=blocks)
            for _ in range(self.chance.choice((1, 1, 1, 2, 5)))
        ]

    def blocks(self, ack: int) -> list[dict[str, int]]:
        """SACK blocks, in the right place or turned round, below the ACK, far away."""
        made = []
        for _ in range(self.chance.choice((0, 1, 1, 2, 3, 4))):
            left = ack + self.chance.choice((1448, 2896, 10_000, -1448, 0, 1 << 31, self.chance.randrange(SPACE)))
            right = left + self.chance.choice((1448, 2896, 0, 1, -1448, 1 << 31, SPACE - 1))
            made.append({"left": left % SPACE, "right": right % SPACE})
        return made

    def odd(self, way: int) -> list[Row]:
        """Ends, resets, keep-alives, probes, flags that exclude each other."""
        me = self.ends[way]
        flags = self.chance.choice((FIN | ACK, FIN | ACK, RST, RST | ACK, SYN | FIN, 0, self.chance.randrange(512)))
        shut = self.packet(way ^ 1, ACK, window_raw=0)
        return self.chance.choice((
            [self.packet(way, flags, self.chance.choice((0, 0, 5)))],
            [self.packet(way, ACK, size, seq=me.next - 1) for size in (0, 1)],
            [shut, self.packet(way, ACK, 1), dict(shut)],
            [self.packet(way, ACK, 100, seq=me.next + self.chance.choice((1 << 31, (1 << 31) - 1, (1 << 31) + 1)))],
        ))  # fmt: skip

    def pieces(self, way: int) -> list[Row]:
        """A datagram in fragments: some missing, doubled, overlapping, out of order."""
        me, size = self.ends[way], self.chance.choice((8, 24, 1480, 65_528))
        me.ip_id = self.chance.choice((me.ip_id, 7))
        protocol = self.chance.choice((UDP, UDP, TCP, 1))
        cuts = sorted({0, *(8 * self.chance.randrange(1 + size // 8) for _ in range(self.chance.choice((1, 2, 5))))})
        made = []
        for start, end in zip(cuts, [*cuts[1:], size], strict=True):
            row = self.packet(way, ACK, end + self.chance.choice((0, 0, 0, 8)) - start, protocol=protocol, ip_id=7)
            row |= {"frag_offset": start, "more_fragments": end < size}
            row |= dict.fromkeys(("tcp_flags", "seq", "ack", "window_raw", "tsval", "tsecr"))
            if start or protocol == 1:
                row |= dict.fromkeys(("src_port", "dst_port", "flow_id", "direction"))
            elif protocol == TCP:
                row |= {"tcp_flags": ACK, "seq": me.next, "ack": 0, "window_raw": 9}
            else:
                row["flow_id"] += 1
            made.append(row)
        self.chance.shuffle(made)
        return made[: self.chance.randint(1, len(made))] + made[: self.chance.choice((0, 0, 1))]

    def datagram(self, way: int) -> list[Row]:
        """UDP on the same ports."""
        row = self.packet(way, 0, self.chance.choice((0, 5, 1472)), protocol=UDP)
        row["flow_id"] += 1
        return [row | dict.fromkeys(("tcp_flags", "seq", "ack", "window_raw", "tsval", "tsecr"))]


def hostile_rows(chance: Random, most: int = 250) -> list[Row]:
    """Packets of some connections, in file order, with times.

    Parameters
    ----------
    chance
        Same state, same packets.
    most
        About how many packets.
    """
    connections = [Connection(number, chance) for number in range(chance.choice((1, 1, 2, 5, most // 2)))]
    likely = chance.choice((1, 3, 8))
    deeds: list[Callable[[Connection, int], list[Row]]] = [
        *(Connection.data, Connection.answer) * likely, Connection.again, Connection.odd, Connection.opening,
        Connection.pieces, Connection.datagram,
    ]  # fmt: skip
    rows = connections[0].opening(0) if chance.random() < 0.6 else []
    end = chance.randint(1, most)
    while len(rows) < end:
        rows += chance.choice(deeds)(chance.choice(connections), chance.choice((0, 0, 1)))
        if rows and chance.random() < 0.05:  # the same packet again, as mirror ports show it
            rows.append(dict(rows[-1]))
    if chance.random() < 0.15:
        rows = [row for row in rows if row["direction"] is not True]
    return _timed(rows, chance)


def _timed(rows: Sequence[Row], chance: Random) -> list[Row]:
    now_ns, absurd = START_NS, chance.choice((0.0, 0.0, 0.02, 0.3))
    for row in rows:
        now_ns += chance.choice(STEPS_NS) * chance.choice((1, 1, 1, 1, 1, -1))
        row["ts_ns"] = chance.choice(EDGES_NS) if chance.random() < absurd else now_ns
    return list(rows)


def as_table(rows: Sequence[Row]) -> pl.DataFrame:
    """The packets as PACKETS.

    Parameters
    ----------
    rows
        As `hostile_rows` makes them.
    """
    types = polars_schema(PACKETS)
    return pl.DataFrame([{name: row.get(name) for name in types} for row in rows], schema=types).with_columns(
        captured_bytes=pl.min_horizontal("wire_bytes", 96)
    )


def as_capture(rows: Sequence[Row]) -> bytes:
    """The packets as a pcapng file: headers only, lengths as they are said to be.

    Parameters
    ----------
    rows
        As `hostile_rows` makes them.
    """
    nanoseconds, below_zero = (9, b"\x09"), (14, struct.pack("<q", -(1 << 33)))
    parts = [make.section(), make.interface(options=[nanoseconds]), make.interface(options=[nanoseconds, below_zero])]
    for row in rows:
        packet, ts_ns = _bytes(row), row["ts_ns"]
        wire_bytes = min(len(packet) + row["payload_bytes"], SPACE - 1)
        if ts_ns is None:
            parts.append(make.block(3, struct.pack("<I", wire_bytes) + packet))
            continue
        number, ticks = (0, ts_ns) if ts_ns >= 0 else (1, ts_ns + (1 << 33) * 1_000_000_000)
        parts.append(make.packet_block(packet, number=number, ticks=max(ticks, 0), wire_bytes=wire_bytes))
    return b"".join(parts)


def _bytes(row: Row) -> bytes:
    """Link, IP and transport header; an IP length of 0 where the payload does not fit into it, as offloads leave it."""
    size = row["payload_bytes"]
    upper = b""
    if row["frag_offset"] == 0 and row["protocol"] == TCP:
        upper = make.tcp(
            src_port=row["src_port"], dst_port=row["dst_port"], seq=row["seq"], ack=row["ack"], flags=row["tcp_flags"],
            window=row["window_raw"], options=_options(row),
        )  # fmt: skip
    elif row["frag_offset"] == 0 and row["protocol"] == UDP:
        upper = struct.pack(">HHHH", row["src_port"], row["dst_port"], min(8 + size, 65_535), 0)
    if row["ip_version"] == 4:
        length = 20 + len(upper) + size
        ends = {name: ".".join(map(str, (row[name] & 0xFFFFFFFF).to_bytes(4, "big"))) for name in ("src", "dst")}
        return make.ethernet(make.ipv4(
            upper, **ends, protocol=row["protocol"], identification=row["ip_id"], fragment=row["frag_offset"],
            more=row["more_fragments"], length=length if length < 65_536 else 0, tos=row["ecn"],
        ))  # fmt: skip
    if row["frag_offset"] or row["more_fragments"]:
        offset = row["frag_offset"] | int(row["more_fragments"])
        upper = struct.pack(">BBHI", row["protocol"], 0, offset, row["ip_id"]) + upper
    length = len(upper) + size
    ends = {name: f"fd00::{row[name] & 0xFF:x}" for name in ("src", "dst")}
    next_header = 44 if row["frag_offset"] or row["more_fragments"] else row["protocol"]
    return make.ethernet(make.ipv6(
        upper, **ends, protocol=next_header, length=length if length < 65_536 else 0, traffic_class=row["ecn"],
    ))  # fmt: skip


def _options(row: Row) -> bytes:
    """TCP options of a packet, as many as fit."""
    found = []
    if row.get("mss") is not None:
        found.append(make.mss(row["mss"]))
    if row.get("window_scale") is not None:
        found.append(make.window_scale(row["window_scale"]))
    if row.get("sack_permitted"):
        found.append(b"\4\2")
    if row["tsval"] is not None:
        found.append(make.timestamps(row["tsval"], row["tsecr"]))
    room = (40 - sum(map(len, found)) - 2) // 8
    blocks = (row.get("sack_blocks") or [])[:room]
    if blocks:
        found.append(make.sack(*((block["left"], block["right"]) for block in blocks)))
    return b"".join(found)

"""Every number of every packet of real captures against tshark."""

import ipaddress
import os
import shutil
import struct
import subprocess
from pathlib import Path

import polars as pl
import pytest

from tests import builders as make
from zcanalysis.io.pcap import scan_pcap

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

CAPTURES = make.real_captures()
KERNEL_CAPTURES = sorted((make.SHARED / "prequeue-kernel").glob("*.pcap*"))
RECORDINGS = [*sorted(Path("traces").glob("*/capture.pcap*")), *(p for p in KERNEL_CAPTURES if p not in CAPTURES)]
LIMIT = None if os.environ.get("ZC_ALL_CAPTURES") else 2000  # packets of each recording
TCP, UDP = 6, 17

NUMBERS = {
    "captured_bytes": "frame.cap_len",
    "wire_bytes": "frame.len",
    "interface": "frame.interface_id",
    "vlan": "vlan.id",
}
VERSION_4 = {
    "src": "ip.src",
    "dst": "ip.dst",
    "protocol": "ip.proto",
    "ttl": "ip.ttl",
    "ip_id": "ip.id",
    "frag_offset": "ip.frag_offset",
    "more_fragments": "ip.flags.mf",
    "dscp": "ip.dsfield.dscp",
    "ecn": "ip.dsfield.ecn",
}
VERSION_6 = {"src": "ipv6.src", "dst": "ipv6.dst", "ttl": "ipv6.hlim", "dscp": "ipv6.tclass.dscp"}
OF_TCP = {
    "src_port": "tcp.srcport",
    "dst_port": "tcp.dstport",
    "tcp_flags": "tcp.flags",
    "seq": "tcp.seq",
    "ack": "tcp.ack",
    "window_raw": "tcp.window_size_value",
    "payload_bytes": "tcp.len",
    "mss": "tcp.options.mss_val",
    "window_scale": "tcp.options.wscale.shift",
    "tsval": "tcp.options.timestamp.tsval",
    "tsecr": "tcp.options.timestamp.tsecr",
    "checksum_ok": "tcp.checksum.status",
}
OF_UDP = {"src_port": "udp.srcport", "dst_port": "udp.dstport", "checksum_ok": "udp.checksum.status"}
GROUPS = (NUMBERS, VERSION_4, VERSION_6, OF_TCP, OF_UDP)
SACK = ("tcp.options.sack_le", "tcp.options.sack_re")
OTHER = ("frame.time_epoch", "frame.protocols", *SACK)
PREFERENCES = (
    "tcp.relative_sequence_numbers:FALSE",
    "tcp.desegment_tcp_streams:FALSE",
    "tcp.analyze_sequence_numbers:FALSE",
    "tcp.check_checksum:TRUE",
    "udp.check_checksum:TRUE",
    "ip.defragment:FALSE",
    "ipv6.defragment:FALSE",
)

# captures where tshark 4.0 says something else, the columns, and who is right
OTHERWISE = {
    "bigtcp-ipv6.pcap": (
        {*OF_TCP} - {"mss", "window_scale"},
        "ours: tshark 4.0 sees no TCP where the IPv6 length is 0",
    ),
    "nanosecond.pcap": (
        {"vlan", *VERSION_4, "ip_version"},
        "tshark follows Ethernet inside MPLS, we stop at the label",
    ),
    "three sections.pcapng": ({"interface"}, "tshark 4.0 counts interfaces anew in every section, we over the file"),
    "tags.pcap": ({"vlan"}, "tshark keeps the id of an 802.1ad tag in another field, we take the outermost tag"),
    "extension headers.pcap": ({"payload_bytes"}, "tshark gives first fragments no TCP length, we what they hold"),
}


def tshark_rows(path: Path, limit: int | None = None) -> pl.DataFrame:
    """All fields as text, every occurrence separated by semicolons."""
    fields = list(dict.fromkeys([*OTHER, *(field for group in GROUPS for field in group.values())]))
    command = ["tshark", "-r", str(path), "-n", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=;"]
    command += [] if limit is None else ["-c", str(limit)]
    command += [word for preference in PREFERENCES for word in ("-o", preference)]
    command += [word for field in fields for word in ("-e", field)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    lines = [line.split("\t") for line in shown.splitlines()]
    return pl.DataFrame(lines, schema=dict.fromkeys(fields, pl.String), orient="row")


def number(text: str | None) -> int | None:
    """The first occurrence as our columns have it: addresses as 128 bits, hexadecimal and decimal as integers."""
    first = (text or "").partition(";")[0]
    if not first:
        return None
    if ":" in first:
        return int(ipaddress.IPv6Address(first))
    return int(ipaddress.IPv6Address("::ffff:" + first)) if "." in first else int(first, 0)


def expected(theirs: pl.DataFrame, group: dict[str, str]) -> pl.DataFrame:
    """Their fields under our names."""
    columns = {}
    for name, field in group.items():
        different = theirs[field].unique()
        values = [number(text) for text in different]
        if name == "checksum_ok":  # 0 bad, 1 good, 2 not verified, 3 not present
            values = [value if value in (0, 1) else None for value in values]
        if name == "frag_offset":  # tshark 4.0 counts in units of eight bytes
            values = [None if value is None else 8 * value for value in values]
        kind = pl.UInt128 if name in ("src", "dst") else pl.Int64
        columns[name] = theirs[field].replace_strict(
            different, pl.Series(values, dtype=kind), return_dtype=kind, default=None
        )
    return pl.DataFrame(columns)


def differing(ours: pl.DataFrame, theirs: pl.DataFrame, group: dict[str, str], where: pl.Series) -> set[str]:
    """The columns of a group that differ in any of the chosen rows."""
    mine, other = ours.filter(where), expected(theirs.filter(where), group)
    return {name for name in group if not (mine[name].cast(other[name].dtype).eq_missing(other[name])).all()}


def edges(theirs: pl.DataFrame) -> list[list[dict[str, int]] | None]:
    """SACK blocks as our column lists them."""
    numbers = [theirs[name].str.split(";").list.eval(pl.element().cast(pl.Int64, strict=False)) for name in SACK]
    rows = zip(*numbers, strict=True)
    return [
        [{"left": a, "right": b} for a, b in zip(*row, strict=True)] if row[0][0] is not None else None for row in rows
    ]


def disagreements(path: Path, limit: int | None = None) -> set[str]:
    """Our columns that are not what tshark says, in the first `limit` packets."""
    theirs, ours = tshark_rows(path, limit), scan_pcap(path).collect()
    ours = ours if limit is None else ours.head(limit)
    assert ours.height == theirs.height
    nanoseconds = theirs["frame.time_epoch"].replace("", None).str.replace(".", "", literal=True).cast(pl.Int64)
    outermost = theirs["frame.protocols"].str.extract(r"\b(ip|ipv6)\b")
    version = outermost.replace_strict({"ip": 4, "ipv6": 6}, default=None, return_dtype=pl.UInt8)
    whole = (ours["frag_offset"] == 0).fill_null(value=False)
    different = set() if ours["ip_version"].equals(version.alias("ip_version")) else {"ip_version"}
    if not ours["ts_ns"].equals(nanoseconds.alias("ts_ns")):
        different.add("ts_ns")
    theirs = theirs.with_columns(pl.col("frame.interface_id").replace("", "0"))
    different |= differing(ours, theirs, NUMBERS, pl.repeat(True, ours.height, eager=True))
    different |= differing(ours, theirs, VERSION_4, (version == 4).fill_null(value=False))
    different |= differing(ours, theirs, VERSION_6, (version == 6).fill_null(value=False))
    different |= differing(ours, theirs, OF_TCP, whole & (ours["protocol"] == TCP))
    different |= differing(ours, theirs, OF_UDP, whole & (ours["protocol"] == UDP))
    tcp = whole & (ours["protocol"] == TCP)
    if ours.filter(tcp)["sack_blocks"].to_list() != edges(theirs.filter(tcp)):
        different.add("sack_blocks")
    return different


@pytest.mark.skipif(not CAPTURES, reason=f"no captures in {make.SHARED}")
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_every_number_is_that_of_tshark(path):
    assert disagreements(path) == OTHERWISE.get(path.name, (set(), ""))[0]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_number_of_a_recording_is_that_of_tshark(path):
    assert disagreements(path, LIMIT) == set()


ACK_BLOCKS = b"\1\1" + make.sack((1, 2), (3, 4), (5, 6), (7, (1 << 32) - 1))
SEGMENT = make.tcp(options=ACK_BLOCKS + make.mss(9000), payload=b"x" * 30, window=65535, seq=(1 << 32) - 1)
DATAGRAM = make.ipv4(SEGMENT, options=b"\x94\4\0\0" + b"\1" * 36, tos=0xFF, ttl=255)
DATAGRAM_6 = make.ipv6(SEGMENT, traffic_class=0xAB)
HOP_BY_HOP, ROUTING, DESTINATION = b"\x2b\0\1\4\0\0\0\0", b"\x3c\2\0\0" + bytes(20), b"\x2c\0\1\4\0\0\0\0"
FIRST, LATER = b"\6\0\0\1\0\0\0\5", b"\6\0\0\x40\0\0\0\5"
TO_FRAGMENT = HOP_BY_HOP + ROUTING + DESTINATION
AUTHENTICATION = b"\6\4" + bytes(22)


def tagged(*types: int) -> bytes:
    return bytes(12) + b"".join(struct.pack(">HH", kind, 100 + kind % 7) for kind in types) + b"\x08\0" + DATAGRAM


def three_sections() -> bytes:
    """Little, big, little endian; clocks of nanoseconds, 2^-10 s and microseconds; three kinds of packet block."""
    ours = make.ethernet(DATAGRAM)
    old = make.block(2, struct.pack("<HHIIII", 0, 9, 0, 3, len(ours), len(ours)) + ours)
    simple = make.block(3, struct.pack("<I", len(ours)) + ours)
    return b"".join(
        (
            make.section(),
            make.interface(options=[(9, b"\x09")]),
            make.packet_block(ours, ticks=1_700_000_000_123_456_789),
            make.section(order=">"),
            make.interface(order=">", options=[(9, b"\x8a")]),
            make.interface(order=">", link=101),
            make.packet_block(ours, order=">", ticks=1_700_000_000 * 1024 + 512),
            make.packet_block(DATAGRAM_6, order=">", number=1, ticks=1_700_000_000_123_456),
            make.section(),
            make.interface(),
            old,
            simple,
        )
    )


UNUSUAL = {
    "three sections.pcapng": three_sections(),
    "tags.pcap": make.pcap([tagged(0x88A8, 0x8100, 0x9100), tagged(0x8100, 0x8100), tagged(0x88A8)]),
    "options.pcap": make.pcap([make.ethernet(DATAGRAM), make.ethernet(DATAGRAM_6)], order=">", magic=0xA1B23C4D),
    "extension headers.pcap": make.pcap(
        [
            make.ethernet(make.ipv6(TO_FRAGMENT + FIRST + SEGMENT, protocol=0)),
            make.ethernet(make.ipv6(TO_FRAGMENT + LATER + bytes(80), protocol=0)),
            make.ethernet(make.ipv6(AUTHENTICATION + SEGMENT, protocol=51)),
            make.ethernet(make.ipv4(AUTHENTICATION + SEGMENT, protocol=51)),
            make.ethernet(make.ipv4(SEGMENT, more=True)),
            make.ethernet(make.ipv4(SEGMENT, fragment=1480)),
        ]
    ),
    "jumbo.pcap": make.pcap([make.ethernet(make.ipv4(make.tcp(payload=b"j" * 60_000)))]),
    "cooked 2.pcap": make.pcap([b"\x08\0\0\0\0\0\0\2\0\1\0\6" + bytes(8) + DATAGRAM], link=276),
    "cooked.pcap": make.pcap([b"\0\0\0\1\0\6" + bytes(8) + b"\x86\xdd" + DATAGRAM_6], link=113),
    "null.pcap": make.pcap([b"\2\0\0\0" + DATAGRAM, b"\x1e\0\0\0" + DATAGRAM_6], link=0),
    "loop.pcap": make.pcap([b"\0\0\0\2" + DATAGRAM, b"\0\0\0\x18" + DATAGRAM_6], link=108),
    "ppp.pcap": make.pcap([b"\xff\3\0\x21" + DATAGRAM, b"\0\x57" + DATAGRAM_6, b"\x21" + DATAGRAM], link=9),
    "raw.pcap": make.pcap([DATAGRAM, DATAGRAM_6], link=101),
    "raw 12.pcap": make.pcap([DATAGRAM, DATAGRAM_6], link=12),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_every_number_of_an_unusual_capture_is_that_of_tshark(tmp_path, name):
    path = make.saved(tmp_path, UNUSUAL[name], name)
    assert disagreements(path) == OTHERWISE.get(name, (set(), ""))[0]


@pytest.mark.parametrize("kind", ["pcap", "nsecpcap", "modpcap", "pcapng"])
def test_every_format_that_editcap_writes_gives_the_same_numbers(tmp_path, kind):
    made = tmp_path / "edited"
    subprocess.run(["editcap", "-F", kind, make.saved(tmp_path, UNUSUAL["options.pcap"]), made], check=True)
    assert disagreements(made) == set()


def test_a_merge_of_several_interfaces_is_read(tmp_path):
    made, names = tmp_path / "merged.pcapng", ("options.pcap", "raw.pcap", "null.pcap")
    parts = [make.saved(tmp_path, UNUSUAL[name], name) for name in names]
    subprocess.run(["mergecap", "-w", made, *parts], check=True)
    assert disagreements(made) == set()
    assert scan_pcap(made).select("interface").unique().collect().height == 3

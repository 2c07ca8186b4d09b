"""Every number of every packet of real captures against tshark."""

import ipaddress
import shutil
import subprocess

import polars as pl
import pytest

from tests import builders as make
from zcanalysis.io.pcap import scan_pcap

CAPTURES = make.real_captures()
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
}


def tshark_rows(path) -> pl.DataFrame:
    """All fields as text, every occurrence separated by semicolons."""
    fields = list(dict.fromkeys([*OTHER, *(field for group in GROUPS for field in group.values())]))
    command = ["tshark", "-r", str(path), "-n", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=;"]
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


@pytest.mark.skipif(not CAPTURES, reason=f"no captures in {make.SHARED}")
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_every_number_is_that_of_tshark(path):
    theirs, ours = tshark_rows(path), scan_pcap(path).collect()
    assert ours.height == theirs.height
    nanoseconds = theirs["frame.time_epoch"].str.replace(".", "", literal=True).cast(pl.Int64)
    assert ours["ts_ns"].equals(nanoseconds.alias("ts_ns"))
    outermost = theirs["frame.protocols"].str.extract(r"\b(ip|ipv6)\b")
    version = outermost.replace_strict({"ip": 4, "ipv6": 6}, default=None, return_dtype=pl.UInt8)
    whole = (ours["frag_offset"] == 0).fill_null(value=False)
    different = set() if ours["ip_version"].equals(version.alias("ip_version")) else {"ip_version"}
    theirs = theirs.with_columns(pl.col("frame.interface_id").replace("", "0"))
    different |= differing(ours, theirs, NUMBERS, pl.repeat(True, ours.height, eager=True))
    different |= differing(ours, theirs, VERSION_4, (version == 4).fill_null(value=False))
    different |= differing(ours, theirs, VERSION_6, (version == 6).fill_null(value=False))
    different |= differing(ours, theirs, OF_TCP, whole & (ours["protocol"] == TCP))
    different |= differing(ours, theirs, OF_UDP, whole & (ours["protocol"] == UDP))
    tcp = whole & (ours["protocol"] == TCP)
    assert ours.filter(tcp)["sack_blocks"].to_list() == edges(theirs.filter(tcp))
    assert different == OTHERWISE.get(path.name, (set(), ""))[0]

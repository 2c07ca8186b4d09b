"""What one packet's headers say, one packet at a time."""

import ipaddress
import struct

import pytest

from tests import builders as make
from zcanalysis.io.pcap import scan_pcap


def decoded(folder, *packets, **options):
    """Rows as dicts."""
    return scan_pcap(make.saved(folder, make.pcap(packets, **options))).collect().to_dicts()


def one(folder, packet, **options):
    return decoded(folder, packet, **options)[0]


def test_a_tcp_packet_shows_every_number_of_its_headers(tmp_path):
    segment = make.tcp(seq=0xFFFFFFFF, ack=5, flags=0x1D2, window=65535, payload=b"abcd")
    row = one(tmp_path, make.ethernet(make.ipv4(segment, tos=0b101110_11, ttl=63)))
    seen = {
        name: row[name] for name in ("seq", "ack", "tcp_flags", "window_raw", "payload_bytes", "ttl", "dscp", "ecn")
    }
    assert seen == {
        "seq": 0xFFFFFFFF,
        "ack": 5,
        "tcp_flags": 0x1D2,
        "window_raw": 65535,
        "payload_bytes": 4,
        "ttl": 63,
        "dscp": 46,
        "ecn": 3,
    }
    assert (row["src_port"], row["dst_port"], row["ip_version"], row["protocol"], row["ip_id"]) == (
        40000,
        5201,
        4,
        6,
        7,
    )
    assert row["src"] == int(ipaddress.IPv6Address("::ffff:10.0.0.1"))
    assert row["error"] is None


def test_padding_to_60_bytes_is_not_payload(tmp_path):
    row = one(tmp_path, make.ethernet(make.ipv4(make.tcp())))
    assert (row["wire_bytes"], row["payload_bytes"]) == (60, 0)


def test_tcp_options_are_read(tmp_path):
    options = make.mss(1460) + b"\x04\x02" + make.timestamps(77, 88) + b"\x01" + make.window_scale(7)
    row = one(tmp_path, make.ethernet(make.ipv4(make.tcp(flags=2, options=options))))
    assert (row["mss"], row["window_scale"], row["sack_permitted"]) == (1460, 7, True)
    assert (row["tsval"], row["tsecr"], row["sack_blocks"]) == (77, 88, None)


def test_sack_blocks_keep_their_order_and_their_packet(tmp_path):
    packets = [make.tcp(), make.tcp(options=make.sack((9, 12), (1, 4))), make.tcp(options=make.sack((5, 6)))]
    rows = decoded(tmp_path, *(make.ethernet(make.ipv4(packet)) for packet in packets))
    assert [row["sack_blocks"] for row in rows] == [
        None,
        [{"left": 9, "right": 12}, {"left": 1, "right": 4}],
        [{"left": 5, "right": 6}],
    ]


def test_both_directions_share_a_flow_and_differ_in_direction(tmp_path):
    there = make.ipv4(make.tcp())
    back = make.ipv4(make.tcp(src_port=5201, dst_port=40000), src="10.0.0.2", dst="10.0.0.1")
    other = make.ipv4(make.tcp(dst_port=5202))
    rows = decoded(tmp_path, *map(make.ethernet, (there, back, other)))
    assert rows[0]["flow_id"] == rows[1]["flow_id"] != rows[2]["flow_id"]
    assert [row["direction"] for row in rows] == [False, True, False]


def test_the_flow_hash_is_the_same_in_every_release(tmp_path):
    assert one(tmp_path, make.ethernet(make.ipv4(make.tcp())))["flow_id"] == 5837508893313818659


@pytest.mark.parametrize("vlans", [[7], [100, 200], [1, 2, 3]])
def test_tags_are_passed_over_and_the_outermost_is_kept(tmp_path, vlans):
    row = one(tmp_path, make.ethernet(make.ipv4(make.tcp()), vlans=vlans))
    assert (row["vlan"], row["dst_port"]) == (vlans[0], 5201)


def link_headers():
    packet = make.ipv4(make.tcp())
    six = make.ipv6(make.tcp())
    cooked = struct.pack(">HHH8sH", 0, 1, 6, bytes(8), 0x0800)
    cooked2 = struct.pack(">HHIHBB8s", 0x0800, 0, 1, 1, 0, 6, bytes(8))
    return [
        (113, cooked + packet),
        (276, cooked2 + packet),
        (12, packet),
        (14, six),
        (101, six),
        (228, packet),
        (229, six),
        (0, b"\2\0\0\0" + packet),
        (0, b"\0\0\0\x1e" + six),
        (108, b"\0\0\0\2" + packet),
        (9, b"\0\x21" + packet),
        (9, b"\xff\3\0\x57" + six),
        (9, b"\x21" + packet),
        (1, make.ethernet(b"\xaa\xaa\3\0\0\0\x08\0" + packet, ethertype=8 + len(packet))),
        (1, make.ethernet(b"\x11\0\0\1\0\0\0\x21" + packet, ethertype=0x8864)),
        (1, make.ethernet(b"\0\1\0\xff\0\2\1\xff" + packet, ethertype=0x8847)),
    ]


@pytest.mark.parametrize(("link", "packet"), link_headers())
def test_ip_is_found_below_every_link_header(tmp_path, link, packet):
    row = one(tmp_path, packet, link=link)
    assert (row["src_port"], row["dst_port"], row["payload_bytes"], row["error"]) == (40000, 5201, 0, None)


def test_an_unknown_link_type_is_a_row_with_an_error(tmp_path):
    row = one(tmp_path, bytes(80), link=105)
    assert (row["captured_bytes"], row["error"]) == (80, "link type 105 is not decoded")


def test_arp_is_no_ip_and_no_error(tmp_path):
    row = one(tmp_path, make.ethernet(bytes(28), ethertype=0x0806))
    assert (row["ip_version"], row["src"], row["flow_id"], row["error"]) == (None, None, None, None)


def test_later_fragments_have_payload_but_no_ports(tmp_path):
    first = make.ipv4(make.udp(payload=bytes(1472)), protocol=17, more=True)
    later = make.ipv4(bytes(100), protocol=17, fragment=1480)
    rows = decoded(tmp_path, make.ethernet(first), make.ethernet(later))
    assert [row["src_port"] for row in rows] == [4000, None]
    assert [row["payload_bytes"] for row in rows] == [1472, 100]
    assert [(row["frag_offset"], row["more_fragments"]) for row in rows] == [(0, True), (1480, False)]
    assert rows[1]["flow_id"] is None


def test_ipv6_extension_headers_are_walked(tmp_path):
    fragment = struct.pack(">BBHI", 60, 0, 1, 0xABCDEF)
    destination = struct.pack(">BB6s", 6, 0, b"\1\4\0\0\0\0")
    hop_by_hop = struct.pack(">BB6s", 44, 0, b"\5\2\0\0\1\0")
    upper = hop_by_hop + fragment + destination + make.tcp(payload=b"abc")
    row = one(tmp_path, make.ethernet(make.ipv6(upper, protocol=0, traffic_class=0b000001_10)))
    assert (row["protocol"], row["payload_bytes"], row["ip_id"], row["more_fragments"]) == (6, 3, 0xABCDEF, True)
    assert (row["dscp"], row["ecn"], row["ttl"]) == (1, 2, 64)
    assert row["src"] == int(ipaddress.IPv6Address("fd00::1"))


def test_super_packets_without_an_ip_length_take_the_length_on_the_wire(tmp_path):
    big = make.tcp(payload=bytes(80_000))
    jumbo = struct.pack(">BBBBI", 6, 0, 0xC2, 4, 8 + len(big))
    packets = [
        make.ethernet(make.ipv4(big, length=0)),
        make.ethernet(make.ipv6(big, length=0)),
        make.ethernet(make.ipv6(jumbo + big, protocol=0, length=0)),
    ]
    assert [row["payload_bytes"] for row in decoded(tmp_path, *packets)] == [80_000] * 3


def test_what_the_snap_length_hides_is_null_and_no_error(tmp_path):
    packet = make.ethernet(make.ipv4(make.tcp(options=make.timestamps(1, 2), payload=bytes(1000))))
    # 14 link + 20 IP, then ports 4, fixed TCP fields 16, options from 20 on
    at = {snap: one(tmp_path, packet, snap_bytes=snap) for snap in (10, 30, 36, 40, 52, 60, 66)}
    assert all(row["error"] is None for row in at.values())
    assert [row["ip_version"] for row in at.values()] == [None, None, 4, 4, 4, 4, 4]
    assert [row["dst_port"] for row in at.values()] == [None, None, None, 5201, 5201, 5201, 5201]
    assert [row["payload_bytes"] for row in at.values()] == [None, None, None, None, 1000, 1000, 1000]
    assert [row["tsval"] for row in at.values()] == [None] * 6 + [1]


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        (b"\0" * 13, "link header cut off: the packet has only 13 bytes"),
        (bytes(12) + b"\x08\0E", "only 1 bytes"),
        (make.ethernet(make.ipv4(make.tcp()), ethertype=0x86DD), "IP version 4 where"),
        (make.ethernet(b"\x44" + make.ipv4(make.tcp())[1:]), "IPv4 header length 16 bytes"),
        (make.ethernet(make.ipv4(make.tcp(), length=19)), "IP length 19 bytes is shorter than its own header"),
        (make.ethernet(make.ipv4(make.tcp(), length=1000)), "IP length 1000 bytes is longer than the packet"),
        (make.ethernet(make.ipv6(make.tcp(), length=1000)), "IP length 1000 bytes is longer than the packet"),
        (make.ethernet(make.ipv6(b"\6\xff" + bytes(60), protocol=0)), "extension headers run past the packet"),
        (make.ethernet(make.ipv4(make.tcp()[:12])), "TCP or UDP header cut off: only 12 bytes of it"),
        (make.ethernet(make.ipv4(make.tcp()[:12] + b"\x10\0" + bytes(6))), "TCP header length 4 bytes"),
        (make.ethernet(make.ipv4(make.tcp(options=b"\2\3\0\0"))), "TCP option kind 2 has an impossible length"),
        (make.ethernet(make.ipv4(make.tcp(options=b"\x0d\0\0\0"))), "TCP option kind 13 has an impossible length"),
    ],
)
def test_a_header_that_cannot_be_is_named(tmp_path, packet, says):
    assert says in one(tmp_path, packet)["error"]


def test_more_captured_than_on_the_wire_is_named(tmp_path):
    packet = make.ethernet(make.ipv4(make.tcp()))
    assert one(tmp_path, packet, wire_bytes=50)["error"] == "more bytes captured than the 50 on the wire"


def folded(data: bytes) -> int:
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def with_checksum(segment: bytes, pseudo_header: bytes) -> bytes:
    return segment[:16] + struct.pack(">H", folded(pseudo_header + segment)) + segment[18:]


@pytest.mark.parametrize("size", [0, 1, 100, 1447])
def test_checksums_are_verified_over_odd_and_even_lengths(tmp_path, size):
    plain = make.tcp(payload=bytes(range(256)) * 6)[: 20 + size]
    four = with_checksum(plain, make.ipv4(plain)[12:20] + struct.pack(">HH", 6, len(plain)))
    six = with_checksum(plain, make.ipv6(plain)[8:40] + struct.pack(">II", len(plain), 6))
    wrong = four[:16] + bytes([four[16] ^ 1]) + four[17:]
    packets = [make.ipv4(four), make.ipv6(six), make.ipv4(wrong)]
    rows = decoded(tmp_path, *map(make.ethernet, packets))
    assert [row["checksum_ok"] for row in rows] == [True, True, False]


def test_checksums_of_hidden_or_absent_bytes_are_null(tmp_path):
    cut = one(tmp_path, make.ethernet(make.ipv4(make.tcp(payload=bytes(100)))), snap_bytes=80)
    none = one(tmp_path, make.ethernet(make.ipv4(make.udp(payload=b"ab"), protocol=17)))
    assert (cut["checksum_ok"], none["checksum_ok"]) == (None, None)

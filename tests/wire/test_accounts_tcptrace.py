"""What each side of each connection did, against tcptrace."""

import ipaddress
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests import builders as make
from zcanalysis.io.compressed import open_bytes
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.wire.accounts import flows_and_sides

pytestmark = pytest.mark.skipif(shutil.which("tcptrace") is None, reason="tcptrace is not installed")

CAPTURES = make.real_captures()
RECORDINGS = [
    *sorted(Path("traces").glob("*/capture.pcap*")),
    *sorted((make.SHARED / "prequeue-kernel").glob("*.pcap*")),
]
PATHS = list(dict.fromkeys([*CAPTURES, *RECORDINGS]))
PATIENCE_S = 120
ROUNDED_MS = 0.1001  # tcptrace cuts off after a tenth
KEYS = ["connection", "src", "src_port", "dst", "dst_port"]

# measure here, column of tcptrace
SAME = {
    "packets": "total_packets",
    "data_packets": "actual_data_pkts",
    "payload_bytes": "actual_data_bytes",
    "unique_bytes": "unique_bytes_sent",
    "pure_acks": "pure_acks_sent",
    "sack_packets": "sack_pkts_sent",
    "dsack_packets": "dsack_pkts_sent",
    "resets": "resets_sent",
    "zero_windows": "zero_win_adv",
    "window_min_bytes": "min_win_adv",
    "window_max_bytes": "max_win_adv",
    "rtt_samples": "RTT_samples",
}
ROUNDED = {"rtt_min_ms": "RTT_min", "rtt_mean_ms": "RTT_avg", "rtt_max_ms": "RTT_max", "handshake_ms": "RTT_from_3WHS"}

# captures where tcptrace 6.6.7 says something else, the measures, and who is right
OTHERWISE = {
    "bigtcp-ipv6.pcap": (
        {"data_packets", "payload_bytes", "unique_bytes"},
        "ours: it takes an IPv6 length of 0 for no payload",
    ),
    "http2-lo-ipv6-64k.pcap": ({"connections"}, "ours: it prints ::1 as :0001"),
    "ftp-1MB-mirror-lossy.pcap.gz": (
        {"dsack_packets"},
        "ours: blocks that overlap without one inside the other are no D-SACK (RFC 2883, 4)",
    ),
    "http-zero-window-57.pcap.gz": (
        {"unique_bytes", "resent_bytes", "resent_packets", "rtt_samples"},
        "ours: what is sent after a zero window it counts as probes, not as data, though it is acknowledged",
    ),
    "tcptrace-urgent.dmp.gz": (
        {"unique_bytes", "resent_bytes", "resent_packets", "rtt_samples", "rtt_mean_ms", "rtt_max_ms"},
        "ours: a probe's byte that the receiver took is data, and its ACK a round trip",
    ),
    "tcptrace-zwnd.dmp.gz": (
        {"rtt_min_ms", "rtt_mean_ms", "rtt_max_ms", "resent_bytes", "resent_packets"},
        "ours: probes of the zero window that the receiver took are data and timed; it takes a round trip of 0 for "
        "none, and prints a mean of 0.0 above a minimum of 10.0",
    ),
    "tcptrace-fddi.dmp": ({"rtt_min_ms"}, "ours: it takes a round trip of 0 (a clock of 10 ms) for none"),
    "iperf-mptcp-ppp.pcap.gz": (
        {"packets", "data_packets", "payload_bytes", "pure_acks", "resent_bytes", "resent_packets"},
        "ours (tshark too): it takes the packet before an ICMPv6 one a second time",
    ),
    "one-direction-only.pcap": (
        {"window_min_bytes", "window_max_bytes"},
        "ours: it does not shift windows where only the SYN-ACK is captured, but that says both agreed",
    ),
    "tcptrace-hw-dups.dmp": (
        {"data_packets", "pure_acks", "resent_bytes", "resent_packets"}
        | {"rtt_samples", "rtt_mean_ms", "rtt_max_ms", "handshake_ms"},
        "ours: each packet was captured twice, which it counts as sent twice",
    ),
    "vlan-collisions.pcap": (
        {*SAME, *ROUNDED, "resent_packets", "resent_bytes"}
        - {"unique_bytes", "sack_packets", "dsack_packets", "resets", "zero_windows"},
        "it does not read all the tags; ours are the packets and one copy of each",
    ),
    "fack034.trace": ({"connections", "packets", "resets"}, "ours: a reset ten minutes late is no new connection"),
}  # fmt: skip


def tcptrace_sides(path: Path, folder: Path) -> dict[tuple, list[dict[str, str]]]:
    """Each side that sent something, by addresses and ports, in order."""
    if path.suffix == ".zst":
        plain = folder / path.stem
        with open_bytes(path) as source, plain.open("wb") as out:
            shutil.copyfileobj(source, out)
        path = plain
    command = ["tcptrace", "--csv", "-l", "-n", "-r", str(path)]
    shown = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False).stdout.decode("latin-1")
    lines = [[cell.strip() for cell in line.split(",")] for line in shown.splitlines() if line and line[0] != "#"]
    sides = defaultdict(list)
    for line in lines[1:]:
        row = dict(zip(lines[0], line, strict=False))
        for here, there in (("a", "b"), ("b", "a")):
            end = f"_{here}2{there}"
            side = {name.removesuffix(end): value for name, value in row.items() if name.endswith(end)}
            key = (*_end(row, here), *_end(row, there))
            if int(side["total_packets"]):
                sides[key].append(side)
    return sides


def _end(row: dict[str, str], side: str) -> tuple[str, int]:
    try:
        return str(ipaddress.ip_address(row[f"host_{side}"])), int(row[f"port_{side}"])
    except ValueError:
        return row[f"host_{side}"], int(row[f"port_{side}"])


def our_sides(path: Path) -> dict[tuple, list[dict]]:
    sides = defaultdict(list)
    flows, told = flows_and_sides(scan_pcap(path))
    for row in flows.join(told, on=KEYS, maintain_order="left").iter_rows(named=True):
        sides[tuple(row[name] for name in KEYS[1:])].append(row)
    return sides


def differing(ours: dict, theirs: dict[str, str]) -> set[str]:
    """The measures that differ on one side of a connection."""
    different = {name for name, other in SAME.items() if ours[name] is not None and ours[name] != int(theirs[other])}
    if (ours["mss_bytes"] or 0) != int(theirs["mss_requested"]) & 0xFFFF:  # it prints 40,000 as 4,294,941,760
        different.add("mss_bytes")
    for name, other in ROUNDED.items():
        if ours[name] is not None and abs(ours[name] - float(theirs[other])) > ROUNDED_MS:
            different.add(name)
    # it counts SYN and FIN as a byte each, and the byte of a keep-alive as sent again
    again = max(ours["syn_packets"] - 1, 0) + max(ours["fin_packets"] - 1, 0)
    keep_alive_bytes = ours["retransmitted_bytes"] - ours["duplicated_bytes"] - ours["resent_bytes"]
    if ours["resent_bytes"] + keep_alive_bytes + again != int(theirs["rexmt_data_bytes"]):
        different.add("resent_bytes")
    extra = int(theirs["rexmt_data_pkts"]) - ours["resent_packets"] - keep_alive_bytes
    if not 0 <= extra <= again:
        different.add("resent_packets")
    # it also counts packets that are new in part, when they end below what was seen
    out_of_order = int(theirs["outoforder_pkts"]) - ours["out_of_order_packets"] - ours["recovered_packets"]
    if not 0 <= out_of_order <= ours["resent_packets"]:
        different.add("out_of_order")
    return different


@pytest.mark.skipif(not PATHS, reason=f"no captures in {make.SHARED}")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_side_did_what_tcptrace_says(path, tmp_path):
    theirs, ours = tcptrace_sides(path, tmp_path), our_sides(path)
    if not theirs:
        pytest.skip("tcptrace reads nothing of it")
    different = set() if {*theirs} == {*ours} else {"connections"}
    for ends in {*theirs} & {*ours}:
        if len(theirs[ends]) != len(ours[ends]):
            different.add("connections")
        for mine, other in zip(ours[ends], theirs[ends], strict=False):
            different |= differing(mine, other)
    expected, why = OTHERWISE.get(path.name, (set(), ""))
    assert different == expected, why

"""The programs that captures are read with today: how long they take, what they count."""
# ruff: noqa: SIM905

import re
import subprocess
from pathlib import Path
from typing import Final

FIELDS: Final = (
    "frame.time_epoch frame.cap_len frame.len ip.src ip.dst tcp.srcport tcp.dstport ip.proto ip.id ip.ttl tcp.flags "
    "tcp.seq tcp.ack tcp.window_size_value tcp.len tcp.options.mss_val tcp.options.wscale.shift "
    "tcp.options.timestamp.tsval tcp.options.timestamp.tsecr tcp.stream"
).split()
OPTIONS: Final = ("tcp.relative_sequence_numbers:FALSE", "tcp.desegment_tcp_streams:FALSE")


def said(*command: str | Path) -> str:
    """Standard output of a program that must succeed."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def capinfos_count(path: Path) -> int:
    """Number of packets."""
    return int(re.findall(r"Number of packets: +(\d+)", said("capinfos", "-M", "-c", path))[0])


def capinfos_bytes(path: Path) -> int:
    """Bytes on the wire."""
    return int(re.findall(r"Data size: +(\d+)", said("capinfos", "-M", "-d", path))[0])


def tcptrace_count(path: Path) -> int:
    """Number of TCP packets."""
    return int(re.findall(r"(\d+) TCP packets traced", said("tcptrace", "-n", path))[0])


def tshark_sums(path: Path) -> tuple[int, int, int, int]:
    """Packets, and the sums of the wire lengths, TCP payloads and raw sequence numbers."""
    command = ["tshark", "-r", str(path), "-n", "-T", "fields"]
    command += [word for option in OPTIONS for word in ("-o", option)]
    command += [word for field in FIELDS for word in ("-e", field)]
    rows = [line.split("\t") for line in said(*command).splitlines()]
    wanted = (FIELDS.index(name) for name in ("frame.len", "tcp.len", "tcp.seq"))
    wire, payload, seq = (sum(int(row[place]) for row in rows) for place in wanted)
    return len(rows), wire, payload, seq


def prefix(path: Path, packets: int) -> Path:
    """The first packets of a capture, in a file of their own."""
    short = path.with_name(f"first-{packets}-{path.name}")
    if not short.exists():
        said("editcap", "-F", "pcap", "-r", path, short, f"1-{packets}")
    return short

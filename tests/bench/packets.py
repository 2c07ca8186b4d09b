"""Captures into polars: speed against capinfos, tcptrace and tshark, memory, and an early end."""
# ruff: noqa: T201, SIM905 - a benchmark prints

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import polars as pl

from tests.bench import captures, peers
from tests.bench.history import note
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.wire.connections import flows

REPETITIONS: Final = 7
PREFIX_PACKETS: Final = 200_000
LARGE_BYTES: Final = 3_000_000_000
EARLY_ENDS: Final = 20
CAPINFOS: Final = "capinfos -c"
TCPTRACE: Final = "tcptrace"
TSHARK: Final = f"tshark -T fields, first {PREFIX_PACKETS:,}"
PEERS: Final = (CAPINFOS, TCPTRACE, TSHARK)
COLUMNS: Final = (
    "ts_ns captured_bytes wire_bytes src dst src_port dst_port protocol ip_id ttl tcp_flags seq ack window_raw "
    "payload_bytes mss window_scale tsval tsecr flow_id direction"
).split()
GROUP_BY: Final = """
import re, sys
import polars as pl
from zcanalysis.io.pcap import scan_pcap
rows = scan_pcap(sys.argv[1]).group_by("flow_id").agg(pl.col("payload_bytes").sum()).collect(engine="streaming")
peak_kib = re.findall("VmHWM: *([0-9]+)", open("/proc/self/status").read().replace("\\t", ""))[0]
print(rows["payload_bytes"].sum(), int(peak_kib) * 1024)
"""
STOP_EARLY: Final = """
import sys
import polars as pl
from zcanalysis.io.pcap import scan_pcap
rows = scan_pcap(sys.argv[1]).filter(pl.col("payload_bytes") > 0).head(10).collect(engine="streaming")
assert rows.height == 10
"""


class Measured(NamedTuple):
    """One way of reading a file, several times."""

    name: str
    packets_per_s: float
    result: Any


def main() -> None:
    """Print every comparison; fail if results differ, never because of time."""
    clean, lossy = captures.clean_capture(), captures.lossy_capture()
    for path in (clean, lossy):
        compare(path)
    memory(clean)
    early_ends(clean)


def compare(path: Path) -> None:
    """Speed on one file, page cache warm, ours and theirs in turns."""
    packets, short = peers.capinfos_count(path), peers.prefix(path, PREFIX_PACKETS)
    scan = scan_pcap(path)
    ways: dict[str, Callable[[], Any]] = {
        "all TCP columns, collect": lambda: scan.select(COLUMNS).collect().height,
        "all TCP columns, streaming sum": lambda: sums(scan.select(COLUMNS)),
        "flows": lambda: flows(scan),
        CAPINFOS: lambda: peers.capinfos_count(path),
        TCPTRACE: lambda: peers.tcptrace_count(path),
    }
    first = time.perf_counter()
    height = scan.select(COLUMNS).collect().height
    first = packets / (time.perf_counter() - first)
    found = [*measured(ways, packets), *measured({TSHARK: lambda: peers.tshark_sums(short)}, PREFIX_PACKETS, 1)]
    load = os.getloadavg()[0]
    print(f"\n{path}: {packets:,} packets, {path.stat().st_size:,} bytes; medians of {REPETITIONS}; load {load:.1f}")
    print(f"{'collect, the first in this process':40} {first / 1e6:8.2f} M packets/s, {height:,} rows")
    show(path, found)
    check(path, short, {way.name: way.result for way in found})


def sums(table: pl.LazyFrame) -> dict[str, int]:
    """Something of every column, so that none is left out: sums of numbers, the last address."""
    exact = pl.col("wire_bytes", "payload_bytes", "seq").cast(pl.Int64).sum()
    rest = pl.col(COLUMNS).exclude("wire_bytes", "payload_bytes", "seq", "src", "dst").sum()
    return (
        table.select(pl.len(), exact, rest, pl.col("src", "dst").last()).collect(engine="streaming").row(0, named=True)
    )


def measured(ways: dict[str, Callable[[], Any]], packets: int, repetitions: int = REPETITIONS) -> list[Measured]:
    """Medians of several rounds, after one that warms up."""
    results = {name: way() for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return [Measured(name, packets / median(seconds[name]), result) for name, result in results.items()]


def show(path: Path, found: list[Measured]) -> None:
    """One line a way, with its speed over each peer's."""
    peers_found = [way for way in found if way.name in PEERS]
    print(f"{'':40} {'M packets/s':>11} {'times ' + CAPINFOS:>18} {'times tcptrace':>15} {'times tshark':>14}")
    for way in found:
        ratios = [way.packets_per_s / peer.packets_per_s for peer in peers_found]
        print(f"{way.name:40} {way.packets_per_s / 1e6:11.2f} {ratios[0]:18.2f} {ratios[1]:15.2f} {ratios[2]:14.1f}")
        if way not in peers_found:
            for peer, ratio in zip((CAPINFOS, TCPTRACE, "tshark"), ratios, strict=True):
                note(f"{path.stem}: {way.name} over {peer}", ratio)


def check(path: Path, short: Path, results: dict[str, Any]) -> None:
    """Ours and theirs counted the same."""
    ours, table = results["all TCP columns, streaming sum"], results["flows"]
    packets = results[CAPINFOS]
    assert packets == ours["len"] == results[TCPTRACE] == results["all TCP columns, collect"] == table["packets"].sum()
    assert ours["wire_bytes"] == peers.capinfos_bytes(path) == table["wire_bytes"].sum()
    few = sums(scan_pcap(short).select(COLUMNS))
    assert tuple(few[name] for name in ("len", "wire_bytes", "payload_bytes", "seq")) == results[TSHARK]
    repeated = table["retransmitted_bytes"].sum()
    print(f"counts and sums equal those of capinfos, tcptrace and tshark; {repeated:,} bytes were sent twice")


def memory(path: Path) -> None:
    """Peak of a streamed group_by over a file, and over one ten times as large."""
    large = captures.repeated_capture(path, LARGE_BYTES)
    try:
        small_sum, small_peak = map(int, peers.said(sys.executable, "-c", GROUP_BY, path).split())
        large_sum, large_peak = map(int, peers.said(sys.executable, "-c", GROUP_BY, large).split())
        times = round(large.stat().st_size / path.stat().st_size)
    finally:
        large.unlink()
    assert large_sum == times * small_sum
    growth = 100 * (large_peak / small_peak - 1)
    note(f"peak memory of a streamed group_by over {times} times the packets", large_peak / small_peak)
    print(
        f"\npeak memory of a streamed group_by: {small_peak / 1e6:.0f} MB over {path.name}, "
        f"{large_peak / 1e6:.0f} MB over it {times} times ({growth:+.0f} %)"
    )


def early_ends(path: Path) -> None:
    """Processes that end right after a query that needed the first rows only."""
    seconds = []
    for _ in range(EARLY_ENDS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", STOP_EARLY, path], check=True)
        seconds.append(time.perf_counter() - start)
    print(f"\nfilter().head(10) and exit: status 0 in {EARLY_ENDS} of {EARLY_ENDS}, {median(seconds):.2f} s each")

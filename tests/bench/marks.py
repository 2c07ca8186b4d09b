"""Marks of every packet: speed against tcptrace and tshark, growth with packets, many connections.

Run as ``python -m tests.bench.marks``. Times are printed, results asserted.
"""
# ruff: noqa: T201 - a benchmark prints

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

import polars as pl

from tests.bench import captures, peers
from tests.bench.history import note
from tests.bench.packets import PREFIX_PACKETS, measured
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.wire.segment_marks import COLUMNS, mark_batches, marks

ROUNDS: Final = 5
CONNECTIONS: Final = 100_000
PACKETS_EACH: Final = 10
COUNTED: Final = ("retransmission", "out_of_order", "duplicate_ack", "lost_segment", "zero_window", "window_full")


def main() -> None:
    """Print every comparison; fail if results differ, never because of time."""
    for path in (captures.clean_capture(), captures.lossy_capture()):
        compare(path)
    growth(captures.clean_capture())
    many_connections(captures.clean_capture())


def compare(path: Path) -> None:
    """File to marks, page cache warm, ours and theirs in turns."""
    packets, short = peers.capinfos_count(path), peers.prefix(path, PREFIX_PACKETS)
    scan = scan_pcap(path)
    ways: dict[str, Callable[[], Any]] = {
        "marks, one table": lambda: marks(scan).height,
        "marks, in parts": lambda: sum(part.height for part in mark_batches(scan)),
        "tcptrace": lambda: peers.tcptrace_count(path),
    }
    shark = measured({"tshark": lambda: tshark_counts(short)}, PREFIX_PACKETS, 1)[0]
    found = measured(ways, packets, ROUNDS)
    print(f"\n{path}: {packets:,} packets; medians of {ROUNDS}; load {os.getloadavg()[0]:.1f}")
    for way in found:
        rate, of_tcptrace, of_tshark = (
            way.packets_per_s / per for per in (1e6, found[-1].packets_per_s, shark.packets_per_s)
        )
        print(f"{way.name:18} {rate:6.2f} M/s, times tcptrace {of_tcptrace:.2f}, tshark {of_tshark:.0f}")
        assert way.result == packets
        if way is not found[-1]:
            note(f"{path.stem}: {way.name} over tcptrace", of_tcptrace)
    ours = marks(scan_pcap(short)).select(pl.col(COUNTED).sum()).row(0)
    assert ours == shark.result, (ours, shark.result)
    counts = dict(zip(COUNTED, ours, strict=True))
    print(f"counts of marks in the first {PREFIX_PACKETS:,} equal those of tshark: {counts}")


def tshark_counts(path: Path) -> tuple[int, ...]:
    """How many packets have each mark."""
    command = ["tshark", "-r", str(path), "-n", "-T", "fields", "-o", "tcp.desegment_tcp_streams:FALSE"]
    command += [word for name in COUNTED for word in ("-e", f"tcp.analysis.{name}")]
    rows = [line.split("\t") for line in peers.said(*command).splitlines()]
    return tuple(sum(row[place] != "" for row in rows) for place in range(len(COUNTED)))


def ratio(slow: Callable[[], Any], fast: Callable[[], Any]) -> float:
    """Median time of one over that of the other, in turns."""
    taken: dict[Callable[[], Any], list[float]] = {slow: [], fast: []}
    for _ in range(ROUNDS):
        for way, times in taken.items():
            start = time.perf_counter()
            way()
            times.append(time.perf_counter() - start)
    return median(taken[slow]) / median(taken[fast])


def last(packets: pl.DataFrame) -> int:
    """All marks made, in parts, and none kept; the highest connection number."""
    return max(int(part["connection"].max()) for part in mark_batches(packets))


def growth(path: Path) -> None:
    """Ten times the packets."""
    whole = scan_pcap(path).select(COLUMNS).collect()
    tenth = whole.head(whole.height // 10)
    times = ratio(lambda: last(whole), lambda: last(tenth))
    note("time of marks for ten times the packets", times)
    print(f"\nten times the packets ({tenth.height:,} to {whole.height:,}) take {times:.1f} times as long")


def many_connections(path: Path) -> None:
    """The same packets, as if each ten in a row were another connection."""
    few = scan_pcap(path).select(COLUMNS).head(CONNECTIONS * PACKETS_EACH).collect()
    number = pl.int_range(pl.len(), dtype=pl.UInt64) // PACKETS_EACH
    many = few.with_columns(flow_id=number * 0x9E3779B1)
    assert last(many) >= many.height // PACKETS_EACH - 1
    times = ratio(lambda: last(many), lambda: last(few))
    print(f"{many.height:,} packets of {many.height // PACKETS_EACH:,} connections take {times:.2f} times those of few")


if __name__ == "__main__":
    main()

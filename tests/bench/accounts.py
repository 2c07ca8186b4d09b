"""What TCP did, per connection: speed against tcptrace, growth with packets, and many connections."""
# ruff: noqa: T201 - a benchmark prints

import csv
import os
import time
from pathlib import Path
from statistics import median
from typing import Final

import polars as pl

from tests.bench import captures, peers
from tests.bench.history import note
from tests.bench.packets import measured
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.tables import PACKETS, conform, polars_schema
from zcanalysis.wire.accounts import tcp_sides
from zcanalysis.wire.connections import flows

REPETITIONS: Final = 5
TCPTRACE: Final = "tcptrace -l -n -r"
TABLE: Final = "tcp_sides of a table"
FACTOR: Final = 2.0
SAMPLES_DIFFER: Final = 0.001
EXCHANGES: Final = 50  # of one data packet and its ACK, after the handshake
CONNECTIONS: Final = 100_000
GROWTH: Final = 11.0  # times the time for ten times the packets
ROUNDS: Final = 3


def main() -> None:
    """Print every comparison; fail if results differ, or if time grows faster than packets."""
    for path in (captures.clean_capture(), captures.lossy_capture()):
        compare(path)
    growth()


def compare(path: Path) -> None:
    """Everything TCP_SIDES holds against tcptrace's long output with round trips, in turns."""
    packets, scan = peers.capinfos_count(path), scan_pcap(path)
    ways = {
        "flows": lambda: flows(path),
        "tcp_sides": lambda: tcp_sides(path),
        TABLE: lambda: tcp_sides(scan),
        TCPTRACE: lambda: totals(path),
    }
    found = {way.name: way for way in measured(ways, packets, REPETITIONS)}
    theirs, ours = found[TCPTRACE], found["tcp_sides"]
    print(f"\n{path}: {packets:,} packets; medians of {REPETITIONS}; load {os.getloadavg()[0]:.1f}")
    for name, way in found.items():
        times = way.packets_per_s / theirs.packets_per_s
        print(f"{name:20} {way.packets_per_s / 1e6:8.2f} M packets/s {times:8.2f} times {TCPTRACE}")
        if way is not theirs:
            note(f"{path.stem}: {name} over {TCPTRACE}", times)
    assert ours.result.equals(found[TABLE].result)
    unique_bytes = found["flows"].result["unique_bytes"].sum()
    assert (unique_bytes, ours.result["resent_bytes"].sum()) == theirs.result[:2]
    # of acknowledged data it remembers only when the oldest was sent: of a retransmission in the middle it knows less
    assert abs(ours.result["rtt_samples"].sum() / theirs.result[2] - 1) < SAMPLES_DIFFER, theirs.result
    verdict = "at least" if ours.packets_per_s >= FACTOR * theirs.packets_per_s else "less than"
    print(f"unique and repeated bytes are the same, round trips as many; {verdict} {FACTOR:.0f} times as fast")


def totals(path: Path) -> tuple[int, int, int]:
    """Unique and repeated bytes and round trips of all connections, from tcptrace."""
    lines = peers.said("tcptrace", "--csv", "-l", "-n", "-r", path).splitlines()
    head, *rows = csv.reader(line for line in lines if line and line[0] != "#")
    names = [name.strip() for name in head]
    columns = ("unique_bytes_sent", "rexmt_data_bytes", "RTT_samples")
    places = [[names.index(f"{column}_{way}") for way in ("a2b", "b2a")] for column in columns]
    unique, again, samples = (sum(int(row[place]) for row in rows for place in pair) for pair in places)
    return unique, again, samples


def growth() -> None:
    """Ten times the packets on the same connections, and a hundred thousand connections side by side."""
    tables = {
        "few": exchanges(CONNECTIONS // 100, EXCHANGES),
        "ten times": exchanges(CONNECTIONS // 100, 10 * EXCHANGES),
        "connections": exchanges(CONNECTIONS, EXCHANGES // 5),
    }
    seconds: dict[str, list[float]] = {name: [] for name in tables}
    for _ in range(ROUNDS):
        for name, table in tables.items():
            start = time.perf_counter()
            told = tcp_sides(table)
            seconds[name].append(time.perf_counter() - start)
            assert told.height == 2 * table["flow_id"].n_unique()
            assert 4 * told["rtt_samples"].sum() == 2 * table.height + told.height
    few, many, wide = (median(times) for times in seconds.values())
    packets, more = tables["ten times"].height / tables["few"].height, tables["connections"].height
    print(f"\n{packets:.1f} times the packets: {many / few:.1f} times the time")
    note(f"time of tcp_sides for {packets:.1f} times the packets", many / few)
    print(f"{CONNECTIONS:,} connections side by side: {wide:.2f} s, {1e9 * wide / more:.0f} ns a packet")
    assert many / few < GROWTH


def exchanges(connections: int, count: int) -> pl.DataFrame:
    """Connections side by side: three packets of a handshake, then data and ACK in turns."""
    steps = [(0, 2, 0, 0, 0), (1, 18, 0, 1, 0), (0, 16, 1, 1, 0)]
    for number in range(count):
        steps += [(0, 16, 1 + 1000 * number, 1, 1000), (1, 16, 1, 1001 + 1000 * number, 0)]
    names = ("back", "tcp_flags", "seq", "ack", "payload_bytes")
    script = pl.DataFrame(steps, schema=names, orient="row").with_row_index("step")
    table = script.join(pl.DataFrame({"flow": range(connections)}), how="cross").with_row_index("at")
    back, here, there = pl.col("back") == 1, pl.lit(1), pl.col("flow") + 2
    filled = table.with_columns(
        ts_ns=1000 * pl.col("at").cast(pl.Int64),
        flow_id=pl.col("flow").hash(),
        direction=back,
        src=pl.when(back).then(there).otherwise(here),
        dst=pl.when(back).then(here).otherwise(there),
        src_port=pl.lit(80),
        dst_port=pl.lit(80),
        protocol=pl.lit(6),
        wire_bytes=pl.col("payload_bytes") + 54,
        window_raw=pl.lit(1000),
    )
    missing = {name: pl.lit(None, kind) for name, kind in polars_schema(PACKETS).items() if name not in filled.columns}
    return conform(filled.with_columns(**missing), PACKETS)

"""Lines of perf text a second into polars on one core, beside a plain Python loop over the same file.

Run as ``python -m tests.bench.perf_text``. The text is a recording of `traces/` repeated with later times, once as it
is (call chains repeat, as they do in a recording) and once with every chain different. Times are printed, results
are compared: both readers must find the same samples, periods and frames.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl
import zstandard

from tests.bench.history import note
from zcanalysis.io.perf import scan_perf

PLACE: Final = Path("build/bench")
RECORDING: Final = Path("traces/veth-1500/perf.txt.zst")
LEAST_LINES: Final = 1_600_000
ROUNDS: Final = 3
LOOP_SECONDS: Final = 100
TIME: Final = re.compile(r"(?<= )(\d+)(\.\d{9}:)")
LEAF: Final = re.compile(r"(?<=: \n\t)[0-9a-f]{16}")
HEADER: Final = re.compile(
    r"^(.+?)\s+(-?\d+)/(-?\d+)\s+\[(\d+)\]\s+(\d+)\.(\d+):\s+(\d+)\s+(\S+):\s*$"
)  # what a first script for this format looks like
ONE_THREAD: Final = "POLARS_MAX_THREADS"


class Found(NamedTuple):
    """What both readers must agree on."""

    samples: int
    period: int
    frames: int


def repeated_text(*, chains_differ: bool) -> Path:
    """The recording over and over, each time later; kept in build/bench."""
    path = PLACE / ("perf-different-chains.txt" if chains_differ else "perf-repeated.txt")
    if path.exists():
        return path
    PLACE.mkdir(parents=True, exist_ok=True)
    with RECORDING.open("rb") as packed:
        text = zstandard.ZstdDecompressor().stream_reader(packed).read().decode()
    draft = path.with_suffix(".draft")
    with draft.open("w") as out:
        for number in range(-(-LEAST_LINES // text.count("\n"))):
            later = number * LOOP_SECONDS
            piece = TIME.sub(lambda found, later=later: f"{int(found[1]) + later}{found[2]}", text)
            if chains_differ:
                addresses = iter(range(number << 32, 1 << 62))
                piece = LEAF.sub(lambda _leaf, left=addresses: f"ffff{next(left):012x}", piece)
            out.write(piece)
    return draft.rename(path)


def with_zcanalysis(path: Path) -> Found:
    """The samples of `scan_perf`, all columns."""
    table = scan_perf(path).collect()
    frames = table.get_column("callchain").str.count_matches("\n", literal=True).sum() + table.height
    empty = (table.get_column("callchain") == "").sum()
    return Found(table.height, table.get_column("period").sum(), frames - empty)


def with_a_loop(path: Path) -> Found:
    """The samples of a loop with one expression a header, as dictionaries in a polars table."""
    rows: list[dict[str, object]] = []
    frames: list[str] = []
    with path.open() as lines:
        for line in lines:
            if line[0] == "\t":
                frames.append(line.strip().partition(" ")[2])
            elif found := HEADER.match(line):
                frames = []
                comm, pid, tid, cpu, seconds, fraction, period, event = found.groups()
                ts_ns = int(seconds) * 1_000_000_000 + int(fraction)
                row = {"ts_ns": ts_ns, "cpu": int(cpu), "pid": int(pid), "tid": int(tid), "comm": comm}
                rows.append(row | {"event": event, "period": int(period), "callchain": frames})
    table = pl.DataFrame(rows)
    return Found(table.height, table.get_column("period").sum(), table.get_column("callchain").list.len().sum())


def best_seconds(reader: Callable[[Path], Found], path: Path) -> tuple[float, Found]:
    """The fastest of a few runs, and what was found."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        found = reader(path)
        times.append(time.perf_counter() - start)
    return min(times), found


def main() -> None:
    """Measures on one core."""
    if os.environ.get(ONE_THREAD) != "1":
        environment = os.environ | {ONE_THREAD: "1"}
        subprocess.run([sys.executable, "-m", "tests.bench.perf_text"], env=environment, check=True)
        return
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for differ in (False, True):
        path = repeated_text(chains_differ=differ)
        with path.open("rb") as content:
            lines = sum(piece.count(b"\n") for piece in iter(lambda: content.read(1 << 20), b""))
        ours, found = best_seconds(with_zcanalysis, path)
        loop, expected = best_seconds(with_a_loop, path)
        assert found == expected, f"{path}: {found} is not {expected}"
        what = "every chain different" if differ else "chains repeat"
        speed = f"scan_perf {lines / ours / 1e6:.2f} M lines/s, plain loop {lines / loop / 1e6:.2f} M lines/s"
        note(f"scan_perf over a plain loop, {what}", loop / ours)
        print(f"{what}: {lines:,} lines, {found.samples:,} samples; one core: {speed}")  # noqa: T201


if __name__ == "__main__":
    main()

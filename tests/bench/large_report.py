"""The report of a capture that no memory holds, against that of a small one: memory, and packets a second.

Run as ``python -m tests.bench.large_report`` (``make bench-large``); LARGE_GB says how large, 10 if it is not set. The
captures are generated, one connection that goes on (`long_recording`), and removed afterwards.
"""
# ruff: noqa: T201 - a benchmark prints

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.long_recording import write_capture

PLACE: Final = Path("build/bench")
SMALL_BYTES: Final = 300_000_000
RECORD_BYTES: Final = 112
"""Of the shipped capture, which keeps the first 96 bytes of a packet."""
MOST_BYTES: Final = 1.5e9


class Run(NamedTuple):
    """One report."""

    packets: int
    file_bytes: int
    seconds: float
    peak_bytes: int


def report_large() -> None:
    """Both, and how they compare."""
    large_bytes = float(os.environ.get("LARGE_GB", "10")) * 1e9
    PLACE.mkdir(parents=True, exist_ok=True)
    small, large = (_measured(int(size)) for size in (SMALL_BYTES, large_bytes))
    for run in (small, large):
        print(
            f"{run.file_bytes / 1e9:6.2f} GB {run.packets:12,} packets: report in {run.seconds:6.1f} s, "
            f"{run.packets / run.seconds / 1e6:.2f} M packets/s, peak {run.peak_bytes / 1e6:,.0f} MB"
        )
    speed = large.packets / large.seconds / (small.packets / small.seconds)
    print(f"the large one at {speed:.0%} of the small one's packets a second")
    assert large.peak_bytes < MOST_BYTES


def _measured(size_bytes: int) -> Run:
    """A report on a capture of that size: of all its packets, without a byte sent twice."""
    file = PLACE / f"generated-{size_bytes // 1_000_000}-mb.pcap"
    try:
        packets, _ = write_capture(file, size_bytes // RECORD_BYTES)
        page, begin = file.with_suffix(".html"), time.perf_counter()
        said = subprocess.run(
            [sys.executable, "-m", "zcanalysis", "report", str(file), "-o", str(page)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        seconds = time.perf_counter() - begin
        peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        assert page.stat().st_size > 1_000_000, said.stdout
        flows = _flows(file)
        assert sum(row["packets"] for row in flows) == packets
        assert sum(row["retransmitted_bytes"] for row in flows) == 0
        return Run(packets, file.stat().st_size, seconds, peak_bytes)
    finally:
        file.unlink(missing_ok=True)


def _flows(file: Path) -> list[dict[str, int]]:
    command = [sys.executable, "-m", "zcanalysis", "flows", str(file), "--json"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows: list[dict[str, int]] = json.loads(found)["flows"]
    return rows


if __name__ == "__main__":
    report_large()

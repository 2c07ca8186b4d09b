"""Recordings written by hand whose CPU time per byte anybody can work out: so many samples of a chain, a payload."""

import json
from pathlib import Path

import polars as pl

from tests.cpu.test_accounts import idle_counters
from zcanalysis.tables import COUNTERS, polars_schema

SECOND_NS = 1_000_000_000
SAMPLE_NS = 10_000
READER = 11


def recorded(place: Path, samples: dict[str, int], payload_bytes: int, comm: str = "reader") -> Path:
    """A recording of one second, made in the lab: call chains root first, `;` between, and how often each was seen."""
    place.mkdir(parents=True)
    spread = sorted(((at + 0.5) / times, chain) for chain, times in samples.items() for at in range(times))
    (place / "perf.txt").write_text("\n".join(_sample(at, chain, comm) for at, chain in spread))
    (place / "host.json").write_text(json.dumps(_host()))
    _counters(payload_bytes).write_parquet(place / "counters.parquet")
    return place


def _sample(at: float, chain: str, comm: str) -> str:
    """At that part of the second, for `SAMPLE_NS`."""
    frames = "".join(f"\tffffffff81 {name} ([kernel.kallsyms])\n" for name in reversed(chain.split(";")) if name)
    head = f"{comm} {READER}/{READER} [001] 5.{int(at * SECOND_NS):09d}: {SAMPLE_NS} cpu-clock: "
    return f"{head}\n{frames}"


def _host() -> dict:
    return {
        "device": "eth0", "lab": {"name": "hand"}, "mtu": 1500, "cpus": 2, "lost": {"perf_events": 0},
        "clock": [{"realtime_ns": 100, "monotonic_ns": 100, "width_ns": 50}],
        "phases": [
            {"name": "counters", "from_ns": 3 * SECOND_NS, "to_ns": 5 * SECOND_NS},
            {"name": "chains", "from_ns": 5 * SECOND_NS, "to_ns": 6 * SECOND_NS},
        ],
        "roles": {"reader": [{"pid": READER}], "sender": [{"pid": 12}]},
    }  # fmt: skip


def _counters(payload_bytes: int) -> pl.DataFrame:
    """Two seconds undisturbed, one sampled, at one rate."""
    rows = [
        (second * SECOND_NS, phase, 0, "socket", "a>b", "bytes_received", (second - 3) * payload_bytes)
        for second, phase in ((3, "counters"), (5, "counters"), (5, "chains"), (6, "chains"))
    ]
    table = pl.DataFrame(rows, schema=polars_schema(COUNTERS), orient="row")
    idle = pl.concat([idle_counters(cpu, SECOND_NS // 2, SECOND_NS) for cpu in (0, 1)])
    return pl.concat([table, idle.with_columns(pl.col("ts_ns") + 5 * SECOND_NS)])

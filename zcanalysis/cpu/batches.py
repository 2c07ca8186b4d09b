"""How often each CPU was interrupted, ran the receive softirq and woke up: what work per batch is divided by."""

from collections.abc import Mapping
from typing import Final

import polars as pl

from zcanalysis.cpu.kernel_stages import NOT_RECEIVE, STAGES
from zcanalysis.rates import increments

BATCHES: Final = {
    "interrupts": "interrupts and IPIs of every kind, /proc/interrupts",
    "NET_RX runs": "runs of the receive softirq, /proc/softirqs",
    "idle exits": "times the CPU woke up, cpuidle usage",
}
"""Each kind of batch, and where it is counted."""

KINDS: Final = {"hardirq": "interrupts", "wakeup_sched": "idle exits"}
NOT_COUNTED: Final = ("syscall", "reader")
BATCH_OF: Final[Mapping[str, str]] = {
    stage: KINDS.get(stage, "NET_RX runs") for stage in STAGES if stage not in (*NOT_RECEIVE, *NOT_COUNTED)
}
"""The kind of batch that each stage of the receive path goes by; nobody counts the reader's system calls."""
LEAST_PER_S: Final = 10.0
"""Rarer batches do not carry a stage's work: a CPU that hardly sleeps is woken by something else."""


def batch_counts(counters: pl.DataFrame | None, phase: str) -> pl.DataFrame:
    """Batches of each kind on each CPU over all windows of a phase.

    Returns
    -------
    pl.DataFrame
        ``cpu``, ``batch`` (one of `BATCHES`), ``batches``; no row where nothing was counted.
    """
    empty = pl.DataFrame(schema={"cpu": pl.Int32, "batch": pl.String, "batches": pl.Int64})
    if counters is None:
        return empty
    every = (
        ("interrupts", increments(counters, "irq", phase)),
        ("NET_RX runs", increments(counters, "softirqs", phase).filter(pl.col("counter") == "NET_RX")),
        ("idle exits", increments(counters, "cpuidle", phase).filter(pl.col("counter") == "entries")),
    )
    return pl.concat([empty, *(_by_cpu(name, rows) for name, rows in every)])


def _by_cpu(batch: str, rows: pl.DataFrame) -> pl.DataFrame:
    cpu = pl.col("instance").str.strip_prefix("cpu").cast(pl.Int32, strict=False).alias("cpu")
    return (
        rows.group_by(cpu)
        .agg(pl.col("increment").sum().alias("batches"))
        .filter(pl.col("cpu").is_not_null(), pl.col("batches") > 0)
        .select("cpu", pl.lit(batch).alias("batch"), "batches")
    )

"""What each stage cost on each CPU: nanoseconds a packet and a byte, with an interval."""

from typing import Final

import numpy as np
import polars as pl

from zcanalysis.cpu.intervals import STRETCHES, drawn_sums, interval
from zcanalysis.cpu.wall_time import span_ns
from zcanalysis.tables import COSTS, conform

ORIGIN: Final = "measured here, CPU samples"


def stage_costs(stages: pl.DataFrame, *, packets: int | None = None, payload_bytes: int | None = None) -> pl.DataFrame:
    """The COSTS table: one row a stage and CPU, dearest first.

    Parameters
    ----------
    stages
        STAGED_SAMPLES rows of one sampled window.
    packets
        Packets received in that window, by the device's counters; None when not known.
    payload_bytes
        Payload bytes received in that window; None when not known.

    Returns
    -------
    pl.DataFrame
        Both ratios charge the *whole* time of the stage to packets, and again to bytes: they are two views of one
        time, not two terms. ``low`` and ``high`` are the 5 % and 95 % bounds of ``ns_per_packet`` (of ``cpu_share``
        where packets are not known) under resampling of the window's time.
    """
    busy = stages.filter(pl.col("stage") != "idle")
    if busy.is_empty():
        return pl.DataFrame(schema={name: column.dtype for name, column in COSTS.items()})
    window_ns = max(span_ns(stages), 1)
    keys, by_stretch = seconds_by_stretch(busy)
    total_ns = by_stretch.sum(axis=0) * 1e9
    low_ns, high_ns = (bound * 1e9 for bound in interval(drawn_sums(by_stretch)))
    per = packets or window_ns
    table = keys.with_columns(
        pl.Series("ns_per_packet", total_ns / packets if packets else [None] * len(total_ns), pl.Float64),
        pl.Series("ns_per_byte", total_ns / payload_bytes if payload_bytes else [None] * len(total_ns), pl.Float64),
        pl.lit(None, pl.Float64).alias("ns_per_batch"),
        pl.Series("cpu_share", total_ns / window_ns),
        pl.Series("low", low_ns / per),
        pl.Series("high", high_ns / per),
        pl.lit(ORIGIN).alias("origin"),
    )
    return conform(table, COSTS).sort("cpu_share", descending=True)


def seconds_by_stretch(stages: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray]:
    """Seconds of each (stage, cpu) in each stretch of the window.

    Returns
    -------
    tuple
        The keys (``stage``, ``cpu``; n rows) and an array of shape (STRETCHES, n).
    """
    first_ns, last_ns = stages.select(pl.col("at_ns").min().alias("a"), pl.col("at_ns").max().alias("b")).row(0)
    stretch = ((pl.col("at_ns") - first_ns) * STRETCHES // max(last_ns - first_ns + 1, 1)).clip(0, STRETCHES - 1)
    seconds = (
        stages.group_by("stage", "cpu", stretch.alias("stretch"))
        .agg(pl.col("weight_ns").sum() / 1e9)
        .sort("stage", "cpu", "stretch")
    )
    keys = seconds.select("stage", "cpu").unique(maintain_order=True).with_row_index("key")
    placed = seconds.join(keys, on=["stage", "cpu"])
    by_stretch = np.zeros((STRETCHES, keys.height))
    by_stretch[placed.get_column("stretch").to_numpy(), placed.get_column("key").to_numpy()] = placed.get_column(
        "weight_ns"
    ).to_numpy()
    return keys.drop("key"), by_stretch

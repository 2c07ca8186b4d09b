"""What each stage cost on each CPU: nanoseconds a packet and a byte, with an interval."""

from typing import Final

import numpy as np
import polars as pl

from zcanalysis.cpu.batches import BATCH_OF, LEAST_PER_S, batch_counts
from zcanalysis.cpu.intervals import STRETCHES, drawn_sums, interval
from zcanalysis.cpu.kernel_stages import FOLLOWS
from zcanalysis.cpu.wall_time import span_ns
from zcanalysis.tables import COSTS, conform

ORIGIN: Final = "measured here, CPU samples"


def stage_costs(
    stages: pl.DataFrame,
    *,
    packets: int | None = None,
    payload_bytes: int | None = None,
    batches: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The COSTS table: one row a stage and CPU, dearest first.

    Parameters
    ----------
    stages
        STAGED_SAMPLES rows of one sampled window.
    packets
        Packets received in that window, by the device's counters; None when not known.
    payload_bytes
        Payload bytes received in that window; None when not known.
    batches
        Batches in that window, as `zcanalysis.cpu.batches.batch_counts` gives them; None when not counted.

    Returns
    -------
    pl.DataFrame
        Each ratio charges the *whole* time of the stage, to packets, to bytes, to batches: three views of one time.
        Which of them stays when packets, bytes or batches change is a property of the stage. ``low`` and ``high``
        are the 5 % and 95 % bounds of ``ns_per_packet`` (of ``cpu_share`` where packets are not known) under resampling
        of the window's time.
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
        pl.Series("ns", total_ns),
        pl.Series("cpu_share", total_ns / window_ns),
        pl.Series("low", low_ns / per),
        pl.Series("high", high_ns / per),
        pl.lit(ORIGIN).alias("origin"),
    )
    return conform(_per_batch(table, batches, window_ns), COSTS).sort("cpu_share", descending=True)


def _per_batch(table: pl.DataFrame, batches: pl.DataFrame | None, window_ns: int) -> pl.DataFrame:
    """The table with the kind of batch of each stage, how many there were and what each cost."""
    kind = pl.col("stage").replace_strict(BATCH_OF, default=None, return_dtype=pl.String)
    follows = pl.col("stage").replace_strict(FOLLOWS, default=None, return_dtype=pl.String)
    counted = batch_counts(None, "") if batches is None else batches
    return (
        table.with_columns(kind.alias("batch"), follows.alias("follows"))
        .join(counted, on=["cpu", "batch"], how="left", maintain_order="left")
        .with_columns(
            (pl.col("ns") / pl.col("batches")).alias("ns_per_batch"),
            (pl.col("batches") / (window_ns / 1e9)).alias("batches_per_s"),
        )
        .with_columns(pl.when(pl.col("batches_per_s") >= LEAST_PER_S).then(pl.col("ns_per_batch")))
    )


def seconds_by_stretch(stages: pl.DataFrame, by: tuple[str, ...] = ("stage", "cpu")) -> tuple[pl.DataFrame, np.ndarray]:
    """Seconds of each (stage, cpu) in each stretch of the window.

    Parameters
    ----------
    stages
        STAGED_SAMPLES, at least one.
    by
        Other columns to tell apart.

    Returns
    -------
    tuple
        The keys (n rows) and an array of shape (STRETCHES, n).
    """
    first_ns, last_ns = stages.select(pl.col("at_ns").min().alias("a"), pl.col("at_ns").max().alias("b")).row(0)
    stretch = ((pl.col("at_ns") - first_ns) * STRETCHES // max(last_ns - first_ns + 1, 1)).clip(0, STRETCHES - 1)
    seconds = stages.group_by(*by, stretch.alias("stretch")).agg(pl.col("weight_ns").sum() / 1e9).sort(*by, "stretch")
    keys = seconds.select(by).unique(maintain_order=True).with_row_index("key")
    placed = seconds.join(keys, on=by)
    by_stretch = np.zeros((STRETCHES, keys.height))
    by_stretch[placed.get_column("stretch").to_numpy(), placed.get_column("key").to_numpy()] = placed.get_column(
        "weight_ns"
    ).to_numpy()
    return keys.drop("key"), by_stretch

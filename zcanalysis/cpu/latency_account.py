"""What the ranges of LATENCY add up to: stages over all bytes, and each socket's bytes, joined or not and why."""

from typing import Final

import numpy as np
import polars as pl

from zcanalysis.cpu.byte_chains import Agreement, Chains, Streams
from zcanalysis.cpu.byte_positions import NONE
from zcanalysis.cpu.packet_events import READ, PacketEvents
from zcanalysis.tables import (
    LATENCY_ACCOUNT,
    LATENCY_DISTRIBUTION,
    LATENCY_STAGES,
    LATENCY_SUMMARY,
    conform,
    empty,
    latency_column,
)

TOTAL: Final = "total"
MEDIAN: Final = 0.5
TAIL: Final = 0.99
PARTS: Final = (*(percent / 100 for percent in range(1, 100)), 0.995, 0.999, 1.0)


def summary(ranges: pl.DataFrame) -> pl.DataFrame:
    """LATENCY_SUMMARY of the complete ranges; every byte counts the same.

    Parameters
    ----------
    ranges
        LATENCY.
    """
    complete = ranges.filter("complete")
    rows = [_spread(complete, stage, latency_column(stage)) for stage in (*LATENCY_STAGES, TOTAL)]
    table = pl.DataFrame(rows, schema=list(LATENCY_SUMMARY)[:4], orient="row", infer_schema_length=None)
    whole = table.get_column("mean_ns").cast(pl.Float64)[-1]
    share = (pl.col("mean_ns").cast(pl.Float64) / whole if whole else pl.lit(None)).alias("share")
    return conform(table.with_columns(share), LATENCY_SUMMARY)


def _spread(ranges: pl.DataFrame, stage: str, column: str) -> tuple[str, float | None, int | None, int | None]:
    """Mean, median and 99th percentile over bytes; sums are whole numbers, so that means add up."""
    known = ranges.select(pl.col(column).alias("ns"), "bytes").drop_nulls().sort("ns")
    if known.is_empty():
        return stage, None, None, None
    ns, size = known.get_column("ns").to_numpy(), known.get_column("bytes").to_numpy()
    below = np.cumsum(size)
    p50, p99 = (int(ns[np.searchsorted(below, int(part * below[-1]))]) for part in (MEDIAN, TAIL))
    weighed = sum(int(value) for value in np.add.reduceat(ns * size, np.arange(0, len(ns), 1 << 16)))
    return stage, weighed / int(below[-1]), p50, p99


def distribution(ranges: pl.DataFrame) -> pl.DataFrame:
    """LATENCY_DISTRIBUTION of the complete ranges: 102 points a stage.

    Parameters
    ----------
    ranges
        LATENCY.
    """
    complete, tables = ranges.filter("complete"), []
    for stage in (*LATENCY_STAGES, TOTAL):
        known = complete.select(pl.col(latency_column(stage)).alias("ns"), "bytes").drop_nulls().sort("ns")
        if known.height:
            below = known.get_column("bytes").cum_sum().to_numpy()
            place = np.searchsorted(below, [int(part * below[-1]) for part in PARTS])
            points = {"stage": [stage] * len(PARTS), "part": PARTS, "ns": known.get_column("ns").gather(place)}
            tables.append(pl.DataFrame(points))
    return conform(pl.concat(tables), LATENCY_DISTRIBUTION) if tables else empty(LATENCY_DISTRIBUTION)


def accounting(
    events: PacketEvents, seen: Streams, joined: Chains, agreement: Agreement, ranges: pl.DataFrame
) -> pl.DataFrame:
    """LATENCY_ACCOUNT: one row a socket that was read.

    Parameters
    ----------
    events, seen, joined, agreement
        What the trace holds, and how it was joined.
    ranges
        LATENCY with a row for each chain, those without an arrival too.
    """
    chained = ranges.select("socket", "from_byte", "bytes", "complete").with_columns(
        pl.Series("arrived", joined.segment != NONE), pl.Series("early", joined.early)
    )
    complete = pl.col("complete") & pl.col("arrived")
    begin = pl.col("from_byte").filter(complete).min().over("socket").fill_null(-1)
    early = ~complete & (pl.col("early") | (pl.col("from_byte") < begin))
    size = pl.col("bytes")
    by_socket = chained.with_columns(complete.alias("joined"), early.alias("early")).group_by("socket").agg(
        size.filter("joined").sum().alias("joined_bytes"),
        size.filter("early").sum().alias("early_bytes"),
        size.filter(~pl.col("joined") & ~pl.col("early")).sum().alias("unmatched_bytes"),
        size.filter("arrived").sum().alias("taken_bytes"),
        size.sum().alias("copied_bytes"),
    )  # fmt: skip
    addresses = events.copies.select("socket", asked=pl.Series(agreement.asked), odd=pl.Series(agreement.odd))
    asked = addresses.group_by("socket").agg(pl.col("asked", "odd").sum().cast(pl.Int64))
    whole = by_socket.join(_arrived(seen), on="socket", how="left").join(asked, on="socket", how="left")
    counted = whole.join(_calls(events), on="socket", how="left")
    base = pl.col("copied_bytes") - pl.col("early_bytes") + pl.col("lost_bytes").fill_null(0)
    table = counted.with_columns(
        (pl.col("arrived_bytes") - pl.col("taken_bytes")).alias("unread_bytes"),
        pl.when(base > 0).then(pl.col("joined_bytes") / base).alias("joined_share"),
        pl.col("asked").alias("addresses"),
        (pl.col("asked") - pl.col("odd")).alias("addresses_agree"),
    )
    return conform(table.sort("copied_bytes", descending=True), LATENCY_ACCOUNT)


def _arrived(seen: Streams) -> pl.DataFrame:
    kept = seen.segments.socket != NONE
    arrived = np.bincount(
        seen.segments.socket[kept], weights=seen.segments.size_bytes[kept], minlength=len(seen.sockets)
    ).astype(np.int64)
    return pl.DataFrame({"socket": pl.Series(seen.sockets, dtype=pl.String), "arrived_bytes": arrived})


def _calls(events: PacketEvents) -> pl.DataFrame:
    """What the calls of each socket returned, and how far their copies fall short.

    A thread's first call may have begun before the trace: what it lacks was copied then.
    """
    if READ not in events.recorded:
        schema = {"socket": pl.String, "received_bytes": pl.Int64, "cut_bytes": pl.Int64, "lost_bytes": pl.Int64}
        return pl.DataFrame(schema=schema)
    calls = events.reads.drop_nulls("socket").select(
        "row", "tid", "socket", pl.col("row").alias("call"), "length_bytes"
    )
    copies = events.copies.select("row", "tid", pl.col("length_bytes").alias("copied"))
    ends = calls.select("row", "tid", "call")
    of_call = copies.join_asof(ends, on="row", by="tid", strategy="forward", check_sortedness=False)
    sums = of_call.group_by("call").agg(pl.col("copied").sum())
    short = pl.col("length_bytes") - pl.col("copied").fill_null(0)
    first = pl.col("row") == pl.col("row").min().over("tid")
    return (
        calls.join(sums, on="call", how="left")
        .with_columns(short.alias("short"), first.alias("first"))
        .group_by("socket")
        .agg(
            pl.col("length_bytes").sum().alias("received_bytes"),
            pl.col("short").filter("first").sum().alias("cut_bytes"),
            pl.col("short").filter(~pl.col("first")).sum().alias("lost_bytes"),
        )
    )

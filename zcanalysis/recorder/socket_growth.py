"""How much each socket moved in each phase, from the counters table."""

from typing import Final

import polars as pl

from zcanalysis.rates import BITS_PER_BYTE

ROLE_SHARE: Final = 0.01


def socket_growth(counters: pl.DataFrame, counter: str) -> pl.DataFrame:
    """Growth of one socket counter: columns ``phase``, ``repeat``, ``instance``, ``grown``, ``elapsed_ns``."""
    chosen = counters.filter((pl.col("source") == "socket") & (pl.col("counter") == counter)).sort("ts_ns")
    return chosen.group_by("phase", "repeat", "instance").agg(
        grown=pl.col("value").last() - pl.col("value").first(),
        elapsed_ns=pl.col("ts_ns").last() - pl.col("ts_ns").first(),
    )


def goodput_by_phase(counters: pl.DataFrame) -> dict[str, float]:
    """Payload that all sockets received, 1e9 bits per second, by phase."""
    totals = (
        socket_growth(counters, "bytes_received")
        .group_by("phase", "repeat")
        .agg(pl.col("grown").sum(), pl.col("elapsed_ns").max())
        .group_by("phase")
        .agg(pl.col("grown").sum(), pl.col("elapsed_ns").sum())
    )
    return {
        phase: round(BITS_PER_BYTE * received_bytes / elapsed_ns, 4)
        for phase, received_bytes, elapsed_ns in totals.sort("phase").iter_rows()
        if elapsed_ns > 0
    }


def loud_sockets(counters: pl.DataFrame, counter: str) -> set[str]:
    """Sockets that moved at least a hundredth of all bytes, by `bytes_received` or `bytes_acked`."""
    both = pl.concat(
        socket_growth(counters, name).with_columns(counter=pl.lit(name)) for name in ("bytes_received", "bytes_acked")
    )
    moved = both.group_by("instance", "counter").agg(pl.col("grown").sum())
    least = ROLE_SHARE * pl.col("grown").sum()
    loud = moved.filter((pl.col("grown") > 0) & (pl.col("grown") >= least))
    return set(loud.filter(pl.col("counter") == counter)["instance"])

"""Whether a host receives at a rate that it reaches again and again and never passes: what a full link looks like."""

from typing import Final

import polars as pl

from zcanalysis.limit_spans import LINK_FULL
from zcanalysis.rates import BITS_PER_BYTE

BIN_NS: Final = 10_000_000
# Of its bins, a host behind a token bucket gets within 3 % of the highest decile in 0.88 to 1.0, any other in 0.67 at
# most (56 captures between two namespaces on a busy machine, MTU 1500).
PLATEAU: Final = 0.03
TOP_DECILE: Final = 0.9
PLATEAU_SHARE: Final = 0.75
FEWEST_BINS: Final = 8
FEWEST_BIN_PACKETS: Final = 40
FEWEST_JOINED: Final = 1 << 16
RATES: Final = {"dst": pl.UInt128(), "ts_ns": pl.Int64(), "octets": pl.Int64(), "packets": pl.Int64()}


class Rates:
    """Bytes that each host receives, in bins of 10 ms."""

    def __init__(self) -> None:
        self._bins, self._fresh, self._waiting = pl.DataFrame(schema=RATES), list[pl.DataFrame](), 0

    def take(self, data: pl.DataFrame) -> None:
        """Add packets with payload: ``dst``, ``ts_ns``, ``wire_bytes``."""
        fresh = data.group_by("dst", (pl.col("ts_ns") // BIN_NS) * BIN_NS).agg(
            pl.col("wire_bytes").sum().alias("octets"), pl.len().cast(pl.Int64).alias("packets")
        )
        self._fresh.append(fresh.cast(pl.Schema(RATES)))
        self._waiting += fresh.height
        if self._waiting > max(self._bins.height, FEWEST_JOINED):
            self._join()

    def _join(self) -> None:
        both = pl.concat([self._bins, *self._fresh])
        self._bins = both.group_by("dst", "ts_ns").agg(pl.col("octets").sum(), pl.col("packets").sum())
        self._fresh.clear()
        self._waiting = 0

    def full_bins(self, link_gbps: float | None) -> pl.DataFrame:
        """Every bin: ``receiver``, ``ts_ns``, ``bins`` and ``full``, both counted from the first.

        Parameters
        ----------
        link_gbps
            Rate of the link, headers included; None where it is not known. Without it a host's bins are full only if
            nearly all of them are, eight at least.
        """
        self._join()
        octets, busy = pl.col("octets").cast(pl.Float64), pl.col("packets") >= FEWEST_BIN_PACKETS
        if link_gbps is not None:
            is_full = octets >= LINK_FULL * link_gbps * BIN_NS / BITS_PER_BYTE
        else:
            level = octets.filter(busy).quantile(TOP_DECILE).over("dst")
            near = busy & octets.is_between((1 - PLATEAU) * level, (1 + PLATEAU) * level)
            counted = pl.col("near").sum().over("dst")
            is_full = pl.col("near") & (counted >= FEWEST_BINS) & (counted >= PLATEAU_SHARE * busy.sum().over("dst"))
            return self._counted(self._bins.with_columns(near.fill_null(value=False).alias("near")), is_full)
        return self._counted(self._bins, is_full)

    @staticmethod
    def _counted(bins: pl.DataFrame, is_full: pl.Expr) -> pl.DataFrame:
        return (
            bins.with_columns(is_full.cast(pl.Int64).alias("full"), pl.lit(1).alias("bins"))
            .sort("ts_ns")
            .select(
                pl.col("dst").alias("receiver"),
                "ts_ns",
                pl.col("bins").cum_sum().over("dst"),
                pl.col("full").cum_sum().over("dst"),
            )
        )


def with_full_share(table: pl.DataFrame, bins: pl.DataFrame) -> pl.DataFrame:
    """Stretches of time with `full`: part of the bins that begin in them that are full; null where none begins.

    Parameters
    ----------
    table
        ``receiver``, ``from_ns``, ``to_ns``.
    bins
        As `Rates.full_bins` gives them.
    """
    for edge in ("from_ns", "to_ns"):
        table = table.sort(edge).join_asof(
            bins.rename({"bins": f"bins_{edge}", "full": f"full_{edge}", "ts_ns": f"bin_{edge}"}),
            left_on=edge, right_on=f"bin_{edge}", by="receiver", check_sortedness=False,
        )  # fmt: skip
    begun, full = (pl.col(f"{name}_to_ns") - pl.col(f"{name}_from_ns").fill_null(0) for name in ("bins", "full"))
    names = [f"{name}_{edge}" for name in ("bins", "full", "bin") for edge in ("from_ns", "to_ns")]
    return table.with_columns(pl.when(begun > 0).then(full / begun).alias("full")).drop(names)

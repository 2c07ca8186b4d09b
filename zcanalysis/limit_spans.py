"""What a connection can be limited by, and intervals of it joined to the rows of LIMITS."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from zcanalysis.rates import BITS_PER_BYTE
from zcanalysis.tables import LIMITS, conform

APPLICATION: Final = "sender application"
WINDOW: Final = "receive window"
READER: Final = "reader"
RECEIVER_CPU: Final = "receiver cpu"
LOSS: Final = "loss"
DELAYED_ACK: Final = "delayed ack"
LINK: Final = "link"
UNKNOWN: Final = "unknown"

LIMIT_NAMES: Final = (APPLICATION, WINDOW, READER, RECEIVER_CPU, LOSS, DELAYED_ACK, LINK, UNKNOWN)
"""All limits, in the order in which charts show them."""

# A token bucket of 4 Gbit/s carries 98.5 % of it, measured between two namespaces of a 6.18 machine, MTU 1500.
LINK_FULL: Final = 0.97
# Mathis et al., CCR 27, 1997: a sender gets MSS / RTT * 1.22 / sqrt(loss). Cubic and short recoveries get more.
MATHIS: Final = 1.22
MATHIS_PART: Final = 0.3
LEAST_OF_FASTEST_NS: Final = 50_000_000


def joined_spans(
    intervals: pl.DataFrame, facts: Sequence[pl.Expr], evidence: pl.Expr, possible_gbps: float | None = None
) -> pl.DataFrame:
    """Neighbours with the same limit made one row, with shares of time and of lost bytes.

    Parameters
    ----------
    intervals
        ``connection``, ``from_ns``, ``to_ns``, ``limit``, ``payload_bytes`` and what `facts` need, in order of
        connection and time.
    facts
        Aggregations, over the intervals of a row, of what its evidence tells.
    evidence
        Of the facts: why this limit, in words.
    possible_gbps
        Payload rate that all connections together could have, where it is known.

    Returns
    -------
    polars.DataFrame
        LIMITS.

    Notes
    -----
    Lost bytes are those that would have come in addition at the connection's even part of what is possible; where that
    is not known, or less, at the rate of its fastest interval of 50 ms or more. None lost: all shares of them are 0.
    """
    elapsed_ns = pl.col("to_ns") - pl.col("from_ns")
    rate = pl.col("payload_bytes") / elapsed_ns
    fastest = pl.when(elapsed_ns >= LEAST_OF_FASTEST_NS).then(rate).max().fill_null(rate.max()).over("connection")
    even = (possible_gbps or 0.0) / BITS_PER_BYTE / pl.col("connection").n_unique()
    another = (
        (pl.col("connection") != pl.col("connection").shift())
        | (pl.col("limit") != pl.col("limit").shift())
        | (pl.col("from_ns") != pl.col("to_ns").shift())
    )
    rows = (
        intervals.filter(elapsed_ns > 0)
        .with_columns(pl.max_horizontal(fastest, even).alias("fastest"), another.fill_null(True).cum_sum().alias("row"))
        .group_by("row", maintain_order=True)
        .agg(
            pl.col("connection").first(), pl.col("from_ns").min(), pl.col("to_ns").max(), pl.col("limit").first(),
            pl.col("payload_bytes").sum(), (pl.col("fastest") * elapsed_ns).sum().alias("possible_bytes"), *facts,
        )
    )  # fmt: skip
    lost = (pl.col("possible_bytes") - pl.col("payload_bytes")).clip(0)
    return conform(
        rows.with_columns(
            evidence.alias("evidence"),
            (elapsed_ns / elapsed_ns.cast(pl.Float64).sum()).alias("share_time"),
            (lost / lost.sum()).fill_nan(0.0).alias("share_bytes"),
        ),
        LIMITS,
    )


def shares_of_limits(rows: pl.DataFrame) -> pl.DataFrame:
    """``limit``, ``share_time``, ``share_bytes`` of LIMITS rows, the one with most time first.

    Examples
    --------
    >>> from zcanalysis.tables import empty
    >>> shares_of_limits(empty(LIMITS)).height
    0
    """
    return (
        rows.group_by("limit")
        .agg(pl.col("share_time").sum(), pl.col("share_bytes").sum())
        .sort("share_time", "limit", descending=[True, False])
    )

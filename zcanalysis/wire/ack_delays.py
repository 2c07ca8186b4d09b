"""PACKETS to ACK_DELAYS: how long the ACKs of one direction of a connection were held back, how often."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from zcanalysis.tables import ACK_DELAYS, conform, empty
from zcanalysis.wire.accounts import COLUMNS, Accounts
from zcanalysis.wire.connections import packet_batches
from zcanalysis.wire.one_connection import packets_of

LEAST_NS: Final = 1024  # captures rarely tell less apart than a microsecond
KEYS: Final = ("src", "src_port", "first_ns")


def ack_delays(packets: pl.LazyFrame | pl.DataFrame, flow: Mapping[str, Any]) -> pl.DataFrame:
    """How many ACKs of new payload came how long after the oldest packet that they cover.

    Parameters
    ----------
    packets
        PACKETS in file order.
    flow
        A row of FLOWS, the direction whose payload is acknowledged; TCP.

    Returns
    -------
    polars.DataFrame
        ACK_DELAYS, shortest first; classes in which no ACK is are left out.

    Raises
    ------
    ValueError
        If the flow is not TCP or has no time stamps.

    Notes
    -----
    The delays are those that TCP_SIDES has quantiles of. Close to the receiver they are its own; close to the sender
    a round trip comes on top. ACKs of bytes that were sent twice or that came late tell nothing and are left out.
    """
    accounts = Accounts()
    for batch in packet_batches(packets_of(packets, flow), COLUMNS):
        accounts.take(batch)
    flows = accounts.numbered_flows()
    own = flows.filter(pl.all_horizontal(pl.col(name) == pl.lit(flow[name]) for name in KEYS)).get_column("side")
    return empty(ACK_DELAYS) if own.is_empty() else _shares(accounts.ack_delays(int(own[0]) ^ 1))


def _shares(classes: pl.DataFrame) -> pl.DataFrame:
    """Classes as `zcanalysis.wire.tally.classes` gives them, the shortest made one."""
    low, high = (pl.when(pl.col("high") <= LEAST_NS).then(end).otherwise(pl.col(name)) / 1e6
                 for name, end in (("low", 0), ("high", LEAST_NS)))  # fmt: skip
    rows = classes.group_by(low.alias("from_ms"), high.alias("to_ms")).agg(pl.col("count", "sum").sum())
    shares = rows.with_columns(
        acks=pl.col("count"),
        share=pl.col("count") / pl.col("count").sum(),
        share_time=(pl.col("sum") / pl.col("sum").sum()).fill_nan(None),
    )
    return conform(shares.sort("from_ms"), ACK_DELAYS)

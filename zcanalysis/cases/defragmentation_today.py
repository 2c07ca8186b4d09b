"""Datagrams of 8 KB on today's kernel, in pieces and whole: what each stage of the receiver costs in two recordings."""

from typing import Final

import polars as pl

RECEIVER_CPU: Final = 1
STAGES: Final = (
    "backlog", "l2_demux", "ip_rx", "defrag", "udp_rx", "sock_queue_lock", "copy", "csum_copy", "skb_alloc", "skb_free",
    "page_memory",
)  # fmt: skip
"""Work on packets and payload. Left out is what a virtual machine pays for an interrupt, and other processes."""


def stage_table(pieces: pl.DataFrame, whole: pl.DataFrame) -> pl.DataFrame:
    """CPU time of the receiver for a byte that arrived, by stage and by how the datagrams came.

    Parameters
    ----------
    pieces, whole
        COSTS of the two recordings.

    Returns
    -------
    polars.DataFrame
        Columns stage, came, ns_per_byte and, of the sampling alone, low and high; a stage without a sample is 0.
    """
    scale = pl.col("ns_per_byte") / pl.col("ns_per_packet")
    came = [("in six pieces (MTU 1500)", pieces), ("whole (MTU 9000)", whole)]
    seen = pl.concat(
        costs.filter(pl.col("cpu") == RECEIVER_CPU, pl.col("stage").is_in(STAGES)).select(
            "stage", "ns_per_byte", low=pl.col("low") * scale, high=pl.col("high") * scale, came=pl.lit(name)
        )
        for name, costs in came
    )
    every = pl.DataFrame({"stage": STAGES}).join(pl.DataFrame({"came": [name for name, _ in came]}), how="cross")
    filled = every.join(seen, on=["stage", "came"], how="left", maintain_order="left")
    return filled.with_columns(pl.col("ns_per_byte", "low", "high").fill_null(0.0))


def totals(stages: pl.DataFrame) -> dict[str, float]:
    """CPU time for a byte, all stages together, by how the datagrams came."""
    return dict(stages.group_by("came", maintain_order=True).agg(pl.col("ns_per_byte").sum()).iter_rows())


def cost_of(stages: pl.DataFrame, stage: str) -> list[float]:
    """What one stage costs a byte: in pieces, and whole."""
    return stages.filter(pl.col("stage") == stage)["ns_per_byte"].to_list()

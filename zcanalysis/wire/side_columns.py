"""The columns of TCP_SIDES from what was counted of a side, and of the side across."""

from typing import Final

import polars as pl

NEVER: Final = 1 << 62
SYN_ACK: Final = 18
ECE: Final = 64
CWR: Final = 128
CAUSES: Final = {
    1: "timeout",
    2: "zero window",
    3: "window",
    4: "delayed ack",
    5: "round trip",
    6: "peer",
    7: "application",
    8: "unknown",
}
# of the series of `tally`, in their order
QUANTILES: Final = (
    {"rtt_median_ns": 0.5, "rtt_p95_ns": 0.95},
    {"rtt_ts_median_ns": 0.5, "rtt_ts_p95_ns": 0.95},
    {"ack_delay_median_ns": 0.5, "ack_delay_p95_ns": 0.95},
    {"ack_bytes_median": 0.5, "ack_bytes_p95": 0.95},
    {"in_flight_median_bytes": 0.5},
    {"window_median_bytes": 0.5},
)
RENAMED: Final = {"syn_packets": "syns", "fin_packets": "fins"}
MILLISECONDS: Final = (
    "handshake",
    "rtt_min",
    "rtt_max",
    "rtt_ts_min",
    *(name.removesuffix("_ns") for levels in QUANTILES for name in levels if name.endswith("_ns")),
)


def side_columns() -> list[pl.Expr]:
    """What is computed, each under its name in TCP_SIDES.

    Returns
    -------
    list of polars.Expr
        Over the fields of a side's record, the quantiles, and `connection`, the addresses and ports, `last_ns`.
    """
    return [
        *(pl.col(counted).alias(name) for name, counted in RENAMED.items()),
        *(_known(f"{name}_ns", pl.col(f"{name}_ns") < NEVER).truediv(1e6).alias(f"{name}_ms") for name in MILLISECONDS),
        *_handshake(),
        *_sender(),
        *_receiver(),
    ]


def _known(name: str, where: pl.Expr) -> pl.Expr:
    return pl.when(where).then(pl.col(name))


def _handshake() -> list[pl.Expr]:
    syn = pl.col("syns") > 0
    answers = pl.col("syn_flags") & SYN_ACK == SYN_ACK
    asks = (pl.col("syn_flags") & (ECE | CWR)) == ECE | CWR
    agrees = (pl.col("syn_flags") & (ECE | CWR)) == ECE
    both = (syn.sum() == 2).over("connection")  # noqa: PLR2004 - sides
    agreed = (asks & ~answers).any().over("connection") & (agrees & answers).any().over("connection")
    return [
        _port_use(),
        pl.when(syn).then(~answers).alias("opens"),
        _known("mss", syn & (pl.col("mss") > 0)).alias("mss_bytes"),
        _known("shift", pl.col("shift") >= 0).alias("window_shift"),
        _known("sack_permitted", syn).cast(pl.Boolean).alias("sack_permitted"),
        (pl.col("timestamps") > 0).alias("timestamps"),
        pl.when(both).then(agreed).alias("ecn"),
    ]


def _port_use() -> pl.Expr:
    """Connections of the same addresses and ports before this one, whichever side was seen first."""
    here, there = pl.struct(address="src", port="src_port"), pl.struct(address="dst", port="dst_port")
    turned = pl.col("direction")
    pair = (pl.when(turned).then(there).otherwise(here), pl.when(turned).then(here).otherwise(there))
    return pl.col("connection").rank("dense").over(*pair).sub(1).alias("port_use")


def _sender() -> list[pl.Expr]:
    acked = pl.col("ack_seen") > 0
    paused = pl.col("data_packets") > 1
    timed = (pl.col("rtt_samples") > 0) & (pl.col("rtt_sum_ns") < NEVER)
    return [
        _known("wire_packets", pl.col("unsized_packets") == 0).alias("estimated_wire_packets"),
        _known("lost_bytes", acked).alias("lost_in_capture_bytes"),
        pl.when(pl.col("top") > 0)
        .then(pl.col("top") // (1 << 32) - pl.col("first") // (1 << 32))
        .otherwise(0)
        .alias("sequence_wraps"),
        _known("in_flight_max_bytes", acked),
        (_known("rtt_sum_ns", timed) / pl.col("rtt_samples") / 1e6).alias("rtt_mean_ms"),
        (pl.col("idle_ns") / 1e6).alias("idle_ms"),
        (_known("stall_ns", paused) / 1e6).alias("stall_ms"),
        _known("stall_at_ns", pl.col("stall_ns") > 0),
        pl.col("stall_cause").replace_strict(CAUSES, default=None, return_dtype=pl.String()),
    ]


def _receiver() -> list[pl.Expr]:
    told = (pl.col("shift") >= 0) & (pl.col("window_min_bytes") < NEVER)
    open_ns = pl.max_horizontal(pl.col("last_ns") - pl.col("zero_since_ns"), 0)
    shut_ns = pl.when(pl.col("zero_since_ns") > -NEVER).then(open_ns).otherwise(0)
    return [
        (pl.when(pl.col("advancing_acks") > 0).then(pl.col("acked_bytes") / pl.col("advancing_acks"))).alias(
            "ack_bytes_mean"
        ),
        _known("window_min_bytes", told),
        _known("window_max_bytes", told),
        ((pl.col("zero_window_ns") + shut_ns) / 1e6).alias("zero_window_ms"),
    ]

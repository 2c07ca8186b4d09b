"""What the kernels of both ends counted of each TCP connection: a recording's counters and logs to SOCKETS."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import polars as pl

from zcanalysis.tables import SOCKETS, conform, empty

if TYPE_CHECKING:
    from zcanalysis.io.recording import Recording

SOURCES: Final = ("socket", "sender_socket")
COUNTED: Final = (
    "bytes_acked", "bytes_received", "total_retrans", "busy_us", "rwnd_limited_us", "sndbuf_limited_us", "app_limited",
    "rtt_us", "min_rtt_us", "snd_cwnd", "delivery_rate_bps", "rmem_alloc", "rcvbuf", "rcv_space", "rcv_ssthresh",
)  # fmt: skip
END: Final = r"^(?:\[(.+)\]|(.+)):(\d{1,5})$"
KEY: Final = ["src", "src_port", "dst", "dst_port"]


def sockets(recording: "Recording", flows: pl.DataFrame | None = None) -> pl.DataFrame:
    """What each end's kernel counted of its connections: one row an end.

    Parameters
    ----------
    recording
        With counters that `record` took, or logs of ``ss -tinm``, with times or without.
    flows
        FLOWS of its capture, to say which connections are in it.

    Returns
    -------
    polars.DataFrame
        SOCKETS, most bytes first; empty where nobody asked a kernel.

    Notes
    -----
    Times and bytes are those since the connection began, at its last reading. ``rwnd_limited`` and ``sndbuf_limited``
    are the kernel's own clocks of a sender that was stopped by the receive window or by its own buffer
    (net/ipv4/tcp_output.c, tcp_chrono_set); ``app_limited`` says that it had nothing more to send.
    """
    own = list(recording.recorded_sockets)
    logs = [log.table.filter(~pl.col("instance").is_in(own)) for log in recording.socket_logs]
    logged = {name for log in logs for name in log.get_column("instance").unique()}
    return sockets_of([_recorded(recording.counters, logged), *logs], flows)


def sockets_of(tables: Sequence[pl.DataFrame], flows: pl.DataFrame | None) -> pl.DataFrame:
    """The same of readings: ``instance``, ``ts_ns`` and a column a counter, in order of time.

    Parameters
    ----------
    tables
        Of the recorder, or of logs.
    flows
        As of `sockets`.
    """
    every = pl.concat(table.select("instance", "ts_ns", *COUNTED) for table in tables)
    timed = every.drop_nulls("ts_ns").unique(["instance", "ts_ns"], keep="first", maintain_order=True)
    readings = pl.concat([every.filter(pl.col("ts_ns").is_null()), timed.sort("ts_ns", maintain_order=True)])
    if readings.is_empty():
        return empty(SOCKETS)
    one_end = _summed(readings).with_columns(*_ends(0, "src"), *_ends(1, "dst"))
    table = _captured(one_end.drop_nulls(KEY), flows)
    moved = pl.col("acked_bytes").fill_null(0) + pl.col("received_bytes").fill_null(0)
    return conform(table.sort(moved, "instance", descending=[True, False]), SOCKETS)


def _recorded(counters: pl.DataFrame | None, logged: set[str]) -> pl.DataFrame:
    """The recorder's own readings; what came from a log is taken from there."""
    types = {"instance": pl.String, "ts_ns": pl.Int64} | dict.fromkeys(COUNTED, pl.Int64)
    if counters is None:
        return pl.DataFrame(schema=types)
    own = counters.filter(pl.col("source").is_in(SOURCES), ~pl.col("instance").is_in(list(logged)))
    value = pl.col("value")
    wide = own.group_by("instance", "ts_ns").agg(
        value.filter(pl.col("counter") == name).first().alias(name) for name in COUNTED
    )
    return wide.sort("ts_ns")


def _summed(readings: pl.DataFrame) -> pl.DataFrame:
    def last(name: str) -> pl.Expr:
        return pl.col(name).drop_nulls().last()

    def part(name: str) -> pl.Expr:
        return pl.when(last("busy_us") > 0).then(last(name) / last("busy_us"))

    return readings.group_by("instance", maintain_order=True).agg(
        pl.len().alias("readings"),
        pl.col("ts_ns").min().alias("first_ns"),
        pl.col("ts_ns").max().alias("last_ns"),
        last("bytes_acked").alias("acked_bytes"),
        last("bytes_received").alias("received_bytes"),
        last("total_retrans").alias("resent_segments"),
        (last("busy_us") / 1e6).alias("busy_s"),
        part("rwnd_limited_us").alias("rwnd_limited"),
        part("sndbuf_limited_us").alias("sndbuf_limited"),
        pl.when(last("busy_us") > 0).then(pl.col("app_limited").mean()).alias("app_limited"),
        (pl.col("rtt_us").median() / 1e3).alias("rtt_ms"),
        (last("min_rtt_us") / 1e3).alias("min_rtt_ms"),
        pl.col("snd_cwnd").median().cast(pl.Int64).alias("cwnd_segments"),
        (pl.col("delivery_rate_bps").max() / 1e9).alias("delivery_gbps"),
        (pl.col("rmem_alloc") / pl.col("rcvbuf")).median().fill_nan(None).alias("filled"),
        last("rcv_space").alias("rcv_space_bytes"),
        last("rcv_ssthresh").alias("rcv_ssthresh_bytes"),
    )


def _ends(at: int, side: str) -> tuple[pl.Expr, pl.Expr]:
    end = pl.col("instance").str.split(">").list.get(at, null_on_oob=True)
    address = pl.coalesce(end.str.extract(END, 1), end.str.extract(END, 2))
    return address.alias(side), end.str.extract(END, 3).cast(pl.UInt16, strict=False).alias(f"{side}_port")


def _captured(table: pl.DataFrame, flows: pl.DataFrame | None) -> pl.DataFrame:
    if flows is None:
        return table.with_columns(pl.lit(None, pl.UInt32).alias("connection"))
    last = flows.filter(pl.col("protocol") == "tcp").unique(KEY, keep="last", maintain_order=True)
    return table.join(last.select(*KEY, "connection"), on=KEY, how="left", maintain_order="left")

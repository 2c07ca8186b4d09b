"""What logs of ss add to the counters of a recording: the ends of connections that nobody else counted."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import polars as pl

from zcanalysis.io.socket_log import COUNTERS_READ, SocketLog
from zcanalysis.tables import COUNTERS, conform, empty

PHASE: Final = "counters"
"""ss disturbs nothing, as the recorder's own counters do not."""
HERE, THERE = "socket", "sender_socket"
KEYS: Final = ("phase", "repeat", "ts_ns", "source", "instance")


def with_logged(counters: pl.DataFrame | None, logs: Sequence[SocketLog]) -> pl.DataFrame | None:
    """COUNTERS with the readings of logs that have a time.

    Parameters
    ----------
    counters
        COUNTERS of the recording, if it has any; a connection's end that they hold is not taken from a log.
    logs
        Of this host, of the sender's, or of both.

    Returns
    -------
    polars.DataFrame | None
        An end that sent more than it received counts as the sender's, wherever it was logged. Where both ends are known
        its counters are told at the moments at which the receiving end was read: between its own readings each is taken
        to grow evenly. Beside counters, readings outside their windows are left out.
    """
    known = empty(COUNTERS) if counters is None else counters
    timed = [log.table.drop_nulls("ts_ns") for log in logs]
    wide = pl.concat(timed) if timed else pl.DataFrame()
    if wide.is_empty():
        return counters
    fresh = (
        wide.filter(~pl.col("instance").is_in(list(recorded_sockets(counters))))
        .unique(["ts_ns", "instance"], keep="last", maintain_order=True)
        .sort("ts_ns")
    )
    sends = pl.col("bytes_acked").fill_null(0).last() > pl.col("bytes_received").fill_null(0).last()
    role = pl.when(sends).then(pl.lit(THERE)).otherwise(pl.lit(HERE)).over("instance").alias("source")
    placed = _placed(fresh.with_columns(role), known)
    received = known.filter(pl.col("source") == HERE, pl.col("counter") == "bytes_received").select(KEYS)
    moments = pl.concat([received, placed.filter(pl.col("source") == HERE).select(KEYS)])
    rows = pl.concat([placed.filter(pl.col("source") == HERE), *_ends_beside(placed, fresh, moments)])
    long = rows.unpivot(COUNTERS_READ, index=KEYS, variable_name="counter", value_name="value").drop_nulls("value")
    return conform(pl.concat([known, conform(long, COUNTERS)]), COUNTERS)


def recorded_sockets(counters: pl.DataFrame | None) -> frozenset[str]:
    """The ends of connections that the recorder read.

    Parameters
    ----------
    counters
        COUNTERS as they were recorded.
    """
    if counters is None:
        return frozenset()
    return frozenset(counters.filter(pl.col("source").is_in([HERE, THERE])).get_column("instance").unique())


def _placed(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The rows with the phase and repeat of the recording's window that they lie in."""
    if known.is_empty():
        return rows.with_columns(pl.lit(PHASE).alias("phase"), pl.lit(0, pl.Int32).alias("repeat"))
    windows = known.group_by("phase", "repeat").agg(pl.col("ts_ns").min().alias("from"), pl.col("ts_ns").max())
    latest = rows.join_asof(
        windows.rename({"ts_ns": "to"}).sort("from"), left_on="ts_ns", right_on="from", check_sortedness=False
    )
    return latest.filter(pl.col("ts_ns") <= pl.col("to")).drop("from", "to")


def _ends_beside(placed: pl.DataFrame, fresh: pl.DataFrame, moments: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Sending ends, at the moments of the other end where that was read."""
    senders = placed.filter(pl.col("source") == THERE)
    for name in senders.get_column("instance").unique().sort():
        own = fresh.filter(pl.col("instance") == name).sort("ts_ns")
        first_ns, last_ns = own.get_column("ts_ns")[0], own.get_column("ts_ns")[-1]
        here = moments.filter(pl.col("instance") == turned(name), pl.col("ts_ns").is_between(first_ns, last_ns)).unique(
            "ts_ns", maintain_order=True
        )
        if here.is_empty():
            yield senders.filter(pl.col("instance") == name).select(placed.columns)
            continue
        columns = [_at(here.get_column("ts_ns"), own, counter) for counter in COUNTERS_READ]
        told = here.with_columns(pl.lit(name).alias("instance"), pl.lit(THERE).alias("source"), *columns)
        yield told.with_columns(pl.lit(0, pl.Int64).alias("reading")).select(placed.columns)


def _at(moments_ns: pl.Series, own: pl.DataFrame, counter: str) -> pl.Series:
    """One counter between its readings."""
    read = own.select("ts_ns", counter).drop_nulls()
    if read.is_empty():
        return pl.Series(counter, [None] * len(moments_ns), dtype=pl.Int64)
    begin_ns = moments_ns[0]
    at = (moments_ns - begin_ns).to_numpy().astype(np.float64)
    known_at = (read.get_column("ts_ns") - begin_ns).to_numpy().astype(np.float64)
    values = np.interp(at, known_at, read.get_column(counter).to_numpy().astype(np.float64))
    return pl.Series(counter, np.round(values).astype(np.int64))


def turned(instance: str) -> str:
    """The same connection as its other end names it.

    Examples
    --------
    >>> turned("10.0.0.2:5201>10.0.0.1:40000")
    '10.0.0.1:40000>10.0.0.2:5201'
    """
    here, _, there = instance.partition(">")
    return f"{there}>{here}"

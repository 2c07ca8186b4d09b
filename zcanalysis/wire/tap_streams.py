"""Records of two captures as byte streams with common positions.

Enters: PACKETS of two taps. Leaves: for each tap the records of what both saw, with a stream number and 64-bit
positions that mean the same byte in both.
"""

from typing import Final

import numpy as np
import polars as pl

from zcanalysis.errors import TraceError
from zcanalysis.wire import byte_ranges as ranges
from zcanalysis.wire.connections import LATEST_NS

STREAM: Final = ("flow_id", "direction")
NEEDED: Final = (
    *STREAM, "ts_ns", "protocol", "tcp_flags", "seq", "ack", "window_raw", "payload_bytes", "ip_id", "tsval", "tsecr",
)  # fmt: skip
TCP: Final = 6
UDP: Final = 17


def tap_records(packets: pl.LazyFrame | pl.DataFrame, name: str) -> pl.DataFrame:
    """TCP packets and datagrams of one tap, by stream and then in file order, with position and life.

    Raises
    ------
    TraceError
        If the capture holds none.
    """
    table = packets.lazy().with_row_index("record", offset=1).select("record", *NEEDED)
    usable = pl.col("flow_id").is_not_null() & pl.col("ts_ns").is_between(0, LATEST_NS) & (pl.col("payload_bytes") >= 0)
    tcp = (pl.col("protocol") == TCP) & pl.col("seq").is_not_null()
    datagram = (pl.col("protocol") == UDP) & (pl.col("ip_id") > 0)  # without an id one is like the other
    kept = table.filter(usable & (tcp | datagram)).collect(engine="streaming").sort(*STREAM, "record")
    if kept.is_empty():
        raise TraceError(f"capture {name} holds no TCP packet and no datagram that could be told from others")
    stream = kept.select(pl.struct(STREAM).rle_id()).to_series().to_numpy().astype(np.int64)
    position, life = np.zeros(kept.height, np.int64), np.zeros(kept.height, np.int64)
    ranges.unwrap(stream, _numbers(kept["seq"]), _numbers(kept["tcp_flags"]), position, life)
    # a SYN takes a number: what it carries lies behind it
    behind_syn = (pl.col("tcp_flags").fill_null(0) & ranges.SYN > 0).cast(pl.Int64())
    return kept.with_columns(position=position, life=life).with_columns(start=pl.col("position") + behind_syn)


def _numbers(series: pl.Series) -> ranges.Ints:
    return series.cast(pl.Int64()).fill_null(0).to_numpy(writable=True)


def common(a: pl.DataFrame, b: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records of streams that both taps saw, B's positions moved to A's, with a common ``stream``.

    A stream's life (until its ports are used again) at B is that at A with which most packets agree in number and time
    stamp; positions differ by whole turns of the sequence number where one capture began later.
    """
    key = [*STREAM, "seq", "tsval"]
    columns = [*key, "life", "position"]
    first_a, first_b = (tap.select(columns).unique(subset=key, keep="first", maintain_order=True) for tap in (a, b))
    pairs = first_b.join(first_a, on=key, how="inner", nulls_equal=True, suffix="_a").with_columns(
        shift=pl.col("position_a") - pl.col("position")
    )
    votes = pairs.group_by(*STREAM, "life", "life_a", "shift").len()
    best = votes.sort("len", pl.col("shift").abs(), "life_a", descending=[True, False, False]).unique(
        subset=[*STREAM, "life"], keep="first", maintain_order=True
    )
    names = best.select(*STREAM, "life_a").unique().sort(*STREAM, "life_a").with_row_index("stream")
    of_b = best.join(names, on=[*STREAM, "life_a"]).select(*STREAM, "life", "stream", "shift")
    of_a = names.rename({"life_a": "life"}).with_columns(shift=pl.lit(0, pl.Int64()))
    return _moved(a, of_a), _moved(b, of_b)


def _moved(tap: pl.DataFrame, streams: pl.DataFrame) -> pl.DataFrame:
    return (
        tap.join(streams, on=[*STREAM, "life"], how="inner", maintain_order="left")
        .with_columns(pl.col("stream").cast(pl.Int64()), start=pl.col("start") + pl.col("shift"))
        .with_columns(end=pl.col("start") + pl.col("payload_bytes"))
        .drop("shift", "position", "life")
    )

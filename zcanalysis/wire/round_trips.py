"""PACKETS to ROUND_TRIPS: how long one direction of a connection waited for its ACKs, in slices of time."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.tables import ROUND_TRIPS, conform
from zcanalysis.wire.connections import batches
from zcanalysis.wire.one_connection import ENDS, is_of, packets_of
from zcanalysis.wire.segment_marks import COLUMNS, Judged
from zcanalysis.wire.table_arrays import as_array

SLICES: Final = 400
ENTRIES: Final = 1 << 12
LEVELS: Final = {"median_ns": 0.5, "p95_ns": 0.95}
NEVER: Final = 1 << 62

Ints = npt.NDArray[np.int64]


def round_trips(packets: pl.LazyFrame | pl.DataFrame, flow: Mapping[str, Any], slices: int = SLICES) -> pl.DataFrame:
    """The time from data of one direction to its ACK, as the tap sees it, in each slice of the direction's life.

    Parameters
    ----------
    packets
        PACKETS in file order.
    flow
        A row of FLOWS, the direction whose data is acknowledged; TCP.
    slices
        Into how many its time is cut, so that a chart of ten million packets stays small.

    Returns
    -------
    polars.DataFrame
        ROUND_TRIPS; slices without a sample are left out, ACKs behind the direction's last packet are in the last one,
        and those that the file has before its earliest packet count in none.

    Raises
    ------
    ValueError
        If the flow is not TCP, has no time stamps, or slices is below 1.

    Notes
    -----
    The samples are the ``ack_rtt_ns`` of `marks`: the time since the packet that ends where the ACK does, tshark's
    ``tcp.analysis.ack_rtt``. Close to the sender that is the whole round trip, close to the receiver only what the
    receiver takes to acknowledge.
    """
    if slices < 1:
        raise ValueError(f"slices must be at least 1, got {slices}")
    mine = packets_of(packets, flow)
    found, judged, seen = _Samples(flow, slices), Judged(), 0
    for batch in batches(mine, list(dict.fromkeys([*COLUMNS, *ENDS]))):
        marked = judged.table(batch).select("connection", "ack_rtt_ns", row=pl.col("packet").cast(pl.Int64) - seen - 1)
        sent = batch.select("ts_ns", is_of(flow).alias("sent"))
        found.take(marked.hstack(sent[marked.get_column("row")]))
        seen += batch.height
    return found.table()


class _Samples:
    """All samples so far, by slice."""

    def __init__(self, flow: Mapping[str, Any], slices: int) -> None:
        from zcanalysis.wire import tally

        self._counting, self._tally, self._used = tally, tally.new_tally(ENTRIES), np.zeros(tally.ENTRIES + 1, np.int64)
        self._first_ns = int(flow["first_ns"])
        self._life_ns = max(int(flow["last_ns"]) - self._first_ns, 0)
        self._slice_ns = self._life_ns // slices + 1
        self._least, self._most = np.full(slices, NEVER, np.int64), np.full(slices, -1, np.int64)
        self._count = np.zeros(slices, np.int64)
        self._connection: int | None = None

    def take(self, rows: pl.DataFrame) -> None:
        """Packets of these addresses and ports: ``connection``, ``ack_rtt_ns``, ``ts_ns``, ``sent``."""
        if self._connection is None:
            begins = rows.select((pl.col("sent") & (pl.col("ts_ns") == self._first_ns)).arg_true()).to_series()
            if begins.is_empty():
                return
            rows = rows[int(begins[0]) :]  # not what came before in this batch: nothing may depend on its borders
            self._connection = int(rows.get_column("connection")[0])
        mine = (pl.col("connection") == self._connection) & ~pl.col("sent")
        samples = rows.filter(mine).drop_nulls("ack_rtt_ns")
        since_ns = samples.get_column("ts_ns").to_numpy() - self._first_ns
        self._add(np.clip(since_ns // self._slice_ns, 0, self._count.size - 1), samples.get_column("ack_rtt_ns"))

    def _add(self, place: Ints, took: pl.Series) -> None:
        took_ns, row = as_array(took), 0
        np.minimum.at(self._least, place, took_ns)
        np.maximum.at(self._most, place, took_ns)
        np.add.at(self._count, place, 1)
        while row < took_ns.size:
            row = self._counting.count_all(self._tally, self._used, place, took_ns, self._counting.RTT, row)
            if row < took_ns.size:
                self._tally = self._counting.larger(self._tally)

    def table(self) -> pl.DataFrame:
        """ROUND_TRIPS of everything taken in."""
        place = np.arange(self._count.size)
        at_ns = place * self._slice_ns
        rows = pl.DataFrame({
            "side": place.astype(np.uint32), "from_s": at_ns / 1e9, "samples": self._count,
            "to_s": np.minimum(at_ns + self._slice_ns, self._life_ns) / 1e9,
            "min_ns": self._least, "max_ns": self._most,
        })  # fmt: skip
        levels = self._counting.quantiles(self._counting.in_order(self._tally), self._counting.RTT, LEVELS)
        known = rows.join(levels, on="side", how="inner", maintain_order="left")
        times = [(pl.col(f"{name}_ns") / 1e6).alias(f"{name}_ms") for name in ("min", "median", "p95", "max")]
        return conform(known.with_columns(times), ROUND_TRIPS)

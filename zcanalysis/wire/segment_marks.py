"""PACKETS to MARKS."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.tables import MARKS, conform, empty
from zcanalysis.wire.connections import batches

if TYPE_CHECKING:
    from zcanalysis.wire import mark_rules as rules

CONNECTIONS: Final = 1 << 12
SEGMENTS: Final = 1 << 14
COLUMNS: Final = [
    "ts_ns", "flow_id", "direction", "protocol", "tcp_flags", "seq", "ack", "window_raw", "window_scale",
    "payload_bytes", "frag_offset", "more_fragments", "sack_blocks",
]  # fmt: skip


def marks(packets: pl.LazyFrame | pl.DataFrame) -> pl.DataFrame:
    """What every TCP packet of a capture was."""
    return pl.concat([empty(MARKS), *mark_batches(packets)])


def mark_batches(packets: pl.LazyFrame | pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The same in parts."""
    judged = _Judged()
    for batch in batches(packets, COLUMNS):
        yield judged.table(batch)


def as_arrays(batch: pl.DataFrame) -> "rules.Packets":
    """A slice of PACKETS as the compiled loops want it."""
    from zcanalysis.wire import mark_rules as rules

    def column(name: str, null: int = 0, dtype: Any = None) -> npt.NDArray[Any]:
        series = batch.get_column(name)
        series = series.cast(dtype) if dtype else series
        return _array(series.fill_null(null) if series.null_count() else series)

    fragment = batch.select(pl.col("more_fragments").fill_null(False) | (pl.col("frag_offset").fill_null(0) > 0))
    blocks = batch.get_column("sack_blocks")
    counts = blocks.list.len().fill_null(0)
    edges = blocks.filter(counts > 0).explode().struct.unnest()
    return rules.Packets(
        ts_ns=column("ts_ns", rules.UNTIMED),
        flow_id=column("flow_id"),
        known=_array(batch.get_column("flow_id").is_not_null().cast(pl.UInt8)),
        direction=column("direction", 0, pl.UInt8),
        protocol=column("protocol"),
        tcp_flags=column("tcp_flags"),
        seq=column("seq"),
        ack=column("ack"),
        window_raw=column("window_raw"),
        window_scale=column("window_scale", -1, pl.Int16),
        payload_bytes=column("payload_bytes", -1),
        whole=_array((~fragment.to_series()).cast(pl.UInt8)),
        first_block=np.concatenate([[0], np.cumsum(counts.to_numpy(), dtype=np.int64)]),
        left=_array(edges["left"]),
        right=_array(edges["right"]),
    )


def _array(series: pl.Series) -> npt.NDArray[Any]:
    """One type of array whatever polars shares: contiguous and writable, or numba compiles twice."""
    array = np.ascontiguousarray(series.to_numpy())
    return array if array.flags.writeable else array.copy()


class _Judged:
    """All connections so far."""

    def __init__(self) -> None:
        from zcanalysis.wire import mark_rules as rules
        from zcanalysis.wire import mark_state as state
        from zcanalysis.wire import sequence_space as space

        self._rules, self._state, self._space = rules, state, space
        self._memory = state.new_memory(CONNECTIONS, SEGMENTS)
        self._index = space.new_index(CONNECTIONS)
        self._packets = 0

    def table(self, batch: pl.DataFrame) -> pl.DataFrame:
        """MARKS of the next slice."""
        arrays, row = as_arrays(batch), 0
        found = self._rules.Found(*(np.empty(batch.height, np.int64) for _ in self._rules.Found._fields))
        while row < batch.height:
            row = self._rules.follow(arrays, row, self._packets, self._memory, self._index, found)
            if row < batch.height:
                self._make_room()
        table = _table(found, batch, self._packets)
        self._packets += batch.height
        return table

    def _make_room(self) -> None:
        if self._index.used[0] == self._index.first_row.size:
            connections = self._index.first_row.size
            more = self._space.new_index(2 * connections)
            self._space.enter_all(self._index, more)
            more.used[:] = self._index.used
            self._index = more
            fresh = self._state.new_memory(connections, 0)
            self._memory = self._memory._replace(
                sides=_joined(self._memory.sides, fresh.sides),
                connections=_joined(self._memory.connections, fresh.connections),
            )
        else:
            segments = self._memory.segments.size
            fresh_segments = self._state.free_segments(segments, segments)
            fresh_segments["above"][-1] = self._memory.used[1]
            self._memory.used[1] = segments
            self._memory = self._memory._replace(segments=_joined(self._memory.segments, fresh_segments))


def _joined(old: npt.NDArray[Any], fresh: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concatenate([old, fresh]).view(np.recarray)


MARK_BITS: Final = (
    "retransmission", "fast_retransmission", "spurious_retransmission", "out_of_order", "duplicate_ack", "lost_segment",
    "ack_lost_segment", "zero_window", "window_full", "window_update", "zero_window_probe", "zero_window_probe_ack",
    "keep_alive", "keep_alive_ack", "port_reused", "sent_in_vain", "duplicate_sack",
)  # fmt: skip


def _table(found: "rules.Found", batch: pl.DataFrame, first: int) -> pl.DataFrame:
    from zcanalysis.wire.sequence_space import TCP, UNTIMED

    whole = pl.DataFrame(found._asdict()).with_columns(
        batch["direction"], packet=pl.int_range(first + 1, first + batch.height + 1, dtype=pl.UInt64)
    )
    tcp = whole.filter((batch["protocol"] == TCP) & batch["flow_id"].is_not_null())
    numbers = ("repeats", "ack_rtt_ns", "in_flight_bytes", "window_bytes", "relative_seq", "relative_ack")
    flags = [((pl.col("bits") & (1 << bit)) != 0).alias(name) for bit, name in enumerate(MARK_BITS)]
    values = [pl.when(pl.col(name) != UNTIMED).then(pl.col(name)).alias(name) for name in numbers]
    return conform(tcp.with_columns(*values, *flags), MARKS)

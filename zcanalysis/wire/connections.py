"""PACKETS to FLOWS: one row per connection and direction, from one pass whose memory grows with connections only."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.addresses import address_texts
from zcanalysis.tables import FLOWS, conform
from zcanalysis.wire.table_arrays import UNTIMED, PacketArrays, TableArrays, unwritten

if TYPE_CHECKING:
    from zcanalysis.io.capture_damage import Damage
    from zcanalysis.wire import sequence_space as space

PacketSource = pl.LazyFrame | pl.DataFrame | str | Path

BATCH_ROWS: Final = 1 << 17
CONNECTIONS: Final = 1 << 12
NODES: Final = 1 << 14
LATEST_NS: Final = (1 << 62) - 1  # the year 2116: differences of such times, and sums of two of them, fit
ENDS: Final = ("src", "src_port", "dst", "dst_port", "protocol", "direction")
NUMBERS: Final = ("ts_ns", "flow_id", "direction", "protocol", "tcp_flags", "seq", "ack", "payload_bytes", "wire_bytes")
FOLLOWED: Final = tuple(dict.fromkeys(ENDS + NUMBERS))
PROTOCOLS: Final = {6: "tcp", 17: "udp"}
SIDE_COLUMNS: Final = (
    "packets",
    "wire_bytes",
    "payload_bytes",
    "unique_bytes",
    "first_ns",
    "last_ns",
    "rtt_ns",
)
END_TYPES: Final = pl.Schema(
    {
        "src": pl.UInt128(),
        "src_port": pl.UInt16(),
        "dst": pl.UInt128(),
        "dst_port": pl.UInt16(),
        "protocol": pl.UInt8(),
        "direction": pl.Boolean(),
    }
)


def flows(packets: PacketSource) -> pl.DataFrame:
    """The connections of a capture, one row a direction.

    Parameters
    ----------
    packets
        PACKETS in file order, as `scan_pcap` gives them, or the path of a capture, which is quicker: no table is made
        of its packets. Those without ``flow_id`` (not TCP or UDP, later fragments, damaged) belong to no connection.

    Returns
    -------
    polars.DataFrame
        FLOWS: in the order of the connections' first packets, the side that was seen first before the other.
        A direction without packets has no row. A SYN with another sequence number than the connection's own
        starts a new connection on the same ports.

    Raises
    ------
    TraceError
        If a path is given, and it is no capture.

    Notes
    -----
    ``unique_bytes`` is the TCP sequence space that payload covered: SYN, FIN, repeated bytes and the byte of a
    keep-alive do not count, and a reset's text does not either. Missing bytes further than 2 GiB back, or below
    16,384 other gaps, are given up: should they still come, they count as sent again.
    ``rtt_ms`` is what the tap sees: near the receiver it is the receiver's share, near the sender the whole round
    trip. Packets that were sent twice are left out (Karn).

    Examples
    --------
    >>> from zcanalysis.tables import PACKETS, empty
    >>> flows(empty(PACKETS)).height
    0
    """
    followed = Followed()
    for batch in packet_batches(packets, FOLLOWED):
        followed.take(batch)
    return followed.table()


def flows_so_far(tables: Iterable[pl.DataFrame | None]) -> Iterator[pl.DataFrame]:
    """FLOWS of all packets until then, whenever None comes behind some.

    Parameters
    ----------
    tables
        PACKETS in pieces, in file order, as `growing_pcap` gives them; at least `FOLLOWED` of its columns.
    """
    followed, is_new = Followed(), True
    for table in tables:
        if table is not None:
            followed.take(TableArrays(table))
            is_new = True
        elif is_new:
            yield followed.table()
            is_new = False


def batches(packets: pl.LazyFrame | pl.DataFrame, columns: list[str]) -> Iterator[pl.DataFrame]:
    """The columns of a table in slices of bounded size, in order."""
    if isinstance(packets, pl.DataFrame):
        yield from packets.select(columns).iter_slices(BATCH_ROWS)
    else:
        yield from packets.select(columns).collect_batches(engine="streaming")


def packet_batches(
    packets: PacketSource, columns: Sequence[str], damage: "Damage | None" = None
) -> Iterator[PacketArrays]:
    """Packets in batches of bounded size, in order, for compiled passes.

    Parameters
    ----------
    packets
        PACKETS in file order, or the path of a capture: of a file no tables are made.
    columns
        Those that will be asked for.
    damage
        Counts the records that could not be read.
    """
    if isinstance(packets, str | Path):
        from zcanalysis.io.packet_arrays import captured_arrays

        yield from captured_arrays(Path(packets), columns, damage)
    else:
        for batch in batches(packets, [*columns, *([] if damage is None else ["error"])]):
            if damage is not None:
                damage.errors(batch.get_column("error"))
            yield TableArrays(batch)


def as_arrays(batch: PacketArrays) -> "space.Packets":
    """A batch as `follow` wants it."""
    from zcanalysis.wire import sequence_space as space

    columns = {name: batch.numbers(name) for name in NUMBERS}
    columns["ts_ns"] = times(columns["ts_ns"])
    return space.Packets(known=batch.held("flow_id"), **columns)


def times(ts_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Times for the compiled loops: UNTIMED where there is none, or none from 1970 to `LATEST_NS`."""
    if ts_ns.view(np.uint64).max(initial=0) > LATEST_NS:  # those before 1970 are large then
        return unwritten(np.where((ts_ns >= 0) & (ts_ns <= LATEST_NS), ts_ns, UNTIMED))
    return ts_ns


class Followed:
    """All connections so far: fed slice by slice, it has FLOWS at any time."""

    def __init__(self) -> None:
        from zcanalysis.wire import sequence_space as space

        self._space = space
        self._sides = space.new_sides(CONNECTIONS)
        self._nodes = space.new_nodes(NODES)
        self._index = space.new_index(CONNECTIONS)
        self._told = space.new_told(0)
        self._ends: list[pl.DataFrame] = []

    def take(self, batch: PacketArrays) -> "tuple[space.Packets, space.Told]":
        """Follow the packets of one batch; they as arrays, and what this told of each, until the next."""
        arrays, row = as_arrays(batch), 0
        told = self._told_of(batch.height)
        known = int(self._index.used[0])
        while row < batch.height:
            row = self._space.follow(arrays, row, self._sides, self._nodes, self._index, told)
            if row < batch.height:
                self._make_room()
        brought = int(self._index.used[0])
        if brought > known:
            self._ends.append(batch.table(self._index.first_row[known:brought], ENDS))
        return arrays, told

    def _told_of(self, packets: int) -> "space.Told":
        """Room that the batch before used, as far as it goes."""
        if packets > self._told.side.size:
            self._told = self._space.new_told(packets)
        return self._space.Told(*(array[:packets] for array in self._told))

    def _make_room(self) -> None:
        space = self._space
        if self._index.used[0] == self._index.first_row.size:
            connections = self._index.first_row.size
            self._index = space.larger(self._index)
            fresh = space.new_sides(connections)
            self._sides = space.Sides(*map(joined, self._sides, fresh))
        else:
            nodes = self._nodes.start.size
            fresh_nodes = space.new_nodes(nodes, nodes)
            fresh_nodes.above[-1] = self._index.used[2]
            self._index.used[2] = nodes
            self._nodes = space.Nodes(*map(joined, self._nodes, fresh_nodes))

    @property
    def connections(self) -> int:
        """How many there are so far."""
        return int(self._index.used[0])

    @property
    def holes(self) -> "tuple[space.Sides, space.Nodes]":
        """Where sequence space is missing."""
        return self._sides, self._nodes

    def table(self) -> pl.DataFrame:
        """FLOWS of everything taken in."""
        return conform(self.sides(), FLOWS)

    def sides(self) -> pl.DataFrame:
        """FLOWS, and `side`: the number under which `Told` knows the row."""
        count = self.connections
        sides = pl.DataFrame({name: getattr(self._sides, name)[: 2 * count] for name in SIDE_COLUMNS})
        ends = pl.concat([pl.DataFrame(schema=END_TYPES), *(part.cast(END_TYPES) for part in self._ends)])
        ends = ends.with_row_index("connection")
        turned = ends.with_columns(
            direction=~pl.col("direction"), src="dst", dst="src", src_port="dst_port", dst_port="src_port"
        )
        both = pl.concat([ends, turned]).with_columns(
            side=2 * pl.col("connection") + pl.col("direction").cast(pl.UInt32)
        )
        seen = sides.with_row_index("side").join(both, on="side", how="inner").filter(pl.col("packets") > 0)
        first = ends.select("connection", opens="direction")
        ordered = seen.join(first, on="connection").sort("connection", pl.col("direction") != pl.col("opens"))
        return ordered.with_columns(*_results(), _text("src"), _text("dst"))


def joined(old: npt.NDArray[Any], fresh: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Room for more behind what is there."""
    return np.concatenate([old, fresh])


def _text(name: str) -> pl.Expr:
    return pl.col(name).map_batches(address_texts, return_dtype=pl.String())


def _results() -> list[pl.Expr]:
    """The columns that are computed from what a side counted."""
    timed = pl.col("last_ns") >= pl.col("first_ns")
    first, last = (pl.when(timed).then(pl.col(name)) for name in ("first_ns", "last_ns"))
    life_ns = (last.max() - first.min()).over("connection")
    alive = (pl.col("packets").sum().over("connection") > 1) & (life_ns > 0)
    return [
        pl.col("protocol").replace_strict(PROTOCOLS, default=None, return_dtype=pl.String()),
        (pl.col("payload_bytes") - pl.col("unique_bytes")).alias("retransmitted_bytes"),
        first.alias("first_ns"),
        last.alias("last_ns"),
        pl.when(alive).then(pl.col("unique_bytes") * 8 / life_ns).alias("goodput_gbps"),
        pl.when(pl.col("rtt_ns") < 1 << 62).then(pl.col("rtt_ns") / 1e6).alias("rtt_ms"),
    ]

"""PACKETS to PACKET_LIST: the packets of a connection in a part of its life, with their place in sequence space."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import polars as pl

from zcanalysis.tables import PACKET_LIST, conform, polars_schema
from zcanalysis.wire.advance import COLUMNS
from zcanalysis.wire.connections import batches
from zcanalysis.wire.one_connection import is_of, packets_of, span_ns
from zcanalysis.wire.sequence_positions import RST, SequencePositions

FLAGS: Final = {2: "SYN", 1: "FIN", 4: "RST", 8: "PSH", 16: "ACK", 32: "URG", 64: "ECE", 128: "CWR"}
MOST_LISTED: Final = 200
MOST_KEPT: Final = 2_000_000


class PacketList(NamedTuple):
    """The first of some packets, and how many there are."""

    table: pl.DataFrame
    """PACKET_LIST."""
    packets: int
    """How many there are in all."""


def numbered_packets(
    packets: pl.LazyFrame | pl.DataFrame, flow: Mapping[str, Any], most: int = MOST_KEPT
) -> pl.LazyFrame | pl.DataFrame:
    """A connection's packets, numbered as in their capture: in memory where they are few enough.

    Parameters
    ----------
    packets
        PACKETS of a whole capture, in file order.
    flow
        A row of FLOWS; TCP.
    most
        More stay where they are: lazy ones are read again each time something is asked of them. A packet takes about
        70 bytes.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        What `sequence_lines` needs, and ``number``, from 1.
    """
    mine = packets_of(packets.with_row_index("number", 1), flow).select("number", *COLUMNS)
    if isinstance(mine, pl.DataFrame):
        return mine
    few = mine.head(most + 1).collect(engine="streaming")
    return few if few.height <= most else mine


def packet_list(
    packets: pl.LazyFrame | pl.DataFrame,
    flow: Mapping[str, Any],
    between_s: tuple[float, float] | None = None,
    most: int = MOST_LISTED,
) -> PacketList:
    """The packets that either side sent in a part of a connection's life.

    Parameters
    ----------
    packets
        Of `numbered_packets`.
    flow
        A row of FLOWS, the direction whose payload is meant; TCP.
    between_s
        Two times since its first packet, both included; None: all of its life.
    most
        The table ends after so many.

    Raises
    ------
    ValueError
        If the flow is not TCP or has no time stamps, or the part ends before it begins.
    """
    from_ns, to_ns = span_ns(flow, between_s)
    first_ns, last_ns = span_ns(flow, None)
    positions, found, count = SequencePositions(), [pl.DataFrame(schema=polars_schema(PACKET_LIST))], 0
    of_life, of_part = (pl.col("ts_ns").is_between(*span) for span in ((first_ns, last_ns), (from_ns, to_ns)))
    for batch in batches(packets_of(packets, flow), ["number", *COLUMNS]):
        rows = _placed(batch.filter(of_life), is_of(flow), positions).filter(of_part)
        found.append(_listed(rows.head(max(most - count, 0)), first_ns))
        count += rows.height
    return PacketList(pl.concat(found), count)


def _placed(rows: pl.DataFrame, sent: pl.Expr, positions: SequencePositions) -> pl.DataFrame:
    """The rows with their positions; what the snap length hid has none."""
    known = rows.with_columns(sent.alias("sent"), pl.col("tcp_flags").fill_null(RST), pl.col("seq", "ack").fill_null(0))
    at, tells = positions.take(known)
    place = pl.when(pl.Series(tells)).then(pl.Series(at))
    return rows.with_columns(known.get_column("sent"), place.alias("at"))


def _listed(rows: pl.DataFrame, first_ns: int) -> pl.DataFrame:
    named = [pl.when(pl.col("tcp_flags") & bit != 0).then(pl.lit(name)) for bit, name in FLAGS.items()]
    return conform(
        rows.select(
            "number",
            (pl.col("ts_ns") - first_ns) / 1e9,
            "sent",
            pl.concat_str(named, separator=" ", ignore_nulls=True).alias("flags"),
            "payload_bytes",
            pl.when("sent").then("at").alias("sent_byte"),
            pl.when(~pl.col("sent")).then("at").alias("acked_byte"),
            "window_raw",
        ).rename({"ts_ns": "at_s"}),
        PACKET_LIST,
    )

"""PACKETS to FRAGMENTS: what was sent in pieces, put together as accounting, never as bytes."""

from collections.abc import Iterator
from typing import Final

import polars as pl

from zcanalysis.addresses import address_texts
from zcanalysis.tables import FRAGMENTS, PACKETS, conform, polars_schema
from zcanalysis.wire.connections import LATEST_NS, batches

DATAGRAM: Final = ("src", "dst", "protocol", "ip_version", "ip_id")
PIECE: Final = ("ts_ns", "frag_offset", "more_fragments", "payload_bytes")
PAIR: Final = ("src", "dst", "protocol")
ALIKE: Final = (*PAIR, "fragments", "complete", "overlapping")
SUMS: Final = ("datagrams", "covered", "overlap")
APART_NS: Final = 1_000_000_000  # pieces travel together; an id that comes later is another datagram's (RFC 4963)
OPEN_PIECES: Final = 1 << 16
CHUNK_PIECES: Final = 1 << 14
UDP: Final = 17
UDP_HEADER_BYTES: Final = 8


def fragments(packets: pl.LazyFrame | pl.DataFrame) -> pl.DataFrame:
    """What was sent in fragments, and what of it arrived, one row for each sender, receiver and protocol.

    Parameters
    ----------
    packets
        PACKETS in file order.

    Returns
    -------
    polars.DataFrame
        FRAGMENTS, the pair with most datagrams first.

    Notes
    -----
    Pieces of one identification belong to one datagram while no second lies between them. A first piece that is not
    UDP ends where the next begins: PACKETS does not say how long its header is. Memory holds one row for datagrams
    that are alike, and the pieces of those that are not complete yet: above 65,536 they are given up.

    Examples
    --------
    >>> from zcanalysis.tables import empty
    >>> fragments(empty(PACKETS)).height
    0
    """
    pieces = _no_pieces()
    done = _counted(_datagrams(pieces))
    for new in _chunks(packets):
        closed, pieces = _closed(pl.concat([pieces, new]), int(new["ts_ns"].fill_null(0).max()))  # type: ignore[arg-type]
        done = _merged(pl.concat([done, _counted(closed)]))
    return _summary(_merged(pl.concat([done, _counted(_datagrams(pieces))])))


def _no_pieces() -> pl.DataFrame:
    types = polars_schema(PACKETS)
    return pl.DataFrame(schema={name: types[name] for name in (*DATAGRAM, *PIECE)})


def _chunks(packets: pl.LazyFrame | pl.DataFrame) -> Iterator[pl.DataFrame]:
    """All pieces, `CHUNK_PIECES` at a time however the packets come: the answer must not depend on that."""
    waiting = _no_pieces()
    usable = pl.when(pl.col("ts_ns").is_between(0, LATEST_NS)).then(pl.col("ts_ns"))
    for batch in batches(packets, waiting.columns):
        new = batch.filter((pl.col("frag_offset") > 0) | pl.col("more_fragments")).with_columns(ts_ns=usable)
        waiting = pl.concat([waiting, new])
        while waiting.height >= CHUNK_PIECES:
            yield waiting[:CHUNK_PIECES]
            waiting = waiting[CHUNK_PIECES:]
    if waiting.height:
        yield waiting


def _closed(pieces: pl.DataFrame, now_ns: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Datagrams to which nothing will come any more, and the pieces of the others."""
    datagrams = _datagrams(pieces)
    late = (datagrams["last_ns"] < now_ns - APART_NS).fill_null(value=True)
    closed = datagrams["complete"] | late
    left = datagrams.filter(~closed).select(*DATAGRAM, "age")
    waiting = _aged(pieces).join(left, on=[*DATAGRAM, "age"], how="semi", nulls_equal=True).drop("age")
    if waiting.height > OPEN_PIECES:
        return datagrams, waiting.clear()
    return datagrams.filter(closed), waiting


def _aged(pieces: pl.DataFrame) -> pl.DataFrame:
    """`age` tells datagrams apart that used the same identification one after the other."""
    pause_ns = pl.col("ts_ns").diff().fill_null(0)
    return pieces.with_columns(age=(pause_ns > APART_NS).cum_sum().over(DATAGRAM))


def _datagrams(pieces: pl.DataFrame) -> pl.DataFrame:
    """One row a datagram: its pieces, how much of it is there and how often."""
    one = [*DATAGRAM, "age"]
    next_offset = pl.col("frag_offset").filter(pl.col("frag_offset") > 0).min().over(one)
    header = pl.when(pl.col("protocol") == UDP).then(pl.col("payload_bytes") + UDP_HEADER_BYTES)
    size = pl.when(pl.col("frag_offset") > 0).then("payload_bytes").otherwise(pl.coalesce(header, next_offset))
    ends = _aged(pieces).with_columns(end=pl.col("frag_offset") + size.fill_null(0).cast(pl.Int64))
    ordered = ends.sort("frag_offset", "end", maintain_order=True)
    before = pl.col("end").cum_max().shift(1).fill_null(0).over(one)
    fresh = (pl.col("end") - pl.max_horizontal("frag_offset", before)).clip(0)
    return (
        ordered.with_columns(fresh=fresh)
        .group_by(one, maintain_order=True)
        .agg(
            last_ns=pl.col("ts_ns").max(),
            fragments=pl.len().cast(pl.UInt64),
            covered=pl.col("fresh").sum(),
            overlap=(pl.col("end") - pl.col("frag_offset") - pl.col("fresh")).sum(),
            complete=(pl.col("fresh").sum() == pl.col("end").filter(~pl.col("more_fragments")).max()).fill_null(
                value=False
            ),
        )
    )


def _counted(datagrams: pl.DataFrame) -> pl.DataFrame:
    """One row for all datagrams of a pair that came in as many pieces, just as whole, with bytes twice or without."""
    alike = datagrams.with_columns(overlapping=pl.col("overlap") > 0, datagrams=pl.lit(1, pl.UInt64()))
    return _merged(alike.select(*ALIKE, *SUMS))


def _merged(counted: pl.DataFrame) -> pl.DataFrame:
    return counted.group_by(ALIKE, maintain_order=True).agg(pl.col(SUMS).sum())


def _summary(counted: pl.DataFrame) -> pl.DataFrame:
    """What every pair of addresses sent."""
    complete, datagrams = pl.col("complete"), pl.col("datagrams")
    half = 2 * datagrams.cum_sum() >= datagrams.sum()
    summed = (
        counted.sort("fragments", maintain_order=True)
        .group_by(PAIR, maintain_order=True)
        .agg(
            datagrams.sum(),
            (pl.col("fragments") * datagrams).sum().alias("pieces"),
            fragments_median=pl.col("fragments").filter(half).first(),
            fragments_max=pl.col("fragments").max(),
            incomplete_datagrams=datagrams.filter(~complete).sum(),
            overlapping_datagrams=datagrams.filter("overlapping").sum(),
            bytes=pl.col("covered").filter(complete).sum(),
            incomplete_bytes=pl.col("covered").filter(~complete).sum(),
            overlap_bytes=pl.col("overlap").sum(),
        )
        .rename({"pieces": "fragments"})
    )
    texts = (pl.col(name).map_batches(address_texts, return_dtype=pl.String()) for name in ("src", "dst"))
    return conform(summed.sort("datagrams", "src", descending=True).with_columns(*texts), FRAGMENTS)

"""Single packets of JOURNEYS: one packet's way through the stages, and all work around it with its critical path.

Whole recordings are summed up by `journeys.attribute`; what leaves here is small enough for a picture, whatever the
size of the recording.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import polars as pl

from zcanalysis.errors import TraceError
from zcanalysis.tables import PIECES_OF_WORK, WAY, WORK, conform, departure_column, empty

PIECES: Final = tuple(PIECES_OF_WORK)
MOST_STEPS: Final = 60
MOST_ROWS: Final = 1500
COPIED: Final = departure_column("copy", "copy")
TAKEN_BY_TCP: Final = departure_column("protocol", "tcp")


class _Piece(NamedTuple):
    """One piece of work, and the row of the packet that it is kept with."""

    packet: int
    piece: str


def packet_at(journeys: pl.DataFrame, part: float) -> int:
    """The packet that took as long, from arrival to copy, as this part of the packets took at most.

    Parameters
    ----------
    journeys
        JOURNEYS.
    part
        0 to 1: 0.5 is a typical packet, 1 the slowest.

    Raises
    ------
    TraceError
        If no packet was copied.
    """
    if not 0 <= part <= 1:
        raise ValueError(f"part must be within 0 and 1, got {part}")
    took_ns = journeys.get_column(COPIED) - journeys.get_column("arrival_ns")
    at_most_ns = took_ns.quantile(part, interpolation="nearest")
    if at_most_ns is None:
        raise TraceError("no packet of these journeys was copied to the reader")
    return int((took_ns == int(at_most_ns)).arg_max() or 0)


def packet_way(journeys: pl.DataFrame, packet: int) -> pl.DataFrame:
    """One packet's way from its arrival to the end of its copy: the WAY table, in order.

    Parameters
    ----------
    journeys
        JOURNEYS, as `zcanalysis.replay` gives them.
    packet
        Its row.

    Raises
    ------
    TraceError
        If the packet was never copied.
    """
    rows: list[dict[str, Any]] = []
    at_ns, before = int(_row(journeys, packet)["arrival_ns"]), None
    for piece in _pieces_of(journeys, packet):
        row = journeys.row(piece.packet, named=True)
        begins_ns = row[f"{piece.piece}_from_ns"]
        if begins_ns > at_ns:
            why = _waited_for(row[f"{piece.piece}_bound"], before)
            rows.append(_span(piece, "", "waits", at_ns, begins_ns) | {"why": why})
        for stage, from_ns, to_ns in _stages(row, piece.piece):
            rows.append(_span(piece, stage, "works", from_ns, to_ns) | {"why": None})
            at_ns = max(at_ns, to_ns)
        before = piece
    table = pl.DataFrame(rows, infer_schema_length=None).with_row_index("step")
    return conform(table, WAY)


def work_around(journeys: pl.DataFrame, packet: int) -> pl.DataFrame:
    """What the CPUs did while a packet was on its way, and which of it the end of its copy waited for: the WORK table.

    Parameters
    ----------
    journeys
        JOURNEYS, as `zcanalysis.replay` gives them.
    packet
        Its row.

    Raises
    ------
    TraceError
        If the packet was never copied.

    Notes
    -----
    The critical path is walked back from the copy, from each piece of work to what it waited for last, until an arrival
    or for 60 pieces. Of a window with more than 1500 rows the earliest that are not on the path are left out.
    """
    path, to_ns = _path(journeys, packet), int(_row(journeys, packet)[COPIED])
    first = path[-1]
    from_ns = min(journeys.item(packet, "arrival_ns"), journeys.item(first.packet, f"{first.piece}_from_ns"))
    on_path = pl.DataFrame(path, schema={"packet": pl.Int64, "piece": pl.String}, orient="row").with_columns(
        critical=True
    )
    begun = {piece: pl.col(f"{piece}_from_ns").is_between(from_ns, to_ns) for piece in PIECES}
    spans = pl.concat([_spans(journeys.filter(begun[piece]), piece) for piece in PIECES])
    marked = spans.join(on_path, on=["packet", "piece"], how="left").with_columns(pl.col("critical").fill_null(False))
    kept = marked.sort("critical", "from_ns", descending=True).head(MOST_ROWS).sort("from_ns", "to_ns")
    return conform(kept, WORK) if kept.height else empty(WORK)


def all_work(journeys: pl.DataFrame) -> pl.DataFrame:
    """Every stage that took time for some packet: the WORK table in order of time, nothing said of critical paths.

    Parameters
    ----------
    journeys
        JOURNEYS, as `zcanalysis.replay` gives them.
    """
    spans = pl.concat([_spans(journeys, piece) for piece in PIECES]).with_columns(critical=pl.lit(None, pl.Boolean))
    return conform(spans.sort("from_ns", "packet", maintain_order=True), WORK)


def _row(journeys: pl.DataFrame, packet: int) -> dict[str, Any]:
    if not 0 <= packet < journeys.height:
        raise ValueError(f"packet must be a row of these journeys, 0 to {journeys.height - 1}, got {packet}")
    row = journeys.row(packet, named=True)
    if row[COPIED] is None:
        raise TraceError(f"packet {packet} was never copied to the reader")
    return row


def _pieces_of(journeys: pl.DataFrame, packet: int) -> Iterator[_Piece]:
    """What was done for this packet: by the driver, for its skb, by TCP if that was left to the reader, its copy."""
    if journeys.item(packet, "driver_from_ns") is not None:
        yield _Piece(packet, "driver")
    last = _first_row(journeys, packet, "protocol_from_ns")
    yield _Piece(last, "protocol")
    if journeys.item(last, TAKEN_BY_TCP) is None:
        yield _Piece(_first_row(journeys, last, "backlog_from_ns"), "backlog")
    yield _Piece(packet, "copy")


def _first_row(journeys: pl.DataFrame, packet: int, column: str) -> int:
    """The first row from this packet's on that has a value: work is kept with the last packet that it was done for."""
    return packet + int(journeys.get_column(column).slice(packet).is_not_null().arg_max() or 0)


def _stages(row: dict[str, Any], piece: str) -> Iterator[tuple[str, int, int]]:
    from_ns = row[f"{piece}_from_ns"]
    for stage in PIECES_OF_WORK[piece]:
        to_ns = row[departure_column(piece, stage)]
        if to_ns is not None and to_ns > from_ns:
            yield stage, from_ns, to_ns
            from_ns = to_ns


def _span(piece: _Piece, stage: str, kind: str, from_ns: int, to_ns: int) -> dict[str, Any]:
    return {**piece._asdict(), "stage": stage, "kind": kind, "from_ns": from_ns, "to_ns": to_ns}


def _waited_for(bound: int, before: _Piece | None) -> str:
    if bound < 0:
        return "interrupt moderation"
    cause = _Piece(bound // len(PIECES), PIECES[bound % len(PIECES)])
    return "other processes" if cause == before else f"{cause.piece} of packet {cause.packet}"


def _path(journeys: pl.DataFrame, packet: int) -> list[_Piece]:
    """From the packet's copy back to the arrival that all of it waited for."""
    _row(journeys, packet)
    path = [_Piece(packet, "copy")]
    while len(path) < MOST_STEPS:
        bound = journeys.item(path[-1].packet, f"{path[-1].piece}_bound")
        if bound < 0:
            break
        path.append(_Piece(bound // len(PIECES), PIECES[bound % len(PIECES)]))
    return path


def _spans(journeys: pl.DataFrame, piece: str) -> pl.DataFrame:
    """Every stage of the pieces of this kind that took time."""
    since = pl.col(f"{piece}_from_ns")
    tables = []
    for stage in PIECES_OF_WORK[piece]:
        ends = pl.col(departure_column(piece, stage))
        tables.append(
            journeys.select(
                "packet", piece=pl.lit(piece), stage=pl.lit(stage), from_ns=since, to_ns=ends.fill_null(since)
            ).filter(pl.col("to_ns") > pl.col("from_ns"))
        )
        since = pl.coalesce(ends, since)
    return pl.concat(tables)

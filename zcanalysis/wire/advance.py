"""PACKETS to SEQUENCE_LINES: how one direction of a connection moved through its sequence space, in slices of time."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.rates import BITS_PER_BYTE
from zcanalysis.tables import SEQUENCE_LINES, TRANSFER_RATES, conform, empty
from zcanalysis.wire.connections import batches
from zcanalysis.wire.one_connection import ENDS, is_of, packets_of, span_ns
from zcanalysis.wire.sequence_positions import HALF, RST, Ints, SequencePositions

COLUMNS: Final = (*ENDS, "protocol", "ts_ns", "tcp_flags", "seq", "ack", "window_raw", "window_scale", "payload_bytes",
                  "sack_blocks")  # fmt: skip
SLICES: Final = 800
RATE_SLICES: Final = 100
SYN, ACK = 2, 16
MOST_SHIFT: Final = 14  # RFC 7323, section 2.3
NOTHING: Final = -(1 << 62)
SACKED: Final = SEQUENCE_LINES["sacked"].dtype
UNKNOWN: Final = -1


def sequence_lines(
    packets: pl.LazyFrame | pl.DataFrame,
    flow: Mapping[str, Any],
    slices: int = SLICES,
    *,
    between_s: tuple[float, float] | None = None,
) -> pl.DataFrame:
    """What was sent, acknowledged and allowed in each slice of a connection's life, or of a part of it.

    Parameters
    ----------
    packets
        PACKETS in file order.
    flow
        A row of FLOWS, the direction whose payload is meant; TCP.
    slices
        Into how many its time is cut, so that a chart of ten million packets stays small.
    between_s
        Only this part of it, as finer slices: two times since the direction's first packet. Positions are still
        counted from the first sequence number seen. None: all of it.

    Returns
    -------
    polars.DataFrame
        SEQUENCE_LINES, bytes counted from the first sequence number seen; slices in which nothing passed are left out.
        The window's edge is null unless the capture has the SYN of the side that advertises it (else its scale is
        unknown), or that SYN asks for no scaling.

    Raises
    ------
    ValueError
        If the flow is not TCP, has no time stamps, slices is below 1, or the part ends before it begins.
    """
    if slices < 1:
        raise ValueError(f"slices must be at least 1, got {slices}")
    mine = packets_of(packets, flow)
    lines = _Lines(int(flow["first_ns"]), span_ns(flow, between_s), slices)
    for batch in batches(mine, list(COLUMNS)):
        lines.take(batch, is_of(flow))
    return lines.table()


def transfer_rates(lines: pl.DataFrame, slices: int = RATE_SLICES) -> pl.DataFrame:
    """How fast a direction sent, in slices of time long enough to mean something.

    Parameters
    ----------
    lines
        SEQUENCE_LINES.
    slices
        At most so many, each a whole number of the slices of `lines`; at least 1.

    Returns
    -------
    polars.DataFrame
        TRANSFER_RATES from the first packet to the last; 0 where nothing was sent. The last slice may be cut short, and
        counts as a whole one: a rate over next to no time means nothing.
    """
    fine_s = lines.select((pl.col("to_s") - pl.col("from_s")).max()).item()
    if not fine_s:
        return empty(TRANSFER_RATES)
    number = (pl.col("from_s") / fine_s).round().cast(pl.Int64)
    (last,) = lines.select(number.max()).row(0)
    joined = -(-(last + 1) // slices)
    sent = lines.group_by(number // joined).agg(pl.col("payload_bytes", "repeated_bytes").sum())
    every = pl.DataFrame({"from_s": range(last // joined + 1)}, schema={"from_s": pl.Int64})
    rates = every.join(sent, on="from_s", how="left", maintain_order="left").fill_null(0)
    gbps = BITS_PER_BYTE / (joined * fine_s) / 1e9
    return conform(
        rates.select(
            pl.col("from_s") * joined * fine_s,
            to_s=(pl.col("from_s") + 1) * joined * fine_s,
            new_gbps=(pl.col("payload_bytes") - pl.col("repeated_bytes")) * gbps,
            repeated_gbps=pl.col("repeated_bytes") * gbps,
        ),
        TRANSFER_RATES,
    )


def _range(acked: int, block: Mapping[str, int], origin: int) -> dict[str, int] | None:
    """A SACK block as positions; None below the ACK, where it tells of what came twice (RFC 2883), or if absurd."""
    above = (block["left"] - origin - acked) & 0xFFFFFFFF
    size = (block["right"] - block["left"]) & 0xFFFFFFFF
    if above >= HALF or not 0 < size < HALF:
        return None
    return {"low_byte": acked + above, "high_byte": acked + above + size}


class _Lines:
    """All slices so far, and where each side stands in the sequence space."""

    def __init__(self, first_ns: int, span: tuple[int, int], slices: int) -> None:
        self._first_ns, (self._from_ns, self._last_ns) = first_ns, span
        self._slice_ns = max((self._last_ns - self._from_ns) // slices + 1, 1)
        places = slices + 1  # the first is for what was before the span
        self._packets, self._payload, self._repeated = (np.zeros(places, np.int64) for _ in range(3))
        self._low = np.full(places, 1 << 62, np.int64)
        self._high, self._acked, self._edge, self._most = (np.full(places, NOTHING, np.int64) for _ in range(4))
        self._positions = SequencePositions()
        self._top = self._answered = NOTHING
        self._shift = UNKNOWN
        self._scales: dict[bool, int | None] = {}
        self._sacked: dict[int, list[dict[str, int]]] = {}

    def take(self, batch: pl.DataFrame, from_sender: pl.Expr) -> None:
        """One slice of PACKETS of this connection, in file order."""
        inside = pl.col("ts_ns").is_between(self._first_ns, self._last_ns)
        rows = batch.filter(inside & (pl.col("tcp_flags") & RST == 0)).with_columns(from_sender.alias("sent"))
        if rows.is_empty():
            return
        shift = self._shifts(rows)
        sent = rows.get_column("sent").to_numpy()
        flags = rows.get_column("tcp_flags").to_numpy()
        at, tells = self._positions.take(rows)
        if not tells.any():
            return
        place = np.maximum((rows.get_column("ts_ns").to_numpy() - self._from_ns) // self._slice_ns + 1, 0)
        payload = rows.get_column("payload_bytes").fill_null(0).to_numpy()
        back = ~sent & tells
        self._under_way(place, np.where(sent, at + payload, NOTHING), np.where(back, at, NOTHING))
        self._sent(place[sent], at[sent], payload[sent])
        self._reported(rows.get_column("sack_blocks"), back, place, at)
        scaled = back & ((flags & SYN) == 0) & (shift != UNKNOWN)
        np.maximum.at(self._acked, place[back], at[back])
        window = rows.get_column("window_raw").fill_null(0).to_numpy().astype(np.int64)[scaled] << shift[scaled]
        np.maximum.at(self._edge, place[scaled], at[scaled] + window)

    def _shifts(self, rows: pl.DataFrame) -> Ints:
        """How far the other side's window is shifted at each row, UNKNOWN before the SYNs have told.

        It is if both sides ask for it (RFC 7323, 2.2); an answer only asks if it was asked.
        """
        shift = np.full(rows.height, self._shift, np.int64)
        opening = rows.with_row_index().filter(pl.col("tcp_flags") & SYN != 0)
        for row, sent, flags, scale in opening.select("index", "sent", "tcp_flags", "window_scale").iter_rows():
            self._scales[sent] = scale
            told, before = len(self._scales) == len(("there", "back")) or (flags & ACK and not sent), self._shift
            if scale is None:
                self._shift = 0
            elif self._shift == UNKNOWN and told:
                self._shift = min(self._scales[False] or 0, MOST_SHIFT)
            if self._shift != before:
                shift[row:] = self._shift
        return shift

    def _under_way(self, place: Ints, ends: Ints, acked: Ints) -> None:
        """The most that was in flight in each slice, from what was sent and acknowledged up to each packet."""
        top = np.maximum(np.maximum.accumulate(ends), self._top)
        answered = np.maximum(np.maximum.accumulate(acked), self._answered)
        known = (top > NOTHING) & (answered > NOTHING)
        np.maximum.at(self._most, place[known], np.maximum(top - answered, 0)[known])
        self._answered = int(answered[-1])

    def _reported(self, blocks: pl.Series, back: npt.NDArray[np.bool_], place: Ints, at: Ints) -> None:
        """What the last ACK with SACK blocks in each slice reports beyond its own number (RFC 2018)."""
        telling = np.flatnonzero(back & (blocks.list.len().fill_null(0) > 0).to_numpy())
        slices, latest = np.unique(place[telling[::-1]], return_index=True)
        last = telling[::-1][latest]
        origin = self._positions.origin
        assert origin is not None
        for slice_, acked, edges in zip(slices, at[last], blocks.gather(last).to_list(), strict=True):
            ranges = (_range(int(acked), block, origin) for block in edges)
            self._sacked[int(slice_)] = [found for found in ranges if found is not None]

    def _sent(self, place: Ints, at: Ints, payload: Ints) -> None:
        ends = at + payload
        tops = np.maximum.accumulate(np.concatenate([[self._top], ends]))
        repeated = np.clip(np.minimum(tops[:-1], ends) - at, 0, payload)
        np.add.at(self._packets, place, 1)
        np.add.at(self._payload, place, payload)
        np.add.at(self._repeated, place, repeated)
        full = payload > 0
        np.minimum.at(self._low, place[full], at[full])
        np.maximum.at(self._high, place[full], ends[full])
        if ends.size:
            self._top = int(tops[-1])

    def table(self) -> pl.DataFrame:
        """SEQUENCE_LINES of everything taken in."""
        at = self._from_ns - self._first_ns + np.arange(-1, self._packets.size - 1) * self._slice_ns
        to = np.minimum(at + self._slice_ns, self._last_ns - self._first_ns)
        rows = pl.DataFrame({
            "place": np.arange(at.size), "from_s": at / 1e9, "to_s": to / 1e9,
            "packets": self._packets, "payload_bytes": self._payload, "repeated_bytes": self._repeated,
            "low_byte": self._low, "high_byte": self._high, "acked_byte": self._acked, "edge_byte": self._edge,
            "in_flight_most_bytes": self._most,
            "sacked": pl.Series([self._sacked.get(slice_, []) for slice_ in range(at.size)], dtype=SACKED),
        })  # fmt: skip
        known = [
            pl.when(pl.col(name).abs() < 1 << 61).then(pl.col(name)).alias(name)
            for name in ("low_byte", "high_byte", "acked_byte", "edge_byte", "in_flight_most_bytes")
        ]
        seen = rows.with_columns(known).filter((pl.col("packets") > 0) | pl.col("acked_byte").is_not_null())
        held = seen.with_columns(pl.col("high_byte").cum_max().forward_fill().alias("top"),
                                 pl.col("acked_byte").cum_max().forward_fill().alias("answered"))  # fmt: skip
        flight = (pl.col("top") - pl.col("answered")).clip(0).alias("in_flight_bytes")
        return conform(held.with_columns(flight).filter(pl.col("place") > 0), SEQUENCE_LINES)

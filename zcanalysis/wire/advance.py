"""PACKETS to SEQUENCE_LINES: how one direction of a connection moved through its sequence space, in slices of time."""

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.addresses import MAPPED_IPV4
from zcanalysis.tables import SEQUENCE_LINES, conform
from zcanalysis.wire.connections import batches

COLUMNS: Final = ("ts_ns", "src", "src_port", "dst", "dst_port", "protocol", "tcp_flags", "seq", "ack", "window_raw",
                  "window_scale", "payload_bytes")  # fmt: skip
SLICES: Final = 800
SYN, RST, ACK, TCP = 2, 4, 16, 6
MOST_SHIFT: Final = 14  # RFC 7323, section 2.3
NOTHING: Final = -(1 << 62)
UNKNOWN: Final = -1

Ints = npt.NDArray[np.int64]


def sequence_lines(packets: pl.LazyFrame | pl.DataFrame, flow: Mapping[str, Any], slices: int = SLICES) -> pl.DataFrame:
    """What was sent, acknowledged and allowed in each slice of a connection's life.

    Parameters
    ----------
    packets
        PACKETS in file order.
    flow
        A row of FLOWS, the direction whose payload is meant; TCP.
    slices
        Into how many its time is cut, so that a chart of ten million packets stays small.

    Returns
    -------
    polars.DataFrame
        SEQUENCE_LINES, bytes counted from the first sequence number seen; slices in which nothing passed are left out.
        The window's edge is null unless the capture has the SYN of the side that advertises it (else its scale is
        unknown), or that SYN asks for no scaling.

    Raises
    ------
    ValueError
        If the flow is not TCP, has no time stamps, or slices is below 1.
    """
    if flow["protocol"] != "tcp" or flow["first_ns"] is None:
        raise ValueError("sequence lines are of a TCP connection with time stamps")
    if slices < 1:
        raise ValueError(f"slices must be at least 1, got {slices}")
    lines = _Lines(int(flow["first_ns"]), int(flow["last_ns"]), slices)
    there, back = _ends(flow), _ends(flow, turned=True)
    for batch in batches(_of(packets, there, back), list(COLUMNS)):
        lines.take(batch, there)
    return lines.table()


def _ends(flow: Mapping[str, Any], *, turned: bool = False) -> dict[str, int]:
    """Addresses and ports as PACKETS has them."""
    src, dst = ("dst", "src") if turned else ("src", "dst")
    return {
        "src": _number(flow[src]), "src_port": flow[f"{src}_port"],
        "dst": _number(flow[dst]), "dst_port": flow[f"{dst}_port"],
    }  # fmt: skip


def _number(text: str) -> int:
    address = ipaddress.ip_address(text)
    return int(address) | (MAPPED_IPV4 << 32 if address.version == 4 else 0)  # noqa: PLR2004 - IPv4


def _is(ends: Mapping[str, int]) -> pl.Expr:
    return pl.all_horizontal(
        pl.col(name) == pl.lit(value, pl.UInt128 if name in ("src", "dst") else pl.UInt16)
        for name, value in ends.items()
    )


def _of(
    packets: pl.LazyFrame | pl.DataFrame, there: Mapping[str, int], back: Mapping[str, int]
) -> pl.LazyFrame | pl.DataFrame:
    """Its packets with a time stamp."""
    mine = (pl.col("protocol") == TCP) & pl.col("ts_ns").is_not_null() & (_is(there) | _is(back))
    return packets.filter(mine)


class _Lines:
    """All slices so far, and where each side stands in the sequence space."""

    def __init__(self, first_ns: int, last_ns: int, slices: int) -> None:
        self._first_ns, self._last_ns = first_ns, max(last_ns, first_ns)
        self._slice_ns = max((self._last_ns - first_ns) // slices + 1, 1)
        self._packets = np.zeros(slices, np.int64)
        self._repeated = np.zeros(slices, np.int64)
        self._low = np.full(slices, 1 << 62, np.int64)
        self._high, self._acked, self._edge = (np.full(slices, NOTHING, np.int64) for _ in range(3))
        self._origin: int | None = None
        self._top = NOTHING
        self._near = 0
        self._shift = UNKNOWN
        self._scales: dict[bool, int | None] = {}

    def take(self, batch: pl.DataFrame, there: Mapping[str, int]) -> None:
        """One slice of PACKETS of this connection, in file order."""
        inside = pl.col("ts_ns").is_between(self._first_ns, self._last_ns)
        rows = batch.filter(inside & (pl.col("tcp_flags") & RST == 0)).with_columns(_is(there).alias("sent"))
        if rows.is_empty():
            return
        shift = self._shifts(rows)
        sent = rows.get_column("sent").to_numpy()
        flags = rows.get_column("tcp_flags").to_numpy()
        numbers = np.where(sent, rows.get_column("seq").to_numpy(), rows.get_column("ack").to_numpy()).astype(np.int64)
        tells = sent | ((flags & ACK) != 0)
        if not tells.any():
            return
        if self._origin is None:
            self._origin = int(numbers[tells][0])
        at = np.zeros(numbers.size, np.int64)
        at[tells] = self._unwrapped(numbers[tells])
        place = (rows.get_column("ts_ns").to_numpy() - self._first_ns) // self._slice_ns
        payload = rows.get_column("payload_bytes").fill_null(0).to_numpy()
        self._sent(place[sent], at[sent], payload[sent])
        back = ~sent & tells
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

    def _unwrapped(self, numbers: Ints) -> Ints:
        """Positions whose low 32 bits are these numbers, each the one nearest to the position before."""
        assert self._origin is not None
        wrapped = np.concatenate([[self._near], numbers - self._origin])
        steps = np.diff(wrapped) & 0xFFFFFFFF
        steps = np.where(steps >= 1 << 31, steps - (1 << 32), steps)
        at: Ints = self._near + np.cumsum(steps)
        self._near = int(at[-1])
        return at

    def _sent(self, place: Ints, at: Ints, payload: Ints) -> None:
        ends = at + payload
        tops = np.maximum.accumulate(np.concatenate([[self._top], ends]))
        repeated = np.clip(np.minimum(tops[:-1], ends) - at, 0, payload)
        np.add.at(self._packets, place, 1)
        np.add.at(self._repeated, place, repeated)
        full = payload > 0
        np.minimum.at(self._low, place[full], at[full])
        np.maximum.at(self._high, place[full], ends[full])
        if ends.size:
            self._top = int(tops[-1])

    def table(self) -> pl.DataFrame:
        """SEQUENCE_LINES of everything taken in."""
        at = np.arange(self._packets.size) * self._slice_ns
        rows = pl.DataFrame({
            "from_s": at / 1e9, "to_s": np.minimum(at + self._slice_ns, self._last_ns - self._first_ns) / 1e9,
            "packets": self._packets, "low_byte": self._low, "high_byte": self._high, "repeated_bytes": self._repeated,
            "acked_byte": self._acked, "edge_byte": self._edge,
        })  # fmt: skip
        known = [
            pl.when(pl.col(name).abs() < 1 << 61).then(pl.col(name)).alias(name)
            for name in ("low_byte", "high_byte", "acked_byte", "edge_byte")
        ]
        seen = rows.with_columns(known).filter((pl.col("packets") > 0) | pl.col("acked_byte").is_not_null())
        held = seen.with_columns(pl.col("high_byte").cum_max().forward_fill().alias("top"),
                                 pl.col("acked_byte").cum_max().forward_fill().alias("answered"))  # fmt: skip
        flight = (pl.col("top") - pl.col("answered")).clip(0).alias("in_flight_bytes")
        return conform(held.with_columns(flight), SEQUENCE_LINES)

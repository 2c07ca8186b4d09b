"""Batches of capture records as polars tables with the columns of `PACKETS`, only those that were asked for."""

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.io import packet_layout as packet
from zcanalysis.io.packet_ahead import Decoded
from zcanalysis.io.packet_faults import fault_text
from zcanalysis.io.pcap_walk import UNTIMED
from zcanalysis.tables import PACKETS, polars_schema

TYPES: Final = polars_schema(PACKETS)

# column: which block of numbers, which row of it, which bit of HAS makes it valid
NUMBERS: Final = {
    "vlan": ("u16", packet.VLAN, packet.HAS_VLAN),
    "ip_version": ("u8", packet.VERSION, packet.HAS_IP),
    "protocol": ("u8", packet.PROTOCOL, packet.HAS_IP),
    "src_port": ("u16", packet.SRC_PORT, packet.HAS_PORTS),
    "dst_port": ("u16", packet.DST_PORT, packet.HAS_PORTS),
    "ip_id": ("u32", packet.IP_ID, packet.HAS_ID),
    "ttl": ("u8", packet.TTL, packet.HAS_IP),
    "ecn": ("u8", packet.ECN, packet.HAS_IP),
    "dscp": ("u8", packet.DSCP, packet.HAS_IP),
    "frag_offset": ("u32", packet.FRAGMENT, packet.HAS_IP),
    "more_fragments": ("u8", packet.MORE, packet.HAS_IP),
    "tcp_flags": ("u16", packet.FLAGS, packet.HAS_TCP),
    "seq": ("u32", packet.SEQ, packet.HAS_TCP),
    "ack": ("u32", packet.ACK, packet.HAS_TCP),
    "window_raw": ("u16", packet.WINDOW, packet.HAS_TCP),
    "payload_bytes": ("i64", packet.PAYLOAD, packet.HAS_PAYLOAD),
    "mss": ("u16", packet.MSS, packet.HAS_MSS),
    "window_scale": ("u8", packet.SCALE, packet.HAS_SCALE),
    "sack_permitted": ("u8", packet.SACK_OK, packet.HAS_OPTIONS),
    "tsval": ("u32", packet.TSVAL, packet.HAS_TIMES),
    "tsecr": ("u32", packet.TSECR, packet.HAS_TIMES),
    "checksum_ok": ("u8", packet.CHECKSUM, packet.HAS_CHECKSUM),
    "flow_id": ("u64", packet.FLOW, packet.HAS_PORTS),
    "direction": ("u8", packet.DIRECTION, packet.HAS_PORTS),
}
ADDRESS_ROWS: Final = {"src": packet.SRC, "dst": packet.DST}
RECORD_COLUMNS: Final = ("captured_bytes", "wire_bytes", "interface")
ARRAY_TYPES: Final = {
    pl.Boolean(): np.bool_,
    pl.UInt8(): np.uint8,
    pl.UInt16(): np.uint16,
    pl.UInt32(): np.uint32,
    pl.UInt64(): np.uint64,
    pl.Int64(): np.int64,
}
WANTS: Final = {
    packet.WANT_OPTIONS: {"mss", "window_scale", "sack_permitted", "sack_blocks", "tsval", "tsecr", "error"},
    packet.WANT_FLOW: {"flow_id", "direction"},
    packet.WANT_CHECKSUM: {"checksum_ok"},
    packet.WANT_ADDRESSES: {"src", "dst"},
}


def wants(columns: Collection[str]) -> int:
    """What the decoder has to look at for these columns, WANT bits of `packet_layout`."""
    return sum(bit for bit, names in WANTS.items() if not names.isdisjoint(columns))


def needs_headers(columns: Collection[str]) -> bool:
    """Whether any of the columns is in the packets themselves."""
    return any(name not in ("ts_ns", *RECORD_COLUMNS) for name in columns)


def packet_table(decoded: Decoded, columns: Sequence[str]) -> pl.DataFrame:
    """The columns of one batch, one row per record; a failure is a row with nothing but its `error`."""
    if decoded.failure is not None:
        return pl.DataFrame(
            {name: [decoded.failure if name == "error" else None] for name in columns},
            schema={name: TYPES[name] for name in columns},
        )
    return pl.DataFrame([_column(name, decoded) for name in columns])


def _column(name: str, decoded: Decoded) -> pl.Series:
    count = decoded.height
    if name == "ts_ns":
        times = decoded.records.ts_ns[:count].copy()
        column = pl.Series(name, times)
        return column if times.min() != UNTIMED else _masked(column, times != UNTIMED)
    if name in RECORD_COLUMNS:
        return pl.Series(name, getattr(decoded.records, name)[:count].astype(ARRAY_TYPES[TYPES[name]]))
    if name == "error":
        return _errors(decoded)
    if name == "sack_blocks":
        return _sack_blocks(decoded)
    if name in ADDRESS_ROWS:
        return _address(name, decoded)
    block, row, bit = NUMBERS[name]
    if not decoded.rows.totals[2] & bit:
        return _nothing(name, count)
    numbers = getattr(decoded.rows, block)[row, :count].astype(ARRAY_TYPES[TYPES[name]])
    return _where(pl.Series(name, numbers), bit, decoded.rows)


def _where(column: pl.Series, bit: int, rows: packet.Rows) -> pl.Series:
    """The column, null where the row lacks what `bit` stands for."""
    if rows.totals[1] & bit:
        return column
    return _masked(column, (rows.u16[packet.HAS, : column.len()] & np.uint16(bit)) != 0)


def _address(name: str, decoded: Decoded) -> pl.Series:
    if not decoded.rows.totals[2] & packet.HAS_IP:
        return _nothing(name, decoded.height)
    numbers = pl.Series(decoded.rows.u32[ADDRESS_ROWS[name], : decoded.height])
    return _where(decoded.addresses[numbers].alias(name), packet.HAS_IP, decoded.rows)


def _errors(decoded: Decoded) -> pl.Series:
    count = decoded.height
    if not decoded.damaged:
        return _nothing("error", count)
    codes, values = decoded.rows.u8[packet.FAULT, :count], decoded.rows.u64[packet.FAULT_VALUE, :count]
    pairs = np.stack([codes.astype(np.int64), values.astype(np.int64)], axis=1)
    pairs[pairs[:, 0] == 0] = 0
    unique, which = np.unique(pairs, axis=0, return_inverse=True)
    texts = [fault_text(int(code), int(value)) if code else None for code, value in unique]
    return pl.Series("error", texts, dtype=pl.String()).gather(pl.Series(which.reshape(-1)))


def _sack_blocks(decoded: Decoded) -> pl.Series:
    lines = int(decoded.rows.totals[0])
    if not lines:
        return _nothing("sack_blocks", decoded.height)
    rows, left, right = decoded.rows.sack[:, :lines]
    starts = np.flatnonzero(np.diff(rows, prepend=rows[0] ^ 1))
    place = np.full(decoded.height, starts.size, np.uint32)
    place[rows[starts]] = np.arange(starts.size)
    every, counts = pl.Series(place), np.diff(starts, append=lines)
    # one rectangle of lists, too long ones cut: 12 ns a packet where grouping by row takes 33
    chosen = np.minimum(starts[:, None] + np.arange(counts.max()), lines - 1).ravel()
    edges = pl.DataFrame([pl.Series("left", left[chosen]), pl.Series("right", right[chosen])])
    blocks = edges.to_struct("sack_blocks").reshape((starts.size, -1)).cast(TYPES["sack_blocks"])
    cut = pl.col("sack_blocks").list.head("count").gather(every.set(every == starts.size, None))
    return pl.DataFrame([blocks, pl.Series("count", counts)]).select_seq(cut).to_series()


def _nothing(name: str, count: int) -> pl.Series:
    """A column of nulls."""
    return pl.Series(name, [None], dtype=TYPES[name]).new_from_index(0, count)


def _masked(column: pl.Series, has: npt.NDArray[np.bool_]) -> pl.Series:
    """The column, null where `has` is false."""
    return pl.select(pl.when(pl.Series(has)).then(column).alias(column.name)).to_series()

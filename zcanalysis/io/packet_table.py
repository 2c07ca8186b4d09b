"""Batches of capture records as polars tables with the columns of `PACKETS`, only those that were asked for."""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.io import packet_layout as packet
from zcanalysis.io.packet_decode import decode
from zcanalysis.io.packet_faults import fault_text
from zcanalysis.io.pcap_blocks import BATCH_ROWS, Batch
from zcanalysis.io.pcap_walk import UNTIMED
from zcanalysis.tables import PACKETS, polars_schema

ADDRESSES: Final = 1 << 18
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
    "payload_bytes": ("u32", packet.PAYLOAD, packet.HAS_PAYLOAD),
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


class TableBuilder:
    """Turns batches into tables of the wanted columns; keeps its work space and the addresses met."""

    def __init__(self, columns: list[str]) -> None:
        self._columns = columns
        self._want = sum(bit for bit, names in WANTS.items() if names & set(columns))
        self._decodes = any(name not in ("ts_ns", *RECORD_COLUMNS) for name in columns)
        self._rows = packet.new_rows(BATCH_ROWS)
        self._book = packet.new_address_book(ADDRESSES)
        self._addresses = pl.Series([], dtype=pl.UInt128())

    def table(self, batch: Batch) -> pl.DataFrame:
        """One row per record of the batch; a failure is a row with nothing but its `error`."""
        if batch.failure is not None:
            return pl.DataFrame(
                {name: [batch.failure if name == "error" else None] for name in self._columns},
                schema={name: TYPES[name] for name in self._columns},
            )
        damaged = self._decode(batch) if self._decodes else 0
        return pl.DataFrame([self._column(name, batch, damaged) for name in self._columns])

    def _decode(self, batch: Batch) -> int:
        if int(self._book.known[0]) + 2 * batch.rows > ADDRESSES:
            self._book.slot.fill(-1)
            self._book.known[0] = 0
            self._addresses = self._addresses.clear()
        damaged = decode(batch.block, batch.records, batch.rows, self._want, self._rows, self._book)
        known, met = self._addresses.len(), int(self._book.known[0])
        if met > known:
            new = _wide(self._book.high[known:met], self._book.low[known:met])
            self._addresses = pl.concat([self._addresses, new.alias("")], rechunk=True)
        return damaged

    def _column(self, name: str, batch: Batch, damaged: int) -> pl.Series:
        if name == "ts_ns":
            times = batch.records.ts_ns[: batch.rows].copy()
            column = pl.Series(name, times)
            return column if times.min() != UNTIMED else _masked(column, times != UNTIMED)
        if name in RECORD_COLUMNS:
            return pl.Series(name, getattr(batch.records, name)[: batch.rows].astype(ARRAY_TYPES[TYPES[name]]))
        if name in ADDRESS_ROWS:
            return self._address(name, batch.rows)
        if name == "error":
            return self._errors(batch.rows, damaged)
        if name == "sack_blocks":
            return self._sack_blocks(batch.rows)
        block, row, bit = NUMBERS[name]
        if not self._rows.totals[2] & bit:
            return _nothing(name, batch.rows)
        numbers = getattr(self._rows, block)[row, : batch.rows].astype(ARRAY_TYPES[TYPES[name]])
        return self._where(pl.Series(name, numbers), bit)

    def _where(self, column: pl.Series, bit: int) -> pl.Series:
        """The column, null where the row lacks what `bit` stands for."""
        if self._rows.totals[1] & bit:
            return column
        has = (self._rows.u16[packet.HAS, : column.len()] & np.uint16(bit)) != 0
        return _masked(column, has)

    def _address(self, name: str, count: int) -> pl.Series:
        if not self._rows.totals[2] & packet.HAS_IP:
            return _nothing(name, count)
        numbers = pl.Series(self._rows.u32[ADDRESS_ROWS[name], :count])
        return self._where(self._addresses[numbers].alias(name), packet.HAS_IP)

    def _errors(self, count: int, damaged: int) -> pl.Series:
        if not damaged:
            return _nothing("error", count)
        codes, values = self._rows.u8[packet.FAULT, :count], self._rows.u64[packet.FAULT_VALUE, :count]
        pairs = np.stack([codes.astype(np.int64), values.astype(np.int64)], axis=1)
        pairs[pairs[:, 0] == 0] = 0
        unique, which = np.unique(pairs, axis=0, return_inverse=True)
        texts = [fault_text(int(code), int(value)) if code else None for code, value in unique]
        return pl.Series("error", texts, dtype=pl.String()).gather(pl.Series(which.reshape(-1)))

    def _sack_blocks(self, count: int) -> pl.Series:
        lines = int(self._rows.totals[0])
        row, left, right = (pl.Series(numbers[:lines].copy()) for numbers in self._rows.sack)
        edges = pl.DataFrame({"row": row, "left": left, "right": right})
        lists = edges.group_by("row", maintain_order=True).agg(sack_blocks=pl.struct("left", "right"))
        every = pl.DataFrame({"row": pl.Series(np.arange(count, dtype=np.uint32))})
        return every.join(lists, on="row", how="left", maintain_order="left")["sack_blocks"]


def _wide(high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64]) -> pl.Series:
    """128-bit numbers from their halves."""
    halves = pl.DataFrame({"high": high, "low": low}).select(pl.all().cast(pl.UInt128()))
    shift = pl.lit(1 << 64, dtype=pl.UInt128())
    return halves.select(pl.col("high") * shift + pl.col("low")).to_series()


def _nothing(name: str, count: int) -> pl.Series:
    """A column of nulls."""
    return pl.Series(name, [None], dtype=TYPES[name]).new_from_index(0, count)


def _masked(column: pl.Series, has: npt.NDArray[np.bool_]) -> pl.Series:
    """The column, null where `has` is false."""
    return pl.select(pl.when(pl.Series(has)).then(column).alias(column.name)).to_series()

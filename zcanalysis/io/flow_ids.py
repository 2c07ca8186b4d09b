"""Addresses, flows and directions for packets that are known by addresses and ports only."""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.addresses import address_numbers
from zcanalysis.io.packet_compile import compiled
from zcanalysis.io.packet_identity import flow_hash

HALF: Final = pl.lit(1 << 64, pl.UInt128())
ENDS: Final = ("src", "src_port", "dst", "dst_port", "protocol")
PORTED: Final = (6, 17)  # TCP, UDP


def identified(packets: pl.DataFrame) -> pl.DataFrame:
    """The packets with addresses as numbers, `flow_id` and `direction`: the same as `scan_pcap` has for such packets.

    Parameters
    ----------
    packets
        Holds ``src``, ``dst`` (text, or numbers as in PACKETS), ``src_port``, ``dst_port`` and ``protocol``; nulls
        where a packet has none.

    Raises
    ------
    ValueError
        If a text is no address.
    """
    texts = [name for name in ("src", "dst") if packets.schema[name] == pl.String()]
    known = packets.with_columns(address_numbers(packets.get_column(name)) for name in texts)
    whole = pl.all_horizontal(pl.col(list(ENDS)).is_not_null()) & pl.col("protocol").is_in(PORTED)
    ends = known.with_row_index("row").filter(whole)
    flow, after = np.zeros(ends.height, np.uint64), np.zeros(ends.height, np.uint8)
    _flows(_halves(ends), _numbers(ends), flow, after)
    of_flows = ends.select("row", flow_id=pl.Series(flow), direction=pl.Series(after).cast(pl.Boolean))
    rows = known.drop("flow_id", "direction", strict=False).with_row_index("row")
    return rows.join(of_flows, on="row", how="left", maintain_order="left").drop("row")


def _halves(ends: pl.DataFrame) -> npt.NDArray[np.uint64]:
    """Shape (4, n): high and low half of the source, then of the destination."""
    wide = (pl.col(name).cast(pl.UInt128) for name in ("src", "dst"))
    halves = (half.cast(pl.UInt64) for address in wide for half in (address // HALF, address % HALF))
    table = ends.select(half.alias(str(row)) for row, half in enumerate(halves))
    return np.ascontiguousarray(table.to_numpy().T)


def _numbers(ends: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Shape (3, n): the source's port, the destination's, the protocol."""
    table = ends.select(pl.col("src_port", "dst_port", "protocol").cast(pl.Int64))
    return np.ascontiguousarray(table.to_numpy().T)


@compiled
def _flows(
    halves: npt.NDArray[np.uint64],
    numbers: npt.NDArray[np.int64],
    flow: npt.NDArray[np.uint64],
    after: npt.NDArray[np.uint8],
) -> None:
    for row in range(flow.size):
        flow[row], after[row] = flow_hash(
            halves[0, row], halves[1, row], numbers[0, row],
            halves[2, row], halves[3, row], numbers[1, row], numbers[2, row],
        )  # fmt: skip

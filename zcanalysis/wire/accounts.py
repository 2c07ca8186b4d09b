"""PACKETS to TCP_SIDES: what each side of each connection did, from one pass whose memory grows with connections."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.tables import FLOWS, TCP_SIDES, conform
from zcanalysis.wire.connections import ENDS, NUMBERS, Followed, as_array, batches, held, without_nulls
from zcanalysis.wire.side_columns import QUANTILES, side_columns

if TYPE_CHECKING:
    from zcanalysis.wire import side_state as state

CONNECTIONS: Final = 1 << 10
STRETCHES: Final = 1 << 14
ENTRIES: Final = 1 << 14
REMEMBERED: Final = 1 << 14  # packets among which a copy is looked for
OPTIONS: Final = (
    "window_raw",
    "mss",
    "window_scale",
    "sack_permitted",
    "sack_blocks",
    "tsval",
    "tsecr",
    "ecn",
    "ip_id",
)
COLUMNS: Final = list(dict.fromkeys(ENDS + NUMBERS + OPTIONS))
EDGES: Final = ("left", "right", "next_left", "next_right")
LARGEST_SHIFT: Final = 14  # RFC 7323
RARE: Final = {
    "mss": np.uint16,
    "shift": np.uint8,
    "sack_permitted": np.uint8,
    "sacks": np.uint8,
    **dict.fromkeys(EDGES, np.uint32),
}


def tcp_sides(packets: pl.LazyFrame | pl.DataFrame) -> pl.DataFrame:
    """What each side of each TCP connection did, as sender of data and as receiver.

    Parameters
    ----------
    packets
        PACKETS in file order, as `scan_pcap` gives them.

    Returns
    -------
    polars.DataFrame
        TCP_SIDES, in the order of FLOWS.

    Notes
    -----
    All times are those of the tap: close to `src`, `ack_delay` is what it held its ACKs back and `rtt` the whole
    round trip; close to `dst`, the other way round. Medians and 95th percentiles are those of a value counted,
    within 1.6 %. A round trip by sequence number is taken where tcptrace takes one: the ACK ends where a packet
    ends that was not sent twice, and nothing below was sent later than it. ``zero_window_ms`` counts to the next
    packet that opens the window, or to the last packet of this side.

    Examples
    --------
    >>> from zcanalysis.tables import PACKETS, empty
    >>> tcp_sides(empty(PACKETS)).height
    0
    """
    return flows_and_sides(packets)[1]


def flows_and_sides(packets: pl.LazyFrame | pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """FLOWS and TCP_SIDES from the same pass.

    Parameters
    ----------
    packets
        PACKETS in file order.
    """
    accounts = Accounts()
    for batch in batches(packets, COLUMNS):
        accounts.take(batch)
    return accounts.tables()


def with_sides(flows: pl.DataFrame, sides: pl.DataFrame) -> pl.DataFrame:
    """FLOWS with the columns of TCP_SIDES behind, null where a row is not TCP.

    Parameters
    ----------
    flows, sides
        Of the same capture.
    """
    keys = [name for name in sides.columns if name in flows.columns]
    return flows.join(sides, on=keys, how="left", maintain_order="left")


class Accounts:
    """All sides so far."""

    def __init__(self) -> None:
        from zcanalysis.wire import accounting, record_checks, side_state, tally

        self._accounting, self._checks, self._state, self._tally = accounting, record_checks, side_state, tally
        self._followed = Followed()
        self._seen = record_checks.new_seen(1, REMEMBERED)
        self._rare = _Rare()
        self._account = side_state.Account(
            sides=side_state.new_sides(CONNECTIONS),
            stretches=side_state.new_stretches(STRETCHES),
            tally=tally.new_tally(ENTRIES),
            used=np.zeros(3, np.int64),
        )

    def take(self, batch: pl.DataFrame) -> None:
        """Take in the packets of one slice."""
        arrays, told = self._followed.take(batch)
        self._more_sides()
        details, row = self._details(batch), 0
        marks = self._checks.Marks(ip_id=_numbers(batch, "ip_id"), mss=details.mss)
        while row < batch.height:
            row = self._accounting.take_in(arrays, details, told, (marks, self._seen), self._account, row)
            if row < batch.height:
                self._more_room()

    def _details(self, batch: pl.DataFrame) -> "state.Details":
        return self._state.Details(
            window_raw=_numbers(batch, "window_raw"),
            timed=held(batch.get_column("tsval")),
            tsval=_numbers(batch, "tsval"),
            tsecr=_numbers(batch, "tsecr"),
            ecn=_numbers(batch, "ecn"),
            **self._rare.of(batch),
        )

    def _more_sides(self) -> None:
        room = self._account.sides.size // 2
        needed = self._followed.connections
        if needed > room:
            fresh = self._state.new_sides(max(room, needed - room))
            self._account = self._account._replace(sides=np.concatenate([self._account.sides, fresh]))

    def _more_room(self) -> None:
        account, state = self._account, self._state
        if 2 * (account.used[self._tally.ENTRIES] + self._tally.SERIES) > account.tally.size:
            self._account = account._replace(tally=self._tally.larger(account.tally))
        else:
            count = account.stretches.size
            stretches = np.concatenate([account.stretches, state.new_stretches(count, count)])
            stretches["above"][-1] = account.used[1]
            account.used[1] = count
            self._account = account._replace(stretches=stretches)

    def numbered_flows(self) -> pl.DataFrame:
        """FLOWS of everything taken in, and `side`: the number under which a row is counted."""
        return self._followed.sides()

    def ack_delays(self, side: int) -> pl.DataFrame:
        """How long a side held ACKs of new payload back: ``low_ns``, ``high_ns``, ``count``, ``sum_ns``, classes."""
        return self._tally.classes(self._account.tally, side, self._tally.ACK_DELAY)

    def tables(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """FLOWS and TCP_SIDES of everything taken in."""
        flows = self.numbered_flows()
        self._accounting.add_lost(*self._followed.holes, self._account.sides[: 2 * self._followed.connections])
        sides = self._account.sides[: 2 * self._followed.connections]
        counted = pl.DataFrame({name: sides[name] for name in self._state.SIDE.names or ()}, strict=False)
        rows = flows.filter(pl.col("protocol") == "tcp").join(
            counted.with_row_index("side"), on="side", how="left", maintain_order="left"
        )
        ordered = self._tally.in_order(self._account.tally)
        for series, levels in enumerate(QUANTILES):
            found = self._tally.quantiles(ordered, series, levels)
            rows = rows.join(found, on="side", how="left", maintain_order="left")
        return conform(flows, FLOWS), conform(rows.with_columns(side_columns()), TCP_SIDES)


def _numbers(batch: pl.DataFrame, name: str, null: int = 0) -> npt.NDArray[Any]:
    return as_array(without_nulls(batch.get_column(name), null))


class _Rare:
    """Columns that few packets have, as arrays of zeros that are used again and again."""

    def __init__(self) -> None:
        self._arrays = {name: np.zeros(0, kind) for name, kind in RARE.items()}
        self._written: dict[str, npt.NDArray[Any]] = {}

    def of(self, batch: pl.DataFrame) -> dict[str, npt.NDArray[Any]]:
        """Those of these packets, until asked for the next."""
        for name, rows in self._written.items():
            self._arrays[name][rows] = 0
        self._written = {}
        if batch.height > self._arrays["mss"].size:
            self._arrays = {name: np.zeros(batch.height, kind) for name, kind in RARE.items()}
        self._write("mss", batch.get_column("mss"))
        self._write("shift", batch.get_column("window_scale"))
        shift = self._arrays["shift"]
        if "shift" in self._written:
            shift[self._written["shift"]] = np.minimum(shift[self._written["shift"]], LARGEST_SHIFT) + 1
        if (permitted := batch.get_column("sack_permitted")).any():
            self._written["sack_permitted"] = permitted.arg_true().to_numpy()
            self._arrays["sack_permitted"][self._written["sack_permitted"]] = 1
        self._write_blocks(batch)
        return {name: array[: batch.height] for name, array in self._arrays.items()}

    def _write(self, name: str, values: pl.Series) -> None:
        if values.null_count() < len(values):
            self._written[name] = values.is_not_null().arg_true().to_numpy()
            self._arrays[name][self._written[name]] = values.drop_nulls().to_numpy()

    def _write_blocks(self, batch: pl.DataFrame) -> None:
        if batch.get_column("sack_blocks").null_count() == batch.height:
            return
        lists = pl.col("sack_blocks").drop_nulls()
        told = batch.select_seq(rows=pl.col("sack_blocks").is_not_null().arg_true(), counts=lists.list.len())
        told = told.filter(pl.col("counts") > 0)
        edges = batch.select_seq(lists.explode(empty_as_null=False).struct.unnest())
        rows, counts = told.get_column("rows").to_numpy(), told.get_column("counts").to_numpy().astype(np.int64)
        self._written |= dict.fromkeys(("sacks", *EDGES), rows)
        self._arrays["sacks"][rows] = np.minimum(counts, 255)
        first = np.cumsum(counts) - counts
        more = counts > 1
        for name, edge in zip(EDGES, ("left", "right") * 2, strict=True):
            values = without_nulls(edges.get_column(edge)).to_numpy()
            if name in EDGES[:2]:
                self._arrays[name][rows] = values[first]
            else:
                self._arrays[name][rows[more]] = values[first[more] + 1]

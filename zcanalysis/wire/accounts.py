"""PACKETS to TCP_SIDES: what each side of each connection did, from one pass whose memory grows with connections."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.tables import FLOWS, TCP_SIDES, conform
from zcanalysis.wire.connections import ENDS, NUMBERS, Followed, PacketSource, packet_batches
from zcanalysis.wire.side_columns import QUANTILES, side_columns
from zcanalysis.wire.table_arrays import PacketArrays

if TYPE_CHECKING:
    from zcanalysis.io.capture_damage import Damage
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
SACKS: Final = {"sacks": np.uint8, **dict.fromkeys(("left", "right", "next_left", "next_right"), np.uint32)}


def tcp_sides(packets: PacketSource) -> pl.DataFrame:
    """What each side of each TCP connection did, as sender of data and as receiver.

    Parameters
    ----------
    packets
        PACKETS in file order, as `scan_pcap` gives them, or the path of a capture, which is quicker: no table is made
        of its packets.

    Returns
    -------
    polars.DataFrame
        TCP_SIDES, in the order of FLOWS.

    Raises
    ------
    TraceError
        If a path is given, and it is no capture.

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


def flows_and_sides(packets: PacketSource, damage: "Damage | None" = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """FLOWS and TCP_SIDES from the same pass.

    Parameters
    ----------
    packets
        As for `tcp_sides`.
    damage
        Counts the records of a file that could not be read.
    """
    accounts = Accounts()
    for batch in packet_batches(packets, COLUMNS, damage):
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
        self._sacks = _Sacks()
        self._account = side_state.Account(
            sides=side_state.new_sides(CONNECTIONS),
            stretches=side_state.new_stretches(STRETCHES),
            tally=tally.new_tally(ENTRIES),
            used=np.zeros(3, np.int64),
        )

    def take(self, batch: PacketArrays) -> None:
        """Take in the packets of one batch."""
        arrays, told = self._followed.take(batch)
        self._more_sides()
        details, row = self._details(batch), 0
        marks = self._checks.Marks(ip_id=batch.numbers("ip_id"), mss=details.mss)
        while row < batch.height:
            row = self._accounting.take_in(arrays, details, told, (marks, self._seen), self._account, row)
            if row < batch.height:
                self._more_room()

    def _details(self, batch: PacketArrays) -> "state.Details":
        return self._state.Details(
            window_raw=batch.numbers("window_raw"),
            timed=batch.held("tsval"),
            tsval=batch.numbers("tsval"),
            tsecr=batch.numbers("tsecr"),
            ecn=batch.numbers("ecn"),
            mss=batch.numbers("mss"),
            scaled=batch.held("window_scale"),
            scale=batch.numbers("window_scale"),
            sack_permitted=batch.numbers("sack_permitted"),
            **self._sacks.of(batch),
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


class _Sacks:
    """SACK blocks, which few packets have, as arrays of zeros that are used again and again."""

    def __init__(self) -> None:
        self._arrays = _new_sacks(0)
        self._written: npt.NDArray[Any] = np.zeros(0, np.int64)

    def of(self, batch: PacketArrays) -> dict[str, npt.NDArray[Any]]:
        """Those of these packets, until asked for the next."""
        for array in self._arrays.values():
            array[self._written] = 0
        self._written = self._written[:0]
        if batch.height > self._arrays["sacks"].size:
            self._arrays = _new_sacks(batch.height)
        edges = batch.sack_edges()
        if edges[0].size:
            self._write(*edges)
        return {name: array[: batch.height] for name, array in self._arrays.items()}

    def _write(self, rows: npt.NDArray[Any], left: npt.NDArray[np.uint32], right: npt.NDArray[np.uint32]) -> None:
        first = np.flatnonzero(np.diff(rows, prepend=rows[:1] + 1))
        counts = np.diff(first, append=rows.size)
        second, more = first[counts > 1] + 1, rows[first[counts > 1]]
        self._written = rows[first]
        self._arrays["sacks"][self._written] = np.minimum(counts, 255)
        self._arrays["left"][self._written], self._arrays["right"][self._written] = left[first], right[first]
        self._arrays["next_left"][more], self._arrays["next_right"][more] = left[second], right[second]


def _new_sacks(packets: int) -> dict[str, npt.NDArray[Any]]:
    return {name: np.zeros(packets, kind) for name, kind in SACKS.items()}

"""How far a capture can be trusted, counted before anything is concluded from it."""

from typing import Final, NamedTuple

import numpy as np
import polars as pl

from zcanalysis.wire.connections import NUMBERS, as_arrays, batches
from zcanalysis.wire.table_arrays import TableArrays

FLOW_ROOM: Final = 1 << 12
COLUMNS: Final = (*NUMBERS, "ip_id", "mss", "captured_bytes", "ip_version", "error")


class CaptureQuality(NamedTuple):
    """Counts of what makes a capture say less, or something else, than it seems to."""

    records: int
    """Records in the file, the damaged ones included."""
    damaged_records: int
    first_error: str | None
    """The first damaged record's number in the file and what is wrong with it."""
    snapped_records: int
    """Records with fewer bytes captured than were on the wire."""
    super_packets: int
    """TCP packets with more payload than their receiver announced (MSS), or, where the capture began later than the
    connection, more than 9,216 bytes: a lower bound. One record of GRO or TSO stands for many packets."""
    connections: int
    """Flows, reused ports counted once."""
    one_sided_connections: int
    """TCP flows with data one way and no packet the other way."""
    duplicated_records: int
    """Packets seen twice within 100 ms with the same IP identification, sequence numbers, length and flags (IPv4)."""
    not_ip_records: int
    backward_steps: int
    """Records with an earlier time stamp than the record before."""


def capture_quality(packets: pl.LazyFrame | pl.DataFrame) -> CaptureQuality:
    """Counts of what to know before a capture is believed.

    Parameters
    ----------
    packets
        PACKETS in file order.

    Examples
    --------
    >>> from zcanalysis.tables import PACKETS, empty
    >>> capture_quality(empty(PACKETS)).records
    0
    """
    checked = _Checked()
    for batch in batches(packets, list(COLUMNS)):
        checked.take(batch)
    return checked.result()


class _Checked:
    """All records so far."""

    def __init__(self) -> None:
        from zcanalysis.io.capture_damage import Damage
        from zcanalysis.wire import record_checks, sequence_space

        self._checks, self._space = record_checks, sequence_space
        self._index = sequence_space.new_index(FLOW_ROOM)
        self._seen = record_checks.new_seen(FLOW_ROOM)
        self._damage = Damage()
        self._snapped = self._not_ip = 0

    def take(self, batch: pl.DataFrame) -> None:
        """Check the records of one slice."""
        counts = batch.select(
            snapped=(pl.col("captured_bytes") < pl.col("wire_bytes")).sum(),
            not_ip=(pl.col("ip_version").is_null() & pl.col("error").is_null()).sum(),
        ).row(0, named=True)
        self._damage.errors(batch.get_column("error"))
        self._snapped += counts["snapped"]
        self._not_ip += counts["not_ip"]
        self._follow(batch)

    def _follow(self, batch: pl.DataFrame) -> None:
        columns = TableArrays(batch)
        arrays, row = as_arrays(columns), 0
        marks = self._checks.Marks(ip_id=columns.numbers("ip_id"), mss=columns.numbers("mss"))
        while row < batch.height:
            row = self._checks.check(arrays, marks, row, self._index, self._seen)
            if row < batch.height:
                self._make_room()

    def _make_room(self) -> None:
        flows = self._index.first_row.size
        old = self._seen
        self._index = self._space.larger(self._index)
        seen = self._checks.new_seen(2 * flows)
        for grown, full in zip(seen[:3], old[:3], strict=True):
            grown[: 2 * flows] = full
        self._seen = seen._replace(late=old.late, counts=old.counts)

    def result(self) -> CaptureQuality:
        """The counts of everything taken in."""
        used = int(self._index.used[0])
        packets = self._seen.packets[: 2 * used].reshape(used, 2)
        payload_bytes = self._seen.payload_bytes[: 2 * used].reshape(used, 2)
        one_sided = (packets.min(axis=1, initial=1) == 0) & (payload_bytes.max(axis=1, initial=0) > 0)
        super_packets, duplicated, backward, _ = self._seen.counts.tolist()
        return CaptureQuality(
            records=self._damage.records,
            damaged_records=self._damage.damaged_records,
            first_error=self._damage.first_error,
            snapped_records=self._snapped,
            super_packets=super_packets,
            connections=used,
            one_sided_connections=int(np.count_nonzero(one_sided)),
            duplicated_records=duplicated,
            not_ip_records=self._not_ip,
            backward_steps=backward,
        )

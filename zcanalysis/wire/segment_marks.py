"""PACKETS to MARKS: what every TCP packet was, from one pass whose memory grows with connections only."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.tables import MARKS, conform, empty
from zcanalysis.wire.connections import batches, times
from zcanalysis.wire.table_arrays import TableArrays, as_array

if TYPE_CHECKING:
    from zcanalysis.wire import mark_pass

CONNECTIONS: Final = 1 << 12
SEGMENTS: Final = 1 << 14
COLUMNS: Final = [
    "ts_ns",
    "flow_id",
    "direction",
    "protocol",
    "tcp_flags",
    "seq",
    "ack",
    "window_raw",
    "window_scale",
    "payload_bytes",
    "frag_offset",
    "more_fragments",
    "sack_blocks",
]
VALUES: Final = ("repeats", "ack_rtt_ns", "in_flight_bytes", "window_bytes", "relative_seq", "relative_ack")


def marks(packets: pl.LazyFrame | pl.DataFrame) -> pl.DataFrame:
    """What every TCP packet of a capture was: a retransmission, a duplicate ACK, into a full window, …

    Parameters
    ----------
    packets
        PACKETS in file order and whole from the first packet on, as `scan_pcap` gives them: packets are numbered
        by row.

    Returns
    -------
    polars.DataFrame
        MARKS: one row a TCP packet, in file order. Connections are numbered as in `flows`. A packet whose length is
        not known (the first fragment of a datagram, a damaged one) has no marks and no numbers, and changes nothing.

    See Also
    --------
    mark_batches : the same in parts, for captures larger than memory.

    Notes
    -----
    The names and rules are those of Wireshark's ``tcp.analysis.*``, as its version 4.0 decides them (function
    ``tcp_analyze_sequence_number`` of ``epan/dissectors/packet-tcp.c``; Wireshark User's Guide, "TCP Analysis"),
    told here in our words. *Next* is the highest end that this side sent, *window* the raw one of the header, an
    *empty* packet has no payload and no SYN, FIN or RST. Data means payload, SYN or FIN.

    - ``zero_window_probe``: one byte at *next* while the other side's window is 0; rules out the next four.
    - ``zero_window``: window 0, not in SYN, FIN, RST.
    - ``lost_segment``: begins beyond *next*, not in RST.
    - ``keep_alive``: at most one byte, one before *next*; never a retransmission.
    - ``window_full``: payload that ends at the other side's ACK plus its scaled window; needs a known scale.
    - An empty packet at *next* with the ACK of the one before is a ``window_update`` if its window is another (and
      not 0), a ``zero_window_probe_ack`` if it repeats a 0 after a probe, a ``keep_alive_ack`` if it follows a
      keep-alive, else a ``duplicate_ack``; ``repeats`` counts these until the ACK number changes.
    - ``ack_lost_segment``: an ACK beyond what was seen without a hole; said once for a hole.
    - Data is a ``spurious_retransmission`` if the other side's last ACK covers its payload. Else, if it begins below
      *next*, it is a ``fast_retransmission`` if the other side sent two duplicate ACKs for just this number and
      its last packet is less than 20 ms old; else ``out_of_order`` if *next* was reached less than the handshake's
      round trip ago (3 ms if that is not known) and it does not end at *next*; else a plain one. ``retransmission``
      is true of all but ``out_of_order``. Two bytes or more that begin one below *next* are none of these.
    - ``port_reused``: a SYN with another number than this side's first; a SYN with ACK likewise, if it starts no new
      connection. A SYN once more with the same number sets *next* back to the end of what was seen without a hole.
    - ``ack_rtt_ns``: since the first packet that ends at this ACK number and waits for its ACK. ACKs of
      retransmissions are not left out (Karn's rule would).
    - ``in_flight_bytes``: from the lowest begin to the highest end of all that waits for its ACK, less the SACK
      blocks of the other side's last packet; null from a ``lost_segment`` until the other side's next ACK.

    A side remembers 10,000 segments that wait for their ACK; further ones are not waited for.

    Different on purpose: ``window_bytes`` is null where no handshake told the scale (Wireshark shows the raw
    number with a factor of -1); a round trip of 0 (same time stamp) is 0, not missing, and a negative one null; a
    sequence number of 0 is a number, not "none seen", but in resets (RFC 9293, 3.10.7.1); an ACK of unseen data does
    not count as two duplicate ACKs; a SYN-ACK that answers another SYN starts a connection, as in `flows`, and a SYN
    after other packets of its side always does; bytes in flight may begin before the first number seen; Multipath
    TCP's options do not excuse a duplicate ACK.

    Ours, because time alone misjudges (Wireshark 4.0 does not read SACK for its marks): ``seen_before`` is certain
    where the tap saw the same bytes and no ACK since, also where the rules above say ``out_of_order``;
    ``sent_in_vain`` adds what SACK had reported to ``spurious_retransmission``; ``in_sack_hole`` is data for a hole
    that SACK blocks told of (RFC 2018), which repairs a loss where ``fast_retransmission`` knows only the first hole;
    ``duplicate_sack`` is the receiver's own word that bytes arrived twice (RFC 2883). All four use the SACK
    blocks of one packet, the other side's latest.

    Examples
    --------
    >>> from zcanalysis.tables import PACKETS, empty
    >>> marks(empty(PACKETS)).height
    0
    """
    return pl.concat([empty(MARKS), *mark_batches(packets)])


def mark_batches(packets: pl.LazyFrame | pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The rows of `marks`, in tables of bounded size, in order.

    Parameters
    ----------
    packets
        As for `marks`.

    Yields
    ------
    polars.DataFrame
        MARKS.
    """
    judged = Judged()
    for batch in batches(packets, COLUMNS):
        yield judged.table(batch)


def as_arrays(batch: pl.DataFrame) -> "mark_pass.Packets":
    """A slice of PACKETS as the compiled loops want it."""
    from zcanalysis.wire import mark_pass

    def column(name: str, null: int = 0) -> npt.NDArray[Any]:
        series = batch.get_column(name)
        return as_array(series.fill_null(null) if series.null_count() else series)

    whole = batch.select(~(pl.col("more_fragments").fill_null(value=False) | (pl.col("frag_offset").fill_null(0) > 0)))
    blocks = batch.get_column("sack_blocks")
    counts = blocks.list.len().fill_null(0)
    edges = blocks.filter(counts > 0).explode().struct.unnest()
    return mark_pass.Packets(
        ts_ns=times(TableArrays(batch).numbers("ts_ns")),
        flow_id=column("flow_id"),
        known=as_array(batch.get_column("flow_id").is_not_null().cast(pl.UInt8)),
        direction=as_array(batch.get_column("direction").cast(pl.UInt8).fill_null(0)),
        protocol=column("protocol"),
        tcp_flags=column("tcp_flags"),
        seq=column("seq"),
        ack=column("ack"),
        window_raw=column("window_raw"),
        window_scale=as_array(batch.get_column("window_scale").cast(pl.Int16).fill_null(-1)),
        payload_bytes=column("payload_bytes", -1),
        whole=as_array(whole.to_series().cast(pl.UInt8)),
        first_block=np.concatenate([[0], np.cumsum(counts.to_numpy(), dtype=np.int64)]),
        left=as_array(edges.get_column("left").fill_null(0)),
        right=as_array(edges.get_column("right").fill_null(0)),
    )


class Judged:
    """All connections so far."""

    def __init__(self) -> None:
        from zcanalysis.wire import mark_pass
        from zcanalysis.wire import mark_state as state
        from zcanalysis.wire import sequence_space as space

        self._pass, self._state, self._space = mark_pass, state, space
        self._memory = state.new_memory(CONNECTIONS, SEGMENTS)
        self._index = space.new_index(CONNECTIONS)

    def table(self, batch: pl.DataFrame) -> pl.DataFrame:
        """MARKS of the next slice."""
        arrays, row = as_arrays(batch), 0
        found = self._pass.new_found(batch.height)
        while row < batch.height:
            row = self._pass.follow(arrays, row, self._memory, self._index, found)
            if row < batch.height:
                self._make_room()
        table = _table(found, batch, int(self._memory.used[2]))
        self._memory.used[2] += batch.height
        return table

    def _make_room(self) -> None:
        if self._index.used[0] < self._index.first_row.size:
            self._memory = self._state.longer(self._memory)
            return
        self._index = self._space.larger(self._index)
        self._memory = self._state.larger(self._memory)


def _table(found: "mark_pass.Found", batch: pl.DataFrame, packets: int) -> pl.DataFrame:
    """What the pass found, under its names; `packets` came before this batch."""
    from zcanalysis.wire.mark_rules import MARK_BITS, NULL
    from zcanalysis.wire.sequence_space import TCP

    numbers = pl.int_range(packets + 1, packets + batch.height + 1, dtype=pl.UInt64)
    rows = pl.DataFrame(found._asdict()).with_columns(batch.get_column("direction"), packet=numbers)
    known = rows.filter((batch.get_column("protocol") == TCP) & batch.get_column("flow_id").is_not_null())
    bits = [((pl.col("bits") & (1 << bit)) != 0).alias(name) for bit, name in enumerate(MARK_BITS)]
    values = [pl.when(pl.col(name) != NULL).then(pl.col(name)).alias(name) for name in VALUES]
    return conform(known.with_columns(*values, *bits), MARKS)

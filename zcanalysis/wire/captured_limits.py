"""Who limited the connections of a capture, and when: PACKETS to LIMITS, without counters or samples."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.addresses import bracketed_texts
from zcanalysis.limit_spans import (
    APPLICATION,
    DELAYED_ACK,
    LINK,
    LOSS,
    MATHIS,
    MATHIS_PART,
    READER,
    UNKNOWN,
    WINDOW,
    joined_spans,
)
from zcanalysis.wire.connections import END_TYPES, ENDS, LATEST_NS, batches, joined
from zcanalysis.wire.plateaus import PLATEAU_SHARE, Rates, with_full_share
from zcanalysis.wire.table_arrays import as_array

COLUMNS: Final = (
    *ENDS, "ts_ns", "flow_id", "tcp_flags", "seq", "ack", "payload_bytes", "wire_bytes", "window_raw", "window_scale",
    "ip_id", "tsval", "tsecr", "mss",
)  # fmt: skip
CAUSE_NAMES: Final = ("application", "delayed_ack", "loss", "closed", "moving")
"""As `zcanalysis.wire.waits` numbers them."""
NAMED_CAUSES: Final = {
    "application": APPLICATION, "delayed_ack": DELAYED_ACK, "loss": LOSS,
}  # fmt: skip
OTHERS: Final = (WINDOW, READER, LINK)
LIVES: Final = 1 << 10
SLICES: Final = 1 << 12
TCP: Final = 6

IDLE_WORDS: Final = "the sender had nothing under way and sent nothing for {} of the time"
DELAYED_WORDS: Final = "the sender waited for a delayed ACK for {} of the time"
LOSS_WORDS: Final = "{} of {} packets came again or after a gap; repairing took {} of the time"
READER_WORDS: Final = (
    "the window, at most {} KiB, was used up for {} of the time, longer than round trips explain: data waits for the "
    "reader or its CPU"
)
WINDOW_WORDS: Final = "the window of {} KiB was used up for {} of the time; a round trip carried {} of it"
LINK_WORDS: Final = "the receiving host got all that it ever gets for {} of the time"
ONE_SIDE_WORDS: Final = "only one side of the connection was captured"
NO_SCALE_WORDS: Final = "nothing seen explains the pace; windows unknown: the capture lacks the handshake"
OPEN_WORDS: Final = "nothing seen explains the pace: a CPU or the path, which a capture does not show"

MOST_OF_TIME: Final = 0.5
# What a handshake's round trip carries of the window. Where the window is seen to be used up the rest is the longer way
# of packets under load: 0.09 to 0.33 with 64 KB of buffer between two namespaces, 0.02 to 0.05 before a reader that
# pauses for 1 ms; windows that the kernel lets grow are carried to less than 0.05.
WINDOW_CARRIED: Final = 0.7
WINDOW_USED: Final = 0.07
MANY_LOSSES: Final = 5e-3
PACED_IDLES: Final = 5
PACED_SHARE: Final = 0.2


def captured_limits(packets: pl.LazyFrame | pl.DataFrame, link_gbps: float | None = None) -> pl.DataFrame:
    """Who limited each TCP connection of a capture, and when.

    Parameters
    ----------
    packets
        PACKETS in file order, captured anywhere between the two ends.
    link_gbps
        Rate of the link, headers included, where it is known.

    Returns
    -------
    polars.DataFrame
        LIMITS, connections in order of their first packet; UDP has none.

    Notes
    -----
    The time between two packets belongs to what the second had been waiting for; slices of 0.1 s go by what took most
    of them. Slices in which packets only moved are told by their rates. The rules, and where they come from:

    ``sender application``: nothing is under way, and new data comes later than three round trips explain, or only after
    the other side's answer (Zhang, Breslau, Paxson and Shenker, SIGCOMM 2002, "T-RAT": application limited; Siekkinen
    et al., Computer Networks 52, 2008: application limited periods).
    ``delayed ack``: an ACK comes 20 ms or more after at most two segments, and the sender, released, sends at once
    (RFC 1122, 4.2.3.2; RFC 896).
    ``loss``: from the first sign of a lost segment until all is repaired, and while losses are so frequent that they
    pace the sender (T-RAT: congestion limited).
    ``receive window``: the window is used up, or a round trip carries about as much as it holds (T-RAT: receiver window
    limited). ``reader``: it is used up, yet a round trip carries next to nothing of it: data waits for the reading
    application or for its CPU, which of them a capture cannot tell.
    ``link``: what one host receives stays within 3 % of the highest rate it reaches (T-RAT: bandwidth limited; packet
    dispersion: Dovrolis et al., INFOCOM 2001), or the link's known rate is used to 97 %.
    ``unknown``: everything else, every connection of which only one side was captured, and windows whose scale is
    unknown because the capture began after the handshake.
    """
    waits = Waits()
    for batch in batches(packets, list(COLUMNS)):
        waits.take(batch)
    return waits.limits(link_gbps)


class Waits:
    """All connections so far: what each moment waited for, and the rate at which each host receives."""

    def __init__(self) -> None:
        from zcanalysis.wire import sequence_space, waits

        self.waits, self._space = waits, sequence_space
        self._ends, self._lives = waits.new_ends(LIVES), waits.new_lives(LIVES)
        self._index = sequence_space.new_index(LIVES)
        self._slices = np.zeros((SLICES, waits.FIELDS), np.int64)
        self._used = np.zeros(1, np.int64)
        self._done: list[npt.NDArray[np.int64]] = []
        self._names: list[pl.DataFrame] = []
        self.rates = Rates()

    def take(self, batch: pl.DataFrame) -> None:
        """Follow the packets of one slice of the table."""
        segments, row, known = self._segments(batch), 0, int(self._index.used[0])
        while row < batch.height:
            row = self.waits.follow(segments, row, self._lives, self._ends, self._index, self._slices, self._used)
            if row < batch.height:
                self._make_room()
        brought = int(self._index.used[0])
        if brought > known:
            self._names.append(batch.select(ENDS)[self._index.first_row[known:brought]])
        data = (pl.col("payload_bytes") > 0) & (pl.col("protocol") == TCP) & pl.col("ts_ns").is_between(0, LATEST_NS)
        self.rates.take(batch.filter(data).select("dst", "ts_ns", "wire_bytes"))

    def limits(self, link_gbps: float | None = None) -> pl.DataFrame:
        """LIMITS of everything taken in; nothing can be taken in after.

        Parameters
        ----------
        link_gbps
            Rate of the link, headers included, where it is known.
        """
        return _labelled(self, link_gbps)

    def _segments(self, batch: pl.DataFrame) -> Any:  # noqa: ANN401 - of a module that is imported late
        dated = pl.col("ts_ns").is_between(0, LATEST_NS)
        known = pl.col("flow_id").is_not_null() & (pl.col("protocol") == TCP) & dated
        plain = batch.with_columns(
            known=known.fill_null(False).cast(pl.UInt8),
            window_scale=pl.col("window_scale").cast(pl.Int16).fill_null(-1).clip(-1, 15).cast(pl.Int8),
        )
        return self.waits.Segments(
            *(as_array(plain.get_column(name).fill_null(0)) for name in self.waits.Segments._fields)
        )

    def _make_room(self) -> None:
        if self._used[0] + 2 > SLICES:
            self._flush()
            return
        waits, connections = self.waits, self._index.first_row.size
        self._index = self._space.larger(self._index)
        self._ends = waits.Ends(*map(joined, self._ends, waits.new_ends(connections)))
        self._lives = waits.Lives(*map(joined, self._lives, waits.new_lives(connections)))

    def _flush(self) -> None:
        self._done.append(self._slices[: self._used[0]].copy())
        self._used[0] = 0

    @property
    def connections(self) -> int:
        """How many there are."""
        return int(self._index.used[0])

    @property
    def both_seen(self) -> npt.NDArray[np.bool_]:
        """Of each connection: whether packets of both sides were captured."""
        seen = self._ends.copy_seq[: 2 * self.connections] >= 0
        return seen[0::2] & seen[1::2]

    def slices(self) -> npt.NDArray[np.int64]:
        """Every slice, as `waits` describes its columns."""
        first, last = 0, int(self._index.used[0])
        while first < last:
            first = self.waits.close_all(self._lives, self._ends, first, last, self._slices, self._used)
            self._flush()
        return np.concatenate([np.zeros((0, self.waits.FIELDS), np.int64), *self._done])

    def names(self) -> pl.DataFrame:
        """Ends of each connection, by number: those of the first packet."""
        return pl.concat([pl.DataFrame(schema=END_TYPES), *(part.cast(END_TYPES) for part in self._names)])


def _labelled(followed: Waits, link_gbps: float | None) -> pl.DataFrame:
    table = with_full_share(_table(followed), followed.rates.full_bins(link_gbps)).sort("number", "from_ns")
    part = pl.col("lost") / pl.col("packets")
    foretold = MATHIS * pl.col("payload_bytes") / pl.col("packets") / pl.col("rtt_ns") / part.sqrt()
    by_rate = pl.col("payload_bytes") / pl.col("ns") >= MATHIS_PART * foretold
    lossy = (pl.col("lost") > 0) & ((part >= MANY_LOSSES) | ((pl.col("rtt_ns") > 0) & by_rate))
    paced = (pl.col("idles") >= PACED_IDLES) & (pl.col("ns_application") >= PACED_SHARE * pl.col("ns"))
    moving = (
        pl.when(paced).then(pl.lit(APPLICATION))
        .when(pl.col("carried") >= WINDOW_CARRIED).then(pl.lit(WINDOW))
        .when(lossy).then(pl.lit(LOSS))
        .when(pl.col("full") >= PLATEAU_SHARE).then(pl.lit(LINK))
        .otherwise(pl.lit(UNKNOWN))
    )  # fmt: skip
    return joined_spans(_decided(table, moving), _FACTS, _evidence())


def _table(followed: Waits) -> pl.DataFrame:
    """Every slice with the figures of its larger direction, by connection and time."""
    waits, slices = followed.waits, followed.slices()
    moved = slices[:, waits.BYTES : waits.BYTES + 2]
    whole = np.zeros((followed.connections, 2), np.int64)
    np.add.at(whole, slices[:, waits.CONNECTION], moved)
    usual = whole.argmax(axis=1)[slices[:, waits.CONNECTION]]
    larger = np.where(moved.any(axis=1), moved.argmax(axis=1), usual)
    row = np.arange(len(slices))

    def of_larger(first: int) -> npt.NDArray[np.int64]:
        return np.asarray(slices[row, first + larger], np.int64)

    causes = {f"ns_{name}": slices[:, waits.NS + at] for at, name in enumerate(CAUSE_NAMES)}
    table = pl.DataFrame(
        {
            "number": slices[:, waits.CONNECTION], "from_ns": slices[:, waits.FROM_NS],
            "to_ns": slices[:, waits.TO_NS], "rtt_ns": slices[:, waits.RTT_NS], "idles": slices[:, waits.IDLES],
            "direction": larger.astype(bool), "payload_bytes": of_larger(waits.BYTES),
            "packets": of_larger(waits.PACKETS), "lost": of_larger(waits.LOST), "windows": of_larger(waits.WINDOWS),
            "window_sum": of_larger(waits.WINDOW_SUM), "window_most": of_larger(waits.WINDOW_MOST),
            "both": followed.both_seen[slices[:, waits.CONNECTION]], **causes,
        }
    )  # fmt: skip
    return _named(table, followed.names()).with_columns(*_figures()).sort("number", "from_ns")


def _figures() -> list[pl.Expr]:
    elapsed_ns = pl.col("to_ns") - pl.col("from_ns")
    window = pl.col("window_sum") / pl.col("windows")
    rtt_ns = pl.when(pl.col("rtt_ns") > 0).then(pl.col("rtt_ns"))
    return [
        elapsed_ns.alias("ns"),
        window.fill_nan(None).alias("window_mean"),
        (pl.col("payload_bytes") / elapsed_ns * rtt_ns / window).fill_nan(None).alias("carried"),
    ]


def _named(table: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """The slices with `connection` (sender of the larger direction first) and its `receiver`."""
    ends = names.with_row_index("number").with_columns(pl.col("number").cast(pl.Int64), opens="direction")
    both = table.join(ends.drop("direction", "protocol"), on="number", how="left")
    forward = pl.col("direction") == pl.col("opens")
    here, there = (
        pl.format("{}:{}", pl.col(name).map_batches(bracketed_texts, return_dtype=pl.String()), pl.col(f"{name}_port"))
        for name in ("src", "dst")
    )
    return both.with_columns(
        pl.when(forward).then(pl.format("{} > {}", here, there)).otherwise(pl.format("{} > {}", there, here))
        .alias("connection"),
        pl.when(forward).then("dst").otherwise("src").alias("receiver"),
    ).drop("src", "dst", "src_port", "dst_port", "opens")  # fmt: skip


def _decided(table: pl.DataFrame, moving: pl.Expr) -> pl.DataFrame:
    """The slices with the limit that most of their time belongs to."""
    named = table.with_columns(moving.alias("moving"))
    spent = {
        limit: pl.col(f"ns_{cause}") + pl.when(pl.col("moving") == limit).then(pl.col("ns_moving")).otherwise(0)
        for cause, limit in NAMED_CAUSES.items()
    }
    spent |= {limit: pl.when(pl.col("moving") == limit).then(pl.col("ns_moving")).otherwise(0) for limit in OTHERS}
    closes = pl.when(pl.col("carried") >= WINDOW_USED).then(pl.lit(WINDOW)).otherwise(pl.lit(READER))
    for limit in (WINDOW, READER):
        spent[limit] += pl.when(closes == limit).then(pl.col("ns_closed")).otherwise(0)
    most = pl.max_horizontal(*spent.values())
    told = pl.col("both") & (most >= MOST_OF_TIME * pl.col("ns"))
    named_by = pl.coalesce(*(pl.when(told & (ns == most)).then(pl.lit(name)) for name, ns in spent.items()))
    return named.with_columns(named_by.fill_null(UNKNOWN).alias("limit"))


_FACTS: Final = (
    pl.col("ns").sum(), *(pl.col(f"ns_{name}").sum() for name in CAUSE_NAMES), pl.col("both").first(),
    pl.col("lost").sum(), pl.col("packets").sum(), pl.col("window_mean").median(), pl.col("window_most").max(),
    pl.col("carried").median(), pl.col("full").mean(), pl.col("rtt_ns").min(),
)  # fmt: skip


def _evidence() -> pl.Expr:
    """The rule of each row's limit, with what was seen."""
    idle, delayed, repairing, closed = (
        _percent(pl.col(f"ns_{name}") / pl.col("ns")) for name in ("application", "delayed_ack", "loss", "closed")
    )
    window, most = (_kib(pl.col(name)) for name in ("window_mean", "window_most"))
    words = {
        APPLICATION: pl.format(IDLE_WORDS, idle),
        DELAYED_ACK: pl.format(DELAYED_WORDS, delayed),
        LOSS: pl.format(LOSS_WORDS, "lost", "packets", repairing),
        READER: pl.format(READER_WORDS, most, closed),
        WINDOW: pl.format(WINDOW_WORDS, window, closed, _percent(pl.col("carried"))),
        LINK: pl.format(LINK_WORDS, _percent(pl.col("full"))),
    }
    named = [pl.when(pl.col("limit") == limit).then(text) for limit, text in words.items()]
    return pl.coalesce(
        pl.when(~pl.col("both")).then(pl.lit(ONE_SIDE_WORDS)),
        *named,
        pl.when(pl.col("window_most") == 0).then(pl.lit(NO_SCALE_WORDS)),
        pl.lit(OPEN_WORDS),
    )


def _percent(part: pl.Expr) -> pl.Expr:
    text = pl.format("{} %", (part * 100).round(0).cast(pl.Int64, strict=False))
    return pl.when(part.is_finite()).then(text).otherwise(pl.lit("an unknown part"))


def _kib(octets: pl.Expr) -> pl.Expr:
    return (octets / 1024).round(0).cast(pl.Int64, strict=False).fill_null(0)

"""Tracepoints of packets as one table an event: what each says of a packet, a segment, a copy or a reader.

Fields are read by name. The order of rows is the trace's own by time: `row` tells what came first within a microsecond.
"""

from typing import Final, NamedTuple

import polars as pl

HANDED: Final = ("netif_rx_entry", "napi_gro_receive_entry", "napi_gro_frags_entry", "netif_rx")
"""A driver hands a packet over; of the two of `netif_rx` the first also knows the connection's hash."""
TAKEN: Final = "netif_receive_skb"
SEGMENT: Final = "tcp_probe"
COPY: Final = "skb_copy_datagram_iovec"
COPIED: Final = "tcp_rcv_space_adjust"
READ: Final = "sock_recv_length"
DROPPED: Final = "kfree_skb"
SWITCH: Final = "sched_switch"
WANTED: Final = (*HANDED, TAKEN, SEGMENT, COPY, COPIED, READ, DROPPED, SWITCH)
PLACE: Final = ("row", "ts_ns", "cpu", "tid")
AT_ONCE_NS: Final = 100_000
MAPPED: Final = "::ffff:"


class PacketEvents(NamedTuple):
    """Each table is in order of ``row`` and has ``row``, ``ts_ns``, ``cpu``, ``tid`` beside what is named."""

    handed: pl.DataFrame
    """``device``, ``skb``, ``len_bytes``, ``hash`` (0 where not known)."""
    taken: pl.DataFrame
    """``device``, ``skb``, ``len_bytes``."""
    segments: pl.DataFrame
    """``socket``, ``skb``, ``length_bytes``, ``dropped`` (freed as a drop at once: data that TCP had already)."""
    copies: pl.DataFrame
    """``socket``, ``skb``, ``length_bytes``, ``done_ns`` (null where its end was not traced)."""
    reads: pl.DataFrame
    """``socket`` (null where no copy of the call was traced), ``length_bytes``: what each call returned."""
    presence: pl.DataFrame
    """``present``: at each event of a thread that copies, and each switch to or from one, whether it runs then."""
    recorded: frozenset[str]
    """Names of the events that occur."""
    events: int
    lost_events: int
    uncounted_losses: int
    """How often the trace says that events were lost, but not how many."""
    unreadable_lines: int
    from_ns: int
    to_ns: int


def packet_events(events: pl.LazyFrame) -> PacketEvents:
    """Events of packets, taken apart.

    Parameters
    ----------
    events
        EVENTS of perf or ftrace, from one machine.
    """
    columns = events.select("ts_ns", "cpu", "tid", pl.col("event").str.replace("^.*:", ""), "payload", "error")
    every = columns.collect()
    errors = every.get_column("error")
    lost = errors.str.extract(r"lost (\d+) events").cast(pl.Int64, strict=False)
    losses = errors.str.contains("the kernel lost ", literal=True)
    readable = every.filter(pl.col("error").is_null(), pl.col("ts_ns").is_not_null())
    table = readable.drop("error").sort("ts_ns", maintain_order=True).with_row_index("row")
    table = table.with_columns(pl.col("row").cast(pl.Int64))
    of = {name: table.filter(pl.col("event") == name) for name in WANTED}
    copies = _copies(of[COPY], of[COPIED])
    moments = table.select(pl.col("ts_ns").min().alias("from"), pl.col("ts_ns").max().alias("to")).row(0)
    return PacketEvents(
        handed=_handed(of),
        taken=of[TAKEN].select(*PLACE, _word("dev").alias("device"), _address("skbaddr"), _number("len", "len_bytes")),
        segments=_segments(of[SEGMENT], of[DROPPED]),
        copies=copies,
        reads=_reads(of[READ], copies),
        presence=_presence(table, copies),
        recorded=frozenset(name for name, rows in of.items() if rows.height),
        events=table.height,
        lost_events=int(lost.sum()),
        uncounted_losses=int(losses.sum()) - lost.count(),
        unreadable_lines=errors.count() - int(losses.sum()),
        from_ns=moments[0] or 0,
        to_ns=moments[1] or 0,
    )


def _text(name: str, value: str) -> pl.Expr:
    return pl.col("payload").str.extract(rf"(?:^|[\s,]){name}\s?[=:]\s*{value}")


def _word(name: str) -> pl.Expr:
    return _text(name, r"([^\s,]+)")


def _number(name: str, alias: str) -> pl.Expr:
    return _text(name, r"(-?\d+)").cast(pl.Int64, strict=False).alias(alias)


def _address(name: str) -> pl.Expr:
    digits = _text(name, r"(?:0x)?([0-9a-fA-F]{1,16})\b")
    return digits.str.to_integer(base=16, dtype=pl.UInt64, strict=False).alias("skb")


def _handed(of: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Where both events of `netif_rx` were traced, only the first."""
    names = HANDED if of["netif_rx_entry"].is_empty() else HANDED[:-1]
    digits = _text("hash", r"0x([0-9a-fA-F]{1,8})\b").str.to_integer(base=16, dtype=pl.UInt64, strict=False)
    return (
        pl.concat([of[name] for name in names])
        .sort("row")
        .select(
            *PLACE,
            _word("dev").alias("device"),
            _address("skbaddr"),
            _number("len", "len_bytes"),
            digits.fill_null(0).alias("hash"),
        )
        .drop_nulls(["skb", "len_bytes"])
    )


def _segments(probes: pl.DataFrame, drops: pl.DataFrame) -> pl.DataFrame:
    ends = pl.format("{} > {}", _end(_word("dest")), _end(_word("src"))).alias("socket")
    segments = probes.select(*PLACE, ends, _address("skbaddr"), _number("data_len", "length_bytes"))
    payload = segments.drop_nulls(["skb", "length_bytes"]).filter(pl.col("length_bytes") > 0)
    if drops.is_empty():
        return payload.with_columns(pl.lit(False).alias("dropped"))
    freed = drops.select("row", "cpu", _address("skbaddr"), freed="row", freed_ns="ts_ns").drop_nulls("skb")
    beyond = pl.col("row").shift(-1).over("cpu").fill_null(1 << 62).alias("beyond")
    at_once = (pl.col("freed") < pl.col("beyond")) & (pl.col("freed_ns") - pl.col("ts_ns") <= AT_ONCE_NS)
    return (
        payload.with_columns(beyond)
        .join_asof(freed.drop_nulls(), on="row", by=["skb", "cpu"], strategy="forward", check_sortedness=False)
        .with_columns(at_once.fill_null(False).alias("dropped"))
        .drop("beyond", "freed", "freed_ns")
    )


def _end(text: pl.Expr) -> pl.Expr:
    """One end of a connection, IPv4 as such."""
    return text.str.replace(r"^\[::ffff:([\d.]+)\]", "$1")


def _copies(copies: pl.DataFrame, copied: pl.DataFrame) -> pl.DataFrame:
    """Each copy with its end and its socket: TCP says both behind each, in the same thread.

    A kernel that has no such event leaves the end open and the reader instead of the socket.
    """
    chunks = copies.select(*PLACE, _address("skbaddr"), _number("len", "length_bytes"))
    chunks = chunks.drop_nulls(["skb", "length_bytes"]).filter(pl.col("length_bytes") > 0)
    if copied.is_empty():
        socket = pl.format("reader {}", "tid").alias("socket")
        return chunks.with_columns(socket, pl.lit(None, pl.Int64).alias("done_ns"))
    local = pl.format("{}:{}", _plain("saddr"), _word("sport"))
    remote = pl.format("{}:{}", _plain("daddr"), _word("dport"))
    ends = copied.select("row", "tid", pl.format("{} > {}", remote, local).alias("socket"), done_ns=pl.col("ts_ns"))
    again = pl.col("row").shift(-1).over("tid").fill_null(1 << 62)
    joined = chunks.with_columns(again.alias("again")).join_asof(
        ends.with_columns(pl.col("row").alias("done_row")), on="row", by="tid", strategy="forward",
        check_sortedness=False,
    )  # fmt: skip
    of_tcp = pl.col("done_row") < pl.col("again")
    return joined.filter(of_tcp).drop("again", "done_row")


def _plain(name: str) -> pl.Expr:
    """An address: IPv4, or IPv6 in brackets where the IPv4 fields are empty."""
    four, six = _word(name), _word(f"{name}v6")
    only_six = six.is_not_null() & ~six.str.starts_with(MAPPED)
    return pl.when(only_six).then(pl.format("[{}]", six)).otherwise(four)


def _reads(reads: pl.DataFrame, copies: pl.DataFrame) -> pl.DataFrame:
    """Calls that returned data: the socket is that of the thread's last copy."""
    calls = reads.select(*PLACE, _number("length", "length_bytes")).filter(pl.col("length_bytes") > 0)
    last = copies.select("row", "tid", "socket")
    return calls.join_asof(last, on="row", by="tid", strategy="backward", check_sortedness=False)


def _presence(table: pl.DataFrame, copies: pl.DataFrame) -> pl.DataFrame:
    """Where a switch to a thread is not traced, its first event tells that it runs."""
    readers = copies.get_column("tid").unique()
    if readers.is_empty() or table.filter(pl.col("event") == SWITCH).is_empty():
        return pl.DataFrame(schema={"row": pl.Int64, "ts_ns": pl.Int64, "tid": pl.Int32, "present": pl.Boolean})
    away = pl.col("event") == SWITCH
    own = table.filter(pl.col("tid").is_in(readers.to_list())).select("row", "ts_ns", "tid", (~away).alias("present"))
    switched_in = (
        table.filter(away)
        .select("row", "ts_ns", _number("next_pid", "next").cast(pl.Int32).alias("tid"), pl.lit(True).alias("present"))
        .filter(pl.col("tid").is_in(readers.to_list()))
    )
    return pl.concat([own, switched_in]).sort("row", "present")

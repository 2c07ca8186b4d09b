"""Two captures of the same traffic: how their clocks differ, how long every byte was on its way, where it was lost.

Enters: PACKETS of two taps on one path. Leaves: `TwoTaps`. The table grows with the packets that both taps saw: some
hundred bytes of memory each.
"""

from typing import Final, NamedTuple

import numpy as np
import polars as pl

from zcanalysis.errors import TraceError
from zcanalysis.tables import TAP_RANGES, conform
from zcanalysis.wire import byte_ranges as ranges
from zcanalysis.wire.tap_clocks import Seen, TapClocks, tap_clocks
from zcanalysis.wire.tap_streams import NEEDED, STREAM, TCP, common, tap_records

SAME_PACKET: Final = tuple(name for name in NEEDED if name != "ts_ns")
UNKNOWN_CLOCKS: Final = -1
BOTH_TAPS: Final = ("a", "b")


class TwoTaps(NamedTuple):
    """What two captures of the same traffic say together."""

    clocks: TapClocks
    """Clock B minus clock A, and the largest error it can have: every delay is as uncertain."""
    ranges: pl.DataFrame
    """TAP_RANGES: packets without payload, and stretches of payload, cut wherever a record of either tap ends."""


def match_taps(a: pl.LazyFrame | pl.DataFrame, b: pl.LazyFrame | pl.DataFrame) -> TwoTaps:
    """The packets of two captures of the same traffic, matched.

    Parameters
    ----------
    a, b
        PACKETS of two taps on the same path, in file order, as `scan_pcap` gives them; for instance at the sender and
        at the receiver. Which end of a connection is nearer to which tap is found out.

    Returns
    -------
    TwoTaps
        Flows that only one of the taps saw are left out.

    Raises
    ------
    TraceError
        If nothing in the captures agrees, or everything went one way: then nothing bounds the clocks' difference.

    Notes
    -----
    Payload is matched by position in its stream, so that records which an offload cut or joined at either side find
    each other. Of several transmissions of a byte those with the same time stamp option and, where records begin at the
    same byte, the same IP identification come into question; of these the latest that was sent in time. Packets without
    payload and datagrams are the same if all numbers of their headers are. Delays are those between the taps, in the
    clock of A; one below zero by less than the clocks' error is possible. ``lost`` means that the tap behind did not
    see it: the path lost it, or that tap did.

    Examples
    --------
    >>> zc.match_taps(zc.scan_pcap("sender.pcap"), zc.scan_pcap("receiver.pcap")).clocks.offset_ns  # doctest: +SKIP
    """
    records_a, records_b = common(tap_records(a, "A"), tap_records(b, "B"))
    if records_a.is_empty() or records_b.is_empty():
        raise TraceError("the two captures have no packet in common")
    packets = _same_packets(records_a, records_b)
    sure = pl.concat(
        [packets.filter(pl.col("certain")).select(*STREAM, "a_ns", "b_ns"), _sure_bytes(records_a, records_b)]
    )
    to_b = _ways(sure)
    clocks = _clocks(sure, to_b)
    tables = [
        _payload(_sent(records_a, to_b, "a"), _sent(records_b, to_b, "a"), clocks, "a"),
        _payload(_sent(records_b, to_b, "b"), _sent(records_a, to_b, "b"), clocks, "b"),
        _without_payload(packets.join(to_b, on=STREAM)),
    ]
    found = _fates(pl.concat(tables, how="diagonal_relaxed"), clocks, (records_a, records_b))
    return TwoTaps(clocks, conform(found.sort("sent_ns", "record_a", "record_b", nulls_last=True), TAP_RANGES))


def _bare() -> pl.Expr:
    """Packets that are matched as a whole."""
    return (pl.col("payload_bytes") == 0) | (pl.col("protocol") != TCP)


def _same_packets(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Packets without payload, and datagrams, side by side; those that look alike in their order if none is missing."""
    key, sides = [name for name in SAME_PACKET if name not in STREAM], []
    for tap, name in ((a, "a"), (b, "b")):
        alike = [*STREAM, "stream", *key]
        sides.append(
            tap.filter(_bare())
            .select(*alike, pl.col("record").alias(f"record_{name}"), pl.col("ts_ns").alias(f"{name}_ns"))
            .with_columns(copy=pl.int_range(pl.len()).over(alike), **{f"copies_{name}": pl.len().over(alike)})
        )
    joined = sides[0].join(sides[1], on=[*STREAM, "stream", *key, "copy"], how="full", nulls_equal=True, coalesce=True)
    alike = [*STREAM, "stream", *key]
    joined = joined.with_columns(pl.col("copies_a", "copies_b").max().over(alike).fill_null(0))
    both = pl.col("record_a").is_not_null() & pl.col("record_b").is_not_null()
    equal = pl.col("copies_a") == pl.col("copies_b")
    one_sided = (pl.col("copies_a") == 0) | (pl.col("copies_b") == 0)
    return joined.with_columns(certain=both & (pl.col("copies_a") == 1) & equal, ambiguous=~equal & ~one_sided)


def _arrays(tap: pl.DataFrame) -> tuple[pl.DataFrame, ranges.Records]:
    """Payload of one tap, sorted for the compiled loops."""
    payload = tap.filter(~_bare()).sort("stream", "start", "record")

    def column(name: str) -> ranges.Ints:
        return payload[name].cast(pl.Int64()).fill_null(ranges.NONE).to_numpy(writable=True)

    stream, start, end, ts_ns, tsval, ip_id = map(column, ("stream", "start", "end", "ts_ns", "tsval", "ip_id"))
    records = ranges.Records(stream, start, end, np.zeros(payload.height, np.int64), ts_ns, tsval, ip_id)
    ranges.reach(records)
    return payload, records


def _matched(up: pl.DataFrame, down: pl.DataFrame, ahead_ns: pl.Expr, slack_ns: int) -> pl.DataFrame:
    """Pieces of the payload of the tap behind; `ahead_ns` is its clock's lead at the times of `up`."""
    up, up_records = _arrays(up.with_columns(own_ns="ts_ns", ts_ns=pl.col("ts_ns") + ahead_ns))
    down, down_records = _arrays(down)
    pieces = ranges.new_pieces(down.height + up.height)
    found = ranges.match(down_records, up_records, slack_ns, pieces)
    table = pl.DataFrame({name: getattr(pieces, name)[:found] for name in ("down", "up", "start", "end", "certain")})
    table = table.with_columns(pl.when(pl.col("up") >= 0).then(pl.col("up")), pl.col("certain").cast(pl.Boolean()))
    ups = up.select(up_record="record", up_ns="own_ns").with_row_index("up")
    downs = down.select(*STREAM, "seq", "stream", down_record="record", down_ns="ts_ns", down_start="start")
    joined = table.join(ups.with_columns(pl.col("up").cast(pl.Int64())), on="up", how="left")
    return joined.join(downs.with_row_index("down").with_columns(pl.col("down").cast(pl.Int64())), on="down")


def _sure_bytes(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Times of payload that only one record of A can have carried, whichever way it went."""
    pieces = _matched(a, b, pl.lit(0), UNKNOWN_CLOCKS).filter(pl.col("certain") & pl.col("up").is_not_null())
    return pieces.select(*STREAM, a_ns="up_ns", b_ns="down_ns")


def _ways(sure: pl.DataFrame) -> pl.DataFrame:
    """For each stream whether it goes from A to B.

    Clock B minus clock A is the clocks' difference plus the delay of what goes to B, and less the delay of what goes to
    A: of the two directions of a flow, at about the same time, the one that shows more goes to B.
    """
    shown = sure.sort("a_ns").with_columns(shown_ns=pl.col("b_ns") - pl.col("a_ns"))
    one, other = (shown.filter(pl.col("direction") == way).drop("direction") for way in (True, False))
    near = one.join_asof(other, on="a_ns", by="flow_id", strategy="nearest", suffix="_other", check_sortedness=False)
    more = (
        near.drop_nulls("shown_ns_other")
        .group_by("flow_id")
        .agg((pl.col("shown_ns") - pl.col("shown_ns_other")).median())
    )
    true_to_b = more.select("flow_id", direction=True, to_b=pl.col("shown_ns") >= 0)
    return pl.concat([true_to_b, true_to_b.with_columns(~pl.col("direction"), ~pl.col("to_b"))])


def _clocks(sure: pl.DataFrame, to_b: pl.DataFrame) -> TapClocks:
    ways = sure.join(to_b, on=STREAM)
    seen = [Seen(*(part[name].to_numpy() for name in ("a_ns", "b_ns"))) for part in (
        ways.filter(pl.col("to_b")), ways.filter(~pl.col("to_b")))]  # fmt: skip
    if not all(part.a_ns.size for part in seen):
        raise TraceError(
            "no flow has packets of both directions in both captures: nothing bounds the clocks' difference"
        )
    return tap_clocks(*seen)


def _sent(records: pl.DataFrame, to_b: pl.DataFrame, tap: str) -> pl.DataFrame:
    """Records of what comes from this tap's side."""
    return records.join(to_b, on=STREAM, maintain_order="left").filter(pl.col("to_b") == (tap == "a"))


def _payload(up: pl.DataFrame, down: pl.DataFrame, clocks: TapClocks, tap: str) -> pl.DataFrame:
    """Pieces that arrived, pieces that nobody saw sent, and stretches that never arrived."""
    other = BOTH_TAPS[tap == "a"]
    ahead_ns = _lead(clocks, "ts_ns", tap)
    pieces = _matched(up, down, ahead_ns, clocks.error_ns)
    gaps = _gaps(up, pieces)
    table = pl.concat([pieces, gaps], how="diagonal_relaxed").with_columns(
        from_tap=pl.lit(tap), payload_bytes=pl.col("end") - pl.col("start"), ambiguous=pl.lit(value=False),
        seq=(pl.col("seq").cast(pl.Int64()) + pl.col("start") - pl.col("down_start")) % (1 << 32),
    )  # fmt: skip
    named = {
        "up_record": f"record_{tap}",
        "down_record": f"record_{other}",
        "up_ns": f"{tap}_ns",
        "down_ns": f"{other}_ns",
    }
    return table.rename(named).select(
        "from_tap", *STREAM, "seq", "payload_bytes", "record_a", "record_b", "a_ns", "b_ns", "certain", "ambiguous"
    )


def _lead(clocks: TapClocks, name: str, tap: str) -> pl.Expr:
    """Lead of the other tap's clock at times of this tap's; B's times are near enough to A's for the drift."""
    way = 1 if tap == "a" else -1
    shift_ns = 0 if tap == "a" else clocks.offset_ns
    drifted = (clocks.drift * (pl.col(name) - shift_ns - clocks.origin_ns)).round().cast(pl.Int64())
    return way * (clocks.offset_ns + drifted)


def _gaps(up: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
    """Stretches of the records of the tap before that are in no piece."""
    taken = pieces.drop_nulls("up").select(record="up_record", start="start", end="end")
    ends = up.filter(~_bare()).select("record", start="end", end="end")  # an empty piece behind the last byte
    sent = up.select("record", first="start", seq="seq", flow_id="flow_id", direction="direction", ts_ns="ts_ns")
    edges = pl.concat([taken, ends]).sort("record", "start").join(sent, on="record")
    before = pl.max_horizontal(pl.col("end").cum_max().shift(1).over("record"), pl.col("first"))
    edges = edges.with_columns(before=before.fill_null(pl.col("first")))
    return edges.filter(pl.col("before") < pl.col("start")).select(
        *STREAM, "seq", up_record="record", up_ns="ts_ns", start="before", end="start", down_start="first"
    )  # fmt: skip


def _without_payload(packets: pl.DataFrame) -> pl.DataFrame:
    alike = pl.col("copies_a") == pl.col("copies_b")
    return packets.select(
        pl.when("to_b").then(pl.lit("a")).otherwise(pl.lit("b")).alias("from_tap"),
        *STREAM, "seq", "payload_bytes", "record_a", "record_b", "a_ns", "b_ns", "ambiguous", certain=alike,
    )  # fmt: skip


def _fates(table: pl.DataFrame, clocks: TapClocks, taps: tuple[pl.DataFrame, pl.DataFrame]) -> pl.DataFrame:
    """Delays in the clock of A, and what became of each."""
    b_in_a = pl.col("b_ns") + _lead(clocks, "b_ns", "b")
    from_a, arrived = pl.col("from_tap") == "a", pl.col("a_ns").is_not_null() & pl.col("b_ns").is_not_null()
    timed = table.with_columns(b_in_a=b_in_a).with_columns(
        sent_ns=pl.when(from_a).then("a_ns").otherwise("b_in_a"),
        seen_ns=pl.when(from_a).then("b_in_a").otherwise("a_ns"),
    )
    known = arrived & pl.col("certain").fill_null(value=False)
    timed = timed.with_columns(delay_ns=pl.when(known).then(pl.col("seen_ns") - pl.col("sent_ns")))
    longest_ns = pl.max_horizontal(pl.col("delay_ns").max().over("from_tap"), pl.lit(0)).fill_null(0)
    spans = [tap.select(first=pl.col("ts_ns").min(), last=pl.col("ts_ns").max()).row(0) for tap in taps]
    lead_ns = [int(clocks.difference_ns(np.array([end - clocks.offset_ns]))[0]) for end in spans[1]]
    first_ns, last_ns = (
        pl.when(from_a).then(spans[1][end] - lead_ns[end]).otherwise(spans[0][end]) for end in (0, 1)
    )  # of the other tap
    own_first_ns, own_last_ns = (
        pl.when(from_a).then(spans[0][end]).otherwise(spans[1][end] - lead_ns[end]) for end in (0, 1)
    )
    lost_outside = (pl.col("sent_ns") < first_ns) | (pl.col("sent_ns") + longest_ns > last_ns)
    unseen_outside = (pl.col("seen_ns") - longest_ns < own_first_ns) | (pl.col("seen_ns") > own_last_ns)
    return timed.with_columns(
        fate=pl.when("ambiguous").then(pl.lit("ambiguous"))
        .when(arrived).then(pl.lit("arrived"))
        .when(pl.col("sent_ns").is_null()).then(pl.when(unseen_outside).then(pl.lit("outside")).otherwise(pl.lit("unseen")))
        .when(lost_outside).then(pl.lit("outside"))
        .otherwise(pl.lit("lost"))
    )  # fmt: skip

"""What must hold of what TCP did, whatever the packets: one law for each table of `zcanalysis.wire`.

Each is checked once as it comes and once in small slices and rooms, so that every border is crossed: the tables must
not differ.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from random import Random
from typing import Any, Final

import polars as pl

from zcanalysis import tables
from zcanalysis.errors import TraceError
from zcanalysis.limit_spans import LIMIT_NAMES
from zcanalysis.tables import polars_schema
from zcanalysis.wire import accounts, captured_limits, connections, datagrams, quality, segment_marks
from zcanalysis.wire.ack_delays import ack_delays
from zcanalysis.wire.advance import sequence_lines, transfer_rates
from zcanalysis.wire.flow_limits import flows_sides_and_limits
from zcanalysis.wire.round_trips import round_trips
from zcanalysis.wire.two_taps import match_taps

CLASS: Final = 1.016  # medians are told within 1.6 %
LEAST_SLICES: Final = 12
FATES: Final = ("arrived", "lost", "unseen", "outside", "ambiguous")
SYN, RST, ACK = 2, 4, 16
TCP: Final = 6


@contextmanager
def small_rooms(chance: Random, rows: int) -> Iterator[None]:
    """Slices and rooms so small that a table of so many rows crosses their borders; not too many slices."""
    least = -(-max(rows, 1) // LEAST_SLICES)
    with replaced([
        (connections, "BATCH_ROWS", chance.randint(least, max(rows, 1) + 1)),
        (connections, "CONNECTIONS", chance.choice((1, 2, 64))),
        (connections, "NODES", chance.choice((2, 4, 64))),
        (accounts, "CONNECTIONS", chance.choice((1, 2, 64))),
        (accounts, "STRETCHES", chance.choice((2, 4, 64))),
        (accounts, "ENTRIES", chance.choice((4, 16, 256))),
        (captured_limits, "LIVES", chance.choice((1, 2, 64))),
        (captured_limits, "SLICES", chance.choice((2, 3, 64))),
        (segment_marks, "CONNECTIONS", chance.choice((1, 2, 64))),
        (segment_marks, "SEGMENTS", chance.choice((1, 4, 64))),
        (quality, "FLOW_ROOM", chance.choice((1, 2, 64))),
    ]):  # fmt: skip
        yield


@contextmanager
def replaced(sizes: Sequence[tuple[Any, str, int]]) -> Iterator[None]:
    """Constants of modules (module, name, value), until the end of the block."""
    before = [getattr(module, name) for module, name, _ in sizes]
    for module, name, size in sizes:
        setattr(module, name, size)
    try:
        yield
    finally:
        for (module, name, _), size in zip(sizes, before, strict=True):
            setattr(module, name, size)


def accounts_hold(packets: pl.DataFrame, chance: Random) -> None:
    """FLOWS and TCP_SIDES."""
    flows, sides = accounts.flows_and_sides(packets)
    assert flows.schema == polars_schema(tables.FLOWS)
    assert sides.schema == polars_schema(tables.TCP_SIDES)
    assert flows.equals(connections.flows(packets))
    with small_rooms(chance, packets.height):
        again = accounts.flows_and_sides(packets)
    assert again[0].equals(flows)
    assert again[1].equals(sides)
    counted = packets.filter(pl.col("flow_id").is_not_null())
    assert flows["packets"].sum() == counted.height
    for name in ("wire_bytes", "payload_bytes"):
        assert flows[name].sum() == counted[name].sum()
    all_true(
        flows,
        pl.col("unique_bytes") + pl.col("retransmitted_bytes") == pl.col("payload_bytes"),
        pl.col("first_ns") <= pl.col("last_ns"),
        pl.col("goodput_gbps").is_between(0, inf, closed="left"),
        pl.col("rtt_ms") >= 0,
    )
    with_payload = counted.filter((pl.col("protocol") == TCP) & (pl.col("payload_bytes") > 0)).height
    assert sides["data_packets"].sum() <= with_payload
    assert sides["data_packets"].sum() + sides["duplicated_packets"].sum() >= with_payload
    keys = ["connection", "src", "src_port", "dst", "dst_port"]
    tcp = flows.filter(pl.col("protocol") == "tcp")
    assert sides.select(keys).equals(tcp.select(keys))
    _sides_hold(pl.concat([tcp, sides.drop(keys)], how="horizontal"))


def _sides_hold(sides: pl.DataFrame) -> None:
    """Rows of FLOWS and TCP_SIDES side by side."""
    times = [name for name, kind in sides.schema.items() if kind == pl.Float64]
    life_ms = (pl.col("last_ns") - pl.col("first_ns")) / 1e6
    all_true(sides, *(pl.col(name).is_between(0, inf, closed="left") for name in times))
    all_true(
        sides,
        pl.col("data_packets") + pl.col("pure_acks") + pl.col("duplicated_packets") <= pl.col("packets"),
        pl.sum_horizontal("resent_packets", "recovered_packets", "out_of_order_packets") <= pl.col("data_packets"),
        pl.col("resent_bytes") <= pl.col("retransmitted_bytes"),
        pl.col("resent_bytes") + pl.col("duplicated_bytes") <= pl.col("payload_bytes"),
        pl.col("estimated_wire_packets") + pl.col("duplicated_packets") >= pl.col("packets"),
        pl.col("dsack_packets") <= pl.col("sack_packets"),
        pl.col("sack_packets") <= pl.col("packets"),
        pl.col("duplicate_acks") + pl.col("zero_windows") <= 2 * pl.col("packets"),
        pl.col("single_acks") >= 4 * pl.col("quick_ack_phases"),
        pl.col("rtt_min_ms").is_not_null() == (pl.col("rtt_samples") > 0),
        pl.col("rtt_min_ms") <= pl.col("rtt_mean_ms") * (1 + 1e-9),
        pl.col("rtt_mean_ms") <= pl.col("rtt_max_ms") * (1 + 1e-9),
        pl.col("window_max_bytes") <= 65_535 << 14,
        pl.col("window_shift") <= 14,
        pl.col("idle_ms") <= life_ms + 1e-6,
        pl.col("stall_ms") <= life_ms + 1e-6,
        pl.col("stall_at_ns").is_between("first_ns", "last_ns"),
        pl.col("spurious_packets") <= pl.col("packets").sum().over("connection"),
        pl.col("rtt_samples") <= pl.col("packets").sum().over("connection"),
        pl.col("lost_in_capture_bytes").is_null() == pl.col("in_flight_max_bytes").is_null(),
    )
    for low, high in (
        ("rtt_min_ms", "rtt_median_ms"), ("rtt_median_ms", "rtt_p95_ms"), ("rtt_p95_ms", "rtt_max_ms"),
        ("rtt_ts_min_ms", "rtt_ts_median_ms"), ("rtt_ts_median_ms", "rtt_ts_p95_ms"),
        ("ack_delay_median_ms", "ack_delay_p95_ms"), ("ack_bytes_median", "ack_bytes_p95"),
        ("in_flight_median_bytes", "in_flight_max_bytes"), ("window_min_bytes", "window_max_bytes"),
    ):  # fmt: skip
        all_true(sides, pl.col(low) <= pl.col(high) * CLASS)


def marks_hold(packets: pl.DataFrame, chance: Random) -> None:
    """MARKS."""
    whole = segment_marks.marks(packets)
    assert whole.schema == polars_schema(tables.MARKS)
    with small_rooms(chance, packets.height):
        assert segment_marks.marks(packets).equals(whole)
    numbered = packets.with_row_index("packet", 1).cast({"packet": pl.UInt64})
    tcp = numbered.filter((pl.col("protocol") == TCP) & pl.col("flow_id").is_not_null())
    assert whole["packet"].equals(tcp["packet"])
    flows = connections.flows(packets).filter(pl.col("protocol") == "tcp")
    counted = whole.group_by("connection").len().sort("connection")
    expected = flows.group_by("connection").agg(pl.col("packets").sum()).sort("connection")
    assert counted["connection"].to_list() == expected["connection"].to_list()
    assert counted["len"].to_list() == expected["packets"].to_list()
    all_true(
        pl.concat([whole, tcp.drop("packet", "direction")], how="horizontal"),
        ~(pl.col("fast_retransmission") | pl.col("spurious_retransmission")) | pl.col("retransmission"),
        ~(pl.col("retransmission") & pl.col("out_of_order")),
        ~(pl.col("keep_alive") & pl.col("retransmission")),
        ~(pl.col("sent_in_vain") & pl.col("in_sack_hole")),
        pl.col("duplicate_ack") == pl.col("repeats").is_not_null(),
        ~pl.col("zero_window") | (pl.col("window_raw") == 0),
        pl.col("repeats") > 0,
        pl.col("ack_rtt_ns") >= 0,
        pl.col("in_flight_bytes").is_between(1, 2_000_000_000),
        pl.col("window_bytes").is_between(0, 65_535 << 14),
        pl.col("relative_ack").is_null() | ((pl.col("tcp_flags") & ACK) != 0),
        ~(pl.col("in_sack_hole") | pl.col("seen_before") | pl.col("sent_in_vain")) | (pl.col("payload_bytes") > 0),
    )


def limits_hold(packets: pl.DataFrame, chance: Random) -> None:
    """LIMITS, and the slices that they are made of."""
    link_gbps = chance.choice((None, None, 1e-9, 10.0))
    rows = captured_limits.captured_limits(packets, link_gbps)
    assert rows.schema == polars_schema(tables.LIMITS)
    with small_rooms(chance, packets.height):
        assert captured_limits.captured_limits(packets, link_gbps).equals(rows)
    assert set(rows["limit"]) <= set(LIMIT_NAMES)
    all_true(
        rows,
        pl.col("from_ns") < pl.col("to_ns"),
        pl.col("payload_bytes") >= 0,
        pl.col("share_time").is_between(0, 1 + 1e-9),
        pl.col("share_bytes").is_between(0, 1 + 1e-9),
        pl.col("evidence").is_not_null(),
    )
    assert rows.is_empty() or abs(rows["share_time"].sum() - 1) < 1e-9
    assert rows["share_bytes"].sum() < 1 + 1e-9
    assert rows["payload_bytes"].sum() <= packets["payload_bytes"].sum()
    _slices_hold(packets)


def _slices_hold(packets: pl.DataFrame) -> None:
    from zcanalysis.wire import waits

    followed = captured_limits.Waits()
    followed.take(packets.select(captured_limits.COLUMNS))
    slices = followed.slices()
    causes = slices[:, waits.NS : waits.NS + waits.CAUSES]
    assert (causes >= 0).all()
    assert (causes.sum(axis=1) == slices[:, waits.TO_NS] - slices[:, waits.FROM_NS]).all()
    assert (slices[:, waits.RTT_NS] >= -1).all()
    assert (slices[:, waits.BYTES :] >= 0).all()


def lines_hold(packets: pl.DataFrame, chance: Random) -> None:
    """SEQUENCE_LINES of some flows."""
    flows = connections.flows(packets).filter((pl.col("protocol") == "tcp") & pl.col("first_ns").is_not_null())
    for flow in chance.sample(flows.rows(named=True), min(3, flows.height)):
        slices = chance.choice((1, 3, 50))
        lines = sequence_lines(packets, flow, slices)
        assert lines.schema == polars_schema(tables.SEQUENCE_LINES)
        with small_rooms(chance, packets.height):
            assert sequence_lines(packets, flow, slices).equals(lines)
        assert lines.height <= slices
        assert lines["from_s"].is_sorted()
        payload_bytes = packets.filter(pl.col("payload_bytes") > 0)["payload_bytes"].sum()
        assert lines["packets"].sum() <= packets.height
        assert lines["repeated_bytes"].sum() <= payload_bytes
        all_true(
            lines,
            pl.col("from_s") <= pl.col("to_s"),
            pl.col("low_byte") < pl.col("high_byte"),
            pl.col("repeated_bytes") >= 0,
            pl.col("in_flight_bytes") >= 0,
        )


def waits_for_acks_hold(packets: pl.DataFrame, chance: Random) -> None:
    """ROUND_TRIPS, ACK_DELAYS and TRANSFER_RATES of some flows."""
    flows = connections.flows(packets).filter((pl.col("protocol") == "tcp") & pl.col("first_ns").is_not_null())
    for flow in chance.sample(flows.rows(named=True), min(2, flows.height)):
        trips, delays = round_trips(packets, flow, 5), ack_delays(packets, flow)
        rates = transfer_rates(sequence_lines(packets, flow, 5))
        assert trips.schema == polars_schema(tables.ROUND_TRIPS)
        assert delays.schema == polars_schema(tables.ACK_DELAYS)
        assert rates.schema == polars_schema(tables.TRANSFER_RATES)
        with small_rooms(chance, packets.height):
            assert round_trips(packets, flow, 5).equals(trips)
            assert ack_delays(packets, flow).equals(delays)
        order = pl.col("median_ms") * CLASS >= pl.col("min_ms"), pl.col("p95_ms") <= pl.col("max_ms") * CLASS
        all_true(trips, pl.col("samples") > 0, pl.col("min_ms") >= 0, pl.col("min_ms") <= pl.col("max_ms"), *order)
        all_true(delays, pl.col("acks") > 0, pl.col("from_ms") < pl.col("to_ms"), pl.col("share").is_between(0, 1))
        all_true(rates, pl.col("from_s") <= pl.col("to_s"), pl.col("new_gbps") >= 0, pl.col("repeated_gbps") >= 0)
        assert delays.is_empty() or abs(delays["share"].sum() - 1) < 1e-9


def flow_limits_hold(packets: pl.DataFrame, chance: Random) -> None:
    """FLOWS with limits: the rows of FLOWS, and shares of time."""
    told, sides = flows_sides_and_limits(packets)
    flows = connections.flows(packets)
    assert told.select(flows.columns).equals(flows)
    assert sides.equals(accounts.tcp_sides(packets))
    with small_rooms(chance, packets.height):
        assert flows_sides_and_limits(packets)[0].equals(told)
    assert set(told["limit"].drop_nulls()) <= set(LIMIT_NAMES)
    all_true(told, pl.col("limit").is_null() == pl.col("limit_share").is_null(), pl.col("limit_share") <= 1 + 1e-9)


def fragments_hold(packets: pl.DataFrame, chance: Random) -> None:
    """FRAGMENTS."""
    found = datagrams.fragments(packets)
    assert found.schema == polars_schema(tables.FRAGMENTS)
    with small_rooms(chance, packets.height):
        assert datagrams.fragments(packets).equals(found)
    pieces = packets.filter((pl.col("frag_offset") > 0) | pl.col("more_fragments"))
    assert found["fragments"].sum() == pieces.height
    all_true(
        found,
        pl.col("incomplete_datagrams") <= pl.col("datagrams"),
        pl.col("overlapping_datagrams") <= pl.col("datagrams"),
        pl.col("datagrams") <= pl.col("fragments"),
        pl.col("fragments_median") <= pl.col("fragments_max"),
        pl.col("fragments_max") <= pl.col("fragments"),
        (pl.col("overlap_bytes") > 0) == (pl.col("overlapping_datagrams") > 0),
        (pl.col("bytes") == 0) | (pl.col("incomplete_datagrams") < pl.col("datagrams")),
    )


def quality_holds(packets: pl.DataFrame, chance: Random) -> None:
    """The counts of `capture_quality`."""
    found = quality.capture_quality(packets)
    with small_rooms(chance, packets.height):
        assert quality.capture_quality(packets) == found
    counts = [value for value in found if isinstance(value, int)]
    assert all(0 <= count <= packets.height for count in counts)
    assert found.records == packets.height
    assert found.connections == packets["flow_id"].drop_nulls().n_unique()
    assert found.one_sided_connections <= found.connections
    assert (found.first_error is None) == (found.damaged_records == 0)


def taps_hold(packets: pl.DataFrame, chance: Random) -> None:
    """TAP_RANGES of a capture and a damaged copy of it."""
    two_taps_hold(packets, _other_tap(packets, chance))


def _other_tap(packets: pl.DataFrame, chance: Random) -> pl.DataFrame:
    """The same packets behind a path that loses some, doubles some, delays them, and a clock of its own."""
    seed, shift_ns = chance.randrange(1 << 30), chance.choice((0, 777, -(10**9), 10**15))
    kept = packets.sample(fraction=chance.choice((1.0, 0.9, 0.3)), seed=seed)
    doubled = kept.head(chance.choice((0, 0, 5)))
    step_ns = chance.choice((1, 1000, 1_000_000))
    moved = pl.col("ts_ns").clip(-(1 << 62), 1 << 62) + shift_ns + pl.col("ts_ns").hash(seed) % 5 * step_ns
    return pl.concat([kept, doubled]).with_columns(ts_ns=moved.cast(pl.Int64)).sort("ts_ns", maintain_order=True)


def two_taps_hold(a: pl.DataFrame, b: pl.DataFrame) -> None:
    """TAP_RANGES of any two captures, or one line of complaint."""
    try:
        clocks, ranges = match_taps(a, b)
    except TraceError as error:
        if "\n" in str(error):
            raise AssertionError(error) from error
        return
    assert ranges.schema == polars_schema(tables.TAP_RANGES)
    assert min(clocks.error_ns, clocks.drift_error, clocks.disagreement_ns) >= 0
    assert min(clocks.a_to_b_packets, clocks.b_to_a_packets) > 0
    assert ranges.height <= 6 * (a.height + b.height)
    assert set(ranges["fate"]) <= set(FATES)
    both = pl.col("record_a").is_not_null() & pl.col("record_b").is_not_null()
    all_true(
        ranges,
        pl.col("from_tap").is_in(["a", "b"]),
        pl.col("payload_bytes") >= 0,
        pl.col("record_a").is_between(1, a.height),
        pl.col("record_b").is_between(1, b.height),
        pl.col("record_a").is_not_null() | pl.col("record_b").is_not_null(),
        pl.col("delay_ns").is_null() | (pl.col("fate") == "arrived"),
        (pl.col("fate") != "arrived") | both,
        ~pl.col("fate").is_in(["lost", "unseen"]) | ~both,
    )
    for name, packets in (("record_a", a), ("record_b", b)):
        mine = ranges.filter(pl.col("from_tap") != name[-1]).group_by(name).agg(pl.col("payload_bytes").sum())
        sizes = packets.with_row_index(name, 1).select(pl.col(name).cast(pl.UInt64), size="payload_bytes")
        all_true(mine.join(sizes, on=name), pl.col("payload_bytes") == pl.col("size"))


def all_true(table: pl.DataFrame, *laws: pl.Expr) -> None:
    """Every law holds in every row, or says nothing of it.

    Raises
    ------
    AssertionError
        With the law and the first row that breaks it.
    """
    checked = table.select(law.all(ignore_nulls=True).alias(str(number)) for number, law in enumerate(laws))
    for number, holds in enumerate(checked.row(0)):
        if not holds:
            raise AssertionError(f"{laws[number]}\n{table.filter(~laws[number]).rows(named=True)[0]}")


LAWS: Final[tuple[Callable[[pl.DataFrame, Random], None], ...]] = (
    accounts_hold,
    marks_hold,
    limits_hold,
    lines_hold,
    waits_for_acks_hold,
    flow_limits_hold,
    fragments_hold,
    quality_holds,
    taps_hold,
)

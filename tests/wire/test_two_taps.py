"""Two captures of the same traffic against a known truth."""

from contextlib import suppress

import numpy as np
import polars as pl
import pytest

from tests.wire.two_taps_made import SEGMENT_BYTES, START_NS, Clocks, packets, row, transfer
from zcanalysis.errors import TraceError
from zcanalysis.wire.two_taps import match_taps


@pytest.mark.parametrize("stamped", [True, False])
@pytest.mark.parametrize(
    "clocks", [Clocks(0, 0), Clocks(-3_141_592_653, 50e-6), Clocks(7 * 3_600_000_000_000, -200e-6)]
)
def test_the_clocks_are_found_within_their_error(clocks, stamped):
    made = transfer(clocks, stamped=stamped)
    found = match_taps(made.a, made.b).clocks
    times_ns = made.truth["sent_ns"].to_numpy()
    wrong_ns = np.abs(found.difference_ns(times_ns) - (clocks.of_b(times_ns) - times_ns))
    assert wrong_ns.max() <= found.error_ns
    assert abs(found.drift - clocks.drift) <= found.drift_error
    assert 250_000 < found.error_ns < 400_000  # half of the shortest way there and back, and little more
    assert found.disagreement_ns == 0


@pytest.mark.parametrize("stamped", [True, False])
def test_every_byte_has_its_delay_and_its_loss(stamped):
    clocks = Clocks(123_456_789, 20e-6)
    made = transfer(clocks, stamped=stamped, loss=0.1)
    found = match_taps(made.a, made.b)
    sent = found.ranges.filter(pl.col("from_tap") == "a", pl.col("payload_bytes") > 0)
    by_record = sent.group_by("record_a", "fate").agg(pl.col("payload_bytes").sum(), pl.col("sent_ns").first())
    by_record = by_record.join(made.truth, on="sent_ns", how="full", coalesce=True)
    assert by_record["payload_bytes"].to_list() == [4 * SEGMENT_BYTES] * made.truth.height
    lost = by_record.filter(pl.col("fate") == "lost")
    assert 20 < lost.height < 70
    assert not lost["arrived"].any()
    assert by_record.filter(pl.col("fate") == "arrived")["arrived"].all()
    delays = sent.drop_nulls("delay_ns").join(made.truth, on="sent_ns").select(
        error=pl.col("delay_ns") - pl.col("delay_ns_right")
    )  # fmt: skip
    assert delays.height >= 2 * 300
    assert delays["error"].abs().max() <= found.clocks.error_ns
    back = found.ranges.filter(pl.col("from_tap") == "b")
    assert back["fate"].unique().to_list() == ["arrived"]
    assert back["delay_ns"].min() >= 250_000 - found.clocks.error_ns


def test_a_clock_that_was_set_during_the_capture_shows_as_disagreement():
    made = transfer(Clocks(0, 0), records=400)
    step = pl.when(pl.col("ts_ns") > START_NS + 200_000_000).then(10_000_000).otherwise(0)
    found = match_taps(made.a, made.b.with_columns(pl.col("ts_ns") + step)).clocks
    assert found.disagreement_ns > 1_000_000


def test_stamps_of_microseconds_widen_the_bound():
    clocks = Clocks(5_000_000_123, 0)
    made = transfer(clocks)
    cut = [tap.with_columns(pl.col("ts_ns") // 1000 * 1000) for tap in (made.a, made.b)]
    found = match_taps(*cut).clocks
    assert abs(found.offset_ns - clocks.offset_ns) <= found.error_ns


def test_a_capture_that_begins_later_is_no_loss():
    made = transfer(Clocks(-40, 0), loss=0, joined=1)
    later = made.b.filter(pl.col("ts_ns") > START_NS + 100_000_000)
    fates = match_taps(made.a, later).ranges.group_by("fate").len()
    assert set(fates["fate"]) == {"arrived", "outside"}


def test_a_capture_that_begins_some_turns_of_the_sequence_number_later_is_matched():
    first = [row(START_NS + n * 1000, to_b=True, seq=n << 30, size=1000, ip_id=n, tsval=n) for n in range(40)]
    then = [row(START_NS + n * 1000 + 500, to_b=False, ack=(n << 30) + 1000, ip_id=n, tsval=n) for n in range(40)]
    late = [dict(packet, ts_ns=packet["ts_ns"] + 100) for packet in first[20:]]
    late += [dict(packet, ts_ns=packet["ts_ns"] - 100) for packet in then[20:]]
    found = match_taps(packets(first + then), packets(late))
    assert found.ranges.filter(pl.col("fate") == "arrived").height == 40
    assert found.clocks.offset_ns == 0


def test_ports_used_again_are_another_stream():
    def connection(start_ns, isn):
        there = [row(start_ns, to_b=True, seq=isn, flags=2)]
        there += [row(start_ns + n, to_b=True, seq=isn + 1 + 100 * (n - 1), size=100, ip_id=n) for n in (1, 2)]
        return there, [row(start_ns + 5000, to_b=False, ack=isn + 201, ip_id=9)]

    seen_a, seen_b = [], []
    for start_ns, isn in ((START_NS, 1000), (START_NS + 100_000, 1100)):
        there, back = connection(start_ns, isn)
        seen_a += there + back
        seen_b += [dict(packet, ts_ns=packet["ts_ns"] + 300) for packet in there]
        seen_b += [dict(packet, ts_ns=packet["ts_ns"] - 300) for packet in back]
    found = match_taps(packets(seen_a), packets(seen_b))
    assert found.ranges["fate"].to_list() == ["arrived"] * 8
    assert (found.ranges["delay_ns"] - 300).abs().max() <= found.clocks.error_ns <= 310


def test_what_cannot_be_matched_is_one_line():
    made = transfer(Clocks(0, 0), records=5)
    one_way = made.a.filter(~pl.col("direction"))
    with pytest.raises(TraceError, match="packets of both directions"):
        match_taps(one_way, made.b)
    with pytest.raises(TraceError, match="no packet in common"):
        match_taps(made.a, made.b.with_columns(flow_id=pl.lit(5, pl.UInt64)))
    with pytest.raises(TraceError, match="capture B holds no TCP packet"):
        match_taps(made.a, made.b.clear())


def test_numbers_without_sense_do_no_harm():
    draw = np.random.default_rng(1)
    bounds = {"seq": 1 << 32, "size": 1 << 16, "tsval": 3, "flags": 64, "ip_id": 9}

    def drawn():
        numbers = {name: int(draw.integers(bound)) for name, bound in bounds.items()}
        return row(draw.integers(0, (1 << 63) - 1), to_b=bool(draw.integers(2)), **numbers)

    one, other = (packets([drawn() for _ in range(3000)]) for _ in range(2))
    with suppress(TraceError):
        match_taps(one, other)
    assert match_taps(one, one).clocks.offset_ns == 0


def test_many_copies_of_the_same_bytes_do_not_multiply():
    made = transfer(Clocks(0, 0), records=2000, stamped=False)
    later = (pl.col("payload_bytes") > 0) & (pl.col("ts_ns") > START_NS + 100_000_000)
    alike = [tap.with_columns(seq=pl.when(later).then(pl.col("seq") % 9).otherwise("seq")) for tap in (made.a, made.b)]
    assert match_taps(*alike).ranges.height < 4 * (made.a.height + made.b.height)

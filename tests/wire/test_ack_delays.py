"""ACK_DELAYS: by hand, against TCP_SIDES, and the 40 ms of a real delayed ACK."""

from pathlib import Path

import polars as pl
import pytest

from tests import builders as make
from tests.wire.test_connections import ACK, packets
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.tables import ACK_DELAYS, polars_schema
from zcanalysis.wire.accounts import tcp_sides
from zcanalysis.wire.ack_delays import ack_delays
from zcanalysis.wire.connections import flows
from zcanalysis.wire.tally import classes, count, new_tally

TRACES = Path(__file__).parents[2] / "traces"
US = 1000
CAPTURES = [
    *sorted(TRACES.glob("limits/*.pcap.zst")),
    TRACES / "prequeue-4.10" / "delay-2ms.pcap.gz",
    *(path for path in make.real_captures() if path.stat().st_size < 300_000),
]


def there(table: pl.DataFrame) -> dict:
    return next(row for row in flows(table).iter_rows(named=True) if row["src_port"] == 10)


def test_delays_count_from_the_oldest_packet_that_an_ack_covers():
    # 2 packets at 0 and 50 µs, one ACK at 100 µs: 100; then 300 µs for one packet; one that comes at once: 0
    table = packets(
        (0, "there", ACK, 0, 1, 100), (50 * US, "there", ACK, 100, 1, 100), (100 * US, "back", ACK, 1, 200, 0),
        (200 * US, "there", ACK, 200, 1, 100), (500 * US, "back", ACK, 1, 300, 0),
        (600 * US, "there", ACK, 300, 1, 100), (600 * US, "back", ACK, 1, 400, 0),
    )  # fmt: skip
    found = ack_delays(table, there(table))
    assert found.schema == polars_schema(ACK_DELAYS)
    assert found.get_column("acks").to_list() == [1, 1, 1]
    assert found.get_column("share").to_list() == pytest.approx([1 / 3] * 3)
    assert found.get_column("share_time").to_list() == pytest.approx([0, 0.25, 0.75])
    assert found.row(0)[:2] == (0, 0.001024)
    inside = found.with_columns(delay=pl.Series([0.0, 0.1, 0.3]))
    assert inside.select((pl.col("delay") >= pl.col("from_ms")) & (pl.col("delay") < pl.col("to_ms")))["delay"].all()


def test_without_any_delay_there_is_no_share_of_the_time():
    table = packets((0, "there", ACK, 0, 1, 100), (0, "back", ACK, 1, 100, 0), (9, "there", ACK, 100, 1, 100))
    assert ack_delays(table, there(table)).row(0) == (0, 0.001024, 1, 1, None)


def test_a_direction_without_acks_has_no_delays():
    table = packets((0, "there", ACK, 0, 1, 100), (9, "there", ACK, 100, 1, 100))
    assert ack_delays(table, there(table)).is_empty()


def test_classes_hold_what_was_counted_between_their_ends():
    import numpy as np

    values, tally, used = [0, 7, 8, 127, 128, 1023, 1024, 10**9], new_tally(64), np.zeros(3, np.int64)
    for value in values:
        count(tally, used, 3, 2, value)
        count(tally, used, 4, 2, 5)
    found = classes(tally, 3, 2)
    assert found.get_column("count").sum() == len(values)
    assert found.get_column("sum").sum() == sum(values)
    assert found.filter(pl.col("high") > 128).select((pl.col("high") <= pl.col("low") * 1.125).all()).item()
    for value in values:
        assert found.filter(pl.col("low") <= value, pl.col("high") > value).height == 1
    assert (found["high"] <= found["low"].shift(-1)).all()


def test_the_stalls_of_a_request_that_is_sent_in_two_are_at_40_ms():
    table = scan_pcap(TRACES / "limits" / "delayed-ack.first.pcap.zst")
    found = ack_delays(table, flows(table).row(0, named=True))
    late = found.filter(pl.col("from_ms") >= 35)
    assert late.get_column("acks").sum() == tcp_sides(table).get_column("delayed_ack_stalls").max()
    assert late.select(pl.col("from_ms").min(), pl.col("to_ms").max()).row(0) == pytest.approx((37.748736, 50.331648))
    assert late.get_column("share_time").sum() > 0.9


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_the_quantiles_of_each_side_are_in_the_classes_where_they_belong(capture):
    table = scan_pcap(capture)
    sides = tcp_sides(table)
    rows = flows(table).filter(pl.col("protocol") == "tcp", pl.col("first_ns").is_not_null())
    for flow in rows.sort("payload_bytes").tail(3).iter_rows(named=True):
        found = ack_delays(table, flow)
        same = pl.col("connection") == flow["connection"]
        across = sides.filter(same, pl.col("src") == flow["dst"], pl.col("src_port") == flow["dst_port"])
        if found.is_empty():
            assert across.is_empty() or across["ack_delay_median_ms"][0] is None
            continue
        for name, level in (("ack_delay_median_ms", 0.5), ("ack_delay_p95_ms", 0.95)):
            at = found.filter(pl.col("share").cum_sum() >= level - 1e-12).row(0, named=True)
            assert at["from_ms"] <= across[name][0] <= at["to_ms"]

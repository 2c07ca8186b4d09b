import polars as pl
import pytest

from zcanalysis.errors import HostError
from zcanalysis.lab.alignment import align_intervals, read_curve, receiver_intervals
from zcanalysis.tables import COUNTERS, polars_schema

MS = 1_000_000
EPOCH_NS = 1_795_213_538_839_022_592
# iperf3 read 100, 200, 300 bytes in three intervals of 0.1 s
INTERVALS = [(0.0, 0.1, 100), (0.1, 0.2, 200), (0.2, 0.3, 300)]


def curve(points: list[tuple[int, int]]) -> pl.DataFrame:
    return pl.DataFrame(points, schema={"ts_ns": pl.Int64, "read_bytes": pl.Int64}, orient="row")


def test_the_start_is_where_both_curves_have_read_the_same():
    # 50 bytes are read half-way through the first interval (50 ms), 200 half-way through the second (150 ms),
    # 450 half-way through the third (250 ms): all three readings say that zero was at EPOCH_NS
    seen = curve([(EPOCH_NS + 50 * MS, 50), (EPOCH_NS + 150 * MS, 200), (EPOCH_NS + 250 * MS, 450)])
    alignment = align_intervals(INTERVALS, seen)
    assert alignment.zero_ns == EPOCH_NS
    assert alignment.spread_ns == 0
    assert alignment.bytes_between(EPOCH_NS + 50 * MS, EPOCH_NS + 250 * MS) == pytest.approx(400)
    assert alignment.edges_ns.tolist() == [EPOCH_NS + k * 100 * MS for k in range(4)]


def test_one_late_reading_does_not_move_the_start():
    points = [(EPOCH_NS + 50 * MS, 50), (EPOCH_NS + 150 * MS, 200), (EPOCH_NS + 900 * MS, 450)]
    assert align_intervals(INTERVALS, curve(points)).zero_ns == EPOCH_NS


def test_readings_before_the_start_and_after_the_end_say_nothing():
    with pytest.raises(HostError, match="share only 1 readings"):
        align_intervals(INTERVALS, curve([(1, 0), (2, 50), (3, 600)]))


def test_intervals_come_from_the_receivers_side_of_the_report():
    row = {"start": 0, "end": 0.1, "seconds": 0.1, "bytes": 100, "bits_per_second": 8000.0}
    load = {"intervals": [], "server_output_json": {"intervals": [{"streams": [], "sum": row}]}}
    assert receiver_intervals(load) == [(0.0, 0.1, 100)]
    with pytest.raises(HostError, match="lacks the receiver's intervals"):
        receiver_intervals({"intervals": []})


def test_the_curve_is_that_of_the_busiest_socket_without_what_is_queued():
    rows = [
        (ts_ns, "counters", 0, "socket", instance, counter, value)
        for ts_ns, data, queued in ((1, 1000, 200), (2, 3000, 0))
        for instance, counter, value in (
            ("a>control", "bytes_received", 37),
            ("a>control", "recv_q", 0),
            ("a>data", "bytes_received", data),
            ("a>data", "recv_q", queued),
        )
    ]
    counters = pl.DataFrame(rows, schema=polars_schema(COUNTERS), orient="row")
    assert read_curve(counters).rows() == [(1, 800), (2, 3000)]

"""Who limited, told of connections written by hand: one a rule, and numbers that nobody should send."""

from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import laws
from zcanalysis.tables import LIMITS, PACKETS, empty, polars_schema
from zcanalysis.wire import captured_limits as capture
from zcanalysis.wire import connections, waits
from zcanalysis.wire.captured_limits import captured_limits

SYN, ACK, RST = 2, 16, 4
MSS = 1460
MS = 1_000_000
RTT_NS = 100_000
OPEN = 60_000


class Written:
    """A connection being written: the time, and how far each side is."""

    def __init__(self, *, scale: int | None = 7, handshake: bool = True, flow: int = 42) -> None:
        self.rows: list[dict] = []
        self.now_ns, self.flow, self.sent, self.answered = 0, flow, 1, 1
        if handshake:
            self.packet("there", SYN, seq=0, window_raw=OPEN, window_scale=scale, mss=MSS)
            self.wait(RTT_NS)
            self.packet("back", SYN | ACK, seq=0, ack=1, window_raw=OPEN, window_scale=scale, mss=MSS)
            self.packet("there", ACK, seq=1, ack=1, window_raw=OPEN)

    def wait(self, ns: int) -> None:
        self.now_ns += ns

    def packet(self, way: str, flags: int, **columns) -> None:
        ends = {"src": 1, "src_port": 10, "dst": 2, "dst_port": 20}
        if way == "back":
            ends = {"src": 2, "src_port": 20, "dst": 1, "dst_port": 10}
        own = {
            "ts_ns": self.now_ns,
            "direction": way == "back",
            "protocol": 6,
            "flow_id": self.flow,
            "tcp_flags": flags,
        }
        own |= {"payload_bytes": 0, "ack": 0, "window_raw": OPEN, "wire_bytes": 54 + columns.get("payload_bytes", 0)}
        self.rows.append(own | ends | columns)

    def data(self, size: int = MSS, *, seq: int | None = None) -> None:
        at = self.sent if seq is None else seq
        self.packet("there", ACK, seq=at, ack=self.answered, payload_bytes=size)
        self.sent = max(self.sent, at + size)

    def ack(self, window_raw: int = OPEN, *, ack: int | None = None) -> None:
        self.packet("back", ACK, seq=self.answered, ack=self.sent if ack is None else ack, window_raw=window_raw)

    def answer(self, size: int) -> None:
        self.packet("back", ACK, seq=self.answered, ack=self.sent, payload_bytes=size)
        self.answered += size

    def table(self) -> pl.DataFrame:
        made = pl.DataFrame(self.rows, schema_overrides=polars_schema(PACKETS), infer_schema_length=None)
        return pl.concat([empty(PACKETS), made], how="diagonal")


def shares(written: Written, link_gbps: float | None = None) -> dict[str, float]:
    rows = captured_limits(written.table(), link_gbps)
    return dict(rows.group_by("limit").agg(pl.col("share_time").sum()).iter_rows())


def test_a_write_now_and_then_is_the_senders_application():
    made = Written()
    for _ in range(20):
        made.data(700)
        made.wait(20_000)
        made.ack()
        made.wait(30 * MS)
    assert shares(made)["sender application"] > 0.99


def test_whole_segments_before_silence_say_nothing():
    # a sender whose last packets were all lost, or whose congestion window is small, looks the same
    made = Written()
    for _ in range(20):
        made.data()
        made.wait(20_000)
        made.ack()
        made.wait(30 * MS)
    assert shares(made)["unknown"] > 0.99


def test_an_ack_held_back_that_releases_the_next_write_is_a_delayed_ack():
    made = Written()
    for _ in range(20):
        made.data(500)
        made.wait(40 * MS)
        made.ack()
        made.wait(20_000)
        made.data(500)
        made.wait(20_000)
        made.answer(1000)
    assert shares(made)["delayed ack"] > 0.99


def test_an_ack_held_back_that_nobody_waits_for_is_the_application():
    made = Written()
    for _ in range(20):
        made.data(500)
        made.wait(40 * MS)
        made.ack()
        made.wait(60 * MS)
    assert shares(made)["sender application"] > 0.99


def test_without_handshake_and_time_stamps_no_round_trip_is_known_and_no_pause_too_long():
    made = Written(handshake=False)
    for number in range(20):
        made.data(700 + 300 * (number % 2))
        made.wait(20_000)
        made.ack()
        made.wait(30 * MS)
    assert shares(made) == {"unknown": pytest.approx(1)}


def test_an_ack_that_was_held_back_when_the_ports_are_used_again_keeps_its_time():
    made = Written()
    made.data(500)
    made.wait(40 * MS)
    made.ack()
    made.wait(MS)
    made.packet("there", SYN, seq=77_777, window_raw=OPEN)
    rows = captured_limits(made.table())
    assert rows.select("limit", pl.col("to_ns") - pl.col("from_ns")).rows() == [
        ("sender application", RTT_NS + 40 * MS)
    ]


def test_connections_of_146_years_have_shares_of_time():
    long = [Written(flow=flow) for flow in range(4)]
    for made in long:
        made.now_ns = (1 << 62) - 1
        made.data()
    rows = captured_limits(pl.concat([made.table() for made in long]))
    assert rows.get_column("share_time").to_list() == [pytest.approx(0.25)] * 4


def windows(closed_ns: int) -> Written:
    """Four segments fill the window; room for as many is told `closed_ns` later."""
    made = Written(scale=0)
    for _ in range(400):
        for _ in range(4):
            made.data()
        made.wait(20_000)
        made.ack(0)
        made.wait(closed_ns - 20_000)
        made.ack(4 * MSS)
    return made


def test_a_window_that_a_round_trip_carries_is_the_receive_window():
    assert shares(windows(RTT_NS))["receive window"] > 0.99


def test_bytes_that_ask_a_closed_window_are_neither_loss_nor_payload():
    made = windows(RTT_NS)
    made.ack(0)
    for _ in range(20):
        made.wait(200 * MS)
        made.packet("there", ACK, seq=made.sent, ack=1, payload_bytes=1)
        made.wait(RTT_NS)
        made.ack(0)
    made.data()
    rows = captured_limits(made.table())
    assert "loss" not in rows.get_column("limit")
    assert rows.get_column("payload_bytes").sum() == made.sent - 1


def test_a_window_that_stays_closed_for_many_round_trips_is_the_reader():
    assert shares(windows(20 * RTT_NS))["reader"] > 0.99


def test_segments_sent_again_all_the_time_are_loss():
    made = Written()
    for _ in range(300):
        lost = made.sent
        made.sent += MSS
        for _ in range(20):
            made.data()
            made.ack(ack=lost)
            made.wait(50_000)
        made.data(seq=lost)
        made.wait(20_000)
        made.ack()
    assert shares(made)["loss"] > 0.99


def paced(every_ns: int, jitter: int = 0) -> Written:
    made = Written()
    for number in range(6_000):
        made.data()
        made.ack()
        made.wait(every_ns + jitter * (number // 300 % 7))
    return made


def test_a_rate_that_is_reached_and_never_passed_is_the_link():
    assert shares(paced(50_000))["link"] > 0.99


def test_a_rate_that_wanders_is_unknown():
    assert shares(paced(50_000, jitter=10_000))["unknown"] > 0.9


def test_a_known_link_is_the_limit_where_it_is_full_and_only_there():
    # 1514 bytes every 50 us: 0.242 Gbit/s
    assert shares(paced(50_000), link_gbps=0.245)["link"] > 0.95
    assert shares(paced(50_000), link_gbps=0.3)["unknown"] > 0.99


def test_without_a_handshake_a_closed_window_has_no_scale():
    made = windows(RTT_NS)
    made.rows = [row | ({"window_raw": 3} if row["window_raw"] != OPEN else {}) for row in made.rows[3:]]
    assert shares(made) == {"unknown": pytest.approx(1)}


@pytest.mark.parametrize("back", [False, True])
def test_one_side_alone_is_unknown(back):
    for made in (windows(RTT_NS), paced(50_000)):
        made.rows = [row for row in made.rows if row["direction"] == back]
        assert shares(made) == {"unknown": pytest.approx(1)}


def test_ports_used_again_are_another_connection():
    first, second = Written(), Written(flow=42)
    for made in (first, second):
        for _ in range(10):
            made.data(700)
            made.ack()
            made.wait(30 * MS)
    second.rows = [row | {"ts_ns": row["ts_ns"] + 10**10, "seq": row["seq"] + 77_777} for row in second.rows]
    first.rows += second.rows
    rows = captured_limits(first.table())
    # the ten seconds between them belong to neither
    assert (rows.get_column("to_ns") - rows.get_column("from_ns")).sum() < 10**9


def test_shares_of_lost_bytes_are_those_that_the_fastest_time_would_have_moved():
    # a second at a full rate, then a second with one small write: all that is lost is lost to the application
    made = paced(50_000)
    for _ in range(10):
        made.data(700)
        made.ack()
        made.wait(100 * MS)
    made.data(700)
    rows = captured_limits(made.table())
    assert rows.filter(pl.col("limit") == "sender application").get_column("share_bytes").sum() > 0.95


def test_no_tcp_no_rows():
    assert captured_limits(empty(PACKETS)).schema == polars_schema(LIMITS)
    datagrams = paced(50_000).table().with_columns(pl.lit(17).cast(pl.UInt8).alias("protocol"))
    assert captured_limits(datagrams).is_empty()


def test_small_batches_and_little_room_change_nothing(monkeypatch):
    made = pl.concat([windows(RTT_NS).table(), *(Written(flow=flow).table() for flow in range(100, 150))])
    whole = captured_limits(made)
    monkeypatch.setattr(connections, "BATCH_ROWS", 7)
    monkeypatch.setattr(capture, "LIVES", 4)
    monkeypatch.setattr(capture, "SLICES", 8)
    assert captured_limits(made).equals(whole)


numbers = st.integers(0, 2**32 - 1) | st.integers(0, 5_000)
hostile = st.fixed_dictionaries(
    {
        "ts_ns": st.integers(-(2**62), 2**62) | st.integers(0, 10**9),
        "direction": st.booleans(),
        "tcp_flags": st.integers(0, 511) | st.just(ACK),
        "seq": numbers,
        "ack": numbers,
        "payload_bytes": st.integers(0, 2**31) | st.integers(0, 3_000),
        "wire_bytes": st.integers(0, 2**31),
        "window_raw": st.integers(0, 65_535),
        "window_scale": st.none() | st.integers(0, 255),
        "mss": st.none() | st.integers(0, 65_535),
        "ip_id": st.none() | st.integers(0, 2),
        "tsval": st.none() | numbers,
        "tsecr": st.none() | numbers,
        "flow_id": st.none() | st.integers(0, 3),
        "protocol": st.sampled_from([6, 6, 6, 17]),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(hostile, min_size=1, max_size=40), st.integers(0, 99))
def test_whatever_the_numbers_are_the_rows_stay_sane(packets, seed):
    ends = {"src": 1, "src_port": 10, "dst": 2, "dst_port": 20}
    made = pl.DataFrame([row | ends for row in packets], schema_overrides=polars_schema(PACKETS))
    laws.limits_hold(pl.concat([empty(PACKETS), made], how="diagonal"), Random(seed))


def test_the_names_of_causes_are_those_of_the_compiled_half():
    assert len(capture.CAUSE_NAMES) == waits.CAUSES
    assert [
        name for name in capture.CAUSE_NAMES if getattr(waits, name.upper()) != capture.CAUSE_NAMES.index(name)
    ] == []

"""Packets through a host: which are replayed, what the table says, and that the blame sums to the nanosecond."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import zcanalysis as zc
from tests.hosts.examples import host_of_linux6, host_of_linux24
from zcanalysis.answer import calibrate
from zcanalysis.errors import TraceError
from zcanalysis.hosts import Copy, Places, Price
from zcanalysis.model.open_loop import PARTS
from zcanalysis.tables import BLAME, JOURNEYS, PACKETS, PIECES_OF_WORK, polars_schema

TRACES = Path(__file__).parent.parent / "traces"
SIX, OLD = host_of_linux6(), host_of_linux24()


def packets(ts_ns, *, payload_bytes=1448, flow_id=1, direction=True, protocol=6):
    n = len(ts_ns)
    payload = [payload_bytes] * n if isinstance(payload_bytes, int) else payload_bytes
    seq = [sum(payload[:at]) for at in range(n)]
    columns = {
        "ts_ns": ts_ns, "payload_bytes": payload, "flow_id": [flow_id] * n, "direction": [direction] * n,
        "protocol": [protocol] * n, "seq": seq, "ack": [1] * n, "window_raw": [9] * n, "tsval": [5] * n,
        "tcp_flags": [16] * n,
    }  # fmt: skip
    missing = {name: [None] * n for name in PACKETS if name not in columns}
    return pl.DataFrame(columns | missing, schema=polars_schema(PACKETS))


def elapsed_ns(journeys):
    return journeys["copy_copy_ns"].max() - journeys["arrival_ns"][0]


def nanoseconds(blame):
    return sum(round(seconds * 1e9) for seconds in blame["seconds"])


def test_the_table_has_a_column_for_every_stage_of_the_model():
    assert PIECES_OF_WORK == PARTS
    assert zc.replay(packets([0, 10]), SIX).columns == list(JOURNEYS)


@pytest.mark.parametrize("tap", ["stack", "wire"])
@pytest.mark.parametrize("host", [SIX, OLD], ids=["linux-6", "linux-2.4"])
def test_blame_sums_to_the_elapsed_time_of_both_generations(host, tap):
    journeys = zc.replay(packets([0, 500, 900, 60_000, 60_010, 60_020], payload_bytes=4000), host, tap)
    blame = zc.attribute(journeys)
    assert blame.columns == list(BLAME)
    assert nanoseconds(blame) == elapsed_ns(journeys)
    assert blame["share"].sum() == pytest.approx(1)
    assert (journeys["copy_copy_ns"] > journeys["arrival_ns"]).all()


def test_one_packet_by_hand():
    # behind the tap, on a CPU of its own: ip 200, tcp 500, wake-up 600, IPI 400; reader: interrupt 900, schedule 1500,
    # copy 30 + 1448 x 0.062 (whole picoseconds) = 30 + 90
    blame = zc.attribute(zc.replay(packets([1_000_000]), SIX))
    expected = {
        "schedule": 1500, "interrupt": 900, "wake-up": 600, "tcp": 500, "send interrupt": 400, "ip": 200, "copy": 120,
        "arrivals": 0,
    }  # fmt: skip
    assert {stage: round(seconds * 1e9) for stage, seconds in blame.select("stage", "seconds").iter_rows()} == expected
    assert blame["stage"].to_list() == list(expected)


def test_a_merged_record_is_several_packets_of_one_skb():
    journeys = zc.replay(packets([0, 10], payload_bytes=[45 * 1448, 752]), SIX)
    assert journeys.height == 46
    assert journeys["payload_bytes"].to_list() == [1448] * 45 + [752]
    assert journeys["skb"].to_list() == [0] * 45 + [45]


def test_the_tap_in_the_stack_leaves_out_what_is_before_it():
    came = packets(list(range(0, 9000, 100)))
    stack, wire = (zc.replay(came, SIX, tap) for tap in ("stack", "wire"))
    assert stack["driver_from_ns"].null_count() == stack.height
    assert wire["driver_from_ns"].null_count() == 0
    assert wire["skb"].n_unique() < stack["skb"].n_unique() == 90  # GRO, which the stack's records are behind


def test_data_of_the_loudest_flow_is_replayed_and_its_acks_are_not():
    loud = packets([0, 30])
    quiet = packets([10], flow_id=2)
    acks = packets([20], payload_bytes=0, direction=False)
    assert zc.replay(pl.concat([quiet, loud, acks]).lazy(), SIX)["arrival_ns"].to_list() == [0, 30]


def test_packets_out_of_time_order_are_replayed_in_it():
    assert zc.replay(packets([50, 0, 20]), SIX)["arrival_ns"].to_list() == [0, 20, 50]


@pytest.mark.parametrize(
    ("came", "message"),
    [
        (packets([]), "nothing to replay: there are no packets"),
        (packets([0, 1], protocol=17), "nothing to replay: none of 2 packets is TCP"),
        (packets([0], payload_bytes=0), "no TCP packet carries payload; was the direction of the data captured"),
    ],
)
def test_captures_without_data_are_refused_in_one_line(came, message):
    with pytest.raises(TraceError, match=message):
        zc.replay(came, SIX)


def test_a_tap_is_in_the_stack_or_on_the_wire():
    with pytest.raises(ValueError, match="tap must be stack or wire, got 'nic'"):
        zc.replay(packets([0]), SIX, "nic")


def test_a_receiver_that_cannot_keep_up_is_blamed_and_one_that_can_is_not():
    came = packets(list(range(0, 400_000, 1000)))
    one_cpu = Places(sender_cpu=1, driver_cpu=0, protocol_cpu=0, reader_cpu=0)
    dear = Price(1.0, 1.0, 1.0, "assumed", "")
    slow = replace(SIX, places=one_cpu, copy=Copy(ns_per_byte=dear))  # 1448 ns to copy what comes each 1000 ns
    busy, idle = (zc.attribute(zc.replay(came, host)) for host in (slow, SIX))
    assert busy["stage"][0] == "copy"
    assert idle["stage"][0] == "arrivals"
    assert idle["share"][0] > 0.95


def test_what_is_lost_sums_to_the_gap_below_any_ceiling():
    journeys = zc.replay(packets(list(range(0, 40_000, 400))), SIX)
    goodput_gbps = 100 * 1448 * 8 / elapsed_ns(journeys)
    arriving_gbps = 100 * 1448 * 8 / 39_600
    assert zc.attribute(journeys)["lost_gbps"].sum() == pytest.approx(arriving_gbps - goodput_gbps)
    blame = zc.attribute(journeys, 100.0)
    assert blame["lost_gbps"].sum() == pytest.approx(100 - goodput_gbps)
    late = blame.filter(pl.col("stage") == "arrivals")["lost_gbps"].item()
    assert late == pytest.approx(100 - arriving_gbps)


def test_the_waterfall_of_a_replay_ends_at_its_goodput():
    journeys = zc.replay(packets(list(range(0, 40_000, 400))), SIX)
    spec = zc.charts.waterfall(zc.attribute(journeys, 100.0), 100.0).to_dict()
    rows = {row["name"]: row for rows in spec["datasets"].values() for row in rows}
    assert rows["ceiling"]["to"] == 100
    assert rows["goodput"]["to"] == pytest.approx(100 * 1448 * 8 / elapsed_ns(journeys))
    assert "arrivals" in rows


def test_a_recording_is_replayed_on_the_host_that_it_calibrates():
    recording = zc.read_recording(TRACES / "veth-1500")
    host = calibrate(recording)
    journeys = zc.replay(recording.packets, host)
    blame = zc.attribute(journeys, ceiling_gbps=25)
    assert zc.charts.waterfall(blame, 25).to_dict()
    assert nanoseconds(blame) == elapsed_ns(journeys)


def test_a_recorded_capture_is_replayed_packet_by_packet():
    recording = zc.read_recording(TRACES / "veth-1500")
    journeys = zc.replay(recording.packets, SIX)
    data = recording.packets.filter(pl.col("payload_bytes") > 0).select(pl.len()).collect().item()
    assert journeys.height == data
    assert nanoseconds(zc.attribute(journeys)) == elapsed_ns(journeys)
    assert journeys.estimated_size() < 345 * data

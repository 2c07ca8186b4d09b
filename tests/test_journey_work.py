"""Single packets of journeys: the way of one without gaps, and the critical path that its copy waited for."""

from dataclasses import replace

import polars as pl
import pytest

import zcanalysis as zc
from tests.hosts.examples import host_of_linux6, host_of_linux24
from tests.test_journeys import packets
from zcanalysis.errors import TraceError
from zcanalysis.hosts import Places
from zcanalysis.journey_work import MOST_ROWS, packet_at, packet_way, work_around
from zcanalysis.tables import WAY, WORK

SIX, OLD = host_of_linux6(), host_of_linux24()
BURSTS = [start + 300 * at for start in (0, 90_000, 180_000) for at in range(40)]


@pytest.fixture(scope="module", params=["linux-6", "linux-6 in one place", "linux-2.4"])
def journeys(request) -> pl.DataFrame:
    one_place = replace(SIX, places=Places(sender_cpu=1, driver_cpu=0, protocol_cpu=0, reader_cpu=0))
    host = {"linux-6": SIX, "linux-2.4": OLD, "linux-6 in one place": one_place}[request.param]
    return zc.replay(packets(BURSTS), host, "wire")


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_a_way_begins_with_the_arrival_has_no_gap_and_ends_with_the_copy(journeys, part):
    packet = packet_at(journeys, part)
    way = packet_way(journeys, packet)
    assert way.columns == list(WAY)
    assert way["from_ns"][0] == journeys["arrival_ns"][packet]
    assert way["to_ns"][-1] == journeys["copy_copy_ns"][packet]
    steps = zip(way["to_ns"].cum_max()[:-1], way["from_ns"][1:], strict=True)
    assert all(begins <= over for over, begins in steps)
    assert (way["to_ns"] > way["from_ns"]).all()
    assert (way["why"].is_not_null() == (way["kind"] == "waits")).all()


def test_one_packets_way_by_hand():
    # behind the tap: ip 200, tcp 500, wake-up 600, IPI 400; reader: interrupt 900, schedule 1500, copy 30 + 90
    way = packet_way(zc.replay(packets([1_000_000]), SIX), 0)
    expected = [("ip", 200), ("tcp", 500), ("wake-up", 600), ("send interrupt", 400), ("interrupt", 900),
                ("schedule", 1500), ("copy", 120)]  # fmt: skip
    assert [(row["stage"], row["to_ns"] - row["from_ns"]) for row in way.iter_rows(named=True)] == expected
    assert set(way["kind"]) == {"works"}


def test_the_second_of_two_packets_waits_for_work_on_the_first():
    way = packet_way(zc.replay(packets([1_000_000, 1_000_001]), SIX), 1)
    first = way.row(0, named=True)
    assert (first["kind"], first["why"]) == ("waits", "protocol of packet 0")


def test_the_slowest_packet_is_the_slowest(journeys):
    took = journeys["copy_copy_ns"] - journeys["arrival_ns"]
    assert took[packet_at(journeys, 1.0)] == took.max()
    assert took[packet_at(journeys, 0.0)] == took.min()


def test_the_critical_path_ends_with_the_copy_and_every_step_begins_where_another_ends(journeys):
    packet = packet_at(journeys, 1.0)
    table = work_around(journeys, packet)
    assert table.columns == list(WORK)
    path = table.filter("critical")
    last = path.sort("to_ns").row(-1, named=True)
    assert (last["packet"], last["stage"], last["to_ns"]) == (packet, "copy", journeys["copy_copy_ns"][packet])
    # no two pieces of the path at the same time: each waited for the one before
    in_order = path.sort("from_ns")
    assert (in_order["from_ns"][1:] >= in_order["to_ns"][:-1]).all()


def test_a_small_window_holds_all_work_that_was_done_in_it(journeys):
    table = work_around(journeys, packet_at(journeys, 1.0))
    seen = {(row["packet"], row["piece"], row["stage"]) for row in table.iter_rows(named=True)}
    assert len(seen) == table.height
    assert not table.filter(~pl.col("critical")).is_empty()


def test_a_window_of_very_much_work_is_bounded():
    many = zc.replay(packets([1000 + at for at in range(20_000)]), SIX)
    assert work_around(many, 19_999).height <= MOST_ROWS


def test_a_packet_that_is_not_there_is_refused(journeys):
    with pytest.raises(ValueError, match="packet must be a row"):
        packet_way(journeys, journeys.height)
    with pytest.raises(ValueError, match="part must be"):
        packet_at(journeys, 2)
    never = journeys.with_columns(copy_copy_ns=pl.lit(None, pl.Int64))
    for asked in (lambda: packet_way(never, 0), lambda: work_around(never, 0), lambda: packet_at(never, 0.5)):
        with pytest.raises(TraceError, match="copied"):
            asked()

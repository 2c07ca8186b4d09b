"""Kleen's patch: what the map, the stall law and the recorded kernel must say."""

import polars as pl
import pytest

from zcanalysis import charts
from zcanalysis.cases.kleen_patch import answer, extremes, verdicts
from zcanalysis.cases.kleen_stalls import rare_stalls, stall_law
from zcanalysis.cases.kleen_workloads import (
    Place,
    ack_stretch,
    class_map,
    drawn,
    gains,
    overtaking,
    patch_map,
    verdict,
)
from zcanalysis.cases.prequeue_kernel import ack_clock, kernel_pairs
from zcanalysis.model.messages import Kernel

SMALL = 76 - 32  # payload that is summed on the spot


@pytest.fixture(scope="module")
def cells() -> pl.DataFrame:
    return patch_map()


def test_a_card_without_sums_sees_no_change_where_every_segment_is_large(cells):
    whole = cells.filter(
        pl.col("checksum") == "card does not sum",
        (pl.col("size_is") == "segment") | pl.col("size_bytes").is_in([1000]),
    )
    assert whole.height > 100
    assert whole["gain"].abs().max() == whole["high"].abs().max() == 0


def test_only_small_segments_can_change_a_card_without_sums(cells):
    changed = cells.filter(pl.col("checksum") == "card does not sum", pl.col("verdict") != "nothing")
    assert set(changed["size_bytes"]) <= {SMALL - 4, 1448 + 32}


def test_a_request_in_one_write_gains_nothing_and_one_in_two_writes_does(cells):
    summed = cells.filter(checksum="card sums")
    assert "helps" not in set(summed.filter(workload="request and response")["verdict"])
    late = summed.filter(pl.col("delay_ms").is_between(20, 120), pl.col("size_bytes") < 1448)
    assert set(late.filter(workload="request in two writes")["verdict"]) == {"helps"}


def test_a_verdict_is_that_of_every_host():
    assert verdict(0.03, 0.5) == "helps"
    assert verdict(-0.5, -0.03) == "hurts"
    assert verdict(-0.02, 0.02) == "nothing"
    assert verdict(-0.03, 0.5) == verdict(0.0, 0.03) == "depends"


def test_a_gain_of_a_time_is_better_where_it_is_shorter():
    place = Place("chatroom, no Nagle", "card does not sum", 1480, 1.0)
    row = gains(*drawn(0), place, Kernel.KLEEN)
    assert row["gain"] == pytest.approx(row["before"] / row["after"] - 1)
    assert row["after"] > row["before"]


def test_the_kernel_knows_two_classes_of_cards():
    classes = class_map()
    assert classes["card sums"].equals(classes["card verifies"].alias("card sums"))
    assert classes["card sums, netfilter hook"].abs().max() == 0


def test_the_table_of_cards_and_the_map_say_the_same(cells):
    both = class_map().join(cells.filter(checksum="card sums"), on=["workload", "size_bytes", "delay_ms"])
    assert both.height == class_map().height
    assert both["card sums"].to_list() == both["gain"].to_list()


def test_the_worst_host_of_all_is_in_the_counted_table_and_the_answer(cells):
    worst = cells.filter(checksum="card sums")["low"].min()
    assert verdicts(cells)["worst host, %"].min() == round(100 * worst)
    assert f"{-worst:.0%}" in answer().sure


def test_the_range_of_the_recordings_is_of_segments_that_the_patch_lets_through():
    pairs = kernel_pairs()
    gain = {row["recording"]: row["gain"] for row in pairs.iter_rows(named=True)}
    sure = answer().sure
    assert f"{gain['software-checksum']:+.1%}" not in sure
    assert f"In {pairs.height - 2} recordings" in sure
    assert f"No measurement covers a gain above {gain['delay-2ms']:+.1%}" in sure


def test_no_stall_lets_more_than_a_window_through():
    law = stall_law()
    assert law["share"].max() <= 1
    several = law.filter(pl.col("in_flight_bytes") > 1448)
    assert several["share"].min() > 0.98
    assert law.filter(in_flight_bytes=5792, stall_ms=150).item(0, "law_mbps") == pytest.approx(0.308907, abs=1e-6)


def test_one_stall_of_40_ms_in_12_6_megabytes_turns_1_4_into_0_9():
    megabytes = rare_stalls(1.4, 0.9).filter(stall_ms=40).item(0, "megabytes")
    assert megabytes == pytest.approx(12.6)
    seconds = 8e-3 * megabytes / 1.4 + 0.040
    assert 8e-3 * megabytes / seconds == pytest.approx(0.9)


def test_the_safe_variant_overtakes_nobody():
    tails = overtaking()
    assert tails.filter(rule="the patch")["overtakers"].min() > 0
    assert tails.filter(rule="the patch, if nobody waits")["overtakers"].max() == 0


def test_two_segments_an_ack_only_while_the_window_can_move():
    rows = {(name, delay): (was, now) for name, delay, was, now in ack_stretch().iter_rows()}
    assert rows["bulk, buffer 4 x the window", 20.0][1] < 4 * 1448 < rows["bulk, buffer 4 x the window", 20.0][0]
    assert min(rows["bulk", 20.0]) > 20 * 1448


def test_the_kernel_gains_over_a_round_trip_what_the_model_says():
    pairs = {row["recording"]: row for row in kernel_pairs().iter_rows(named=True)}
    delayed = pairs.pop("delay-2ms")
    assert delayed["gain"] > 0.05
    assert delayed["model_gain"] == pytest.approx(delayed["gain"], abs=0.04)
    for row in pairs.values():
        assert abs(row["gain"] - row["model_gain"]) < 0.05, row


def test_the_prequeue_stretches_acks_in_kernel_and_model():
    rows = ack_clock()
    for who in ("kernel", "model"):
        bulk = rows.filter(recording="blocking", who=who)
        assert bulk.filter(prequeue="on").item(0, "bytes_each") > 1.2 * bulk.filter(prequeue="off").item(
            0, "bytes_each"
        )
    nearest = rows.pivot("who", index=["recording", "prequeue"], values="acks")
    assert ((nearest["model"] / nearest["kernel"] - 1).abs() < 0.08).all()


def test_the_answer_counts_its_own_map(cells):
    said = answer()
    counted = verdicts(cells)
    assert counted.select(pl.sum("helps", "nothing", "depends", "hurts")).sum_horizontal()[0] == cells.height
    helps = counted.filter(checksum="card sums")["helps"].sum()
    assert f" {helps} of {cells.filter(checksum='card sums').height} " in said.answer
    assert extremes(cells)["gain"].abs().min() > 0.02


def test_the_charts_show_the_tables(cells):
    effect = charts.patch_effect(cells).to_dict()
    assert effect["facet"]["row"]["field"] == "workload"
    assert effect["spec"]["layer"][0]["encoding"]["x"]["title"] == "reader waits for the CPU (ms)"
    stall = charts.stall_cost(stall_law()).to_dict()
    assert stall["params"][0]["bind"]["input"] == "range"
    rows = ack_clock().filter(prequeue="on")
    beside = charts.kernel_beside_model(rows, "bytes_each", "bytes an ACK", format_text="~s", log=True).to_dict()
    assert beside["layer"][1]["encoding"]["x"]["title"] == "bytes an ACK"
    gained = kernel_pairs().select("recording", "gain", who=pl.lit("kernel"))
    ruled = charts.kernel_beside_model(gained, "gain", "gained", format_text="+.0%").to_dict()
    assert [layer["mark"]["type"] for layer in ruled["layer"]] == ["rule", "line", "point"]

"""The fast answer is within its stated error of the exact one, which is that of what_if; parts of time sum to it."""

import math
from pathlib import Path

import polars as pl
import pytest

from zcanalysis.answer import answered
from zcanalysis.exploring import AFTER, BEFORE, explored, ladders, subject_of, transfer_time
from zcanalysis.hosts import preset
from zcanalysis.io.recording import read_recording
from zcanalysis.modelled import FAST_ERROR, FAST_WORST
from zcanalysis.patches import parse_patch
from zcanalysis.scenarios import Scenario
from zcanalysis.whatif import what_if

TRACES = Path(__file__).parent.parent / "traces"
RECORDINGS = ["veth-1500", "veth-9000", "veth-gro", "veth-no-rps", "veth-small-buffer", "veth-cpu-hog"]
CHANGES = [
    "mtu=3000", "mtu=9000", "gro=on", "gro=off", "rps=1", "rps=off", "rcvbuf=65536", "rcvbuf=1048576",
    "competing-load=1", "copy-gbps=40", "cpu-speed=2", "link-gbps=4", "rtt-us=200", "reader-bytes=16384",
    "kernel-bypass", "zero-copy-rx", "hw-checksum=off", "speedup:copy=50", "cpu=shared", "cpu=split", "delack-ms=10",
]  # fmt: skip


def scenario(*texts, **prices):
    return Scenario(
        name="asked", patches=tuple(map(parse_patch, texts)),
        prices={name.replace("__", "."): value for name, value in prices.items()},
    )  # fmt: skip


@pytest.fixture(scope="module")
def subject():
    return subject_of(answered(read_recording(TRACES / "veth-1500")))


@pytest.mark.parametrize("name", RECORDINGS)
def test_fast_and_exact_agree_within_the_stated_error(name):
    here = subject_of(answered(read_recording(TRACES / name)))
    price = here.host.prices()["tcp.skb_ns"].value
    asked = [scenario(text) for text in CHANGES]
    asked += [
        scenario("mtu=9000", "competing-load=1"),
        scenario(tcp__skb_ns=5 * price),
        scenario("rps=off", tcp__skb_ns=0),
    ]
    apart = []
    for one in asked:
        fast, exact = (explored(here, one, exact=how).prediction for how in (False, True))
        assert (fast.applies, fast.why, fast.tier) == (exact.applies, exact.why, exact.tier)
        for edge in ("gbps", "low_gbps", "high_gbps"):
            if getattr(exact, edge) is not None:
                apart.append(abs(math.log(getattr(fast, edge) / getattr(exact, edge))))
    assert len(apart) > 60
    assert max(apart) <= FAST_WORST
    assert sum(one <= FAST_ERROR for one in apart) / len(apart) >= 0.95


def test_exact_is_what_what_if_says(subject):
    asked = scenario("mtu=9000", copy__ns_per_byte=0.03)
    made = explored(subject, asked).prediction
    row = what_if(subject.answer, [asked.patches], prices=asked.prices).row(0, named=True)
    assert (made.gbps, made.low_gbps, made.high_gbps) == (row["predicted_gbps"], row["low_gbps"], row["high_gbps"])
    assert (made.name, made.limit_after) == (row["patch"], row["limit_after"])


def test_the_parts_of_time_sum_to_the_goodput_before_and_after(subject):
    found = explored(subject, scenario("mtu=9000"))
    table = transfer_time(subject, found)
    assert table.get_column("when").unique(maintain_order=True).to_list() == [BEFORE, AFTER]
    total = dict(table.group_by("when").agg(pl.col("amount").sum()).iter_rows())
    assert total[BEFORE] == pytest.approx(8000 / subject.answer.goodput_gbps)
    assert total[AFTER] == pytest.approx(8000 / found.prediction.gbps)
    assert table.group_by("name").len().get_column("len").to_list() == [2] * (table.height // 2)


def test_nothing_changed_has_no_after(subject):
    table = transfer_time(subject, explored(subject, scenario()))
    assert set(table.get_column("when")) == {BEFORE}
    assert set(ladders(subject, explored(subject, scenario())).get_column("when")) == {BEFORE}


def test_ladders_climb_from_the_goodput_to_what_the_sender_allows(subject):
    found = explored(subject, scenario("link-gbps=4"))
    steps = ladders(subject, found)
    before, after = steps.filter(when=BEFORE), steps.filter(when=AFTER)
    assert before.height == after.height == 5
    assert before.get_column("name").equals(after.get_column("name"))
    assert before.item(0, "from") == subject.answer.goodput_gbps
    assert after.item(0, "from") == found.prediction.gbps
    assert before.get_column("amount").sum() > 1
    assert after.get_column("amount").sum() == pytest.approx(0, abs=0.1)  # the link holds it, no stage does
    assert before.item(-1, "to") == pytest.approx(before.item(0, "from") + before.get_column("amount").sum())


def test_a_host_of_2002_is_asked_like_a_recording():
    here = subject_of(preset("quadrics_elan3"))
    exact = explored(here, scenario("cpu-speed=2"))
    row = what_if(preset("quadrics_elan3"), [parse_patch("cpu-speed=2")]).row(0, named=True)
    assert exact.prediction.gbps == row["predicted_gbps"]
    assert exact.prediction.gbps > 1.5 * here.baseline.gbps
    fast = explored(here, scenario("cpu-speed=2"), exact=False)
    assert abs(math.log(fast.prediction.gbps / exact.prediction.gbps)) <= FAST_ERROR
    table = transfer_time(here, exact)
    assert table.filter(when=AFTER).get_column("amount").sum() == pytest.approx(8000 / exact.prediction.gbps)
    assert ladders(here, exact).is_empty()


def test_without_a_host_null_models_answer_and_nothing_is_drawn_of_time():
    here = subject_of(answered(read_recording(TRACES / "veth-1500/capture.pcap.zst")))
    assert here.host is None
    found = explored(here, scenario("mtu=9000"), exact=False)
    assert transfer_time(here, found).is_empty()
    assert ladders(here, found).is_empty()

"""The case of today's kernel: its sums are exact, its words are its tables', its neighbours are neighbours."""

import json
import re

import polars as pl
import pytest

from zcanalysis.cases import modern
from zcanalysis.cases.modern_changes import NEIGHBOURS, of_pairs, validated
from zcanalysis.cases.modern_prices import COPY_PARTS, FEW_PACKETS
from zcanalysis.cases.modern_suspects import (
    IPI_FUNCTIONS,
    NOT_ON_VETH,
    SUSPECT_OF,
    SUSPECTS,
    WAKING,
    largest_fall,
    speed_ups,
    suspects,
)
from zcanalysis.cpu.kernel_stages import NOT_RECEIVE, STAGES, kernel_functions
from zcanalysis.shipped import shipped_trace

LAB_SETTINGS = {"mtu": "mtu", "gro": "receiver_gro", "rps": "rps_cpu"}


@pytest.fixture(scope="module")
def answered():
    return modern.answer()


@pytest.mark.parametrize("recording", modern.RECORDINGS)
def test_the_suspects_add_up_to_the_ceiling_less_the_goodput(answered, recording):
    one = modern.answers()[recording]
    gap_gbps = one.ceiling.gbps - one.goodput_gbps
    for table in (suspects({recording: one})["lost_gbps"], answered.tables[modern.WIDE][recording]):
        assert table.sum() == pytest.approx(gap_gbps, abs=1e-9)
    assert sum(one.blame["lost_gbps"]) == pytest.approx(gap_gbps, abs=1e-9)


def test_a_suspect_has_its_stages_blame(answered):
    one = modern.answers()["veth-1500"]
    stage_gbps = dict(one.blame.select("stage", "lost_gbps").iter_rows())
    lost = dict(suspects({"veth-1500": one}).select("suspect", "lost_gbps").iter_rows())
    assert lost["copy to the user"] == pytest.approx(stage_gbps["copy"])
    assert lost["packet memory"] == pytest.approx(stage_gbps["skb_alloc"] + stage_gbps["skb_free"])
    assert lost[WAKING] == pytest.approx(stage_gbps["hardirq"] + stage_gbps["wakeup_sched"])


def test_telling_the_cpu_of_rps_is_an_interrupt_and_no_driver_work():
    one = modern.answers()["veth-9000"]
    lost = dict(suspects({"veth-9000": one}).select("suspect", "lost_gbps").iter_rows())
    assert lost[WAKING] > 10 * lost["driver and netif_rx"]
    assert {kernel_functions("linux-6").stage[name] for name in IPI_FUNCTIONS} == {"backlog"}


def test_every_stage_of_the_receive_path_is_one_suspects():
    stages = [stage for suspect in SUSPECTS for stage in suspect.stages]
    assert len(stages) == len(set(stages)) == len(SUSPECT_OF)
    assert set(STAGES) - set(stages) == NOT_RECEIVE - {"foreign", "unclassified"}


def test_a_suspect_that_takes_no_less_time_changes_nothing():
    speeds = speed_ups({"veth-1500": modern.answers()["veth-1500"]}, (0, 100))
    goodput_gbps = modern.answers()["veth-1500"].goodput_gbps
    assert speeds.filter(percent=0)["gbps"].to_list() == pytest.approx([goodput_gbps] * (speeds.height // 2))
    assert speeds.filter(percent=100, suspect=modern.COPY)["gbps"].item() > 1.1 * goodput_gbps


def test_the_largest_fall_is_of_the_goodput_before():
    rows = [("a", "copy", 0, 10.0), ("a", "copy", 50, 9.5), ("a", "IP", 0, 10.0), ("a", "IP", 50, 12.0),
            ("b", "copy", 0, 20.0), ("b", "copy", 50, 19.5)]  # fmt: skip
    speeds = pl.DataFrame(rows, schema=["recording", "suspect", "percent", "gbps"], orient="row")
    assert largest_fall(speeds) == pytest.approx(0.05)


def test_recordings_that_stand_for_a_change_differ_in_that_only():
    lab = {name: json.loads((shipped_trace(name) / "host.json").read_text())["lab"] for name in modern.RECORDINGS}
    for (before, change), after in NEIGHBOURS.items():
        differ = {key for key in lab[before] if lab[before][key] != lab[after][key]} - {"name"}
        assert differ == {LAB_SETTINGS[change.partition("=")[0]]}


def test_the_words_say_what_the_tables_hold(answered):
    wide, byte = answered.tables[modern.WIDE], answered.tables[modern.BYTE]
    copy_gbps = wide.filter(suspect=modern.COPY)["veth-1500"].item()
    assert f"the copy is {copy_gbps / wide['veth-1500'].sum():.0%} where" in answered.answer
    assert f"costs {copy_gbps:.1f} Gbit/s in veth-1500" in answered.answer
    payload = dict(byte.select("host", "payload_ns").iter_rows())
    now = [payload[name] for name in modern.STEADY]
    assert f"{payload['host_2002'] / max(now):.0f} to {payload['host_2002'] / min(now):.0f} times" in answered.answer
    paired = answered.tables[modern.MEASURED]
    pairs = of_pairs(paired)
    said = re.search(r"Of (\d+) pairs .*?, (\d+) are foretold within", answered.sure)
    assert said is not None
    assert [int(number) for number in said.groups()] == [pairs.height, pairs["meets"].sum()]
    assert f"{COPY_PARTS[FEW_PACKETS]:.0f}% of the receiver's kernel time" in answered.answer
    gro = paired.filter(change="gro=on").row(0, named=True)
    assert f"x {gro['ratio']:.2f} foretold" in answered.answer
    assert f"x {gro['measured']:.2f} measured" in answered.answer


def test_what_swings_is_only_said_to_be_apart(answered):
    named = [said for said in re.split(r"(?<=\.) (?=[A-Z])", answered.answer) if modern.LARGE in said]
    assert len(named) == 1
    assert named[0].startswith("Shown apart")


def test_a_pair_asked_from_either_side_is_one():
    rows = [("veth-no-rps", "gro=on", True), ("veth-gro", "gro=off", True), ("veth-1500", "rps=off", True),
            ("veth-no-rps", "rps=1", False)]  # fmt: skip
    measured = pl.DataFrame(rows, schema=["recording", "change", "meets"], orient="row")
    pairs = of_pairs(measured)
    assert dict(pairs.iter_rows()) == {"veth-gro and veth-no-rps": True, "veth-1500 and veth-no-rps": False}


def test_what_veth_does_not_have_is_no_zero(answered):
    wide = answered.tables[modern.WIDE]
    absent = wide.filter(pl.col("remark") != "")
    assert absent["suspect"].to_list() == list(NOT_ON_VETH)
    assert absent.select(modern.RECORDINGS).null_count().row(0) == (len(NOT_ON_VETH),) * len(modern.RECORDINGS)
    assert wide.filter(suspect="GRO")["veth-1500"].item() == 0  # off, but it could be on


def test_only_changes_made_alone_are_taken_from_the_validation():
    row = {"patch": "gro=on", "configuration": "mtu=1500", "predicted_ratio": 1.5, "low_ratio": 1.2,
           "high_ratio": 2.0, "measured_ratio": 1.4, "measured_low": 1.3, "measured_high": 1.5, "inside": True,
           "changed": True}  # fmt: skip
    cases = [{"patches": ["gro=on"], "row": row}, {"patches": ["gro=on", "mtu=9000"], "row": row},
             {"patches": ["competing-load=1"], "row": row}]  # fmt: skip
    assert validated({"cases": cases})["measured"].to_list() == [1.4]

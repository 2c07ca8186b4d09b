"""Two sets of recordings: what changed, what chance makes, what CI is told."""

import dataclasses
import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import zcanalysis as zc
from zcanalysis.answer import Answer, answered
from zcanalysis.cli import app
from zcanalysis.comparable import comparable
from zcanalysis.comparison import RECEIVER, VARIANCE_UNKNOWN, compared, comparison_document
from zcanalysis.comparison_text import markdown, verdict
from zcanalysis.io.recording import read_recording
from zcanalysis.tables import COMPARED

TRACES = Path(__file__).parent.parent / "traces"


@pytest.fixture(scope="module")
def large() -> Answer:
    return answered(read_recording(TRACES / "veth-9000"))


def slower(answer: Answer, factor: float) -> Answer:
    """The same answer at another goodput, its CPU time a byte as much larger."""
    costs = answer.costs.with_columns(pl.col("ns_per_byte", "ns_per_packet", "low", "high") / factor)
    return dataclasses.replace(answer, goodput_gbps=(answer.goodput_gbps or 0) * factor, costs=costs)


def runs(answer: Answer, *factors: float) -> list[Answer]:
    return [slower(answer, factor) for factor in factors]


def test_larger_packets_change_first_what_is_done_once_a_packet(shipped_answer, large):
    made = compared([large], [shipped_answer])
    costs = made.table.filter(pl.col("of") == "cost", pl.col("difference") < 0).get_column("quantity").to_list()
    assert costs[0] == RECEIVER
    assert {"ip_rx", "tcp_rx", "skb_free", "sock_queue_lock"} <= set(costs[:6])
    assert {"ip_rx", "tcp_rx"} <= set(made.changed.get_column("quantity"))


def test_one_recording_on_each_side_says_that_the_variance_is_unknown(shipped_answer, large):
    made = compared([large], [shipped_answer])
    assert VARIANCE_UNKNOWN in made.spread
    assert VARIANCE_UNKNOWN in verdict(made)["compared"]


def test_the_same_recording_twice_is_no_change(shipped_answer):
    made = compared([shipped_answer], [shipped_answer])
    assert made.changed.is_empty()
    assert made.regressions == ()
    assert made.table.get_column("difference").abs().max() == 0


def test_noise_is_no_regression_and_a_steady_loss_is(shipped_answer):
    before = runs(shipped_answer, 1.0, 1.03, 0.98, 1.01, 0.97)
    assert compared(runs(shipped_answer, 0.99, 1.02, 0.97, 1.04, 1.0), before).regressions == ()
    made = compared(runs(shipped_answer, 0.85, 0.86, 0.88, 0.84, 0.87), before)
    assert made.regressions == ("goodput", RECEIVER)
    assert compared(runs(shipped_answer, 0.85, 0.86, 0.88, 0.84, 0.87), before, 30).regressions == ()


def test_a_gain_is_a_change_and_no_regression(shipped_answer):
    made = compared(runs(shipped_answer, 1.2, 1.21, 1.19), runs(shipped_answer, 1.0, 1.01, 0.99))
    assert "goodput" in made.changed.get_column("quantity")
    assert made.regressions == ()


def test_the_table_has_its_columns_and_differences_add_up(shipped_answer, large):
    table = zc.compare([large], [shipped_answer])
    assert table.schema == {name: column.dtype for name, column in COMPARED.items()}
    assert table.select((pl.col("value") - pl.col("against") - pl.col("difference")).abs().max()).item() < 1e-9
    costs = table.filter(pl.col("of") == "cost")
    whole = costs.filter(pl.col("quantity") == RECEIVER).item(0, "difference")
    assert costs.filter(pl.col("quantity") != RECEIVER).get_column("difference").sum() == pytest.approx(whole)


def test_an_empty_side_is_refused(shipped_answer):
    with pytest.raises(ValueError, match="at least one recording"):
        zc.compare([], [shipped_answer])


def test_names_of_recordings_are_no_markup(shipped_answer, large):
    recording = dataclasses.replace(shipped_answer.evidence.recording, name="<b>|x`")
    named = dataclasses.replace(
        shipped_answer, evidence=dataclasses.replace(shipped_answer.evidence, recording=recording)
    )
    made = compared([named], [large])
    assert comparison_document(made)["recordings"] == ["<b>|x`"]
    assert "<b>" not in markdown(made)


def test_the_command_takes_all_names_behind_against_and_exits_three_for_a_regression():
    small, big = str(TRACES / "veth-1500"), str(TRACES / "veth-9000")
    done = CliRunner().invoke(app, ["compare", small, small, "--against", big, big, "--json"])
    document = json.loads(done.stdout)
    assert (document["recordings"], document["against"]) == (["veth-1500"] * 2, ["veth-9000"] * 2)
    assert document["regressions"] == ["goodput", RECEIVER]
    assert done.exit_code == 3
    assert CliRunner().invoke(app, ["compare", big, "--against", big]).exit_code == 0


def test_the_threshold_is_asked_of_the_command():
    small, big = str(TRACES / "veth-1500"), str(TRACES / "veth-9000")
    asked = ["compare", small, small, "--against", big, big, "--fail-over", "90", "--markdown"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0
    assert "| receiver, all stages |" in done.stdout


def test_a_recording_is_compared_without_a_model_as_its_answer_is_with_one(shipped_answer):
    ours, theirs = comparable(read_recording(TRACES / "veth-1500")), comparable(shipped_answer)
    assert ours.quantities == theirs.quantities
    assert (ours.name, ours.path, ours.limit) == (theirs.name, theirs.path, theirs.limit)
    assert ours.profile.chains.equals(theirs.profile.chains)
    assert ours.profile.functions.equals(theirs.profile.functions)

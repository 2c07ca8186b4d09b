"""A sweep: one row a value, every combination of several patches, and the same figures as one prediction at a time."""

import json
from pathlib import Path

import polars as pl
import pytest

import zcanalysis as zc
from tests.test_report import HOSTILE, folder  # noqa: F401 - a fixture
from zcanalysis.answer import Answer, answered
from zcanalysis.errors import PatchError
from zcanalysis.io.recording import read_recording
from zcanalysis.patches import mtu, parse_patch
from zcanalysis.prediction_text import print_sweep
from zcanalysis.sweeps import parse_sweep, sweep_document, swept
from zcanalysis.tables import SWEEP
from zcanalysis.whatif import predict

TRACES = Path(__file__).parent.parent / "traces"


@pytest.fixture(scope="module")
def shipped() -> Answer:
    return answered(read_recording(TRACES / "veth-1500"))


def test_each_value_is_one_row_with_the_figures_of_its_own_prediction(shipped):
    table = zc.sweep(shipped, {"mtu": [1500, 3000, 9000]})
    assert table.schema == {name: column.dtype for name, column in SWEEP.items()}
    assert table.get_column("value").to_list() == [1500, 3000, 9000]
    alone = predict(shipped, [mtu(3000)])
    row = table.row(1, named=True)
    assert (row["predicted_gbps"], row["low_gbps"], row["high_gbps"], row["limit_after"]) == pytest.approx(
        (alone.gbps, alone.low_gbps, alone.high_gbps, alone.limit_after)
    )
    assert {one["cpu"]: one["share"] for one in row["cpu_busy_after"]} == pytest.approx(dict(alone.busy))


def test_the_value_that_is_in_place_keeps_the_goodput_and_says_so(shipped):
    row = zc.sweep(shipped, {"mtu": [1500]}).row(0, named=True)
    assert (row["applies"], row["predicted_gbps"]) == (False, pytest.approx(shipped.goodput_gbps))
    assert "already" in row["why"]


def test_several_patches_are_swept_in_every_combination(shipped):
    table = zc.sweep(shipped, {"mtu": [1500, 9000], "gro": [False, True]})
    assert table.get_column("patch").to_list() == [
        "mtu=1500 + gro=off", "mtu=1500 + gro=on", "mtu=9000 + gro=off", "mtu=9000 + gro=on",
    ]  # fmt: skip
    assert table.get_column("others").to_list() == ["gro=off", "gro=on"] * 2
    assert zc.sweep(shipped, {"rps": [None, 0]}).get_column("value").to_list() == [None, 0]


def test_texts_mean_values_and_a_value_given_twice_is_one():
    chosen = parse_sweep(["mtu=1500,9000,1500", "speedup:copy=0,50", "gro"])
    assert [list(map(str, some)) for some in chosen] == [
        ["mtu=1500", "mtu=9000"], ["speedup:copy=0", "speedup:copy=50"], ["gro=on"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["mtu=1500,"], "expected bytes, 576 to 65535, got ''"),
        (["mtu=1500,x"], "got 'x'"),
        (["mtu=1500", "mtu=9000"], "patch mtu is given twice"),
        (["mtu"], "patch mtu needs a value"),
        (["mtv=1"], "did you mean mtu"),
        (["=1,2"], "no patch ''"),
        ([], "1 to 1000 combinations of values, got 0"),
        ([f"mtu={','.join(map(str, range(1000, 1040)))}", f"rcvbuf={','.join(map(str, range(5000, 5040)))}"], "1600"),
    ],
)
def test_what_cannot_be_swept_is_one_line(texts, said):
    with pytest.raises(PatchError) as failed:
        parse_sweep(texts)
    assert said in str(failed.value)
    assert "\n" not in str(failed.value)


def test_a_function_call_with_nothing_to_sweep_or_a_bad_value_is_refused(shipped):
    for values in ({}, {"mtu": []}, {"mtu": [5]}, {"mtu": ["\x1b[2J"]}):
        with pytest.raises(PatchError):
            zc.sweep(shipped, values)


def test_the_document_is_plain_json_and_claims_confidence_only_for_replays(shipped):
    replayed = sweep_document(shipped, swept(shipped, parse_sweep(["mtu=1500,9000"])))
    assert (replayed["confidence"], replayed["no_model"]) == (0.9, None)
    assert set(replayed["sweep"][1]) == set(SWEEP)
    assert all(0 <= share <= 1.01 for share in replayed["sweep"][1]["cpu_busy_after"].values())
    json.dumps(replayed, allow_nan=False)
    unpriced = sweep_document(shipped, swept(shipped, parse_sweep(["mtu=9000", "flows=4"])))
    assert unpriced["confidence"] is None


def test_a_recording_without_samples_has_rows_and_no_figures(folder):  # noqa: F811
    (folder / "perf.txt").unlink()
    answer = answered(read_recording(folder))
    document = sweep_document(answer, swept(answer, [[parse_patch("mtu=9000")]]))
    assert document["sweep"][0]["predicted_gbps"] is None
    assert "no CPU samples" in document["no_model"]


def test_the_terminal_shows_a_bar_for_each_value_within_100_columns(shipped, capsys):
    chosen = parse_sweep(["mtu=1500,9000", "gro=on,off"])
    table = swept(shipped, chosen)
    print_sweep(sweep_document(shipped, table))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    most = table.sort("predicted_gbps", descending=True).row(0, named=True)
    (best,) = [line for line in lines if line.startswith(most["patch"])]
    assert best.endswith(" " + "#" * 16)
    assert "mtu=1500 + gro=off: the MTU is 1500 already" in "\n".join(lines)


def test_text_of_a_recording_cannot_drive_the_terminal(folder, capsys):  # noqa: F811
    answer = answered(read_recording(folder))
    document = sweep_document(answer, swept(answer, parse_sweep(["mtu=9000"])))
    print_sweep(document | {"recording": f"\x1b[2J{HOSTILE}", "no_model": "\x1b[2J"})
    assert "\x1b" not in capsys.readouterr().out


def test_a_ladder_is_a_public_table_that_sums_to_the_climb(shipped):
    table = zc.ladder(shipped)
    rows = table.select(pl.col("part_gbps").sum(), pl.col("gain_last_gbps").min())
    assert rows.item(0, 0) >= table.get_column("gain_alone_gbps").max() - 1e-6
    assert zc.calibrate(shipped) == shipped.model.calibration.host

"""A prediction on a screen: how sure, what it rests on, what simpler arithmetic says, before and after."""

from dataclasses import replace
from pathlib import Path

import pytest

from zcanalysis.answer import Answer, answered
from zcanalysis.io.recording import read_recording
from zcanalysis.patches import mtu
from zcanalysis.prediction_text import print_prediction
from zcanalysis.terminal import print_answer
from zcanalysis.whatif import predict_document

TRACES = Path(__file__).parent.parent / "traces"


@pytest.fixture(scope="module")
def shipped() -> Answer:
    return answered(read_recording(TRACES / "veth-1500"))


def test_a_replayed_prediction_says_how_sure_it_is_and_what_limits_then(shipped, capsys):
    document = predict_document(shipped, [mtu(9000)])
    print_prediction(document)
    said = capsys.readouterr().out
    (predicted,) = [line for line in said.splitlines() if line.startswith("predicted")]
    assert predicted.endswith(", 90%")
    assert "a host calibrated from this recording" in said
    assert f"limit      {document['limit_before']} -> {document['limit_after']}" in said
    assert "busy then  CPU 0 " in said
    for words in ("no change: ", "share of samples removed: ", "per packet and byte (Amdahl): "):
        assert words in said


def test_a_prediction_of_null_models_claims_no_confidence(shipped, capsys):
    print_prediction(predict_document(replace(shipped, model=None), [mtu(9000)]))
    said = capsys.readouterr().out
    assert "90%" not in said
    assert "null models only: the range is what they span, without confidence" in said


def test_the_blame_says_what_fixing_each_stage_gives_in_100_columns(shipped, capsys):
    print_answer(shipped, None)
    lines = capsys.readouterr().out.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("where the missing bandwidth went"))
    table = lines[start : start + 20]
    assert max(map(len, table)) <= 100
    assert table[1].split() == ["fixing", "it", "fixing", "it"]
    (copy,) = [line for line in table if line.startswith("  copy to user")]
    gain = shipped.blame.filter(stage="copy").item(0, "gain_alone_gbps")
    assert copy.split()[5] == ("0" if abs(gain) < 0.05 else f"{gain:+.1f}")


def test_without_a_model_there_are_no_columns_of_gains(shipped, capsys):
    without = shipped.blame.with_columns(gain_alone_gbps=None, gain_last_gbps=None)
    print_answer(replace(shipped, model=None, no_model="no price: \x1b[2J[bold]why", blame=without), None)
    said = capsys.readouterr().out
    assert "no replay  no price: \N{REPLACEMENT CHARACTER}[2J[bold]why" in said
    assert "fixing it" not in said
    assert "what would help (null models)" in said

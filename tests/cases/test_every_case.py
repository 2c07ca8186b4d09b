"""What holds of every case, whoever wrote it."""

import json

import pytest

from zcanalysis import cli
from zcanalysis.cases import CASES, case
from zcanalysis.errors import ZcError


@pytest.mark.parametrize("name", CASES)
def test_a_case_answers_in_words_and_in_json(name, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["zcanalysis", "case", name])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert (ended.value.code or 0, said.err) == (0, "")
    answered = case(name)
    document = json.loads(json.dumps(answered.document(), allow_nan=False))
    assert document["question"]
    assert all(len(document[part]) > 20 for part in ("answer", "sure", "next_step"))
    assert all(document["tables"].values())
    assert answered.answer.split()[0] in said.out


@pytest.mark.parametrize("name", CASES)
def test_every_number_that_went_in_says_where_it_is_from(name):
    rows = case(name).assumptions
    assert set(rows["origin"]) <= {"measured", "calibrated", "published", "assumed"}
    assert rows["source"].str.len_chars().min() > 0
    assert (rows["low"].fill_null(0) <= rows["high"].fill_null(float("inf"))).all()


def test_an_unknown_case_is_refused():
    with pytest.raises(ZcError, match="no case 'elan5'"):
        case("elan5")

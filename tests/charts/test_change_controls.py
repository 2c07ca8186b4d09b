"""The controls of combined changes: one bound input a change, rows found by what is set, nothing worked out."""

import pytest

from zcanalysis import charts
from zcanalysis.combinations import combined_changes
from zcanalysis.model_figures import known_rates


@pytest.fixture(scope="module")
def combined(shipped_answer):
    return combined_changes(shipped_answer)


@pytest.fixture(scope="module")
def spec(combined, shipped_answer):
    return charts.combinations(combined, known_rates(shipped_answer)).to_dict()


def test_every_control_has_an_input_with_its_options(spec, combined):
    bound = [(one["value"], one["bind"]) for one in spec["params"]]
    assert bound == [
        ("", {"input": "radio", "name": one.title, "options": list(one.options), "labels": list(one.labels)})
        for one in combined.controls
    ]


def test_rows_are_found_by_the_inputs_in_the_order_of_the_key(spec, combined):
    names = " + '|' + ".join(one["name"] for one in spec["params"])
    layers = [layer for view in spec["vconcat"] for layer in view["layer"]]
    filters = [step["filter"] for layer in layers for step in layer.get("transform", []) if "filter" in step]
    assert set(filters) == {f"datum.key == {names}"}
    assert len(filters) == 6  # three lines of words; bar, interval and words of the changed host


def test_the_numbers_are_the_tables_own_on_a_scale_that_stays(spec, combined, shipped_answer):
    rows = [rows for rows in spec["datasets"].values() if "key" in rows[0]]
    assert [row["predicted_gbps"] for row in rows[0]] == combined.table["predicted_gbps"].to_list()
    known = next(rows for rows in spec["datasets"].values() if rows[0]["row"] == "ceiling")
    assert [row["predicted_gbps"] for row in known] == [shipped_answer.ceiling.gbps, shipped_answer.goodput_gbps]
    x = spec["vconcat"][1]["layer"][0]["encoding"]["x"]
    assert x["title"] == "goodput (Gbit/s)"
    assert x["scale"]["domain"] == [0, combined.table["high_gbps"].max()]

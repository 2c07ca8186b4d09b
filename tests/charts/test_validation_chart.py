"""The chart of a validation: what is foretold against what is measured, on the same logarithmic axes."""

import polars as pl
import pytest

from tests.lab.test_validation import document_of, outcomes
from zcanalysis import charts
from zcanalysis.charts.theme import SLATE, WARM_GREY
from zcanalysis.lab.validation_document import validation_table
from zcanalysis.tables import VALIDATION, polars_schema


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return validation_table(document_of(*outcomes()))


def rows_of(spec: dict, layer: int) -> list[dict]:
    return spec["datasets"][spec["layer"][layer]["data"]["name"]]


def test_both_axes_are_logarithmic_and_the_same(table):
    spec = charts.validation(table).to_dict()
    scales = [spec["layer"][0]["encoding"][axis]["scale"] for axis in ("x", "y")]
    assert scales[0] == scales[1]
    assert scales[0]["type"] == "log"
    low, high = scales[0]["domain"]
    assert low < 1 < high
    assert low < 1.0  # no change
    assert high > 5.0  # the upper bound of the case foretold at 4
    assert spec["layer"][0]["encoding"]["x"]["title"] == "measured: goodput with the patches over without"


def test_the_diagonal_goes_from_end_to_end(table):
    spec = charts.validation(table).to_dict()
    low, high = spec["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert rows_of(spec, 0) == [{"measured_ratio": end, "predicted_ratio": end} for end in (low, high)]


def test_nulls_are_grey_and_say_which_they_are(table):
    spec = charts.validation(table).to_dict()
    assert spec["layer"][1]["mark"]["color"] == WARM_GREY
    said = {(row["patch"], row["null model"]): row["ratio"] for row in rows_of(spec, 1)}
    assert said[("mtu=9000", "no change")] == pytest.approx(1)
    assert said[("mtu=9000", "share of samples removed")] == pytest.approx(4)
    assert len(said) == 4  # Amdahl is silent in both


def test_each_case_is_a_point_with_two_rules_in_the_colour_of_its_kind(table):
    spec = charts.validation(table).to_dict()
    upright, level, points = spec["layer"][2:]
    assert [each["mark"]["type"] for each in (upright, level, points)] == ["rule", "rule", "point"]
    assert upright["encoding"]["y2"]["field"] == "high_ratio"
    assert level["encoding"]["x2"]["field"] == "measured_high"
    colours = points["encoding"]["color"]["scale"]
    assert colours["domain"] == ["mtu", "several"]
    assert colours["range"][-1] == SLATE
    drawn = {row["patch"]: row for row in rows_of(spec, 4)}
    assert drawn["gro=on+rps=off"]["predicted_ratio"] == pytest.approx(4)
    assert {"configuration", "patch", "error", "limit_after", "at_limit"} <= {
        tip["field"] for tip in points["encoding"]["tooltip"]
    }


def test_the_three_marks_of_a_case_share_one_legend(table):
    spec = charts.validation(table).to_dict()
    assert "resolve" not in spec
    assert len({str(layer["encoding"]["color"]) for layer in spec["layer"][2:]}) == 1


def test_a_silent_prediction_shows_its_nulls_only(table):
    silent = table.with_columns(predicted_ratio=pl.lit(None, pl.Float64))
    spec = charts.validation(silent).to_dict()
    assert len(rows_of(spec, 1)) == 4
    assert "datasets" in spec
    assert rows_of(spec, 4) == []


def test_a_table_without_rows_is_a_chart_all_the_same():
    assert charts.validation(pl.DataFrame(schema=polars_schema(VALIDATION))).to_dict()

"""Charts of a notebook that its HTML export keeps."""

import json
import re

import altair as alt
import polars as pl
import pytest
from IPython.core.interactiveshell import InteractiveShell

from zcanalysis.charts.notebook_page import claims_hold, drawn, in_notebook


def test_the_text_of_a_chart_cannot_end_its_script():
    hostile = "</SCRIPT><script>alert(1)</script><!--"
    spec = alt.Chart(pl.DataFrame({"a": [hostile]})).mark_point().encode(x="a:N").to_dict()
    html = drawn(spec)["text/html"]
    assert html.lower().count("</script") == html.lower().count("<script") == 1
    inside = re.search(r'getElementById\("chart-\w+"\), (\{.*\}), \{renderer', html)
    assert inside is not None
    assert json.loads(inside.group(1)) == spec


def test_two_charts_are_drawn_in_two_places():
    spec = alt.Chart(pl.DataFrame({"a": [1]})).mark_point().encode(x="a:Q").to_dict()
    first, second = (re.search(r"chart-\w+", drawn(spec)["text/html"]) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.group() != second.group()


def test_a_notebook_shows_tables_for_people():
    shell = InteractiveShell.instance()
    try:
        with alt.renderers.enable("default"):  # and as it was, afterwards
            in_notebook()
        shown, _ = shell.display_formatter.format(pl.DataFrame({"a": ["b"]}))
    finally:
        InteractiveShell.clear_instance()
    assert ">b</td>" in shown["text/html"]


def test_claims_are_listed_if_all_hold_and_those_that_fail_are_named():
    assert claims_hold({"two is even": True, "three is odd": True}).data.endswith("- two is even\n- three is odd")
    with pytest.raises(AssertionError, match=r"^does not hold: four is odd$"):
        claims_hold({"two is even": True, "four is odd": False})

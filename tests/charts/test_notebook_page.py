"""Charts of a notebook that its HTML export keeps."""

import json
import re

import altair as alt
import polars as pl

from zcanalysis.charts.notebook_page import drawn, page_table


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


def test_a_table_of_a_page_is_text_without_quotes_and_cannot_end_it():
    told = {"what": ["a <b>", None], "rate": [1_360_071.0, 12_345.6], "near": [True, False], "rows": [3, 4]}
    page = page_table(pl.DataFrame(told)).data
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in page.split("<tr>")[2:]]
    assert rows == [["a &lt;b&gt;", "1,360,071", "yes", "3"], ["", "12,350", "no", "4"]]
    assert re.findall(r'<th style="text-align: (\w+)', page) == ["left", "right", "left", "right"]

"""What holds for every chart in `charts.__all__`, drawn of shipped recordings and cases; a new one needs an exhibit."""

import json
import re
from functools import cache
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest
import vl_convert

from tests.charts import gallery
from tests.charts.colour_vision import contrast
from tests.charts.small_tables import SMALL
from zcanalysis import charts
from zcanalysis.charts.theme import BACKGROUNDS, LINES

MOST_ROWS = 5000  # what a page draws at once
COLUMN_PIXELS = 1072 - 38  # the report's column at 1200 pixels, less the menu's room
CORNER = re.compile(r"[ML]\s*(-?[\d.e-]+)[, ]\s*(-?[\d.e-]+)")
PANELS = ("layer", "vconcat", "hconcat", "concat")
every_chart = pytest.mark.parametrize("name", charts.__all__)
UNIT = re.compile(r"\(.+\)|Gbit/s|Mbit/s|bits|crossings of memory a byte|cycles a byte")
NO_UNIT = re.compile(r"share|part of|of all|of those|over|gained|probable|rate after")  # shares and ratios


@cache
def spec_of(name: str) -> dict[str, Any]:
    chart = SMALL[name]() if name in SMALL else gallery.drawn(name)
    return chart.to_dict()


def parts(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """What a view is composed of."""
    return [part for name in PANELS for part in spec.get(name, [])] + ([spec["spec"]] if "spec" in spec else [])


def views(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Every view with marks."""
    return [spec] * ("mark" in spec) + [view for part in parts(spec) for view in views(part)]


def channels(spec: dict[str, Any], *names: str) -> list[dict[str, Any]]:
    """These channels of a view and of all that it is composed of."""
    own = [spec.get("encoding", {}).get(name) for name in names]
    return [one for one in own if one] + [one for part in parts(spec) for one in channels(part, *names)]


def test_every_chart_has_an_exhibit_and_every_exhibit_a_chart():
    assert set(charts.__all__) == set(gallery.EXHIBITS)


@every_chart
def test_a_screen_reader_is_told_what_the_picture_shows(name):
    says = spec_of(name).get("description", "")
    assert len(says.split()) >= 12
    assert says.endswith(".")


@every_chart
def test_measured_axes_have_a_title_with_a_unit(name):
    axes = [one for one in channels(spec_of(name), "x", "y") if one.get("type") == "quantitative" and "field" in one]
    shown = [one for one in axes if one.get("axis", {}) is not None and one.get("title")]
    for axis in shown:
        per_cent = "%" in axis.get("axis", {}).get("format", "")
        assert per_cent or UNIT.search(axis["title"]) or NO_UNIT.search(axis["title"]), axis["title"]
    assert shown or not axes or all(one.get("axis", {}) is None for one in axes)


@every_chart
def test_a_chart_encodes_columns_that_its_rows_have(name):
    spec = spec_of(name)
    columns = {column for rows in spec.get("datasets", {}).values() for row in rows[:1] for column in row}
    computed = set(re.findall(r'"as": "([^"]+)"', json.dumps(spec)))
    fields = {one["field"] for one in channels(spec, "x", "y", "color", "text") if "field" in one}
    assert fields
    assert fields <= columns | computed


def test_what_the_charts_of_packets_are_made_of_is_much_more():
    assert gallery.recording().packets.select(pl.len()).collect().item() > 20 * MOST_ROWS
    assert gallery.journeys().height > 3 * MOST_ROWS


@every_chart
def test_a_chart_has_few_rows(name):
    assert 0 < sum(len(rows) for rows in spec_of(name)["datasets"].values()) <= MOST_ROWS


def marks_and_outlines(spec: dict[str, Any]) -> list[str]:
    """Colours that marks have by themselves or from a scale; of what is outlined in `LINES` that one."""
    found = []
    for view in views(spec):
        mark = view["mark"] if isinstance(view["mark"], dict) else {}
        if mark.get("stroke") == LINES:
            found.append(LINES)
            continue
        found += [mark[key] for key in ("color", "fill", "stroke") if isinstance(mark.get(key), str)]
        scales = [one.get("scale") or {} for one in channels(view, "color", "stroke")]
        found += [shade for scale in scales for shade in scale.get("range", []) if isinstance(shade, str)]
    return found


@every_chart
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_marks_stand_out_in_both_looks(name, dark):
    for colour in marks_and_outlines(spec_of(name)):
        assert contrast(colour, BACKGROUNDS[dark]) >= 3, colour


@every_chart
def test_a_chart_is_drawn_without_a_browser_and_nothing_is_cut_off(name):
    root = ElementTree.fromstring(vl_convert.vegalite_to_svg(spec_of(name), vl_version="6.4"))
    width, height = (float(root.get(side).removesuffix("px")) for side in ("width", "height"))
    assert 100 < width <= COLUMN_PIXELS
    assert 40 < height < 3000
    points = [point for place in placed(root) for point in place]
    assert points
    assert all(-1 <= x <= width + 1 and -1 <= y <= height + 1 for x, y in points)


def placed(element: ElementTree.Element, x: float = 0, y: float = 0) -> list[list[tuple[float, float]]]:
    """Corners of what is drawn, and where texts begin; what is in a clipped group cannot reach beyond it."""
    if move := re.match(r"translate\(([-\d.e]+),\s*([-\d.e]+)\)", element.get("transform", "")):
        x, y = x + float(move[1]), y + float(move[2])
    if element.get("clip-path"):
        return []
    corners = CORNER.findall(element.get("d", ""))
    found = [[(x + float(a), y + float(b)) for a, b in corners]] if corners else []
    if element.tag.endswith("text") and "".join(element.itertext()).strip():
        found.append([(x, y)])
    return found + [place for child in element for place in placed(child, x, y)]

"""The one look: colours that stand out from both backgrounds and from each other, with any colour vision."""

from itertools import combinations, pairwise

import altair as alt
import numpy as np
import polars as pl
import pytest
import vl_convert

from tests.charts.colour_vision import apart, contrast, least_apart
from zcanalysis.charts import theme
from zcanalysis.charts.before_after import KIND_COLOURS
from zcanalysis.charts.limit_bands import LIMIT_COLOURS
from zcanalysis.charts.rate_over_time import PHASE_COLOURS

GRAPHICS, TEXT = 3.0, 4.5  # WCAG 2.2, 1.4.11 and 1.4.3
NEIGHBOURS_APART, ANY_APART = 12.0, 6.0  # CIEDE2000
PALE = (theme.PALE_BLUE, theme.PALE_RED, theme.PALE_TEAL, theme.PALE_TAN, theme.PALE_GREY, *theme.LESS_SAME_MORE,
        *theme.LESS_TO_MORE[:3])  # fmt: skip
LOOKS = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
PALETTES = {
    "groups": theme.GROUP_COLOURS, "wire": theme.WIRE_COLOURS, "hypotheses": theme.HYPOTHESIS_COLOURS,
    "limits": LIMIT_COLOURS, "phases": PHASE_COLOURS, "outcomes": KIND_COLOURS,
}  # fmt: skip


def test_the_difference_of_colours_is_the_published_one():
    # Sharma, Wu, Dalal 2005, table 1: pairs 1, 7, 17, 25 and 34
    pairs = [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425), ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.5, 0), (73, 25, -18), 27.1492), ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ]  # fmt: skip
    for one, other, published in pairs:
        assert apart(np.array(one), np.array(other)) == pytest.approx(published, abs=1e-4)


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.01)  # the grey that all guides name


@LOOKS
@pytest.mark.parametrize("palette", PALETTES)
def test_every_mark_stands_out_from_the_background(palette, dark):
    for name, colour in PALETTES[palette].items():
        assert contrast(colour, theme.BACKGROUNDS[dark]) >= GRAPHICS, name


@LOOKS
def test_text_is_legible(dark):
    config = theme.look(dark=dark)
    inks = {
        config[part][key]
        for part in ("axis", "legend", "header", "title", "text")
        for key in config[part]
        if key in ("color", "labelColor", "titleColor", "subtitleColor")
    }
    inks |= {style["color"] for name, style in config["style"].items() if name in ("ink", "soft")}
    assert len(inks) == 2
    assert all(contrast(ink, config["background"]) >= TEXT for ink in inks)
    assert contrast(config["axis"]["domainColor"], config["background"]) >= GRAPHICS


def test_groups_that_lie_upon_each_other_differ_for_everybody():
    for (one, first), (other, second) in pairwise(theme.GROUP_COLOURS.items()):
        assert least_apart(first, second) >= NEIGHBOURS_APART, (one, other)


@pytest.mark.parametrize("palette", PALETTES)
def test_no_two_colours_of_a_picture_are_alike_for_anybody(palette):
    for one, other in combinations(sorted(set(PALETTES[palette].values())), 2):
        assert least_apart(one, other) >= ANY_APART, (one, other)


def test_text_on_pale_shades_is_legible_in_both_looks():
    for dark in (False, True):
        ink = theme.look(dark=dark)["style"]["pale"]["color"]
        assert all(contrast(ink, shade) >= TEXT for shade in PALE)


def test_shades_of_a_quantity_grow_darker_for_everybody():
    brightness = [contrast(shade, "#000000") for shade in theme.LESS_TO_MORE]
    assert brightness == sorted(brightness, reverse=True)
    for one, other in pairwise(theme.LESS_TO_MORE):
        assert least_apart(one, other) >= NEIGHBOURS_APART


@LOOKS
def test_ink_comes_from_the_look_alone(dark):
    table = pl.DataFrame({"x": [1.0], "y": [1.0], "says": ["here"]})
    base = alt.Chart(table).encode(x="x:Q", y="y:Q")
    layers = base.mark_rule(), base.mark_text().encode(text="says:N"), base.mark_tick(), base.mark_point(style="soft")
    spec = theme.dressed(alt.layer(*layers), "one point").to_dict()
    assert spec["description"] == "one point"
    spec["config"] = theme.look(dark=dark)
    svg = vl_convert.vegalite_to_svg(spec, vl_version="6.4")
    assert theme.INK[dark] in svg
    assert theme.SOFT_INK[dark] in svg
    assert theme.INK[not dark] not in svg
    assert theme.SOFT_INK[not dark] not in svg

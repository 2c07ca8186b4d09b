"""Which call chains take more of the time than before, and which less?"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import altair as alt
import polars as pl

from zcanalysis.charts.flame_boxes import boxes, height, zoomed
from zcanalysis.charts.theme import LESS_SAME_MORE, dressed
from zcanalysis.cpu.flame_difference import Unit

MOST_SHOWN_SHARE: Final = 0.1
"""Shares of two wholes change little: a larger change has the strongest colour too."""
SAYS: Final = (
    "Two profiles as one flame graph. The width of a box is the mean of {before} and {after}, with all that it calls, "
    "over that of the whole; red took more {of} {after}, blue less, pale the same."
)


class _Words(NamedTuple):
    """How one unit is told."""

    after: str
    of: str
    axis: str
    legend: str
    ticks: str
    tooltip: str
    number: str
    scale: Literal["linear", "sqrt"]


WORDS: Final[Mapping[Unit, _Words]] = {
    "share": _Words(
        "after", "of the time", "share of the time, mean of before and after", "share after less share before", "+.0%",
        "share {}", ".2%", "linear",
    ),
    "ns/KB": _Words(
        "now", "CPU time per byte of payload", "share of the CPU time per byte of payload, mean of before and now",
        "now less before (ns per 1,000 bytes of payload)", "+.2~r", "ns/KB {}", ".3~g", "sqrt",
    ),
}  # fmt: skip


def flame_changes(frames: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Differential flame graph, red for more and blue for less; a click zooms, a double click shows all.

    Parameters
    ----------
    frames
        The FLAME_DIFFERENCE table, as `zcanalysis.compare_flames` gives it of recordings, and
        `zcanalysis.cpu.flame_difference.flame_difference` of any folded stacks.
    """
    words = WORDS[frames.item(0, "unit")]
    shown = frames.drop("unit").with_columns(
        (pl.col("after") - pl.col("before")).round(5).alias("change"), pl.col("before", "after").round(5)
    )
    drawn = boxes(shown, words.axis, pale=True).encode(
        color=_colour(shown, words),
        tooltip=[
            alt.Tooltip("name:N", title="function"),
            alt.Tooltip("before:Q", title=words.tooltip.format("before"), format=words.number),
            alt.Tooltip("after:Q", title=words.tooltip.format(words.after), format=words.number),
            alt.Tooltip("change:Q", title="more, or less", format=f"+{words.number}"),
        ],
    )
    told = SAYS.format(before="before", after=words.after, of=words.of)
    return dressed(zoomed(drawn, shown, pale=True).properties(height=height(shown)), told)


def _colour(shown: pl.DataFrame, words: _Words) -> alt.Color:
    """Times per byte may all fall together: there the root of a change lets small ones be seen beside the largest."""
    largest = max(map(abs, shown.get_column("change")))
    most = largest or 1.0 if words.scale == "sqrt" else MOST_SHOWN_SHARE
    scale = alt.Scale(
        type=words.scale, domain=[-most, 0, most], range=list(LESS_SAME_MORE), clamp=True, interpolate="lab"
    )
    part = 1 / 4 if words.scale == "sqrt" else 1 / 2  # half way to the strongest colour
    ticks = [-most, -most * part, 0, most * part, most]
    legend = alt.Legend(orient="bottom", format=words.ticks, values=ticks, gradientLength=300, titleLimit=400)
    return alt.Color("change:Q", scale=scale, title=words.legend, legend=legend)

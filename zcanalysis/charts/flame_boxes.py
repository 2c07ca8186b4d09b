"""Boxes of flame graphs: a click zooms, a double click shows all again, a search box marks functions."""

from typing import Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import LINES, WIDTH

PIXELS_PER_CHARACTER: Final = 6.4
ROW_PIXELS: Final = 17
FEWEST_CHARACTERS: Final = 3
FLAME_WIDTH: Final = WIDTH + 100
CLICKED: Final = "flamezoom"
FROM: Final = f"({CLICKED}.start ? {CLICKED}.start[0] : 0)"
TO: Final = f"({CLICKED}.end ? {CLICKED}.end[0] : 1)"
SHADE: Final = "flamesearch == '' || indexof(lower(datum.name), lower(flamesearch)) >= 0 ? {} : 0.2"
"""Light enough for ink upon it. No pattern is searched for: whatever is typed, or pasted, finds itself."""


def height(frames: pl.DataFrame) -> int:
    """Pixels for all rows of these frames."""
    return ROW_PIXELS * (int(frames.get_column("depth").max() or 0) + 1)  # type: ignore[arg-type]


def boxes(frames: pl.DataFrame, title: str, *, only: alt.Parameter | None = None, pale: bool = False) -> alt.Chart:
    """The frames as boxes, cut at the edges of what is zoomed into.

    Parameters
    ----------
    frames
        With ``depth``, ``start``, ``end``, ``name``; whoever calls adds colour and tooltip.
    title
        Of the axis: what the width is a share of.
    only
        A selection of frames.
    pale
        The colours are light enough for text as they are, in every look: nothing shines through.
    """
    x = alt.X(
        "start:Q", title=title, axis=alt.Axis(format=".3~%"),
        scale=alt.Scale(domain=[alt.expr(FROM), alt.expr(TO)], nice=False, zero=False),
    )  # fmt: skip
    rows = int(frames.get_column("depth").max() or 0) + 1  # type: ignore[arg-type]
    shade = alt.expr(SHADE.format(1 if pale else 0.55))
    return (
        _visible(frames, only)
        .mark_rect(clip=True, stroke=LINES, strokeWidth=0.5, cursor="pointer", fillOpacity=shade)
        .encode(
            x=x,
            x2="end:Q",
            y=alt.Y("depth:Q", title=None, axis=None, scale=alt.Scale(domain=[0, rows])),
            y2="top:Q",
        )
    )


def zoomed(
    drawn: alt.Chart, frames: pl.DataFrame, *, only: alt.Parameter | None = None, pale: bool = False
) -> alt.LayerChart | alt.FacetChart:
    """The boxes with their names, and what a reader does with them.

    Parameters
    ----------
    drawn
        From `boxes`.
    frames, only, pale
        As given there.
    """
    click = alt.selection_point(name=CLICKED, fields=["start", "end"], clear="dblclick")
    search = alt.param(
        name="flamesearch",
        value="",
        bind=alt.BindInput(input="search", name="search ", placeholder="part of a function's name"),
    )
    names = (
        _visible(frames, only)
        .transform_calculate(
            left=f"max(datum.start, {FROM})",
            middle="datum.depth + 0.5",
            room=f"floor((min(datum.end, {TO}) - max(datum.start, {FROM})) / ({TO} - {FROM})"
            f" * width / {PIXELS_PER_CHARACTER}) - 1",
        )
        .transform_filter(f"datum.room >= {FEWEST_CHARACTERS}")
        .transform_calculate(label="slice(datum.name, 0, datum.room)")
        .mark_text(style="pale" if pale else "ink", align="left", dx=3, fontSize=10, clip=True)
        .encode(x="left:Q", y="middle:Q", text="label:N")
    )
    return alt.layer(drawn.add_params(click), names).properties(width=FLAME_WIDTH).add_params(search)


def _visible(frames: pl.DataFrame, only: alt.Parameter | None) -> alt.Chart:
    placed = frames.with_columns(pl.col("start", "end").round(6), (pl.col("depth") + 1).alias("top"))
    chart = alt.Chart(placed) if only is None else alt.Chart(placed).transform_filter(only)
    return chart.transform_filter(f"datum.end > {FROM} && datum.start < {TO}")

"""What do changes give, and what is the time of a transfer made of before and after them?

The forms of these charts do not depend on the rows, so that a widget can push rows into a living view.
"""

from collections.abc import Mapping
from typing import Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BLUE, GROUP_COLOURS, RED, TEAL, WARM_GREY, dressed

KIND_COLOURS: Final = {"as it is": WARM_GREY, "with the changes": BLUE, "kept": TEAL, "measured": RED}
PANEL: Final = 175
NAMES: Final = 150
OUTCOMES_SAY: Final = "Goodput of scenarios and measurements beside one another, each a point within its 90 % interval."
TIME_SAYS: Final = "What a megabyte waits for at each stage of the critical path, as it is and with the changes."
LADDERS_SAY: Final = "The climb from the goodput to all receiver stages free, as it is and with the changes."


def outcomes(rows: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Goodput of several scenarios side by side, with their intervals.

    Parameters
    ----------
    rows
        The OUTCOMES table, drawn in its order.
    """
    base = alt.Chart(rows).encode(
        y=alt.Y("name:N", title=None, sort=alt.EncodingSortField("order", op="min"), axis=alt.Axis(labelLimit=NAMES)),
        tooltip=[
            alt.Tooltip("name:N", title="scenario"),
            alt.Tooltip("kind:N", title="what it is"),
            alt.Tooltip("gbps:Q", title="Gbit/s", format=".2f"),
            alt.Tooltip("low_gbps:Q", title="5 % bound", format=".2f"),
            alt.Tooltip("high_gbps:Q", title="95 % bound", format=".2f"),
            alt.Tooltip("limit:N", title="then the limit"),
        ],
    )
    x = alt.X("gbps:Q", title="goodput (Gbit/s)", scale=alt.Scale(domainMin=0))
    # no legend: each row has its name beside it, and a legend would show kinds that no row has
    colour = _colour("kind", KIND_COLOURS)
    spans = base.mark_bar(height=8, opacity=0.5).encode(
        color=colour, x=alt.X("low_gbps:Q", title="goodput (Gbit/s)"), x2="high_gbps:Q"
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(x=x, color=colour)
    words = base.mark_text(align="left", dx=8, dy=-9, fontSize=11).encode(x=x, text="label:N")
    return dressed(alt.layer(spans, points, words).properties(width=390, height={"step": 34}), OUTCOMES_SAY)


def transfer_time(steps: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """What the time of a megabyte is made of, stage below stage, before and after.

    Parameters
    ----------
    steps
        A BEFORE_AFTER table, in microseconds.
    """
    return _beside(steps, "time of a megabyte (µs)", ".0f", TIME_SAYS)


def ladders(steps: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """The climb from the goodput to all receiver stages free, before and after.

    Parameters
    ----------
    steps
        A BEFORE_AFTER table, in Gbit/s.
    """
    return _beside(steps, "goodput (Gbit/s)", ".2f", LADDERS_SAY)


def _beside(steps: pl.DataFrame, title: str, digits: str, says: str) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """A panel for each ``when``: bars from ``from`` to ``to``, one a ``name``."""
    base = alt.Chart(steps).encode(
        y=alt.Y("name:N", title=None, sort=alt.EncodingSortField("order", op="min"), axis=alt.Axis(labelLimit=NAMES)),
        tooltip=[
            alt.Tooltip("name:N", title="stage"),
            alt.Tooltip("when:N", title="when"),
            alt.Tooltip("amount:Q", title=title, format=digits),
        ],
    )
    x = alt.X("from:Q", title=title, scale=alt.Scale(domainMin=0), axis=alt.Axis(tickCount=4))
    bars = base.mark_bar().encode(x=x, x2="to:Q", color=_colour("group", GROUP_COLOURS))
    words = base.mark_text(align="left", dx=3, fontSize=11).encode(
        x="right:Q", text=alt.Text("amount:Q", format=digits)
    )
    words = words.transform_calculate(right="max(datum.from, datum.to)")
    panels = alt.layer(bars, words).properties(width=PANEL, height={"step": 19})
    return dressed(panels.facet(column=alt.Column("when:N", title=None, sort="ascending"), spacing=22), says)


def _colour(column: str, colours: Mapping[str, str]) -> alt.Color:
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color(f"{column}:N", title=None, scale=scale, legend=None)

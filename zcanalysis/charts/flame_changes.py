"""Which call chains take more of the time than before, and which less?"""

from typing import Final

import altair as alt
import polars as pl

from zcanalysis.charts.flame_boxes import boxes, height, zoomed
from zcanalysis.charts.theme import LESS_SAME_MORE, dressed

MOST_SHOWN_CHANGE: Final = 0.1
SAYS: Final = (
    "Two profiles as one flame graph. The width of a box is the mean of its shares before and after, with all that it "
    "calls; red took more of the time after, blue less, pale the same."
)


def flame_changes(frames: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Differential flame graph, red for more and blue for less; a click zooms, a double click shows all.

    Parameters
    ----------
    frames
        The FLAME_DIFFERENCE table, as `zcanalysis.cpu.flame_difference.flame_difference` gives it.
    """
    shown = frames.with_columns(
        (pl.col("after") - pl.col("before")).round(5).alias("change"), pl.col("before", "after").round(5)
    )
    scale = alt.Scale(
        domain=[-MOST_SHOWN_CHANGE, 0, MOST_SHOWN_CHANGE], range=list(LESS_SAME_MORE), clamp=True, interpolate="lab"
    )
    drawn = boxes(shown, "share of the time, mean of before and after", pale=True).encode(
        color=alt.Color(
            "change:Q", scale=scale, title="share after less share before",
            legend=alt.Legend(orient="bottom", format="+.0%", gradientLength=300, titleLimit=300),
        ),
        tooltip=[
            alt.Tooltip("name:N", title="function"),
            alt.Tooltip("before:Q", title="share before", format=".2%"),
            alt.Tooltip("after:Q", title="share after", format=".2%"),
            alt.Tooltip("change:Q", title="more, or less", format="+.2%"),
        ],
    )  # fmt: skip
    return dressed(zoomed(drawn, shown, pale=True).properties(height=height(shown)), SAYS)

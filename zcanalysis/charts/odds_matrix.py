"""Which hypotheses can be told apart, and how much speaks for the one over the other?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import LESS_SAME_MORE, LINES, PALE_GREY, branch_title, dressed

CELL = 58
SAYS = (
    "A matrix: how much speaks for the hypothesis of each row against that of each column, as odds. What cannot "
    "be told apart is grey."
)


def odds_matrix(odds: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Odds of each row against each column; what is not told apart is grey.

    Parameters
    ----------
    odds
        The ODDS table of one branch.
    """
    order = odds.get_column("hypothesis").unique(maintain_order=True).to_list()
    base = alt.Chart(odds).encode(
        x=alt.X("against:N", sort=order, title="against", axis=alt.Axis(orient="top", labelAngle=-35)),
        y=alt.Y("hypothesis:N", sort=order, title=None),
        tooltip=[
            alt.Tooltip("hypothesis:N"),
            alt.Tooltip("against:N"),
            alt.Tooltip("odds:Q", format=".2f"),
            alt.Tooltip("told_apart:N", title="told apart"),
        ],
    )
    shade = alt.Color(
        "odds:Q",
        legend=None,
        scale=alt.Scale(
            type="log", domain=[0.05, 1, 20], range=list(reversed(LESS_SAME_MORE)), clamp=True, interpolate="lab"
        ),
    )
    cells = base.mark_rect(stroke=LINES, strokeWidth=0.5).encode(
        color=alt.condition("datum.told_apart", shade, alt.value(PALE_GREY))
    )
    text = base.mark_text(style="pale", fontSize=12).encode(text=alt.Text("odds:Q", format=".2~g"))
    return dressed(
        alt.layer(cells, text).properties(width=CELL * len(order), height=28 * len(order), title=branch_title(odds)),
        SAYS,
    )

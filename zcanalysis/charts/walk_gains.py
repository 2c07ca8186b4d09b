"""What does each removed copy give one CPU, and how sure is that?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import SKY, VIOLET, dressed

PER_CENT = "format(datum.value - 1, '+.0%')"
SAYS = (
    "A row a way of the data, a panel a side: the rate over that of the first row, with a dot for the median of "
    "generated machines and a bar from 5 to 95 per cent."
)


def walk_gains(gains: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Median and range of the rate over that of the first row of each side, one panel a side.

    Parameters
    ----------
    gains
        Columns side, walk, low, median, high; in the order in which they are shown.
    """
    order = gains.get_column("walk").unique(maintain_order=True).to_list()
    y = alt.Y("walk:N", sort=order, title=None, axis=alt.Axis(labelLimit=260))
    base = alt.Chart(gains)
    scale = alt.Scale(domainMin=1, zero=False)
    spans = base.mark_rule(strokeWidth=7, color=SKY, opacity=0.6).encode(
        x=alt.X(
            "low:Q",
            title="gain over the first row, one CPU: median, and the middle 90 % of the machines",
            scale=scale,
            axis=alt.Axis(labelExpr=PER_CENT),
        ),
        x2="high:Q",
        y=y,
    )
    middles = base.mark_point(filled=True, size=90, color=VIOLET, opacity=1).encode(
        x=alt.X("median:Q", scale=scale),
        y=y,
        tooltip=["side:N", "walk:N", *(alt.Tooltip(f"{name}:Q", format=".2f") for name in ("low", "median", "high"))],
    )
    panels = alt.layer(spans, middles).properties(width=520, height=alt.Step(26))
    sides = gains.get_column("side").unique(maintain_order=True).to_list()
    facets = panels.facet(
        row=alt.Row("side:N", sort=sides, title=None, header=alt.Header(labelAngle=0, labelAlign="left"))
    )
    return dressed(facets.resolve_scale(y="independent"), SAYS)

"""What each change was foretold to give, and what it gave where that was measured: ratios, one line each."""

from typing import Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BLUE, RED, WIDTH, dressed

FORETOLD: Final = "foretold, 90 %"
SEEN: Final = "measured"
TWO_LINES: Final = "split(datum.label, ' on ')"
LABEL: Final = 430
TICKS: Final = (0.25, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 4)
AROUND: Final = 1.05
"""Room beyond the farthest end."""
COLOURS: Final = {FORETOLD: BLUE, SEEN: RED}
SAYS: Final = (
    "Goodput with a change over goodput without, a row a change and host: foretold with its 90 % range, and "
    "measured where it was. On the dashed line at 1 nothing changes."
)


def ratios(changes: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Goodput with a change over goodput without: foretold with its interval, and measured where it was.

    Parameters
    ----------
    changes
        ``where`` (panel), ``name`` (line, as ``change on hosts``), ``ratio``, ``low``, ``high`` foretold; ``measured``,
        ``measured_low``, ``measured_high``, null where nothing was measured.
    """
    kinds = {FORETOLD: ("ratio", "low", "high"), SEEN: ("measured", "measured_low", "measured_high")}
    rows = pl.concat([
        changes.select("where", "name", pl.lit(kind).alias("kind"), ratio=value, low=low, high=high)
        for kind, (value, low, high) in kinds.items()
    ]).drop_nulls("ratio")  # fmt: skip
    order = changes.get_column("name").unique(maintain_order=True).to_list()
    colour = alt.Color(
        "kind:N", title=None, scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
        legend=alt.Legend(orient="top", symbolOpacity=1),
    )  # fmt: skip
    tooltip = ["name:N", "kind:N", *(
        alt.Tooltip(f"{name}:Q", title=title, format=".2f")
        for name, title in (("ratio", "ratio"), ("low", "from"), ("high", "to"))
    )]  # fmt: skip
    offset = alt.YOffset("kind:N", sort=list(COLOURS))
    base = alt.Chart(rows).encode(
        y=alt.Y(
            "name:N", title=None, sort=order, axis=alt.Axis(labelExpr=TWO_LINES, labelLimit=LABEL, labelFontSize=11)
        ),
        yOffset=offset,
        color=colour,
    )
    scale = alt.Scale(type="log", nice=False, domain=_domain(rows))
    ticks = alt.Axis(values=TICKS, labelAngle=0)
    spans = base.mark_rule(strokeWidth=3, opacity=0.55).encode(
        x=alt.X("low:Q", title="goodput with the change over goodput without", scale=scale, axis=ticks), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=60, opacity=1).encode(
        x=alt.X("ratio:Q", scale=scale), shape=alt.Shape("kind:N", title=None, legend=None), tooltip=tooltip
    )
    one = alt.Chart(rows).mark_rule(style="ink", strokeDash=[4, 3]).encode(x=alt.datum(1.0))
    panels = alt.layer(one, spans, dots).properties(width=WIDTH - LABEL, height={"step": 15})
    rowed = panels.facet(
        row=alt.Row(
            "where:N", title=None, sort=None, header=alt.Header(labelAngle=0, labelOrient="top", labelAnchor="start")
        )
    )
    return dressed(rowed.resolve_scale(y="independent").resolve_axis(x="independent"), SAYS)


def _domain(rows: pl.DataFrame) -> list[float]:
    """From the lowest end to the highest, no interval cut; 1 is always in sight."""
    ends = [value for name in ("ratio", "low", "high") for value in rows.get_column(name).drop_nulls() if value > 0]
    return [min([1.0, *ends]) / AROUND, max([1.0, *ends]) * AROUND]

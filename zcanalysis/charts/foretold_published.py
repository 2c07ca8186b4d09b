"""How near does the arithmetic come to published figures?"""

from typing import Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BLUE, PINK, RED, TAN, TEAL, VIOLET, WIDTH, dressed

LAW_COLOURS: Final = {
    "same price": RED, "store and forward": VIOLET, "bus share": TEAL, "rung": BLUE,
    "copy removed": TAN, "merged": PINK,
}  # fmt: skip
SHOWN_ERROR: Final = [-1, 3]
ERROR_TICKS: Final = [-1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3]
PUBLISHED_SAYS: Final = (
    "Each published figure as a point: what was foretold from other rows, against what was published, both "
    "logarithmic. On the line they agree."
)
ERRORS_SAYS: Final = (
    "The error of every published figure as foretold from other rows, a line a figure; what is within the "
    "tolerance, set by a slider, is faint, and counted."
)
LADDER_SAYS: Final = (
    "Cycles a byte by category, a panel a rung of the ladder: published beside foretold from the other rungs."
)


def foretold_published(rows: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Foretold against published, both logarithmic, each in its own unit; on the line they agree.

    Parameters
    ----------
    rows
        ``row``, ``law``, ``unit``, ``published``, ``foretold``, ``error``, ``fitted_on``.
    """
    scale = alt.Scale(type="log")
    x = alt.X(
        "published:Q", title="published (in the row's unit)", scale=scale, axis=alt.Axis(format="~g", tickCount=5)
    )
    y = alt.Y("foretold:Q", title="foretold (in the row's unit)", scale=scale, axis=alt.Axis(format="~g", tickCount=5))
    ends = rows.select(pl.min_horizontal(pl.min("published", "foretold")).alias("low"),
                       pl.max_horizontal(pl.max("published", "foretold")).alias("high")).row(0)  # fmt: skip
    line = alt.Chart(pl.DataFrame({"published": ends, "foretold": ends})).mark_line(style="soft").encode(x=x, y=y)
    points = alt.Chart(rows).mark_point(filled=True, size=70, opacity=0.8).encode(
        x=x, y=y, color=_colour(rows), tooltip=_tooltip(),
    )  # fmt: skip
    return dressed(alt.layer(line, points).properties(width=WIDTH - 300, height=WIDTH - 400), PUBLISHED_SAYS)


def foretold_errors(rows: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Every row's error, the tolerance by slider, and how many are within it.

    Parameters
    ----------
    rows
        As for `foretold_published`.
    """
    tolerance = alt.param(
        name="tolerance", value=15, bind=alt.binding_range(min=1, max=100, step=1, name="tolerance (%) ")
    )
    order = rows.get_column("row").to_list()
    y = alt.Y("row:N", title=None, sort=order, axis=alt.Axis(labelFontSize=10))
    base = alt.Chart(rows).transform_calculate(inside="abs(datum.error) <= tolerance / 100")
    shown = base.encode(
        x=alt.X("error:Q", title="foretold over published, less 1", axis=alt.Axis(format="+.0%", values=ERROR_TICKS),
                scale=alt.Scale(domain=SHOWN_ERROR, clamp=True)),
        y=y, color=_colour(rows),
        opacity=alt.condition("abs(datum.error) <= tolerance / 100", alt.value(0.35), alt.value(1)),
        tooltip=_tooltip(),
    )  # fmt: skip
    rule, points = shown.mark_rule(strokeWidth=2).encode(x2=alt.X2Datum(0)), shown.mark_point(filled=True, size=45)
    count = (
        base.transform_aggregate(inside="sum(inside)", rows="count()")
        .transform_calculate(said="datum.inside + ' of ' + datum.rows + ' within ' + tolerance + ' %'")
        .mark_text(align="right", fontSize=15, fontWeight="bold", baseline="top")
        .encode(x=alt.value(alt.expr("width - 10")), y=alt.value(6), text="said:N")
    )
    return dressed(
        alt.layer(rule, points, count).add_params(tolerance).properties(width=WIDTH - 250, height={"step": 13}),
        ERRORS_SAYS,
    )


def ladder_categories(rows: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Cycles a byte by category of each rung, published and foretold from the others.

    Parameters
    ----------
    rows
        ``rung``, ``category``, ``paid_by``, ``published``, ``foretold``.
    """
    long = rows.unpivot(
        ["published", "foretold"], index=["rung", "category", "paid_by"], variable_name="who", value_name="cycles"
    )
    bars = alt.Chart(long).mark_bar().encode(
        y=alt.Y("category:N", title=None, sort=list(dict.fromkeys(rows.get_column("category")))),
        yOffset=alt.YOffset("who:N", sort=["published", "foretold"]),
        x=alt.X("cycles:Q", title="cycles a byte"),
        color=alt.Color("who:N", title=None, legend=alt.Legend(orient="top"),
                        scale=alt.Scale(domain=["published", "foretold"], range=[BLUE, RED])),
        tooltip=["rung:N", "category:N", "paid_by:N", "who:N", alt.Tooltip("cycles:Q", format=".3f")],
    ).properties(width=160, height={"step": 9})  # fmt: skip
    rungs = list(dict.fromkeys(rows.get_column("rung")))
    return dressed(
        bars.facet(column=alt.Column("rung:N", title=None, sort=rungs)).resolve_scale(x="independent"), LADDER_SAYS
    )


def _colour(rows: pl.DataFrame) -> alt.Color:
    laws = [law for law in LAW_COLOURS if law in set(rows.get_column("law"))]
    scale = alt.Scale(domain=laws, range=[LAW_COLOURS[law] for law in laws])
    return alt.Color("law:N", title="law", scale=scale, legend=alt.Legend(orient="right"))


def _tooltip() -> list[alt.Tooltip | str]:
    return [
        "row:N", "law:N", "unit:N", alt.Tooltip("published:Q", format=".4~g"), alt.Tooltip("foretold:Q", format=".4~g"),
        alt.Tooltip("error:Q", format="+.1%"), alt.Tooltip("fitted_on:Q", title="other rows"),
    ]  # fmt: skip

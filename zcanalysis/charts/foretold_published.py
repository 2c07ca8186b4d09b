"""How near does the arithmetic come to published figures?"""

from typing import Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BLUE, OLIVE, PERIWINKLE, PINK, RED, TAN, TEAL, VIOLET, WARM_GREY, WIDTH, dressed

KIND_COLOURS: Final = {
    "ping-pong": VIOLET, "buses": TEAL, "ladder, a core": BLUE, "ladder, in all": PERIWINKLE,
    "mapping": OLIVE, "forwarding": PINK, "copies": RED,
}  # fmt: skip
SHOWN_ERROR: Final = [-1, 1]
ERROR_TICKS: Final = [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1]
APPROACHES: Final = {"published": WARM_GREY, "first": TAN, "second": BLUE}
ERRORS_SAYS: Final = (
    "The error of every published figure as foretold from other rows, a line a figure; what is within the "
    "tolerance, set by a slider, is faint, and counted."
)
LADDER_SAYS: Final = (
    "Cycles a byte by category, a panel a rung of the ladder: published, beside what two approaches foretell from "
    "the other rungs."
)


def foretold_errors(rows: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Every row's error, the tolerance by slider, and how many are within it; a ring is where the first approach was.

    Parameters
    ----------
    rows
        ``what``, ``kind``, ``unit``, ``published``, ``foretold``, ``error``, ``first_error``, ``second_error``,
        ``other_rows``.
    """
    tolerance = alt.param(
        name="tolerance", value=15, bind=alt.binding_range(min=1, max=100, step=1, name="tolerance (%) ")
    )
    kinds = [kind for kind in KIND_COLOURS if kind in set(rows.get_column("kind"))]
    order = [what for kind in kinds for what in rows.filter(kind=kind).get_column("what")]
    y = alt.Y("what:N", title=None, sort=order, axis=alt.Axis(labelFontSize=10, labelLimit=260))
    base = alt.Chart(rows).transform_calculate(inside="abs(datum.error) <= tolerance / 100")
    colour = alt.Color("kind:N", title="kind", scale=alt.Scale(domain=kinds, range=[KIND_COLOURS[k] for k in kinds]))
    shown = base.encode(
        x=_error_axis("error"), y=y, color=colour, tooltip=_tooltip(),
        opacity=alt.condition("abs(datum.error) <= tolerance / 100", alt.value(0.35), alt.value(1)),
    )  # fmt: skip
    rule, points = shown.mark_rule(strokeWidth=2).encode(x2=alt.X2Datum(0)), shown.mark_point(filled=True, size=45)
    rings = (
        base.transform_filter("isValid(datum.first_error) && isValid(datum.second_error)")
        .mark_point(filled=False, size=45, strokeWidth=1)
        .encode(x=_error_axis("first_error"), y=y, color=colour, tooltip=_tooltip())
    )
    count = (
        base.transform_aggregate(inside="sum(inside)", rows="count()")
        .transform_calculate(said="datum.inside + ' of ' + datum.rows + ' within ' + tolerance + ' %'")
        .mark_text(align="right", fontSize=15, fontWeight="bold", baseline="bottom")
        .encode(x=alt.value("width"), y=alt.value(-6), text="said:N")  # above the plot: no dot is below it
    )
    return dressed(
        alt.layer(rule, rings, points, count).add_params(tolerance).properties(width=WIDTH - 300, height={"step": 13}),
        ERRORS_SAYS,
    )


def _error_axis(field: str) -> alt.X:
    return alt.X(
        f"{field}:Q",
        title="foretold over published, less 1",
        axis=alt.Axis(format="+.0%", values=ERROR_TICKS),
        scale=alt.Scale(domain=SHOWN_ERROR, clamp=True),
    )


def ladder_categories(rows: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Cycles a byte by category of each rung, published and foretold from the others by two approaches.

    Parameters
    ----------
    rows
        ``rung``, ``category``, ``published``, ``first``, ``second``.
    """
    who = list(APPROACHES)
    long = rows.unpivot(who, index=["rung", "category"], variable_name="who", value_name="cycles")
    bars = alt.Chart(long).mark_bar().encode(
        y=alt.Y("category:N", title=None, sort=list(dict.fromkeys(rows.get_column("category")))),
        yOffset=alt.YOffset("who:N", sort=who),
        x=alt.X("cycles:Q", title="cycles a byte"),
        color=alt.Color("who:N", title=None, legend=alt.Legend(orient="top"),
                        scale=alt.Scale(domain=who, range=list(APPROACHES.values()))),
        tooltip=["rung:N", "category:N", "who:N", alt.Tooltip("cycles:Q", format=".3f")],
    ).properties(width=160, height={"step": 8})  # fmt: skip
    rungs = list(dict.fromkeys(rows.get_column("rung")))
    return dressed(
        bars.facet(column=alt.Column("rung:N", title=None, sort=rungs)).resolve_scale(x="independent"), LADDER_SAYS
    )


def _tooltip() -> list[alt.Tooltip | str]:
    return [
        "what:N", "kind:N", "unit:N", alt.Tooltip("published:Q", format=".4~g"),
        alt.Tooltip("foretold:Q", format=".4~g"), alt.Tooltip("error:Q", format="+.1%"),
        alt.Tooltip("first_error:Q", title="first approach", format="+.1%"),
        alt.Tooltip("other_rows:Q", title="from other rows"),
    ]  # fmt: skip

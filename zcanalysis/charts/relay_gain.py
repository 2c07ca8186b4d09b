"""How much does a relay gain that stops copying, and what limits it then?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BRICK, GREEN, RED, TAN, VIOLET, WARM_GREY, WIDTH, dressed

LIMIT_COLOURS = {
    "CPU": VIOLET,
    "front-side bus": RED,
    "memory": BRICK,
    "PCI": TAN,
    "link": WARM_GREY,
}
GAINS = alt.Scale(domain=[0.9, 4.1], nice=False, clamp=True)
SAYS = (
    "A histogram of generated machines by how much a relay gains, stacked by what limits it then; a band marks "
    "what was reported. Two menus choose the designs before and after."
)


def relay_gain(bins: pl.DataFrame, reported: tuple[float, float]) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Shares of machines by gain, stacked by what then limits; two menus choose the designs, a band marks the report.

    Parameters
    ----------
    bins
        Columns before, after, limit, from, to, share.
    reported
        The gains, after over before, that would be called what was reported.
    """
    before, after = (_menu(bins, name) for name in ("before", "after"))
    shown = alt.Chart(bins).transform_filter("datum.before == before_design && datum.after == after_design")
    bars = shown.mark_bar(style="apart").encode(
        x=alt.X("from:Q", bin="binned", title="rate after over rate before", scale=GAINS),
        x2="to:Q",
        y=alt.Y("share:Q", title="share of the machines", axis=alt.Axis(format="%")),
        color=alt.Color(
            "limit:N",
            title="limit after",
            scale=alt.Scale(domain=list(LIMIT_COLOURS), range=list(LIMIT_COLOURS.values())),
            legend=alt.Legend(orient="bottom"),
        ),
        tooltip=[
            alt.Tooltip("from:Q", format=".1f"),
            alt.Tooltip("to:Q", format=".1f"),
            alt.Tooltip("limit:N"),
            alt.Tooltip("share:Q", format=".2%"),
        ],
    )
    band = alt.Chart(pl.DataFrame({"from": [reported[0]], "to": [reported[1]]}))
    marked = band.mark_rect(color=GREEN, opacity=0.25).encode(x=alt.X("from:Q", scale=GAINS), x2="to:Q")
    words = band.mark_text(align="left", baseline="top", dx=4, fontSize=12).encode(
        x=alt.X("to:Q", scale=GAINS), y=alt.value(4), text=alt.value("reported: 60 % more")
    )
    # the band stands behind the bars, which keep the colours of the legend
    return dressed(alt.layer(marked, bars, words).add_params(before, after).properties(width=WIDTH, height=280), SAYS)


def _menu(bins: pl.DataFrame, name: str) -> alt.Parameter:
    choices = bins.get_column(name).unique(maintain_order=True).to_list()
    first = next((choice for choice in choices if choice.endswith(("meanwhile", "pinned, sum carried"))), choices[0])
    return alt.param(name=f"{name}_design", value=first, bind=alt.binding_select(options=choices, name=f"{name}: "))

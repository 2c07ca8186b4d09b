"""What became of each hypothesis, step by step; and what if one was believed more than the others at first?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import WIDTH, dressed, hypothesis_colour

LEAST_SHARE = 0.005
"""What never had as much is not drawn."""
MOST_TIMES = 10
SHARES = alt.Scale(domain=[0, 1])
BELIEVED_SAYS = (
    "A bar a hypothesis: how probable it is now. A menu and a slider say which one was believed more before, and "
    "how much."
)
STEPS_SAYS = (
    "Stacked bars, a row a measurement: the share of each hypothesis after it, of one generated host whose cause "
    "is known."
)


def share_steps(steps: pl.DataFrame, truth: str) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """A bar a measurement, with the share of each hypothesis after it.

    Parameters
    ----------
    steps
        The STEPS table.
    truth
        The cause of the generated host, named in the title.
    """
    order = steps.sort("step").get_column("measurement").unique(maintain_order=True).to_list()
    shown = steps.filter(pl.col("share").max().over("hypothesis") >= LEAST_SHARE)
    names = shown.get_column("hypothesis").unique(maintain_order=True).to_list()
    places = pl.col("hypothesis").replace_strict(names, list(range(len(names)))).alias("place")
    chart = (
        alt.Chart(shown.with_columns(places))
        .mark_bar(style="apart")
        .encode(
            x=alt.X("share:Q", title="share of each hypothesis", axis=alt.Axis(format="%"), scale=SHARES),
            y=alt.Y("measurement:N", sort=order, title=None),
            color=hypothesis_colour(names),
            order=alt.Order("place:Q"),
            tooltip=[alt.Tooltip("measurement:N"), "hypothesis:N", alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(width=WIDTH - 240, height=34 * len(order), title=f"generated host, its cause: {truth}")
    )
    return dressed(chart, STEPS_SAYS)


def believed(hypotheses: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Share of each hypothesis, with a slider: how much more one of them was believed before the figures.

    Parameters
    ----------
    hypotheses
        The HYPOTHESES table of one branch, those that are possible.
    """
    names = hypotheses.get_column("hypothesis").to_list()
    which = alt.param(name="which", value=names[0], bind=alt.binding_select(options=names, name="I believed more in: "))
    times = alt.param(
        name="times", value=1, bind=alt.binding_range(min=1, max=MOST_TIMES, step=0.5, name="so many times: ")
    )
    chart = (
        alt.Chart(hypotheses.select("hypothesis", "says", "volume_share"))
        .transform_calculate(weight="datum.volume_share * (datum.hypothesis == which ? times : 1)")
        .transform_joinaggregate(total="sum(weight)")
        .transform_calculate(share="datum.weight / datum.total")
        .mark_bar()
        .encode(
            color=hypothesis_colour(names, columns=None),
            x=alt.X(
                "share:Q", title="how probable it is now", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])
            ),
            y=alt.Y("hypothesis:N", title=None, sort=names),
            tooltip=["hypothesis:N", "says:N", alt.Tooltip("share:Q", format=".1%")],
        )
        .add_params(which, times)
        .properties(width=WIDTH - 200, height=22 * len(names))
    )
    return dressed(chart, BELIEVED_SAYS)

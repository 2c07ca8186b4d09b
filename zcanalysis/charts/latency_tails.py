"""How long did the slowest bytes take, and in which stage?"""

from typing import Final

import altair as alt
import polars as pl

from zcanalysis.charts.latency_stages import stage_colour, time_axis, time_us
from zcanalysis.charts.theme import WIDTH, dressed

SAYS: Final = (
    "Latency tails, a line a stage: how large a part of the received bytes took longer than a time. Both axes are "
    "logarithmic. The further right a line reaches at the bottom, the longer that stage's slowest bytes took."
)


def latency_tails(distribution: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """The part of the bytes that took longer, against the time, a line a stage, both axes logarithmic.

    Parameters
    ----------
    distribution
        The LATENCY_DISTRIBUTION table, as `zcanalysis.latency` gives it.
    """
    shown = distribution.filter(pl.col("part") < 1).select(
        "stage",
        (1 - pl.col("part")).round(6).alias("longer"),
        time_us(),
    )
    stages = shown.get_column("stage").unique(maintain_order=True).to_list()
    legend = alt.Legend(orient="bottom", columns=6)
    chart = (
        alt.Chart(shown)
        .mark_line(interpolate="step-before", strokeWidth=2)
        .encode(
            x=time_axis(),
            y=alt.Y(
                "longer:Q",
                title="bytes that took longer",
                scale=alt.Scale(type="log", domainMax=1),
                axis=alt.Axis(format="~%", values=[1, 0.1, 0.01, 0.001]),
            ),
            color=stage_colour(stages, legend),
            strokeDash=alt.StrokeDash("stage:N", title=None, legend=legend, scale=alt.Scale(domain=stages)),
            order=alt.Order("longer:Q"),
            tooltip=[
                "stage:N",
                alt.Tooltip("longer:Q", title="bytes that took longer", format=".1~%"),
                alt.Tooltip("time_us:Q", title="than (µs)", format=",.1f"),
            ],
        )
        .properties(width=WIDTH, height=260)
    )
    return dressed(chart, SAYS)

"""What was each CPU doing, moment by moment?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import GROUP_COLOURS, WIDTH, dressed, group_colour

SAYS = (
    "Stacked areas: the share of each CPU's time by group of stages over the recording, a panel a CPU. What is "
    "empty above was idle or not sampled."
)


def cpu_over_time(timeline: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Stacked areas: share of each CPU's time by group of stages.

    Parameters
    ----------
    timeline
        As `zcanalysis.cpu.timeline.cpu_timeline` gives it.
    """
    rank = {group: position for position, group in enumerate(GROUP_COLOURS)}
    shown = timeline.select(
        pl.format("CPU {}", "cpu").alias("CPU"),
        pl.col("seconds").round(3),
        "group",
        pl.col("share").round(4),
        pl.col("group").replace_strict(rank).alias("rank"),
    )
    chart = (
        alt.Chart(shown)
        .mark_area(interpolate="step-after")
        .encode(
            x=alt.X("seconds:Q", title="time since the first sample (s)"),
            y=alt.Y(
                "share:Q",
                title="share of the CPU",
                stack="zero",
                axis=alt.Axis(format="%"),
                scale=alt.Scale(domain=[0, 1.05], clamp=True),
            ),
            color=group_colour(shown.get_column("group").unique().to_list()),
            order=alt.Order("rank:Q"),
            tooltip=[
                "CPU:N",
                "group:N",
                alt.Tooltip("share:Q", format=".1%"),
                alt.Tooltip("seconds:Q", title="at (s)"),
            ],
        )
        .properties(width=WIDTH, height=130)
        .facet(row=alt.Row("CPU:N", title=None, header=alt.Header(labelOrient="top", labelAnchor="start")))
    )
    return dressed(chart, SAYS)

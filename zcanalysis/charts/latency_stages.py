"""Where did received bytes wait, and how unequal were they?"""

from typing import Any, Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import GROUP_COLOURS, WIDTH, dressed

STAGE_COLOURS: Final = {
    "hand-over": GROUP_COLOURS["driver and backlog"],
    "protocol": GROUP_COLOURS["IP, netfilter, TCP, UDP"],
    "wake-up": GROUP_COLOURS["socket, lock, wake-ups"],
    "queue": GROUP_COLOURS["waiting, unexplained"],
    "copy": GROUP_COLOURS["copy to user"],
    "total": GROUP_COLOURS["ceiling and goodput"],
}
SHORTEST_US: Final = 0.1
US_PER_NS: Final = 1e-3
SAYS: Final = (
    "Above, one bar: each stage's share of the mean latency of a received byte. Below, a line a stage: how large "
    "a part of the bytes took at most a time, on a logarithmic axis."
)


def latency(summary: pl.DataFrame, distribution: pl.DataFrame) -> alt.VConcatChart:
    """Each stage's share of the mean as one bar, above how its time is spread over bytes, on a log axis.

    Parameters
    ----------
    summary, distribution
        LATENCY_SUMMARY and LATENCY_DISTRIBUTION, as `zcanalysis.latency` gives them.
    """
    # shared scales would take the first one's domain, which lacks the total, and its missing legend
    both: Any = alt.vconcat(_shares(summary), _spread(distribution)).resolve_scale(color="independent")
    return dressed(both, SAYS)  # type: ignore[return-value]


def stage_colour(stages: list[str], legend: alt.Legend | None) -> alt.Color:
    """The colour channel for a column ``stage``, one of `LATENCY_STAGES` or total, showing those that occur."""
    shown = [stage for stage in STAGE_COLOURS if stage in stages]
    scale = alt.Scale(domain=shown, range=[STAGE_COLOURS[stage] for stage in shown])
    return alt.Color("stage:N", scale=scale, title=None, legend=legend)


def _shares(summary: pl.DataFrame) -> alt.Chart:
    rank = {stage: position for position, stage in enumerate(STAGE_COLOURS)}
    shown = summary.filter(pl.col("stage") != "total").drop_nulls("share")
    shown = shown.with_columns(
        pl.col("stage").replace_strict(rank, return_dtype=pl.Int64).alias("rank"),
        *((pl.col(f"{name}_ns") * US_PER_NS).alias(f"{name}_us") for name in ("mean", "p50", "p99")),
    ).select("stage", "rank", "share", "mean_us", "p50_us", "p99_us")
    times = [
        alt.Tooltip(f"{name}_us:Q", title=f"{words} (µs)", format=",.1f")
        for name, words in (("mean", "mean"), ("p50", "median"), ("p99", "99 %"))
    ]
    return (
        alt.Chart(shown)
        .mark_bar(height=34)
        .encode(
            x=alt.X(
                "share:Q",
                title="share of the mean latency of a byte",
                axis=alt.Axis(format="%"),
                stack="zero",
                scale=alt.Scale(domain=[0, 1], clamp=True),
            ),
            color=stage_colour(shown.get_column("stage").to_list(), None),
            order=alt.Order("rank:Q"),
            tooltip=["stage:N", alt.Tooltip("share:Q", format=".1%"), *times],
        )
        .properties(width=WIDTH, height=50)
    )


def _spread(distribution: pl.DataFrame) -> alt.Chart:
    shown = distribution.with_columns(time_us()).drop("ns")
    return (
        alt.Chart(shown)
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=time_axis(),
            y=alt.Y("part:Q", title="bytes that took at most this", axis=alt.Axis(format="%")),
            color=stage_colour(shown.get_column("stage").to_list(), alt.Legend(orient="bottom", columns=6)),
            order=alt.Order("part:Q"),
            tooltip=["stage:N", alt.Tooltip("part:Q", format=".1%"), alt.Tooltip("time_us:Q", format=",.1f")],
        )
        .properties(width=WIDTH, height=260)
    )


def time_us() -> pl.Expr:
    """LATENCY_DISTRIBUTION's times as a logarithmic axis can show them."""
    return (pl.col("ns") * US_PER_NS).clip(SHORTEST_US).alias("time_us")


def time_axis() -> alt.X:
    """The axis of `time_us`."""
    title = f"time (µs, log; {SHORTEST_US} and less at the left edge)"
    return alt.X("time_us:Q", title=title, scale=alt.Scale(type="log", nice=False))

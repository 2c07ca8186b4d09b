"""How fast did payload arrive, second by second, and which phase disturbed it?"""

from typing import Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BLUE, OLIVE, PINK, RED, SLATE, WIDTH, dressed

PHASE_COLOURS: Final = {
    "counters": BLUE,
    "sampling": RED,
    "chains": RED,
    "capture": PINK,
    "trace": OLIVE,
}
SAYS: Final = (
    "A line of the payload rate over time, from byte counters, a colour for each phase of the recording. Gaps are "
    "times that were not watched."
)


def rate_over_time(rates: pl.DataFrame, what: str = "payload") -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Throughput over time, coloured by the phase of the recording.

    Parameters
    ----------
    rates
        ``ts_ns``, ``phase``, ``repeat``, ``gbps``, as `zcanalysis.goodput.throughput` gives it.
    what
        Which bytes were counted.
    """
    first_ns = rates.get_column("ts_ns").min()
    shown = rates.with_columns(
        ((pl.col("ts_ns") - first_ns) / 1e9).round(3).alias("seconds"), pl.col("gbps").round(3)
    ).drop("ts_ns")
    phases = [*PHASE_COLOURS, *sorted(set(shown.get_column("phase")) - set(PHASE_COLOURS))]
    present = [phase for phase in phases if phase in set(shown.get_column("phase"))]
    colours = [PHASE_COLOURS.get(phase, SLATE) for phase in present]
    chart = (
        alt.Chart(shown)
        .mark_bar(width=alt.RelativeBandSize(1.0), opacity=0.9)
        .encode(
            x=alt.X("seconds:Q", title="time since the first reading (s)"),
            y=alt.Y("gbps:Q", title=f"{what} (Gbit/s)", scale=alt.Scale(zero=True)),
            detail="repeat:N",  # a line a window: what was between them was not watched
            color=alt.Color(
                "phase:N",
                title="phase",
                scale=alt.Scale(domain=present, range=colours),
                legend=alt.Legend(orient="bottom"),
            ),
            tooltip=[
                alt.Tooltip("seconds:Q", title="at (s)"),
                alt.Tooltip("gbps:Q", title=f"{what} (Gbit/s)", format=".2f"),
                "phase:N",
            ],
        )
        .properties(width=WIDTH, height=180)
    )
    line = chart.mark_line(point=alt.OverlayMarkDef(size=28), interpolate="step-before", strokeWidth=2)
    return dressed(line, SAYS)

"""What did the CPUs do while one packet was on its way, and which of it did the packet wait for?"""

from typing import Final

import altair as alt
import polars as pl

from zcanalysis.charts.replayed_stages import OWN_COLOUR, PATH_ORDER, in_microseconds, stage_group
from zcanalysis.charts.theme import WIDTH, dressed, group_colour

SAYS: Final = (
    "Gantt chart of the work on a few packets, a row a stage, replayed. Full bars are the critical path: each began "
    "when what it waited for was over, and the last is the copy of the packet that is looked at. Faint: other work."
)


def critical_path(work: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Bars when each stage worked, a row a stage; the critical path is full, and joined by a line; zoomable.

    Parameters
    ----------
    work
        The WORK table, as `zcanalysis.journey_work.work_around` gives it.
    """
    shown = work.select("packet", "piece", "stage", "critical", stage_group(), *in_microseconds(work)).with_columns(
        pl.when("critical").then(pl.lit("critical path")).otherwise(pl.lit("other work")).alias("kind")
    )
    present = set(shown.get_column("stage"))
    rows = alt.Y(
        "stage:N", title=None, sort=[stage for stage in PATH_ORDER if stage in present], axis=alt.Axis(grid=True)
    )
    base = alt.Chart(shown).encode(
        x=alt.X("from_us:Q", title="time since the first work shown (µs)", scale=alt.Scale(nice=False)), y=rows
    )
    groups = shown.get_column("group").unique().to_list()
    bars = base.mark_bar(height=13, strokeWidth=1, stroke=alt.expr(OWN_COLOUR)).encode(
        x2="to_us:Q",
        color=group_colour(groups),
        fillOpacity=alt.condition("datum.critical", alt.value(1), alt.value(0.15)),
        strokeOpacity=alt.condition("datum.critical", alt.value(1), alt.value(0.5)),
        tooltip=[
            alt.Tooltip("stage:N"),
            alt.Tooltip("kind:N", title="on"),
            alt.Tooltip("piece:N", title="part of the work"),
            alt.Tooltip("packet:Q", title="on packet"),
            alt.Tooltip("from_us:Q", title="from (µs)", format=",.3f"),
            alt.Tooltip("took_us:Q", title="took (µs)", format=",.3f"),
        ],
    )
    line = base.transform_filter("datum.critical").mark_line(
        style="ink", interpolate="step-after", strokeWidth=0.8, opacity=0.7
    ).encode(order="from_us:Q")  # fmt: skip
    zoom = alt.selection_interval(bind="scales", encodings=["x"])
    return dressed(alt.layer(bars.add_params(zoom), line).properties(width=WIDTH - 40, height={"step": 22}), SAYS)

"""Through which functions did each CPU's time go?"""

from typing import Final

import altair as alt
import polars as pl

from zcanalysis.charts.flame_boxes import boxes, height, zoomed
from zcanalysis.charts.theme import dressed, group_colour

SAYS: Final = (
    "Flame graph of the call chains of one CPU. The thread is at the bottom, the sampled function at the top; the "
    "width of a box is its share of the CPU's busy time with all that it calls, its colour the group of stages."
)


def flame_graph(frames: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Flame graph with a choice of CPU; a click zooms into a box, a double click shows all, a search marks functions.

    Parameters
    ----------
    frames
        The FLAME table, as `zcanalysis.cpu.timeline.flame` gives it.
    """
    shown = frames.with_columns(
        pl.format("CPU {}", "cpu").alias("CPU"), (pl.col("end") - pl.col("start")).round(5).alias("share")
    ).drop("cpu")
    cpus = sorted(shown.get_column("CPU").unique().to_list())
    choose = alt.selection_point(
        fields=["CPU"],
        bind=alt.binding_radio(options=cpus, name="show "),
        value=[{"CPU": cpus[-1] if cpus else ""}],
        name="flamecpu",
    )
    tooltip = [
        alt.Tooltip("name:N", title="function"),
        alt.Tooltip("share:Q", title="share of busy time", format=".2%"),
        alt.Tooltip("group:N"),
    ]
    colour = group_colour(shown.get_column("group").unique().to_list())
    drawn = boxes(shown, "share of the CPU's busy time", only=choose).encode(color=colour, tooltip=tooltip)
    chart = zoomed(drawn, shown, only=choose).add_params(choose)
    return dressed(chart.properties(height=height(shown)), SAYS)

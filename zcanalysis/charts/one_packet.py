"""Where was one packet from its arrival to the end of its copy?"""

import altair as alt
import polars as pl

from zcanalysis.charts.replayed_stages import OWN_COLOUR, WAITING, in_microseconds, stage_group
from zcanalysis.charts.theme import WIDTH, dressed, group_colour


def packet_way(way: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """A row a step in the order of the way, waits and work, with how long each took.

    Parameters
    ----------
    way
        The WAY table, as `zcanalysis.journey_work.packet_way` gives it.
    """
    waits = pl.col("kind") == "waits"
    name = pl.when(waits).then(pl.format("waits for {}", "piece")).otherwise(pl.format("{}: {}", "piece", "stage"))
    shown = way.select("step", name.alias("name"), "kind", "packet", "why", stage_group(), *in_microseconds(way))
    whole_us = float(shown.get_column("to_us").max() or 0)  # type: ignore[arg-type]
    base = alt.Chart(shown).encode(y=alt.Y("name:N", title=None, sort=shown.get_column("name").to_list()))
    groups = shown.get_column("group").unique().to_list()
    bars = base.mark_bar(strokeWidth=1, stroke=alt.expr(OWN_COLOUR)).encode(
        x=alt.X("from_us:Q", title="time since the packet arrived (µs)", scale=alt.Scale(domain=[0, whole_us * 1.1])),
        x2="to_us:Q",
        color=group_colour(groups, legend=False),
        fillOpacity=alt.condition(f"datum.group == '{WAITING}'", alt.value(0.3), alt.value(1)),
        tooltip=[
            alt.Tooltip("name:N", title="step"),
            alt.Tooltip("took_us:Q", title="took (µs)", format=",.3f"),
            alt.Tooltip("why:N", title="waited for"),
            alt.Tooltip("packet:Q", title="kept with packet"),
        ],
    )
    texts = base.mark_text(align="left", dx=4, fontSize=11).encode(x="to_us:Q", text="label:N").transform_calculate(
        label="format(datum.took_us, ',.3~r') + ' µs' + (isValid(datum.why) ? ', for ' + datum.why : '')"
    )  # fmt: skip
    return dressed(alt.layer(bars, texts).properties(width=WIDTH - 100, height={"step": 20}), _says(shown))


def _says(shown: pl.DataFrame) -> str:
    waited, worked = (
        float(shown.filter(pl.col("kind") == kind).get_column("took_us").sum()) for kind in ("waits", "works")
    )
    return (
        f"One packet from its arrival to the end of its copy, replayed, a row a step from top to bottom. It waited "
        f"{waited:,.1f} µs and was worked on for {worked:,.1f} µs."
    )

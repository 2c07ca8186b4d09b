"""Through which functions did each CPU's time go?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import WIDTH, dressed, group_colour

PIXELS_PER_CHARACTER = 6.2
ROW_PIXELS = 17
FEWEST_CHARACTERS = 3


def flame_graph(frames: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Flame graph with a choice of CPU; drag or scroll along the width to zoom.

    Parameters
    ----------
    frames
        As `zcanalysis.cpu.timeline.flame` gives it.
    """
    characters = ((pl.col("end") - pl.col("start")) * WIDTH / PIXELS_PER_CHARACTER).floor().cast(pl.Int64) - 1
    shown = frames.with_columns(
        pl.format("CPU {}", "cpu").alias("CPU"),
        (pl.col("end") - pl.col("start")).round(5).alias("share"),
        pl.col("start").round(6),
        pl.col("end").round(6),
        (pl.col("depth") + 1).alias("top"),
        pl.when(characters >= FEWEST_CHARACTERS)
        .then(pl.col("name").str.slice(0, characters.clip(0)))
        .otherwise(pl.lit(""))
        .alias("label"),
    ).drop("cpu")
    cpus = sorted(shown.get_column("CPU").unique().to_list())
    choose = alt.selection_point(
        fields=["CPU"],
        bind=alt.binding_radio(options=cpus, name="show "),
        value=[{"CPU": cpus[-1] if cpus else ""}],
        name="flamecpu",
    )
    zoom = alt.selection_interval(bind="scales", encodings=["x"], name="flamezoom")
    depth = int(shown.get_column("top").max() or 1)  # type: ignore[arg-type]
    x = alt.X(
        "start:Q",
        title="share of the CPU's busy time",
        axis=alt.Axis(format="%"),
        scale=alt.Scale(domain=[0, 1]),
    )
    base = alt.Chart(shown).transform_filter(choose)
    boxes = base.mark_rect(stroke="white", strokeWidth=0.5, clip=True, fillOpacity=0.55).encode(
        x=x,
        x2="end:Q",
        y=alt.Y("depth:Q", title=None, axis=None, scale=alt.Scale(domain=[0, depth])),
        y2="top:Q",
        color=group_colour(shown.get_column("group").unique().to_list()),
        tooltip=[
            alt.Tooltip("name:N", title="function"),
            alt.Tooltip("share:Q", title="share of busy time", format=".2%"),
            "group:N",
        ],
    )
    labels = (
        base.mark_text(align="left", dx=3, fontSize=10, clip=True)
        .encode(x=x, y=alt.Y("middle:Q"), text="label:N", color=alt.value("#111111"))
        .transform_calculate(middle="datum.depth + 0.5")
    )
    return dressed(
        alt.layer(boxes.add_params(choose, zoom), labels).properties(width=WIDTH + 100, height=ROW_PIXELS * depth)
    )

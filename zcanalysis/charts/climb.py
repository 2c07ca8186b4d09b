"""What does each group of receiver stages hold back, whatever the order in which they are fixed?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import WIDTH, dressed, group_colour
from zcanalysis.gains import OTHERS

ENDS = "ceiling and goodput"
REST = "probe and other processes"


def ladder(
    rungs: pl.DataFrame, goodput_gbps: float, ceiling_gbps: float | None = None
) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """From the goodput up to all receiver stages free, one rung a group.

    Parameters
    ----------
    rungs
        The LADDER table.
    goodput_gbps
        Where the climb starts.
    ceiling_gbps
        What the goodput is compared with: a dashed line.
    """
    table = _steps(rungs, goodput_gbps)
    base = alt.Chart(table).encode(y=alt.Y("name:N", title=None, sort=table.get_column("name").to_list()))
    bars = base.mark_bar().encode(
        x=alt.X("from:Q", title="Gbit/s", scale=alt.Scale(domainMin=0)),
        x2="to:Q",
        color=group_colour(table.get_column("group").unique().to_list(), legend=False),
        tooltip=[
            alt.Tooltip("name:N", title="stages"),
            alt.Tooltip("stages:N", title="these are"),
            alt.Tooltip("gbps:Q", title="Gbit/s, over all orders", format=".3f"),
            alt.Tooltip("gain_alone_gbps:Q", title="if only this were free", format="+.3f"),
            alt.Tooltip("gain_last_gbps:Q", title="if all others were free", format="+.3f"),
        ],
    )
    texts = base.mark_text(align="left", dx=4, fontSize=12).encode(
        x=alt.X("right:Q"), text=alt.Text("gbps:Q", format=".2f")
    ).transform_calculate(right="max(datum.from, datum.to)")  # fmt: skip
    layers: list[alt.Chart] = [bars, texts]
    if ceiling_gbps is not None:
        rule, label = _line(ceiling_gbps)
        layers = [rule, *layers, label]
    says = (
        f"Ladder in Gbit/s from the goodput, {goodput_gbps:.2f}, up to all receiver stages free, "
        f"{table.item(-1, 'to'):.2f}, a rung a group of stages: the average over every order of fixing them."
    )
    return dressed(alt.layer(*layers).properties(width=WIDTH - 100, height={"step": 22}), says)


def _steps(rungs: pl.DataFrame, goodput_gbps: float) -> pl.DataFrame:
    """Goodput, rungs and top, each from where to where."""
    up = goodput_gbps + pl.col("part_gbps").cum_sum()
    steps = rungs.select(
        pl.col("group").alias("name"),
        pl.col("group").replace(OTHERS, REST),
        "stages",
        pl.col("part_gbps").alias("gbps"),
        "gain_alone_gbps",
        "gain_last_gbps",
        (up - pl.col("part_gbps")).alias("from"),
        up.alias("to"),
    )
    top_gbps = goodput_gbps + float(rungs.get_column("part_gbps").sum())
    first, last = (
        pl.DataFrame({"name": [name], "group": [ENDS], "gbps": [gbps], "from": [0.0], "to": [gbps]})
        for name, gbps in (("goodput", goodput_gbps), ("all receiver stages free", top_gbps))
    )
    return pl.concat([first, steps, last], how="diagonal_relaxed")


def _line(ceiling_gbps: float) -> tuple[alt.Chart, alt.Chart]:
    base = alt.Chart(pl.DataFrame({"gbps": [ceiling_gbps], "text": [f"ceiling {ceiling_gbps:.1f}"]}))
    rule = base.mark_rule(strokeDash=[4, 3]).encode(x="gbps:Q")
    return rule, base.mark_text(y=-8, fontSize=12).encode(x="gbps:Q", text="text:N")

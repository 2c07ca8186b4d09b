"""Where did the missing bandwidth go, from the ceiling down to the goodput?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import WIDTH, dressed, group_colour
from zcanalysis.cpu.kernel_stages import GROUP_OF, STAGES

OTHER_WORDS = {"framing": "framing and headers", "waiting": "the CPU waited", "unexplained": "unexplained"}
SMALLEST_SHOWN_PART = 0.005
LARGEST_SAID = 3


def waterfall(blame: pl.DataFrame, ceiling_gbps: float) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """The ladder from ceiling to goodput, one step a stage; small steps are one.

    Parameters
    ----------
    blame
        The BLAME table.
    ceiling_gbps
        What the goodput is compared with.
    """
    gap_gbps = float(blame.get_column("lost_gbps").sum())
    names = {**STAGES, **OTHER_WORDS}
    small = (pl.col("lost_gbps") < SMALLEST_SHOWN_PART * gap_gbps) & (pl.col("stage") != "unexplained")
    steps = blame.filter(~small).select(
        pl.col("stage").replace_strict(names, default=pl.col("stage")).alias("name"),
        pl.col("stage").replace_strict(GROUP_OF, default="waiting, unexplained").alias("group"),
        "lost_gbps",
        "low_gbps",
        "high_gbps",
        "skid_share",
    )
    rest = float(blame.filter(small).get_column("lost_gbps").sum())
    if rest > 0:
        row = {
            "name": "smaller stages together",
            "group": "probe and other processes",
            "lost_gbps": rest,
            "low_gbps": None,
            "high_gbps": None,
            "skid_share": None,
        }
        steps = pl.concat([steps, pl.DataFrame([row], schema=steps.schema)])
    ends = [
        {"name": "ceiling", "group": "ceiling and goodput", "from": 0.0, "to": ceiling_gbps, "lost_gbps": ceiling_gbps},
        {
            "name": "goodput",
            "group": "ceiling and goodput",
            "from": 0.0,
            "to": ceiling_gbps - gap_gbps,
            "lost_gbps": ceiling_gbps - gap_gbps,
        },
    ]
    down = pl.col("lost_gbps").cum_sum()
    steps = steps.with_columns(
        (ceiling_gbps - down).alias("from"), (ceiling_gbps - down + pl.col("lost_gbps")).alias("to")
    )
    table = pl.concat([pl.DataFrame(ends[:1]), steps, pl.DataFrame(ends[1:])], how="diagonal_relaxed")
    base = alt.Chart(table).encode(y=alt.Y("name:N", title=None, sort=table.get_column("name").to_list()))
    bars = base.mark_bar().encode(
        x=alt.X("from:Q", title="Gbit/s", scale=alt.Scale(domainMin=0)),
        x2="to:Q",
        color=group_colour(table.get_column("group").unique().to_list(), legend=False),
        tooltip=[
            alt.Tooltip("name:N", title="stage"),
            alt.Tooltip("lost_gbps:Q", title="Gbit/s", format=".3f"),
            alt.Tooltip("low_gbps:Q", title="5 % bound", format=".3f"),
            alt.Tooltip("high_gbps:Q", title="95 % bound", format=".3f"),
            alt.Tooltip("skid_share:Q", title="of its samples, skid", format=".0%"),
        ],
    )
    texts = base.mark_text(align="left", dx=4, fontSize=12).encode(x="to:Q", text=alt.Text("lost_gbps:Q", format=".2f"))
    return dressed(alt.layer(bars, texts).properties(width=WIDTH - 100, height={"step": 20}), _says(table))


def _says(table: pl.DataFrame) -> str:
    ceiling, *steps, goodput = table.select("name", "lost_gbps").iter_rows()
    largest = ", ".join(f"{name} {gbps:.2f}" for name, gbps in sorted(steps, key=lambda step: -step[1])[:LARGEST_SAID])
    return (
        f"Waterfall in Gbit/s from the ceiling, {ceiling[1]:.2f}, down to the goodput, {goodput[1]:.2f}, a step a "
        f"stage. The largest: {largest or 'none'}."
    )

"""What does each stage cost, on which CPU?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import WIDTH, dressed, group_colour
from zcanalysis.cpu.kernel_stages import GROUP_OF, STAGES

SMALLEST_SHOWN_SHARE = 0.002
SAYS = (
    "Bars of the CPU time that each stage cost, a panel a CPU, the dearest stage on top; the thin line on each "
    "bar is its 90 % interval."
)


def stage_cost(costs: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Bars of nanoseconds a packet (of CPU share where packets are unknown), with intervals, by stage and CPU.

    Parameters
    ----------
    costs
        The COSTS table. Stages under 0.2 % of a CPU are left out of the picture.
    """
    known = costs.get_column("ns_per_packet").is_not_null().any()
    value, title = ("ns_per_packet", "CPU time (ns a packet)") if known else ("cpu_share", "share of CPU time")
    shown = costs.filter(pl.col("cpu_share") >= SMALLEST_SHOWN_SHARE).select(
        pl.col("stage").replace_strict(STAGES).alias("name"),
        pl.col("stage").replace_strict(GROUP_OF).alias("group"),
        pl.format("CPU {}", "cpu").alias("CPU"),
        pl.col(value).alias("value"),
        "low",
        "high",
        "ns_per_byte",
        pl.col("cpu_share").round(5),
    )
    order = (
        shown.group_by("name").agg(pl.col("value").sum()).sort("value", descending=True).get_column("name").to_list()
    )
    cpus = shown.get_column("CPU").n_unique()
    width = max((WIDTH + 60) // max(cpus, 1) - 90, 160)
    base = alt.Chart(shown).encode(y=alt.Y("name:N", title=None, sort=order))
    bars = base.mark_bar().encode(
        x=alt.X("value:Q", title=title),
        color=group_colour(shown.get_column("group").unique().to_list(), legend=False),
        tooltip=[
            alt.Tooltip("name:N", title="stage"),
            "CPU:N",
            alt.Tooltip("value:Q", title=title, format=".4~g"),
            alt.Tooltip("low:Q", title="5 % bound", format=".4~g"),
            alt.Tooltip("high:Q", title="95 % bound", format=".4~g"),
            alt.Tooltip("ns_per_byte:Q", title="ns a payload byte", format=".4~g"),
            alt.Tooltip("cpu_share:Q", title="share of the CPU", format=".1%"),
        ],
    )
    rules = base.mark_rule().encode(x="low:Q", x2="high:Q")
    chart = (
        alt.layer(bars, rules)
        .properties(width=width, height={"step": 17})
        .facet(column=alt.Column("CPU:N", title=None))
    )
    return dressed(chart, SAYS)

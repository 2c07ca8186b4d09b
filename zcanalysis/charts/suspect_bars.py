"""Who holds the receivers back, and what would each of them be worth?"""

from typing import Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import GROUP_COLOURS, SLATE, WIDTH, dressed

GOODPUT: Final = "goodput"
SIDE: Final = 330
SUSPECTS_SAYS: Final = (
    "Stacked bars, a row a recording: the goodput, and what each suspect holds back on the way up to the ceiling."
)
CHEAPER_SAYS: Final = (
    "A panel a recording, a row a suspect: the goodput if that suspect took less time, a dot moved by a slider, "
    "beside a tick for the goodput as recorded."
)


def suspects(lost: pl.DataFrame, goodput: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """A bar a recording, as long as its ceiling: the goodput, then what each suspect costs.

    Parameters
    ----------
    lost
        ``recording``, ``suspect``, ``group`` (whose colour it has), ``lost_gbps``, ``low_gbps``, ``high_gbps``,
        ``part``; suspects in the order that they are stacked.
    goodput
        ``recording``, ``goodput_gbps``.
    """
    got = goodput.select("recording", pl.lit(GOODPUT).alias("suspect"), pl.col("goodput_gbps").alias("lost_gbps"))
    rows = pl.concat([got, lost.filter(pl.col("lost_gbps") > 0)], how="diagonal_relaxed")
    order = [GOODPUT, *lost.get_column("suspect").unique(maintain_order=True)]
    rank = pl.col("suspect").replace_strict({name: at for at, name in enumerate(order)}, return_dtype=pl.Int64)
    shown = rows.select(
        "recording", "suspect", "lost_gbps", "low_gbps", "high_gbps", "part", rank.alias("rank")
    )  # fmt: skip
    groups = dict(lost.select("suspect", "group").iter_rows())
    present = [name for name in order if name in shown.get_column("suspect")]
    colours = [SLATE if name == GOODPUT else GROUP_COLOURS[groups[name]] for name in present]
    chart = alt.Chart(shown).mark_bar(style="apart").encode(
        y=alt.Y("recording:N", title=None, sort=None),
        x=alt.X("lost_gbps:Q", title="Gbit/s: goodput, then what is missing to the ceiling"),
        order="rank:Q",
        color=alt.Color(
            "suspect:N", title=None, scale=alt.Scale(domain=present, range=colours),
            legend=alt.Legend(orient="bottom", columns=4, labelLimit=220),
        ),
        tooltip=[
            "recording:N", "suspect:N", alt.Tooltip("lost_gbps:Q", title="Gbit/s", format=".2f"),
            alt.Tooltip("low_gbps:Q", title="5 % bound", format=".2f"),
            alt.Tooltip("high_gbps:Q", title="95 % bound", format=".2f"),
            alt.Tooltip("part:Q", title="part of the gap", format=".0%"),
        ],
    )  # fmt: skip
    return dressed(chart.properties(width=WIDTH - 80, height={"step": 44}), SUSPECTS_SAYS)


def cheaper_suspects(speed_ups: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Goodput where one suspect takes less time than recorded, by a slider: a dot a suspect, a panel a recording.

    Parameters
    ----------
    speed_ups
        ``recording``, ``suspect``, ``group``, ``percent`` (less time, 0 to 100), ``gbps``; the same percents for all.
    """
    percents = sorted(speed_ups.get_column("percent").unique())
    slider = alt.binding_range(
        min=percents[0], max=percents[-1], step=percents[1] - percents[0], name="less time for a suspect alone (%) "
    )
    chosen = alt.param(name="less_time", value=percents[len(percents) // 2], bind=slider)
    order = speed_ups.get_column("suspect").unique(maintain_order=True).to_list()
    groups = dict(speed_ups.select("suspect", "group").iter_rows())
    before = speed_ups.filter(pl.col("percent") == percents[0]).select("recording", "suspect", gbps_before="gbps")
    shown = speed_ups.join(before, on=["recording", "suspect"]).drop("group")
    colour = alt.Color(
        "suspect:N", legend=None, scale=alt.Scale(domain=order, range=[GROUP_COLOURS[groups[name]] for name in order])
    )
    tooltip = ["suspect:N", alt.Tooltip("percent:Q", title="less time (%)"),
               alt.Tooltip("gbps:Q", title="goodput (Gbit/s)", format=".2f")]  # fmt: skip
    base = alt.Chart(shown).transform_filter("datum.percent == less_time").encode(
        y=alt.Y("suspect:N", title=None, sort=order)
    )  # fmt: skip
    x = alt.X("gbps:Q", title="goodput (Gbit/s)", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5))
    now = base.mark_tick(style="ink", thickness=2, height=14).encode(x="gbps_before:Q")
    bar = base.mark_rule(strokeWidth=3, opacity=0.6).encode(x="gbps_before:Q", x2="gbps:Q", color=colour)
    dot = base.mark_point(filled=True, size=80, opacity=1).encode(x=x, color=colour, tooltip=tooltip)
    every = alt.Chart(shown).mark_point(opacity=0).encode(x=x, y=alt.Y("suspect:N", sort=order))  # keeps the axis still
    panels = alt.layer(bar, now, dot, every).add_params(chosen).properties(width=SIDE, height={"step": 19})
    return dressed(
        panels.facet(facet=alt.Facet("recording:N", title=None, sort=None), columns=2).resolve_scale(x="independent"),
        CHEAPER_SAYS,
    )

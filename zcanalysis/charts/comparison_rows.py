"""How do two sets of recordings differ, and by more than chance?"""

from typing import Any, Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BLUE, RED, WIDTH, dressed
from zcanalysis.cpu.kernel_stages import STAGES

NOW: Final = "now"
BEFORE: Final = "before"
COLOURS: Final = {BEFORE: BLUE, NOW: RED}
TITLES: Final = {
    "goodput": "goodput (Gbit/s of payload)",
    "cost": "CPU time of the receiver by stage, all CPUs (ns per 1,000 bytes of payload)",
    "latency": "latency (µs)",
    "blame": "goodput that the time of the limiting CPU cost, by stage (Gbit/s)",
}
LABEL: Final = 210
SAID: Final = 150
MOST_ROWS: Final = 12


def compared(table: pl.DataFrame) -> alt.VConcatChart:
    """What was before and what is now, the 95 % interval of the difference, and whether chance makes as much.

    Parameters
    ----------
    table
        COMPARED, as `zcanalysis.compare` gives it; of each kind the twelve largest differences are drawn.
    """
    shown = table.with_columns(
        name=pl.col("quantity").replace(STAGES),
        from_=pl.col("against") + pl.col("low"),
        to=pl.col("against") + pl.col("high"),
        said=pl.concat_str(_change(), _chance(), separator=", "),
    )
    panels: list[Any] = [
        _panel(rows.head(MOST_ROWS), TITLES[str(of)]) for (of,), rows in shown.group_by("of", maintain_order=True)
    ]
    worded = (
        "Two sets of recordings, a row a quantity: before and now as dots, the 95 % interval of the difference as a "
        "line from the value before."
    )
    both: Any = alt.vconcat(*panels).resolve_scale(x="independent")
    chart: alt.VConcatChart = dressed(both, worded)  # type: ignore[assignment]
    return chart


def _change() -> pl.Expr:
    change, percent = pl.col("change"), pl.col("change") * 100
    times = pl.format("{} times", (change + 1).round(1))
    sign = pl.when(change >= 0).then(pl.lit("+")).otherwise(pl.lit(""))
    small = pl.format("{}{} %", sign, percent.round(0).cast(pl.Int64))
    return pl.when(change >= 1).then(times).otherwise(small).fill_null("new")


def _chance() -> pl.Expr:
    beyond = pl.when(pl.col("changed")).then(pl.lit("beyond chance")).when(~pl.col("changed"))
    return beyond.then(pl.lit("within chance")).otherwise(pl.lit("not tested"))


def _panel(rows: pl.DataFrame, title: str) -> alt.LayerChart | alt.FacetChart:
    order = rows.get_column("name").to_list()
    height = alt.Y("name:N", title=None, sort=order, axis=alt.Axis(labelLimit=LABEL, minExtent=LABEL))
    width = WIDTH - LABEL - SAID
    base = alt.Chart(rows).encode(y=height)
    said = [
        alt.Tooltip("name:N", title="what"),
        alt.Tooltip("against:Q", title=BEFORE, format=".4~g"),
        alt.Tooltip("value:Q", title=NOW, format=".4~g"),
        alt.Tooltip("difference:Q", title="difference", format="+.3~g"),
        alt.Tooltip("low:Q", title="2.5 % bound", format="+.3~g"),
        alt.Tooltip("high:Q", title="97.5 % bound", format="+.3~g"),
        alt.Tooltip("unit:N"),
    ]
    spans = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=3, opacity=0.55, color=RED, clip=True)
    sides = pl.concat([
        rows.select("name", "against", "value", "difference", "low", "high", "unit", of=pl.lit(side), at=column)
        for side, column in ((BEFORE, "against"), (NOW, "value"))
    ])  # fmt: skip
    colour = alt.Color(
        "of:N", title=None, scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
        legend=alt.Legend(orient="top"),
    )  # fmt: skip
    dots = alt.Chart(sides).mark_point(filled=True, size=70, opacity=1).encode(
        y=height, x=alt.X("at:Q", title=title, scale=alt.Scale(domainMin=0)), color=colour, tooltip=said,
        shape=alt.Shape("of:N", title=None, scale=alt.Scale(domain=list(COLOURS), range=["circle", "square"])),
    )  # fmt: skip
    words = base.mark_text(align="left", dx=8, fontSize=12).encode(x=alt.value("width"), text="said:N")
    layers = spans.encode(x="from_:Q", x2="to:Q"), dots, words
    return alt.layer(*layers).properties(width=width, height={"step": 20})

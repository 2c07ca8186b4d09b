"""Which uncertain price moves the goodput most?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import RED, TEAL, WIDTH, dressed

ENDS = ["price at its low bound", "price at its high bound"]
MOST_SHOWN = 12
SMALLEST_SHOWN_PART = 0.002
SAYS = (
    "A tornado: for each price a bar from the goodput to the goodput with that price at its low bound, and one "
    "for its high bound; the price that moves most is on top."
)


def tornado(swings: pl.DataFrame, goodput_gbps: float) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Bars from goodput with a price at its low bound to goodput with it at its high bound, the longest on top.

    Parameters
    ----------
    swings
        The TORNADO table. Prices that move the goodput by less than 0.2 % are left out.
    goodput_gbps
        With every price at its value.
    """
    shown = swings.filter(pl.col("swing_gbps") > SMALLEST_SHOWN_PART * goodput_gbps).head(MOST_SHOWN)
    ends = _ends(shown, goodput_gbps)
    order = shown.get_column("price").to_list()
    colour = alt.Color(
        "end:N", title=None, legend=alt.Legend(orient="bottom"),
        scale=alt.Scale(domain=ENDS, range=[TEAL, RED]),
    )  # fmt: skip
    bars = alt.Chart(ends).mark_bar(opacity=0.85).encode(
        y=alt.Y("price:N", title=None, sort=order),
        x=alt.X("goodput:Q", title="goodput (Gbit/s)", scale=alt.Scale(zero=False)),
        x2="gbps:Q",
        yOffset=alt.YOffset("end:N", sort=ENDS),
        color=colour,
        tooltip=[
            "price:N",
            "origin:N",
            alt.Tooltip("value:Q", title="value", format=".4~g"),
            alt.Tooltip("bound:Q", title="here", format=".4~g"),
            alt.Tooltip("gbps:Q", title="goodput then (Gbit/s)", format=".2f"),
        ],
    )  # fmt: skip
    rule = alt.Chart(pl.DataFrame({"gbps": [goodput_gbps]})).mark_rule().encode(x="gbps:Q")
    return dressed(alt.layer(bars, rule).properties(width=WIDTH - 80, height={"step": 11}), SAYS)


def _ends(shown: pl.DataFrame, goodput_gbps: float) -> pl.DataFrame:
    """Two rows a price: at its low bound and at its high one."""
    return pl.concat(
        [
            shown.select(
                "price", "value", "origin", pl.lit(f"price at its {name} bound").alias("end"),
                pl.col(name).alias("bound"), pl.col(f"at_{name}_gbps").alias("gbps"),
            )
            for name in ("low", "high")
        ]
    ).with_columns(pl.lit(goodput_gbps).alias("goodput"))  # fmt: skip

"""What would be read of datagrams if they were sent slower, or faster?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import WIDTH, dressed, hypothesis_colour

REPORTED = {"offered_gbps": [1.4], "goodput_gbps": [0.9], "text": ["reported"]}
SAYS = (
    "Goodput against offered load, a line a hypothesis, with its range, dots where it was replayed packet by "
    "packet. The dotted diagonal loses nothing; a mark is what was reported; a slider moves the upright line."
)


def blasts(blast: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Goodput against offered load of each hypothesis: all read about 0.9 at 1.4, a slider reads them elsewhere.

    Parameters
    ----------
    blast
        The BLAST table.
    """
    lines, dots = blast.filter(pl.col("low_gbps").is_not_null()), blast.filter(pl.col("low_gbps").is_null())
    names = lines.get_column("hypothesis").unique(maintain_order=True).to_list()
    colour = hypothesis_colour(names, columns=3)
    x = alt.X("offered_gbps:Q", title="offered load (Gbit/s)", axis=alt.Axis(tickCount=12))
    y = alt.Y("goodput_gbps:Q", title="goodput (Gbit/s)", scale=alt.Scale(zero=True))
    tooltip = ["hypothesis:N", *(alt.Tooltip(f"{n}:Q", format=".2f") for n in ("offered_gbps", "goodput_gbps"))]
    end = lines.get_column("offered_gbps").max()
    loads = lines.get_column("offered_gbps").unique().sort().to_list()
    slider = alt.param(
        name="load", value=1.4, bind=alt.binding_range(min=loads[0], max=loads[-1], step=0.1, name="offered (Gbit/s): ")
    )
    diagonal = alt.Chart(pl.DataFrame({"offered_gbps": [0.0, end], "goodput_gbps": [0.0, end]}))
    read = alt.Chart(lines).transform_filter("abs(datum.offered_gbps - load) < 0.01")
    reported = alt.Chart(pl.DataFrame(REPORTED))
    layers = [
        diagonal.mark_line(strokeDash=[4, 3], style="soft").encode(x=x, y=y),
        alt.Chart(lines).mark_area(opacity=0.12).encode(x=x, y=alt.Y("low_gbps:Q"), y2="high_gbps:Q", color=colour),
        alt.Chart(lines).mark_line().encode(x=x, y=y, color=colour, tooltip=tooltip),
        alt.Chart(dots).mark_point(size=30, style="ink").encode(x=x, y=y, tooltip=[*tooltip, "how:N"]),
        reported.mark_point(shape="cross", style="ink", size=200, filled=True).encode(x=x, y=y),
        reported.mark_text(align="left", dx=10, dy=-10, fontSize=12).encode(x=x, y=y, text="text:N"),
        read.mark_rule(style="ink").encode(x=x).add_params(slider),
        read.mark_point(filled=True, size=70, opacity=1).encode(x=x, y=y, color=colour, tooltip=tooltip),
    ]
    return dressed(alt.layer(*layers).properties(width=WIDTH, height=320), SAYS)

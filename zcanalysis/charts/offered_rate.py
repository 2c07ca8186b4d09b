"""How much of the offered load does a receiver of datagrams take, and where does taking more begin to cost?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BLUE, RED, WIDTH, dressed

LOST = {"dropped_late_share": "dropped at the socket, paid for", "dropped_early_share": "dropped at ring or backlog"}
SAYS = (
    "Goodput against offered load of a receiver of datagrams, with the diagonal on which nothing is lost, and the "
    "peak. Beyond it the receiver reads less the more is sent."
)


def livelock(offered: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Goodput against offered load, the diagonal that loses nothing, and the peak.

    Parameters
    ----------
    offered
        The OFFERED table.
    """
    table = offered.sort("offered_gbps")
    x = alt.X("offered_gbps:Q", title="offered load (Gbit/s)", scale=alt.Scale(zero=True))
    y = alt.Y("goodput_gbps:Q", title="goodput (Gbit/s)", scale=alt.Scale(zero=True))
    shares = [alt.Tooltip(f"{name}:Q", title=words, format=".1%") for name, words in LOST.items()]
    tooltip = [
        alt.Tooltip("offered_gbps:Q", title="offered (Gbit/s)", format=".3f"),
        alt.Tooltip("goodput_gbps:Q", title="goodput (Gbit/s)", format=".3f"),
        *shares,
        alt.Tooltip("cpu_busy:Q", title="the softirqs' CPU is busy", format=".0%"),
    ]
    curve = alt.Chart(table).mark_line(point=alt.OverlayMarkDef(size=40), color=BLUE)
    most = table.filter(pl.col("goodput_gbps") == pl.col("goodput_gbps").max()).head(1)
    peak = alt.Chart(most.with_columns(pl.format("peak {}", pl.col("goodput_gbps").round(3)).alias("text")))
    layers = [
        _diagonal(table).encode(x=x, y=y),
        curve.encode(x=x, y=y, tooltip=tooltip),
        peak.mark_point(size=160, color=RED, strokeWidth=2).encode(x=x, y=y),
        peak.mark_text(align="left", dx=8, dy=-10, fontSize=12).encode(x=x, y=y, text="text:N"),
    ]
    return dressed(alt.layer(*layers).properties(width=WIDTH, height=300), SAYS)


def _diagonal(table: pl.DataFrame) -> alt.Chart:
    """Where all that is offered is taken, up to the greatest load."""
    end_gbps = table.get_column("offered_gbps").max()
    ends = pl.DataFrame({"offered_gbps": [0.0, end_gbps], "goodput_gbps": [0.0, end_gbps]})
    return alt.Chart(ends).mark_line(strokeDash=[4, 3], style="soft")

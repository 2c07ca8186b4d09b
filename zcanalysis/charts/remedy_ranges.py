"""What would each change give?"""

import altair as alt
import polars as pl

from zcanalysis.charts.telling_measurements import NEED_COLOURS
from zcanalysis.charts.theme import RED, SLATE, WARM_GREY, WIDTH, dressed

OTHERS = {"code": WARM_GREY, "MPI": SLATE}
SAYS = (
    "A row a change: median and 90 % range of what the hosts that explain the figures receive after it, coloured "
    "by what it needs; a line is the goal."
)


def remedy_ranges(remedies: pl.DataFrame, goal_gbps: float) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Median and 90 % range of what is received after each change, with the goal.

    Parameters
    ----------
    remedies
        The REMEDIES table.
    goal_gbps
        What is wished for: a line.
    """
    order = remedies.get_column("remedy").to_list()
    colours = {name: colour for name, colour in (NEED_COLOURS | OTHERS).items() if name in set(remedies["needs"])}
    base = alt.Chart(remedies).encode(
        y=alt.Y("remedy:N", sort=order, title=None, axis=alt.Axis(labelLimit=330)),
        color=alt.Color(
            "needs:N",
            title="needs",
            scale=alt.Scale(domain=list(colours), range=list(colours.values())),
            legend=alt.Legend(orient="bottom", columns=3, symbolOpacity=1, symbolStrokeWidth=0),
        ),
        tooltip=[
            alt.Tooltip("remedy:N"),
            alt.Tooltip("needs:N"),
            *(alt.Tooltip(f"{name}:Q", format=".2f") for name in ("receives_gbps", "low_gbps", "high_gbps")),
            alt.Tooltip("gains_share:Q", title="of the hosts gain", format=".0%"),
            alt.Tooltip("twice_share:Q", title="reach the goal", format=".0%"),
            alt.Tooltip("transmits_gbps:Q", title="transmits then", format=".2f"),
        ],
    )
    title = "received over one TCP connection (Gbit/s)"
    layers = [
        base.mark_rule(strokeWidth=4, opacity=0.5).encode(
            x=alt.X("low_gbps:Q", title=title, axis=alt.Axis(tickCount=7)), x2="high_gbps:Q"
        ),
        base.mark_point(filled=True, size=90, opacity=1).encode(x=alt.X("receives_gbps:Q", title=title)),
        alt.Chart().mark_rule(color=RED, strokeDash=[5, 3]).encode(x=alt.datum(goal_gbps)),
    ]
    return dressed(alt.layer(*layers, data=remedies).properties(width=WIDTH - 330, height=26 * len(order)), SAYS)

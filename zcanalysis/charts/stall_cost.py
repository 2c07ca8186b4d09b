"""What does a stalled ACK cost, and what if the window were another?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BLUE, GREEN, RED, WIDTH, dressed

LAW_COLOUR = BLUE
MODEL_COLOUR = RED
ASKED_COLOUR = GREEN
SAYS = (
    "Goodput against the length of a stall, both logarithmic: lines are one window a stall, points the replay; a "
    "slider sets your own window."
)


def stall_cost(stalls: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Goodput against the length of a stall: one window a stall as lines, the replay as points, your window by slider.

    Parameters
    ----------
    stalls
        Rows ``stall_ms``, ``what``, ``in_flight_bytes``, ``law_mbps``, ``model_mbps``.
    """
    asked = alt.param(name="window", value=64, bind=alt.binding_range(min=1, max=1024, step=1, name="window (KB) "))
    x = alt.X("stall_ms:Q", title="stall (ms)", scale=alt.Scale(type="log", domain=[15, 250]))
    scale = alt.Scale(type="log", domain=[0.03, 500], nice=False)
    y = alt.Y("law_mbps:Q", title="goodput (Mbit/s)", scale=scale)
    base = alt.Chart(stalls).transform_calculate(window="format(datum.in_flight_bytes / 1024, '.1f') + ' KB'")
    detail = alt.Detail("in_flight_bytes:N")
    tooltip = [
        alt.Tooltip("window:N", title="in flight"), alt.Tooltip("stall_ms:Q", title="stall (ms)"),
        alt.Tooltip("what:N", title="what it is"), alt.Tooltip("law_mbps:Q", title="window / stall", format=".3~g"),
        alt.Tooltip("model_mbps:Q", title="replay (Mbit/s)", format=".3~g"),
    ]  # fmt: skip
    law = base.mark_line(color=LAW_COLOUR).encode(x=x, y=y, detail=detail)
    points = base.mark_point(color=MODEL_COLOUR, filled=True, size=60).encode(x=x, y="model_mbps:Q", tooltip=tooltip)
    names = base.transform_filter("datum.stall_ms == 200").mark_text(align="left", dx=8).encode(
        x=x, y=y, text=alt.Text("window:N")
    )  # fmt: skip
    lines = base.transform_calculate(mine="8 * 1024 * window / datum.stall_ms / 1000")
    mine = lines.mark_line(color=ASKED_COLOUR, strokeDash=[5, 3], strokeWidth=3).encode(
        x=x, y=alt.Y("mine:Q", scale=scale)
    )  # fmt: skip
    said = (
        lines.transform_filter("datum.stall_ms == 20")
        .transform_aggregate(groupby=["stall_ms", "mine"])
        .transform_calculate(said="format(window, 'd') + ' KB: ' + format(datum.mine, '.3~g') + ' Mbit/s'")
        .mark_text(color=ASKED_COLOUR, align="left", dy=-12, fontWeight="bold")
        .encode(x=x, y=alt.Y("mine:Q", scale=scale), text="said:N")
    )
    return dressed(
        alt.layer(law, points, names, mine, said).add_params(asked).properties(width=WIDTH - 80, height=300), SAYS
    )

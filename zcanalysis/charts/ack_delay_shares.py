"""How long were ACKs held back, how often, and what did that add up to?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import WIDTH, dressed, wire_colour

LEAST_MS = 0.0005  # where the first class, which begins at 0, begins on the axis
LINUX_DELAY_MS = 40  # include/net/tcp.h, TCP_DELACK_MIN
ACKS, TIME = "of the ACKs", "of the time waited"
SAYS = (
    "Bars: how many of the ACKs of new data came after each delay, on a logarithmic time axis. Lines: how much of "
    "all time waited these make up. A mark at 40 ms is where Linux delays an ACK."
)


def ack_delays(delays: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Shares of the ACKs, and of all their delays together, by delay on a log axis, zoomable; a mark at 40 ms.

    Parameters
    ----------
    delays
        ACK_DELAYS, as `zcanalysis.ack_delays` gives them.
    """
    drawn = delays.with_columns(
        pl.col("from_ms").clip(LEAST_MS).alias("drawn_ms"), pl.col("share", "share_time").round(6), none=0.0
    )
    longest = max(float(delays.get_column("to_ms").max() or 0), 2 * LINUX_DELAY_MS)  # type: ignore[arg-type]
    shortest = float(drawn.get_column("drawn_ms").min() or LEAST_MS)  # type: ignore[arg-type]
    scale = alt.Scale(type="log", domain=[shortest, longest], nice=False)
    base = alt.Chart(drawn).encode(
        x=alt.X("drawn_ms:Q", title="an ACK came so long after the oldest packet it covers (ms)", scale=scale),
        x2="to_ms:Q",
        color=wire_colour(ACKS, TIME),
        tooltip=[
            alt.Tooltip("from_ms:Q", title="from (ms)"),
            alt.Tooltip("to_ms:Q", title="to (ms)"),
            alt.Tooltip("acks:Q", title="ACKs", format=","),
            alt.Tooltip("share:Q", title="of the ACKs", format=".2%"),
            alt.Tooltip("share_time:Q", title="of the time waited", format=".2%"),
        ],
    )
    share = alt.Y("share:Q", title="share", axis=alt.Axis(format="%"))
    bars = base.transform_calculate(line=f"'{ACKS}'").mark_rect().encode(y=share, y2="none:Q")
    tops = base.transform_calculate(line=f"'{TIME}'").mark_rule(strokeWidth=3).encode(y="share_time:Q")
    zoom = alt.selection_interval(bind="scales", encodings=["x"])
    drawn_all = alt.layer(bars, tops, *_delayed(scale)).properties(width=WIDTH, height=220).add_params(zoom)
    return dressed(drawn_all, SAYS)


def _delayed(scale: alt.Scale) -> list[alt.Chart]:
    """Where ACKs are that Linux delays."""
    mark = alt.Chart(pl.DataFrame({"ms": [LINUX_DELAY_MS], "text": ["delayed ACK: 40 ms"]}))
    at = mark.encode(x=alt.X("ms:Q", scale=scale))
    line = at.mark_rule(style="soft", strokeDash=[4, 3])
    return [line, at.mark_text(style="soft", align="right", baseline="top", dx=-4, y=2).encode(text="text:N")]

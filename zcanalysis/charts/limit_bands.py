"""What limited each connection, moment by moment?"""

from collections.abc import Mapping
from typing import Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BLUE, GREEN, OLIVE, PERIWINKLE, PINK, RED, TAN, WARM_GREY, WIDTH, dressed
from zcanalysis.limit_spans import (
    APPLICATION,
    DELAYED_ACK,
    LIMIT_NAMES,
    LINK,
    LOSS,
    READER,
    RECEIVER_CPU,
    UNKNOWN,
    WINDOW,
)  # fmt: skip

LIMIT_COLOURS: Final[Mapping[str, str]] = {
    APPLICATION: OLIVE,
    WINDOW: BLUE,
    READER: PERIWINKLE,
    RECEIVER_CPU: RED,
    LOSS: PINK,
    DELAYED_ACK: TAN,
    LINK: GREEN,
    UNKNOWN: WARM_GREY,
}
MOST_CONNECTIONS: Final = 12
MOST_ROWS: Final = 4_000
ROW_HEIGHT: Final = 26
SAYS: Final = (
    "A band a connection over time, coloured by what limited it: the application, the window, the reader, the "
    "receiver's CPU, loss, delayed ACKs, the link, or nothing known."
)


def limits_band(limits: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """A band a connection, coloured by its limit, zoomable; the longest connections where there are many.

    Parameters
    ----------
    limits
        LIMITS, as `zcanalysis.limits` gives them.
    """
    shown = _drawn(limits)
    present = [name for name in LIMIT_NAMES if name in set(shown.get_column("limit"))]
    colours = alt.Scale(domain=present, range=[LIMIT_COLOURS[name] for name in present])
    chart = (
        alt.Chart(shown)
        .mark_bar(height=ROW_HEIGHT - 6)
        .encode(
            x=alt.X(
                "from:Q",
                title="time since the first interval (s)",
                scale=alt.Scale(zero=False, nice=False),
                axis=alt.Axis(tickCount=8),
            ),
            x2="to:Q",
            y=alt.Y("connection:N", title=None, sort=None),
            color=alt.Color(
                "limit:N", title="limited by", scale=colours, legend=alt.Legend(orient="bottom", columns=4)
            ),
            tooltip=[
                "connection:N",
                "limit:N",
                "evidence:N",
                alt.Tooltip("from:Q", title="from (s)"),
                alt.Tooltip("to:Q", title="to (s)"),
                alt.Tooltip("share_time:Q", title="share of the time", format=".1%"),
                alt.Tooltip("share_bytes:Q", title="share of the lost bytes", format=".1%"),
            ],
        )
        .properties(width=WIDTH, height=alt.Step(ROW_HEIGHT))
        .add_params(alt.selection_interval(bind="scales", encodings=["x"]))
    )
    return dressed(chart, SAYS)


def _drawn(limits: pl.DataFrame) -> pl.DataFrame:
    """The rows that are drawn, times in seconds: those of the longest connections, the longest rows of these."""
    elapsed_ns = pl.col("to_ns") - pl.col("from_ns")
    long = limits.group_by("connection").agg(elapsed_ns.sum().alias("ns"))
    long = long.sort("ns", "connection", descending=[True, False]).head(MOST_CONNECTIONS)
    rows = limits.join(long.select("connection"), on="connection", how="semi")
    rows = rows.sort(elapsed_ns, descending=True).head(MOST_ROWS).sort("connection", "from_ns")
    first_ns = pl.col("from_ns").min()
    return rows.select(
        "connection",
        "limit",
        "evidence",
        ((pl.col("from_ns") - first_ns) / 1e9).round(4).alias("from"),
        ((pl.col("to_ns") - first_ns) / 1e9).round(4).alias("to"),
        pl.col("share_time").round(4),
        pl.col("share_bytes").round(4),
    )

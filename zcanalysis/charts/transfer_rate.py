"""How fast did one direction of a connection send, over time?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import WIDTH, dressed, life_axis, wire_colour

SMALLEST_GBPS = 0.1
NEW, AGAIN = "sent", "sent again"
SAYS = "Bars over time: the payload rate of one direction of a connection, with what was sent again on top."


def transfer_rate(rates: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Payload rate in each slice of time, what was sent again on top, zoomable.

    Parameters
    ----------
    rates
        TRANSFER_RATES, as `zcanalysis.transfer_rates` gives them.
    """
    highest = rates.select((pl.col("new_gbps") + pl.col("repeated_gbps")).max()).item() or 0
    scale, unit = (1, "Gbit/s") if highest >= SMALLEST_GBPS else (1000, "Mbit/s")
    new, both = pl.col("new_gbps") * scale, (pl.col("new_gbps") + pl.col("repeated_gbps")) * scale
    lines = ((NEW, pl.lit(0.0), new), (AGAIN, new, both))
    shown = pl.concat(
        rates.select(
            "from_s", "to_s", low=low.round(6), high=high.round(6), rate=(high - low).round(6), line=pl.lit(line)
        )
        for line, low, high in lines
    )
    last_s = float(rates.get_column("to_s").max() or 0)  # type: ignore[arg-type]
    chart = (
        alt.Chart(shown)
        .mark_rect()
        .encode(
            x=life_axis(last_s),
            x2="to_s:Q",
            y=alt.Y("low:Q", title=f"payload ({unit})"),
            y2="high:Q",
            color=wire_colour(NEW, AGAIN),
            tooltip=[
                alt.Tooltip("from_s:Q", title="from (s)", format=".4f"),
                alt.Tooltip("to_s:Q", title="to (s)", format=".4f"),
                alt.Tooltip("line:N", title="payload"),
                alt.Tooltip("rate:Q", title=unit, format=".4~g"),
            ],
        )
        .properties(width=WIDTH, height=180)
        .add_params(alt.selection_interval(bind="scales", encodings=["x"]))
    )
    return dressed(chart, SAYS)

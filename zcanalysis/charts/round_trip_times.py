"""How long did one direction of a connection wait for its ACKs, over time?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import WIDTH, dressed, life_axis, wire_colour

LEAST_MS = 0.001  # on the axis: captures rarely tell less apart than a microsecond
RANGE, MEDIAN, MOST = "shortest to longest", "median", "95 %"
SAYS = (
    "Over time, on a logarithmic axis: upright lines from the shortest to the longest time that data waited for "
    "its ACK, with a point for the median and one for the 95 % quantile."
)


def round_trips(times: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Shortest, median, 95 % and longest time to the ACK in each slice of time, zoomable.

    Parameters
    ----------
    times
        ROUND_TRIPS, as `zcanalysis.round_trips` gives them.
    """
    names = ("min_ms", "median_ms", "p95_ms", "max_ms")
    drawn = [pl.col(name).clip(LEAST_MS).round(6).alias(f"{name}_at") for name in names]
    shown = times.with_columns(*drawn, pl.col(*names, "from_s").round(6))
    last_s = float(times.get_column("to_s").max() or 0)  # type: ignore[arg-type]
    base = alt.Chart(shown).encode(
        x=life_axis(last_s),
        color=wire_colour(RANGE, MEDIAN, MOST),
        tooltip=[
            alt.Tooltip("from_s:Q", title="at (s)", format=".4f"),
            alt.Tooltip("samples:Q", title="ACKs"),
            alt.Tooltip("min_ms:Q", title="shortest (ms)"),
            alt.Tooltip("median_ms:Q", title="median (ms)"),
            alt.Tooltip("p95_ms:Q", title="95 % (ms)"),
            alt.Tooltip("max_ms:Q", title="longest (ms)"),
        ],
    )
    height = alt.Y("min_ms_at:Q", title="time to the ACK (ms)", scale=alt.Scale(type="log"), axis=alt.Axis(tickCount=6))
    whole = _of(base, RANGE).mark_rule(strokeWidth=2).encode(y=height, y2="max_ms_at:Q")
    points = [
        _of(base, name).mark_point(size=14, filled=True, opacity=1).encode(y=f"{column}:Q")
        for name, column in ((MOST, "p95_ms_at"), (MEDIAN, "median_ms_at"))
    ]
    zoom = alt.selection_interval(bind="scales", encodings=["x"])
    return dressed(alt.layer(whole, *points).properties(width=WIDTH, height=220).add_params(zoom), SAYS)


def _of(chart: alt.Chart, line: str) -> alt.Chart:
    return chart.transform_calculate(line=f"'{line}'")

"""How did a transfer move through its sequence space: what was sent, acknowledged, allowed, and sent again?"""

from typing import Any, Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import WIDTH, dressed, life_axis, wire_colour

LINES: Final = ("sent", "acknowledged", "window", "SACKed", "sent again")
BYTES_PER_MB: Final = 1e6
LEAST_MB: Final = 0.0001  # on a log axis
SMALL_PART: Final = 0.05
SAYS: Final = (
    "Time-sequence diagram of one direction of a connection. Above: what was sent, acknowledged, sent again, and "
    "the end of the window, in megabytes over time. Below: what was in flight, and the window that allowed it."
)


def time_sequence(lines: pl.DataFrame, *, brush: str | None = None) -> alt.VConcatChart:
    """The time-sequence diagram of one direction of a connection, and below it what was in flight; zoomable.

    Parameters
    ----------
    lines
        SEQUENCE_LINES, as `zcanalysis.sequence_lines` gives them.
    brush
        Name of a parameter that becomes the stretch of time over which the pointer is dragged; dragging zooms without.
    """
    positions = ("low_byte", "high_byte", "acked_byte", "edge_byte", "in_flight_most_bytes")
    allowed = ((pl.col("edge_byte") - pl.col("acked_byte")) / BYTES_PER_MB).round(6).alias("allowed")
    megabytes = [(pl.col(name) / BYTES_PER_MB).round(6) for name in positions]
    shown = lines.select("from_s", "packets", "repeated_bytes", *megabytes, allowed)
    first_s, last_s = lines.select(pl.col("from_s").min().fill_null(0), pl.col("to_s").max().fill_null(0)).row(0)
    time = life_axis(last_s, first_s)
    base = alt.Chart(shown).encode(x=time)
    zoom: Any = {"bind": "scales"} if brush is None else {"name": brush}
    drag = alt.selection_interval(encodings=["x"], **zoom)
    above = alt.layer(
        _sent(base), *_line(base, "acked_byte", "acknowledged"), *_line(base, "edge_byte", "window"),
        *_sacked(lines, base), *_again(lines, base),
    )  # fmt: skip
    panels: list[Any] = [
        above.properties(width=WIDTH, height=260).add_params(drag),
        *_under_way(shown, life_axis(last_s, first_s)),
    ]
    both: Any = alt.vconcat(*panels).resolve_scale(x="shared")
    found: alt.VConcatChart = dressed(both, SAYS)  # type: ignore[assignment]
    return found


def _under_way(shown: pl.DataFrame, time: alt.X) -> list[Any]:
    """In flight under its window, on a log axis where the one is a small part of the other; nothing without ACKs."""
    if not shown.get_column("in_flight_most_bytes").count():
        return []
    flight, window = (shown.get_column(name).max() or 0 for name in ("in_flight_most_bytes", "allowed"))
    small = flight < SMALL_PART * window  # type: ignore[operator]
    floor = LEAST_MB if small else 0.0
    drawn = shown.with_columns(flight=pl.col("in_flight_most_bytes").clip(floor), room=pl.col("allowed").clip(floor))
    base = alt.Chart(drawn).encode(x=time)
    scale = alt.Scale(type="log") if small else alt.Scale()
    area = _in_colour(base.transform_filter("isValid(datum.flight)"), "sent").mark_area(
        interpolate="step-after", opacity=0.45
    )
    height = alt.Y("flight:Q", title="in flight (MB)", scale=scale, axis=alt.Axis(tickCount=5))
    layers = area.encode(y=height, y2=alt.Y2Datum(floor), tooltip=_said()), *_line(base, "room", "window")
    return [alt.layer(*layers).properties(width=WIDTH, height=120)]


def _in_colour(chart: alt.Chart, line: str) -> alt.Chart:
    return chart.transform_calculate(line=f"'{line}'").encode(color=wire_colour(*LINES))


def _said() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("from_s:Q", title="at (s)", format=".4f"),
        alt.Tooltip("packets:Q", title="packets"),
        alt.Tooltip("high_byte:Q", title="sent up to (MB)", format=".3f"),
        alt.Tooltip("acked_byte:Q", title="acknowledged (MB)", format=".3f"),
        alt.Tooltip("allowed:Q", title="window (MB)", format=".3f"),
        alt.Tooltip("in_flight_most_bytes:Q", title="in flight at most (MB)", format=".3f"),
        alt.Tooltip("repeated_bytes:Q", title="sent again (bytes)"),
    ]


def _sent(base: alt.Chart) -> alt.Chart:
    low = alt.Y("low_byte:Q", title="sequence space (MB)", scale=alt.Scale(zero=False))
    return _in_colour(base, "sent").mark_bar(width=2).encode(y=low, y2="high_byte:Q", tooltip=_said())


def _line(base: alt.Chart, column: str, name: str) -> list[alt.Chart]:
    """Nothing where the column has no value: a browser complains of an axis without any."""
    if not base.data.get_column(column).count():
        return []
    there = _in_colour(base.transform_filter(f"isValid(datum.{column})"), name)
    return [there.mark_line(interpolate="step-after", strokeWidth=1.5).encode(y=alt.Y(f"{column}:Q"))]


def _sacked(lines: pl.DataFrame, base: alt.Chart) -> list[alt.Chart]:
    ranges = lines.select("from_s", "sacked").explode("sacked").drop_nulls("sacked").unnest("sacked")
    if ranges.is_empty():
        return []
    megabytes = ranges.with_columns((pl.col("low_byte", "high_byte") / BYTES_PER_MB).round(6))
    there = _in_colour(base.properties(data=megabytes), "SACKed").mark_rule(strokeWidth=1.5)
    said = [
        alt.Tooltip("from_s:Q", title="at (s)", format=".4f"),
        alt.Tooltip("low_byte:Q", title="SACKed from (MB)", format=".3f"),
        alt.Tooltip("high_byte:Q", title="to (MB)", format=".3f"),
    ]
    return [there.encode(y="low_byte:Q", y2="high_byte:Q", tooltip=said)]


def _again(lines: pl.DataFrame, base: alt.Chart) -> list[alt.Chart]:
    if not lines.get_column("repeated_bytes").sum():
        return []
    there = _in_colour(base.transform_filter("datum.repeated_bytes > 0"), "sent again")
    return [there.mark_point(size=14, filled=True).encode(y="low_byte:Q", tooltip=_said())]

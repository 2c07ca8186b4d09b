"""How did a transfer move through its sequence space: what was sent, acknowledged, allowed, and sent again?"""

from typing import Any, Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import WIDTH, dressed

LINES: Final = {"sent": "#4477aa", "acknowledged": "#117733", "window": "#999933", "sent again": "#cc6677"}
BYTES_PER_MB: Final = 1e6


def time_sequence(lines: pl.DataFrame) -> alt.VConcatChart:
    """The time-sequence diagram of one direction of a connection, and below it what was in flight; zoomable.

    Parameters
    ----------
    lines
        SEQUENCE_LINES, as `zcanalysis.sequence_lines` gives them.
    """
    positions = ("low_byte", "high_byte", "acked_byte", "edge_byte", "in_flight_bytes")
    allowed = ((pl.col("edge_byte") - pl.col("acked_byte")) / BYTES_PER_MB).round(6).alias("allowed")
    megabytes = [(pl.col(name) / BYTES_PER_MB).round(6) for name in positions]
    shown = lines.select("from_s", "packets", "repeated_bytes", *megabytes, allowed)
    life = alt.Scale(domain=[0, float(lines.get_column("to_s").max() or 0)], nice=False)  # type: ignore[arg-type]
    base = alt.Chart(shown).encode(x=alt.X("from_s:Q", title="time since the first packet (s)", scale=life))
    zoom = alt.selection_interval(bind="scales", encodings=["x"])
    above = alt.layer(
        _sent(base), _line(base, "acked_byte", "acknowledged"), _line(base, "edge_byte", "window"), _again(base)
    )
    below = alt.layer(
        _in_colour(base, "sent")
        .mark_area(interpolate="step-after", opacity=0.45)
        .encode(y=alt.Y("in_flight_bytes:Q", title="in flight (MB)"), tooltip=_said()),
        _line(base, "allowed", "window"),
    )
    both: Any = alt.vconcat(
        above.properties(width=WIDTH, height=260).add_params(zoom), below.properties(width=WIDTH, height=120)
    ).resolve_scale(x="shared")
    found: alt.VConcatChart = dressed(both)  # type: ignore[assignment]
    return found


def _in_colour(chart: alt.Chart, line: str) -> alt.Chart:
    scale = alt.Scale(domain=list(LINES), range=list(LINES.values()))
    colour = alt.Color("line:N", title=None, scale=scale, legend=alt.Legend(orient="bottom"))
    return chart.transform_calculate(line=f"'{line}'").encode(color=colour)


def _said() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("from_s:Q", title="at (s)", format=".4f"),
        alt.Tooltip("packets:Q", title="packets"),
        alt.Tooltip("high_byte:Q", title="sent up to (MB)", format=".3f"),
        alt.Tooltip("acked_byte:Q", title="acknowledged (MB)", format=".3f"),
        alt.Tooltip("allowed:Q", title="window (MB)", format=".3f"),
        alt.Tooltip("in_flight_bytes:Q", title="in flight (MB)", format=".3f"),
        alt.Tooltip("repeated_bytes:Q", title="sent again (bytes)"),
    ]


def _sent(base: alt.Chart) -> alt.Chart:
    low = alt.Y("low_byte:Q", title="sequence space (MB)")
    return _in_colour(base, "sent").mark_bar(width=2).encode(y=low, y2="high_byte:Q", tooltip=_said())


def _line(base: alt.Chart, column: str, name: str) -> alt.Chart:
    there = _in_colour(base.transform_filter(f"isValid(datum.{column})"), name)
    return there.mark_line(interpolate="step-after", strokeWidth=1.5).encode(y=alt.Y(f"{column}:Q"))


def _again(base: alt.Chart) -> alt.Chart:
    there = _in_colour(base.transform_filter("datum.repeated_bytes > 0"), "sent again")
    return there.mark_point(size=36, filled=True).encode(y="low_byte:Q", tooltip=_said())

"""Does a real kernel do what the model says?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BLUE, RED, WIDTH, dressed

LABEL = "datum.value == 0 ? '0' : format(datum.value, '{}')"
WHO_COLOURS = {"kernel": BLUE, "model": RED}
SAYS = (
    "A row a recording: one point for a real kernel and one for the model, joined by a line. The shorter the "
    "line, the nearer the model is."
)


def kernel_beside_model(
    rows: pl.DataFrame, value: str, title: str, *, format_text: str, log: bool = False
) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """One point for the kernel and one for the model in each row, joined: the shorter the line, the nearer.

    A rule stands at zero, unless the axis is logarithmic.

    Parameters
    ----------
    rows
        ``recording``, ``who`` (kernel or model), and the column to show; several rows of one name are averaged.
    value
        The column.
    title
        Of its axis, with the unit.
    format_text
        Of its numbers, in d3's notation.
    log
        Whether the axis is logarithmic.
    """
    order = list(dict.fromkeys(rows.get_column("recording")))
    y = alt.Y("recording:N", title=None, sort=order)
    scale = alt.Scale(type="log") if log else alt.Scale()
    axis = alt.Axis(format=format_text) if log else _axis_with_zero(format_text)
    x = alt.X(f"{value}:Q", title=title, axis=axis, scale=scale)
    colour = alt.Color(
        "who:N", title=None, legend=alt.Legend(orient="top"),
        scale=alt.Scale(domain=list(WHO_COLOURS), range=list(WHO_COLOURS.values())),
    )  # fmt: skip
    base = alt.Chart(rows)
    between = base.mark_line(style="soft").encode(x=x, y=y, detail="recording:N")
    points = base.mark_point(filled=True, size=90, opacity=0.9).encode(
        x=x, y=y, color=colour, shape=alt.Shape("who:N", legend=None),
        tooltip=["recording:N", "who:N", alt.Tooltip(f"{value}:Q", title=title, format=format_text)],
    )  # fmt: skip
    layers = [between, points] if log else [_zero_rule(value), between, points]
    return dressed(alt.layer(*layers).properties(width=WIDTH - 260, height={"step": 22}), SAYS)


def _axis_with_zero(format_text: str) -> alt.Axis:
    """Few ticks, and each has its label: of many, Vega would leave out every other one, perhaps that of zero."""
    return alt.Axis(labelExpr=LABEL.format(format_text), tickCount=5, labelOverlap=False)


def _zero_rule(value: str) -> alt.Chart:
    return alt.Chart(pl.DataFrame({value: [0.0]})).mark_rule(style="ink").encode(x=f"{value}:Q")

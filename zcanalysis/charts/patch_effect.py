"""Where does a patch help, do nothing, or hurt?"""

from typing import Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import LINES, PALE_GREY, PALE_RED, PALE_TAN, PALE_TEAL, dressed

VERDICT_COLOURS: Final = {"helps": PALE_TEAL, "nothing": PALE_GREY, "depends": PALE_TAN, "hurts": PALE_RED}
LEGIBLE: Final = "bandwidth('x') >= 28 ? 1 : 0"  # in a narrow page the colour and the tooltip tell
CELL: Final = {"width": 38, "height": 19}
NUMBER: Final = (
    "datum.verdict == 'depends' ? format(100 * datum.low, '.0f') + '…' + format(100 * datum.high, '.0f')"
    " : format(100 * datum.gain, '+.0f')"
)
SAYS: Final = (
    "A matrix of cells, a panel a workload and checksum class: what the patch changes in per cent, by how long "
    "the reader waits and by size. Colours say whether it helps, does nothing, depends, or hurts. A number is the "
    "median of the hosts; where it depends, the least and the most are written."
)


def patch_effect(cells: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Gain in per cent over the reader's delay and the size, a panel for each workload and checksum class.

    Parameters
    ----------
    cells
        One row a cell: ``workload``, ``checksum``, ``delay_ms``, ``size_bytes``, ``measure``, ``before``, ``after``,
        ``gain``, ``low``, ``high``, ``verdict``.
    """
    order = list(dict.fromkeys(cells.get_column("workload")))
    classes = list(dict.fromkeys(cells.get_column("checksum")))
    base = alt.Chart(cells).encode(
        x=alt.X(
            "delay_ms:O",
            title="reader waits for the CPU (ms)",
            axis=alt.Axis(labelAngle=0, format="~g", labelOverlap="greedy"),
        ),
        y=alt.Y("size_bytes:O", title="bytes", sort="descending"),
    )
    colour = alt.Color(
        "verdict:N", title=None, legend=alt.Legend(orient="top"),
        scale=alt.Scale(domain=list(VERDICT_COLOURS), range=list(VERDICT_COLOURS.values())),
    )  # fmt: skip
    tooltip = [
        "workload:N", "checksum:N", alt.Tooltip("size_bytes:Q", title="bytes"),
        alt.Tooltip("delay_ms:Q", title="reader waits (ms)"), "measure:N",
        alt.Tooltip("before:Q", format=".4~g"), alt.Tooltip("after:Q", format=".4~g"),
        alt.Tooltip("gain:Q", title="gain, median", format="+.1%"), alt.Tooltip("low:Q", title="least", format="+.1%"),
        alt.Tooltip("high:Q", title="most", format="+.1%"), "verdict:N",
    ]  # fmt: skip
    squares = base.mark_rect(stroke=LINES, strokeWidth=0.5).encode(color=colour, tooltip=tooltip)
    unlike = base.transform_filter("datum.verdict != 'nothing'")
    numbers = unlike.mark_text(style="pale", fontSize=8.5, opacity=alt.expr(LEGIBLE)).encode(
        text=alt.Text("percent:N")
    ).transform_calculate(percent=NUMBER)  # fmt: skip
    panel = alt.layer(squares, numbers).properties(width={"step": CELL["width"]}, height={"step": CELL["height"]})
    return dressed(
        panel.facet(
            row=alt.Row("workload:N", title=None, sort=order, header=alt.Header(labelAngle=0, labelAlign="left")),
            column=alt.Column("checksum:N", title=None, sort=classes),
            spacing=8,
        ).resolve_scale(y="independent"),
        SAYS,
    )

"""From which size of message on do page tricks cost less than a copy?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BLUE, RED, TAN, WIDTH, dressed

DESIGN_COLOURS = (RED, TAN, BLUE)
SAYS = (
    "CPU time for a byte against the size of a message, a line a design; a slider chooses what a flush of the TLB "
    "costs."
)


def relay_messages(messages: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """CPU time for a byte by size of message, a line a design; a slider chooses what a TLB flush costs.

    Parameters
    ----------
    messages
        Columns design, message_bytes, flush_ns (evenly spaced, two or more), cpu_ns_per_byte.
    """
    designs = messages.get_column("design").unique(maintain_order=True).to_list()
    flushes = messages.get_column("flush_ns").unique().sort().to_list()
    slider = alt.binding_range(
        min=flushes[0], max=flushes[-1], step=flushes[1] - flushes[0], name="a flush of the TLB costs (ns): "
    )
    asked = alt.param(name="asked_ns", value=4_000, bind=slider)
    shown = alt.Chart(messages).transform_filter("datum.flush_ns == asked_ns")
    lines = shown.mark_line(point=alt.OverlayMarkDef(size=50)).encode(
        x=alt.X("message_bytes:Q", title="message (bytes)", scale=alt.Scale(type="log", base=2)),
        y=alt.Y(
            "cpu_ns_per_byte:Q",
            title="CPU time (ns a byte)",
            scale=alt.Scale(domainMin=0, domainMax=max(messages.get_column("cpu_ns_per_byte").to_list())),
        ),
        color=alt.Color(
            "design:N",
            title=None,
            scale=alt.Scale(domain=designs, range=list(DESIGN_COLOURS)),
            legend=alt.Legend(orient="bottom", labelLimit=260),
        ),
        tooltip=[
            alt.Tooltip("design:N"),
            alt.Tooltip("message_bytes:Q", format=","),
            alt.Tooltip("flush_ns:Q", title="flush (ns)", format=","),
            alt.Tooltip("cpu_ns_per_byte:Q", format=".1f"),
        ],
    )
    return dressed(lines.add_params(asked).properties(width=WIDTH, height=280), SAYS)

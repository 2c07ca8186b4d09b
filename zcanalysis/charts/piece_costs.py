"""What does a byte cost each stage of the receiver, in pieces and whole?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BLUE_GREY, BRICK, WIDTH, dressed
from zcanalysis.cpu.kernel_stages import STAGES

LABEL = 200
COLOURS = (BRICK, BLUE_GREY)
SAYS = (
    "CPU time for a byte, two bars a stage with the interval of the sampling: datagrams that came in pieces, and "
    "whole ones."
)


def piece_costs(stages: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Two bars a stage, with the interval of the sampling.

    Parameters
    ----------
    stages
        Columns stage, came, ns_per_byte, low, high; in the order in which stages are shown.
    """
    shown = stages.with_columns(pl.col("stage").replace_strict(STAGES))
    order = shown.get_column("stage").unique(maintain_order=True).to_list()
    came = stages.get_column("came").unique(maintain_order=True).to_list()
    base = alt.Chart(shown).encode(
        y=alt.Y("stage:N", sort=order, title=None, axis=alt.Axis(labelLimit=LABEL)),
        yOffset=alt.YOffset("came:N", sort=came, scale=alt.Scale(domain=came)),
    )
    bars = base.mark_bar().encode(
        x=alt.X("ns_per_byte:Q", title="CPU time of the receiver (ns a byte that arrived); thin line: 90 %"),
        color=alt.Color(
            "came:N",
            title="8 KB datagrams",
            scale=alt.Scale(domain=came, range=list(COLOURS)),
            legend=alt.Legend(orient="bottom", labelLimit=260),
        ),
        tooltip=[
            "stage:N",
            "came:N",
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("ns_per_byte", "low", "high")),
        ],
    )
    spans = base.mark_rule(style="soft").encode(x="low:Q", x2="high:Q")
    return dressed(alt.layer(bars, spans).properties(width=WIDTH - LABEL, height=alt.Step(15)), SAYS)

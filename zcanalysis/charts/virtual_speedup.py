"""What would the goodput be if a stage took less time?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import GROUP_COLOURS, WIDTH, dressed
from zcanalysis.cpu.kernel_stages import GROUP_OF, STAGES

SAYS = (
    "A line a stage: the goodput if that stage alone took less time, by 0 to 100 per cent. A flat line is a stage "
    "whose time somebody else's hides."
)


def speedup_curves(curves: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """A line for each stage: goodput against how much less time the stage takes.

    Parameters
    ----------
    curves
        The SPEEDUP table.
    """
    shown = curves.with_columns(pl.col("stage").replace_strict(STAGES).alias("name"))
    stages = curves.get_column("stage").unique(maintain_order=True).to_list()
    names = [STAGES[stage] for stage in stages]
    legend = alt.Legend(orient="bottom", labelLimit=260)
    colour = alt.Color(
        "name:N", title=None, legend=legend,
        scale=alt.Scale(
            domain=names, range=[GROUP_COLOURS[GROUP_OF[stage]] for stage in stages]
        ),
    )  # fmt: skip
    chart = (
        alt.Chart(shown)
        .mark_line(point=alt.OverlayMarkDef(size=35), strokeWidth=2.5)
        .encode(
            x=alt.X("percent:Q", title="less time for this stage alone (%)", scale=alt.Scale(domain=[0, 100])),
            y=alt.Y("gbps:Q", title="goodput (Gbit/s)", scale=alt.Scale(zero=False)),
            color=colour,
            strokeDash=alt.StrokeDash("name:N", title=None, legend=legend, scale=alt.Scale(domain=names)),
            tooltip=[
                alt.Tooltip("name:N", title="stage"),
                alt.Tooltip("percent:Q", title="less time (%)"),
                alt.Tooltip("gbps:Q", title="goodput (Gbit/s)", format=".2f"),
            ],
        )
    )
    return dressed(chart.properties(width=WIDTH, height=240), SAYS)

"""How much of each hypothesis's volume does what was reported, and which are ruled out?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import HYPOTHESIS_COLOURS, RED, WARM_GREY, WIDTH, branch_title, dressed

RULED_OUT_COLOUR = WARM_GREY
LEAST_SHARE = 1e-4
RULED_OUT = 0.01
SAYS = (
    "Two panels, a bar a hypothesis: the share of its generated hosts that transmit what was reported, and of "
    "those the share that also receive it. A line marks one in a hundred."
)


def volumes(hypotheses: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """One row a hypothesis: who transmits as reported, and who of those receives so because of it.

    Grey is ruled out.

    Parameters
    ----------
    hypotheses
        The HYPOTHESES table. Shares below one in ten thousand are drawn there.
    """
    order = hypotheses.get_column("hypothesis").unique(maintain_order=True).to_list()
    y = alt.Y("hypothesis:N", title=None, sort=order)
    scale = alt.Scale(domain=order, range=[HYPOTHESIS_COLOURS[name] for name in order])
    mine = alt.Color("hypothesis:N", scale=scale, legend=None)
    colour = alt.condition("datum.verdict == 'ruled out'", alt.value(RULED_OUT_COLOUR), mine)
    tooltip = [
        alt.Tooltip("hypothesis:N"),
        alt.Tooltip("says:N", title="says"),
        alt.Tooltip("hosts:Q", title="hosts drawn", format=","),
        alt.Tooltip("transmits_share:Q", title="transmit 1.4", format=".2%"),
        alt.Tooltip("explains_share:Q", title="of those, receive 0.9 because of it", format=".2%"),
        alt.Tooltip("volume_share:Q", title="both", format=".3%"),
    ]
    base = alt.Chart().encode(y=y, color=colour, tooltip=tooltip)
    line = alt.Chart().mark_rule(color=RED, strokeDash=[5, 3]).encode(x=alt.datum(RULED_OUT))
    panels = []
    for name, title in (
        ("transmits_share", "of all hosts drawn, transmit 1.4"),
        ("explains_share", "of those, receive 0.9 because of it"),
    ):
        x = alt.X(
            f"{name}:Q",
            title=title,
            scale=alt.Scale(type="log", domain=[LEAST_SHARE, 1], clamp=True),
            axis=alt.Axis(format="~%", values=[1e-4, 1e-3, 1e-2, 1e-1, 1]),
        )
        layers = [base.mark_point(filled=True, size=80, opacity=1).encode(x=x), line]
        if name == "explains_share":
            layers.insert(0, base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=title), x2="high:Q"))
        panels.append(alt.layer(*layers).properties(width=(WIDTH - 170) / 2, height=22 * len(order)))
        y = alt.Y("hypothesis:N", title=None, sort=order, axis=alt.Axis(labels=False))
        base = alt.Chart().encode(y=y, color=colour, tooltip=tooltip)
    return dressed(alt.hconcat(*panels, data=hypotheses, title=branch_title(hypotheses)), SAYS)  # type: ignore[arg-type]

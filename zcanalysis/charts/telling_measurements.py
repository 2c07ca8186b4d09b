"""What should be measured next?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BRICK, GREEN, PERIWINKLE, PINK, RED, TAN, TEAL, WIDTH, branch_title, dressed

NEED_COLOURS = {
    "counters": GREEN,
    "a test program": TEAL,
    "a node out of use": PERIWINKLE,
    "a driver module": TAN,
    "a setting as root": RED,
    "a reboot": PINK,
    "a new kernel": BRICK,
}
"""What a production cluster must allow, the easiest first."""
SAYS = (
    "A bar a measurement, the longest on top: how many bits it would tell, on average, of which hypothesis is "
    "true; coloured by what a production cluster must allow for it."
)


def telling(information: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Bits that each measurement would give, coloured by what it needs.

    Parameters
    ----------
    information
        The INFORMATION table of one branch.
    """
    needs = information.get_column("needs").to_list()
    colours = {name: colour for name, colour in NEED_COLOURS.items() if name in needs}
    chart = (
        alt.Chart(information, title=branch_title(information))
        .mark_bar()
        .encode(
            x=alt.X("bits:Q", title="bits it would tell of which hypothesis is true", axis=alt.Axis(tickCount=6)),
            y=alt.Y("measurement:N", sort="-x", title=None),
            color=alt.Color(
                "needs:N",
                title="needs",
                scale=alt.Scale(domain=list(colours), range=list(colours.values())),
                legend=alt.Legend(orient="bottom", columns=3),
            ),
            tooltip=[
                alt.Tooltip("measurement:N"),
                alt.Tooltip("needs:N"),
                alt.Tooltip("bits:Q", format=".2f"),
                alt.Tooltip("left_bits:Q", title="open before it", format=".2f"),
            ],
        )
        .properties(width=WIDTH - 260, height=21 * information.height)
    )
    return dressed(chart, SAYS)

"""Which values of two patches together give most?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import LESS_TO_MORE, LINES, dressed

NOT_KNOWN = "–"
LEAST_CELL = 56
PIXELS_PER_CHARACTER = 7


def sweep_map(swept: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """A cell a combination: the first patch's values across, the others' down, the predicted goodput in the cell.

    Parameters
    ----------
    swept
        The SWEEP table of two patches or more; a combination that cannot act here has no number.
    """
    first = pl.col("patch").str.split(" + ").list.first()
    known = pl.when("applies").then("predicted_gbps")
    shown = swept.select(
        first.alias("value"), pl.col("others").replace("", "alone"), known.alias("gbps"), "low_gbps", "high_gbps",
        "limit_after", "why", "patch",
    )  # fmt: skip
    across, down = (shown.get_column(name).unique(maintain_order=True).to_list() for name in ("value", "others"))
    base = alt.Chart(shown).encode(
        x=alt.X("value:N", title=None, sort=across, axis=alt.Axis(orient="top", labelAngle=0)),
        y=alt.Y("others:N", title=None, sort=down),
    )
    cells = base.mark_rect(stroke=LINES, strokeWidth=0.5).encode(
        color=alt.Color(
            "gbps:Q", title="goodput (Gbit/s)",
            scale=alt.Scale(range=list(LESS_TO_MORE[:3]), zero=False, interpolate="lab"),
            legend=alt.Legend(orient="bottom", gradientLength=300, titleLimit=300),
        ),
        tooltip=[
            alt.Tooltip("patch:N"),
            alt.Tooltip("gbps:Q", title="predicted (Gbit/s)", format=".2f"),
            alt.Tooltip("low_gbps:Q", title="5 % bound", format=".2f"),
            alt.Tooltip("high_gbps:Q", title="95 % bound", format=".2f"),
            alt.Tooltip("limit_after:N", title="then the limit"),
            alt.Tooltip("why:N", title="mind"),
        ],
    )  # fmt: skip
    numbers = base.mark_text(style="pale", fontSize=12).encode(text="number:N").transform_calculate(
        number=f"isValid(datum.gbps) ? format(datum.gbps, '.3~r') : '{NOT_KNOWN}'"
    )  # fmt: skip
    chart = alt.layer(cells, numbers).properties(width={"step": _across(across)}, height={"step": 28})
    return dressed(chart, _says(shown))


def _across(names: list[str]) -> int:
    """Pixels of a cell under a name that is read level."""
    return max(LEAST_CELL, PIXELS_PER_CHARACTER * max(map(len, names), default=0) + 12)


def _says(shown: pl.DataFrame) -> str:
    best = shown.drop_nulls("gbps").sort("gbps", descending=True).head(1)
    words = "Heat map of the predicted goodput: one patch's values across, the others' down. "
    if best.is_empty():
        return f"{words}None of the combinations can act here."
    return f"{words}Most, {best.item(0, 'gbps'):.3g} Gbit/s, is predicted for {best.item(0, 'patch')}."

"""Which values of two patches together give most?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import LESS_TO_MORE, LINES, dressed

NOT_KNOWN = "–"
MOST_CELLS_ACROSS = 14
LEAST_STEP = 64
LETTER = 9


def sweep_map(
    swept: pl.DataFrame, *, pick: str | None = None, chosen: str = ""
) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """A cell a combination: the first patch's values across, the others' down, the predicted goodput in the cell.

    Parameters
    ----------
    swept
        The SWEEP table of two patches or more; a combination that cannot act here has no number.
    pick
        Name of a parameter that becomes the ``patch`` of the cell that is clicked.
    chosen
        The ``patch`` of a cell to frame.
    """
    first = pl.col("patch").str.split(" + ").list.first()
    known = pl.when("applies").then("predicted_gbps")
    shown = swept.select(
        first.alias("value"), pl.col("others").replace("", "alone"), known.alias("gbps"), "low_gbps", "high_gbps",
        "limit_after", "why", "patch",
    )  # fmt: skip
    across, down = (shown.get_column(name).unique(maintain_order=True).to_list() for name in ("value", "others"))
    base = alt.Chart(shown).encode(
        x=alt.X("value:N", title=None, sort=across, axis=alt.Axis(orient="top", labelAngle=_angle(across))),
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
    if pick is not None:
        cells = cells.add_params(alt.selection_point(name=pick, fields=["patch"]))
    frame = base.properties(data=shown.filter(pl.col("patch") == chosen)).mark_rect(style="ink", filled=False)
    layers = cells, numbers, frame.encode(strokeWidth=alt.value(3))
    step = LEAST_STEP if _angle(across) else max(LEAST_STEP, LETTER * max(map(len, across), default=0))
    chart = alt.layer(*layers).properties(width={"step": step}, height={"step": 28})
    return dressed(chart, _says(shown))


def _angle(across: list[str]) -> int:
    return 0 if max(map(len, across), default=0) <= MOST_CELLS_ACROSS and len(across) <= MOST_CELLS_ACROSS else -45


def _says(shown: pl.DataFrame) -> str:
    best = shown.drop_nulls("gbps").sort("gbps", descending=True).head(1)
    words = "Heat map of the predicted goodput: one patch's values across, the others' down. "
    if best.is_empty():
        return f"{words}None of the combinations can act here."
    return f"{words}Most, {best.item(0, 'gbps'):.3g} Gbit/s, is predicted for {best.item(0, 'patch')}."

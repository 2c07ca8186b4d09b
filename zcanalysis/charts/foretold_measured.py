"""Do predictions come true? Each case's ratio foretold over the one measured, with intervals and null models."""

from typing import Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import (
    BLUE,
    BRICK,
    GREEN,
    MUSTARD,
    OLIVE,
    PERIWINKLE,
    PINK,
    RED,
    SKY,
    SLATE,
    TAN,
    TEAL,
    VIOLET,
    WARM_GREY,
    dressed,
)

SIDE: Final = 520
ROOM: Final = 1.15
SEVERAL: Final = "several"
COLOURS: Final = (BLUE, RED, GREEN, TAN, SKY, PINK, VIOLET, TEAL, OLIVE, PERIWINKLE, BRICK, MUSTARD)
NULL_COLUMNS: Final = {
    "no_change_ratio": ("no change", "circle"),
    "samples_removed_ratio": ("share of samples removed", "cross"),
    "amdahl_ratio": ("per packet and byte (Amdahl)", "diamond"),
}
MEASURED: Final = "measured: goodput with the patches over without"
FORETOLD: Final = "foretold: goodput with the patches over without"
SAYS: Final = (
    "Each case of a validation as a point: what its patches were foretold to give, against what they gave when "
    "measured, with both ranges. On the dashed diagonal the prediction came true; grey marks are null models."
)


def validation(cases: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Ratios of goodput with patches over without, foretold against measured; on the diagonal both agree.

    Parameters
    ----------
    cases
        The VALIDATION table; a row that replay foretells nothing of shows its null models only.
    """
    shown = cases.filter(pl.col("measured_ratio") > 0)
    ends = _ends(shown)
    scale = alt.Scale(type="log", domain=ends, nice=False)
    x = alt.X("measured_ratio:Q", title=MEASURED, scale=scale)
    y = alt.Y("predicted_ratio:Q", title=FORETOLD, scale=scale)
    edge = pl.DataFrame({"measured_ratio": ends, "predicted_ratio": ends})
    diagonal = alt.Chart(edge).mark_line(style="ink", strokeDash=[4, 3]).encode(x=x, y=y)
    layers = alt.layer(diagonal, _nulls(shown, x), *_ours(shown.drop_nulls("predicted_ratio"), x, y))
    title = alt.TitleParams(
        "What patches were foretold to give, and what they gave",
        subtitle="upright: 90 % interval; level: smallest to largest pair of runs; grey: null models",
        anchor="start",
    )
    return dressed(layers.properties(width=SIDE, height=SIDE, title=title), SAYS)


def _ends(shown: pl.DataFrame) -> list[float]:
    """The one range of both axes: everything that is drawn, and 1."""
    names = ("measured_low", "measured_high", "predicted_ratio", "low_ratio", "high_ratio", *NULL_COLUMNS)
    seen = [float(ratio) for name in names for ratio in shown.get_column(name).drop_nulls() if ratio > 0]
    return [min([*seen, 1.0]) / ROOM, max([*seen, 1.0]) * ROOM]


def _ours(known: pl.DataFrame, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    kinds = sorted(known.get_column("kind").unique())
    single = [kind for kind in kinds if kind != SEVERAL]
    colours = [*(COLOURS[at % len(COLOURS)] for at in range(len(single))), *[SLATE] * (SEVERAL in kinds)]
    domain = [*single, *[SEVERAL] * (SEVERAL in kinds)]
    colour = alt.Color("kind:N", title="patch", scale=alt.Scale(domain=domain, range=colours))
    columns = ("configuration", "patch", "kind", "measured_ratio", "measured_low", "measured_high", "predicted_ratio",
               "low_ratio", "high_ratio", "error", "limit_after")  # fmt: skip
    drawn = known.select(*columns, pl.col("limits_after").list.join(" or ").alias("at_limit"))
    base = alt.Chart(drawn).encode(color=colour)
    tooltip = _tooltip()
    return [
        base.mark_rule(opacity=0.7).encode(x=x, y=alt.Y("low_ratio:Q", title=FORETOLD), y2="high_ratio:Q"),
        base.mark_rule(opacity=0.7).encode(x=alt.X("measured_low:Q", title=MEASURED), x2="measured_high:Q", y=y),
        base.mark_point(filled=True, size=80, opacity=1).encode(x=x, y=y, tooltip=tooltip),
    ]


def _tooltip() -> list[alt.Tooltip]:
    ratios = {
        "measured_ratio": "measured", "predicted_ratio": "foretold", "low_ratio": "5 % bound",
        "high_ratio": "95 % bound",
    }  # fmt: skip
    return [
        alt.Tooltip("configuration:N", title="hosts"),
        alt.Tooltip("patch:N", title="patch"),
        *(alt.Tooltip(f"{name}:Q", title=words, format=".2f") for name, words in ratios.items()),
        alt.Tooltip("error:Q", title="error", format="+.0%"),
        alt.Tooltip("limit_after:N", title="limit foretold"),
        alt.Tooltip("at_limit:N", title="limit measured"),
    ]


def _nulls(shown: pl.DataFrame, x: alt.X) -> alt.Chart:
    marks = shown.select("configuration", "patch", "measured_ratio", *NULL_COLUMNS).unpivot(
        index=["configuration", "patch", "measured_ratio"], variable_name="column", value_name="ratio"
    )
    names = {column: words for column, (words, _) in NULL_COLUMNS.items()}
    marks = marks.drop_nulls("ratio").with_columns(pl.col("column").replace(names).alias("null model")).drop("column")
    shape = alt.Shape(
        "null model:N", title="null model",
        scale=alt.Scale(domain=list(names.values()), range=[mark for _, mark in NULL_COLUMNS.values()]),
    )  # fmt: skip
    return alt.Chart(marks).mark_point(size=45, color=WARM_GREY, strokeWidth=1.2).encode(
        x=x, y=alt.Y("ratio:Q", title=FORETOLD), shape=shape,
        tooltip=["configuration:N", "patch:N", "null model:N", alt.Tooltip("ratio:Q", title="it says", format=".2f")],
    )  # fmt: skip

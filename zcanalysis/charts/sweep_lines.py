"""How does the goodput follow the value of a patch?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import WIDTH, dressed
from zcanalysis.patches import entry_of

WIDE_SPAN = 10
SAYS = "Goodput with its range against the value of one patch, a line and a band for each combination of the others."


def sweep_curve(swept: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Goodput with its interval against the first patch's value, a colour for each combination of the others.

    Parameters
    ----------
    swept
        The SWEEP table; rows whose value is no number are left out.
    """
    known = swept.drop_nulls(["value", "predicted_gbps"])
    shown = known.select("patch", "value", "others", "predicted_gbps", "low_gbps", "high_gbps", "limit_after")
    several = shown.get_column("others").n_unique() > 1
    base = alt.Chart(shown).encode(
        x=alt.X("value:Q", title=_title(shown), scale=_scale(shown.get_column("value"))),
        color=alt.Color(
            "others:N", title=None, legend=alt.Legend(orient="bottom", symbolOpacity=1) if several else None
        ),
    )
    tooltip = [
        alt.Tooltip("patch:N"),
        alt.Tooltip("predicted_gbps:Q", title="predicted (Gbit/s)", format=".2f"),
        alt.Tooltip("low_gbps:Q", title="low", format=".2f"),
        alt.Tooltip("high_gbps:Q", title="high", format=".2f"),
        alt.Tooltip("limit_after:N", title="then the limit"),
    ]
    y = alt.Y("low_gbps:Q", title="goodput (Gbit/s)", scale=alt.Scale(zero=True))
    band = base.mark_area(opacity=0.18).encode(y=y, y2="high_gbps:Q")
    line = base.mark_line(point=alt.OverlayMarkDef(size=60)).encode(y="predicted_gbps:Q", tooltip=tooltip)
    return dressed(alt.layer(band, line).properties(width=WIDTH, height=260), SAYS)


def _title(shown: pl.DataFrame) -> str:
    """Name and unit of the patch that is swept."""
    if shown.is_empty():
        return ""
    name = str(shown.item(0, "patch")).partition("=")[0]
    unit, comma, _ = entry_of(name.partition(":")[0]).value.expected.partition(", ")
    return f"{name} ({unit})" if comma else name


def _scale(values: pl.Series) -> alt.Scale:
    """Logarithmic over a wide span, so that small values are not crowded."""
    wide = not values.is_empty() and values.min() > 0 and values.max() >= WIDE_SPAN * values.min()  # type: ignore[operator]
    return alt.Scale(type="log", nice=False) if wide else alt.Scale(zero=False)

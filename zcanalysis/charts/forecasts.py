"""What would each change give, how sure is that, and what would simpler arithmetic have said?"""

from typing import Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BLUE, WARM_GREY, WIDTH, dressed
from zcanalysis.whatif import NULL_NAMES, REPLAYED_TIERS

BY_REPLAY: Final = "replay, 90 % interval"
BY_NULLS: Final = "null models only, no confidence"
COLOURS: Final = {BY_REPLAY: BLUE, BY_NULLS: WARM_GREY}
SHAPES: Final = {"samples_removed_gbps": "cross", "amdahl_gbps": "diamond"}
SAYS: Final = (
    "A row a change, the largest prediction on top: a dot is the predicted goodput, the bar its range, open marks "
    "what two simpler models say. The dashed line is the goodput as recorded."
)


def forecast(changes: pl.DataFrame, goodput_gbps: float) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Changes ranked by what they are predicted to give, with intervals, the null models as marks.

    Parameters
    ----------
    changes
        The PATCHES table; rows without a prediction are left out.
    goodput_gbps
        As recorded: the line to be right of.
    """
    known = changes.drop_nulls("predicted_gbps").sort("predicted_gbps", descending=True).with_columns(
        pl.when(pl.col("tier").is_in(REPLAYED_TIERS)).then(pl.lit(BY_REPLAY)).otherwise(pl.lit(BY_NULLS)).alias("by"),
    )  # fmt: skip
    order = known.get_column("patch").unique(maintain_order=True).to_list()
    y = alt.Y("patch:N", title=None, sort=order)
    shown = known.select("patch", "predicted_gbps", "low_gbps", "high_gbps", "limit_after", "by")
    present = [by for by in COLOURS if by in known.get_column("by")]
    colour = alt.Color(
        "by:N", title=None, scale=alt.Scale(domain=present, range=[COLOURS[by] for by in present]),
        legend=alt.Legend(orient="top", labelLimit=300),
    )  # fmt: skip
    ours = alt.Chart(shown).encode(y=y, color=colour)
    tooltip = [
        alt.Tooltip("patch:N", title="change"),
        alt.Tooltip("predicted_gbps:Q", title="predicted (Gbit/s)", format=".2f"),
        alt.Tooltip("low_gbps:Q", title="5 % bound", format=".2f"),
        alt.Tooltip("high_gbps:Q", title="95 % bound", format=".2f"),
        alt.Tooltip("limit_after:N", title="then the limit"),
    ]
    spans = ours.mark_bar(height=9, opacity=0.55).encode(
        x=alt.X("low_gbps:Q", title="goodput (Gbit/s)", scale=alt.Scale(zero=True)), x2="high_gbps:Q", tooltip=tooltip
    )
    points = ours.mark_point(filled=True, size=90, opacity=1).encode(x="predicted_gbps:Q", tooltip=tooltip)
    before = alt.Chart(pl.DataFrame({"gbps": [goodput_gbps]})).mark_rule(strokeDash=[4, 3])
    layers = alt.layer(before.encode(x="gbps:Q"), spans, points, _nulls(known, y))
    return dressed(layers.properties(width=WIDTH - 60, height={"step": 26}), SAYS)


def _nulls(known: pl.DataFrame, y: alt.Y) -> alt.Chart:
    marks = known.select("patch", *SHAPES).unpivot(index="patch", variable_name="column", value_name="gbps")
    marks = marks.drop_nulls("gbps").select(
        "patch", pl.col("column").replace(dict(NULL_NAMES)).alias("null model"), "gbps"
    )
    shape = alt.Shape(
        "null model:N", title="null models", legend=alt.Legend(orient="bottom", labelLimit=300),
        scale=alt.Scale(domain=[NULL_NAMES[name] for name in SHAPES], range=list(SHAPES.values())),
    )  # fmt: skip
    return alt.Chart(marks).mark_point(style="ink", size=60, strokeWidth=1.3).encode(
        y=y, x="gbps:Q", shape=shape,
        tooltip=["patch:N", "null model:N", alt.Tooltip("gbps:Q", title="it says (Gbit/s)", format=".2f")],
    )  # fmt: skip

"""What would several changes give together? Controls in the page itself: no kernel is asked."""

from typing import TYPE_CHECKING, Any, Final

import altair as alt
import polars as pl

from zcanalysis.charts.theme import BLUE, GROUP_COLOURS, WARM_GREY, WIDTH, dressed

if TYPE_CHECKING:
    from zcanalysis.combinations import Combinations

CEILING: Final = "ceiling"
RECORDED: Final = "as recorded"
CHANGED: Final = "with these changes"
COLOURS: Final = {CEILING: GROUP_COLOURS["ceiling and goodput"], RECORDED: WARM_GREY, CHANGED: BLUE}
ROW_PX: Final = 46
BAR_PX: Final = 14
LINE_PX: Final = 22
FIRST_LINE_PX: Final = 18
SAYS: Final = (
    "Three bars of goodput, each with its interval: the ceiling, the goodput as recorded, and the goodput with the "
    "changes that the controls say, which stand above in words with the limit then."
)


def combinations(combined: "Combinations", known: pl.DataFrame) -> alt.VConcatChart:
    """A control for each change, and what the chosen ones give beside the goodput as recorded and the ceiling.

    Parameters
    ----------
    combined
        Controls and the COMBINATIONS table.
    known
        The rows that no control moves: ``row`` (ceiling, as recorded), ``predicted_gbps``, ``low_gbps``, ``high_gbps``
        and ``says``.
    """
    controls = [
        alt.param(
            name=f"choice_{number}", value=control.options[0],
            bind=alt.binding_radio(options=list(control.options), labels=list(control.labels), name=control.title),
        )
        for number, control in enumerate(combined.controls)
    ]  # fmt: skip
    key = " + '|' + ".join(control.name for control in controls)
    chosen = alt.Chart(combined.table.with_columns(row=pl.lit(CHANGED))).transform_filter(f"datum.key == {key}")
    top = max(_most(combined.table), _most(known))
    bars = alt.layer(*_bars(alt.Chart(known), top), *_bars(chosen, top))
    drawn: Any = alt.vconcat(
        _words(chosen).properties(width=WIDTH, height=3 * LINE_PX),
        bars.properties(width=WIDTH, height={"step": ROW_PX}),
        spacing=8,
    ).add_params(*controls)
    found: alt.VConcatChart = dressed(drawn, SAYS)  # type: ignore[assignment]
    return found


def _most(table: pl.DataFrame) -> float:
    """The right end of the longest interval: the scale stays as it is whatever is chosen."""
    return float(table.select(pl.max_horizontal("predicted_gbps", "high_gbps").max()).item() or 0.0)


def _bars(rows: alt.Chart, top: float) -> list[alt.Chart]:
    x = alt.X("predicted_gbps:Q", title="goodput (Gbit/s)", scale=alt.Scale(domain=[0, top]))
    y = alt.Y("row:N", axis=None, scale=alt.Scale(domain=list(COLOURS)))
    colour = alt.Color("row:N", legend=None, scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())))
    named = rows.transform_calculate(named="datum.row + ': ' + datum.says")
    words = named.mark_text(align="left", dy=-BAR_PX, fontSize=13, fontWeight="bold", style="ink")
    return [
        rows.mark_bar(height=BAR_PX, yOffset=4).encode(x=x, y=y, color=colour),
        rows.mark_rule(style="ink", strokeWidth=2, yOffset=4).encode(x="low_gbps:Q", x2="high_gbps:Q", y=y),
        words.encode(x=alt.value(0), y=y, text="named:N"),
    ]


def _words(chosen: alt.Chart) -> alt.LayerChart | alt.FacetChart:
    """The change in words, the limit then, and the names to ask `zcanalysis predict` for."""
    limit = chosen.transform_calculate(then="datum.limit_after ? 'then the limit: ' + datum.limit_after : ''")
    return alt.layer(_line(chosen, 0, "change:N"), _line(limit, 1, "then:N"), _line(chosen, 2, "patch:N"))


def _line(rows: alt.Chart, number: int, text: str) -> alt.Chart:
    y = alt.value(FIRST_LINE_PX + number * LINE_PX)
    return rows.mark_text(align="left", fontSize=14, style="ink").encode(x=alt.value(0), y=y, text=text)

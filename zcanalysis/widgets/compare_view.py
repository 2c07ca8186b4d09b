"""Two sets of recordings beside each other: what differs, and whether chance makes as much."""

from collections.abc import Sequence
from typing import Any, Final

import ipywidgets as widgets
import polars as pl
import traitlets

from zcanalysis import charts
from zcanalysis.answer import Answer, stage_name
from zcanalysis.comparison import FUNCTIONS_TOLD, Comparison, compared, flames
from zcanalysis.comparison_text import sureness, verdict
from zcanalysis.io.recording import Recording
from zcanalysis.widgets import page_text
from zcanalysis.widgets.live_chart import LiveChart

ALL: Final = "all"
SHOWN: Final = {
    "everything": ALL, "goodput": "goodput", "CPU time by stage": "cost", "latency": "latency",
    "lost by stage": "blame",
}  # fmt: skip
TITLES: Final = {
    "of": "kind", "what": "what", "unit": "unit", "against": "before", "value": "now", "difference": "difference",
    "low": "2.5 %", "high": "97.5 %", "beyond": "beyond chance",
}  # fmt: skip
FUNCTION_TITLES: Final = {
    "quantity": "function", "in_stage": "mostly in stage", "against": "before", "value": "now",
    "difference": "difference", "low": "2.5 %", "high": "97.5 %", "beyond": "beyond chance",
}  # fmt: skip
SAID: Final = {True: "yes", False: "no", None: "not tested"}
FLAME: Final = (
    "CPU time of the receive path in ns per 1,000 bytes of payload, by call chain, the thread at the bottom; of a set "
    "the mean over its recordings. Red costs more than before, blue less; a click zooms, a double click shows all."
)
NO_FLAME: Final = "No call chains to compare: {}."
NOTHING: Final = "No row is left: nothing of this kind changed by more than chance makes."
HOW: Final = (
    "Each row: what it was before, what it is now, and from the value before the 95 % interval of the difference. "
    "Whether that is beyond chance also counts that many rows are looked at. Goodput lost by stage divides "
    "the time of the CPU that limits each recording: it follows from the rest, and is not tested."
)


class CompareView(widgets.VBox):
    """Words, picture and table of a comparison, and its differential flame graph.

    Notes
    -----
    Traits: `kind` (of COMPARED, or "all") and `only_changed`. Attributes: `comparison`, `shown` (the rows of COMPARED
    that are drawn and listed), `says` (sentences), `flame` (None without call chains on both sides).
    """

    kind = traitlets.Unicode(ALL)
    only_changed = traitlets.Bool(False)

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.says = _said(comparison)
        kinds = {ALL, *comparison.table.get_column("of")}
        self._pick = widgets.ToggleButtons(options={name: kind for name, kind in SHOWN.items() if kind in kinds})
        self._only = widgets.Checkbox(description="only what is beyond chance", indent=False)
        self._table, self._empty = page_text.text(), page_text.text()
        self.shown = comparison.table
        self.chart = LiveChart(charts.compared(self.shown))
        self._list()
        widgets.link((self._pick, "value"), (self, "kind"))
        widgets.link((self._only, "value"), (self, "only_changed"))
        self.observe(lambda _: self._redraw(), ["kind", "only_changed"])
        words = page_text.text(page_text.STYLE + page_text.paragraphs(*self.says, HOW))
        self.flame = None if comparison.chains.is_empty() else LiveChart(charts.flame_changes(flames(comparison)))
        below = [page_text.text(_about_flame(comparison)), *([] if self.flame is None else [self.flame])]
        functions = page_text.text(_functions(comparison))
        super().__init__([words, self._pick, self._only, self._empty, self.chart, self._table, *below, functions])

    def __repr__(self) -> str:
        return page_text.without_kernel("comparison")

    def _redraw(self) -> None:
        table = self.comparison.table
        of_kind = table if self.kind == ALL else table.filter(pl.col("of") == self.kind)
        self.shown = of_kind.filter(pl.col("changed").fill_null(False)) if self.only_changed else of_kind
        self._empty.value = page_text.paragraphs(NOTHING) if self.shown.is_empty() else ""
        self.chart.layout.display = "none" if self.shown.is_empty() else None
        if not self.shown.is_empty():
            self.chart.show(charts.compared(self.shown))
        self._list()

    def _list(self) -> None:
        what = [stage_name(name) for name in self.shown.get_column("quantity")]
        beyond = [SAID[changed] for changed in self.shown.get_column("changed")]
        rows = self.shown.with_columns(pl.Series("what", what, pl.String), pl.Series("beyond", beyond, pl.String))
        self._table.value = page_text.unfolded("the numbers", page_text.rows(rows, TITLES))


def compare_view(
    recordings: Recording | Answer | Sequence[Recording | Answer],
    against: Recording | Answer | Sequence[Recording | Answer],
) -> CompareView:
    """What changed between recordings? Goodput, CPU time by stage, latency and what was lost, held against chance.

    Parameters
    ----------
    recordings
        One, or a set of the same configuration: what is now. Answers already worked out do as well.
    against
        What was before.

    Raises
    ------
    ValueError
        If a set is empty.
    TraceError
        If a file of a recording turns out to be damaged.
    """
    now, before = ([one] if isinstance(one, Recording | Answer) else list(one) for one in (recordings, against))
    return CompareView(compared(now, before))


def _about_flame(comparison: Comparison) -> str:
    if comparison.chains.is_empty():
        return page_text.paragraphs(NO_FLAME.format("; ".join(comparison.unprofiled)))
    left = f"Left out: {'; '.join(comparison.unprofiled)}." if comparison.unprofiled else ""
    return page_text.paragraphs(FLAME, left)


def _functions(comparison: Comparison) -> str:
    table = comparison.functions.head(FUNCTIONS_TOLD)
    if table.is_empty():
        return ""
    stages = [stage_name(stage) for stage in table.get_column("stage")]
    beyond = [SAID[changed] for changed in table.get_column("changed")]
    rows = table.with_columns(pl.Series("in_stage", stages), pl.Series("beyond", beyond))
    told = page_text.paragraphs(sureness(comparison))
    return page_text.unfolded("functions that changed most (ns/KB)", page_text.rows(rows, FUNCTION_TITLES) + told)


def _said(comparison: Comparison) -> list[str]:
    now, before = (", ".join(names) for names in comparison.names)
    words: dict[str, Any] = verdict(comparison)
    return [f"Now: {now}. Before: {before}.", *(f"{name}: {text}." for name, text in words.items())]

"""A validation as one HTML page that works offline: figures, chart, and every case with the worst miss first."""

from collections.abc import Mapping
from typing import Any

from zcanalysis.document import rendered, vega_bundle
from zcanalysis.figures import figure
from zcanalysis.lab.scores import TARGETS
from zcanalysis.lab.validation_document import validation_table
from zcanalysis.lab.validation_text import shown_table, summary


def validation_html(document: Mapping[str, Any]) -> str:
    """The page.

    Parameters
    ----------
    document
        What validation.json holds.
    """
    from zcanalysis import charts

    table = validation_table(document)
    shown = shown_table(table)
    figures = []
    if not table.is_empty():
        says = "On the dashed line what was foretold came true. Hover a point for its hosts, patch and limits."
        figures.append(figure("validation", "Foretold and measured", charts.validation(table), says))
    return rendered(
        "validation.html.j2",
        lines=summary(document),
        scores=_score_cells(document),
        figures=figures,
        heads=shown.columns,
        rows=shown.rows(),
        bundle=vega_bundle() if figures else "",
    )


def _score_cells(document: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Style, words, value and target of each promise."""
    cells = []
    for target, entry in zip(TARGETS, document["figures"], strict=True):
        value = "-" if entry["value"] is None else target.shown(entry["value"])
        style = {True: "ok", False: "bad", None: ""}[entry["met"]]
        cells.append((style, target.words, value, f"at {entry['at']} {target.shown(target.bound)}"))
    return cells

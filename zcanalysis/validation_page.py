"""A validation as one HTML page that works offline: figures, chart, and every case with the worst miss first."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from zcanalysis.charts.vega import vega_bundle
from zcanalysis.figures import Figure, figure
from zcanalysis.lab.scores import TARGETS
from zcanalysis.lab.validation_document import calibrated_document, validation_table
from zcanalysis.lab.validation_text import CALIBRATED, shown_table, summary
from zcanalysis.pages import rendered


class Tier(NamedTuple):
    """What the page shows of one way to foretell."""

    key: str
    """Of its sections; empty for the first."""
    words: str
    scores: list[tuple[str, str, str, str]]
    figures: list[Figure]
    heads: list[str]
    rows: list[tuple[Any, ...]]


def validation_html(document: Mapping[str, Any]) -> str:
    """The page.

    Parameters
    ----------
    document
        What validation.json holds.
    """
    tiers = [_tier(document, "", "from the baseline's recording alone")]
    if (other := calibrated_document(document)) is not None:
        tiers.append(_tier(other, "-calibrated", CALIBRATED))
    return rendered(
        "validation.html.j2",
        lines=summary(document),
        tiers=tiers,
        bundle=vega_bundle() if any(tier.figures for tier in tiers) else "",
    )


def _tier(document: Mapping[str, Any], key: str, words: str) -> Tier:
    from zcanalysis import charts

    table = validation_table(document)
    shown = shown_table(table)
    figures = []
    if not table.is_empty():
        says = "On the dashed line what was foretold came true. Hover a point for its hosts, patch and limits."
        title = f"Foretold{f' {words}' if key else ''} and measured"
        figures.append(figure(f"validation{key}", title, charts.validation(table), says))
    return Tier(key, words, _score_cells(document), figures, shown.columns, shown.rows())


def _score_cells(document: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Style, words, value and target of each promise."""
    cells = []
    for target, entry in zip(TARGETS, document["figures"], strict=True):
        value = "-" if entry["value"] is None else target.shown(entry["value"])
        style = {True: "ok", False: "bad", None: ""}[entry["met"]]
        cells.append((style, target.words, value, f"at {entry['at']} {target.shown(target.bound)}"))
    return cells

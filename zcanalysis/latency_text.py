"""Latency by stage in a terminal, and as JSON."""

from typing import Any

from rich.table import Table

from zcanalysis.cpu.latency import Latency
from zcanalysis.cpu.spreads import Traced
from zcanalysis.errors import TraceError
from zcanalysis.latency_figures import SPREAD_HEADS, account_text, latency_cells, spread_cells
from zcanalysis.terminal import emit, safe


def latency_document(name: str, found: Latency | TraceError, traced: Traced) -> dict[str, Any]:
    """What `zcanalysis latency --json` prints; where bytes could not be followed, why."""
    told: dict[str, Any] = dict.fromkeys(("summary", "accounting", "ranges")) | {"doubts": [str(found)]}
    if isinstance(found, Latency):
        told = {
            "summary": found.summary.to_dicts(),
            "accounting": found.accounting.to_dicts(),
            "ranges": found.ranges.height,
            "doubts": list(found.doubts),
        }
    return {"recording": name, **told, "spreads": traced.table.to_dicts(), "spread_notes": list(traced.notes)}


def print_spreads(traced: Traced) -> None:
    """Batches, waits and sizes, the most frequent of each; all are in the JSON."""
    if traced.table.is_empty():
        return
    shown = Table(box=None, pad_edge=False)
    for number, head in enumerate(SPREAD_HEADS):
        shown.add_column(head, justify="left" if number in (0, 1, 6) else "right", no_wrap=number != 1)
    for cells in spread_cells(traced.table):
        shown.add_row(*(safe(cell) for cell in cells))
    emit("", shown, *(f"- {safe(note)}" for note in traced.notes))


def print_latency(found: Latency) -> None:
    """Stages, one line about the bytes behind them, and what to mind."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("stage", no_wrap=True)
    for head in ("mean us", "p50 us", "p99 us", "share"):
        shown.add_column(head, justify="right", no_wrap=True)
    for cells in latency_cells(found.summary):
        shown.add_row(*(safe(cell) for cell in cells))
    emit(shown, "", safe(account_text(found.accounting)))
    for doubt in found.doubts:
        emit(f"- {safe(doubt)}")

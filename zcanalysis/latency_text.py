"""Latency by stage in a terminal, and as JSON."""

from typing import Any

from rich.table import Table

from zcanalysis.cpu.latency import Latency
from zcanalysis.latency_figures import account_text, latency_cells
from zcanalysis.terminal import emit, safe


def latency_document(name: str, found: Latency) -> dict[str, Any]:
    """What `zcanalysis latency --json` prints."""
    return {
        "recording": name,
        "summary": found.summary.to_dicts(),
        "accounting": found.accounting.to_dicts(),
        "ranges": found.ranges.height,
        "doubts": list(found.doubts),
    }


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

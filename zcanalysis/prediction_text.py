"""Predictions as a terminal shows them: one in full, or a row for each of many values."""

from collections.abc import Mapping
from typing import Any, Final

from rich.table import Table

from zcanalysis.answer import gbps_text, rate_text
from zcanalysis.output import printable, write
from zcanalysis.terminal import emit, safe
from zcanalysis.whatif import FROM_MACHINE, FROM_RECORDING, NULL, NULL_NAMES, REPLAYED_TIERS

BAR_CHARACTERS: Final = 16
TIERS: Final = {
    FROM_RECORDING: "a host calibrated from this recording, replayed before and after",
    FROM_MACHINE: "a host calibrated from this recording and its machine, replayed before and after",
    NULL: "null models only: the range is what they span, without confidence",
}


def print_prediction(document: Mapping[str, Any]) -> None:
    """Before and after with the interval, what each null model says beside it, and how to do and undo it."""
    head = Table.grid(padding=(0, 2))
    head.add_column(style="bold", no_wrap=True)
    head.add_column(overflow="fold")
    head.add_row("recording", safe(document["recording"]))
    for number, patch in enumerate(document["patches"]):
        head.add_row(
            "" if number else "patch", safe(f"{patch['patch']}{'' if patch['applies'] else ': cannot act here'}")
        )
    for number, (name, value) in enumerate(document["prices"].items()):
        head.add_row("" if number else "price", f"{safe(name)} = {value:g}")
    head.add_row("baseline", rate_text(document["baseline_gbps"]))
    head.add_row("predicted", _predicted(document))
    if document["predicted_gbps"] is not None:
        head.add_row("by", TIERS[document["tier"]])
    head.add_row("nulls", "what simpler arithmetic says:")
    for name, gbps in document["nulls"].items():
        head.add_row("", f"{NULL_NAMES[name]}: {rate_text(gbps)}")
    head.add_row("bound", safe(document["bound"]))
    head.add_row("limit", f"{safe(document['limit_before'])} -> {safe(document['limit_after'])}")
    if document["cpu_busy_after"]:
        head.add_row("busy then", busy_text(document["cpu_busy_after"]))
    head.add_row("why", safe(document["why"]))
    emit(head)
    # a command is to be copied: never folded
    for name in ("command", "undo"):
        write(f"{name:<9}  {printable(document[name] or '-')}\n")


def _predicted(row: Mapping[str, Any]) -> str:
    rate = rate_text(row["predicted_gbps"], row["low_gbps"], row["high_gbps"])
    return f"{rate}, {row['confidence']:.0%}" if row["confidence"] is not None else rate


def busy_text(busy: Mapping[str, float]) -> str:
    """How busy each CPU is.

    Examples
    --------
    >>> busy_text({"0": 0.834, "1": 1.0})
    'CPU 0 83%, CPU 1 100%'
    """
    return ", ".join(f"CPU {cpu} {share:.0%}" for cpu, share in busy.items())


def print_sweep(document: Mapping[str, Any]) -> None:
    """A row and a bar for each value; what cannot act says why below."""
    rows = document["sweep"]
    baseline = _baseline(document)
    emit(f"[bold]{safe(document['recording'])}[/bold]: {baseline} as recorded; bound: {safe(document['bound'])}", "")
    shown = Table(box=None, pad_edge=False)
    shown.add_column("patch", overflow="fold", max_width=38)
    head = "predicted (90 %)" if document["confidence"] is not None else "predicted (range)"
    for name in (head, "then the limit", "CPUs busy then"):
        shown.add_column(name, no_wrap=True)
    shown.add_column("", no_wrap=True, overflow="crop", max_width=BAR_CHARACTERS)
    most = max((row["predicted_gbps"] or 0 for row in rows), default=0) or 1
    for row in rows:
        null = row["tier"] not in REPLAYED_TIERS and row["predicted_gbps"] is not None
        rate = rate_text(row["predicted_gbps"], row["low_gbps"], row["high_gbps"])
        shown.add_row(
            safe(row["patch"]), f"{rate}{' null models' if null else ''}", safe(row["limit_after"]),
            " ".join(f"{cpu}:{share:.0%}" for cpu, share in row["cpu_busy_after"].items()),
            "#" * round(BAR_CHARACTERS * (row["predicted_gbps"] or 0) / most),
        )  # fmt: skip
    emit(shown)
    for row in rows:
        if not row["applies"]:
            emit(f"{safe(row['patch'])}: {safe(row['why'])}")
    if document["no_model"]:
        emit(f"null models only: {safe(document['no_model'])}")


def _baseline(document: Mapping[str, Any]) -> str:
    """The goodput as recorded."""
    if document["baseline_gbps"] is None:
        return "unknown"
    return gbps_text(document["baseline_gbps"], document["baseline_low_gbps"], document["baseline_high_gbps"])

"""An advice, a verification and the ledger as one screen of a terminal; text from hosts cannot drive it."""

from typing import Any, Final

import polars as pl
from rich.table import Table

from zcanalysis.advice import Advice
from zcanalysis.answer import gbps_text
from zcanalysis.ledger import Change, KeptAdvice, Verification
from zcanalysis.output import printable, write
from zcanalysis.terminal import VERDICT_STYLES, emit, safe
from zcanalysis.whatif import BY_NULL_MODELS, REPLAYED_TIERS

FACTS_SHOWN: Final = 3
NOT_MEANT: Final = "without capture"
WORST_FIRST: Final = {"bad": 0, "warn": 1}
WIDTH: Final = 100
LABEL_CHARACTERS: Final = 10


def print_advice(advice: Advice) -> None:
    """Goodput, limit, trust, three changes, and what to do then."""
    head = Table.grid(padding=(0, 2))
    head.add_column(style="bold", no_wrap=True)
    head.add_column(max_width=WIDTH - 10)
    head.add_row("goodput", safe(_goodput_line(advice)))
    head.add_row("limit", safe(advice.limit.words))
    for fact in advice.limit.evidence[:FACTS_SHOWN]:
        head.add_row("", safe(f"- {fact}"))
    head.add_row("trust", _trust_line(advice.audit))
    for note in advice.notes:
        head.add_row("note", safe(note))
    emit(head, "")
    _print_changes(advice)
    first = next((row["verify"] for row in advice.changes if row["verify"]), None)
    if first:
        emit(f"then: {first}")


def _goodput_line(advice: Advice) -> str:
    where = advice.device if advice.live and advice.device else advice.recording
    rate = gbps_text(advice.goodput_gbps, advice.low_gbps, advice.high_gbps)
    cost = "" if advice.overhead_share is None else f"; looking cost {advice.overhead_share:.1%}"
    return f"{rate} on {where}{cost}"


def _trust_line(audit: pl.DataFrame) -> str:
    """The worst finding; that an advice makes no capture is none."""
    found = audit.filter(pl.col("verdict") != "ok", pl.col("value") != NOT_MEANT)
    if found.is_empty():
        return f"good: {audit.height} checks passed"
    rows = sorted(found.iter_rows(named=True), key=lambda row: WORST_FIRST.get(row["verdict"], 0))
    worst, more = rows[0], f"; {len(rows) - 1} more to look at, see --json" if len(rows) > 1 else ""
    style = VERDICT_STYLES.get(worst["verdict"], "red")
    return f"[{style}]{safe(worst['check'])}[/{style}]: {safe(worst['value'])} ({safe(worst['why'])}){more}"


def _print_changes(advice: Advice) -> None:
    weighed = len(advice.left_out)
    if not advice.changes:
        blind = all(row["predicted_gbps"] is None for row in advice.left_out)
        why = "without CPU samples nothing can be predicted" if blind else "no change of this host is predicted to help"
        emit(f"{why} ({weighed} weighed, --json says why)")
        return
    emit(f"[bold]{_heading(advice)}[/bold]")
    for number, row in enumerate(advice.changes, 1):
        emit(f"[bold]{row['id'] or number}[/bold]  {safe(row['patch'])}: {_predicted(row)}")
        if why := str(row["why"]).replace(BY_NULL_MODELS, "").strip("; "):
            _print_labelled("mind", why)
        if row["command"] is not None:
            print_command("do", row["command"])
            print_command("undo", row["undo"] or "not known")
    emit(f"nothing was changed; {weighed} other changes were weighed and left out (--json says why)")


def _heading(advice: Advice) -> str:
    replayed = [row["tier"] in REPLAYED_TIERS for row in advice.changes if row["predicted_gbps"] is not None]
    if not any(replayed):
        return "what would help, most first; the ranges are those of null models and carry no confidence"
    if all(replayed):
        return "what would help, most first; by replay of this host, 90 % intervals"
    return "what would help, most first; by replay of this host, 90 % intervals but where null models are named"


def _print_labelled(label: str, text: str) -> None:
    row = Table.grid(padding=(0, 2))
    row.add_column(width=LABEL_CHARACTERS, justify="right")
    row.add_column(max_width=WIDTH - LABEL_CHARACTERS - 2)
    row.add_row(label, safe(text))
    emit(row)


def print_command(label: str, command: str) -> None:
    """A command on one line however long it is: whoever copies it must not copy a line break."""
    write(f"{label:>{LABEL_CHARACTERS}}  {printable(command)}\n")


def _predicted(row: dict[str, Any]) -> str:
    if row["predicted_gbps"] is None:
        return "how much it gives is not known"
    rate = gbps_text(row["predicted_gbps"], row["low_gbps"], row["high_gbps"])
    return rate if row["tier"] in REPLAYED_TIERS else f"{rate}, null models"


def print_verification(advice: KeptAdvice, change: Change, done: Verification, notes: list[str]) -> None:
    """Predicted against measured, in three lines."""
    emit(f"[bold]{change.id}[/bold]  {safe(change.patch)} on {safe(advice.device)}: {_place(done)}")
    before = gbps_text(advice.goodput_gbps, advice.low_gbps, advice.high_gbps)
    predicted = "nothing"
    if change.predicted_gbps is not None:
        predicted = gbps_text(change.predicted_gbps, change.low_gbps, change.high_gbps)
    measured = gbps_text(done.goodput_gbps, done.low_gbps, done.high_gbps)
    emit(f"        before {before}; predicted {predicted}; measured {measured}")
    emit(f"        {_verdict(done)}", *(f"        note: {safe(note)}" for note in notes))
    if change.undo:
        print_command("undo", change.undo)


def _place(done: Verification) -> str:
    words = {True: "in place", False: "not in place: do it first, this says nothing about it", None: "cannot be seen"}
    return words[done.in_place]


def _verdict(done: Verification) -> str:
    words = {
        True: "[green]inside the predicted range[/green]",
        False: "[yellow]outside the predicted range[/yellow]",
        None: "no verdict",
    }
    return words[done.inside]


def print_outcomes(table: pl.DataFrame) -> None:
    """The ledger: one row a change and verification, then the count of hits."""
    shown = Table(box=None, pad_edge=False)
    for name in ("change", "device", "patch", "before", "predicted", "range", "measured", "verdict"):
        shown.add_column(name, overflow="fold")
    for row in table.iter_rows(named=True):
        verdict = {True: "inside", False: "outside", None: "-" if row["measured_gbps"] is None else "no verdict"}
        numbers = (_rate(row[name]) for name in ("before_gbps", "predicted_gbps"))
        span = "-" if row["low_gbps"] is None else f"{_rate(row['low_gbps'])}-{_rate(row['high_gbps'])}"
        shown.add_row(
            row["id"], safe(row["device"]), safe(row["patch"]), *numbers, span, _rate(row["measured_gbps"]),
            verdict[row["inside"]],
        )  # fmt: skip
    judged = table.drop_nulls("inside")
    hits = int(judged.get_column("inside").sum())
    emit(shown, f"{hits} of {judged.height} verified changes were inside their predicted range (Gbit/s)")


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"

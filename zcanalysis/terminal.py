"""Answers and tables as a terminal shows them; text from traces cannot drive the terminal."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from zcanalysis.advice import ranked_changes
from zcanalysis.answer import Answer, gain_text, limit_text, limits_text, rate_text, sentence, stage_name
from zcanalysis.cases.case_answer import CaseAnswer
from zcanalysis.output import printable, write
from zcanalysis.trust import MOSTLY_SKID
from zcanalysis.whatif import REPLAYED_TIERS
from zcanalysis.wire.socket_counts import sockets
from zcanalysis.wire_figures import socket_cells

QUIET_S: Final = 1.0
BAR_CHARACTERS: Final = 20
NARROWEST_COLUMN: Final = len("fixing it")
SMALLEST_ROW_PART: Final = 0.01
PLAIN_WIDTH: Final = 120
FLOWS_SHOWN: Final = 6
FOLLOWED_SHOWN: Final = 20
GAINS_CAPTION: Final = "fixing it: Gbit/s more if it took no time, alone, or when all others take none; replayed"
SKID_CAPTION: Final = "~ mostly sampled where interrupts are turned on again: the work before is meant"
CATALOGUE_CHARACTERS: Final = 100
CATALOGUE_NAME_CHARACTERS: Final = 26
FLOW_HEADS: Final[dict[str, Literal["left", "right"]]] = {
    "#": "right", "from -> to": "left", "": "left", "packets": "right", "payload B": "right", "unique B": "right",
    "sent again B": "right", "Gbit/s": "right", "RTT ms": "right",
}  # fmt: skip
WHOLE_FROM: Final = 10_000.0  # larger numbers are told without a fraction
SIDE_HEADS: Final = {
    "resent_packets": "sent\nagain", "recovered_packets": "gaps\nfilled", "out_of_order_packets": "re-\nordered",
    "spurious_packets": "spur-\nious", "duplicate_acks": "dup.\nACKs", "zero_windows": "zero\nwindows",
    "delayed_ack_stalls": "late\nACKs", "rtt_median_ms": "RTT ms\nmedian", "rtt_p95_ms": "RTT ms\np95",
    "in_flight_max_bytes": "in flight\nmax B", "window_max_bytes": "window\nmax B", "ack_bytes_mean": "B an\nACK",
    "ack_delay_p95_ms": "ACK ms\np95", "stall_ms": "longest\npause ms",
}  # fmt: skip
VERDICT_STYLES: Final = {"ok": "green", "warn": "yellow", "bad": "bold red"}


def emit(*renderables: RenderableType) -> None:
    """Print; lines carry no trailing spaces when the output is no terminal."""
    out = console()
    if sys.stdout.isatty():
        out.print(*renderables, sep="\n")
        return
    with out.capture() as captured:
        out.print(*renderables, sep="\n")
    write("\n".join(line.rstrip() for line in captured.get().split("\n")))


def console() -> Console:
    """Standard output; wide enough for a table when it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False, soft_wrap=False)


def safe(text: object) -> str:
    """Any value as text without control characters and markup."""
    return escape(printable(str(text)))


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Shows the step that is under way, once the whole takes longer than a second."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("reading")
    started = time.monotonic()
    shown = False

    def on_step(step: str) -> None:
        nonlocal shown
        bar.update(task, description=safe(step))
        if not shown and time.monotonic() - started > QUIET_S:
            bar.start()
            shown = True

    try:
        yield on_step
    finally:
        if shown:
            bar.stop()


def print_answer(answer: Answer, report: Path | None) -> None:
    """The answer, the audit's warnings, and where the bandwidth went."""
    head = Table.grid(padding=(0, 2))
    head.add_column(style="bold", no_wrap=True)
    head.add_column()
    head.add_row("recording", safe(answer.recording.name))
    warnings = answer.audit.filter(pl.col("verdict") != "ok")
    checks = answer.audit.height
    head.add_row(
        "trust",
        f"good: {checks} checks passed" if warnings.is_empty() else f"{warnings.height} of {checks} checks to look at",
    )
    for row in warnings.iter_rows(named=True):
        style = VERDICT_STYLES.get(row["verdict"], "red")
        head.add_row("", f"[{style}]{safe(row['check'])}[/{style}]: {safe(row['value'])} ({safe(row['why'])})")
    head.add_row("answer", safe(sentence(answer)))
    head.add_row("ceiling", safe(answer.ceiling.why))
    if not answer.limits.is_empty():
        head.add_row("limits", safe(limits_text(answer.limits)))
    if answer.no_model is not None:
        head.add_row("no replay", safe(answer.no_model))
    emit(head, "")
    _print_evidence(answer)
    _print_changes(answer)
    if report is not None:
        print_page_written(report)


def print_page_written(page: Path) -> None:
    """Where a page lies."""
    emit("", f"{safe(page)} written ({page.stat().st_size / 1e6:.1f} MB, works offline)")


def _print_evidence(answer: Answer) -> None:
    """The table that says most: blame, else costs, else flows; and what kernels logged of their sockets."""
    if not answer.blame.is_empty() and answer.ceiling.gbps is not None:
        emit(_blame_table(answer, answer.ceiling.gbps))
    elif not answer.costs.is_empty():
        emit(_cost_table(answer))
    elif not answer.evidence.flows.is_empty():
        emit("[bold]largest flows[/bold]")
        print_flows(answer.evidence.flows.sort("unique_bytes", descending=True).head(FLOWS_SHOWN))
    if answer.recording.socket_logs:
        print_sockets(sockets(answer.recording, answer.evidence.flows))


def _blame_table(answer: Answer, ceiling_gbps: float) -> Table:
    gap = float(answer.blame.get_column("lost_gbps").sum())
    title = f"where the missing bandwidth went (ceiling {ceiling_gbps:.1f} Gbit/s, {answer.ceiling.kind})"
    table = Table(box=None, pad_edge=False, title=title, title_justify="left", title_style="bold")
    table.add_column("stage", no_wrap=True)
    table.add_column("Gbit/s", justify="right", no_wrap=True)
    table.add_column("90 %", justify="right", no_wrap=True)
    with_gains = answer.blame.get_column("gain_alone_gbps").is_not_null().any()
    for head in ("fixing it\nalone", "fixing it\nlast") if with_gains else ():
        table.add_column(head, justify="right", no_wrap=True)
    shown = answer.blame.filter((pl.col("lost_gbps") >= SMALLEST_ROW_PART * gap) | (pl.col("stage") == "unexplained"))
    rows = [_blame_cells(row, with_gains=with_gains) for row in shown.iter_rows(named=True)]
    bars = _bars(shown.get_column("lost_gbps"), rows)
    table.add_column("", no_wrap=True, overflow="crop", max_width=BAR_CHARACTERS)
    rest = gap - float(shown.get_column("lost_gbps").sum())
    for stage, cells, bar in zip(shown.get_column("stage"), rows, bars, strict=True):
        if stage == "unexplained" and rest > 0:
            table.add_row("  smaller stages together", f"{rest:.2f}")
        table.add_row(*cells, bar)
    skids = [SKID_CAPTION] if shown.filter(pl.col("skid_share") > MOSTLY_SKID).height else []
    table.caption = "\n".join([*([GAINS_CAPTION] if with_gains else []), *skids])
    table.caption_justify = "left"
    return table


def _blame_cells(row: dict[str, Any], *, with_gains: bool) -> list[str]:
    name = f"  {stage_name(row['stage'])}{' ~' if (row['skid_share'] or 0) > MOSTLY_SKID else ''}"
    gains = [gain_text(row["gain_alone_gbps"]), gain_text(row["gain_last_gbps"])] if with_gains else []
    return [name, f"{row['lost_gbps']:.2f}", f"{row['low_gbps']:.2f}-{row['high_gbps']:.2f}", *gains]


def _bars(values: pl.Series, rows: list[list[str]]) -> list[str]:
    """A bar for each value, as long as the columns before it leave room: figures come first."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    taken = sum(max(width, NARROWEST_COLUMN) + 2 for width in widths)
    room = max(min(BAR_CHARACTERS, console().width - taken), 0)
    largest = max(float(values.max() or 0), 1e-9)  # type: ignore[arg-type]
    return ["#" * round(room * max(value, 0) / largest) for value in values]


def _print_changes(answer: Answer) -> None:
    """What would help; commands and undo are what `advise` is for."""
    best, _ = ranked_changes(answer)
    if not best:
        return
    replayed = [row["tier"] in REPLAYED_TIERS for row in best]
    title = "what would help" if any(replayed) else "what would help (null models)"
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    table.title_style = "bold"
    table.add_column("change", no_wrap=True)
    table.add_column("predicted (90 %)" if any(replayed) else "predicted (range)", no_wrap=True)
    table.add_column("then the limit", no_wrap=True)
    for row, by_model in zip(best, replayed, strict=True):
        rate = rate_text(row["predicted_gbps"], row["low_gbps"], row["high_gbps"])
        null = any(replayed) and not by_model and row["predicted_gbps"] is not None
        table.add_row(
            f"  {safe(row['patch'])}", f"{rate}{' (null models)' if null else ''}", safe(row["limit_after"] or "")
        )
    table.caption = "commands and undo: zcanalysis advise"
    table.caption_justify = "left"
    emit("", table)


def _cost_table(answer: Answer) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("what the CPUs did", no_wrap=True)
    table.add_column("CPU", justify="right")
    table.add_column("share", justify="right")
    for row in answer.costs.head(15).iter_rows(named=True):
        table.add_row(f"  {stage_name(row['stage'])}", str(row["cpu"]), f"{row['cpu_share']:.1%}")
    return table


def print_costs(costs: pl.DataFrame) -> None:
    """Costs as people read them: one line a stage and CPU; origin and every digit are in the JSON and the CSV."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("stage", no_wrap=True)
    for name in ("CPU", "share", "ns/packet", "90 %", "ns/byte", "ns/batch"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("follows", no_wrap=True)
    shown.add_column("batches", no_wrap=True)
    for row in costs.iter_rows(named=True):
        shown.add_row(*_cost_cells(row))
    emit(shown)


def _cost_cells(row: dict[str, Any]) -> list[str]:
    per_packet = row["ns_per_packet"] is not None
    return [
        stage_name(row["stage"]),
        str(row["cpu"]),
        f"{row['cpu_share']:.1%}",
        f"{row['ns_per_packet']:.0f}" if per_packet else "-",
        f"{row['low']:.0f}-{row['high']:.0f}" if per_packet else f"{row['low']:.1%}-{row['high']:.1%}",
        "-" if row["ns_per_byte"] is None else f"{row['ns_per_byte']:.3f}",
        "-" if row["ns_per_batch"] is None else f"{row['ns_per_batch']:,.0f}",
        row["follows"] or "",
        "" if row["batches_per_s"] is None else f"{row['batches_per_s']:,.0f}/s {row['batch']}",
    ]


def print_table(table: pl.DataFrame) -> None:
    """Any table, every row."""
    shown = Table(box=None, pad_edge=False)
    for name, dtype in table.schema.items():
        shown.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="fold")
    for row in table.iter_rows():
        shown.add_row(*(_cell(value) for value in row))
    emit(shown)


def print_cases(cases: Mapping[str, str]) -> None:
    """Which cases there are, and what each asks."""
    shown = Table.grid(padding=(0, 2))
    for name, question in cases.items():
        shown.add_row(f"[bold]{safe(name)}[/bold]", safe(question))
    emit(shown)


def print_case(answered: CaseAnswer) -> None:
    """A case: question, answer, how sure, what next, and its tables."""
    head = Table.grid(padding=(0, 2))
    head.add_column(style="bold", no_wrap=True)
    head.add_column()
    words = {
        "question": answered.question,
        "answer": answered.answer,
        "how sure": answered.sure,
        "next": answered.next_step,
    }
    for name, text in words.items():
        head.add_row(name, safe(text))
    emit(head)
    for title, table in [*answered.tables.items(), ("What was assumed, and from where", answered.assumptions)]:
        emit("", f"[bold]{safe(title)}[/bold]")
        print_table(table)


def print_catalogue(rows: Iterable[Mapping[str, str]]) -> None:
    """The patches there are, by subject: what each changes, from where that is known, and when it does not apply."""
    for group, members in groupby(rows, key=lambda row: row["group"]):
        shown = Table.grid(padding=(0, 2))
        shown.add_column(overflow="fold", width=CATALOGUE_NAME_CHARACTERS)
        shown.add_column(overflow="fold", width=CATALOGUE_CHARACTERS - CATALOGUE_NAME_CHARACTERS - 4)
        for row in members:
            name = f"[bold]{safe(row['patch'])}[/bold]\n[dim]{safe(row['value'])}[/dim]"
            source, unless = f"[dim]from: {safe(row['source'])}[/dim]", f"[dim]unless: {safe(row['unless'])}[/dim]"
            shown.add_row(name, f"{safe(row['what'])}\n{source}\n{unless}")
        emit(f"[bold]{safe(group)}[/bold]", Padding(shown, (0, 0, 1, 2)))


def print_flows(flows: pl.DataFrame) -> None:
    """Flows as people read them; times and all other columns are in the JSON and the CSV."""
    shown = Table(box=None, pad_edge=False)
    for name, justify in FLOW_HEADS.items():
        shown.add_column(name, justify=justify, no_wrap=name == "from -> to", overflow="fold")
    for row in flows.iter_rows(named=True):
        ends = f"{row['src']}:{row['src_port']} -> {row['dst']}:{row['dst_port']}"
        counts = (row[name] for name in ("packets", "payload_bytes", "unique_bytes", "retransmitted_bytes"))
        rest = (row["goodput_gbps"], row["rtt_ms"])
        shown.add_row(str(row["connection"]), safe(ends), row["protocol"], *map(_cell, counts), *map(_cell, rest))
    emit(shown)


def print_limited(flows: pl.DataFrame) -> None:
    """What limited each direction of FLOWS with `limit` and `limit_share` for most of its time."""
    shown = Table(box=None, pad_edge=False, title="who limited, most of the time", title_justify="left")
    shown.title_style = "bold"
    shown.add_column("#", justify="right")
    shown.add_column("from -> to", no_wrap=True, overflow="fold")
    shown.add_column("limited by")
    for row in flows.drop_nulls("limit").iter_rows(named=True):
        ends = f"{row['src']}:{row['src_port']} -> {row['dst']}:{row['dst_port']}"
        shown.add_row(str(row["connection"]), safe(ends), safe(limit_text(row["limit"], row["limit_share"])))
    if shown.row_count:
        emit("", shown)


def print_sides(sides: pl.DataFrame) -> None:
    """What each side of the TCP connections did; counts that are zero everywhere take no room."""
    if sides.is_empty():
        return
    telling = [name for name in SIDE_HEADS if sides.get_column(name).fill_null(0).max()]
    shown = Table(box=None, pad_edge=False, title="what TCP did", title_justify="left", title_style="bold")
    shown.add_column("#", justify="right")
    shown.add_column("side", no_wrap=True, overflow="fold")
    for name in telling:
        shown.add_column(SIDE_HEADS[name], justify="right")
    shown.add_column("its cause", overflow="fold")
    for row in sides.iter_rows(named=True):
        cells = (_cell(row[name]) for name in telling)
        shown.add_row(str(row["connection"]), safe(f"{row['src']}:{row['src_port']}"), *cells, row["stall_cause"] or "")
    emit("", shown)


def print_sockets(counted: pl.DataFrame) -> None:
    """What each end's kernel counted, most bytes first; what nobody counted, and small connections, take no room."""
    heads, rows = socket_cells(counted)
    if not rows:
        return
    shown = Table(box=None, pad_edge=False, title="what the kernels counted", title_justify="left", title_style="bold")
    for number, head in enumerate(heads):
        shown.add_column(head.replace(" ", "\n", 1), justify="left" if number == 1 else "right", no_wrap=number == 1)
    for cells in rows:
        shown.add_row(*map(safe, cells))
    emit("", shown)


def print_flows_anew(flows: pl.DataFrame, note: str) -> None:
    """The largest flows of a capture that grows, in place of what a terminal showed before."""
    if sys.stdout.isatty():
        console().clear()
    print_flows(flows.sort("unique_bytes", descending=True, maintain_order=True).head(FOLLOWED_SHOWN))
    more = f"; the {FOLLOWED_SHOWN} largest of {flows.height:,} rows" if flows.height > FOLLOWED_SHOWN else ""
    emit(safe(f"{note}{more}"), "")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if WHOLE_FROM <= abs(value) < 10**15 else f"{value:.4g}"
    return safe(f"{value:,}" if isinstance(value, int) and abs(value) < 10**15 else value)

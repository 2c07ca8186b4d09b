"""A comparison as a terminal shows it, and as Markdown for a pull request."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl
from rich.table import Table

from zcanalysis.answer import stage_name
from zcanalysis.comparison import GOODPUT, Comparison
from zcanalysis.output import printable
from zcanalysis.terminal import emit, safe

STAGES_SHOWN: Final = 8
STAGES_NAMED: Final = 4
MANIFOLD: Final = 3
HEADINGS: Final = {"cost": "CPU time by stage", "latency": "latency", "blame": "bandwidth lost to"}
COLUMNS: Final = ("", "now", "before", "difference (95 %)", "change", "beyond chance")


def print_comparison(made: Comparison) -> None:
    """The verdict, then what changed by kind."""
    emit(*(safe(line) for line in verdict_lines(made)), "")
    for heading, rows in _parts(made.table):
        shown = Table(title=heading, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for name in COLUMNS:
            shown.add_column(name, justify="left" if name in ("", COLUMNS[-1]) else "right", no_wrap=True)
        for row in rows:
            shown.add_row(*map(safe, _cells(row)), style=None if row["changed"] else "dim")
        emit(shown, "")


def markdown(made: Comparison) -> str:
    """The same for a comment on a change.

    Parameters
    ----------
    made
        Of two sets.
    """
    lines = [f"**{_md(line)}**" if at == 0 else f"{_md(line)}  " for at, line in enumerate(verdict_lines(made))]
    for heading, rows in _parts(made.table):
        lines += ["", f"### {heading}", "", _md_row(COLUMNS), "|---|--:|--:|--:|--:|---|"]
        lines += [_md_row(tuple(map(_md, _cells(row)))) for row in rows]
    return "\n".join(lines) + "\n"


def verdict_lines(made: Comparison) -> Iterator[str]:
    """What changed, in words; the first line is the verdict.

    Parameters
    ----------
    made
        Of two sets.
    """
    yield _verdict(made)
    now, before = (", ".join(f"{kind} {count}x" for kind, count in some.items()) for some in made.limits)
    yield f"limit: {now}" if now == before else f"limit: {now}; before: {before}"
    sizes = " and ".join(f"{len(names)} recording{'s' * (len(names) > 1)}" for names in made.names)
    yield f"compared: {sizes}; {made.spread}"


def _verdict(made: Comparison) -> str:
    goodput = made.table.filter(pl.col("quantity") == GOODPUT).to_dicts()
    first = f"goodput {_sentence(goodput[0])}" if goodput else "no goodput on one side"
    named = made.changed.filter(pl.col("of") == "cost").to_dicts()
    stages = ", ".join(
        f"{stage_name(row['quantity'])} {row['difference']:+.3g} {row['unit']}" for row in named[:STAGES_NAMED]
    )
    worse = f"REGRESSION of {' and '.join(made.regressions)} by more than {made.fail_over_percent:g} %: "
    return f"{worse if made.regressions else ''}{first}" + (f"; CPU time: {stages}" if stages else "")


def _sentence(row: Mapping[str, Any]) -> str:
    if not row["changed"]:
        return f"{row['value']:.3g} Gbit/s against {row['against']:.3g}: no more than chance makes"
    return f"{row['value']:.3g} Gbit/s against {row['against']:.3g} ({row['change']:+.0%})"


def _parts(table: pl.DataFrame) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for of, heading in HEADINGS.items():
        rows = table.filter(pl.col("of") == of).head(STAGES_SHOWN).to_dicts()
        if rows:
            yield f"{heading} ({rows[0]['unit']})", rows


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = row["low"], row["high"]
    bounds = "" if low is None else f" ({low:+.3g} to {high:+.3g})"
    said = {True: "yes", False: "no", None: "-"}[row["changed"]]
    return (
        stage_name(row["quantity"]), f"{row['value']:.3g}", f"{row['against']:.3g}",
        f"{row['difference']:+.3g}{bounds}", _change(row["change"]), said,
    )  # fmt: skip


def _change(change: float | None) -> str:
    """In percent, or how many times as much.

    Examples
    --------
    >>> _change(-0.41), _change(6.44), _change(482.8), _change(None)
    ('-41%', '7.4x', '480x', 'new')
    """
    if change is None:
        return "new"
    return f"{change:+.0%}" if change < MANIFOLD - 1 else f"{float(f'{change + 1:.2g}'):g}x"


def _md(text: str) -> str:
    """Names of recordings are no markup."""
    return "".join(f"\\{one}" if one in "\\`*_{}[]<>|#" else one for one in printable(text))


def _md_row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"

"""A comparison as a terminal shows it, and as Markdown for a pull request."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl
from rich.table import Table

from zcanalysis.answer import stage_name
from zcanalysis.comparison import Comparison
from zcanalysis.output import printable
from zcanalysis.terminal import emit, safe

WIDTH: Final = 108
STAGES_SHOWN: Final = 8
STAGES_NAMED: Final = 4
MANIFOLD: Final = 3
HEADINGS: Final = {"cost": "CPU time by stage", "latency": "latency", "blame": "bandwidth lost to"}
COLUMNS: Final = ("", "now", "before", "difference (95 %)", "change", "beyond chance")


def print_comparison(made: Comparison) -> None:
    """The verdict, then what changed by kind."""
    head = Table.grid(padding=(0, 2))
    head.add_column(style="bold", no_wrap=True)
    head.add_column(max_width=WIDTH)
    for name, words in verdict(made).items():
        head.add_row(name, safe(words))
    emit(head)
    for heading, rows in _parts(made.table):
        shown = Table(title=heading, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for name in COLUMNS:
            shown.add_column(name, justify="left" if name in ("", COLUMNS[-1]) else "right", no_wrap=True)
        for row in rows:
            shown.add_row(*map(safe, _cells(row)), style=None if row["changed"] else "dim")
        emit("", shown)


def markdown(made: Comparison) -> str:
    """The same for a comment on a change.

    Parameters
    ----------
    made
        Of two sets.
    """
    lines = [f"- **{name}**: {_md(words)}" for name, words in verdict(made).items()]
    for heading, rows in _parts(made.table):
        lines += ["", f"### {heading}", "", _md_row(COLUMNS), "|---|--:|--:|--:|--:|---|"]
        lines += [_md_row(tuple(map(_md, _cells(row)))) for row in rows]
    return "\n".join(lines) + "\n"


def verdict(made: Comparison) -> dict[str, str]:
    """What changed, in words, by what it is about.

    Parameters
    ----------
    made
        Of two sets.
    """
    goodput = made.table.filter(pl.col("of") == "goodput").to_dicts()
    costs = made.changed.filter(pl.col("of") == "cost").to_dicts()
    named = [f"{stage_name(row['quantity'])} {row['difference']:+.3g} {row['unit']}" for row in costs[:STAGES_NAMED]]
    worse = f"{' and '.join(made.regressions)} worse by more than {made.fail_over_percent:g} %"
    now, before = map(_limits, made.limits)
    sizes = " against ".join(f"{len(names)} recording{'s' * (len(names) > 1)}" for names in made.names)
    return {
        "verdict": f"REGRESSION: {worse}" if made.regressions else "no regression",
        "goodput": _sentence(goodput[0]) if goodput else "unknown on one side",
        "CPU time": ", ".join(named) or "no change beyond chance",
        "limit": now if now == before else f"{now}; before: {before}",
        "compared": f"{sizes}; {made.spread}",
    }


def _limits(kinds: Mapping[str, int]) -> str:
    of = sum(kinds.values())
    return ", ".join(f"{kind} ({count} of {of})" if of > 1 else kind for kind, count in kinds.items())


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

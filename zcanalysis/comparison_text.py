"""A comparison as a terminal shows it, and as Markdown for a pull request."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl
from rich.table import Table

from zcanalysis.answer import stage_name
from zcanalysis.comparable import GOODPUT, RECEIVER
from zcanalysis.comparison import Comparison
from zcanalysis.output import printable
from zcanalysis.terminal import emit, safe

WIDTH: Final = 108
STAGES_SHOWN: Final = 8
STAGES_NAMED: Final = 4
CHANGES_NAMED: Final = 8
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
    for heading, rows in parts(made.table):
        shown = Table(title=heading, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for name in COLUMNS:
            shown.add_column(name, justify="left" if name in ("", COLUMNS[-1]) else "right", no_wrap=True)
        for row in rows:
            shown.add_row(*map(safe, cells(row)), style=None if row["changed"] else "dim")
        emit("", shown)


def markdown(made: Comparison) -> str:
    """The same for a comment on a change.

    Parameters
    ----------
    made
        Of two sets.
    """
    lines = [f"- **{name}**: {_md(words)}" for name, words in verdict(made).items()]
    for heading, rows in parts(made.table):
        lines += ["", f"### {heading}", "", _md_row(COLUMNS), "|---|--:|--:|--:|--:|---|"]
        lines += [_md_row(tuple(map(_md, cells(row)))) for row in rows]
    return "\n".join(lines) + "\n"


def verdict(made: Comparison) -> dict[str, str]:
    """What changed, in words, by what it is about.

    Parameters
    ----------
    made
        Of two sets.
    """
    goodput = made.headline.get(GOODPUT)
    costs = made.changed.filter(pl.col("of") == "cost").to_dicts()
    named = [f"{stage_name(row['quantity'])} {row['difference']:+.3g} {row['unit']}" for row in costs[:STAGES_NAMED]]
    fallen = f"{' and '.join(made.regressions)} worse by more than {made.fail_over_percent:g} %"
    now, before = limits(made)
    return {
        "verdict": f"REGRESSION: {fallen}" if made.regressions else "no regression",
        "goodput": _sentence(goodput) if goodput else "unknown on one side",
        "CPU time": ", ".join(named) or "no change beyond chance",
        "limit": now if now == before else f"{now}; before: {before}",
        "compared": f"{sizes(made)}; {made.spread}",
    }


def headline(made: Comparison) -> str:
    """The verdict, goodput and CPU time, as sentences.

    Parameters
    ----------
    made
        Of two sets.
    """
    words = verdict(made)
    names = {GOODPUT: "Goodput", RECEIVER: "CPU time of the receiver"}
    told = (f"{names[quantity]}: {_sentence(row)}." for quantity, row in made.headline.items())
    return " ".join((f"{words['verdict'][0].upper()}{words['verdict'][1:]}.", *told))


def changes(made: Comparison) -> tuple[list[str], list[str]]:
    """What got worse beyond chance, a line each, and what better: less goodput, more CPU time per byte, more latency.

    Parameters
    ----------
    made
        Of two sets.
    """
    rows = made.changed.filter(pl.col("of") != "blame").to_dicts()
    is_better = [(row["difference"] > 0) == (row["of"] == GOODPUT) for row in rows]
    worse = [row for row, good in zip(rows, is_better, strict=True) if not good]
    return _changes(worse), _changes([row for row, good in zip(rows, is_better, strict=True) if good])


def variance(made: Comparison) -> str:
    """How chance is told from change, in a sentence.

    Parameters
    ----------
    made
        Of two sets.
    """
    told = f"{made.spread[0].upper()}{made.spread[1:]}" if made.is_single else f"Chance is judged {made.spread}"
    return f"{told}."


def sureness(made: Comparison) -> str:
    """How sure the difference of a single function is.

    Parameters
    ----------
    made
        Of two sets, with samples.
    """
    now, before = made.sampled
    shown = "the sampling error and the lab's run-to-run variance" if made.is_single else "what differs from run to run"
    return (
        f"How sure: {before.samples:,} samples of the receive path before and {now.samples:,} now; one stands for "
        f"{before.ns_per_kb:.2g} ns/KB before and {now.ns_per_kb:.2g} now. The interval holds {shown}; beyond chance "
        f"also counts that {made.functions.height} functions are looked at, all that have 0.2 % of the whole. On a "
        "machine without a hardware counter for sampling (most virtual ones), time with interrupts off is seen in the "
        "function that lets them in again."
    )


def sizes(made: Comparison) -> str:
    """How many recordings stand on either side.

    Parameters
    ----------
    made
        Of two sets.
    """
    return " against ".join(f"{len(names)} recording{'s' * (len(names) > 1)}" for names in made.names)


def limits(made: Comparison) -> tuple[str, str]:
    """What limits now, and what did before.

    Parameters
    ----------
    made
        Of two sets.
    """
    now, before = map(_limits, made.limits)
    return now, before


def parts(table: pl.DataFrame) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The rows by kind, each with its heading; of each kind the largest differences.

    Parameters
    ----------
    table
        COMPARED.
    """
    for of, heading in HEADINGS.items():
        rows = table.filter(pl.col("of") == of).head(STAGES_SHOWN).to_dicts()
        if rows:
            yield f"{heading} ({rows[0]['unit']})", rows


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row as `COLUMNS` names its cells.

    Parameters
    ----------
    row
        Of COMPARED.
    """
    low, high = row["low"], row["high"]
    bounds = "" if low is None else f" ({low:+.3g} to {high:+.3g})"
    said = {True: "yes", False: "no", None: "-"}[row["changed"]]
    return (
        _name(row), f"{row['value']:.3g}", f"{row['against']:.3g}",
        f"{row['difference']:+.3g}{bounds}", _change(row["change"]), said,
    )  # fmt: skip


def _limits(kinds: Mapping[str, int]) -> str:
    of = sum(kinds.values())
    return ", ".join(f"{kind} ({count} of {of})" if of > 1 else kind for kind, count in kinds.items())


def _sentence(row: Mapping[str, Any]) -> str:
    both = f"{row['value']:.3g} {row['unit']} against {row['against']:.3g}"
    return f"{both} ({_change(row['change'])})" if row["changed"] else f"{both}: no more than chance makes"


def _changes(rows: list[dict[str, Any]]) -> list[str]:
    more = [f"and {len(rows) - CHANGES_NAMED} more"] if len(rows) > CHANGES_NAMED else []
    return [f"{_name(row)}: {_sentence(row)}" for row in rows[:CHANGES_NAMED]] + more


def _name(row: Mapping[str, Any]) -> str:
    return str(row["quantity"]) if row["of"] == "function" else stage_name(row["quantity"])


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

"""A comparison as one HTML page that works offline: what changed, by how much, and in which functions."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from zcanalysis.answer import stage_name
from zcanalysis.charts.vega import vega_bundle
from zcanalysis.comparison import FUNCTIONS_TOLD, Comparison, flames
from zcanalysis.comparison_text import COLUMNS, cells, changes, headline, limits, parts, sureness, variance
from zcanalysis.errors import TraceError
from zcanalysis.figures import Figure, figure
from zcanalysis.io.recording_folder import is_part_of
from zcanalysis.pages import rendered, write_text

FUNCTION_COLUMNS: Final = ("function", "mostly in stage", *(name for name in COLUMNS[1:] if name != "change"))
FLAME_TITLE: Final = "Call chains that cost more, and less"
FLAME_SAYS: Final = (
    "CPU time of the receive path per byte of payload received, as in the costs above: without the sender, other "
    "programs and the probes. The thread is at the bottom, the sampled function at the top; red costs more than "
    "before, blue less. An interrupt stands on the thread that it interrupted. Click a box to zoom into it, "
    "double-click for all; the search marks functions."
)
OF_A_SET: Final = " Of each side it is the mean of its recordings, so that a longer one does not count for more."


class Row(NamedTuple):
    """One row of a table, ready to print."""

    cells: tuple[str, ...]
    changed: bool
    """Beyond chance; rows within it are drawn pale."""


def comparison_html(made: Comparison) -> str:
    """The page.

    Parameters
    ----------
    made
        Of two sets.
    """
    compared, flame = _compared(made), _flame(made)
    worse, better = changes(made)
    now, before = _labels(made)
    return rendered(
        "comparison.html.j2",
        title=f"{_side(now)} against {_side(before)}",
        sentence=headline(made),
        tiles=_tiles(made),
        variance=variance(made),
        threshold=f"{made.fail_over_percent:g}",
        limits=limits(made),
        worse=worse,
        better=better,
        compared=compared,
        heads=COLUMNS,
        tables=[(heading, list(map(_row, rows))) for heading, rows in parts(made.table)],
        flame=flame,
        flame_title=FLAME_TITLE,
        unprofiled=made.unprofiled,
        functions=_functions(made),
        function_heads=FUNCTION_COLUMNS,
        sureness=sureness(made),
        names=(now, before),
        bundle=vega_bundle() if compared or flame else "",
    )


def write_comparison(made: Comparison, file: Path) -> None:
    """Write the page to a file.

    Parameters
    ----------
    made
        Of two sets.
    file
        Where.

    Raises
    ------
    TraceError
        If the file cannot be written, or is part of one of the recordings.
    """
    refuse_inputs(made.paths, file)
    write_text(file, comparison_html(made))


def refuse_inputs(recordings: Iterable[Path], file: Path) -> None:
    """What is written never replaces what it was made from.

    Parameters
    ----------
    recordings
        All that are compared.
    file
        What is to be written.

    Raises
    ------
    TraceError
        If it is part of one of them.
    """
    if any(is_part_of(one, file) for one in recordings):
        raise TraceError(f"{file}: is part of a recording; name another file for the comparison")


def _labels(made: Comparison) -> tuple[list[str], list[str]]:
    """The recordings' names; with their folder's where both sides have one of the same name, as now/1 and before/1."""
    now, before = made.names
    alike = not set(now).isdisjoint(before)
    labels = [
        f"{path.resolve().parent.name}/{name}" if alike else name
        for path, name in zip(made.paths, (*now, *before), strict=True)
    ]
    return labels[: len(now)], labels[len(now) :]


def _side(labels: list[str]) -> str:
    return labels[0] if len(labels) == 1 else f"{labels[0]} and {len(labels) - 1} more"


def _tiles(made: Comparison) -> list[tuple[str, str]]:
    """Goodput, CPU time, and what limits most of the recordings, now and before."""
    tiles = [
        (f"{name}; before {row['against']:.3g}", f"{row['value']:.3g} {row['unit']}")
        for name, row in made.headline.items()
    ]
    now, before = (next(iter(kinds)) for kinds in made.limits)
    most = "limit" if made.is_single else "limit of most"
    return [*tiles, (f"{most}; before: {before}", now)]


def _compared(made: Comparison) -> Figure | None:
    from zcanalysis import charts

    if made.table.is_empty():
        return None
    return figure(
        "compared",
        "What it was, and what it is",
        charts.compared(made.table),
        "A row a quantity: before and now as dots, and from the value before the 95 % interval of the difference. "
        "Goodput lost by stage divides the time of the CPU that limits each recording: it follows from the rest, and "
        "is not tested.",
    )


def _flame(made: Comparison) -> Figure | None:
    from zcanalysis import charts

    if made.chains.is_empty():
        return None
    return figure(
        "flame", FLAME_TITLE, charts.flame_changes(flames(made)), FLAME_SAYS + ("" if made.is_single else OF_A_SET)
    )


def _row(row: dict[str, Any]) -> Row:
    return Row(cells(row), bool(row["changed"]))


def _functions(made: Comparison) -> list[Row]:
    return [_function_row(row) for row in made.functions.head(FUNCTIONS_TOLD).iter_rows(named=True)]


def _function_row(row: dict[str, Any]) -> Row:
    name, now, before, difference, _, said = cells(row)
    return Row((name, stage_name(row["stage"]), now, before, difference, said), bool(row["changed"]))

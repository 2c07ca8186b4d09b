"""The dataset as one HTML page that works offline: what failed first, then a row a recording, sortable."""

from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from zcanalysis.answer import gbps_text
from zcanalysis.fleet.dataset import Failure
from zcanalysis.pages import rendered, write_text

COLUMNS: Final = ("audit", "recording", "goodput", "ceiling", "limit", "busiest CPU", "connections", "packets")
FROM_NUMBERS: Final = 2
LIMIT: Final = 4
SEVERITY: Final = {"ok": 0, "warn": 1, "bad": 2}


class Cell(NamedTuple):
    """One cell: what it shows, and by what it is sorted."""

    text: str
    by: str | float
    more: str = ""
    """Shown when it is pointed at."""


def index_html(recordings: pl.DataFrame, failures: list[Failure], left: int) -> str:
    """The page.

    Parameters
    ----------
    recordings
        RECORDINGS.
    failures
        What could not be analysed.
    left
        How many sources an interrupted run did not come to.
    """
    rows = [(row["verdict"], _cells(row)) for row in recordings.iter_rows(named=True)]
    return rendered(
        "batch.html.j2", heads=COLUMNS, numbers=FROM_NUMBERS, limit=LIMIT, rows=rows, failures=failures, left=left
    )


def write_index(file: Path, recordings: pl.DataFrame, failures: list[Failure], left: int) -> None:
    """Write the page to a file.

    Parameters
    ----------
    file
        Where.
    recordings, failures, left
        As `index_html` takes them.

    Raises
    ------
    TraceError
        If the file cannot be written.
    """
    write_text(file, index_html(recordings, failures, left))


def _cells(row: dict[str, Any]) -> list[Cell]:
    goodput, ceiling = row["goodput_gbps"], row["ceiling_gbps"]
    interval = row["goodput_low_gbps"], row["goodput_high_gbps"]
    limit = row["limit"] if row["limit_where"] is None else f"{row['limit']} ({row['limit_where']})"
    busy = row["cpu_busy_share"]
    return [
        Cell(row["verdict"], SEVERITY[row["verdict"]], ", ".join(row["doubts"])),
        Cell(row["name"], row["name"], row["path"]),
        _number(goodput, "" if goodput is None else gbps_text(goodput, *interval)),
        _number(ceiling, "" if ceiling is None else f"{gbps_text(ceiling, None, None)}, {row['ceiling']}"),
        Cell(limit, limit, row["answer"]),
        _number(busy, "" if busy is None else f"CPU {row['cpu']}, {busy:.0%}"),
        _number(row["connections"], f"{row['connections']:,}"),
        _number(row["packets"], f"{row['packets']:,}"),
    ]  # fmt: skip


def _number(value: float | None, text: str) -> Cell:
    return Cell(text, -1 if value is None else value)

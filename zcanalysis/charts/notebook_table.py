"""A table in a notebook's page as people write one: numbers right with three digits, words left, whole and unquoted."""

import math
from html import escape
from typing import Final

import polars as pl

DIGITS: Final = 3
ALIKE: Final = 10
"""Numbers of one column no further apart than this have as many decimals, so that their points are below each other."""
ROWS_WHOLE: Final = 100
ROWS_AT_ENDS: Final = 10
COLUMNS_WIDE: Final = 12
"""More are written smaller."""
NAMES: Final = ("port", "pid")
"""Last words of columns whose numbers name something: nobody counts them in thousands."""
NOTHING: Final = "–"
LEFT: Final = ' style="text-align: left; vertical-align: top; overflow-wrap: break-word"'
RIGHT: Final = ' style="text-align: right; vertical-align: top; white-space: nowrap"'
HEAD: Final = ' style="text-align: {side}; vertical-align: bottom"'


def table_html(table: pl.DataFrame) -> str:
    """The table as HTML that nothing in it can end; of a long one both ends, and how many rows are between.

    Parameters
    ----------
    table
        With any columns; a unit is said by a column's name.
    """
    left_out = table.height - 2 * ROWS_AT_ENDS if table.height > ROWS_WHOLE else 0
    shown = pl.concat([table.head(ROWS_AT_ENDS), table.tail(ROWS_AT_ENDS)]) if left_out else table
    columns = [(column.name, column.dtype.is_numeric(), _written(column)) for column in shown]
    heads = "".join(
        f"<th{HEAD.format(side='right' if number else 'left')}>{escape(name).replace('_', '_<wbr>')}</th>"
        for name, number, _ in columns
    )
    rows = [
        "<tr>" + "".join(f"<td{RIGHT if number else LEFT}>{cells[at]}</td>" for _, number, cells in columns) + "</tr>"
        for at in range(shown.height)
    ]
    if left_out:
        rows.insert(ROWS_AT_ENDS, f'<tr><td colspan="{table.width}"{LEFT}>… {left_out:,} rows …</td></tr>')
    size = ' style="font-size: 75%"' if table.width > COLUMNS_WIDE else ""
    body = f'<table class="dataframe"{size}><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<div style="overflow-x: auto">{body}</div>'


def _written(column: pl.Series) -> list[str]:
    """Every value of the column, escaped."""
    if column.dtype.is_float():
        decimals = shared_decimals(column)
        return [NOTHING if value is None else number_text(value, decimals) for value in column]
    if column.dtype == pl.Boolean:
        return [{None: NOTHING, True: "yes", False: "no"}[value] for value in column]
    if column.dtype == pl.List:
        return [escape("; ".join(map(str, values or []))) or NOTHING for values in column.to_list()]
    counted = column.dtype.is_integer() and column.name.rpartition("_")[2] not in NAMES
    return [
        NOTHING if value is None else f"{value:,}" if counted and abs(value) < 10**15 else escape(str(value))
        for value in column
    ]


def shared_decimals(column: pl.Series) -> int | None:
    """How many decimals all numbers of a column have, or None where they are too far apart to have as many.

    Examples
    --------
    >>> [shared_decimals(pl.Series(column)) for column in ([0.5, 2.946], [3.0, 9.0], [0.5, 900.0])]
    [2, 0, None]
    """
    sizes = [abs(value) for value in column if value and math.isfinite(value)]
    if not sizes or all(size == round(size) for size in sizes):
        return 0
    if max(sizes) > ALIKE * min(sizes):
        return None
    most = max(0, DIGITS - 1 - math.floor(math.log10(max(sizes))))
    return max(len(f"{size:.{most}f}".rstrip("0").partition(".")[2]) for size in sizes)  # no zeros that none has


def number_text(value: float, decimals: int | None = None) -> str:
    """A number with so many decimals; without, in three digits, or all whole ones.

    Examples
    --------
    >>> number_text(24303.4), number_text(0.05274), number_text(4.2, 2), number_text(-0.0)
    ('24,303', '0.0527', '4.20', '0')
    """
    if not math.isfinite(value):
        return str(value)
    if decimals is None and 10 ** (DIGITS - 1) <= abs(value) < 10**15:
        decimals = 0
    text = f"{value:.{DIGITS}g}" if decimals is None else f"{value:,.{decimals}f}"
    return text if value else "0"

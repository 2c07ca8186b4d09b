"""Words, tables and trees beside the charts of a notebook: HTML in JupyterLab's own colours, everything escaped."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

import ipywidgets as widgets
import polars as pl

from zcanalysis.widgets.page_parts import rows_html

STYLE: Final = """<style>
.zc-text p, .zc-text summary, .zc-text td, .zc-text th, .zc-text pre { color: var(--jp-ui-font-color1);
  font-size: var(--jp-ui-font-size1); line-height: 1.45; }
.zc-text p { margin: 2px 0; max-width: 75em; }
.zc-text p.zc-trouble { color: var(--jp-error-color1); }
.zc-text table { border-collapse: collapse; margin: 4px 0; }
.zc-text th, .zc-text td { border-bottom: 1px solid var(--jp-border-color2); padding: 2px 10px 2px 0; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
.zc-text th.zc-number, .zc-text td.zc-number { text-align: right; font-variant-numeric: tabular-nums; }
.zc-text summary { cursor: pointer; }
.zc-text details details { margin-left: 1.2em; }
.zc-text code, .zc-text pre { font-family: var(--jp-code-font-family); font-size: var(--jp-code-font-size);
  background: transparent; color: var(--jp-content-font-color1); white-space: pre-wrap; }
.zc-rows select { font-family: var(--jp-code-font-family); font-size: var(--jp-code-font-size);
  color: var(--jp-ui-font-color1); background: var(--jp-layout-color1); }
</style>"""


def text(html: str = "") -> widgets.HTML:
    """A place for what the functions below give."""
    place = widgets.HTML(html)
    place.add_class("zc-text")
    return place


def paragraphs(*sentences: str) -> str:
    """Each as a paragraph.

    Examples
    --------
    >>> paragraphs("1 < 2")
    '<p>1 &lt; 2</p>'
    """
    return "".join(f"<p>{escape(one)}</p>" for one in sentences if one)


def trouble(message: object) -> str:
    """What went wrong, in one line."""
    return f'<p class="zc-trouble" role="alert">{escape(" ".join(str(message).split()))}</p>'


def command(line: str) -> str:
    """A shell command."""
    return f"<p><code>{escape(line)}</code></p>"


def rows(table: pl.DataFrame, titles: Mapping[str, str]) -> str:
    """A table as HTML; numbers stand to the right.

    Parameters
    ----------
    table
        A few rows, with columns of numbers or text.
    titles
        What to call its columns, with units; those that are not named are left out.

    Examples
    --------
    >>> rows(pl.DataFrame({"a": [None]}), {"a": "speed (Gbit/s)"}).count("<td")
    1
    """
    numbers = {at for at, name in enumerate(titles) if table.schema[name].is_numeric()}
    cells = ([_shown(row[name]) for name in titles] for row in table.iter_rows(named=True))
    return rows_html(list(titles.values()), cells, numbers)


def unfolded(title: str, inside: str, *, is_open: bool = False) -> str:
    """HTML that a click, or a key, unfolds.

    Parameters
    ----------
    title
        Always shown; plain text.
    inside
        HTML.
    is_open
        Whether it is unfolded at first.
    """
    return f"<details{' open' if is_open else ''}><summary>{escape(title)}</summary>{inside}</details>"


def _shown(value: Any) -> str:  # noqa: ANN401 - a cell of a table
    if value is None:
        return "–"
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def without_kernel(name: str) -> str:
    """What stands for a widget in a page that no kernel serves.

    Examples
    --------
    >>> without_kernel("journey view")
    'journey view: its controls need a running kernel'
    """
    return f"{name}: its controls need a running kernel"


def aligned(cells: Iterable[tuple[str, int]]) -> str:
    """A line of a list whose columns stand below each other: blanks that a page does not run together.

    Parameters
    ----------
    cells
        Text, and how wide it is set; to the left if that is negative.
    """
    return "\N{NO-BREAK SPACE}".join(
        (one.ljust(-width) if width < 0 else one.rjust(width)).replace(" ", "\N{NO-BREAK SPACE}")
        for one, width in cells
    )

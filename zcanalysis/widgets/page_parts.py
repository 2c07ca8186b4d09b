"""Small parts of a widget's page: a text that is said aloud, a button that copies, HTML that nothing in it can end."""

from collections.abc import Collection, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Final

import anywidget
import traitlets

STYLE: Final = """<style>
.zc-explorer { color: var(--jp-ui-font-color1); max-width: 1120px; --jp-widgets-horizontal-tab-width: 200px; }
.zc-explorer .zc-labelled-above { flex-wrap: wrap; height: auto; overflow: visible; }
.zc-explorer .zc-labelled-above .widget-label { flex: 1 1 auto; width: auto; text-align: left; }
.zc-explorer .zc-labelled-above .widget-readout { order: 1; width: auto; max-width: none; text-align: right; }
.zc-explorer .zc-labelled-above .slider-container, .zc-explorer .zc-labelled-above select { order: 2; flex: 1 0 90%; }
.zc-explorer .widget-html-content { line-height: 1.35; }
.zc-spoken { font-size: 15px; line-height: 1.45; padding: 6px 8px; border-left: 4px solid var(--jp-brand-color1);
  background: var(--jp-layout-color2); color: var(--jp-ui-font-color1); white-space: normal; }
.zc-spoken:has(.zc-doubt) { border-left-color: var(--jp-error-color1); }
.zc-doubt { color: var(--jp-error-color1); font-weight: 600; }
.zc-dim { color: var(--jp-ui-font-color2); font-size: 12px; }
.zc-warn { color: var(--jp-error-color1); font-size: 12px; }
.zc-large { font-size: 22px; font-weight: 600; }
.zc-explorer table { border-collapse: collapse; font-size: 13px; color: var(--jp-ui-font-color1); }
.zc-explorer th, .zc-explorer td { text-align: left; padding: 2px 12px 2px 0; vertical-align: top;
  border-bottom: 1px solid var(--jp-border-color2); white-space: normal; }
.zc-explorer td.zc-number { text-align: right; white-space: nowrap; }
.zc-interval { position: relative; height: 5px; margin: 0 9px 2px 9px; background: var(--jp-layout-color3); }
.zc-interval i { position: absolute; height: 5px; background: var(--jp-brand-color1); display: block; }
.zc-explorer textarea { font-family: var(--jp-code-font-family); font-size: 12px; }
</style>"""


class Spoken(anywidget.AnyWidget):
    """A text that a screen reader says when it changes; it is shown as text, never as HTML.

    `doubt` is the part of it to be marked as a warning.
    """

    _esm = Path(__file__).with_name("spoken.js")
    text = traitlets.Unicode().tag(sync=True)
    doubt = traitlets.Unicode().tag(sync=True)

    def show(self, text: str, doubt: str = "") -> None:
        """Say this.

        Parameters
        ----------
        text
            All of it.
        doubt
            A part of the text; empty where it needs no warning.
        """
        with self.hold_sync():
            self.text, self.doubt = text, doubt


class CopyButton(anywidget.AnyWidget):
    """Copies a text when it is pressed."""

    _esm = Path(__file__).with_name("copy_button.js")
    label = traitlets.Unicode("Copy").tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)


def dim(text: str) -> str:
    """Less important words, as HTML."""
    return f'<span class="zc-dim">{escape(text)}</span>'


def warning(text: str) -> str:
    """Words to mind, as HTML."""
    return f'<span class="zc-warn">{escape(text)}</span>'


def rows_html(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """A table of texts as HTML; the columns in `numbers` end flush.

    Examples
    --------
    >>> rows_html(("name",), [("<b>",)])
    '<table><tr><th>name</th></tr><tr><td>&lt;b&gt;</td></tr></table>'
    """
    return f"<table>{''.join([_line('th', head, numbers), *(_line('td', row, numbers) for row in rows)])}</table>"


def _line(tag: str, cells: Sequence[str], numbers: Collection[int]) -> str:
    opened = (f"<{tag} class=zc-number>" if at in numbers else f"<{tag}>" for at in range(len(cells)))
    inside = "".join(f"{start}{escape(cell)}</{tag}>" for start, cell in zip(opened, cells, strict=True))
    return f"<tr>{inside}</tr>"

"""Charts of a notebook that stay in its HTML export: no network, no kernel once drawn, menus and sliders included.

The bundle of vega is put into the page once, by the cell that asks for it; each chart is its specification alone.
Tables are written for people (`notebook_table`).
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any, Final

import altair as alt
import polars as pl
from IPython.core.getipython import get_ipython
from IPython.display import HTML, Markdown

from zcanalysis.charts.notebook_table import table_html
from zcanalysis.charts.vega import vega_bundle

RENDERER: Final = "notebook page"
DRAW: Final = """<div id="{div}"></div><script>
(function draw() {{
  if (!window.vegaEmbed) return setTimeout(draw, 50);
  window.vegaEmbed(document.getElementById("{div}"), {spec}, {{renderer: "svg", actions: false}});
}})();
</script>"""


def in_notebook() -> HTML:
    """What the first cell shows so that the charts of all others can be drawn, and tables be read."""
    if (shell := get_ipython()) and shell.display_formatter:
        shell.display_formatter.formatters["text/html"].for_type(pl.DataFrame, table_html)
    alt.renderers.register(RENDERER, drawn)
    alt.renderers.enable(RENDERER)
    return HTML(f'<script type="module">{vega_bundle()}</script>')  # type: ignore[no-untyped-call]


def claims_hold(claims: Mapping[str, bool]) -> Markdown:
    """The list of what a notebook says at its top, once every claim of it holds.

    Parameters
    ----------
    claims
        Each in words, and whether it holds.

    Raises
    ------
    AssertionError
        If one does not: it names those that fail, so that the notebook does not run to its end.
    """
    if failed := [claim for claim, holds in claims.items() if not holds]:
        raise AssertionError("does not hold: " + "; ".join(failed))
    return Markdown("Each of these holds:\n\n" + "\n".join(f"- {claim}" for claim in claims))  # type: ignore[no-untyped-call]


def drawn(spec: dict[str, Any], **_: Any) -> dict[str, str]:  # noqa: ANN401 - whatever altair hands over
    """A chart as HTML that nothing in it can end."""
    text = json.dumps(spec).replace("<", "\\u003c")
    return {"text/html": DRAW.format(div=f"chart-{uuid.uuid4().hex}", spec=text)}

"""Charts of a notebook that stay in its HTML export: no network, no kernel once drawn, menus and sliders included.

The bundle of vega is put into the page once, by the cell that asks for it; each chart is its specification alone.
"""

import html
import json
import uuid
from typing import Any, Final

import altair as alt
import polars as pl
import vl_convert
from IPython.display import HTML

VEGA_LITE: Final = "6.4"
RENDERER: Final = "notebook page"
DRAW: Final = """<div id="{div}"></div><script>
(function draw() {{
  if (!window.vegaEmbed) return setTimeout(draw, 50);
  window.vegaEmbed(document.getElementById("{div}"), {spec}, {{renderer: "svg", actions: false}});
}})();
</script>"""


def in_notebook() -> HTML:
    """What the first cell shows so that the charts of all others can be drawn."""
    alt.renderers.register(RENDERER, drawn)
    alt.renderers.enable(RENDERER)
    bundle = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE))
    safe = bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return HTML(f'<script type="module">{safe}</script>')  # type: ignore[no-untyped-call]


def drawn(spec: dict[str, Any], **_: Any) -> dict[str, str]:  # noqa: ANN401 - whatever altair hands over
    """A chart as HTML that nothing in it can end."""
    text = json.dumps(spec).replace("<", "\\u003c")
    return {"text/html": DRAW.format(div=f"chart-{uuid.uuid4().hex}", spec=text)}


def page_table(table: pl.DataFrame) -> HTML:
    """A table to read: texts whole and without quotes; numbers whole or to four figures; nothing where it is null.

    Parameters
    ----------
    table
        Of any columns; their names are its heads.
    """
    aligned = {name: "right" if kind.is_numeric() else "left" for name, kind in table.schema.items()}
    heads = "".join(_cell("th", aligned[name], name) for name in table.columns)
    rows = ["".join(_cell("td", aligned[name], value) for name, value in row.items()) for row in table.to_dicts()]
    body = "".join(f"<tr>{cells}</tr>" for cells in rows)
    return HTML(f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>")  # type: ignore[no-untyped-call]


def _cell(tag: str, align: str, value: object) -> str:
    return f'<{tag} style="text-align: {align}; vertical-align: top">{html.escape(_text(value))}</{tag}>'


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value.is_integer() else f"{float(f'{value:.4g}'):,.10g}"

"""Charts of a notebook that stay in its HTML export: no network, no kernel once drawn, menus and sliders included.

The bundle of vega is put into the page once, by the cell that asks for it; each chart is its specification alone.
"""

import json
import uuid
from typing import Any, Final

import altair as alt
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

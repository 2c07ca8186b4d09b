"""The script that draws charts in a page without a network: vega, vega-lite and vega-embed in one.

0.9 MB, made once a process; the report, notebooks' pages and widgets all take it from here.
"""

from functools import cache
from typing import Final

VEGA_LITE: Final = "6.4"
FOR_A_PAGE: Final = "window.vegaEmbed = vegaEmbed;"
FOR_A_WIDGET: Final = "window.vegaEmbed = window.vegaEmbed || vegaEmbed; export default {};"


@cache
def vega_bundle() -> str:
    """What draws the charts, once for a page; safe inside a script element."""
    return _bundled(FOR_A_PAGE).replace("</script", "<\\/script").replace("<!--", "<\\!--")


@cache
def vega_module() -> str:
    """The same as a module of a widget; a page that has one already keeps it."""
    return _bundled(FOR_A_WIDGET)


def _bundled(last: str) -> str:
    import vl_convert

    return str(vl_convert.javascript_bundle(last, vl_version=VEGA_LITE))

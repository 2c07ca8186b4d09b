"""A chart of the report: its title, what it says in words, and a specification that is safe inside a page."""

import json
from typing import Any, NamedTuple


class Figure(NamedTuple):
    """One chart of the report."""

    key: str
    title: str
    says: str
    """What the picture shows, in words."""
    spec: str
    """Vega-Lite JSON that is safe inside a script element."""


def figure(key: str, title: str, chart: Any, says: str) -> Figure:  # noqa: ANN401 - any kind of altair chart
    """The chart as a figure.

    Parameters
    ----------
    key
        Id of its section.
    title, says
        In words.
    chart
        As `zcanalysis.charts` draws it.
    """
    import altair as alt

    with alt.data_transformers.enable("default", max_rows=None):
        spec = json.dumps(chart.to_dict(), separators=(",", ":"), allow_nan=False)
    return Figure(
        key,
        title,
        says,
        spec.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"),
    )

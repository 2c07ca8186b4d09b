"""A chart that stays on the page while its rows change: what the sliders of every widget draw into.

altair's own `JupyterChart` embeds the whole chart anew at each change and leaves a listener behind each time; here the
living view gets new rows, and only a chart of another form is embedded anew.
"""

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final

import altair as alt
import anywidget
import polars as pl
import traitlets

from zcanalysis.charts.theme import look
from zcanalysis.charts.vega import vega_module

QUIET_MS: Final = 60
VIEW: Final = re.compile(r'"(view_[0-9a-f]+_\d+)"')
Chart = alt.Chart | alt.LayerChart | alt.FacetChart | alt.ConcatChart | alt.HConcatChart | alt.VConcatChart


class VegaBundle(anywidget.AnyWidget):
    """What draws all live charts of a page: one for a kernel, because it weighs 0.9 MB."""

    _esm = ""

    def __init__(self) -> None:
        super().__init__(_esm=vega_module())


@cache
def vega_bundle() -> VegaBundle:
    """The one of this kernel."""
    return VegaBundle()


class LiveChart(anywidget.AnyWidget):
    """A chart in the notebook that can be shown another.

    Parameters
    ----------
    chart
        Of `zcanalysis.charts`.
    watch
        Names of the chart's parameters (a brush, a chosen row) whose values `selected` shall hold.
    renderer
        "svg", or "canvas" for many thousand marks.

    Notes
    -----
    `drawn` becomes the number of `show` calls once the page has drawn the newest one. Works without a network.
    """

    _esm = Path(__file__).with_name("live_chart.js")
    spec = traitlets.Dict().tag(sync=True)
    tables = traitlets.Dict().tag(sync=True)
    watch = traitlets.List(traitlets.Unicode()).tag(sync=True)
    renderer = traitlets.Enum(("svg", "canvas"), "svg").tag(sync=True)
    dark = traitlets.Dict(look(dark=True)).tag(sync=True)
    quiet_ms = traitlets.Int(QUIET_MS).tag(sync=True)
    revision = traitlets.Int(0).tag(sync=True)
    drawn = traitlets.Int(0).tag(sync=True)
    selected = traitlets.Dict().tag(sync=True)

    most_rows: ClassVar[int] = 20_000
    """A chart with more would be slow to send and to draw: aggregate it first."""

    def __init__(self, chart: Chart, *, watch: Iterable[str] = (), renderer: str = "svg") -> None:
        vega_bundle()
        spec, tables = _apart(chart)
        super().__init__(spec=spec, tables=tables, watch=list(watch), renderer=renderer, revision=1)

    def show(self, chart: Chart) -> None:
        """Draw another chart here; if only its rows differ, zoom and selections stay.

        Parameters
        ----------
        chart
            Of `zcanalysis.charts`.

        Raises
        ------
        ValueError
            If it has more rows than a page draws at once.
        """
        spec, tables = _apart(chart)
        with self.hold_sync():
            self.tables = tables
            if spec != self.spec:
                self.spec = spec
            self.revision += 1

    def push(self, *tables: pl.DataFrame) -> None:
        """Draw other rows of the same form, a hundred times quicker than `show`: no chart is built.

        Parameters
        ----------
        *tables
            As many as the chart has, in the order of their appearance, with the columns that it draws.

        Raises
        ------
        ValueError
            If there are more or fewer, or they have more rows than a page draws at once.
        """
        if len(tables) != len(self.tables):
            raise ValueError(f"this chart draws {len(self.tables)} tables, got {len(tables)}")
        _check_number(sum(table.height for table in tables))
        with self.hold_sync():
            self.tables = {name: table.to_dicts() for name, table in zip(self.tables, tables, strict=True)}
            self.revision += 1


def _check_number(rows: int) -> None:
    if rows > LiveChart.most_rows:
        raise ValueError(f"a live chart draws at most {LiveChart.most_rows} rows, got {rows}")


def _apart(chart: Chart) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """A chart's form and its rows; tables and views get names by place, not by hash, so that equal forms are equal."""
    with alt.data_transformers.enable("default", max_rows=None):
        spec = chart.to_dict()
    found = spec.pop("datasets", {})
    _check_number(sum(map(len, found.values())))
    names = {name: f"table_{at}" for at, name in enumerate(found)}
    views = dict.fromkeys(VIEW.findall(json.dumps(spec)))
    names |= {name: f"view_{at}" for at, name in enumerate(views)}
    return _renamed(spec, names), {names[name]: table for name, table in found.items()}


def _renamed(part: Any, names: dict[str, str]) -> Any:  # noqa: ANN401 - any part of a specification
    if isinstance(part, list):
        return [_renamed(one, names) for one in part]
    if isinstance(part, dict):
        return {key: _renamed(value, names) for key, value in part.items()}
    return names.get(part, part) if isinstance(part, str) else part

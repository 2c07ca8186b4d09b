"""One colour for each group of stages, the same in every chart and in both looks, light and dark.

Every colour stands out from white and from black by 3:1 or more, as WCAG 2 asks of graphics, and from every other one
with any colour vision (`tests/charts/test_theme.py` says by how much). What is drawn in ink - text, axes, rules - has
its colour from the look, never from a chart, so that one specification serves both: `spec["config"] = look(dark=True)`.
"""

from collections.abc import Mapping
from typing import Any, Final

import altair as alt
import polars as pl

VIOLET: Final = "#7f548b"
SKY: Final = "#3f8dc5"
GREEN: Final = "#4c6d19"
OLIVE: Final = "#98982a"
BLUE: Final = "#326bc0"
PINK: Final = "#c179a7"
RED: Final = "#e5546e"
MUSTARD: Final = "#917a00"
TEAL: Final = "#2da58c"
PERIWINKLE: Final = "#7e8af6"
BRICK: Final = "#b24e36"
BROWN_GREY: Final = "#70605c"
BLUE_GREY: Final = "#6b7f86"
WARM_GREY: Final = "#8a8575"
TAN: Final = "#a87848"
SLATE: Final = "#5f636d"

GROUP_COLOURS: Final[Mapping[str, str]] = {
    "interrupts and softirq": VIOLET,
    "driver and backlog": SKY,
    "GRO": GREEN,
    "skb and page memory": OLIVE,
    "IP, netfilter, TCP, UDP": BLUE,
    "checksum": PINK,
    "copy to user": RED,
    "socket, lock, wake-ups": MUSTARD,
    "ACKs": TEAL,
    "system calls and reader": PERIWINKLE,
    "timers, virtualisation": BRICK,
    "sender": BROWN_GREY,
    "probe and other processes": BLUE_GREY,
    "idle": WARM_GREY,
    "waiting, unexplained": TAN,
    "ceiling and goodput": SLATE,
}
"""In path order, in which they are stacked; greys for what is not receive work."""

WIRE_COLOURS: Final[Mapping[str, str]] = {
    "sent": BLUE,
    "acknowledged": GREEN,
    "window": OLIVE,
    "SACKed": PINK,
    "sent again": RED,
    "shortest to longest": SKY,
    "median": VIOLET,
    "95 %": RED,
    "of the ACKs": BLUE,
    "of the time waited": TAN,
}
"""What one connection did, in every picture of it."""

HYPOTHESIS_COLOURS: Final[Mapping[str, str]] = {
    "plain stack": VIOLET,
    "copy in the driver": PERIWINKLE,
    "misaligned copy": TEAL,
    "ip_summed not set": GREEN,
    "prequeue and late reader": OLIVE,
    "interrupts": MUSTARD,
    "two large segments": WARM_GREY,
    "delayed ACKs": BLUE,
    "high-order allocation": BRICK,
    "PCI bus": SKY,
    "memory bus": RED,
    "second CPU": SLATE,
    "copying defragmenter": PINK,
}
"""What could explain what was reported in a case."""

LESS_TO_MORE: Final = ("#f2efe4", "#bccfd9", "#83abcd", "#326bc0", "#1d3f75")
"""Shades of a quantity."""
PALE_BLUE: Final = "#74a9e0"
PALE_RED: Final = "#f0919b"
PALE_TEAL: Final = "#7cc8b8"
PALE_TAN: Final = "#e0c48f"
PALE_GREY: Final = "#e8e8e8"
"""Grounds of cells and boxes that are written on, in style ``pale``, and outlined."""
LESS_SAME_MORE: Final = (PALE_BLUE, "#f2efe9", PALE_RED)
"""Shades of a change."""

BRANCH_TITLES: Final[Mapping[str, str]] = {"TCP": "one TCP connection", "UDP": "a blast of UDP"}
WIDTH: Final = 780
BACKGROUNDS: Final[Mapping[bool, str]] = {False: "#ffffff", True: "#111111"}
"""Of the light and the dark look; the dark one is that of JupyterLab's cells."""
DARK_INK: Final = "#1d2433"
INK: Final[Mapping[bool, str]] = {False: DARK_INK, True: "#e6e8ec"}
SOFT_INK: Final[Mapping[bool, str]] = {False: "#5b6577", True: "#a3abb8"}
LINES: Final = "#7d838c"
GRID: Final[Mapping[bool, str]] = {False: "#e6e6e6", True: "#2e3238"}


def look(*, dark: bool = False) -> dict[str, Any]:
    """What a chart is drawn with besides its marks' own colours: the ``config`` of a Vega-Lite specification.

    Marks that have no colour of their own are in ink; ``style="ink"`` and ``style="soft"`` ask for it by name,
    ``style="pale"`` for text on a pale ground, ``style="apart"`` for bars with a line of background between them.

    Parameters
    ----------
    dark
        On the background of a dark page.

    Examples
    --------
    >>> look(dark=True)["background"]
    '#111111'
    """
    ink, soft = INK[dark], SOFT_INK[dark]
    return {
        "background": BACKGROUNDS[dark],
        "view": {"stroke": None},
        "axis": {
            "gridColor": GRID[dark], "domainColor": LINES, "tickColor": LINES, "labelColor": ink, "titleColor": ink,
            "labelFontSize": 12, "titleFontSize": 12, "labelLimit": 260,
        },
        "legend": {"labelFontSize": 12, "labelColor": ink, "titleColor": ink},
        "header": {"labelFontSize": 13, "labelFontWeight": "bold", "labelColor": ink, "titleColor": ink},
        "title": {"color": ink, "subtitleColor": soft},
        "text": {"color": ink},
        "rule": {"color": ink},
        "tick": {"color": ink},
        "style": {
            "ink": {"color": ink}, "soft": {"color": soft}, "pale": {"color": DARK_INK},
            "apart": {"stroke": BACKGROUNDS[dark], "strokeWidth": 0.5},
        },
        "range": {"category": [*GROUP_COLOURS.values()], "heatmap": list(LESS_TO_MORE), "ramp": list(LESS_TO_MORE)},
    }  # fmt: skip


def dressed(
    chart: alt.Chart | alt.LayerChart | alt.FacetChart, says: str | None = None
) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """The chart with the one look.

    Parameters
    ----------
    chart
        Without any.
    says
        What the picture shows, in a sentence or two, for whoever cannot see it: a screen reader tells it.
    """
    told = chart if says is None else chart.properties(description=says)
    return told.configure(**look())


def life_axis(last_s: float, first_s: float = 0) -> alt.X:
    """The time axis of what one connection did: ``from_s``, from its first packet to its last, or a part of it."""
    return alt.X(
        "from_s:Q",
        title="time since the first packet (s)",
        scale=alt.Scale(domain=[first_s, last_s], nice=False),
        axis=alt.Axis(tickCount=8),
    )


def wire_colour(*lines: str) -> alt.Color:
    """The colour channel for a column ``line`` that holds these of `WIRE_COLOURS`, in this order."""
    scale = alt.Scale(domain=list(lines), range=[WIRE_COLOURS[line] for line in lines])
    return alt.Color("line:N", title=None, scale=scale, legend=alt.Legend(orient="bottom", columns=len(lines)))


def hypothesis_colour(names: list[str], *, columns: int | None = 4) -> alt.Color:
    """The colour channel for a column ``hypothesis``, of these names; without a legend if it has no columns."""
    scale = alt.Scale(domain=names, range=[HYPOTHESIS_COLOURS[name] for name in names])
    legend = alt.Legend(orient="bottom", columns=columns, labelLimit=240, symbolOpacity=1) if columns else None
    return alt.Color("hypothesis:N", title=None, sort=names, scale=scale, legend=legend)


def branch_title(table: pl.DataFrame) -> str:
    """What was run, of a table whose column ``branch`` holds one of them."""
    return BRANCH_TITLES[table.item(0, "branch")]


def group_colour(groups: list[str], *, legend: bool = True) -> alt.Color:
    """The colour channel for a column ``group``, showing the groups that occur, in path order."""
    shown = [group for group in GROUP_COLOURS if group in groups]
    scale = alt.Scale(domain=shown, range=[GROUP_COLOURS[group] for group in shown])
    return alt.Color(
        "group:N",
        scale=scale,
        title=None,
        legend=alt.Legend(orient="bottom", columns=4, labelLimit=220) if legend else None,
    )

"""One colour for each group of stages, the same in every chart; sizes and fonts."""

from collections.abc import Mapping
from typing import Final

import altair as alt
import polars as pl

# Distinguishable with any colour vision: hues after Paul Tol's schemes (SRON/EPS/TN/09-002), greys for what is not
# receive work.
GROUP_COLOURS: Final[Mapping[str, str]] = {
    "interrupts and softirq": "#332288",
    "driver and backlog": "#6699cc",
    "GRO": "#44aa99",
    "skb and page memory": "#999933",
    "IP, netfilter, TCP, UDP": "#4477aa",
    "checksum": "#aa4499",
    "copy to user": "#cc6677",
    "socket, lock, wake-ups": "#ddcc77",
    "ACKs": "#117733",
    "system calls and reader": "#88ccee",
    "timers, virtualisation": "#661100",
    "sender": "#bbbbbb",
    "probe and other processes": "#777777",
    "idle": "#eeeeee",
    "waiting, unexplained": "#c2a15a",
    "ceiling and goodput": "#444b59",
}
# What one connection did, in every picture of it; hues of the same schemes.
WIRE_COLOURS: Final[Mapping[str, str]] = {
    "sent": "#4477aa",
    "acknowledged": "#117733",
    "window": "#999933",
    "SACKed": "#aa4499",
    "sent again": "#cc6677",
    "shortest to longest": "#88ccee",
    "median": "#332288",
    "95 %": "#cc6677",
    "of the ACKs": "#4477aa",
    "of the time waited": "#ddaa33",
}
# What could explain what was reported in a case; Paul Tol's muted scheme, and greys for what explains least.
HYPOTHESIS_COLOURS: Final[Mapping[str, str]] = {
    "plain stack": "#332288",
    "copy in the driver": "#88ccee",
    "misaligned copy": "#44aa99",
    "ip_summed not set": "#117733",
    "prequeue and late reader": "#999933",
    "interrupts": "#ddcc77",
    "two large segments": "#888888",
    "delayed ACKs": "#882255",
    "high-order allocation": "#661100",
    "PCI bus": "#6699cc",
    "memory bus": "#cc6677",
    "second CPU": "#bbbbbb",
    "copying defragmenter": "#aa4499",
}
BRANCH_TITLES: Final[Mapping[str, str]] = {"TCP": "one TCP connection", "UDP": "a blast of UDP"}
WIDTH: Final = 780


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


def dressed(
    chart: alt.Chart | alt.LayerChart | alt.FacetChart,
) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """The chart with the one look."""
    return (
        chart.configure_view(strokeWidth=0)
        .configure_axis(
            gridColor="#e6e6e6",
            domainColor="#999999",
            tickColor="#999999",
            labelFontSize=12,
            titleFontSize=12,
            labelLimit=260,
        )
        .configure_legend(labelFontSize=12)
        .configure_header(labelFontSize=13, labelFontWeight="bold")
    )

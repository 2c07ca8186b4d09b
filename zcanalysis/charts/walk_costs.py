"""What does a byte cost the CPU on each walk, and in what part of the work?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import GREEN, MUSTARD, PINK, SKY, WARM_GREY, dressed

PARTS = {
    "waiting": ("waiting for memory", MUSTARD),
    "copying": ("copying", GREEN),
    "summing": ("summing", PINK),
    "packets": ("a piece: interrupt, IP", SKY),
    "request": ("a request: UDP, RPC, NFS, files", WARM_GREY),
}
SAYS = (
    "CPU time for a byte, a row a way of the data, stacked by part of the work, a panel a side; a slider chooses "
    "the size of a request."
)


def walk_costs(costs: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """CPU time for a byte stacked by part, a panel a side; buttons choose the size of a request.

    Parameters
    ----------
    costs
        Columns side, walk, request_bytes, part, ns_per_byte; a button for each size there is.
    """
    sizes = costs.get_column("request_bytes").unique().sort().to_list()
    order = costs.get_column("walk").unique(maintain_order=True).to_list()
    words = {name: text for name, (text, _) in PARTS.items()}
    shown = costs.with_columns(what=pl.col("part").replace_strict(words))
    start = 8192 if 8192 in sizes else sizes[0]  # noqa: PLR2004 - the block of the case
    labels = [f"{size:,}" for size in sizes]
    request = alt.param(
        name="request_bytes",
        value=start,
        bind=alt.binding_radio(options=sizes, labels=labels, name="request, one datagram (bytes): "),
    )
    bars = (
        alt.Chart(shown)
        .transform_filter("datum.request_bytes == request_bytes")
        .transform_calculate(place=f"indexof({list(PARTS)}, datum.part)")
        .mark_bar()
        .encode(
            x=alt.X("sum(ns_per_byte):Q", title="CPU time (ns a byte)", scale=alt.Scale(domainMin=0)),
            y=alt.Y("walk:N", sort=order, title=None, axis=alt.Axis(labelLimit=260)),
            color=alt.Color(
                "what:N",
                title=None,
                sort=list(words.values()),
                scale=alt.Scale(domain=list(words.values()), range=[colour for _, colour in PARTS.values()]),
                legend=alt.Legend(orient="bottom", columns=3, labelLimit=260),
            ),
            order=alt.Order("place:Q"),
            tooltip=["walk:N", "what:N", "request_bytes:Q", alt.Tooltip("sum(ns_per_byte):Q", format=".2f")],
        )
        .properties(width=520, height=alt.Step(26))
    )
    sides = costs.get_column("side").unique(maintain_order=True).to_list()
    header = alt.Header(labelAngle=0, labelAlign="left")
    facets = bars.facet(row=alt.Row("side:N", sort=sides, title=None, header=header)).add_params(request)
    return dressed(facets.resolve_scale(y="independent"), SAYS)

"""How often does a byte cross the memory bus, in which buffer, with and without a cache?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import dressed

BUFFER_COLOURS = {
    "received": "#6699cc",
    "packets": "#6699cc",
    "datagram": "#332288",
    "page cache": "#ddcc77",
    "program": "#cc6677",
    "sent": "#999933",
}


def bus_crossings(buffers: pl.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Crossings of each design, stacked by buffer; nothing cached beside all of it cached.

    Parameters
    ----------
    buffers
        Columns design, buffer, cache, crossings; in the order in which designs are shown.
    """
    order = buffers.get_column("design").unique(maintain_order=True).to_list()
    shown = [name for name in BUFFER_COLOURS if name in set(buffers.get_column("buffer"))]
    bars = (
        alt.Chart(buffers)
        .mark_bar()
        .encode(
            x=alt.X("sum(crossings):Q", title="crossings of memory a byte", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("design:N", sort=order, title=None),
            color=alt.Color(
                "buffer:N",
                title="buffer",
                scale=alt.Scale(domain=shown, range=[BUFFER_COLOURS[name] for name in shown]),
                legend=alt.Legend(orient="bottom"),
            ),
            order=alt.Order("place:Q"),
            tooltip=["design:N", "buffer:N", "cache:N", "crossings:Q"],
        )
        .transform_calculate(place=f"indexof({shown}, datum.buffer)")
        .properties(width=270, height=alt.Step(27))
    )
    caches = buffers.get_column("cache").unique(maintain_order=True).to_list()
    return dressed(bars.facet(column=alt.Column("cache:N", title=None, sort=caches)))

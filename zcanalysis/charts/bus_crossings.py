"""How often does a byte cross the memory bus, in which buffer, with and without a cache?"""

import altair as alt
import polars as pl

from zcanalysis.charts.theme import OLIVE, RED, SKY, TAN, VIOLET, dressed

BUFFER_COLOURS = {
    "received": SKY,
    "packets": SKY,
    "datagram": VIOLET,
    "page cache": TAN,
    "program": RED,
    "sent": OLIVE,
}
SAYS = (
    "Bars of how often a byte crosses the memory bus, a row a design, stacked by buffer: nothing cached on the "
    "left, all of it cached on the right."
)


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
    return dressed(bars.facet(column=alt.Column("cache:N", title=None, sort=caches)), SAYS)

"""Charts that a widget pushes rows into: their form does not depend on the rows, and every row is drawn once."""

import polars as pl

from zcanalysis import charts
from zcanalysis.tables import BEFORE_AFTER, OUTCOMES, conform, polars_schema
from zcanalysis.widgets.live_chart import LiveChart


def steps(*whens, names=("tcp", "copy")):
    rows = [
        (at, when, name, "copy to user", 2.0 + at, 1.0 * at, 3.0 + at)
        for when in whens
        for at, name in enumerate(names)
    ]
    return conform(pl.DataFrame(rows, schema=polars_schema(BEFORE_AFTER), orient="row"), BEFORE_AFTER)


def outcomes(*names):
    rows = [(at, name, "kept", 10.0 * (at + 1), None, None, "CPU 1", "words") for at, name in enumerate(names)]
    return conform(pl.DataFrame(rows, schema=polars_schema(OUTCOMES), orient="row"), OUTCOMES)


def test_the_form_is_the_same_whatever_the_rows():
    pairs = [
        (charts.transfer_time, steps("as it is"), steps("as it is", "with the changes", names=("ip", "tcp", "gro"))),
        (charts.ladders, steps("as it is"), steps("as it is", "with the changes")),
        (charts.outcomes, outcomes("one"), outcomes("one", "<b>two</b>", "three")),
    ]
    for chart, few, many in pairs:
        live = LiveChart(chart(few))
        form = live.spec
        live.show(chart(many))
        assert live.spec is form
        drawn = live.tables
        live.push(many)
        assert live.tables == drawn


def test_steps_are_drawn_in_their_order_in_a_panel_each():
    spec = charts.transfer_time(steps("as it is", "with the changes")).to_dict()
    assert spec["facet"]["column"]["field"] == "when"
    bars = spec["spec"]["layer"][0]
    assert bars["encoding"]["y"]["sort"] == {"field": "order", "op": "min"}
    assert (bars["encoding"]["x"]["field"], bars["encoding"]["x2"]["field"]) == ("from", "to")
    assert "µs" in bars["encoding"]["x"]["title"]
    (rows,) = spec["datasets"].values()
    assert len(rows) == 4

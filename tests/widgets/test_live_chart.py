"""A live chart, without a browser: what reaches the page, and what does not."""

import altair as alt
import polars as pl
import pytest

from zcanalysis.widgets.live_chart import LiveChart, vega_bundle


def lines(last: int, *, mark: str = "line") -> alt.Chart:
    table = pl.DataFrame({"x": range(last), "y": range(last)})
    below, above = alt.Chart(table).mark_point(), alt.Chart(table.head(1))
    chart = alt.layer(below, getattr(above, f"mark_{mark}")()).encode(x="x:Q", y="y:Q")
    return chart.add_params(alt.selection_interval(name="brush"))


def messages(live: LiveChart) -> list[set[str]]:
    """The traits of each later message to the page."""
    sent: list[set[str]] = []
    live.send_state = lambda key=None: sent.append({key} if isinstance(key, str) else set(key or ()))  # type: ignore[method-assign]
    return sent


def test_new_rows_leave_the_form_as_it_is():
    live = LiveChart(lines(5), watch=["brush"])
    form = live.spec
    live.show(lines(7))
    assert live.spec is form
    assert {len(rows) for rows in live.tables.values()} == {7, 1}
    assert live.revision == 2


def test_a_chart_of_another_form_is_embedded_anew():
    live = LiveChart(lines(5))
    before = live.spec
    live.show(lines(5, mark="bar"))
    assert live.spec != before
    assert live.spec["layer"][1]["mark"]["type"] == "bar"


def test_a_change_of_rows_sends_rows_only():
    live = LiveChart(lines(5))
    sent = messages(live)
    live.show(lines(7))
    assert set().union(*sent) == {"tables", "revision"}


def test_the_form_refers_to_its_tables_by_place():
    live = LiveChart(lines(5))
    assert [layer["data"]["name"] for layer in live.spec["layer"]] == list(live.tables) == ["table_0", "table_1"]
    assert live.spec["params"][0]["views"] == [live.spec["layer"][0]["name"]]


def test_more_rows_than_a_page_draws_are_refused():
    with pytest.raises(ValueError, match="at most 20000 rows, got 20002"):
        LiveChart(lines(20_001))


def test_one_bundle_serves_all_charts():
    LiveChart(lines(5))
    assert vega_bundle() is vega_bundle()
    assert len(LiveChart(lines(5))._esm) < 10_000 < len(vega_bundle()._esm)


def test_pushed_rows_are_those_of_a_shown_chart_and_must_fit_it():
    live = LiveChart(lines(5))
    live.show(lines(7))
    shown, revision = live.tables, live.revision
    table = pl.DataFrame({"x": range(7), "y": range(7)})
    live.push(table, table.head(1))
    assert live.tables == shown
    assert live.revision == revision + 1
    with pytest.raises(ValueError, match="draws 2 tables, got 1"):
        live.push(table)

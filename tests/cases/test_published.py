"""Published figures: the rule of the record, the laws by hand, and what counts."""

import polars as pl
import pytest

from zcanalysis import charts
from zcanalysis.cases.published import (
    WITHIN,
    answer,
    at_lengths,
    by_kind,
    by_tolerance,
    counted,
    foretold,
    ladder_cycles,
    ladder_lengths,
    left_out,
    record,
    share_text,
    turned,
)
from zcanalysis.cases.published_laws import LAWS, foretold_cycles, published_cycles
from zcanalysis.cases.published_second_laws import SECOND_LAWS

ROWS = {row["id"]: row for row in record()["row"]}


def test_no_row_is_fitted_on_itself_or_on_what_does_not_count():
    for name, row in ROWS.items():
        assert name not in row["fitted_on"]
        if row["mark"] == "READ":
            assert {ROWS[other]["mark"] for other in row["fitted_on"]} <= {"READ"}


def test_no_outcome_is_among_the_inputs():
    for row in ROWS.values():
        given = [value for told in row["inputs"].values() for value in (told if isinstance(told, list) else [told])]
        assert row["outcome"] not in [value for value in given if isinstance(value, float)]


@pytest.mark.parametrize("name", [n for n, row in ROWS.items() if row["mark"] == "READ" and row["kind"] in LAWS])
def test_changing_its_own_outcome_changes_nothing_that_is_foretold(name):
    row = ROWS[name]
    others = [ROWS[other] for other in row["fitted_on"]]
    changed = {**row, "outcome": row["outcome"] * 3}
    assert LAWS[row["kind"]](changed, others) == LAWS[row["kind"]](row, others)


def test_a_ping_crosses_memory_and_bus_twice_and_the_wire_once():
    # 8 bit / 12.8 twice, 8 / 8.512 twice and 8 / 10 Gbit/s: the thesis prints 0.00393
    said = LAWS["ping-pong"](ROWS["slope-intel-10g-xeon"], [])
    assert said == pytest.approx(0.00393, abs=5e-6)


def test_a_bus_is_used_as_the_other_one_was():
    said = LAWS["buses"](ROWS["pcix-neterion-133"], [ROWS["pcix-neterion-100"]])
    assert said == pytest.approx(5.0 / 6.4 * 8.512)


def test_a_copy_costs_the_mean_of_its_class():
    others = [ROWS[name] for name in ("morton-movsl-8", "morton-movsl-4")]
    assert LAWS["copies"](ROWS["morton-movsl-odd"], others) == pytest.approx((9.725 + 10.105) / 2, rel=1e-6)
    rates = [ROWS[name] for name in ("anand-dst-stock-4",)]
    assert LAWS["copies"](ROWS["anand-dst-stock-8"], rates) == pytest.approx(512_955, rel=1e-6)


def test_an_ideal_ladder_is_foretold_exactly():
    # One core of 3.4 GHz: a byte costs 0.5 cycles, a packet 1000, an skb 3000; a near core costs the same.
    def ideal(name):
        row = ROWS[name]
        segment = row["inputs"]["mtu"] - 52
        merged = 65_535 // segment if row["inputs"]["gro"] else 1
        costs = {"data_copy": 0.5, "netdev": 1000 / segment, "tcp_ip": 3000 / segment / merged}
        shares = dict.fromkeys(("etc", "lock", "mm", "sched", "skb"), 0.0) | costs
        return {**row, "outcome": 8 * 3.4 / sum(costs.values()), "shares": shares}

    ladder = [ideal(name) for name, row in ROWS.items() if row["kind"] == "ladder, a core"]
    for at, row in enumerate(ladder):
        others = ladder[:at] + ladder[at + 1 :]
        assert foretold_cycles(row, others) == pytest.approx(published_cycles(row), rel=1e-9)
        assert LAWS["ladder, a core"](row, others) == pytest.approx(row["outcome"], rel=1e-9)


def test_remembered_rows_never_count():
    rows = foretold()
    count = counted(rows)
    assert set(count["mark"]) == {"READ"}
    assert rows.filter(pl.col("mark") != "READ").height > 0
    assert by_kind(count)["rows"].sum() == count.height


def test_a_miss_has_its_reason_and_a_hit_has_none():
    count = counted(foretold())
    assert count.filter(~pl.col("within"))["missed_because"].null_count() == 0
    assert count.filter("within")["missed_because"].null_count() == count.filter("within").height


def test_a_percentage_needs_eight_rows():
    assert share_text(6, 7) == "6 of 7"
    assert share_text(6, 8) == "6 of 8 (75%)"


def test_the_answer_says_what_was_counted():
    count = counted(foretold())
    said = answer().answer
    assert share_text(int(count["within"].sum()), count.height) in said
    assert ("not met" in said) == (count["within"].sum() < 0.8 * count.height)
    assert left_out()["why"].str.len_chars().min() > 20


def test_the_second_approach_replaces_the_first_for_every_row_of_its_kind():
    for row in foretold().filter(pl.col("foretold").is_not_null()).iter_rows(named=True):
        assert row["foretold"] == row["second" if row["kind"] in SECOND_LAWS else "first"]
        assert row["error"] == pytest.approx(row["foretold"] / row["published"] - 1)


def test_both_approaches_are_counted_by_kind():
    count = counted(foretold())
    kinds = {row["kind"]: row for row in by_kind(count).iter_rows(named=True)}
    assert kinds["copies"]["second_within"] is kinds["ladder, in all"]["first_within"] is None
    first = count.filter(pl.col("first_error").abs() <= WITHIN).group_by("kind").len()
    assert {kind: n for kind, n in first.iter_rows() if n} == {
        kind: row["first_within"] for kind, row in kinds.items() if row["first_within"]
    }


def test_what_turns_is_counted_both_ways():
    rows = pl.DataFrame({"kind": ["a"] * 4 + ["b"], "first_error": [0.1, -0.1, 0.3, 0.3, 0.0],
                         "second_error": [0.2, 0.1, -0.1, 0.4, 0.9]})  # fmt: skip
    assert turned(rows, "a") == (1, 1)
    assert turned(rows, "b") == (1, 0)


def test_all_rows_at_the_length_that_counts_are_those_counted():
    count, lengths = counted(foretold()), ladder_lengths()
    settled = at_lengths(count, lengths)
    within = [int((lengths[name].abs() <= WITHIN).sum()) for name in lengths.columns[1:]]
    assert settled["20,000 packets"] == count["within"].sum()
    assert [settled[name] - settled["20,000 packets"] for name in settled] == [n - within[1] for n in within]
    verdicts = {number >= 0.8 * count.height for number in settled.values()}
    assert ("undecided" in answer().answer) == (len(verdicts) > 1)


def test_a_wider_tolerance_never_holds_fewer():
    count = counted(foretold())
    shares = by_tolerance(count)
    assert shares["within"].is_sorted()
    assert shares.filter(tolerance=WITHIN)["within"].item() == count["within"].sum()


def test_the_length_that_counts_is_the_middle_one():
    rungs, lengths = foretold().filter(kind="ladder, a core"), ladder_lengths()
    assert lengths["what"].to_list() == rungs["what"].to_list()
    assert lengths[:, 2].to_list() == pytest.approx(rungs["error"].to_list())


def test_the_charts_show_the_tables():
    count = counted(foretold())
    errors = charts.foretold_errors(count).to_dict()
    assert errors["params"][0]["bind"]["input"] == "range"
    fields = [layer["encoding"]["x"].get("field") for layer in errors["layer"]]
    assert fields[:3] == ["error", "first_error", "error"]
    assert set(errors["layer"][0]["encoding"]["y"]["sort"]) == set(count["what"])
    bars = charts.ladder_categories(ladder_cycles()).to_dict()
    assert bars["spec"]["encoding"]["x"]["title"] == "cycles a byte"

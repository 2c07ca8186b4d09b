"""Tables of a notebook's page: read by people, and written by captures."""

import math

import polars as pl
import pytest

from zcanalysis.charts.notebook_table import ROWS_AT_ENDS, ROWS_WHOLE, number_text, shared_decimals, table_html


def cells(table: pl.DataFrame) -> list[str]:
    return [cell.partition(">")[2].partition("</td>")[0] for cell in table_html(table).split("<td")[1:]]


def test_words_are_whole_and_neither_quotes_nor_types_are_shown():
    command = "ip link set dev veth-r mtu 9000 " * 9
    html = table_html(pl.DataFrame({"command": [command], "gain": [0.5]}))
    assert command in html
    assert not {'"' + command, "str", "f64", "shape"} & set(html.replace("<", ">").split(">"))


def test_text_of_a_capture_cannot_end_the_table():
    hostile = "</td></table><script>alert(1)</script>"
    html = table_html(pl.DataFrame({hostile: [hostile], "many": [[hostile]]}))
    assert "<script" not in html
    assert html.count("</table") == 1


def test_numbers_are_right_and_words_left():
    html = table_html(pl.DataFrame({"name": ["a"], "ns": [1.5]}))
    assert [cell.split(";")[0] for cell in html.split("<td")[1:]] == [
        ' style="text-align: left',
        ' style="text-align: right',
    ]


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ([0.411, 0.3, 0.29049], ["0.411", "0.300", "0.290"]),  # alike: points below each other
        ([5.2, 4.0, -1.7], ["5.2", "4.0", "-1.7"]),  # rounded to one decimal: a second was never there
        ([51.88, 24303.4, 0.00052], ["51.9", "24,303", "0.00052"]),
        ([9.0, -0.0, None], ["9", "0", "–"]),
        ([math.inf, math.nan, 2.5], ["inf", "nan", "2.5"]),
        ([1448, 65535], ["1,448", "65,535"]),
        ([1795180860049630000], ["1795180860049630000"]),  # a time, not a count
        ([True, False, None], ["yes", "no", "–"]),
        ([["a", "b"], [], None], ["a; b", "–", "–"]),
        ([None], ["–"]),
    ],
)
def test_a_column_is_written_as_people_write_it(values, written):
    assert cells(pl.DataFrame({"x": pl.Series(values)})) == written


def test_a_port_is_a_name():
    assert cells(pl.DataFrame({"src_port": [58106]})) == ["58106"]


def test_no_written_number_is_off_by_more_than_half_its_third_digit():
    for exponent in range(-6, 6):
        value = 1.23456 * 10**exponent
        assert float(number_text(value).replace(",", "")) == pytest.approx(value, rel=0.005)
    wide = pl.Series([10.04, 99.6])
    assert [number_text(value, shared_decimals(wide)) for value in wide] == ["10.0", "99.6"]


def test_of_a_long_table_both_ends_are_shown():
    shown = cells(pl.DataFrame({"x": range(ROWS_WHOLE + 1)}))
    assert len(shown) == 2 * ROWS_AT_ENDS + 1
    assert shown[ROWS_AT_ENDS] == f"… {ROWS_WHOLE + 1 - 2 * ROWS_AT_ENDS} rows …"
    assert shown[-1] == str(ROWS_WHOLE)

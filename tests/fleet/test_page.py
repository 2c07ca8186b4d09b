"""The page of a dataset: failures first, a row a recording, nothing fetched."""

import re

import polars as pl

from zcanalysis.answer import gbps_text
from zcanalysis.fleet.dataset import Failure
from zcanalysis.fleet.page import index_html
from zcanalysis.tables import RECORDINGS, empty


def test_every_recording_has_a_row_and_failures_come_first(made):
    page = made.page.read_text()
    assert page.index('<section id="failed">') < page.index('<section id="recordings">')
    rows = re.findall(r'<tr class="(?:ok|warn|bad)">.*?</tr>', page)
    assert len(rows) == 24
    row = next(row for row in rows if "veth-small-buffer" in row)
    shown = re.findall(r">([^<]+)</td>", row)[2:5]
    told = made.recordings.row(by_predicate=pl.col("name") == "veth-small-buffer-0", named=True)
    goodput = gbps_text(told["goodput_gbps"], told["goodput_low_gbps"], told["goodput_high_gbps"])
    assert shown == [goodput, f"{told['ceiling_gbps']:.2f} Gbit/s, modelled", "receive window (the receive buffer)"]
    assert "24 recordings, 1 failed</h1>" in page
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_what_is_left_to_do_is_said():
    page = index_html(empty(RECORDINGS), [Failure("key", "<b>", "<i>")], left=7)
    assert "0 recordings, 1 failed, 7 left to do</h1>" in page
    assert "<td>&lt;b&gt;</td><td>&lt;i&gt;</td>" in page

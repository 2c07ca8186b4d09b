"""The receiver's CPU time of two sets, call chain by call chain; the page that shows it; what the command writes."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import zcanalysis as zc
from tests.small_recordings import recorded
from tests.test_report import Scripts
from zcanalysis.cli import app
from zcanalysis.comparison import RECEIVER, compared, comparison_document
from zcanalysis.comparison_page import comparison_html, write_comparison
from zcanalysis.errors import TraceError
from zcanalysis.io.recording import read_recording
from zcanalysis.tables import CHAINS_COMPARED, FLAME_DIFFERENCE, FUNCTIONS_COMPARED

SOFTIRQ = "handle_softirqs;tcp_v4_rcv"
COPY = "tcp_recvmsg;_copy_to_iter"
SEND = "tcp_sendmsg;tcp_sendmsg_locked"
HOSTILE = "<script>alert(1)</script>"
HOSTILE_FUNCTION = "</script><svg/onload=alert(2)>"


@pytest.fixture
def sets(tmp_path) -> tuple[list[Path], list[Path]]:
    """One recording, against a short and a long one."""
    now = [recorded(tmp_path / "now", {SOFTIRQ: 50, COPY: 40, SEND: 30}, 2_000_000)]
    before = [
        recorded(tmp_path / "short", {SOFTIRQ: 100}, 1_000_000),
        recorded(tmp_path / "long", {COPY: 100, SEND: 500}, 10_000_000),
    ]
    return now, before


def made_of(sets):
    now, before = ([read_recording(one) for one in side] for side in sets)
    return compared(now, before)


# A sample is 10 us. Now: 50 of 2,000 KB are 250 ns/KB in tcp_v4_rcv, 40 are 200 in _copy_to_iter.
# Before, short: 100 of 1,000 KB are 1,000 in tcp_v4_rcv; long: 100 of 10,000 KB are 100 in _copy_to_iter.
# The mean of both is 500 and 50, however long the second was. What sends is not the receiver's.
EXPECTED = {"tcp_v4_rcv": (250, 500, -250), "_copy_to_iter": (200, 50, 150)}


def test_functions_are_held_against_each_other_per_byte_and_a_long_recording_counts_once(sets):
    functions = made_of(sets).functions
    assert functions.schema == {name: column.dtype for name, column in FUNCTIONS_COMPARED.items()}
    rows = {row["quantity"]: row for row in functions.iter_rows(named=True)}
    found = {name: (row["value"], row["against"], row["difference"]) for name, row in rows.items()}
    assert found == {name: pytest.approx(numbers) for name, numbers in EXPECTED.items()}
    assert list(rows) == ["tcp_v4_rcv", "_copy_to_iter"]  # the largest difference first
    assert [row["stage"] for row in rows.values()] == ["tcp_rx", "copy"]


def test_frames_of_the_flame_are_as_dear_as_all_that_they_call(sets):
    frames = zc.compare_flames(*([read_recording(one) for one in side] for side in sets))
    assert frames.schema == {name: column.dtype for name, column in FLAME_DIFFERENCE.items()}
    assert set(frames["unit"]) == {"ns/KB"}
    found = {row["name"]: (row["before"], row["after"]) for row in frames.iter_rows(named=True)}
    whole = pytest.approx((550, 450))
    softirq, copy = pytest.approx((500, 250)), pytest.approx((50, 200))
    assert found == {
        RECEIVER: whole, "reader": whole, "handle_softirqs": softirq, "tcp_v4_rcv": softirq, "tcp_recvmsg": copy,
        "_copy_to_iter": copy,
    }  # fmt: skip
    # as wide as the mean of before and after: 375 of 500
    widths = dict(frames.select("name", pl.col("end") - pl.col("start")).rows())
    assert widths["tcp_v4_rcv"] == pytest.approx(0.75)


def test_functions_add_up_to_the_row_of_the_whole_receiver(sets):
    made = made_of(sets)
    whole = made.headline[RECEIVER]
    assert (whole["value"], whole["against"]) == pytest.approx((450, 550))
    assert made.functions.select(pl.col("value", "against").sum()).row(0) == pytest.approx((450, 550))
    assert made.chains.schema == {name: column.dtype for name, column in CHAINS_COMPARED.items()}
    assert made.chains.select("after", "before").sum().row(0) == pytest.approx((450, 550))


def test_a_recording_without_samples_is_left_out_and_not_taken_for_one_that_costs_nothing(sets, tmp_path):
    silent = recorded(tmp_path / "silent", {}, 1_000_000)
    (silent / "perf.txt").unlink()
    now, before = sets
    made = made_of(([*now, silent], before))
    assert made.headline[RECEIVER]["value"] == pytest.approx(450)
    assert made.functions.row(0, named=True)["value"] == pytest.approx(250)
    assert made.unprofiled == ("silent (now): no CPU samples were recorded",)
    assert "silent (now): no CPU samples were recorded" in comparison_html(made)


@pytest.mark.parametrize(
    ("samples", "why", "functions"),
    [
        ({"tcp_v4_rcv": 5}, "the samples hold no call chains", True),
        ({SEND: 5}, "no sample fell into the receive path", False),
    ],
)
def test_a_side_without_call_chains_is_said_to_have_none(sets, tmp_path, samples, why, functions):
    made = made_of(([recorded(tmp_path / "flat", samples, 1_000_000)], sets[1]))
    assert made.chains.is_empty()
    assert made.unprofiled == (f"flat (now): {why}",)
    page = comparison_html(made)
    assert "There is no flame graph of the difference" in page
    assert why in page
    assert ('<section id="functions">' in page) is functions
    with pytest.raises(TraceError, match=why):
        zc.compare_flames(*([read_recording(one) for one in side] for side in ([tmp_path / "flat"], sets[1])))


def test_without_counted_payload_nothing_is_told_per_byte(sets, tmp_path):
    trace = sets[0][0] / "perf.txt"
    made = made_of(([trace], sets[1]))
    assert made.unprofiled == ("perf.txt (now): no payload was counted while the CPUs were sampled",)
    assert made.functions.is_empty()


def test_one_more_sample_is_within_chance_and_twice_as_many_is_not(tmp_path):
    chains = {SOFTIRQ: 400, COPY: 400}
    before = recorded(tmp_path / "before", chains, 1_000_000)
    more = recorded(tmp_path / "more", chains | {COPY: 401}, 1_000_000)
    twice = recorded(tmp_path / "twice", chains | {COPY: 800}, 1_000_000)
    for now, beyond in ((more, False), (twice, True)):
        rows = {row["quantity"]: row for row in made_of(([now], [before])).functions.iter_rows(named=True)}
        assert rows["_copy_to_iter"]["changed"] is beyond
        assert rows["_copy_to_iter"]["low"] <= rows["_copy_to_iter"]["difference"] <= rows["_copy_to_iter"]["high"]


def test_the_page_says_what_changed_and_asks_nobody_for_anything(sets):
    made = made_of(sets)
    page = comparison_html(made)
    assert not re.search(r'(src|href)="(?!data:)', page.partition('<script type="module">')[0])
    assert "default-src 'none'" in page
    parsed = Scripts()
    parsed.feed(page)
    specs = {attrs["id"]: json.loads(text) for attrs, text in parsed.scripts if attrs.get("type") == "application/json"}
    assert set(specs) == {"spec-compared", "spec-flame"}
    text = " ".join(" ".join(parsed.text).split())
    assert "Chance is judged from the 2 recordings of one side, taken for both." in text
    assert "450 ns/KB" in text
    assert "tcp_v4_rcv TCP receive 250 500 -250" in text
    assert "100 samples of the receive path" not in text  # of 200 before and 90 now
    assert "200 samples of the receive path before and 90 now" in text


def test_hostile_names_stay_text(tmp_path):
    hostile = {f"handle_softirqs;{HOSTILE_FUNCTION}": 20, SOFTIRQ: 20}
    now = recorded(tmp_path / "rec & <b>", hostile, 1_000_000, comm=HOSTILE)
    page = comparison_html(made_of(([now], [recorded(tmp_path / "before", {SOFTIRQ: 20}, 1_000_000)])))
    assert HOSTILE not in page
    assert HOSTILE_FUNCTION not in page
    assert "<b>" not in page.replace('<div class="tile"><b>', "")
    assert "&lt;/script&gt;&lt;svg/onload=alert" in page
    flame = re.search(r'id="spec-flame">(.*?)</script>', page, re.DOTALL)[1]
    named = {row["name"] for rows in json.loads(flame)["datasets"].values() for row in rows}
    assert HOSTILE in named


def test_recordings_of_one_name_are_told_apart_by_their_folders(tmp_path):
    now, before = (recorded(tmp_path / side / "1", {SOFTIRQ: 20, COPY: 20}, 1_000_000) for side in ("now", "before"))
    page = comparison_html(made_of(([now], [before])))
    assert "Comparison: now/1 against before/1" in page


def test_a_page_does_not_replace_what_it_was_made_from(sets):
    made = made_of(sets)
    target = sets[1][1] / "perf.txt"
    with pytest.raises(TraceError, match="is part of a recording"):
        write_comparison(made, target)
    assert "cpu-clock" in target.read_text()


def command(*arguments) -> tuple[int, str, Exception | None]:
    done = CliRunner().invoke(app, ["compare", *map(str, arguments)])
    return done.exit_code, done.stdout, done.exception


def test_the_command_writes_page_and_folded_chains_and_its_exit_status_stays(sets, tmp_path):
    (now,), _ = sets
    page, folded = tmp_path / "page.html", tmp_path / "folded.txt"
    slow = recorded(tmp_path / "slow", {SOFTIRQ: 500}, 1_000_000)
    code, said, _ = command(slow, slow, "--against", now, now, "-o", page, "--folded", folded)
    assert code == 3
    assert "works offline" in said
    assert "REGRESSION" in page.read_text()
    # 500 samples of 10 us are 5 ms per 1,000,000 bytes; 50 and 40 over 2,000,000 bytes are 250 and 200 us
    assert folded.read_text().splitlines() == [
        "reader;handle_softirqs;tcp_v4_rcv 250000 5000000",
        "reader;tcp_recvmsg;_copy_to_iter 200000 0",
    ]
    code, said, _ = command(now, "--against", now, "--json", "-o", page)
    assert code == 0
    assert json.loads(said)["functions"][0]["difference"] == 0


@pytest.mark.parametrize("option", ["-o", "--folded"])
def test_the_command_refuses_to_replace_its_inputs_before_it_reads_them(sets, option):
    (now,), before = sets
    (now / "counters.parquet").write_text("damaged")
    *_, failure = command(now, "--against", *before, option, before[0] / "counters.parquet")
    assert isinstance(failure, TraceError)
    assert "is part of a recording" in str(failure)


def test_folded_chains_that_nobody_recorded_are_bad_input(sets, tmp_path):
    (sets[0][0] / "perf.txt").unlink()
    target = tmp_path / "folded.txt"
    *_, failure = command(sets[0][0], "--against", *sets[1], "--folded", target)
    assert isinstance(failure, TraceError)
    assert "now (now): no CPU samples were recorded" in str(failure)
    assert not target.exists()


def test_the_document_holds_the_functions_and_null_where_there_are_none(sets):
    document = comparison_document(made_of(sets))
    assert [row["quantity"] for row in document["functions"]] == ["tcp_v4_rcv", "_copy_to_iter"]
    (sets[0][0] / "perf.txt").unlink()
    document = comparison_document(made_of(sets))
    assert document["functions"] is None
    assert document["unprofiled"] == ["now (now): no CPU samples were recorded"]

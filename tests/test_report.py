"""From a recording to a report: numbers equal the tables, hostile text stays text, JSON is as promised."""

import html.parser
import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.cpu.test_accounts import idle_counters
from tests.io.test_perf import TWO_SAMPLES
from zcanalysis.answer import answered, gbps_text, ladder, price_rows, report_document, sentence
from zcanalysis.cpu.latency import latency
from zcanalysis.document import report_html, write_report
from zcanalysis.errors import TraceError
from zcanalysis.io.recording import read_recording
from zcanalysis.tables import AUDIT, BLAME, COSTS, COUNTERS, FLOWS, LADDER, PRICES, conform, polars_schema

HOSTILE = "<script>alert(1)</script>"
SECOND_NS = 1_000_000_000
CHAINS = (
    "tcp_v4_rcv ([kernel.kallsyms])\n\tffffffff82 handle_softirqs",
    "_copy_to_iter ([kernel.kallsyms])\n\tffffffff82 tcp_recvmsg",
    "tcp_sendmsg_locked ([kernel.kallsyms])\n\tffffffff82 tcp_sendmsg",
)


def sample(i: int) -> str:
    """One sample a millisecond, in turn: receive softirq, copy by the reader, sender on the other CPU."""
    comm = HOSTILE if i % 3 == 1 else "iperf3"
    tid, cpu = 10 + i % 3, 1 if i % 3 < 2 else 0
    head = f"{comm} {tid}/{tid} [{cpu:03d}] 5.{i:03d}000000: 1500000 cpu-clock: "
    return f"{head}\n\tffffffff81 {CHAINS[i % 3]} ([kernel.kallsyms])\n"


def host_json() -> dict:
    return {
        "device": "eth0", "lab": {"name": "hand"}, "kernel": HOSTILE, "mtu": 1500, "cpus": 2,
        "lost": {"perf_events": 0},
        "clock": [{"realtime_ns": 100, "monotonic_ns": 100, "width_ns": 50}],
        "phases": [
            {"name": "counters", "from_ns": 3 * SECOND_NS, "to_ns": 5 * SECOND_NS},
            {"name": "chains", "from_ns": 5 * SECOND_NS, "to_ns": 6 * SECOND_NS},
        ],
        "roles": {"reader": [{"pid": 11}, {"pid": 10}], "sender": [{"pid": 12}]},
    }  # fmt: skip


def counter_rows() -> pl.DataFrame:
    """2 s undisturbed at 10 Gbit/s, then 1 s sampled at 8."""
    at_5 = 2_500_000_000
    seconds = ((3, "counters", 0), (5, "counters", at_5), (5, "chains", at_5), (6, "chains", 3_500_000_000))
    rows = []
    for second, phase, payload in seconds:
        ts_ns = second * SECOND_NS
        rows.append((ts_ns, phase, 0, "socket", HOSTILE, "bytes_received", payload))
        rows.append((ts_ns, phase, 0, "netdev", "eth0", "rx_packets", payload // 1448))
        rows.append((ts_ns, phase, 0, "netdev", "eth0", "rx_bytes", payload // 1448 * 1514))
    table = pl.DataFrame(rows, schema=polars_schema(COUNTERS), orient="row")
    idle = pl.concat([idle_counters(0, 500_000_000, SECOND_NS), idle_counters(1, 0, SECOND_NS)])
    return pl.concat([table, idle.with_columns(pl.col("ts_ns") + 5 * SECOND_NS)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recording written by hand: two CPUs, 1 s of samples, a hostile process name, 10 Gbit/s."""
    place = tmp_path / "rec & <b>"
    place.mkdir()
    (place / "perf.txt").write_text("\n".join(sample(i) for i in range(1000)))
    (place / "host.json").write_text(json.dumps(host_json()))
    counter_rows().write_parquet(place / "counters.parquet")
    return place


class Scripts(html.parser.HTMLParser):
    """Collects the script elements and the text a reader sees."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[tuple[dict, str]] = []
        self.text: list[str] = []
        self._inside: dict | None = None

    def handle_starttag(self, tag, attrs):
        if tag == "script":
            self._inside = dict(attrs)
            self.scripts.append((self._inside, ""))

    def handle_endtag(self, tag):
        if tag == "script":
            self._inside = None

    def handle_data(self, data):
        if self._inside is None:
            self.text.append(data)
        else:
            attrs, text = self.scripts[-1]
            self.scripts[-1] = (attrs, text + data)


def test_the_answer_of_a_recording_in_words_and_numbers(folder):
    answer = answered(read_recording(folder))
    assert answer.goodput_gbps == pytest.approx(10.0)
    assert answer.limit is not None
    assert (answer.limit.cpu, answer.limit.saturated) == (1, True)
    # the sender alone used CPU 0, which the idle counter says was busy half the time
    assert answer.ceiling.kind == "modelled"
    assert answer.ceiling.gbps == pytest.approx(10 / 0.5, rel=2e-3)
    assert answer.blame.get_column("lost_gbps").sum() == pytest.approx(answer.ceiling.gbps - 10.0)
    words = sentence(answer)
    assert "10.00 Gbit/s" in words
    assert "CPU 1 is the limit (100.0% busy)" in words


def test_a_given_link_is_the_ceiling(folder):
    answer = answered(read_recording(folder), link_gbps=25)
    assert (answer.ceiling.gbps, answer.ceiling.kind) == (25, "link")
    assert answer.blame.row(0, named=True)["stage"] == "framing"
    assert answer.blame.get_column("lost_gbps").sum() == pytest.approx(15.0)


def test_goodput_above_the_link_is_an_audit_error_not_a_negative_row(folder):
    answer = answered(read_recording(folder), link_gbps=5)
    assert (answer.blame.get_column("lost_gbps") >= 0).all()
    assert "bad" in answer.audit.filter(pl.col("check") == "ceiling").get_column("verdict").to_list()


def test_a_capture_alone_without_a_blame_does_not_call_the_ceiling_reached(folder):
    (folder / "perf.txt").unlink()
    words = sentence(answered(read_recording(folder), link_gbps=25))
    assert "15.0 Gbit/s are missing" in words
    assert "nothing here says where they went" in words


def test_goodput_above_the_ceiling_is_called_a_contradiction(folder):
    assert "one of the two is wrong" in sentence(answered(read_recording(folder), link_gbps=5))


def test_without_the_sampled_phases_counters_the_span_of_the_samples_is_taken(folder):
    counters = pl.read_parquet(folder / "counters.parquet")
    counters.filter(pl.col("phase") == "counters").write_parquet(folder / "counters.parquet")
    answer = answered(read_recording(folder))
    assert answer.evidence.account.filter(pl.col("stage") == "idle").is_empty()
    assert answer.costs.get_column("cpu_share").max() <= 1.6  # samples of 1.5 ms each millisecond, not of seconds


def test_a_report_does_not_replace_what_it_was_made_from(folder):
    answer = answered(read_recording(folder))
    with pytest.raises(TraceError, match="is part of the recording"):
        write_report(answer, folder / "perf.txt")
    assert (folder / "perf.txt").read_text().startswith("iperf3")


def test_a_loss_that_rests_on_skid_is_marked(folder):
    text = (folder / "perf.txt").read_text().replace("tcp_v4_rcv", "_raw_spin_unlock_irqrestore")
    (folder / "perf.txt").write_text(text.replace("_copy_to_iter", "_raw_spin_unlock_irq"))
    answer = answered(read_recording(folder))
    largest = answer.blame.sort("lost_gbps", descending=True).row(0, named=True)
    assert largest["skid_share"] == 1.0
    assert answer.audit.filter(pl.col("check").str.starts_with("largest loss")).get_column("verdict").to_list() == [
        "warn"
    ]


def test_the_json_has_every_promised_key_and_column(folder):
    document = json.loads(json.dumps(report_document(answered(read_recording(folder))), allow_nan=False))
    promised = {
        "recording",
        "audit",
        "flows",
        "goodput_gbps",
        "ceiling_gbps",
        "ceiling",
        "limits",
        "costs",
        "blame",
        "patches",
        "unexplained_gbps",
    }
    assert promised <= set(document)
    (limits,) = document["limits"]
    assert {"from_ns", "to_ns", "limit", "evidence", "share_time", "share_bytes"} <= set(limits)
    assert (limits["from_ns"], limits["limit"], limits["where"]) == (3 * SECOND_NS, "receiver cpu", "CPU 1")
    assert document["patches"] is None
    assert set(document["blame"][0]) == set(BLAME)
    assert set(document["costs"][0]) == set(COSTS)
    assert set(document["audit"][0]) == set(AUDIT)
    conform(pl.DataFrame(document["flows"], schema=polars_schema(FLOWS)), FLOWS)


def test_the_report_is_one_offline_page_whose_text_is_escaped(folder):
    page = report_html(answered(read_recording(folder)))
    parsed = Scripts()
    parsed.feed(page)
    assert HOSTILE not in page
    assert not [attrs for attrs, _ in parsed.scripts if attrs.get("src")]
    assert "https://cdn" not in page
    assert HOSTILE in "".join(parsed.text)  # the kernel's name, shown as text
    specs = [json.loads(text) for attrs, text in parsed.scripts if attrs.get("type") == "application/json"]
    assert len(specs) == 11
    assert any(HOSTILE in json.dumps(spec) for spec in specs)  # the thread's name, in the flame graph's data
    assert [attrs for attrs, _ in parsed.scripts if attrs.get("type") == "module"]


def test_the_reports_charts_hold_the_tables_numbers(folder):
    answer = answered(read_recording(folder))
    parsed = Scripts()
    parsed.feed(report_html(answer))
    specs = {attrs["id"]: json.loads(text) for attrs, text in parsed.scripts if attrs.get("id")}
    (rows,) = specs["spec-loss"]["datasets"].values()
    shown = {row["name"]: row["lost_gbps"] for row in rows}
    assert shown["ceiling"] == pytest.approx(answer.ceiling.gbps)
    assert shown["goodput"] == pytest.approx(10.0)
    copy = answer.blame.filter(pl.col("stage") == "copy").get_column("lost_gbps").item()
    assert shown["copy to user"] == pytest.approx(copy)
    (rows,) = specs["spec-costs"]["datasets"].values()
    copy_ns = answer.costs.filter(pl.col("stage") == "copy").get_column("ns_per_packet").item()
    assert {row["name"]: row["value"] for row in rows}["copy to user"] == pytest.approx(copy_ns)


def test_the_json_holds_the_ladder_and_the_prices_of_the_calibrated_host(folder):
    answer = answered(read_recording(folder))
    document = json.loads(json.dumps(report_document(answer), allow_nan=False))
    assert set(document["ladder"][0]) == set(LADDER)
    assert set(document["prices"][0]) == set(PRICES)
    assert document["no_model"] is None
    assert sum(row["part_gbps"] for row in document["ladder"]) == pytest.approx(ladder(answer)["part_gbps"].sum())


def test_a_condition_number_without_bound_is_null_in_the_json(folder):
    model = answered(read_recording(folder)).model
    assert model is not None
    endless = model.calibration.prices.with_columns(condition=pl.lit(float("inf")))
    rows = price_rows(model._replace(calibration=replace(model.calibration, prices=endless)))
    assert {row["condition"] for row in rows} == {None}
    json.dumps(rows, allow_nan=False)


def test_without_samples_ladder_and_prices_are_null_and_the_json_says_why(folder):
    (folder / "perf.txt").unlink()
    answer = answered(read_recording(folder))
    document = json.loads(json.dumps(report_document(answer), allow_nan=False))
    assert (document["ladder"], document["prices"]) == (None, None)
    assert "no CPU samples" in document["no_model"]
    page = report_html(answer)
    assert "No host could be calibrated" in page
    assert 'id="ladder"' not in page


def test_the_page_shows_each_price_and_the_gains_of_each_stage(folder):
    answer = answered(read_recording(folder))
    parsed = Scripts()
    parsed.feed(report_html(answer))
    text = " ".join(" ".join(parsed.text).split())
    assert answer.model is not None
    for name in answer.model.calibration.prices.get_column("price"):
        assert name in text
    assert "fixing it alone fixing it last" in text
    specs = {attrs["id"]: json.loads(text) for attrs, text in parsed.scripts if attrs.get("id")}
    rows = [row for rows in specs["spec-ladder"]["datasets"].values() for row in rows]
    parts = {row["name"]: row["gbps"] for row in rows if "name" in row}
    for group, part in ladder(answer).select("group", "part_gbps").iter_rows():
        assert parts[group] == pytest.approx(part)


def test_a_perf_trace_alone_still_gives_costs(tmp_path):
    file = tmp_path / "perf.txt"
    file.write_text(TWO_SAMPLES)
    answer = answered(read_recording(file))
    assert answer.goodput_gbps is None
    assert answer.blame.is_empty()
    assert not answer.costs.is_empty()
    assert report_html(answer)


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (9.2345, 8.8, 9.6, "9.2 Gbit/s (8.8-9.6)"),
        (103.4, 95, 111, "103 Gbit/s (95-111)"),
        (9.2, None, None, "9.20 Gbit/s"),
        (0.00786, None, None, "7.86 Mbit/s"),
        (9.234, 9.21, 9.26, "9.23 Gbit/s (9.21-9.26)"),
    ],
)
def test_rates_are_rounded_to_their_interval(value, low, high, text):
    assert gbps_text(value, low, high) == text


def test_the_report_draws_latency_by_stage_where_packets_were_traced(folder):
    shutil.copy(Path(__file__).parent.parent / "traces/packets/gro.txt.zst", folder / "packets.txt.zst")
    recording = read_recording(folder)
    found = latency(recording)
    parsed = Scripts()
    parsed.feed(report_html(answered(recording)))
    specs = {attrs["id"]: json.loads(text) for attrs, text in parsed.scripts if attrs.get("id")}
    rows = [row for rows in specs["spec-latency"]["datasets"].values() for row in rows]
    shares = {row["stage"]: row["share"] for row in rows if "share" in row}
    assert shares == dict(found.summary.filter(pl.col("stage") != "total").select("stage", "share").rows())
    words = " ".join(parsed.text)
    assert "18.6 MB of 18.6 MB that came and were read meanwhile are joined (100.0%)" in words
    assert f"{found.summary['mean_ns'][-1] / 1000:,.1f}" in words  # the table's last row


def test_a_report_without_readable_packets_has_no_such_section(folder):
    (folder / "packets.txt").write_text(
        "a-1 [000] ..... 1.000001: sched_switch: prev_comm=a prev_pid=1 ==> next_pid=2\n"
    )
    assert 'id="spec-latency"' not in report_html(answered(read_recording(folder)))

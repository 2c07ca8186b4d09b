"""Charts as specifications: units in titles, one colour a group, the tables' own numbers, few rows."""

import json
from pathlib import Path

import polars as pl
import pytest

from zcanalysis import charts
from zcanalysis.answer import answered, ladder
from zcanalysis.charts.limit_bands import LIMIT_COLOURS
from zcanalysis.charts.theme import GROUP_COLOURS, WIRE_COLOURS
from zcanalysis.cpu.flame_difference import flame_difference, frames_of_both
from zcanalysis.cpu.kernel_stages import STAGE_GROUPS
from zcanalysis.cpu.latency import latency
from zcanalysis.cpu.timeline import cpu_timeline, flame
from zcanalysis.goodput import throughput
from zcanalysis.io.recording import read_recording
from zcanalysis.limit_spans import LIMIT_NAMES
from zcanalysis.patches import parse_patch
from zcanalysis.sensitivity import speedup_curve, tornado
from zcanalysis.sweeps import sweep
from zcanalysis.tables import ACK_DELAYS, LATENCY_STAGES, ROUND_TRIPS, SEQUENCE_LINES, TRANSFER_RATES, polars_schema
from zcanalysis.whatif import what_if
from zcanalysis.wire.ack_delays import ack_delays
from zcanalysis.wire.advance import sequence_lines, transfer_rates
from zcanalysis.wire.connections import flows
from zcanalysis.wire.round_trips import round_trips

TRACE = Path(__file__).parent.parent.parent / "traces/veth-1500"
MOST_ROWS = 5000


@pytest.fixture(scope="module")
def specs() -> dict[str, dict]:
    answer = answered(read_recording(TRACE))
    stages = answer.evidence.stages
    drawn = {
        "loss": charts.waterfall(answer.blame, answer.ceiling.gbps),
        "costs": charts.stage_cost(answer.costs),
        "cpus": charts.cpu_over_time(cpu_timeline(stages)),
        "rate": charts.rate_over_time(throughput(answer.recording)),
        "flame": charts.flame_graph(flame(stages)),
        "ladder": charts.ladder(ladder(answer), answer.goodput_gbps, answer.ceiling.gbps),
        "forecast": charts.forecast(
            what_if(answer, [parse_patch("mtu=9000"), parse_patch("flows=4")]), answer.goodput_gbps
        ),
        "swings": charts.tornado(tornado(answer.model), answer.goodput_gbps),
        "speedup": charts.speedup_curves(speedup_curve(answer.model, "copy", "tcp_rx")),
        "sweep": charts.sweep_curve(sweep(answer, {"mtu": [1500, 9000]})),
        "latency": charts.latency(*traced_packets()),
        "sequence": charts.time_sequence(advance(answer.recording.packets)),
        "transfer rate": charts.transfer_rate(transfer_rates(advance(answer.recording.packets))),
        "round trips": charts.round_trips(round_trips(*transfer(answer.recording.packets))),
        "ack delays": charts.ack_delays(ack_delays(*transfer(answer.recording.packets))),
        "limits": charts.limits_band(answer.limits),
    }
    return {name: chart.to_dict() for name, chart in drawn.items()}


def traced_packets() -> tuple[pl.DataFrame, pl.DataFrame]:
    found = latency(TRACE.parent / "packets/gro.txt.zst")
    return found.summary, found.distribution


def transfer(packets: pl.LazyFrame) -> tuple[pl.LazyFrame, dict]:
    return packets, flows(packets).sort("payload_bytes").row(-1, named=True)


def advance(packets: pl.LazyFrame) -> pl.DataFrame:
    return sequence_lines(*transfer(packets))


def test_every_limit_has_one_colour_in_every_band():
    assert set(LIMIT_COLOURS) == set(LIMIT_NAMES)
    assert len(set(LIMIT_COLOURS.values())) == len(LIMIT_NAMES)
    rows = [
        {"connection": "a > b", "from_ns": second * 10**9, "to_ns": (second + 1) * 10**9, "limit": name, "evidence": "",
         "share_time": 0.125, "share_bytes": 0.125, "payload_bytes": 1}
        for second, name in enumerate(reversed(LIMIT_NAMES))
    ]  # fmt: skip
    for shown in (rows, rows[:3]):
        scale = charts.limits_band(pl.DataFrame(shown)).to_dict()["encoding"]["color"]["scale"]
        assert dict(zip(scale["domain"], scale["range"], strict=True)).items() <= LIMIT_COLOURS.items()
        assert set(scale["domain"]) == {row["limit"] for row in shown}


def test_a_band_of_very_many_connections_stays_small():
    many = pl.DataFrame({"connection": [str(number) for number in range(20_000)]}).with_columns(
        pl.lit(0).alias("from_ns"), pl.int_range(1, pl.len() + 1).alias("to_ns"), pl.lit("link").alias("limit"),
        pl.lit("").alias("evidence"), pl.lit(0.0).alias("share_time"), pl.lit(0.0).alias("share_bytes"),
        pl.lit(0).alias("payload_bytes"),
    )  # fmt: skip
    (values,) = charts.limits_band(many).to_dict()["datasets"].values()
    assert {row["connection"] for row in values} == {str(number) for number in range(20_000 - 12, 20_000)}


def titles(spec: object) -> set[str]:
    """Every axis title of a specification."""
    if isinstance(spec, dict):
        own = {spec["title"]} if isinstance(spec.get("title"), str) and "field" in spec else set()
        return own.union(*(titles(part) for part in spec.values()))
    return set().union(*(titles(part) for part in spec)) if isinstance(spec, list) else set()


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("loss", {"Gbit/s"}),
        ("costs", {"CPU time (ns a packet)"}),
        ("cpus", {"time since the first sample (s)", "share of the CPU"}),
        ("rate", {"time since the first reading (s)", "payload (Gbit/s)"}),
        ("flame", {"share of the CPU's busy time"}),
        ("ladder", {"Gbit/s"}),
        ("forecast", {"goodput (Gbit/s)"}),
        ("swings", {"goodput (Gbit/s)"}),
        ("speedup", {"less time for this stage alone (%)", "goodput (Gbit/s)"}),
        ("sweep", {"mtu (bytes)", "goodput (Gbit/s)"}),
        ("sequence", {"time since the first packet (s)", "sequence space (MB)", "in flight (MB)"}),
        ("transfer rate", {"time since the first packet (s)", "payload (Gbit/s)"}),
        ("round trips", {"time since the first packet (s)", "time to the ACK (ms)"}),
        ("ack delays", {"an ACK came so long after the oldest packet it covers (ms)", "share"}),
        ("limits", {"time since the first interval (s)", "limited by"}),
        ("latency", {"share of the mean latency of a byte", "bytes that took at most this"}),
    ],
)
def test_axes_say_what_and_in_which_unit(specs, name, axes):
    assert axes <= titles(specs[name])


def test_no_chart_holds_more_rows_than_a_browser_likes(specs):
    for spec in specs.values():
        assert sum(len(rows) for rows in spec["datasets"].values()) <= MOST_ROWS


def test_every_group_has_one_colour_and_no_two_share_one():
    assert set(STAGE_GROUPS) <= set(GROUP_COLOURS)
    assert len(set(GROUP_COLOURS.values())) == len(GROUP_COLOURS)


def test_specifications_are_plain_json(specs):
    for spec in specs.values():
        json.dumps(spec, allow_nan=False)


def test_costs_without_packets_show_shares():
    costs = pl.DataFrame(
        {
            "stage": ["copy"], "cpu": [0], "ns_per_packet": [None], "ns_per_byte": [None], "ns_per_batch": [None],
            "cpu_share": [0.5], "low": [0.4], "high": [0.6], "origin": ["test"],
        }
    )  # fmt: skip
    assert "share of CPU time" in titles(charts.stage_cost(costs).to_dict())


def rows_of(chart) -> list[dict]:
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


def test_the_rungs_climb_without_gaps_from_the_goodput_to_all_stages_free():
    rungs = pl.DataFrame({
        "group": ["copy to user", "GRO", "everything else"], "stages": ["copy", "gro", "reader"],
        "part_gbps": [4.0, 3.0, -1.0], "gain_alone_gbps": [1.0, 0.0, 0.0], "gain_last_gbps": [8.0, 7.0, 1.0],
    })  # fmt: skip
    shown = {row["name"]: row for row in rows_of(charts.ladder(rungs, 2.0, 10.0)) if "name" in row}
    ends = [(row["from"], row["to"]) for row in shown.values()]
    assert ends == [(0, 2), (2, 6), (6, 9), (9, 8), (0, 8)]
    assert list(shown) == [
        "goodput", "copy to user", "GRO", "everything else", "all receiver stages free",
    ]  # fmt: skip
    assert {"gbps": 10.0, "text": "ceiling 10.0"} in rows_of(charts.ladder(rungs, 2.0, 10.0))
    assert not [row for row in rows_of(charts.ladder(rungs, 2.0)) if "text" in row]


def change(patch: str, gbps: float | None, tier: str) -> dict:
    return {
        "patch": patch, "predicted_gbps": gbps, "low_gbps": gbps, "high_gbps": gbps, "limit_after": "CPU 1",
        "tier": tier, "no_change_gbps": 1.0, "samples_removed_gbps": None, "amdahl_gbps": 3.0,
    }  # fmt: skip


def test_a_forecast_is_ranked_and_says_which_ranges_carry_confidence():
    table = pl.DataFrame([change("a", 2.0, "null"), change("b", 5.0, "recording"), change("c", None, "null")])
    shown = [row for row in rows_of(charts.forecast(table, 1.0)) if "by" in row]
    assert [(row["patch"], row["by"]) for row in shown] == [
        ("b", "replay, 90 % interval"), ("a", "null models only, no confidence"),
    ]  # fmt: skip
    marks = [row for row in rows_of(charts.forecast(table, 1.0)) if "null model" in row]
    assert [(row["patch"], row["null model"], row["gbps"]) for row in marks] == [
        ("b", "per packet and byte (Amdahl)", 3.0), ("a", "per packet and byte (Amdahl)", 3.0),
    ]  # fmt: skip


def test_a_tornado_leaves_out_what_hardly_moves_the_goodput():
    swings = pl.DataFrame({
        "price": ["copy.ns_per_byte", "ip.skb_ns"], "value": [1.0, 1.0], "low": [0.5, 0.5], "high": [2.0, 2.0],
        "at_low_gbps": [12.0, 10.0], "at_high_gbps": [9.0, 9.999], "swing_gbps": [3.0, 0.001], "origin": "measured",
    })  # fmt: skip
    shown = [row for row in rows_of(charts.tornado(swings, 10.0)) if "price" in row]
    assert [(row["price"], row["bound"], row["gbps"]) for row in shown] == [
        ("copy.ns_per_byte", 0.5, 12.0), ("copy.ns_per_byte", 2.0, 9.0),
    ]  # fmt: skip


def test_two_stages_of_one_group_are_two_kinds_of_line():
    curves = pl.DataFrame({"stage": ["ip_rx", "tcp_rx"], "percent": [0.0, 0.0], "gbps": [10.0, 10.0]})
    encoding = charts.speedup_curves(curves).to_dict()["encoding"]
    assert len(set(encoding["color"]["scale"]["range"])) == 1
    assert encoding["strokeDash"]["field"] == "name"


def test_a_sweep_draws_numbers_only_and_a_line_for_each_of_the_others():
    swept = pl.DataFrame({
        "patch": ["rps=0 + gro=on", "rps=off + gro=on", "rps=1 + gro=off"], "value": [0.0, None, 1.0],
        "others": ["gro=on", "gro=on", "gro=off"], "predicted_gbps": [1.0, 2.0, 3.0], "low_gbps": [1.0, 2.0, 3.0],
        "high_gbps": [1.0, 2.0, 3.0], "limit_after": ["CPU 0"] * 3,
    })  # fmt: skip
    chart = charts.sweep_curve(swept)
    assert [row["patch"] for row in rows_of(chart)] == ["rps=0 + gro=on", "rps=1 + gro=off"]
    assert "rps" in titles(chart.to_dict())
    assert charts.sweep_curve(swept.head(0)).to_dict()
    wide = swept.with_columns(patch=pl.lit("mtu=1000"), value=pl.Series([1000.0, None, 10_000.0]))
    assert charts.sweep_curve(wide).to_dict()["layer"][0]["encoding"]["x"]["scale"]["type"] == "log"


def test_latencies_are_stacked_by_share_in_path_order_above_their_distribution_on_a_log_axis():
    summary, distribution = traced_packets()
    spec = charts.latency(summary, distribution).to_dict()
    shares, spread = spec["vconcat"]
    shown = spec["datasets"][shares["data"]["name"]]
    assert [row["stage"] for row in sorted(shown, key=lambda row: row["rank"])] == list(LATENCY_STAGES)
    assert sum(row["share"] for row in shown) == pytest.approx(1)
    assert shares["encoding"]["x"]["stack"] == "zero"
    assert spec["resolve"] == {"scale": {"color": "independent"}}  # else the total has the first stage's colour
    assert spread["encoding"]["color"]["legend"]["orient"] == "bottom"
    assert len(set(spread["encoding"]["color"]["scale"]["range"])) == len(LATENCY_STAGES) + 1
    assert spread["encoding"]["x"]["scale"]["type"] == "log"
    assert "µs" in spread["encoding"]["x"]["title"]
    points = spec["datasets"][spread["data"]["name"]]
    slowest = max(row["time_us"] for row in points if row["stage"] == "total")
    assert slowest == distribution.filter(pl.col("stage") == "total")["ns"].max() / 1000


def test_a_stage_that_was_not_recorded_is_not_drawn():
    found = latency(TRACE.parent / "packets/prequeue-4.10.txt.gz")
    spec = charts.latency(found.summary, found.distribution).to_dict()
    drawn = {row["stage"] for rows in spec["datasets"].values() for row in rows}
    assert drawn == {"hand-over", "wake-up", "queue", "total"}


def sequence_rows(**columns: list) -> pl.DataFrame:
    """Two slices of SEQUENCE_LINES: 1000 bytes each, half of the second sent again; a window from the second on."""
    rows = {
        "from_s": [0.0, 1.0], "to_s": [1.0, 2.0], "packets": [1, 1], "low_byte": [0, 500], "high_byte": [1000, 1500],
        "payload_bytes": [1000, 1000], "repeated_bytes": [0, 500], "acked_byte": [1000, 1500],
        "edge_byte": [None, 9000], "sacked": [[], []], "in_flight_bytes": [0, 0], "in_flight_most_bytes": [1000, 500],
    }  # fmt: skip
    return pl.DataFrame(rows | columns, schema=polars_schema(SEQUENCE_LINES))


def drawn_lines(spec: dict) -> set[str]:
    """Which of `WIRE_COLOURS` have a layer."""
    text = json.dumps(spec)
    return {name for name in WIRE_COLOURS if f'"calculate": "\'{name}\'"' in text}


def test_a_time_sequence_draws_what_was_sent_again_and_the_window_only_where_they_are_known():
    spec = charts.time_sequence(sequence_rows()).to_dict()
    rows = spec["datasets"][spec["vconcat"][0]["layer"][0].get("data", spec["vconcat"][0].get("data"))["name"]]
    assert [row["allowed"] for row in rows] == [None, 0.0075]
    assert "datum.repeated_bytes > 0" in json.dumps(spec)
    assert spec["vconcat"][0]["layer"][0]["encoding"]["x"]["scale"]["domain"] == [0, 2.0]
    assert drawn_lines(spec) == {"sent", "acknowledged", "window", "sent again"}


def test_a_time_sequence_has_no_layer_without_values():
    nothing = {"acked_byte": [None, None], "edge_byte": [None, None], "in_flight_most_bytes": [None, None]}
    spec = charts.time_sequence(sequence_rows(repeated_bytes=[0, 0], **nothing)).to_dict()
    assert drawn_lines(spec) == {"sent"}
    assert len(spec["vconcat"]) == 1


def test_every_range_that_sack_reports_is_drawn():
    ranges = [[{"low_byte": 3_000_000, "high_byte": 4_000_000}, {"low_byte": 7_000_000, "high_byte": 8_000_000}], []]
    spec = charts.time_sequence(sequence_rows(sacked=ranges)).to_dict()
    found = [
        row for rows in spec["datasets"].values() for row in rows if set(row) == {"from_s", "low_byte", "high_byte"}
    ]
    assert [(row["low_byte"], row["high_byte"]) for row in found] == [(3, 4), (7, 8)]
    assert "SACKed" in drawn_lines(spec)


@pytest.mark.parametrize(("most_bytes", "kind"), [([1000, 500], None), ([100, 50], "log")])
def test_what_is_in_flight_is_on_a_log_axis_where_it_is_a_small_part_of_the_window(most_bytes, kind):
    spec = charts.time_sequence(sequence_rows(in_flight_most_bytes=most_bytes)).to_dict()
    assert spec["vconcat"][1]["layer"][0]["encoding"]["y"].get("scale", {}).get("type") == kind


def test_rates_are_stacked_and_slow_ones_are_told_in_megabits():
    rates = pl.DataFrame(
        {"from_s": [0.0, 1.0], "to_s": [1.0, 2.0], "new_gbps": [0.05, 0.02], "repeated_gbps": [0.0, 0.01]},
        schema=polars_schema(TRANSFER_RATES),
    )
    chart = charts.transfer_rate(rates)
    assert "payload (Mbit/s)" in titles(chart.to_dict())
    assert [(row["line"], row["low"], row["high"]) for row in rows_of(chart)] == [
        ("sent", 0, 50), ("sent", 0, 20), ("sent again", 50, 50), ("sent again", 20, 30),
    ]  # fmt: skip
    faster = charts.transfer_rate(rates.with_columns(pl.col("new_gbps") * 10))
    assert "payload (Gbit/s)" in titles(faster.to_dict())


def test_round_trips_are_on_a_log_axis_with_their_true_values_in_the_words():
    times = pl.DataFrame(
        {"from_s": [0.0], "to_s": [2.0], "samples": [3], "min_ms": [0.0], "median_ms": [2.0], "p95_ms": [9.0],
         "max_ms": [9.0]}, schema=polars_schema(ROUND_TRIPS),
    )  # fmt: skip
    chart = charts.round_trips(times)
    (row,) = rows_of(chart)
    assert (row["min_ms"], row["min_ms_at"], row["max_ms_at"]) == (0, 0.001, 9)  # a log axis has no 0
    spec = chart.to_dict()
    assert spec["layer"][0]["encoding"]["y"]["scale"]["type"] == "log"
    assert drawn_lines(spec) == {"shortest to longest", "median", "95 %"}


def test_delays_have_the_40_ms_of_linux_in_sight():
    delays = pl.DataFrame(
        {"from_ms": [0.0, 1.0], "to_ms": [0.001024, 1.1], "acks": [3, 1], "share": [0.75, 0.25],
         "share_time": [0.01, 0.99]}, schema=polars_schema(ACK_DELAYS),
    )  # fmt: skip
    spec = charts.ack_delays(delays).to_dict()
    scale = spec["layer"][0]["encoding"]["x"]["scale"]
    assert scale["type"] == "log"
    assert 0 < scale["domain"][0] < 0.001024
    assert scale["domain"][1] >= 40
    assert {"ms": 40, "text": "delayed ACK: 40 ms"} in [row for rows in spec["datasets"].values() for row in rows]


@pytest.mark.parametrize("name", ["sequence", "transfer rate", "round trips", "ack delays", "limits"])
def test_what_tcp_did_can_be_zoomed(specs, name):
    selections = [param for param in specs[name]["params"] if param.get("bind") == "scales"]
    assert [param["select"] for param in selections] == [{"type": "interval", "encodings": ["x"]}]


def test_what_one_connection_did_has_one_colour_in_every_picture(specs):
    for name in ("sequence", "transfer rate", "round trips", "ack delays"):
        for scale in colour_scales(specs[name]):
            assert dict(zip(scale["domain"], scale["range"], strict=True)).items() <= WIRE_COLOURS.items()


def colour_scales(spec: object) -> list[dict]:
    if isinstance(spec, dict):
        own = [spec["color"]["scale"]] if isinstance(spec.get("color"), dict) and "scale" in spec["color"] else []
        return own + [scale for part in spec.values() for scale in colour_scales(part)]
    return [scale for part in spec for scale in colour_scales(part)] if isinstance(spec, list) else []


def test_a_flame_of_two_profiles_has_the_colours_and_words_of_its_unit():
    one, other = (pl.DataFrame({"stack": ["a;b", "a;c"], "count": counts}) for counts in ([3, 1], [1, 3]))
    shares = charts.flame_changes(flame_difference(one, other)).to_dict()
    colour = shares["layer"][0]["encoding"]["color"]
    assert colour["scale"]["domain"] == [-0.1, 0, 0.1]  # of the time, and a larger change has the same colour
    both = pl.DataFrame({"stack": ["a;b", "a;c"], "before": [300.0, 100.0], "after": [60.0, 140.0]})
    times = charts.flame_changes(frames_of_both(both, "ns/KB")).to_dict()
    colour = times["layer"][0]["encoding"]["color"]
    assert colour["scale"]["domain"] == [-240, 0, 240]  # the largest change, which is b's, and not the whole's -200
    assert colour["legend"]["values"] == [-240, -60, 0, 60, 240]  # even steps of its root
    assert "ns per 1,000 bytes of payload" in colour["title"]
    assert [one["title"] for one in times["layer"][0]["encoding"]["tooltip"]][1:3] == ["ns/KB before", "ns/KB now"]

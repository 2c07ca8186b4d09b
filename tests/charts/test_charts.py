"""Charts as specifications: units in titles, one colour a group, the tables' own numbers, few rows."""

import json
from pathlib import Path

import polars as pl
import pytest

from zcanalysis import charts
from zcanalysis.answer import answered
from zcanalysis.charts.theme import GROUP_COLOURS
from zcanalysis.cpu.kernel_stages import STAGE_GROUPS
from zcanalysis.cpu.timeline import cpu_timeline, flame
from zcanalysis.goodput import throughput
from zcanalysis.io.recording import read_recording

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
    }
    return {name: chart.to_dict() for name, chart in drawn.items()}


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

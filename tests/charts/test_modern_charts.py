"""Charts of suspects and of changes: what they encode, in whose colour, and that the slider is a parameter."""

import polars as pl

from zcanalysis import charts
from zcanalysis.charts.theme import GROUP_COLOURS

LOST = pl.DataFrame(
    {
        "suspect": ["IP and TCP", "copy to the user", "checksum"],
        "recording": ["a"] * 3,
        "group": ["IP, netfilter, TCP, UDP", "copy to user", "checksum"],
        "lost_gbps": [3.0, 2.0, 0.0],
        "low_gbps": [2.5, 1.5, None],
        "high_gbps": [3.5, 2.5, None],
        "part": [0.6, 0.4, 0.0],
    }
)


def rows_of(spec: dict) -> list[dict]:
    return [row for rows in spec["datasets"].values() for row in rows]


def test_a_bar_is_goodput_and_suspects_in_their_fixed_colours():
    spec = charts.suspects(LOST, pl.DataFrame({"recording": ["a"], "goodput_gbps": [5.0]})).to_dict()
    assert [(row["suspect"], row["lost_gbps"]) for row in rows_of(spec)] == [
        ("goodput", 5.0), ("IP and TCP", 3.0), ("copy to the user", 2.0),
    ]  # fmt: skip
    scale = spec["encoding"]["color"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True))["copy to the user"] == GROUP_COLOURS["copy to user"]
    assert "Gbit/s" in spec["encoding"]["x"]["title"]


def test_the_slider_picks_among_points_worked_out_before():
    speeds = pl.DataFrame(
        {
            "recording": ["a"] * 3, "suspect": ["copy to the user"] * 3, "group": ["copy to user"] * 3,
            "percent": [0, 50, 100], "gbps": [5.0, 6.0, 7.0],
        }
    )  # fmt: skip
    spec = charts.cheaper_suspects(speeds).to_dict()
    bound = [param for param in spec["params"] if "bind" in param]
    assert [(one["name"], one["bind"]["min"], one["bind"]["max"], one["bind"]["step"]) for one in bound] == [
        ("less_time", 0, 100, 50)
    ]
    assert {row["gbps_before"] for row in rows_of(spec)} == {5.0}
    assert "less_time" in str(spec["spec"]["layer"][0]["transform"])


def test_what_was_not_measured_has_no_mark():
    changes = pl.DataFrame(
        {
            "where": ["x", "x"], "name": ["gro=on", "mtu=9000"], "ratio": [1.5, 2.8], "low": [1.1, 2.3],
            "high": [2.0, 3.4], "measured": [1.4, None], "measured_low": [1.3, None], "measured_high": [1.5, None],
        }
    )  # fmt: skip
    rows = [row for row in rows_of(charts.ratios(changes).to_dict()) if "kind" in row]
    assert [(row["name"], row["kind"], row["ratio"]) for row in rows] == [
        ("gro=on", "foretold, 90 %", 1.5), ("mtu=9000", "foretold, 90 %", 2.8), ("gro=on", "measured", 1.4),
    ]  # fmt: skip


def test_no_interval_of_a_change_is_cut():
    changes = pl.DataFrame({
        "where": ["here", "here"], "name": ["a on b", "c on d"], "ratio": [2.9, 0.4], "low": [2.3, 0.3],
        "high": [3.4, 0.6], "measured": [1.5, None], "measured_low": [0.8, None], "measured_high": [2.2, None],
    })  # fmt: skip
    (spans,) = (layer for layer in charts.ratios(changes).to_dict()["spec"]["layer"] if "x2" in layer["encoding"])
    low, high = spans["encoding"]["x"]["scale"]["domain"]
    assert low < 0.3
    assert high > 3.4

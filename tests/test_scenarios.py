"""Scenarios go to TOML, Python and a command line, and come back as the same question."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcanalysis.answer import answered
from zcanalysis.errors import ImpossibleHostError, PatchError, TraceError
from zcanalysis.io.recording import read_recording
from zcanalysis.patches import parse_patch
from zcanalysis.scenarios import (
    Scenario,
    as_command,
    as_python,
    parse_scenarios,
    read_scenarios,
    scenarios_text,
    write_scenarios,
)
from zcanalysis.whatif import what_if

TRACES = Path(__file__).parent.parent / "traces"
SMALL = TRACES / "veth-small-buffer"
JUMBO = Scenario(
    name="jumbo", patches=(parse_patch("mtu=9000"), parse_patch("rps=off")), prices={"copy.ns_per_byte": 0.03}
)
VALUES = ["mtu=9000", "gro", "rps=off", "rps=1", "speedup:copy=12.5", "link-gbps=0.1", "hw-checksum=ipv4", "cpu=split"]


@pytest.fixture(scope="module")
def answer():
    return answered(read_recording(SMALL))


@given(
    st.lists(
        st.builds(
            lambda name, texts, prices: Scenario(name=name, patches=tuple(map(parse_patch, texts)), prices=prices),
            st.text(st.characters(exclude_categories=["Cs"])),
            st.lists(st.sampled_from(VALUES)),
            st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.floats(allow_nan=False)),
        )
    )
)
def test_any_scenarios_come_back_from_toml_as_they_were(scenarios):
    assert parse_scenarios(scenarios_text(scenarios)) == tuple(scenarios)


def test_a_file_of_scenarios_reads_to_equal_ones(tmp_path):
    file = tmp_path / "mine.toml"
    write_scenarios([JUMBO, Scenario(name="none")], file)
    assert read_scenarios(file) == (JUMBO, Scenario(name="none"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("= 1", "is no TOML"),
        ("[[scenario]]\nname = 3", r"scenario\[0\].name must be a text, got 3"),
        ("[[scenario]]\nname = ''\npatches = ['mtv=1']", r"scenario\[0\]: no patch 'mtv'; did you mean mtu"),
        ("[[scenario]]\nname = ''\nprices = { x = true }", "must be a table of numbers"),
        ("[[scenario]]\nname = ''\ncommand = 'rm'", "command is unknown: name, patches, prices"),
        ("other = 1", "expected tables"),
        ("scenario = 1", "expected tables"),
        ("[[scenario]]\nname = ''\npatches = 'mtu=9000'", "must be a list of texts"),
    ],
)
def test_what_is_no_scenario_says_where(text, said, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(PatchError, match=said) as told:
        read_scenarios(file)
    assert str(told.value).startswith(f"{file}: ")
    assert "\n" not in str(told.value)


def test_files_that_cannot_be_read_or_written_are_one_line(tmp_path):
    for file in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(PatchError, match="directory"):
            read_scenarios(file)
    with pytest.raises(PatchError, match="directory"):
        write_scenarios([], tmp_path)
    (tmp_path / "large.toml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(PatchError, match="is larger than 1 MB"):
        read_scenarios(tmp_path / "large.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xff")
    with pytest.raises(PatchError, match="no text"):
        read_scenarios(tmp_path / "latin.toml")


def test_the_command_gives_the_same_numbers_as_the_scenario(answer):
    row = what_if(answer, [JUMBO.patches], prices=JUMBO.prices).row(0, named=True)
    words = shlex.split(as_command(JUMBO, SMALL))
    assert words[0] == "zcanalysis"
    done = subprocess.run(
        [sys.executable, "-m", *words, "--json"], capture_output=True, text=True, check=True, timeout=120
    )
    said = json.loads(done.stdout)
    for name in ("predicted_gbps", "low_gbps", "high_gbps", "limit_after", "command", "undo", "applies"):
        assert said[name] == row[name]
    assert said["prices"] == dict(JUMBO.prices)


def test_the_python_gives_the_same_numbers_as_the_scenario(answer):
    namespace: dict = {}
    exec(as_python(JUMBO, SMALL), namespace)  # it is what a user copies and runs
    assert namespace["predicted"].equals(what_if(answer, [JUMBO.patches], prices=JUMBO.prices))


def test_a_hostile_recording_name_stays_one_word_and_one_string():
    place = "a b'; rm -rf ~ #\"\n"
    assert shlex.split(as_command(JUMBO, place))[2] == place
    assert repr(place) in as_python(JUMBO, place)


def test_a_dearer_copy_costs_goodput_and_its_own_value_changes_nothing(answer):
    price = answer.model.hosts[0].prices()["copy.packet_ns"]
    rows = what_if(answer, [()], prices={"copy.packet_ns": 20 * price.value}).to_dicts()
    rows += what_if(answer, [()], prices={"copy.packet_ns": price.value}).to_dicts()
    assert rows[0]["predicted_gbps"] < 0.9 * answer.goodput_gbps
    assert rows[1]["predicted_gbps"] == pytest.approx(answer.goodput_gbps, rel=0.05)
    assert rows[0]["patch"].startswith("copy.packet_ns=")
    assert all(row["low_gbps"] < row["predicted_gbps"] < row["high_gbps"] for row in rows)


def test_a_price_set_with_a_patch_is_set_in_the_changed_host(answer):
    patch = parse_patch("copy-gbps=8")  # 1 ns a byte, which the price then overrules
    alone = what_if(answer, [()], prices={"copy.ns_per_byte": 0.01}).item(0, "predicted_gbps")
    both = what_if(answer, [patch], prices={"copy.ns_per_byte": 0.01}).item(0, "predicted_gbps")
    assert both == pytest.approx(alone)


def test_prices_that_cannot_be_are_refused_in_one_line(answer):
    with pytest.raises(ImpossibleHostError, match=r"no price 'copy'; there are .*copy\.ns_per_byte"):
        what_if(answer, [()], prices={"copy": 1.0})
    with pytest.raises(ImpossibleHostError, match=r"copy\.ns_per_byte: value must be 0 to"):
        what_if(answer, [()], prices={"copy.ns_per_byte": -1.0})
    with pytest.raises(ImpossibleHostError, match=r"link\.gbps"):
        what_if(answer.model.hosts[0], [()], prices={"link.gbps": 0.0})
    unpriced = answered(read_recording(TRACES / "veth-1500/capture.pcap.zst"))
    with pytest.raises(TraceError):
        what_if(unpriced, [()], prices={"copy.ns_per_byte": 1.0})


def test_null_models_do_not_answer_for_prices(answer):
    row = what_if(answer, [parse_patch("flows=4")], prices={"copy.ns_per_byte": 0.01}).row(0, named=True)
    assert row["predicted_gbps"] is None
    assert "only a replay knows prices" in row["why"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--price", "copy"), "expected NAME=VALUE"),
        (("--price", "nothing=1"), "no price 'nothing'; there are"),
        ((), "predict needs a --patch or a --price"),
    ],
)
def test_bad_prices_on_the_command_line_are_one_line_and_status_2(words, said):
    done = subprocess.run(
        [sys.executable, "-m", "zcanalysis", "predict", str(SMALL), *words],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1

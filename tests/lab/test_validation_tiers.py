"""Where prices of this machine are known each case is foretold twice and measured once; figures stay apart."""

import json
import re

import polars as pl
import pytest

from tests.lab.test_one_case import AFAR_NS, HERE_NS, ONE, Wanderer
from tests.lab.test_outcome import foretold
from tests.lab.test_pairs import pair
from tests.lab.test_validation import TWO, Bench, checked, document_of, done_case, options, outcomes, run_main
from tests.prices.machines import machine
from zcanalysis import validating
from zcanalysis.errors import HostError, TraceError
from zcanalysis.lab.calibrating import known_machine
from zcanalysis.lab.machine_prices import machine_facts_of
from zcanalysis.lab.outcome import CaseOutcome
from zcanalysis.lab.pairs import Measured
from zcanalysis.lab.validation import CALIBRATED_TABLE, TABLE, real_instruments, validate
from zcanalysis.lab.validation_document import calibrated_document, outcomes_of, validation_table
from zcanalysis.lab.validation_text import case_line, summary
from zcanalysis.prices.machine_file import cache_file, write_machine_prices
from zcanalysis.tables import VALIDATION, conform
from zcanalysis.validation_page import validation_html

CALIBRATED = foretold(11.0, tier="calibrated")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache of our own, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def of_this_machine():
    kernel, cpu_model = machine_facts_of()
    return machine(kernel=kernel, cpu_model=cpu_model)


def two_tiers(**changed) -> dict:
    """Foretold right with prices of the machine; without them half as much again as came."""
    without = CaseOutcome(TWO[0], foretold(15.0), Measured((pair(10, 20),) * 4, 4))
    return document_of(done_case(without, calibrated=foretold(10.0, tier="calibrated")), machine=machine(), **changed)


def test_both_predictions_are_on_disk_before_anything_is_measured(tmp_path):
    bench = Bench(tmp_path)
    seen = []

    def measure(*how):
        seen.append([json.loads(file.read_text()) for file in sorted((tmp_path / "predictions").iterdir())])
        return bench.measure(*how)

    tools = bench.tools._replace(foretell_calibrated=lambda place, patches: CALIBRATED, measure=measure)
    validate(tmp_path, options(machine=machine()), tools)
    assert [[one["asked"] for one in files] for files in seen] == [
        ["recording", "calibrated"], ["recording", "calibrated"] * 2,
    ]  # fmt: skip
    assert [one["predicted_gbps"] for one in seen[0]] == [10.0, 11.0]
    assert checked(tmp_path) == 0


def test_every_row_names_the_file_of_its_own_prediction(tmp_path):
    tools = Bench(tmp_path).tools._replace(foretell_calibrated=lambda place, patches: CALIBRATED)
    validate(tmp_path, options(machine=machine()), tools)
    hashes = [line.split()[0] for line in (tmp_path / "predictions.sha256").read_text().splitlines()]
    tables = [conform(pl.read_parquet(tmp_path / name), VALIDATION) for name in (TABLE, CALIBRATED_TABLE)]
    assert [table.get_column("prediction_sha256").to_list() for table in tables] == [hashes[::2], hashes[1::2]]
    assert [table.get_column("tier").unique().to_list() for table in tables] == [["recording"], ["calibrated"]]
    assert tables[0].get_column("measured_ratio").equals(tables[1].get_column("measured_ratio"))


def test_both_are_superseded_each_by_the_one_of_its_tier(tmp_path):
    bench = Wanderer(tmp_path, [HERE_NS, AFAR_NS], [AFAR_NS] * 9)
    tools = bench.tools._replace(foretell_calibrated=lambda place, patches: CALIBRATED)
    validate(tmp_path, options(ONE, machine=machine()), tools)
    hashes = [line.split()[0] for line in (tmp_path / "predictions.sha256").read_text().splitlines()]
    assert [one["supersedes"] for one in bench.predictions()] == [None, None, *hashes[:2]]
    (case,) = validating.finished(tmp_path)["cases"]
    assert case["superseded"][0]["prediction_sha256"] == hashes[:2]


def test_without_prices_there_is_one_tier(tmp_path):
    validate(tmp_path, options(), Bench(tmp_path).tools)
    document = validating.finished(tmp_path)
    assert calibrated_document(document) is None
    assert not (tmp_path / CALIBRATED_TABLE).exists()
    assert real_instruments(options()).foretell_calibrated is None
    assert real_instruments(options(machine=machine())).foretell_calibrated.keywords == {"machine": machine()}


def test_figures_of_the_tiers_stay_apart():
    document = two_tiers()
    other = calibrated_document(document)
    errors = [one["figures"][0]["value"] for one in (document, other)]
    assert errors == pytest.approx([0.5, 0.0])
    assert validation_table(document).get_column("error").to_list() == pytest.approx([0.5])
    assert validation_table(other).get_column("error").to_list() == pytest.approx([0.0])
    assert outcomes_of(other)[0].foretold == foretold(10.0, tier="calibrated")
    assert other["prices_made"] == machine().made
    assert [len(one["cases"][0]["pairs"]) for one in (document, other)] == [4, 4]


def test_a_document_of_an_older_version_has_one_tier():
    document = document_of(*outcomes())
    del document["calibrated"]
    for case in document["cases"]:
        del case["calibrated"], case["superseded"]
    assert calibrated_document(document) is None
    assert summary(document) == summary(document_of(*outcomes()))
    assert "cases-calibrated" not in validation_html(document)


def test_the_summary_has_a_line_for_each_figure_of_each_tier():
    lines = summary(two_tiers())
    assert "median error of changes: 50.0% (at most 10.0%: MISSED)" in lines
    assert "with prices of this machine: median error of changes: 0.0% (at most 10.0%: met)" in lines


def test_the_page_has_figures_chart_and_cases_of_each_tier():
    page = validation_html(two_tiers())
    assert page.count("<td>median error of changes</td>") == 2
    assert [name for name in ("cases", "cases-calibrated") if f'<section id="{name}">' in page] == [
        "cases", "cases-calibrated",
    ]  # fmt: skip
    first, second = re.findall(r'id="spec-(validation[a-z-]*)">', page)
    assert (first, second) == ("validation", "validation-calibrated")
    assert page.index("3.00 (") < page.index('<section id="cases-calibrated">') < page.index("2.00 (1.60")


def test_the_line_of_a_case_names_both():
    done = done_case(outcomes()[0], calibrated=CALIBRATED)
    assert case_line(done.outcome, done.calibrated).startswith(
        "mtu-1500 mtu=9000: foretold 2.00 (2.20 with prices of this machine), measured 2.00 ± 0.0%"
    )
    assert "machine" not in case_line(done.outcome)


def test_show_prints_a_table_of_each_tier(tmp_path, monkeypatch, capsys):
    (tmp_path / "validation.json").write_text(json.dumps(two_tiers()))
    assert run_main(monkeypatch, "lab", "show", tmp_path) == 0
    before, _, after = capsys.readouterr().out.partition("\nwith prices of this machine:\n")
    assert "+50%" in before
    assert "+0%" in after


def test_kept_prices_are_used_without_asking(capsys):
    assert known_machine(None) is None
    assert validating.machine_of(None, TWO, print, measured=False) is None
    place = cache_file(*machine_facts_of())
    write_machine_prices(of_this_machine(), place)
    assert known_machine(None) == (of_this_machine(), place)
    assert validating.machine_of(None, TWO, print, measured=False) == of_this_machine()
    assert capsys.readouterr().err == f"foretold twice, also with prices of this machine: {place}\n"


def test_prices_that_are_named_must_be_there_and_of_this_machine(tmp_path):
    with pytest.raises(TraceError):
        known_machine(tmp_path / "absent.json")
    write_machine_prices(machine(kernel="another"), tmp_path / "another.json")
    with pytest.raises(HostError, match="is of kernel 'another'"):
        known_machine(tmp_path / "another.json")


def test_a_machine_without_a_name_has_nothing_kept(monkeypatch):
    def nameless():
        raise HostError("/proc/cpuinfo names no CPU model")

    monkeypatch.setattr("zcanalysis.lab.calibrating.machine_facts_of", nameless)
    assert known_machine(None) is None


def test_prices_are_measured_first_for_the_mtus_of_the_cases(tmp_path, monkeypatch):
    asked = []

    def calibrated(file, mtus, *, on_progress):
        asked.append((file, mtus))
        return of_this_machine(), file

    monkeypatch.setattr(validating, "calibrated_machine", calibrated)
    file = tmp_path / "prices.json"
    assert validating.machine_of(file, TWO, print, measured=True) == of_this_machine()
    assert asked == [(file, [1500])]


def test_the_options_of_the_command_reach_the_validation(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(validating, "carried_out", lambda place, chosen: asked.append(chosen) or document_of())
    write_machine_prices(of_this_machine(), tmp_path / "prices.json")
    arguments = ("--patch", "mtu=9000", "--calibration", tmp_path / "prices.json")
    assert run_main(monkeypatch, "lab", "validate", "-o", tmp_path / "out", *arguments) == 0
    assert asked[0].machine == of_this_machine()

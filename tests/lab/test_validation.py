import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from tests.lab.test_lab_run import namespaces_of, why_not
from tests.lab.test_outcome import foretold
from tests.lab.test_pairs import pair
from zcanalysis import validating
from zcanalysis.cli import main
from zcanalysis.errors import HostError, TraceError
from zcanalysis.lab.draw import Case, cases_of, development_set, draw
from zcanalysis.lab.one_case import Announced, Done, Instruments, Prediction, Recording
from zcanalysis.lab.outcome import CaseOutcome, Foretold
from zcanalysis.lab.pairs import Measured, PairOptions
from zcanalysis.lab.scenarios import scenario_named
from zcanalysis.lab.validation import (
    RESULT,
    TABLE,
    ValidationOptions,
    recording_plan,
    require_all,
    validate,
)
from zcanalysis.lab.validation_document import case_row, keys_of, outcomes_of, validation_table
from zcanalysis.lab.validation_text import shown_table, summary
from zcanalysis.tables import VALIDATION, conform

TWO = cases_of("mtu-1500", ["mtu=9000", "gro=on+rps=off"])


@pytest.fixture(autouse=True)
def nothing_kept(tmp_path_factory, monkeypatch):
    """What a tester has calibrated stays out."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def options(cases=TWO, **changed) -> ValidationOptions:
    return ValidationOptions(cases=cases, **changed)


class Bench:
    """Instruments that note the order in which they are used."""

    def __init__(self, directory, recorded_ns=()):
        self.directory, self.used, self.recorded_ns = directory, [], list(recorded_ns)
        self.tools = Instruments(lambda scenarios: None, self.record, self.foretell, self.measure)

    def record(self, scenario, place):
        self.used.append(f"record {scenario.name}")
        place.mkdir(parents=True)
        return self.recorded_ns.pop(0) if self.recorded_ns else None

    def foretell(self, place, patches):
        assert place.parent == self.directory / "recordings"
        self.used.append(f"foretell {'+'.join(patches)}")
        return foretold()

    def measure(self, baseline, changed, recorded_ns, is_over):
        written = sorted((self.directory / "predictions").iterdir())
        lines = [line.split() for line in (self.directory / "predictions.sha256").read_text().splitlines()]
        assert [name for _, name in lines] == [f"predictions/{path.name}" for path in written]
        assert lines[-1][0] == hashlib.sha256(written[-1].read_bytes()).hexdigest()
        assert json.loads(written[-1].read_text())["configuration"]["name"] == baseline.name
        self.used.append(f"measure {changed.name}")
        measured = Measured((pair(10, 20),) * 4, 4)
        assert not is_over(measured)
        return measured


def checked(directory) -> int:
    arguments = ["sha256sum", "-c", "predictions.sha256"]
    return subprocess.run(arguments, cwd=directory, capture_output=True, check=False).returncode


def test_each_prediction_and_its_hash_are_on_disk_before_anything_of_it_is_measured(tmp_path):
    bench = Bench(tmp_path)
    validation = validate(tmp_path, options(), bench.tools)
    assert bench.used == [
        "record mtu-1500", "foretell mtu=9000", "measure mtu-1500+mtu=9000",
        "foretell gro=on+rps=off", "measure mtu-1500+gro=on+rps=off",
    ]  # fmt: skip
    assert checked(tmp_path) == 0
    assert [each.outcome.measured.ratio for each in validation.done] == pytest.approx([2, 2])
    rows = [case["row"] for case in json.loads((tmp_path / RESULT).read_text())["cases"]]
    hashes = [line.split()[0] for line in (tmp_path / "predictions.sha256").read_text().splitlines()]
    assert [row["prediction_sha256"] for row in rows] == hashes
    assert [row["recording"] for row in rows] == ["recordings/mtu-1500"] * 2


def test_predictions_are_chained_so_that_none_can_be_exchanged(tmp_path):
    validate(tmp_path, options(), Bench(tmp_path).tools)
    first, second = (json.loads((tmp_path / f"predictions/{name}.json").read_text()) for name in ("001", "002"))
    assert first["previous_sha256"] == "0" * 64
    assert second["previous_sha256"] == hashlib.sha256((tmp_path / "predictions/001.json").read_bytes()).hexdigest()
    (tmp_path / "predictions/001.json").write_text("{}")
    assert checked(tmp_path) != 0


def test_the_table_is_one_row_a_case_in_a_file_of_its_own(tmp_path):
    validate(tmp_path, options(seed="abc"), Bench(tmp_path).tools)
    table = conform(pl.read_parquet(tmp_path / TABLE), VALIDATION)
    assert pl.read_parquet_metadata(tmp_path / TABLE)["zcanalysis.schema"] == "validation 1"
    assert table.equals(validation_table(validating.finished(tmp_path)))
    assert table.get_column("patch").to_list() == ["mtu=9000", "gro=on+rps=off"]
    assert table.get_column("kind").to_list() == ["mtu", "several"]
    assert validating.finished(tmp_path)["seed"] == "abc"


def test_a_row_says_the_same_as_the_outcome():
    seen = CaseOutcome(TWO[0], foretold(11.0), Measured((pair(10, 20), pair(10, 20, dropped=3)), 1))
    row = case_row(seen)
    assert (row["measured_ratio"], row["predicted_ratio"], row["error"]) == pytest.approx((2, 2.2, 0.1))
    assert (row["low_ratio"], row["high_ratio"]) == pytest.approx((1.76, 2.75))
    assert row["amdahl_ratio"] is None
    assert (row["pairs"], row["clean"], row["used"]) == (2, 1, "clean pairs")
    assert (row["cpus"], row["loads_foretold"], row["loads_measured"]) == ([0, 1], [0.6, 1.0], [0.5, 1.0])
    assert (row["limits_after"], row["limit_right"], row["changed"], row["inside"]) == (["CPU 1"], True, True, True)
    assert row["standard_error"] is None  # one pair has no spread, and JSON no infinity
    assert set(row) == set(VALIDATION)


def done_case(outcome: CaseOutcome, superseded=(), calibrated: Foretold | None = None) -> Done:
    made = Prediction(outcome.foretold, "f" * 64)
    other = None if calibrated is None else Prediction(calibrated, "c" * 64)
    announced = Announced(Recording(Path("x"), "recordings/x", 260), made, other)
    return Done(outcome, announced, superseded, 90.0)


def document_of(*outcomes: CaseOutcome | Done, asked=None, failures=(), **changed) -> dict:
    from zcanalysis.lab.validation import Failure, Validation, validation_document

    done = tuple(each if isinstance(each, Done) else done_case(each) for each in outcomes)
    failed = tuple(Failure(case, why) for case, why in failures)
    made = validation_document(Validation("s", asked or len(done), done, failed), options(**changed))
    return json.loads(json.dumps(made, allow_nan=False))


def outcomes() -> list[CaseOutcome]:
    right = CaseOutcome(TWO[0], foretold(10.0), Measured((pair(10, 20),) * 4, 4))
    wrong = CaseOutcome(TWO[1], foretold(20.0, limit_after="link"), Measured((pair(10, 20, dropped=1),) * 4, 4))
    return [right, wrong]


def test_what_was_written_is_read_back_as_it_was_measured():
    written = outcomes()
    assert outcomes_of(document_of(*written)) == tuple(written)


def test_the_worst_miss_stands_first():
    table = validation_table(document_of(*outcomes()))
    first, second = shown_table(table).to_dicts()
    assert first == {
        "hosts": "mtu-1500",
        "patch": "gro=on + rps=off",
        "foretold (90 %)": "4.00 (3.20-5.00)",
        "measured (pairs)": "2.00 (2.00-2.00)",
        "error": "+100%",
        "of noise": "-",
        "inside": "NO",
        "limit foretold": "link",
        "measured": "CPU 1",
        "load of CPU": "0: 60 (50), 1: 100 (100)",
    }
    assert (second["patch"], second["inside"], second["measured"]) == ("mtu=9000", "yes", "the same")


def test_half_as_much_is_as_bad_as_twice_as_much():
    twice = CaseOutcome(TWO[0], foretold(19.0), Measured((pair(10, 20),) * 4, 4))
    half = CaseOutcome(TWO[1], foretold(5.0), Measured((pair(10, 20),) * 4, 4))
    table = validation_table(document_of(twice, half))
    assert table.get_column("patch").to_list() == ["gro=on+rps=off", "mtu=9000"]


def test_the_summary_says_what_is_met_and_what_was_disturbed():
    lines = summary(document_of(*outcomes()))
    assert lines[0] == "2 of 2 cases, drawn by the seed s; in 2 the goodput changed by more than 15 %"
    assert "median error of changes: 50.0% (at most 10.0%: MISSED)" in lines
    assert "direction of changes right: 100.0% (at least 100.0%: met)" in lines
    assert "changes foretold where nothing changed: no such case" in lines
    assert any(line.startswith("median error of the null models: no change 50%") for line in lines)
    assert lines[-2] == "pairs: 4 of 8 marked (full backlogs 4); 1 cases had too few clean ones, so that all count"
    assert lines[-1] == "noise: hosts that do not differ would give a ratio of 1 ± 0.0% (usual case)"


def test_what_failed_and_what_was_not_reached_is_said():
    lines = summary(document_of(outcomes()[0], asked=4, failures=[(TWO[1], "iperf3 is gone")]))
    assert lines[0].startswith("1 of 4 cases, drawn by the seed s; ended before the other 2;")
    assert lines[1] == "failed: mtu-1500 gro=on+rps=off: iperf3 is gone"


def test_a_case_that_fails_ends_alone(tmp_path):
    bench = Bench(tmp_path)

    def fail_at_first(baseline, changed, *how):
        if changed.mtu == 9000:
            raise HostError("iperf3 is gone")
        return bench.measure(baseline, changed, *how)

    validation = validate(tmp_path, options(), bench.tools._replace(measure=fail_at_first))
    assert [failure.why for failure in validation.failures] == ["iperf3 is gone"]
    assert [each.outcome.case for each in validation.done] == [TWO[1]]
    assert (tmp_path / "predictions/001.json").exists()


def test_what_is_left_is_told_by_the_time_that_was_needed(tmp_path, monkeypatch):
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr("zcanalysis.lab.validation.time.monotonic", lambda: next(clock))
    told = []
    chosen = options(on_case=lambda over, tried, left_seconds: told.append((tried, left_seconds)))
    validate(tmp_path, chosen, Bench(tmp_path).tools)
    assert told == [(1, 300), (2, 0)]  # the clock was read three times, 100 s apart


def test_when_every_case_fails_so_does_the_validation(tmp_path):
    def fail(*given):
        raise HostError("iperf3 is gone")

    with pytest.raises(HostError, match=r"no case could be validated; the last one, mtu-1500 gro.*: iperf3 is gone"):
        validate(tmp_path, options(), Bench(tmp_path).tools._replace(measure=fail))
    assert len(validating.finished(tmp_path)["failures"]) == 2


def test_ctrl_c_keeps_the_cases_that_are_done(tmp_path, capsys, monkeypatch):
    bench = Bench(tmp_path)

    def interrupt_at_second(baseline, changed, *how):
        if changed.receiver_gro:
            raise KeyboardInterrupt
        return bench.measure(baseline, changed, *how)

    tools = bench.tools._replace(measure=interrupt_at_second)
    monkeypatch.setattr(validating, "validate", lambda place, chosen: validate(place, chosen, tools))
    with pytest.raises(KeyboardInterrupt):
        validating.carried_out(tmp_path, options())
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("1 of 2, mtu-1500 mtu=9000: foretold 2.00, measured 2.00 ± 0.0% (4 of 4 pairs clean)")
    assert first.endswith("error +0%; less than a minute left")
    assert last == f"zcanalysis: 1 of 2 cases are done; see them: zcanalysis lab show {tmp_path}"
    document = validating.finished(tmp_path)
    assert (document["complete"], len(document["cases"])) == (False, 1)
    assert checked(tmp_path) == 0


def test_a_directory_with_something_in_it_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "precious").touch()
    bench = Bench(tmp_path)
    with pytest.raises(HostError, match="is not empty"):
        validate(tmp_path, options(), bench.tools)
    assert bench.used == []


def test_what_a_machine_lacks_is_said_before_a_directory_is_made(tmp_path):
    def refuse(scenarios):
        raise HostError("the lab builds network namespaces: run it as root")

    with pytest.raises(HostError, match="as root"):
        validate(tmp_path / "new", options(), Bench(tmp_path).tools._replace(require=refuse))
    assert not (tmp_path / "new").exists()


def test_an_absent_cpu_is_one_line(monkeypatch):
    monkeypatch.setattr("zcanalysis.lab.validation.require_lab_tools", lambda: None)
    monkeypatch.setattr("zcanalysis.lab.validation.why_perf_cannot_run", lambda: None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    with pytest.raises(HostError, match=r"needs CPU 1; we may use \[0\]"):
        require_all([scenario_named("mtu-1500")])


def test_an_absent_perf_is_one_line(monkeypatch):
    monkeypatch.setattr("zcanalysis.lab.validation.require_lab_tools", lambda: None)
    monkeypatch.setattr("zcanalysis.lab.validation.why_perf_cannot_run", lambda: "perf is not installed")
    with pytest.raises(HostError, match="made from CPU samples: perf is not installed"):
        require_all([scenario_named("mtu-1500")])


@pytest.mark.parametrize("wrong", [(), (TWO[0], TWO[0])])
def test_cases_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="each once"):
        options(wrong)


def test_a_baseline_is_recorded_without_a_capture():
    assert {phase.name for phase in recording_plan(6)} == {"counters", "sampling"}


def test_a_final_set_holds_no_case_of_the_development_set_nor_of_another_validation(tmp_path):
    developed = {case.key for case in development_set()}
    final = validating.drawn_cases(24, "commit")
    assert not developed & {case.key for case in final}
    assert len(final) == 24
    assert {case.key for case in validating.drawn_cases(5, "development-1")} <= developed
    (first, *_) = final
    seen = CaseOutcome(first, foretold(), Measured((pair(),) * 4, 4))
    (tmp_path / RESULT).write_text(json.dumps(document_of(seen)))
    assert keys_of(validating.finished(tmp_path)) == {first.key}
    assert first.key not in {case.key for case in validating.drawn_cases(24, "commit", [tmp_path])}


def test_the_seed_is_the_commit_of_this_code(monkeypatch):
    found = validating.default_seed()
    assert found.text in (found.text.lower(), "zcanalysis-0.1.0")
    monkeypatch.setattr(validating, "_git", lambda place, *arguments: None)
    assert validating.default_seed().text == "zcanalysis-0.1.0"
    said = {"rev-parse": "abc", "ls-files": "validating.py", "status": " M x"}
    monkeypatch.setattr(validating, "_git", lambda place, *arguments: said[arguments[0]])
    assert validating.default_seed() == ("abc", "the commit of this code, which was changed since")


@pytest.mark.parametrize("content", ["{}", '{"cases": []}'])
def test_what_is_no_validation_is_one_line(tmp_path, content):
    with pytest.raises(TraceError, match=r"holds no validation\.json; make one"):
        validating.finished(tmp_path)
    (tmp_path / RESULT).write_text(content)
    with pytest.raises(TraceError, match="is no validation"):
        validating.finished(tmp_path)


def run_main(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["zcanalysis", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0


def test_show_prints_the_table_and_the_figures_again(tmp_path, monkeypatch, capsys):
    (tmp_path / RESULT).write_text(json.dumps(document_of(*outcomes())))
    assert run_main(monkeypatch, "lab", "show", tmp_path) == 0
    said = capsys.readouterr().out
    assert "+100%" in said
    assert "limit after the patches right: 50.0% (at least 90.0%: MISSED)" in said
    assert run_main(monkeypatch, "lab", "show", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["asked"] == 2


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--patch", "nonsense=1"), "the lab cannot apply this"),
        (("--patch", "mtu=9000+nonsense=1"), "the lab cannot apply this"),
        (("--patch", "mtu=big"), "is no value of mtu for mtu-1500"),
        (("--scenario", "nothing", "--patch", "mtu=9000"), "no such scenario"),
        (("--draw", "3", "--patch", "mtu=9000"), "give one or the other"),
        (("--draw", "3", "--without", "/nowhere"), "holds no validation.json"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_directory(tmp_path, monkeypatch, capsys, arguments, why):
    assert run_main(monkeypatch, "lab", "validate", "-o", tmp_path / "out", *arguments) == 2
    said = capsys.readouterr().err.splitlines()
    assert why in said[-1]
    assert said[-1].startswith("zcanalysis: ")
    assert not (tmp_path / "out").exists()


def test_drawn_cases_are_those_of_the_seed_which_is_said(tmp_path, monkeypatch, capsys):
    asked = []

    def carried_out(directory, chosen):
        asked.append(chosen)
        return document_of(*outcomes())

    monkeypatch.setattr(validating, "carried_out", carried_out)
    arguments = ("lab", "validate", "--draw", "5", "--seed", "abc", "-o", tmp_path / "out", "--json")
    assert run_main(monkeypatch, *arguments) == 0
    said = capsys.readouterr()
    assert said.err == "seed abc (as given)\n"
    assert json.loads(said.out)["asked"] == 2
    assert (asked[0].seed, len(asked[0].cases)) == ("abc", 5)
    assert tuple(asked[0].cases) == draw("abc", 5, without={case.key for case in development_set()})


def test_cases_are_drawn_by_the_commit_where_nothing_is_given(tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(validating, "default_seed", lambda: validating.Seed("c0ffee", "the commit of this code"))
    monkeypatch.setattr(validating, "carried_out", lambda directory, chosen: asked.append(chosen) or document_of())
    assert run_main(monkeypatch, "lab", "validate", "-o", tmp_path / "out") == 0
    assert capsys.readouterr().err == "seed c0ffee (the commit of this code)\n"
    assert (asked[0].seed, len(asked[0].cases)) == ("c0ffee", 24)


def test_without_root_it_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("zcanalysis.lab.namespaces.os.geteuid", lambda: 65534)
    assert run_main(monkeypatch, "lab", "validate", "--patch", "mtu=9000", "-o", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert said.startswith("zcanalysis: the lab builds network namespaces: run it as root")
    assert said.count("\n") == 1


@pytest.mark.root
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_one_real_case_from_recording_to_table(tmp_path):
    (case,) = cases_of("mtu-1500", ["link-gbps=1"])
    assert isinstance(case, Case)
    short = PairOptions(seconds=0.5, warmup_seconds=0.5, least=2, most=2)
    chosen = options([case], pairs=short, recording_seconds=2.0)
    validate(tmp_path, chosen)
    document = validating.finished(tmp_path)
    assert document["complete"]
    assert checked(tmp_path) == 0
    assert shown_table(validation_table(document)).height == 1
    assert namespaces_of(os.getpid()) == []


VALIDATE = ("validate", "--patch", "competing-load=1", "-o")
PROBE_EFFECTS = ("probe-effects", "--scenario", "cpu-hog", "--rounds", "2", "-o")


@pytest.mark.root
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
@pytest.mark.parametrize(
    ("command", "after_s"),
    [(VALIDATE, 1.0), (VALIDATE, 5.0), (VALIDATE, 20.0), (PROBE_EFFECTS, 0.5), (PROBE_EFFECTS, 8.0)],
)
def test_ctrl_c_is_one_line_and_leaves_nothing_running(tmp_path, command, after_s):
    arguments = [sys.executable, "-m", "zcanalysis", "lab", *command, str(tmp_path / "out")]
    child = subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while len(namespaces_of(child.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(after_s)
    child.send_signal(signal.SIGINT)
    out, said = child.communicate(timeout=60)
    assert (child.returncode, out, said) == (130, "", "zcanalysis: interrupted\n")
    assert namespaces_of(child.pid) == []
    assert hogs_of(child.pid) == ""


def hogs_of(pid: int) -> str:
    """Processes that compute for that lab."""
    found = subprocess.run(["pgrep", "-f", f"sched_setaffinity.* {pid}$"], capture_output=True, text=True, check=False)
    return found.stdout

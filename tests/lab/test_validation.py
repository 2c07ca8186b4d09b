import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.lab.test_lab_run import namespaces_of, why_not
from zcanalysis.cli import main
from zcanalysis.errors import HostError
from zcanalysis.lab.applied import patched
from zcanalysis.lab.cases import BASELINE_LIMIT, CASES, case_of
from zcanalysis.lab.outcome import (
    CaseOutcome,
    Foretold,
    NamedLimit,
    Prediction,
    Validation,
    shown_table,
    summary,
    validation_document,
)
from zcanalysis.lab.scenarios import BASELINE, scenario_named
from zcanalysis.lab.validation import Instruments, ValidationOptions, recording_plan, require_all, validate

CPU_1 = NamedLimit("receiver cpu", "CPU 1", "CPU 1 is the limit.")
CPU_0 = NamedLimit("receiver cpu", "CPU 0", "CPU 0 is the limit.")


def prediction(patch="mtu=9000", gbps=20.0):
    return Prediction(patch, 10.0, None, 25.0, gbps, gbps - 1, gbps + 1)


def outcome(**changed):
    fields = {
        "prediction": prediction(),
        "recorded_gbps": 10.0,
        "baseline_runs_gbps": (8.0, 10.0, 9.0),
        "patched_runs_gbps": (16.0, 24.0, 18.0),
        "expected": BASELINE_LIMIT,
        "named": CPU_1,
    }
    return CaseOutcome(**(fields | changed))


def test_what_was_measured_is_the_ratio_of_medians_times_the_recorded_baseline():
    # medians 18 and 9: ratio 2; pairs 2, 2.4, 2
    assert outcome().measured_gbps == pytest.approx(20)
    assert outcome().spread_gbps == pytest.approx((20, 24))


def test_errors_are_in_percent_of_what_was_measured():
    case = outcome()
    assert case.error_percent("no_change_gbps") == pytest.approx(-50)
    assert case.error_percent("amdahl_gbps") == pytest.approx(25)
    assert case.error_percent("predicted_gbps") == pytest.approx(0)
    assert case.error_percent("samples_removed_gbps") is None


def test_a_limit_is_right_when_kind_and_place_are():
    assert outcome().limit_right is True
    assert outcome(named=CPU_0).limit_right is False
    assert outcome(named=CPU_1._replace(kind="sender")).limit_right is False
    assert outcome(expected=None).limit_right is None


def test_any_of_the_places_that_cannot_be_told_apart_is_right():
    both = case_of(BASELINE, "mtu=9000").limit
    assert outcome(expected=both, named=CPU_1).limit_right is True
    assert outcome(expected=both, named=CPU_0._replace(kind="sender")).limit_right is True
    assert outcome(expected=both, named=CPU_0).limit_right is False


def built() -> Validation:
    second = outcome(prediction=prediction("gro=on", 30.0), named=CPU_0)
    return Validation(BASELINE, "abc", BASELINE_LIMIT, CPU_1, (outcome(), second))


def test_noise_is_how_neighbouring_baseline_runs_differ():
    # 8 10 9 8 10 9: up 25 %, down 10 %, down 11.1 %, up 25 %, down 10 %
    usual, most = built().noise_percent
    assert (usual, most) == pytest.approx((100 / 9, 25))


def test_the_table_has_the_baseline_first_then_a_row_a_case():
    first, second, third = shown_table(built()).to_dicts()
    assert (first["case"], first["limit expected"], first["named"]) == (BASELINE, "CPU 1", "right")
    assert second == {
        "case": "mtu=9000",
        "baseline": "10.0",
        "measured (spread)": "20.0 (20.0-24.0)",
        "no change": "-50 %",
        "samples removed": "-",
        "Amdahl": "+25 %",
        "ours": "+0 %",
        "limit expected": "CPU 1",
        "named": "right",
    }
    assert (third["ours"], third["named"]) == ("+50 %", "WRONG: CPU 0")


def test_the_summary_says_errors_noise_limits_and_hash():
    errors, noise, limits, hashed = summary(built())
    assert errors == "median error: no change 50 %, Amdahl 25 %, ours 25 %"
    assert "11 % (median), 25 % at most" in noise
    assert "1 of 2" in limits
    assert hashed.endswith("sha256 abc")


def test_what_the_baselines_audit_doubts_is_said():
    doubtful = built()._replace(doubts=("the baseline's CPU 1 other processes: 24.1%",))
    assert "doubt: the baseline's CPU 1 other processes: 24.1%" in summary(doubtful)
    assert validation_document(doubtful)["doubts"] == list(doubtful.doubts)


def test_the_document_is_json_with_every_run():
    document = json.loads(json.dumps(validation_document(built()), allow_nan=False))
    assert document["cases"][0]["patched_runs_gbps"] == [16.0, 24.0, 18.0]
    assert document["cases"][0]["error_percent"]["samples_removed_gbps"] is None
    assert [case["limit_right"] for case in document["cases"]] == [True, False]
    assert document["median_error_percent"]["predicted_gbps"] == pytest.approx(25)


def test_every_case_can_be_applied_to_the_baseline():
    assert [patched(scenario_named(BASELINE), case.patch).name for case in CASES]
    assert len({case.patch for case in CASES}) == len(CASES) == 6


def test_limits_are_known_for_the_baselines_cases_only():
    assert case_of(BASELINE, "rcvbuf=65536").limit.places[0][0] == "receive window"
    assert case_of("gro", "rcvbuf=65536").limit is None
    assert case_of(BASELINE, "mtu=2000").limit is None


class Bench:
    """Instruments that note the order in which they are used."""

    def __init__(self, directory):
        self.directory, self.used = directory, []
        self.tools = Instruments(lambda scenarios: None, self.record, self.foretell, self.measure, self.name_limit)

    def record(self, scenario, place):
        self.used.append(f"record {scenario.name}")
        place.mkdir(parents=True)

    def foretell(self, place, patches):
        assert place == self.directory / "baseline"
        self.used.append("foretell")
        return Foretold(10.0, [prediction(patch) for patch in patches])

    def measure(self, scenario, seconds):
        written = (self.directory / "predictions.json").read_bytes()
        assert (self.directory / "predictions.sha256").read_text().split()[0] == hashlib.sha256(written).hexdigest()
        self.used.append(f"measure {scenario.name}")
        return 9.0 if scenario.name == BASELINE else 18.0

    def name_limit(self, place):
        assert place.is_dir()
        return CPU_1


TWO = ValidationOptions(patches=("mtu=9000", "gro=on"), repeats=2)


def test_predictions_and_their_hash_are_on_disk_before_anything_is_measured(tmp_path):
    bench = Bench(tmp_path)
    validation = validate(tmp_path, TWO, bench.tools)
    assert bench.used[:2] == [f"record {BASELINE}", "foretell"]
    assert bench.used[2:6] == [f"measure {BASELINE}", f"measure {BASELINE}+mtu=9000"] * 2
    assert bench.used[-2:] == [f"record {BASELINE}+mtu=9000", f"record {BASELINE}+gro=on"]
    assert validation.cases[0].measured_gbps == pytest.approx(20)
    checked = subprocess.run(["sha256sum", "-c", "predictions.sha256"], cwd=tmp_path, capture_output=True, check=False)
    assert checked.returncode == 0
    written = json.loads((tmp_path / "validation.json").read_text())
    assert written["predictions_sha256"] == validation.predictions_sha256
    assert [case["patch"] for case in written["cases"]] == ["mtu=9000", "gro=on"]
    assert [each["mtu"] for each in written["configurations"]] == [1500, 9000, 1500]


def test_a_failed_measurement_leaves_the_predictions(tmp_path):
    bench = Bench(tmp_path)

    def fail(scenario, seconds):
        raise HostError("iperf3 is gone")

    with pytest.raises(HostError, match="iperf3 is gone"):
        validate(tmp_path, TWO, bench.tools._replace(measure=fail))
    assert (tmp_path / "predictions.sha256").exists()
    assert not (tmp_path / "validation.json").exists()


def test_predictions_of_other_patches_are_refused(tmp_path):
    tools = Bench(tmp_path).tools._replace(foretell=lambda place, patches: Foretold(10.0, [prediction("rps=off")]))
    with pytest.raises(HostError, match="not those that were asked for"):
        validate(tmp_path, TWO, tools)


def test_a_directory_with_something_in_it_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "precious").touch()
    bench = Bench(tmp_path)
    with pytest.raises(HostError, match="is not empty"):
        validate(tmp_path, TWO, bench.tools)
    assert bench.used == []


def test_a_patch_that_cannot_be_applied_leaves_no_directory(tmp_path):
    options = ValidationOptions(patches=("sse-copy",))
    with pytest.raises(HostError, match="cannot apply"):
        validate(tmp_path / "new", options, Bench(tmp_path / "new").tools)
    assert not (tmp_path / "new").exists()


def test_what_a_machine_lacks_is_said_before_a_directory_is_made(tmp_path):
    def refuse(scenarios):
        raise HostError("the lab builds network namespaces: run it as root")

    with pytest.raises(HostError, match="as root"):
        validate(tmp_path / "new", TWO, Bench(tmp_path).tools._replace(require=refuse))
    assert not (tmp_path / "new").exists()


def test_an_absent_cpu_is_one_line(monkeypatch):
    monkeypatch.setattr("zcanalysis.lab.validation.require_lab_tools", lambda: None)
    monkeypatch.setattr("zcanalysis.lab.validation.why_perf_cannot_run", lambda: None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    with pytest.raises(HostError, match=r"needs CPU 1; we may use \[0\]"):
        require_all([scenario_named(BASELINE)])


def test_an_absent_perf_is_one_line(monkeypatch):
    monkeypatch.setattr("zcanalysis.lab.validation.require_lab_tools", lambda: None)
    monkeypatch.setattr("zcanalysis.lab.validation.why_perf_cannot_run", lambda: "perf is not installed")
    with pytest.raises(HostError, match="named from CPU samples: perf is not installed"):
        require_all([scenario_named(BASELINE)])


@pytest.mark.parametrize("wrong", [{"patches": ()}, {"patches": ("a", "a")}, {"repeats": 0}, {"seconds": 0.1}])
def test_options_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        ValidationOptions(**wrong)


def test_a_case_is_recorded_without_a_capture():
    assert {phase.name for phase in recording_plan(6)} == {"counters", "sampling"}


VALIDATE = ("validate", "--patch", "competing-load=1", "--seconds", "1", "--repeats", "1", "-o")
PROBE_EFFECTS = ("probe-effects", "--scenario", "cpu-hog", "--rounds", "2", "-o")


@pytest.mark.root
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
@pytest.mark.parametrize(
    ("command", "after_s"),
    [(VALIDATE, 1.0), (VALIDATE, 5.0), (VALIDATE, 16.0), (PROBE_EFFECTS, 0.5), (PROBE_EFFECTS, 8.0)],
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


def test_without_root_it_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("zcanalysis.lab.namespaces.os.geteuid", lambda: 65534)
    monkeypatch.setattr(sys, "argv", ["zcanalysis", "lab", "validate", "-o", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("zcanalysis: the lab builds network namespaces: run it as root")
    assert said.count("\n") == 1

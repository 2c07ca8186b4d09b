"""A case begins anew where the CPUs lie elsewhere than its recording was made; what was foretold before stays."""

import json

import pytest

from tests.lab.test_outcome import foretold
from tests.lab.test_pairs import placed, window
from tests.lab.test_validation import checked, document_of, done_case, options
from zcanalysis import validating
from zcanalysis.errors import HostError
from zcanalysis.lab.draw import cases_of
from zcanalysis.lab.one_case import Announced, Instruments, Prediction, Recording, Recordings, Superseded
from zcanalysis.lab.outcome import CaseOutcome
from zcanalysis.lab.pairs import Measured, PairOptions, measure
from zcanalysis.lab.validation import validate
from zcanalysis.lab.validation_text import summary

ONE = cases_of("mtu-1500", ["mtu=9000"])
THREE = cases_of("mtu-1500", ["mtu=9000", "gro=on", "rps=off"])
HERE_NS, AFAR_NS = 260, 470


class Wanderer:
    """A machine whose CPUs are moved: where they are at each recording, and at each pair of runs."""

    def __init__(self, directory, recorded_ns, pairs_ns):
        self.directory, self.recorded_ns, self.pairs_ns = directory, list(recorded_ns), iter(pairs_ns)
        self.used: list[str] = []
        self.tools = Instruments(lambda scenarios: None, self.record, self.foretell, self.measure)

    def record(self, scenario, place):
        self.used.append(f"record {place.name}")
        place.mkdir(parents=True)
        return self.recorded_ns.pop(0)

    def foretell(self, place, patches):
        self.used.append(f"foretell from {place.name}")
        return foretold(10.0 + len(self.used))

    def measure(self, baseline, changed, recorded_ns, is_over):
        def run():  # the clock of the place ticks once a pair
            self.turn += 1
            self.now_ns = next(self.pairs_ns) if self.turn % 2 else self.now_ns
            return window(distances_ns=(self.now_ns, self.now_ns))

        self.turn, self.now_ns = 0, 0
        measured = measure((run, run), PairOptions(), recorded_ns, is_over)
        self.used.append(f"measure {len(measured.pairs)}")
        return measured

    def predictions(self):
        files = sorted((self.directory / "predictions").iterdir())
        return [json.loads(file.read_text()) for file in files]


def test_two_pairs_elsewhere_begin_the_case_anew_from_a_recording_made_there(tmp_path):
    bench = Wanderer(tmp_path, [HERE_NS, AFAR_NS], [AFAR_NS] * 9)
    validation = validate(tmp_path, options(ONE), bench.tools)
    assert bench.used == [
        "record mtu-1500", "foretell from mtu-1500", "measure 2",
        "record mtu-1500-2", "foretell from mtu-1500-2", "measure 4",
    ]  # fmt: skip
    (done,) = validation.done
    assert len(done.outcome.measured.clean) == len(done.outcome.measured.pairs) == 4
    assert done.announced.recording.name == "recordings/mtu-1500-2"
    assert done.outcome.foretold == done.announced.prediction.foretold
    assert done.outcome.foretold != done.superseded[0].announced.prediction.foretold


def test_what_was_superseded_stays_on_disk_in_the_chain_and_in_the_document(tmp_path):
    bench = Wanderer(tmp_path, [HERE_NS, AFAR_NS], [AFAR_NS] * 9)
    validate(tmp_path, options(ONE), bench.tools)
    assert checked(tmp_path) == 0
    first, second = bench.predictions()
    hashes = [line.split()[0] for line in (tmp_path / "predictions.sha256").read_text().splitlines()]
    assert (first["supersedes"], second["supersedes"]) == (None, hashes[0])
    assert (first["recording"], second["recording"]) == ("recordings/mtu-1500", "recordings/mtu-1500-2")
    assert (first["recorded_ns"], second["recorded_ns"]) == (HERE_NS, AFAR_NS)
    (case,) = validating.finished(tmp_path)["cases"]
    (given_up,) = case["superseded"]
    assert [*given_up["prediction_sha256"], case["row"]["prediction_sha256"]] == hashes
    assert given_up["why"] == "a CPU was moved: 260 ns to the other in the recording, 470 ns in the pairs after it"
    assert (len(given_up["pairs"]), case["row"]["pairs"], case["row"]["clean"]) == (2, 4, 4)


def test_it_begins_anew_at_most_twice_and_then_measures_to_the_end(tmp_path):
    afar_again = [AFAR_NS, AFAR_NS, HERE_NS, HERE_NS, *[AFAR_NS] * 15]
    bench = Wanderer(tmp_path, [HERE_NS, AFAR_NS, 140], afar_again)
    (done,) = validate(tmp_path, options(ONE), bench.tools).done
    assert bench.used == [
        "record mtu-1500", "foretell from mtu-1500", "measure 2",
        "record mtu-1500-2", "foretell from mtu-1500-2", "measure 2",
        "foretell from mtu-1500", "measure 15",
    ]  # fmt: skip
    assert len(done.superseded) == 2
    assert done.outcome.measured.used == done.outcome.measured.pairs  # none is clean, so that all count


def test_later_cases_use_the_newest_recording_that_fits_the_place(tmp_path):
    first, second, third = [AFAR_NS] * 6, [AFAR_NS] * 4, [HERE_NS] * 6
    bench = Wanderer(tmp_path, [HERE_NS, AFAR_NS], [*first, *second, *third])
    validation = validate(tmp_path, options(THREE), bench.tools)
    assert [used for used in bench.used if used.startswith("record")] == ["record mtu-1500", "record mtu-1500-2"]
    assert [done.announced.recording.name for done in validation.done] == [
        "recordings/mtu-1500-2", "recordings/mtu-1500-2", "recordings/mtu-1500",
    ]  # fmt: skip
    assert [len(done.superseded) for done in validation.done] == [1, 0, 1]


def test_pairs_that_lie_now_here_now_there_do_not_begin_a_case_anew(tmp_path):
    bench = Wanderer(tmp_path, [HERE_NS], [AFAR_NS, HERE_NS] * 8)
    (done,) = validate(tmp_path, options(ONE), bench.tools).done
    assert bench.used[-1] == "measure 8"  # every other one is clean
    assert done.superseded == ()


@pytest.mark.parametrize("recorded_ns", [HERE_NS, None])
def test_where_the_place_is_the_same_or_unknown_there_is_one_prediction(tmp_path, recorded_ns):
    bench = Wanderer(tmp_path, [recorded_ns], [HERE_NS if recorded_ns else AFAR_NS] * 9)
    (done,) = validate(tmp_path, options(ONE), bench.tools).done
    assert done.superseded == ()
    assert len(bench.predictions()) == 1


def test_a_recording_that_failed_leaves_its_name_taken_and_no_other_case_without_one(tmp_path):
    bench = Wanderer(tmp_path, [HERE_NS], [HERE_NS] * 9)

    def fail_once(scenario, place):
        if place.name == "mtu-1500":
            place.mkdir(parents=True)
            raise HostError("perf is gone")
        return bench.record(scenario, place)

    validation = validate(tmp_path, options(THREE[:2]), bench.tools._replace(record=fail_once))
    assert [failure.why for failure in validation.failures] == ["perf is gone"]
    assert [done.announced.recording.name for done in validation.done] == ["recordings/mtu-1500-2"]


def test_a_recording_fits_where_the_cpus_are_as_far_apart(tmp_path):
    given_ns = [HERE_NS, None, AFAR_NS]
    recordings = Recordings(tmp_path, lambda scenario, place: place.mkdir(parents=True) or given_ns.pop(0))
    baseline = ONE[0].configuration
    assert recordings.fitting(baseline, None) is None
    here, unknown, afar = (recordings.anew(baseline) for _ in range(3))
    assert recordings.fitting(baseline, None) == afar
    assert recordings.fitting(baseline, 280) == here
    assert recordings.fitting(baseline, 130) is None
    assert unknown.recorded_ns is None


def test_the_summary_says_what_was_superseded():
    measured = Measured((placed(AFAR_NS, AFAR_NS),) * 2, 4)
    before = Superseded(
        Announced(Recording(None, "recordings/x", HERE_NS), Prediction(foretold(), "e" * 64)), measured, "moved"
    )
    outcome = CaseOutcome(ONE[0], foretold(), Measured((placed(HERE_NS, HERE_NS),) * 4, 4))
    lines = summary(document_of(done_case(outcome, (before,))))
    assert any(line.startswith("superseded: 1 predictions") and "the 2 pairs" in line for line in lines)
    assert not any(line.startswith("superseded") for line in summary(document_of(done_case(outcome))))


def test_the_row_and_the_summary_say_which_pairs_count():
    disturbed = placed(HERE_NS, HERE_NS)._replace(patched=window(distances_ns=(HERE_NS,), dropped=9))
    outcome = CaseOutcome(ONE[0], foretold(), Measured(((disturbed,) * 4) + (placed(AFAR_NS, AFAR_NS),), 4))
    document = document_of(done_case(outcome))
    assert document["cases"][0]["row"]["used"] == "pairs in place"
    said = "1 cases had too few clean ones, so that all count, but for moved ones in 1 of these"
    assert any(line.endswith(said) for line in summary(document))

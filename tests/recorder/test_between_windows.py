"""What is read beside a window: counters of the driver, and how far two CPUs are apart."""

import pytest

from zcanalysis.recorder import between_windows
from zcanalysis.recorder.between_windows import read_distance, read_driver
from zcanalysis.recorder.clocks import EpochClock
from zcanalysis.recorder.plan import RecordOptions, Turn
from zcanalysis.recorder.run_state import Run
from zcanalysis.recorder.sampling import Sampler, counters_table

TURN = Turn("counters", 1)


class Distance:
    """Answers that two CPUs are so many ns apart, and keeps which."""

    def __init__(self, found_ns):
        self.found_ns, self.asked = found_ns, []

    def round_trip_ns(self, *cpus):
        self.asked.append(cpus)
        return self.found_ns


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Process 10 reads on CPU 3, 20 and 21 send from CPU 1; 30 is gone."""
    monkeypatch.setattr(between_windows, "last_cpu", {10: 3, 20: 1, 21: 1, 11: 2}.get)
    clock = EpochClock()
    options = RecordOptions(sender_pids=(20, 21, 30))
    return Run(tmp_path, options, clock, {"device": "eth0"}, Sampler(clock, []), readers={10}, distance=Distance(260))


def rows(run):
    table = counters_table(run.sampler.readings)
    return table.select("phase", "repeat", "source", "instance", "counter", "value").rows()


def test_the_distance_of_two_cpus_is_a_counter_of_both(run):
    read_distance(run, TURN)
    assert run.distance.asked == [(1, 3)]
    assert rows(run) == [("counters", 1, "distance", "cpu1-cpu3", "round_trip_ns", 260)]


def test_two_readers_on_two_cpus_have_no_one_distance(run):
    run.readers = {10, 11}
    read_distance(run, TURN)
    assert run.distance.asked == []
    assert rows(run) == []


def test_a_sender_on_the_readers_cpu_has_no_distance(run):
    run.options = RecordOptions(sender_pids=(10,))
    read_distance(run, TURN)
    assert run.distance.asked == []


@pytest.mark.parametrize("distance", [None, Distance(None)])
def test_a_distance_that_cannot_be_had_is_left_out(run, distance):
    run.distance = distance
    read_distance(run, TURN)
    assert rows(run) == []


def test_counters_of_the_driver_bear_the_name_of_the_device(run, monkeypatch):
    asked = []
    monkeypatch.setattr(between_windows, "tool_output", lambda *words: asked.append(words) or "NIC:\n  rx_drops: 5\n")
    read_driver(run, TURN)
    assert asked == [("ethtool", "-S", "eth0")]
    assert rows(run) == [("counters", 1, "ethtool", "eth0", "rx_drops", 5)]


def test_a_driver_without_counters_gives_none(run, monkeypatch):
    monkeypatch.setattr(between_windows, "tool_output", lambda *_: "")
    read_driver(run, TURN)
    assert run.sampler.readings == []

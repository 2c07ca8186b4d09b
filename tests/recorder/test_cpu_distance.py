import os
import subprocess
import sys
from pathlib import Path

import pytest

from zcanalysis.recorder import cpu_distance
from zcanalysis.recorder.cpu_distance import CpuDistance

NEEDS_TWO = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@NEEDS_TWO
def test_a_cache_line_takes_tens_of_nanoseconds_to_the_other_cpu_and_back():
    first, second = sorted(os.sched_getaffinity(0))[:2]
    with CpuDistance() as distance:
        found = [distance.round_trip_ns(first, second) for _ in range(3)]
    assert all(trip is not None and 20 < trip < 100_000 for trip in found)


@NEEDS_TWO
def test_a_cpu_that_is_not_there_has_no_distance_and_the_next_question_is_answered():
    first, second = sorted(os.sched_getaffinity(0))[:2]
    with CpuDistance() as distance:
        assert distance.round_trip_ns(first, 4095) is None
        assert distance.round_trip_ns(first, second) is not None
        assert children(distance.process.pid) == []


def test_nothing_is_left_of_it():
    with CpuDistance() as distance:
        pid = distance.process.pid
        assert Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()


def test_a_process_that_is_gone_answers_nothing():
    with CpuDistance() as distance:
        distance.process.kill()
        distance.process.wait()
        assert distance.round_trip_ns(0, 1) is None


@pytest.mark.parametrize("line", ["", "0", "zero one", "0 1 2", "0 -1"])
def test_the_program_answers_nonsense_with_zero(line):
    arguments = [sys.executable, "-I", "-S", cpu_distance.__file__]
    done = subprocess.run(arguments, input=f"{line}\n", capture_output=True, text=True, timeout=20, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")

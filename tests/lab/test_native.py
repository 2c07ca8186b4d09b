"""Machine code that calls the C library: it does what its Python twin does, is kept, and lets other threads run."""

import os
import subprocess
import sys
import threading
import time

import numpy as np

from zcanalysis.lab.native import clock_costs, copy_memory, native, now_ns


def test_the_clock_is_the_one_that_python_reads():
    scratch = np.zeros(2, np.int64)
    now_ns(scratch)
    before_ns = time.monotonic_ns()
    assert before_ns <= now_ns(scratch) <= time.monotonic_ns()


def test_two_readings_of_the_clock_are_never_the_wrong_way_round():
    costs_ns = np.full(1000, -1)
    clock_costs(costs_ns)
    assert costs_ns.min() >= 0


def test_a_copy_in_machine_code_is_made():
    @native
    def copied(to, start, count):
        copy_memory(to, start, count)

    source, target = np.arange(100), np.zeros(100, np.int64)
    copied(target.ctypes.data, source.ctypes.data, 8 * 60)
    assert target.tolist() == [*range(60), *[0] * 40]


def test_other_threads_run_beside_a_loop():
    @native
    def wait(flag, until_ns):
        scratch = np.zeros(2, np.int64)
        while flag[0] == 0 and now_ns(scratch) < until_ns:
            pass

    flag = np.zeros(1, np.int64)
    wait(flag, 0)
    waiter = threading.Thread(target=wait, args=(flag, time.monotonic_ns() + 20_000_000_000))
    began = time.monotonic()
    waiter.start()
    flag[0] = 1
    waiter.join()
    assert time.monotonic() - began < 10


def test_machine_code_that_calls_the_c_library_is_kept(tmp_path):
    code = "import numpy as np; from zcanalysis.lab.native import now_ns; now_ns(np.zeros(2, np.int64))\n"
    code += "print(sum(now_ns.stats.cache_hits.values()), sum(now_ns.stats.cache_misses.values()))"
    told = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    said = [
        subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert said == ["0 1\n", "1 0\n"]

"""Loops are compiled late, broadcast, and run where nothing can be kept."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from zcanalysis import model
from zcanalysis.model.compiling import over_scenarios

DOUBLED = """
def doubled(values, found):
    for i in range(values.size):
        found[i] = 2 * values[i]
"""


def test_a_loop_without_a_file_is_compiled_for_this_process_only():
    names = {}
    exec(compile(DOUBLED, "<nowhere>", "exec"), names)
    doubled = over_scenarios("(n)->(n)", "void(int64[:], int64[:])")(names["doubled"])
    assert doubled(np.array([[1, 2], [3, 4]])).tolist() == [[2, 4], [6, 8]]


def test_naming_the_stages_does_not_load_the_compiler():
    # whole receivers are all loop: whoever names one replays it
    rest = ("__init__", "linux24", "linux24_rules", "tcp_receiver", "tcp_receiver_rules")
    stages = sorted(path.stem for path in Path(model.__file__).parent.glob("*.py") if path.stem not in rest)
    assert len(stages) > 10
    imports = ", ".join(f"zcanalysis.model.{stage}" for stage in stages)
    program = f"import sys, {imports}; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

"""Loops are compiled late, broadcast, and run where nothing can be kept."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zcanalysis import model
from zcanalysis.machine_code import _imported, sources_digest
from zcanalysis.model.compiling import compiled, inlined, over_scenarios

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


SUMMED = """
def summed(values):
    total = 0
    for value in values:
        total += value
    return total
"""


@pytest.mark.parametrize("decorate", [compiled, inlined])
def test_a_function_without_a_file_is_compiled_for_this_process_only(decorate):
    names = {}
    exec(compile(SUMMED, "<nowhere>", "exec"), names)
    assert decorate(names["summed"])(np.arange(4)) == 6


def test_compiled_functions_leave_the_counts_of_their_arrays_alone():
    values = np.arange(4)
    before = sys.getrefcount(values)
    total = inlined(counted)
    assert [total(values) for _ in range(100)] == [6] * 100
    assert sys.getrefcount(values) == before


def test_machine_code_is_kept_until_any_module_it_came_from_changes(tmp_path, monkeypatch):
    room = tmp_path / "zcanalysis" / "model"
    room.mkdir(parents=True)
    texts = {"rules": "from zcanalysis.model.work import begin", "work": "from zcanalysis.model import prices"}
    for name, text in {**texts, "prices": "", "elsewhere": ""}.items():
        (room / f"{name}.py").write_text(text)
    monkeypatch.setattr("zcanalysis.machine_code.PACKAGE", tmp_path / "zcanalysis")

    def digest():
        sources_digest.cache_clear()
        _imported.cache_clear()
        return sources_digest(room / "rules.py")

    before = digest()
    (room / "elsewhere.py").write_text("x = 1")
    assert digest() == before
    (room / "prices.py").write_text("x = 1")
    assert digest() != before


def counted(values):
    return values.sum()


def test_naming_the_stages_does_not_load_the_compiler():
    # a replay is all loop: whoever names it replays it
    replays = ("linux24", "linux6", "message", "open_loop", "tcp_receiver", "udp")
    modules = sorted(path.stem for path in Path(model.__file__).parent.glob("*.py"))
    stages = [name for name in modules if name != "__init__" and not name.startswith(replays)]
    assert len(stages) > 10
    imports = ", ".join(f"zcanalysis.model.{stage}" for stage in stages)
    program = f"import sys, {imports}; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

"""Settings are put back in reverse, whatever ends their keeper; ordinary files stand for those of /sys."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from zcanalysis.lab.remote.keeper import FileChange, make_all, undo_all
from zcanalysis.own_code import our_environment


@pytest.fixture
def files(tmp_path):
    made = [tmp_path / name for name in ("mtu", "rps")]
    for file in made:
        file.write_text("before\n")
    return made


def keeper(files: list[Path], *, seconds: float = 60, folder: bool = False) -> "subprocess.Popen[str]":
    child = subprocess.Popen(
        [sys.executable, "-m", "zcanalysis.lab.remote.keeper"], text=True, env=our_environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    changes = [{"path": str(file), "value": "after"} for file in files]
    child.stdin.write(json.dumps({"changes": changes, "seconds": seconds, "folder": folder}) + "\n")
    child.stdin.flush()
    return child


def texts(files: list[Path]) -> list[str]:
    return [file.read_text().strip() for file in files]


def test_the_end_of_the_input_puts_everything_back(files):
    with keeper(files, folder=True) as child:
        told = json.loads(child.stdout.readline())
        assert texts(files) == ["after", "after"]
        assert set(told["before"].values()) == {"before"}
        assert Path(told["folder"]).is_dir()
        child.communicate(timeout=30)
    assert child.returncode == 0
    assert texts(files) == ["before", "before"]
    assert not Path(told["folder"]).exists()


@pytest.mark.parametrize("end", ["terminate", "interrupt", "hang up"])
def test_a_signal_puts_everything_back(files, end):
    with keeper(files) as child:
        child.stdout.readline()
        child.send_signal({"terminate": 15, "interrupt": 2, "hang up": 1}[end])
        assert child.wait(30) == 0
    assert texts(files) == ["before", "before"]


def test_a_keeper_that_nobody_ends_puts_everything_back_by_itself(files):
    with keeper(files, seconds=0.3) as child:
        child.stdout.readline()
        assert child.wait(30) == 0
    assert texts(files) == ["before", "before"]


def test_nothing_is_changed_where_one_setting_is_absent(files):
    with keeper([*files, files[0].parent / "absent"]) as child:
        _, said = child.communicate(timeout=30)
    assert (child.returncode, said.count("\n")) == (2, 1)
    assert "absent: No such file" in said
    assert texts(files) == ["before", "before"]


class Noted:
    """A change that only says when it is made and undone."""

    def __init__(self, name, log, fails=()):
        self.name, self.log, self.fails = name, log, fails

    def look(self):
        self.act("look")

    def make(self):
        self.act("make")

    def undo(self):
        self.act("undo")

    def act(self, what):
        self.log.append(f"{what} {self.name}")
        if what in self.fails:
            raise OSError(f"{self.name} fails")


def test_the_last_change_is_put_back_first_also_where_one_fails():
    log, made = [], []
    changes = [Noted("a", log), Noted("b", log, ("undo",)), Noted("c", log, ("make",)), Noted("d", log)]
    with pytest.raises(OSError, match="c fails"):
        make_all(changes, made)
    assert undo_all(made) == ["b fails"]
    assert log[4:] == ["make a", "make b", "make c", "undo c", "undo b", "undo a"]


def test_what_is_there_already_is_not_written(files):
    files[0].chmod(0o644)
    stamp = files[0].stat().st_mtime_ns
    change = FileChange(str(files[0]), "before")
    change.look()
    change.make()
    change.undo()
    assert files[0].stat().st_mtime_ns == stamp

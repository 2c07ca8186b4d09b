"""`advise` as a stranger meets it: an answer, or one line that says what to do instead."""

import json
import os
import subprocess
import sys

import pytest

from tests.test_ledger import ADVICE, MET
from tests.test_report import folder  # noqa: F401 - a fixture
from zcanalysis.ledger import keep


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A state directory of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state/zcanalysis"


def advise(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zcanalysis", "advise", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_a_recording_is_advised_in_words_and_in_json(folder, state):  # noqa: F811
    told = advise(folder)
    assert (told.returncode, told.stderr) == (0, "")
    assert "CPU 1 is the limit (100.0% busy)" in told.stdout
    document = json.loads(advise(folder, "--json").stdout)
    assert (document["device"], document["id"], document["limit"]["where"]) == ("eth0", None, "CPU 1")
    assert len(document["changes"]) + len(document["left_out"]) >= 8
    assert not state.exists()  # what was recorded elsewhere is not kept here


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "advise needs one of: --live DEVICE, a RECORDING, --verify ID, --ledger"),
        (("--live", "lo", "--ledger"), "advise needs one of"),
        (("--live", "no-such-dev"), "no-such-dev: no such network device here; there are "),
        (("--live", ""), ": no such network device here"),
        (("--live", "\x1b[2J"), "no such network device here"),
        (("--verify", "../../etc/passwd"), "is no id of a change; they look like k7f2-1"),
        (("--verify", "zzzz-1"), "zzzz-1: no such advice in "),
        (("--ledger",), "nothing was advised on this machine yet; start with: zcanalysis advise --live DEVICE"),
        (("/no/such/recording",), "No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(words, said):
    done = advise(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert "\x1b" not in done.stderr


def test_the_ledger_lists_what_it_can_read_and_complains_of_the_rest(state):
    keep(ADVICE._replace(verifications=(MET,)))
    assert "1 of 1 verified changes were inside their predicted range" in advise("--ledger").stdout
    (state / "abcd.json").write_text('{"id": "abcd"}')
    done = advise("--ledger", "--json")
    assert done.returncode == 2
    assert [row["id"] for row in json.loads(done.stdout)["ledger"]] == ["k7f2-1", "k7f2-2"]
    assert done.stderr.count("\n") == 1
    assert "abcd.json: is no advice that was kept here" in done.stderr


def test_a_device_without_traffic_is_one_line():
    if not os.path.exists("/sys/class/net/lo"):  # noqa: PTH110
        pytest.skip("needs a loopback device")
    done = advise("--live", "lo")
    if done.returncode == 0:
        pytest.skip("something is using the loopback device")
    assert done.stderr.count("\n") == 1
    assert "lo: " in done.stderr

"""The ledger keeps what was predicted and measured, and believes nothing that it finds."""

import json
import re

import pytest

from zcanalysis import ledger
from zcanalysis.errors import HostError, TraceError
from zcanalysis.ledger import Change, KeptAdvice, Verification, all_kept, keep, kept_change, new_id, outcomes

CHANGES = (
    Change("k7f2-1", "gro=on", "ethtool -K eth0 gro on", "ethtool -K eth0 gro off", 14.0, 12.0, 16.0),
    Change("k7f2-2", "rps=1", "echo 2", "echo 0", 11.0, None, None),
)
ADVICE = KeptAdvice(
    "k7f2", "2026-11-20T10:00:00+00:00", "eth0", "6.18", 9.0, 8.5, 9.5, "receiver cpu", CHANGES
)  # fmt: skip
MET = Verification("k7f2-1", "2026-11-20T10:05:00+00:00", 15.0, 14.6, 15.4, True, True)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A state directory of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "zcanalysis"


def test_what_is_kept_is_found_again_by_the_id_of_a_change(place):
    assert keep(ADVICE) == place / "k7f2.json"
    assert [path.name for path in place.iterdir()] == ["k7f2.json"]
    assert kept_change("k7f2-2") == (ADVICE._replace(made="2026-11-20 10:00:00+00:00"), CHANGES[1])


def test_outcomes_list_predicted_against_measured_and_what_was_never_verified():
    keep(ADVICE._replace(verifications=(MET,)))
    advices, damaged = all_kept()
    rows = outcomes(advices).select("id", "before_gbps", "predicted_gbps", "measured_gbps", "inside").rows()
    assert rows == [("k7f2-1", 9.0, 14.0, 15.0, True), ("k7f2-2", 9.0, 11.0, None, None)]
    assert damaged == []


def test_an_id_that_is_unknown_malformed_or_without_number_is_one_line():
    keep(ADVICE)
    with pytest.raises(TraceError, match=r"^zzzz-1: no such advice in "):
        kept_change("zzzz-1")
    with pytest.raises(TraceError, match=r"that advice has k7f2-1 \(gro=on\), k7f2-2 \(rps=1\)"):
        kept_change("k7f2")
    for hostile in ("../../etc/passwd", "k7f2-1\x1b[2J", "", "x" * 10_000):
        with pytest.raises(TraceError, match="is no id of a change"):
            kept_change(hostile)


@pytest.mark.parametrize(
    "damage",
    [
        "", "[]", "{", "null", '{"schema": 1}', "\x00" * 100,
        {"id": "../x"}, {"goodput_gbps": "9"}, {"goodput_gbps": None}, {"goodput_gbps": 1e300}, {"changes": {}},
        {"changes": [{}]}, {"changes": [None]}, {"device": 7}, {"device": "x" * 100_000}, {"made": "yesterday"},
        {"verifications": [dict(MET._asdict(), inside="yes")]}, {"limit": ["a"]}, {"verifications": [1] * 5000},
        {"goodput_gbps": 10**400}, {"goodput_gbps": float("nan")}, {"goodput_gbps": float("inf")},
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_line_and_does_not_hide_the_others(place, damage):
    keep(ADVICE)
    other = place / "abcd.json"
    if isinstance(damage, dict):
        other.write_text(json.dumps(json.loads((place / "k7f2.json").read_text()) | {"id": "abcd"} | damage))
    else:
        other.write_text(damage)
    advices, complaints = all_kept()
    assert [advice.id for advice in advices] == ["k7f2"]
    assert len(complaints) == 1
    assert "abcd.json" in complaints[0]
    with pytest.raises(TraceError, match=r"abcd\.json"):
        kept_change("abcd-1")


def test_a_file_that_holds_the_id_of_another_is_refused(place):
    keep(ADVICE)
    (place / "abcd.json").write_text((place / "k7f2.json").read_text())
    advices, complaints = all_kept()
    assert [advice.id for advice in advices] == ["k7f2"]
    assert len(complaints) == 1
    assert "abcd.json: is no advice that was kept here: holds the id k7f2" in complaints[0]


def test_the_commands_of_many_queues_are_kept_and_read_again():
    long = " && ".join(f"echo 2 > /sys/class/net/eth0/queues/rx-{n}/rps_cpus" for n in range(256))
    change = CHANGES[0]._replace(command=long, undo=long)
    keep(ADVICE._replace(changes=(change,)))
    assert kept_change("k7f2-1")[1] == change


def test_without_a_home_directory_the_line_says_what_to_set(monkeypatch):
    monkeypatch.delenv("XDG_STATE_HOME")

    def homeless() -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(ledger.Path, "home", homeless)
    for use in (new_id, all_kept, lambda: keep(ADVICE), lambda: kept_change("k7f2-1")):
        with pytest.raises(HostError, match="set HOME or XDG_STATE_HOME"):
            use()


def test_a_directory_that_cannot_be_searched_is_one_line(monkeypatch):
    def refuse(file, **_):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(ledger.Path, "stat", refuse)
    monkeypatch.setattr(ledger.Path, "iterdir", refuse)
    for use in (new_id, all_kept, lambda: kept_change("k7f2-1")):
        with pytest.raises(HostError, match=r": kept advice cannot be read: Permission denied"):
            use()


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(HostError, match="the advice cannot be kept"):
        keep(ADVICE)


def test_an_interrupted_write_leaves_what_was_kept(place, monkeypatch):
    keep(ADVICE)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ledger.os, "fdopen", interrupt)
    with pytest.raises(KeyboardInterrupt):
        keep(ADVICE._replace(verifications=(MET,)))
    assert [path.name for path in place.iterdir()] == ["k7f2.json"]
    assert kept_change("k7f2-1")[0].verifications == ()


def test_a_new_id_is_short_and_free(monkeypatch):
    assert re.fullmatch("[2-9a-hjkmnp-tv-z]{4}", new_id())
    letters = iter("k7f2m3n4")
    monkeypatch.setattr(ledger.secrets, "choice", lambda _: next(letters))
    keep(ADVICE)
    assert new_id() == "m3n4"


def test_a_relative_state_directory_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert ledger.ledger_directory() == tmp_path / ".local/state/zcanalysis"

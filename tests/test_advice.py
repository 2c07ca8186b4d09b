"""Three changes that act on the limit, the most gain first; the others say why not; a later look is compared."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import zcanalysis as zc
from tests.test_limit import FULL, READER_AND_SOFTIRQ, SMALL, counters, evidence
from tests.test_report import folder  # noqa: F401 - a fixture
from zcanalysis import advice, advising, terminal
from zcanalysis import document as html
from zcanalysis.advice import candidates, document, is_in_place, numbered, to_keep, verified
from zcanalysis.advice_text import print_advice, print_outcomes, print_verification
from zcanalysis.answer import answered
from zcanalysis.errors import HostError, TraceError
from zcanalysis.io.host_facts import HostFacts, Ring
from zcanalysis.io.recording import Recording, read_recording
from zcanalysis.ledger import Change, kept_change, outcomes
from zcanalysis.limit import Limit

HOSTILE = "\x1b[2J[bold]rm -rf /"


def row(patch: str, gbps: float | None, **more):
    """A row as `what_if` gives it."""
    known = {} if gbps is None else {"low_gbps": gbps - 1, "high_gbps": gbps + 1}
    command = {"command": f"do {patch}", "undo": f"undo {patch}"}
    plain = dict.fromkeys(advice.ROW) | {"patch": patch, "applies": True, "why": "", "predicted_gbps": gbps}
    return plain | known | command | more


@pytest.fixture
def weighed(monkeypatch):
    """What the model says, given by the test."""
    rows: list[dict] = []
    monkeypatch.setattr(advice, "what_if", lambda *_: pl.DataFrame(rows, infer_schema_length=None))
    return rows


def test_the_three_best_are_advised_and_the_others_say_why_not(folder, weighed):  # noqa: F811
    weighed += [row("rps=0", 12.0), row("mtu=9000", 30.0), row("gro=on", 15.0), row("cpu=split", 11.0)]
    weighed += [row("hw-checksum=on", 10.0, applies=False, why="it is so already"), row("rcvbuf=33554432", 40.0)]
    weighed += [
        row("rfs=on", 10.05),
        row("busy-poll=50", None, why="nobody knows"),
        row("link-gbps=40", 20.0, command=None),
    ]
    found = numbered(zc.advise(read_recording(folder), live=True), "k7f2")
    assert (found.limit.where, round(found.goodput_gbps, 3)) == ("CPU 1", 10.0)
    assert [(one["id"], one["patch"]) for one in found.changes] == [
        ("k7f2-1", "mtu=9000"), ("k7f2-2", "gro=on"), ("k7f2-3", "rps=0"),
    ]  # fmt: skip
    assert len(found.left_out) == 6
    why = {one["patch"]: one["why"] for one in found.left_out}
    assert why["cpu=split"] == "three others give more"
    assert why["hw-checksum=on"] == "it is so already"
    assert why["rcvbuf=33554432"] == "does not act on the limit (CPU 1)"
    assert why["rfs=on"] == "is predicted to give nothing"
    assert why["busy-poll=50"] == "what it gives is not known; nobody knows"
    assert "link-gbps=40" in why


def test_of_one_kind_only_the_best_is_advised(folder, weighed):  # noqa: F811
    weighed += [row("rps=off", 12.0), row("rps=0", 13.0), row("gro=on", 11.0)]
    found = zc.advise(read_recording(folder))
    assert [one["patch"] for one in found.changes] == ["rps=0", "gro=on"]
    assert found.left_out[0]["why"] == "rps=0 gives as much or more"


def test_what_a_limit_is_named_after_is_advised_without_a_figure(capsys):
    rows = [row("rcvbuf=33554432", 10.0), row("gro=on", 20.0)]
    best, _ = ranked(Limit("receive window", "the receive buffer", "", ()), rows)
    assert [(one["patch"], one["predicted_gbps"], one["high_gbps"]) for one in best] == [
        ("rcvbuf=33554432", None, None)
    ]


def test_the_json_holds_the_promised_keys_and_nulls(folder, weighed):  # noqa: F811
    weighed += [row("gro=on", 15.0)]
    said = document(zc.advise(read_recording(folder)))
    assert {"recording", "device", "id", "goodput_gbps", "limit", "overhead_share", "changes"} <= set(said)
    assert (said["id"], said["overhead_share"], said["device"]) == (None, None, "eth0")
    assert set(said["changes"][0]) == {"id", "verify", *advice.ROW}
    assert set(said["limit"]) == {"kind", "where", "words", "evidence"}


def test_a_kept_change_says_how_it_is_verified_and_another_does_not(folder, weighed, monkeypatch, tmp_path):  # noqa: F811
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    weighed += [row("gro=on", 15.0)]
    found = zc.advise(read_recording(folder), live=True)
    kept = advising._kept(found)
    (change,) = document(kept)["changes"]
    assert change["verify"] == f"zcanalysis advise --verify {kept.id}-1"
    assert kept_change(f"{kept.id}-1")[1].patch == "gro=on"


@pytest.mark.parametrize("broken", ["new_id", "keep"])
def test_an_advice_that_cannot_be_kept_is_told_all_the_same(folder, weighed, monkeypatch, capsys, broken):  # noqa: F811
    weighed += [row("gro=on", 15.0)]

    def fail(*_):
        raise HostError("set HOME or XDG_STATE_HOME")

    monkeypatch.setattr(advising, broken, fail)
    found = advising._kept(zc.advise(read_recording(folder), live=True))
    said = document(found)
    assert (said["id"], said["recording"], said["device"]) == (None, None, "eth0")
    assert [(one["id"], one["verify"], one["patch"]) for one in said["changes"]] == [(None, None, "gro=on")]
    assert said["notes"] == ["not kept, cannot be verified later: set HOME or XDG_STATE_HOME"]
    print_advice(found)
    shown = capsys.readouterr().out
    assert "not kept, cannot be verified later" in shown
    assert "1  gro=on: 15.0 Gbit/s" in shown
    assert "--verify" not in shown


@pytest.mark.parametrize("rate", [0.031, 0.31])
def test_a_small_rate_is_not_shown_as_nothing(folder, weighed, capsys, rate):  # noqa: F811
    weighed += [row("gro=on", rate, low_gbps=rate * 0.9, high_gbps=rate * 1.1)]
    answer = replace(answered(read_recording(folder)), goodput_gbps=rate / 2)
    shown = {0.031: "31 Mbit/s (28-34)", 0.31: "0.31 Gbit/s (0.28-0.34)"}[rate]
    assert html._change_rows(advice.ranked_changes(answer)[0])[0].cells[1] == shown
    terminal._print_changes(answer)
    assert shown in capsys.readouterr().out


def ranked(limit: Limit, rows, goodput_gbps=10.0, folder=None):  # noqa: F811
    answer = answered(Recording(name="x", path=Path()))
    changed = {name: getattr(answer, name) for name in answer.__slots__}
    return advice._ranked(rows, type(answer)(**changed | {"held_back_by": limit, "goodput_gbps": goodput_gbps}))


@pytest.mark.parametrize(
    ("limit", "advised"),
    [
        (Limit("link", "the link", "", ()), ["mtu=9000"]),
        (Limit("reader", "the reading application", "", ()), []),
        (Limit("sender", "beyond this host", "", ()), []),
        (Limit("sender", "CPU 0", "", ()), ["mtu=9000", "gro=on"]),
        (Limit("receive window", "the receive buffer", "", ()), ["rcvbuf=33554432"]),
        (Limit("drops", "before the stack", "", ()), ["mtu=9000", "gro=on", "ring=4096"]),
    ],
)
def test_only_what_acts_on_the_limit_is_advised(limit, advised):
    rows = [row("gro=on", 15.0), row("mtu=9000", 30.0), row("rcvbuf=33554432", None), row("ring=4096", None)]
    best, rest = ranked(limit, rows)
    assert [one["patch"] for one in best] == advised
    assert len(best) + len(rest) == len(rows)


def crowded(folder, target_busy=0.0, cpus=2):  # noqa: F811
    """An answer in which process 77 takes half of CPU 1."""
    answer = answered(read_recording(folder))
    hog = answer.evidence.stages.filter(pl.col("cpu") == 1).head(100)
    hog = hog.with_columns(stage=pl.lit("foreign"), comm=pl.lit(HOSTILE), pid=pl.lit(77, pl.Int32))
    account = ((1, "foreign", 0.5), (1, "copy", 0.4), (1, "tcp_rx", 0.1))
    seen = evidence(counters((1 - target_busy, 0.0), FULL), account, hog)
    host = replace(seen.recording.host, cpus=cpus, device="eth0")
    seen = replace(seen, recording=replace(seen.recording, host=host))
    changed = {name: getattr(answer, name) for name in answer.__slots__}
    limited = Limit("receiver cpu", "CPU 1", "", ())
    return type(answer)(**changed | {"evidence": seen, "held_back_by": limited, "low_gbps": None, "high_gbps": None})


def moves(answer, *, live=False):
    return list(advice._competitor(answer, advice.signs(answer.evidence), live=live))


def bind(monkeypatch, *threads: set[int] | None):
    """Process 77 with these threads; None for one whose CPUs cannot be read."""

    def affinity(thread: int) -> set[int]:
        if thread == 0:  # our own, which the replay asks for
            return {0, 1}
        if (cpus := threads[thread - 77]) is None:
            raise PermissionError
        return cpus

    names = [Path(str(77 + number)) for number in range(len(threads))]
    monkeypatch.setattr(advice.Path, "iterdir", lambda _: iter(names))
    monkeypatch.setattr(advice.os, "sched_getaffinity", affinity)
    monkeypatch.setattr(advice, "_is_kernel_thread", lambda _: False)


@pytest.mark.parametrize(
    ("target_busy", "low", "predicted", "high"), [(0.0, 10, 20, 20), (0.75, 20 / 3, 40 / 3, 20), (1.0, 5, 10, 20)]
)
def test_a_competitor_gives_back_what_the_other_cpu_has_to_spare(folder, target_busy, low, predicted, high):  # noqa: F811
    (move,) = moves(crowded(folder, target_busy))
    said = [move[name] for name in ("low_gbps", "predicted_gbps", "high_gbps")]
    assert said == pytest.approx([low, predicted, high], rel=0.001)
    assert move["bound"] in ("exact", "upper (sender not recorded)")


def test_a_competitor_of_a_recording_is_named_without_a_command(folder, weighed, capsys):  # noqa: F811
    weighed += [row("gro=on", 15.0)]
    answer = crowded(folder)
    best, _ = advice.ranked_changes(answer)
    assert [(one["patch"], one["command"], one["undo"]) for one in best] == [
        ("move:77=0", None, None), ("gro=on", "do gro=on", "undo gro=on"),
    ]  # fmt: skip
    assert best[0]["why"].endswith("to move it, on the live host: zcanalysis advise --live eth0")
    print_advice(
        replace(zc.advise(read_recording(folder)), changes=tuple({"id": None, "verify": None} | b for b in best))
    )
    assert capsys.readouterr().out.count(" undo  ") == 1


def test_a_live_competitor_is_moved_back_to_where_it_was_allowed(folder, monkeypatch):  # noqa: F811
    bind(monkeypatch, {0, 1}, {0, 1})
    (move,) = moves(crowded(folder), live=True)
    assert (move["command"], move["undo"]) == ("taskset -acp 0 77", "taskset -acp 0,1 77")


@pytest.mark.parametrize(
    ("threads", "why"), [(({0}, {1}), "pinned each to other CPUs"), (({0}, None), "cannot be read"), ((), "be read")]
)
def test_a_move_that_could_not_be_undone_is_left_out(folder, weighed, monkeypatch, threads, why):  # noqa: F811
    weighed += [row("gro=on", 15.0)]
    bind(monkeypatch, *threads)
    best, rest = advice.ranked_changes(crowded(folder), live=True)
    assert [one["patch"] for one in best] == ["gro=on"]
    assert (rest[0]["patch"], rest[0]["command"], rest[0]["undo"]) == ("move:77=0", None, None)
    assert why in rest[0]["why"]


def test_a_cpu_that_the_host_does_not_have_is_no_place_to_move_work_to(folder):  # noqa: F811
    answer = crowded(folder)
    rows = answer.evidence.recording.counters
    made_up = rows.with_columns(pl.col("instance").replace({"cpu0": "cpu70000"}))
    seen = replace(answer.evidence, recording=replace(answer.evidence.recording, counters=made_up))
    for cpus in (2, None):
        texts = [str(patch) for patch in candidates(HostFacts(cpus=cpus), advice.signs(seen))]
        assert not [text for text in texts if "70000" in text]
        host = replace(seen.recording.host, cpus=cpus)
        changed = {name: getattr(answer, name) for name in answer.__slots__}
        told = type(answer)(**changed | {"evidence": replace(seen, recording=replace(seen.recording, host=host))})
        assert not [move for move in moves(told) if "70000" in move["patch"]]


def test_candidates_fit_the_host():
    texts = [str(patch) for patch in candidates(HostFacts(mtu=1500, ring=Ring(512, 4096)), None)]
    assert {"mtu=9000", "gro=on", "ring=4096", "rcvbuf=33554432"} <= set(texts)
    seen = advice.signs(evidence(counters((0.9, 0.1), SMALL), READER_AND_SOFTIRQ))
    large = HostFacts(mtu=9000, sysctls={"net.ipv4.tcp_rmem": "4096 131072 67108864"})
    texts = [str(patch) for patch in candidates(large, seen)]
    assert "rps=0" in texts
    assert not {"mtu=9000", "rcvbuf=33554432"} & set(texts)


def test_a_recording_without_undisturbed_counters_gives_no_advice(folder):  # noqa: F811
    (folder / "counters.parquet").unlink()
    with pytest.raises(TraceError, match="without a goodput there is no advice"):
        zc.advise(read_recording(folder))


GRO = Change("k7f2-1", "gro=on", "ethtool -K eth0 gro on", "ethtool -K eth0 gro off", 11.0, 9.0, 13.0)


@pytest.mark.parametrize(
    ("features", "low_gbps", "there", "inside"),
    [
        ({"generic-receive-offload": True}, 9.0, True, True),
        ({"generic-receive-offload": True}, 10.5, True, False),
        ({"generic-receive-offload": False}, 9.0, False, None),
        ({}, 9.0, None, True),
        ({"generic-receive-offload": True}, None, True, None),
    ],
)
def test_what_is_measured_after_a_change_lies_inside_its_range_or_not(features, low_gbps, there, inside):
    host = HostFacts(device="eth0", mtu=1500, features=features)
    recording = Recording(name="x", path=Path(), host=host, counters=counters())
    done = verified(GRO._replace(low_gbps=low_gbps), recording)
    assert (done.in_place, done.inside) == (there, inside)
    assert done.goodput_gbps == pytest.approx(9.6)


def test_whether_a_process_was_moved_is_asked_of_the_kernel(monkeypatch):
    bind(monkeypatch, {0}, {0})
    assert is_in_place("move:77=0", HostFacts()) is True
    assert is_in_place("move:77=1", HostFacts()) is False
    bind(monkeypatch, {0}, {0, 1})
    assert is_in_place("move:77=0", HostFacts()) is False
    bind(monkeypatch, None)
    assert is_in_place("move:77=0", HostFacts()) is None
    assert is_in_place("move:x=0", HostFacts()) is None


def test_an_advice_is_one_screen_and_hostile_text_stays_text(folder, weighed, capsys):  # noqa: F811
    weighed += [row(f"{name}={HOSTILE}", 20.0, why=HOSTILE * 3, command=HOSTILE * 9) for name in ("mtu", "gro", "rps")]
    print_advice(numbered(zc.advise(read_recording(folder), live=True, notes=(HOSTILE,)), "k7f2"))
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert said.count("[bold]rm") > 9
    assert said.splitlines()[-1] == "then: zcanalysis advise --verify k7f2-1"
    assert len(said.splitlines()) <= 26  # 24 and one more line each where the folder's made-up text is long


@pytest.mark.parametrize(
    ("tiers", "heading", "marks"),
    [
        (("recording", "recording"), "by replay of this host, 90 % intervals", 0),
        (("recording", "null"), "90 % intervals but where null models are named", 1),
        (("null", "null"), "null models and carry no confidence", 2),
    ],
)
def test_an_interval_claims_confidence_only_where_the_host_was_replayed(
    folder,  # noqa: F811
    weighed,
    capsys,
    tiers,
    heading,
    marks,
):
    weighed += [row(patch, 20.0, tier=tier) for patch, tier in zip(("mtu=9000", "gro=on"), tiers, strict=True)]
    print_advice(zc.advise(read_recording(folder)))
    said = capsys.readouterr().out
    assert heading in said
    assert said.count("(19.0-21.0), null models") == marks


@pytest.mark.parametrize(
    ("tiers", "heads", "marks"),
    [
        (("recording", "recording"), ("what would help\n", "predicted (90 %)"), 0),
        (("recording", "null"), ("what would help\n", "predicted (90 %)"), 1),
        (("null", "null"), ("what would help (null models)", "predicted (range)"), 0),
    ],
)
def test_the_reports_table_of_changes_names_null_models_only_where_they_answer(
    folder,  # noqa: F811
    weighed,
    capsys,
    tiers,
    heads,
    marks,
):
    weighed += [row(patch, 20.0, tier=tier) for patch, tier in zip(("mtu=9000", "gro=on"), tiers, strict=True)]
    terminal._print_changes(answered(read_recording(folder)))
    said = capsys.readouterr().out
    assert all(head in said for head in heads)
    assert said.count("(19.0-21.0) (null models)") == marks


def test_a_window_that_was_replayed_keeps_its_figure():
    best, _ = ranked(
        Limit("receive window", "the receive buffer", "", ()), [row("rcvbuf=33554432", 20.0, tier="recording")]
    )
    assert [(one["patch"], one["predicted_gbps"]) for one in best] == [("rcvbuf=33554432", 20.0)]


def test_a_long_command_is_one_line_to_copy(folder, weighed, capsys):  # noqa: F811
    long = " && ".join(f"echo 2 > /sys/class/net/eth0/queues/rx-{n}/rps_cpus" for n in range(16))
    weighed += [row("rps=1", 20.0, command=long)]
    print_advice(zc.advise(read_recording(folder)))
    said = capsys.readouterr().out
    assert long in said
    assert "--verify" not in said


def test_nothing_to_advise_is_said(folder, weighed, capsys):  # noqa: F811
    weighed += [row("gro=on", 10.0)]
    print_advice(zc.advise(read_recording(folder)))
    said = capsys.readouterr().out
    assert "no change of this host is predicted to help (1 weighed" in said
    assert "--verify" not in said


def test_without_samples_it_is_said_that_nothing_can_be_predicted(folder, capsys):  # noqa: F811
    (folder / "perf.txt").unlink()
    print_advice(zc.advise(read_recording(folder)))
    assert "without CPU samples nothing can be predicted" in capsys.readouterr().out


def test_a_verification_and_the_ledger_in_words(folder, weighed, capsys):  # noqa: F811
    weighed += [row("gro=on", 11.0)]
    kept = to_keep(numbered(zc.advise(read_recording(folder), live=True), "k7f2"))
    host = HostFacts(device="eth0", features={"generic-receive-offload": True})
    done = verified(kept.changes[0], Recording(name="x", path=Path(), host=host, counters=counters()))
    print_verification(kept, kept.changes[0], done, [HOSTILE])
    print_outcomes(outcomes([kept._replace(verifications=(done,))]))
    said = capsys.readouterr().out
    assert "gro=on on eth0: in place" in said
    assert "predicted 11.0 Gbit/s (10.0-12.0); measured 9.60 Gbit/s" in said
    assert "outside the predicted range" in said
    assert "0 of 1 verified changes were inside their predicted range" in said
    assert "\x1b" not in said

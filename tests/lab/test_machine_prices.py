"""Calibrating a machine: what is run, what becomes of it, and what is kept; then once for real."""

import json
import os
import subprocess
import sys

import pytest

from tests.lab.real import why_not
from tests.lab.test_ping_prices import ROUND
from tests.lab.test_steps import FLAT, step
from tests.prices.machines import machine, price
from zcanalysis.errors import HostError, TraceError
from zcanalysis.lab import calibrating
from zcanalysis.lab.calibrating import calibrated_machine
from zcanalysis.lab.copies import CopyRound, copy_rounds
from zcanalysis.lab.machine_prices import (
    CalibrateOptions,
    Instruments,
    Micro,
    calibrate_machine,
    machine_facts_of,
    micro_of,
    run_step,
)
from zcanalysis.lab.pings import GAPS_NS, ping_round
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.lab.steps import MERGED
from zcanalysis.machine_text import print_machine
from zcanalysis.prices.machine_file import read_machine_prices, write_machine_prices

FACTS = {"kernel": "6.18", "machine": {"cpu_model": "a CPU"}}


def tools(ran, gbps=10.0, spent=FLAT):
    def one_step(scenario, configuration):
        ran.append((configuration, scenario))
        return step(configuration, scenario.mtu, gro_packet_ns=spent, used={"packet": 10.0}), gbps

    micro = Micro((ROUND,) * 3, (CopyRound("user", 64, 0.1),))
    return Instruments(lambda scenarios: None, lambda: FACTS, lambda cpus: micro, one_step)


def test_each_mtu_runs_at_shares_of_what_goes():
    ran, told = [], []
    options = CalibrateOptions(mtus=(1500, 9000), on_progress=lambda what, share: told.append(share))
    made = calibrate_machine(options, tools(ran))
    of_1500 = [
        (name, one.pace_gbps, one.receiver_gro, one.sender_checksum_offload) for name, one in ran if one.mtu == 1500
    ]
    assert of_1500 == [
        ("merged", None, True, True), *(("merged", 10 * share, True, True) for share in (0.2, 0.4, 0.6, 0.8)),
        ("steered", None, False, True), *(("steered", 10 * share, False, True) for share in (0.2, 0.4, 0.6, 0.8)),
        ("unsummed", 3.0, False, False), ("unsummed", 6.0, False, False),
    ]  # fmt: skip
    assert len(ran) == 24
    assert told == sorted(told)
    assert 0.9 < told[-1] < 1
    assert (made.kernel, made.cpu_model) == ("6.18", "a CPU")
    assert [(one.mtu, one.price.value) for one in made.prices if one.name == "gro.packet_ns"] == [
        (1500, 100),
        (9000, 100),
    ]
    assert [rate.ns_per_byte for rate in made.copies] == [0.1]
    assert len(made.loads) == 24


def test_a_machine_that_shows_nothing_is_no_calibration():
    nothing = tools([])._replace(micro=lambda cpus: Micro((), ()), step=lambda *_: (step(), 1.0))
    with pytest.raises(HostError, match="no price could be measured"):
        calibrate_machine(CalibrateOptions(shares=(), unsummed_shares=()), nothing)


def test_pings_that_others_disturbed_are_made_again_at_the_end():
    disturbed = ROUND._replace(overtaken=1.0, lost_interrupts=0.0, to_idle=ROUND.to_busy)
    rounds = [(disturbed,) * 12, (ROUND,) * 12]
    twice = tools([])._replace(micro=lambda cpus: Micro(rounds.pop(0), ()))
    made = calibrate_machine(CalibrateOptions(shares=(), unsummed_shares=()), twice)
    assert rounds == []
    assert made.price("interrupt.idle_ns", 1500).value == 9000
    assert "12 rounds" in made.price("interrupt.idle_ns", 1500).source


def test_two_ways_that_differ_make_a_wide_interval():
    # pings say 5600 and nothing else, samples 100 a signal
    def one_step(scenario, configuration):
        return step(configuration, interrupt_send_ns=FLAT, used={"signal": 10.0}), 1.0

    made = calibrate_machine(CalibrateOptions(shares=(), unsummed_shares=()), tools([])._replace(step=one_step))
    found = made.price("interrupt.send_ns", 1500)
    assert (found.low, found.value, found.high) == (100, 5600, 5600)
    assert found.source.endswith("what CPU samples of transfers say")
    assert made.price("interrupt.idle_ns", 1500).low == 9000


@pytest.mark.parametrize(("foreign", "said"), [(0.04, False), (0.06, True)])
def test_other_processes_at_work_are_said(foreign, said):
    busy = tools([])._replace(step=lambda *_: (step(foreign=foreign), 1.0))
    notes = calibrate_machine(CalibrateOptions(shares=(), unsummed_shares=()), busy).notes
    assert any("other processes had up to 6% of a CPU" in note for note in notes) is said


def test_a_machine_without_a_name_is_refused():
    with pytest.raises(HostError, match="names no CPU model"):
        machine_facts_of(tools([])._replace(facts=lambda: {"kernel": "6.18", "machine": {"cpu_model": None}}))


@pytest.mark.parametrize("mtus", [(), (1500, 1500), (10,), (70_000,)])
def test_mtus_that_cannot_be_are_refused(mtus):
    with pytest.raises(ValueError, match="mtu"):
        CalibrateOptions(mtus=mtus)


@pytest.fixture
def ours(monkeypatch, tmp_path):
    """This machine is that of `machine()`, and has an empty cache."""
    monkeypatch.setattr(calibrating, "machine_facts_of", lambda: (machine().kernel, machine().cpu_model))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_the_second_call_measures_nothing(ours):
    asked = []

    def measure(options):
        asked.append(options.mtus)
        return machine(*(price("gro.packet_ns", 100.0, mtu) for mtu in options.mtus))

    first, file = calibrated_machine(None, (1500,), measure=measure)
    assert file.is_relative_to(ours)
    assert calibrated_machine(None, (1500,), measure=measure) == (first, file)
    assert asked == [(1500,)]
    calibrated_machine(None, (1500,), again=True, measure=measure)
    calibrated_machine(None, (1500, 9000), measure=measure)
    assert asked == [(1500,), (1500,), (1500, 9000)]
    assert calibrated_machine(None, (9000,), measure=measure)[0] == read_machine_prices(file)
    assert len(asked) == 3


def test_a_file_that_is_something_else_is_left_alone(ours):
    file = ours / "thesis.json"
    file.write_text("{}")
    with pytest.raises(TraceError, match=r"thesis\.json"):
        calibrated_machine(file, (1500,), measure=lambda options: machine())
    assert file.read_text() == "{}"
    write_machine_prices(machine(kernel="5.4"), file)
    with pytest.raises(HostError, match="--again"):
        calibrated_machine(file, (1500,), measure=lambda options: machine())
    assert calibrated_machine(file, (1500,), again=True, measure=lambda options: machine())[0] == machine()


def test_the_table_shows_every_price_with_its_interval_and_how_it_was_measured(capsys):
    print_machine(machine(kernel="6.1\x1b[2J"), "here")
    said = capsys.readouterr().out
    assert "\x1b" not in said
    for word in ("interrupt.idle_ns", "10000", "5000-20000", "gro.packet_ns of a test", "0.04-0.06", "note: "):
        assert word in said


def test_what_the_process_of_pings_writes_is_read_again():
    written = {"pings": [ROUND._asdict() | {"to_idle": ROUND.to_idle._asdict(), "to_busy": ROUND.to_busy._asdict()}],
               "copies": [CopyRound("user", 64, 0.1)._asdict()]}  # fmt: skip
    assert micro_of(json.loads(json.dumps(written))) == Micro((ROUND,), (CopyRound("user", 64, 0.1),))


@pytest.mark.root
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_one_round_of_each_measurement_on_this_machine(tmp_path):
    allowed = os.sched_getaffinity(0)
    try:
        made = ping_round(0, 1, GAPS_NS[0])
        copies = copy_rounds(1)
    finally:
        os.sched_setaffinity(0, allowed)
    assert 10 < made.write_ns < made.to_busy.write_ns < made.to_busy.latency_ns
    assert made.same_cpu_write_ns > made.write_ns
    assert made.lost_interrupts >= 0
    assert all(0.001 < one.ns_per_byte < 10 for one in copies)
    figures, gbps = run_step(Scenario(name="smoke", receiver_gro=True, pace_gbps=1.0), MERGED)
    assert 0.3 < gbps < 1.3
    assert figures.used["packet"] > 10_000
    assert figures.load.packets > 10_000


def test_who_is_not_root_is_told(tmp_path):
    words = ["-m", "zcanalysis", "lab", "calibrate", "-o", str(tmp_path / "m.json")]
    code = f"import os; os.geteuid = lambda: 1000; import sys; sys.argv = {['zcanalysis', *words[2:]]!r}\n"
    code += "from zcanalysis.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "run it as root" in done.stderr
    assert not (tmp_path / "m.json").exists()

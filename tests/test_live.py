"""What a look costs is measured against its own undisturbed window."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from zcanalysis import advising, live
from zcanalysis.errors import HostError
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.io.recording import Recording
from zcanalysis.live import Look, Received, counting_plan, overhead_share, sampling_plan
from zcanalysis.tables import COUNTERS, polars_schema

TERMINATED = """
import os, signal, sys
from pathlib import Path
from zcanalysis import live
from zcanalysis.io.recording import Recording
live._find = live._check_traffic = lambda *_: None
live.record = lambda *_: None
live.read_recording = lambda _: Recording(name="look", path=Path())
try:
    with live.look("lo", (), "again", print) as seen:
        os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt:
    sys.exit(130)
"""
SECOND_NS = 1_000_000_000


def looked(recorded: Received, own_cpu_ns: int = 0) -> Look:
    """10 s undisturbed at 1 GB/s."""
    rows = [
        (second * SECOND_NS, "counters", 0, source, instance, counter, value * second // 10)
        for second in (0, 10)
        for source, instance, counter, value in (
            ("netdev", "eth0", "rx_bytes", 10 * SECOND_NS), ("process", str(os.getpid()), "cpu_ns", own_cpu_ns),
        )
    ]  # fmt: skip
    counters = pl.DataFrame(rows, schema=polars_schema(COUNTERS), orient="row")
    host = HostFacts(device="eth0", cpus=4)
    return Look(Recording(name="look", path=Path(), host=host, counters=counters), recorded)


def test_what_is_missing_after_the_undisturbed_window_is_the_cost():
    # 2.5 s at 800 MB/s: 0.5 GB missing of 12.5
    assert overhead_share(looked(Received(12_500_000_000, 12 * SECOND_NS))) == pytest.approx(0.04)


def test_reading_the_counters_costs_its_part_of_the_machine():
    # 200 ms of CPU in 10 s, one of four CPUs; nothing is missing
    assert overhead_share(looked(Received(11 * SECOND_NS, 11 * SECOND_NS), 200_000_000)) == pytest.approx(0.005)


def test_a_faster_transfer_afterwards_is_no_negative_cost():
    assert overhead_share(looked(Received(11 * SECOND_NS, 13 * SECOND_NS))) == 0


def test_a_transfer_that_ended_meanwhile_cannot_be_compared():
    assert overhead_share(looked(Received(12 * SECOND_NS, 10 * SECOND_NS))) is None


def test_a_look_is_mostly_counters_and_makes_no_capture():
    for seconds in (3.0, 20.0, 600.0):
        plan = sampling_plan(seconds)
        assert sum(phase.seconds for phase in plan) == pytest.approx(0.6 * seconds, abs=0.02)
        assert {phase.probes for phase in plan} == {(), ("perf",)}
        assert sum(phase.seconds for phase in plan if phase.probes) <= 0.15 * seconds
    assert [phase.probes for phase in counting_plan(5)] == [()]


@pytest.fixture
def elsewhere(monkeypatch):
    """No such device here; there is one in a namespace of this name."""
    names: list[str] = []

    def missing(device):
        raise HostError(f"{device}: no such network device here")

    monkeypatch.setattr(live, "find_device", missing)
    monkeypatch.setattr(live, "tool_output", lambda *words: "\n".join(names) if "list" in words else "up")
    return names


def told(use) -> str:
    with pytest.raises(HostError) as refused:
        use()
    return str(refused.value)


@pytest.mark.parametrize("name", ["blue", "zrv{x}", "{}", "{0.__class__}"])
def test_a_device_elsewhere_is_told_with_the_command_that_was_given(elsewhere, monkeypatch, name):
    elsewhere.append(name)
    start = f"eth9: is in another network namespace; run: ip netns exec {live.shlex.quote(name)} zcanalysis advise"
    assert told(lambda: advising.live("eth9", None, print)) == f"{start} --live eth9"
    assert told(lambda: advising.live("eth9", 12.5, print)) == f"{start} --live eth9 --seconds 12.5"
    kept = type("Kept", (), {"device": "eth9"})
    monkeypatch.setattr(advising, "kept_change", lambda _: (kept, None))
    assert told(lambda: advising.verify("k7f2-1", None, print)) == f"{start} --verify k7f2-1"
    assert told(lambda: advising.verify("k7f2-1", 5, print)) == f"{start} --verify k7f2-1 --seconds 5"


def test_a_namespace_without_a_name_gets_one_that_is_taken_back(elsewhere, monkeypatch):
    monkeypatch.setattr(live.Path, "readlink", lambda path: Path("net:[1]" if "self" in str(path) else "net:[2]"))
    monkeypatch.setattr(live.Path, "glob", lambda *_: iter([Path("/proc/4321")]))
    monkeypatch.setattr(live, "_devices", lambda _: {"eth9"})
    assert told(lambda: advising.live("eth9", None, print)).endswith(
        "run: ip netns attach zc-look 4321 && ip netns exec zc-look zcanalysis advise --live eth9"
        "; ip netns delete zc-look"
    )


def test_sigterm_while_a_look_is_analysed_leaves_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TERMINATED], env=os.environ | {"TMPDIR": str(tmp_path)}, check=False, timeout=60
    )
    assert done.returncode == 130
    assert list(tmp_path.iterdir()) == []

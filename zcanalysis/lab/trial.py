"""One scenario from start to end: hosts, transfer, recorder inside the receiver, the whole recording."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from zcanalysis.errors import HostError, last_words
from zcanalysis.lab.alignment import align_intervals, read_curve, receiver_intervals
from zcanalysis.lab.beginnings import first_packets, keep_first_packets
from zcanalysis.lab.children import ASKED, Child, Running, ending_with_us
from zcanalysis.lab.namespaces import RECEIVER_DEVICE, HostPair, inside, require_lab_tools, two_hosts
from zcanalysis.lab.scenarios import Scenario, scenario_named
from zcanalysis.lab.transfer import Transfer, running_transfer
from zcanalysis.own_code import our_environment
from zcanalysis.rates import NS_PER_S
from zcanalysis.recorder import Phase, default_plan
from zcanalysis.recorder.interruption import terminated_like_interrupted
from zcanalysis.recorder.plan import SAMPLING_HZ
from zcanalysis.recorder.recording import claim_directory

RECORDER_SLACK_SECONDS: Final = 120.0
GOODBYE_SECONDS: Final = 60.0  # for an interrupted recorder to stop its probes and convert what they gave
POLL_SECONDS: Final = 0.05
# a namespace's own view of /sys has no tracefs; mounted there it is seen by the recorder alone
WITH_TRACEFS: Final = ("sh", "-c", 'mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null; exec "$@"', "sh")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabOptions:
    """How a scenario is run.

    Attributes
    ----------
    plan
        Phases of the recording.
    sampling_hz
        CPU samples a second on each CPU.
    warmup_seconds
        Transfer time before the first phase: slow start and buffer growth.
    first_packets
        How many packets are captured at either end from before the handshake on, as first.pcap.zst (receiver) and
        sender.pcap.zst; 0 for no such capture, which slows the beginning of the transfer.
    on_progress
        Called with what happens and the share that is done (0 to 1).
    """

    plan: Sequence[Phase] = field(default_factory=lambda: default_plan(6))
    sampling_hz: int = SAMPLING_HZ
    warmup_seconds: float = 1.0
    first_packets: int = 0
    on_progress: Callable[[str, float], None] | None = None


def run_scenario(scenario: Scenario | str, directory: Path, options: LabOptions | None = None) -> Path:
    """Record one scenario with a real transfer.

    Parameters
    ----------
    scenario
        A `Scenario`, or the name of one in `SCENARIOS`.
    directory
        Where the recording goes; made if it does not exist, must be empty.
    options
        Phases and warm-up.

    Returns
    -------
    Path
        The directory: what `recorder.record` leaves, load.json, and the configuration as `lab` in host.json.
        An interrupted run leaves a recording too, without load.json.

    Raises
    ------
    HostError
        If we are not root, a tool is absent, a CPU of the scenario does not exist, the directory is not empty,
        or the transfer or the recorder fails; nothing of ours is left running.
    """
    chosen = scenario_named(scenario) if isinstance(scenario, str) else scenario
    options = options or LabOptions()
    require_lab_tools()
    require_cpus(chosen)
    claim_directory(directory)
    seconds = options.warmup_seconds + patience_seconds(options)  # as long as the recorder may take
    with terminated_like_interrupted(), tempfile.TemporaryDirectory(prefix="zc-lab-") as scratch:
        tell(options, f"building the hosts of {chosen.name}", 0.0)
        with (
            two_hosts(chosen) as pair,
            first_packets(pair, options.first_packets, Path(scratch)),
            running_transfer(pair, chosen, seconds, Path(scratch)) as transfer,
        ):
            time.sleep(options.warmup_seconds)
            tell(options, "recording", 0.2)
            try:
                _record_inside(pair, transfer, directory.resolve(), options, Path(scratch))
            except KeyboardInterrupt:
                complete(directory, chosen, None, transfer)
                raise
            tell(options, "ending the transfer", 0.9)
            load = transfer.finish()
        complete(directory, chosen, load, transfer)
        keep_first_packets(Path(scratch), directory)
    tell(options, "done", 1.0)
    return directory


def patience_seconds(options: LabOptions) -> float:
    """How long the recorder may take."""
    return sum(phase.seconds for phase in options.plan) + RECORDER_SLACK_SECONDS


def tell(options: LabOptions, what: str, share: float) -> None:
    """Say what happens, and the share that is done."""
    if options.on_progress is not None:
        options.on_progress(what, share)


def require_cpus(scenario: Scenario) -> None:
    """Raise a `HostError` unless we may use every CPU that the scenario names."""
    allowed = os.sched_getaffinity(0)
    if absent := sorted(scenario.cpus - allowed):
        raise HostError(
            f"scenario {scenario.name} needs CPU {', '.join(map(str, absent))}; we may use {sorted(allowed)}"
        )


def _record_inside(pair: HostPair, transfer: Transfer, directory: Path, options: LabOptions, scratch: Path) -> None:
    """Run the recorder as a process of the receiver's namespace, told what to do on standard input."""
    told, said = scratch / "document.json", scratch / "said"
    document = recorder_document(directory, options.plan, transfer) | {"sampling_hz": options.sampling_hz}
    told.write_text(json.dumps(document))
    with told.open("rb") as standard_input, said.open("wb") as standard_error:
        recorder = subprocess.Popen(
            ending_with_us(inside(pair.receiver, [*WITH_TRACEFS, sys.executable, "-m", "zcanalysis.recorder"]), ASKED),
            stdin=standard_input, stdout=subprocess.DEVNULL, stderr=standard_error,
            env=our_environment(), start_new_session=True,
        )  # fmt: skip
    try:
        await_recorder(recorder, transfer, directory, patience_seconds(options))
    except BaseException:
        _dismiss(recorder)
        raise
    if recorder.returncode != 0:
        raise HostError(f"the recorder failed: {last_words(said.read_bytes(), f'status {recorder.returncode}')}")


def recorder_document(directory: Path, plan: Sequence[Phase], transfer: Transfer) -> dict[str, Any]:
    """What `python -m zcanalysis.recorder` is told on standard input."""
    return {
        "directory": str(directory),
        "device": RECEIVER_DEVICE,
        "plan": [list(asdict(phase).values()) for phase in plan],
        "sender_pids": [transfer.client.pid],
    }


def await_recorder(recorder: Running, transfer: Transfer, directory: Path, patience_seconds: float) -> None:
    """Wait for the recorder; end the transfer when its phases are over and only conversions are left."""
    deadline = time.monotonic() + patience_seconds
    while recorder.poll() is None:
        if time.monotonic() > deadline:
            raise HostError(f"the recorder did not end within {patience_seconds:.0f} s")
        if (directory / "host.json").exists():
            transfer.end()
        elif transfer.is_broken():
            transfer.finish()
            raise HostError("the transfer broke during the recording")
        time.sleep(POLL_SECONDS)


def _dismiss(recorder: Child) -> None:
    """Let the recorder stop its probes and write what it has; a second Ctrl-C cuts that short."""
    recorder.terminate()
    try:
        recorder.wait(GOODBYE_SECONDS)
    except subprocess.TimeoutExpired:
        recorder.kill()
        recorder.wait()


def _unfed_phases(directory: Path, phases: list[dict[str, Any]], load: dict[str, Any]) -> list[str]:
    """One line for each phase in which the transfer was already over: the machine was too slow for the plan."""
    intervals, zero_ns = receiver_intervals(load), load["server_output_json"].get("start", {}).get("zero_epoch_ns")
    if zero_ns is None:
        curve = read_curve(pl.read_parquet(directory / "counters.parquet"))
        end_ns = int(align_intervals(intervals, curve).edges_ns[-1])
    else:  # our own receiver says when it began
        end_ns = zero_ns + round(intervals[-1][1] * NS_PER_S)
    return [
        f"phase {phase['name']}: the transfer ended {(phase['to_ns'] - end_ns) / 1e9:.2f} s before it"
        for phase in phases
        if phase["to_ns"] > end_ns
    ]


def complete(directory: Path, scenario: Scenario, load: dict[str, Any] | None, transfer: Transfer) -> None:
    """Add what only the lab knows: the transfer's report, the link's rate, the configuration, who sends."""
    path = directory / "host.json"
    if not path.exists():
        return
    host = json.loads(path.read_text())
    host["label"] = scenario.name
    host["link_rate_gbps"] = scenario.link_rate_gbps
    host["lab"] = scenario.as_json()
    host["roles"] = transfer.roles(scenario)
    if load is None:
        host["missing"].append("no load.json: the run was interrupted")
    else:
        (directory / "load.json").write_text(json.dumps(load, indent=1, sort_keys=True) + "\n")
        host["missing"] += _unfed_phases(directory, host["phases"], load)
    path.write_text(json.dumps(host, indent=1, sort_keys=True) + "\n")

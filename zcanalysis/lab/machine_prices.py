"""Prices of this machine under this kernel: pings, copies, and transfers at several offered loads. Under four minutes.

A baseline's recording shows only what the baseline does. Here other things are done on purpose, for a few seconds each:
one CPU wakes another that sleeps or computes; transfers at the baseline's own MTU at a fifth to four fifths of what
goes, steered to the reader's CPU, then with GRO, then without checksum offload. Only prices are taken from them: no
goodput of a patched transfer is kept.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from zcanalysis.errors import HostError, TraceError
from zcanalysis.evidence import gather
from zcanalysis.io.recording import read_recording
from zcanalysis.lab.children import run_child
from zcanalysis.lab.copies import CopyRound
from zcanalysis.lab.namespaces import require_lab_tools
from zcanalysis.lab.ping_prices import copy_rates, ping_prices
from zcanalysis.lab.pings import PingRound, Woken
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.lab.steps import MERGED, STEERED, UNSUMMED, Step, batch_price, step_of, step_prices
from zcanalysis.lab.trial import LabOptions, require_cpus, run_scenario
from zcanalysis.prices.machine import LoadStep, MachinePrice, MachinePrices
from zcanalysis.rates import NS_PER_S
from zcanalysis.recorder import Phase
from zcanalysis.recorder.host_facts import machine_facts
from zcanalysis.recorder.interruption import terminated_like_interrupted
from zcanalysis.recorder.probes import why_perf_cannot_run

SHARES: Final = (0.2, 0.4, 0.6, 0.8)
UNSUMMED_SHARES: Final = (0.3, 0.6)  # summing, the sender can do less
QUIET: Final = Phase("counters", 0.25)
SAMPLED: Final = Phase("sampling", 1.4, ("perf",))
PLAN: Final = (QUIET, SAMPLED, QUIET, SAMPLED, QUIET)
SAMPLING_HZ: Final = 997
WARMUP_SECONDS: Final = 0.7
MICRO_SECONDS: Final = 120.0
TRIES: Final = 2
FIRST_SHARE, LAST_SHARE = 0.1, 0.95
MOST_FOREIGN: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateOptions:
    """What is measured.

    Attributes
    ----------
    mtus
        Of the transfers: at least one, each once.
    shares, unsummed_shares
        Offered loads over the most that goes; without any, that alone is measured.
    on_progress
        Told what happens and the share that is done (0 to 1).
    """

    mtus: Sequence[int] = (1500,)
    shares: Sequence[float] = SHARES
    unsummed_shares: Sequence[float] = UNSUMMED_SHARES
    on_progress: Callable[[str, float], None] = lambda what, share: None

    def __post_init__(self) -> None:
        if not self.mtus or len(set(self.mtus)) < len(self.mtus):
            raise ValueError(f"mtus must be some, each once, got {list(self.mtus)}")
        for mtu in self.mtus:
            Scenario(name="draft", mtu=mtu)


class Micro(NamedTuple):
    """What the process of pings and copies says."""

    pings: tuple[PingRound, ...]
    copies: tuple[CopyRound, ...]


class Instruments(NamedTuple):
    """What touches the machine; tests bring their own."""

    require: Callable[[Sequence[Scenario]], None]
    facts: Callable[[], dict[str, Any]]
    micro: Callable[[tuple[int, int]], Micro]
    step: Callable[[Scenario, str], tuple[Step, float]]
    """Of a transfer: its figures, and its undisturbed goodput in Gbit/s."""


def calibrate_machine(options: CalibrateOptions, instruments: Instruments | None = None) -> MachinePrices:
    """Measure every price that can be, on the machine this runs on.

    Parameters
    ----------
    options, instruments
        What, and with what.

    Raises
    ------
    HostError
        If we are not root, a tool or a second CPU is absent, or a transfer fails twice; nothing of ours is left.
    ValueError
        If an MTU cannot be.
    """
    tools = instruments or REAL
    base = Scenario(name="calibration")
    tools.require([replace(base, mtu=mtu) for mtu in options.mtus])
    known = machine_facts_of(tools)
    with terminated_like_interrupted():
        options.on_progress("pings and copies", 0.0)
        cpus = base.sender_cpu, base.reader_cpu
        micro = tools.micro(cpus)
        checks: list[MachinePrice] = []
        steps = list(_steps(options, tools, base))
        pings = micro.pings
        if ping_prices(pings)[1]:  # others had the CPUs: they may be gone by now
            options.on_progress("pings again", LAST_SHARE)
            pings += tools.micro(cpus).pings
    prices, notes = ping_prices(pings)
    by_samples: list[MachinePrice] = []
    for mtu in options.mtus:
        found, also, absent = step_prices(steps, mtu)
        by_samples += also
        by_load = [batch_price(steps, configuration, mtu, base.reader_cpu) for configuration in (STEERED, MERGED)]
        prices += found
        checks += [*also, *filter(None, by_load)]
        notes += absent
    if (foreign := max((step.foreign_share for step in steps), default=0.0)) > MOST_FOREIGN:
        notes.append(f"other processes had up to {foreign:.0%} of a CPU; better measured --again without")
    if not prices:
        raise HostError(f"no price could be measured: {notes[0]}")
    return MachinePrices(
        kernel=known[0],
        cpu_model=known[1],
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        prices=tuple(widened(one, by_samples) for one in prices),
        checks=tuple(checks),
        copies=tuple(copy_rates(micro.copies)),
        loads=tuple(map(load_step, steps)),
        notes=tuple(notes),
    )


def widened(one: MachinePrice, others: Sequence[MachinePrice]) -> MachinePrice:
    """The price with an interval that holds what others found for it: two ways that differ are not both exact.

    Parameters
    ----------
    one, others
        The value is that of the first.

    Examples
    --------
    >>> from zcanalysis.hosts import Price
    >>> there, here = (MachinePrice("x", Price(value, value, value, "calibrated")) for value in (5.0, 8.0))
    >>> widened(there, [here]).price.high
    8.0
    """
    found = [other.price.value for other in others if other.name == one.name]
    low, high = min([one.price.low, *found]), max([one.price.high, *found])
    if (low, high) == (one.price.low, one.price.high):
        return one
    source = f"{one.price.source}; as wide as to hold what CPU samples of transfers say"
    return one._replace(price=replace(one.price, low=low, high=high, source=source))


def machine_facts_of(tools: Instruments | None = None) -> tuple[str, str]:
    """Kernel and CPU of this machine, as host.json names them.

    Parameters
    ----------
    tools
        What asks the machine.

    Raises
    ------
    HostError
        If /proc/cpuinfo names no model.
    """
    facts = (tools or REAL).facts()
    model = facts["machine"]["cpu_model"]
    if model is None:
        raise HostError("/proc/cpuinfo names no CPU model: prices could not be known again as this machine's")
    return str(facts["kernel"]), str(model)


def _steps(options: CalibrateOptions, tools: Instruments, base: Scenario) -> Iterator[Step]:
    """For each MTU and configuration the most that goes, then shares of it."""
    total = len(options.mtus) * (2 + 2 * len(options.shares) + len(options.unsummed_shares))
    done = 0

    def measured(scenario: Scenario, configuration: str) -> tuple[Step, float]:
        nonlocal done
        pace = "all that goes" if scenario.pace_gbps is None else f"{scenario.pace_gbps:.1f} Gbit/s"
        share = FIRST_SHARE + (LAST_SHARE - FIRST_SHARE) * done / total
        options.on_progress(f"{configuration}, MTU {scenario.mtu}, {pace}", share)
        done += 1
        return tools.step(scenario, configuration)

    for mtu in options.mtus:
        steered = replace(base, mtu=mtu)
        most_gbps = 0.0
        for scenario, configuration in ((replace(steered, receiver_gro=True), MERGED), (steered, STEERED)):
            step, most_gbps = measured(scenario, configuration)
            yield step
            for share in options.shares:
                yield measured(replace(scenario, pace_gbps=share * most_gbps), configuration)[0]
        for share in options.unsummed_shares:
            scenario = replace(steered, sender_checksum_offload=False, pace_gbps=share * most_gbps)
            yield measured(scenario, UNSUMMED)[0]


def load_step(step: Step) -> LoadStep:
    """What the file says of a transfer.

    Parameters
    ----------
    step
        Its figures.
    """
    load = step.load
    busy = {cpu: max(busy_ns, 0.0) / NS_PER_S for cpu, busy_ns in load.busy_ns.items()}
    return LoadStep(step.configuration, step.mtu, step.gbps, load.packets, load.to_reader, busy)


def require_all(scenarios: Sequence[Scenario]) -> None:
    """Raise a `HostError` unless the tools and both CPUs are there.

    Parameters
    ----------
    scenarios
        What will be run.
    """
    require_lab_tools()
    if why := why_perf_cannot_run():
        raise HostError(f"prices are told from CPU samples: {why}")
    for scenario in scenarios:
        require_cpus(scenario)


def run_micro(cpus: tuple[int, int]) -> Micro:
    """Pings and copies, in a process of their own.

    Parameters
    ----------
    cpus
        The two that ping each other.

    Raises
    ------
    HostError
        If it fails or takes longer than two minutes.
    """
    command = [sys.executable, "-m", "zcanalysis.lab.micro", *map(str, cpus)]
    return micro_of(json.loads(run_child(command, "the pings", MICRO_SECONDS)))


def micro_of(document: dict[str, Any]) -> Micro:
    """What `python -m zcanalysis.lab.micro` writes, as rounds.

    Parameters
    ----------
    document
        Its JSON.
    """
    pings = [
        PingRound(**(row | {name: Woken(**row[name]) for name in ("to_idle", "to_busy")})) for row in document["pings"]
    ]
    return Micro(tuple(pings), tuple(CopyRound(**row) for row in document["copies"]))


def run_step(scenario: Scenario, configuration: str) -> tuple[Step, float]:
    """One transfer, recorded for some seconds, and read.

    Parameters
    ----------
    scenario, configuration
        How it runs, and what that is called.

    Raises
    ------
    HostError
        If it fails twice, or moves nothing.
    """
    options = LabOptions(plan=PLAN, sampling_hz=SAMPLING_HZ, warmup_seconds=WARMUP_SECONDS)
    for tried in range(1, TRIES + 1):
        with tempfile.TemporaryDirectory(prefix="zc-calibrate-") as scratch:
            try:
                seen = gather(read_recording(run_scenario(scenario, Path(scratch) / "step", options)))
                if seen.quiet is None or seen.sampled is None or seen.stages.is_empty():
                    raise HostError(f"{configuration}: the transfer moved nothing, or was not sampled")
                return step_of(seen, configuration, scenario.mtu, (scenario.sender_cpu, scenario.reader_cpu)), (
                    seen.quiet.gbps
                )
            except (HostError, TraceError):
                if tried == TRIES:
                    raise
    raise AssertionError("unreachable")


REAL: Final = Instruments(require_all, machine_facts, run_micro, run_step)

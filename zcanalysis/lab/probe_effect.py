"""What each probe costs: goodput while it looks over goodput just before and just after, in one running transfer.

The truth is iperf3's own count at the receiver. Windows alternate, untouched - probed - untouched - ..., so that slow
drift cancels; the order of the probes turns from round to round. Untouched windows held against their own untouched
neighbours in the same way are the noise below which no cost can be seen.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from zcanalysis.errors import HostError
from zcanalysis.lab.alignment import Alignment, align_intervals, receiver_intervals
from zcanalysis.lab.bare_probes import BARE_PROBES, BareProbe, looking
from zcanalysis.lab.children import ASKED, run_child
from zcanalysis.lab.meter import Meter, MeterReading, running_meter
from zcanalysis.lab.namespaces import HostPair, inside, require_lab_tools, two_hosts
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.lab.transfer import Transfer, running_transfer
from zcanalysis.lab.trial import recorder_document, require_cpus
from zcanalysis.rates import BITS_PER_BYTE, NS_PER_S
from zcanalysis.recorder import Phase
from zcanalysis.recorder.interruption import terminated_like_interrupted

COMPARED: Final = ("mtu-1500", "mtu-3000", "mtu-9000", "gro", "no-rps")
UNTOUCHED: Final = "untouched"
COUNTERS: Final = "counters"
PROBE_NAMES: Final = (COUNTERS, *(probe.name for probe in BARE_PROBES))
WARMUP_SECONDS: Final = 1.5
SETTLE_SECONDS: Final = 0.3
EDGE_SECONDS: Final = 0.12  # one interval of iperf3 lies inside what the probe disturbs, at either end
PAIR_SECONDS: Final = 15.0  # at the very most, beside its windows
RECORDER_SECONDS: Final = 60.0
RESAMPLED: Final = 4000
LEAST_ROUNDS: Final = 2


class Window(NamedTuple):
    """One stretch of the transfer, and who looked."""

    probe: str
    from_ns: int
    to_ns: int
    samples_per_s: float | None = None


class Rate(NamedTuple):
    """What a window's reader got."""

    probe: str
    gbps: float
    samples_per_s: float | None = None


class Ratios(NamedTuple):
    """Goodput over that of the neighbouring untouched windows, one a round."""

    probe: str
    ratios: tuple[float, ...]
    samples_per_s: float | None

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.ratios)


class ScenarioEffect(NamedTuple):
    """What the probes cost in one scenario."""

    scenario: str
    untouched_gbps: tuple[float, ...]
    noise: Ratios
    """Untouched windows held against untouched ones."""
    probes: tuple[Ratios, ...]

    def within_noise(self, probe: Ratios) -> bool:
        """Whether a median like this probe's comes of untouched windows alone in nine of ten tries."""
        return abs(probe.median - 1) <= noise_of_median(self.noise.ratios, len(probe.ratios))


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectOptions:
    """How often and how long.

    Attributes
    ----------
    rounds
        How often each probe is measured in each scenario, at least 2.
    window_seconds
        Of every window but the capture's.
    probes
        Which, among `PROBE_NAMES`.
    on_progress
        Told what happens.
    """

    rounds: int = 5
    window_seconds: float = 1.5
    probes: Sequence[str] = PROBE_NAMES
    on_progress: Callable[[str], None] = lambda what: None

    def __post_init__(self) -> None:
        if self.rounds < LEAST_ROUNDS:
            raise ValueError(f"rounds must be at least {LEAST_ROUNDS}, got {self.rounds}")
        if not self.window_seconds > 2 * EDGE_SECONDS:
            raise ValueError(f"window_seconds must be above {2 * EDGE_SECONDS}, got {self.window_seconds}")


def probe_effect(scenario: Scenario, options: EffectOptions) -> ScenarioEffect:
    """Measure all probes in one running transfer of a scenario.

    Raises
    ------
    HostError
        If the lab or a probe cannot run here, or the transfer fails; nothing of ours is left.
    """
    require_lab_tools()
    require_cpus(scenario)
    longest_seconds = options.rounds * len(options.probes) * (2 * options.window_seconds + PAIR_SECONDS)
    with (
        terminated_like_interrupted(),
        tempfile.TemporaryDirectory(prefix="zc-lab-") as scratch,
        two_hosts(scenario) as pair,
        running_transfer(pair, scenario, longest_seconds, Path(scratch)) as transfer,
        running_meter(pair) as meter,
    ):
        time.sleep(WARMUP_SECONDS)
        watch = _Watch(pair, transfer, meter, Path(scratch), options, [])
        windows = _measured_windows(watch, scenario.name)
        alignment = align_intervals(receiver_intervals(transfer.finish()), _curve(watch.readings))
    return effect_of(scenario.name, [_rate(window, alignment) for window in windows])


class _Watch(NamedTuple):
    """One running transfer and what it is watched with."""

    pair: HostPair
    transfer: Transfer
    meter: Meter
    scratch: Path
    options: EffectOptions
    readings: list[MeterReading]


def _measured_windows(watch: _Watch, scenario: str) -> list[Window]:
    windows = [_untouched(watch)]
    for turn in range(watch.options.rounds):
        for name in turned(watch.options.probes, turn):
            watch.options.on_progress(f"{scenario}: round {turn + 1} of {watch.options.rounds}, {name}")
            windows += [_probed(watch, name), _untouched(watch)]
            if watch.transfer.client.poll() is not None:
                raise HostError(f"{scenario}: the transfer ended before the last window")
    return windows


def turned(names: Sequence[str], turn: int) -> list[str]:
    """The names, begun at another one each turn: none is always first.

    Examples
    --------
    >>> turned(["a", "b", "c"], 4)
    ['b', 'c', 'a']
    """
    start = turn % len(names)
    return [*names[start:], *names[:start]]


def _untouched(watch: _Watch) -> Window:
    time.sleep(SETTLE_SECONDS)
    return _window(watch, UNTOUCHED, watch.options.window_seconds)


def _window(watch: _Watch, name: str, seconds: float) -> Window:
    """Two readings of the meter, and nothing of ours in between."""
    first = watch.meter.read()
    time.sleep(seconds)
    last = watch.meter.read()
    watch.readings.extend((first, last))
    return Window(name, first.ts_ns, last.ts_ns)


def _probed(watch: _Watch, name: str) -> Window:
    if name == COUNTERS:
        return _recorded(watch)
    probe = next(each for each in BARE_PROBES if each.name == name)
    return _disturbed(watch, probe)


def _disturbed(watch: _Watch, probe: BareProbe) -> Window:
    with looking(probe, watch.pair, watch.scratch) as tally:
        time.sleep(SETTLE_SECONDS)
        window = _window(watch, probe.name, probe.seconds or watch.options.window_seconds)
        time.sleep(EDGE_SECONDS)
    return window._replace(samples_per_s=tally.samples_per_s)


def _recorded(watch: _Watch) -> Window:
    """The real recorder with a phase of counters; its window, without the edges where it starts and ends."""
    phase = Phase(COUNTERS, watch.options.window_seconds + 2 * EDGE_SECONDS)
    with tempfile.TemporaryDirectory(dir=watch.scratch) as place:
        document = json.dumps(recorder_document(Path(place) / "recording", [phase], watch.transfer))
        command = inside(watch.pair.receiver, [sys.executable, "-m", "zcanalysis.recorder"])
        run_child(command, "the recorder", RECORDER_SECONDS, document.encode(), ASKED)
        (seen,) = json.loads((Path(place) / "recording" / "host.json").read_text())["phases"]
    edge_ns = int(EDGE_SECONDS * NS_PER_S)
    return Window(COUNTERS, seen["from_ns"] + edge_ns, seen["to_ns"] - edge_ns)


def _curve(readings: Sequence[MeterReading]) -> pl.DataFrame:
    return pl.DataFrame(readings, schema={"ts_ns": pl.Int64, "read_bytes": pl.Int64}, orient="row").sort("ts_ns")


def _rate(window: Window, alignment: Alignment) -> Rate:
    read_bytes = alignment.bytes_between(window.from_ns, window.to_ns)
    return Rate(window.probe, read_bytes * BITS_PER_BYTE / (window.to_ns - window.from_ns), window.samples_per_s)


def effect_of(scenario: str, rates: Sequence[Rate]) -> ScenarioEffect:
    """Pair every window with its neighbours.

    Parameters
    ----------
    scenario
        Its name.
    rates
        Untouched first and last, and between any two probed windows.
    """
    by_probe: dict[str, list[tuple[float, float | None]]] = {}
    for before, probed, after in zip(rates[::2], rates[1::2], rates[2::2], strict=False):
        ratio = probed.gbps * 2 / (before.gbps + after.gbps)
        by_probe.setdefault(probed.probe, []).append((ratio, probed.samples_per_s))
    quiet = [rate.gbps for rate in rates[::2]]
    noise = tuple(gbps * 2 / (a + b) for a, gbps, b in zip(quiet, quiet[1:], quiet[2:], strict=False))
    probes = tuple(_ratios(name, by_probe[name]) for name in PROBE_NAMES if name in by_probe)
    return ScenarioEffect(scenario, tuple(quiet), Ratios(UNTOUCHED, noise, None), probes)


def _ratios(name: str, seen: Sequence[tuple[float, float | None]]) -> Ratios:
    sampled = [per_s for _, per_s in seen if per_s is not None]
    return Ratios(name, tuple(ratio for ratio, _ in seen), statistics.median(sampled) if sampled else None)


def noise_of_median(ratios: Sequence[float], rounds: int) -> float:
    """How far from 1 the median of so many untouched ratios stays in nine of ten tries.

    Examples
    --------
    >>> noise_of_median([1.0, 1.0, 1.0], 5)
    0.0
    """
    draws = np.random.default_rng(0).choice(np.asarray(ratios), size=(RESAMPLED, rounds))
    return float(np.quantile(np.abs(np.median(draws, axis=1) - 1), 0.9))


def markdown(effects: Sequence[ScenarioEffect]) -> str:
    """The table for people, of at least one scenario: median of the rounds, smallest to largest in brackets."""
    measured = [ratios.probe for ratios in effects[0].probes]
    heads = ["configuration", "untouched, Gbit/s", "untouched again", *measured]
    rows = [heads, ["---", *["---:"] * (len(heads) - 1)], *map(_row, effects)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(effect: ScenarioEffect) -> list[str]:
    quiet = statistics.median(effect.untouched_gbps)
    return [effect.scenario, f"{quiet:.1f}", *map(_cell, (effect.noise, *effect.probes))]


def _cell(ratios: Ratios) -> str:
    return f"{ratios.median:.2f} ({min(ratios.ratios):.2f}–{max(ratios.ratios):.2f})"


def effects_document(effects: Sequence[ScenarioEffect], options: EffectOptions) -> dict[str, Any]:
    """Everything measured, as one JSON document."""
    return {
        "rounds": options.rounds,
        "window_seconds": options.window_seconds,
        "scenarios": [
            {
                "scenario": effect.scenario,
                "untouched_gbps": list(effect.untouched_gbps),
                "noise": _entry(effect.noise),
                "probes": [_entry(probe) | {"within_noise": effect.within_noise(probe)} for probe in effect.probes],
            }
            for effect in effects
        ],
    }


def _entry(ratios: Ratios) -> dict[str, Any]:
    return {
        "probe": ratios.probe,
        "median": ratios.median,
        "low": min(ratios.ratios),
        "high": max(ratios.ratios),
        "samples_per_s": ratios.samples_per_s,
        "ratios": list(ratios.ratios),
    }

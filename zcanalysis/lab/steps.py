"""Transfers at several offered loads, as figures: time of each kind of work, and what it was used for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.optimize import nnls

from zcanalysis.cpu.intervals import DRAWS, HIGH_QUANTILE, LOW_QUANTILE, SEED
from zcanalysis.evidence import Evidence
from zcanalysis.goodput import QUIET_PHASE
from zcanalysis.hosts import Price
from zcanalysis.lab.medians import FEWEST
from zcanalysis.prices.charges import charged
from zcanalysis.prices.machine import MachinePrice
from zcanalysis.prices.settings import shape_of
from zcanalysis.prices.uses import uses
from zcanalysis.rates import increments

Floats = npt.NDArray[np.float64]

STRETCHES: Final = 10
FEWEST_SAMPLES: Final = 10
STEERED, MERGED, UNSUMMED = "steered", "merged", "unsummed"
"""RPS to the reader's CPU; the same with GRO; the same without the sender's checksum offload."""
WORDS: Final = {STEERED: "RPS", MERGED: "GRO and RPS", UNSUMMED: "no checksum offload"}
_charge, _cpu = pl.col("charge"), pl.col("cpu")


class Load(NamedTuple):
    """What a step ran at, while nothing of ours looked; a second each."""

    packets: float
    to_reader: float
    """Interrupts between CPUs, and idle exits, of the reader's CPU."""
    busy_ns: Mapping[int, float]
    """By cpuidle, of each CPU."""


class Step(NamedTuple):
    """One transfer at one load."""

    configuration: str
    mtu: int
    gbps: float
    foreign_share: float
    """Of the time of the sender's or the reader's CPU, whichever is more: what other processes had of it."""
    load: Load
    spent_ns: Mapping[str, Floats]
    """By name of `STEP_PRICES`, shape (STRETCHES,): CPU time of equal stretches of the sampled time."""
    samples: Mapping[str, int]
    used: Mapping[str, float]
    """By unit of `uses.UNITS`: over the sampled time."""


class StepPrice(NamedTuple):
    """A price whose time can be told from samples of a configuration."""

    name: str
    unit: str
    configurations: tuple[str, ...]
    belongs: Callable[[int, int], pl.Expr]
    """Of charged STAGED_SAMPLES rows, given the sender's and the reader's CPU."""
    checks: bool = False
    """Pings measure it too: nothing uses this one."""


STEP_PRICES: Final = (
    StepPrice("gro.packet_ns", "packet", (MERGED,), lambda sender, reader: _charge == "GRO"),
    StepPrice("driver.packet_ns", "packet", (MERGED,), lambda sender, reader: _charge == "driver"),
    StepPrice("softirq.handover_ns", "skb", (MERGED,),
              lambda sender, reader: (_charge == "IP") & (pl.col("stage") == "backlog") & (_cpu == sender)),
    StepPrice("softirq.run_ns", "run", (STEERED,), lambda sender, reader: _charge == "softirqs"),
    StepPrice("checksum.ns_per_byte", "byte", (UNSUMMED,),
              lambda sender, reader: (_charge == "checksum") & (_cpu == reader)),
    StepPrice("interrupt.send_ns", "signal", (STEERED, MERGED),
              lambda sender, reader: _charge == "asking another CPU", checks=True),
    StepPrice("interrupt.receive_ns", "signal", (STEERED, MERGED),
              lambda sender, reader: _charge == "interrupts", checks=True),
)  # fmt: skip


def step_of(seen: Evidence, configuration: str, mtu: int, cpus: tuple[int, int]) -> Step:
    """The figures of one recorded transfer.

    Parameters
    ----------
    seen
        Gathered from a recording with CPU samples and counters of the same time.
    configuration, mtu
        How it was made.
    cpus
        Of sender and reader.
    """
    counted = uses(seen, shape_of(seen), cpus[1])
    samples = charged(seen.stages)
    span_ns = max(int(counted.seconds.sum() * 1e9), 1)
    stretch = (pl.col("at_ns") - pl.col("at_ns").min()) * STRETCHES // span_ns
    samples = samples.with_columns(stretch.clip(0, STRETCHES - 1).alias("stretch"))
    spent, numbers = {}, {}
    for asked in STEP_PRICES:
        mine = samples.filter(asked.belongs(*cpus))
        weights = mine.get_column("weight_ns").to_numpy().astype(np.float64)
        spent[asked.name] = np.bincount(mine.get_column("stretch").to_numpy(), weights, STRETCHES).astype(np.float64)
        numbers[asked.name] = mine.height
    used = {unit: counted.total(unit) for unit in counted.counts}
    gbps = seen.quiet.gbps if seen.quiet is not None else 0.0
    others = seen.account.filter(pl.col("stage") == "foreign", _cpu.is_in(cpus)).get_column("share").to_list()
    return Step(configuration, mtu, gbps, max(others, default=0.0), load_of(seen, cpus[1]), spent, numbers, used)


def load_of(seen: Evidence, reader_cpu: int) -> Load:
    """Rates of the undisturbed windows.

    Parameters
    ----------
    seen
        Of a recording with counters.
    reader_cpu
        Whose interrupts are meant.
    """
    counters = seen.recording.counters
    assert counters is not None
    per_s = (pl.col("increment") / pl.col("elapsed_ns") * 1e9).alias("per_s")

    def rates(source: str, *names: str) -> pl.DataFrame:
        return increments(counters, source, QUIET_PHASE).filter(pl.col("counter").is_in(names)).with_columns(per_s)

    device, reader = pl.col("instance") == seen.recording.host.device, pl.col("instance") == f"cpu{reader_cpu}"
    idle = {
        int(str(instance).removeprefix("cpu")): float(rate)
        for instance, rate in rates("cpuidle", "idle_ns").select("instance", "per_s").iter_rows()
    }
    return Load(
        packets=float(rates("netdev", "rx_packets").filter(device).get_column("per_s").sum()),
        to_reader=float(rates("irq", "CAL", "RES").filter(reader).get_column("per_s").sum()),
        busy_ns={cpu: 1e9 - idle_ns for cpu, idle_ns in idle.items()},
    )


def step_prices(steps: Sequence[Step], mtu: int) -> tuple[list[MachinePrice], list[MachinePrice], list[str]]:
    """Prices, checks of other prices, and why one is absent.

    Parameters
    ----------
    steps
        All that were made; only those of the MTU count.
    mtu
        Which.
    """
    prices: list[MachinePrice] = []
    checks: list[MachinePrice] = []
    notes = []
    for asked in STEP_PRICES:
        mine = [one for one in steps if one.mtu == mtu and one.configuration in asked.configurations]
        mine = [one for one in mine if one.used.get(asked.unit)]
        sampled = sum(one.samples[asked.name] for one in mine)
        if sampled < FEWEST_SAMPLES:
            notes.append(f"{asked.name}: only {sampled} CPU samples of it at MTU {mtu}")
            continue
        source = f"{sampled} CPU samples over counted uses, {len(mine)} offered loads, {_in_words(asked)}, MTU {mtu}"
        price = pooled(
            [one.spent_ns[asked.name] for one in mine], [one.used[asked.unit] for one in mine], source
        )  # fmt: skip
        (checks if asked.checks else prices).append(MachinePrice(asked.name, price, mtu))
    return prices, checks, notes


def _in_words(asked: StepPrice) -> str:
    return " or ".join(WORDS[name] for name in asked.configurations)


def pooled(spent_ns: Sequence[Floats], used: Sequence[float], source: str) -> Price:
    """All time over all uses; its interval from redrawn loads and, within them, redrawn stretches of time.

    Parameters
    ----------
    spent_ns
        One a load, shape (stretches,) each.
    used
        One a load, > 0: over all its stretches.
    source
        How it was measured.

    Examples
    --------
    >>> pooled([np.array([10.0, 10.0])], [4.0], "") == Price(5.0, 5.0, 5.0, "calibrated")
    True
    """
    rng = np.random.default_rng(SEED)
    loads = rng.integers(0, len(used), (DRAWS, len(used)))
    drawn = []
    for row in loads:
        spent = sum(float(rng.choice(spent_ns[at], len(spent_ns[at])).sum()) for at in row)
        drawn.append(spent / sum(used[at] for at in row))
    value = sum(float(one.sum()) for one in spent_ns) / sum(used)
    low, high = np.quantile(drawn, [LOW_QUANTILE, HIGH_QUANTILE])
    return Price(value, min(low, value), max(high, value), "calibrated", source)


def batch_price(steps: Sequence[Step], configuration: str, mtu: int, reader_cpu: int) -> MachinePrice | None:
    """What an interrupt costs the reader's CPU, by its busy time at several loads; None where these are too few.

    Parameters
    ----------
    steps
        All that were made.
    configuration, mtu
        Of which.
    reader_cpu
        Whose busy time.

    Notes
    -----
    Non-negative least squares of busy time on packets and interrupts, 5 and 95 % by redrawn steps. It holds all that
    comes once for an interrupt (the softirq's start, the wake-up), and misses what is served inside an idle state,
    which the kernel books as idle. Where a packet is cheaper at a high load, that too is laid on the interrupts.
    """
    loads = [one.load for one in steps if (one.mtu, one.configuration) == (mtu, configuration)]
    loads = [one for one in loads if reader_cpu in one.busy_ns and one.packets > 0]
    if len(loads) < FEWEST:
        return None
    uses_per_s = np.array([[one.packets, one.to_reader] for one in loads])
    busy_ns = np.array([one.busy_ns[reader_cpu] for one in loads])
    rng = np.random.default_rng(SEED)
    value = _fitted(uses_per_s, busy_ns)
    drawn = [_fitted(uses_per_s[row], busy_ns[row]) for row in rng.integers(0, len(loads), (DRAWS, len(loads)))]
    low, high = np.quantile(drawn, [LOW_QUANTILE, HIGH_QUANTILE])
    how = f"busy time of CPU {reader_cpu} on packets and interrupts, least squares over {len(loads)} loads"
    source = f"{how}, {WORDS[configuration]}, MTU {mtu}"
    price = Price(value, min(low, value), max(high, value), "calibrated", source)
    return MachinePrice("interrupt.receive_ns", price, mtu)


def _fitted(uses_per_s: Floats, busy_ns: Floats) -> float:
    scale = uses_per_s.max(axis=0)
    scale[scale == 0] = 1.0
    solution, _ = nnls(uses_per_s / scale, busy_ns)
    return float(solution[1] / scale[1])

"""How often a recording used each stage: what the CPU time of a stage is divided by."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.cpu.batches import LEAST_PER_S
from zcanalysis.evidence import Evidence, sampled_windows
from zcanalysis.goodput import sampled_phase

Floats = npt.NDArray[np.float64]

UNITS: Final = ("packet", "byte", "skb", "burst", "ack", "signal", "disturbance", "run", "call", "sleep", "wake")
"""Received packets, their payload bytes, skbs above GRO, the sender's bursts, ACKs, interrupts between CPUs and by the
device, those that met a CPU at work, runs of the receive softirq, the reader's calls, sleeps of the processes (where
these were not counted, of CPUs), and the reader's among them."""
USED: Final = pl.col("increment") / pl.col("elapsed_ns") * pl.col("window_ns")
"""Each source is read at its own moments: its rate, for as long as the samples' window was."""
RESCHEDULING: Final = "RES"
SIGNALS: Final = ("CAL", RESCHEDULING)  # function calls and rescheduling, /proc/interrupts
LEAST_MET: Final = 0.25
COUNTED: Final = {
    "packet": (("netdev", "rx_packets"),),
    "skb": (("snmp", "Ip.InReceives"), ("snmp6", "Ip6InReceives")),
    "ack": (("snmp", "Tcp.OutSegs"),),
    "run": (("softirqs", "NET_RX"),),
}


class Shape(NamedTuple):
    """Sizes of things, bytes of payload."""

    packet_bytes: float
    burst_bytes: int
    call_bytes: int


class Uses(NamedTuple):
    """Uses in each window of the sampled phase."""

    seconds: Floats
    """Shape (windows,)."""
    counts: dict[str, Floats]
    """By unit of `UNITS`, shape (windows,) each; a unit that nobody counted, or hardly ever, is absent."""

    def total(self, unit: str) -> float:
        """Over all windows; 0 where nobody counted."""
        return float(self.counts[unit].sum()) if unit in self.counts else 0.0


def uses(seen: Evidence, shape: Shape, reader_cpu: int) -> Uses:
    """The uses of a recording's sampled phase, window by window.

    Parameters
    ----------
    seen
        Gathered from a recording with counters of a sampled phase.
    shape
        Sizes that packets, bursts and calls have: bursts and calls are counted by bytes.
    reader_cpu
        Whose idle exits are the reader's wake-ups.
    """
    counters = seen.recording.counters
    phase = sampled_phase(counters)
    spans = sampled_windows(counters, phase)
    if counters is None or spans.is_empty():
        return Uses(np.zeros(0), {})
    lengths_ns = spans.select("repeat", (pl.col("to_ns") - pl.col("from_ns")).alias("window_ns"))
    grown = _growth(counters.filter(pl.col("phase") == phase)).join(lengths_ns, on="repeat")
    device = seen.recording.host.device
    windows = lengths_ns.get_column("repeat").sort()
    counts = {}
    for unit, names in COUNTED.items():
        rows = pl.lit(False)
        for source, counter in names:
            rows |= (pl.col("source") == source) & (pl.col("counter") == counter)
        if unit == "packet":
            rows &= pl.col("instance") == device
        counts[unit] = _by_window(grown.filter(rows), windows, USED.sum())
    between = (pl.col("source") == "irq") & pl.col("counter").is_in(SIGNALS)
    counts["signal"] = _by_window(grown.filter(between | _of_device(seen)), windows, USED.sum())
    slept = (pl.col("source") == "cpuidle") & (pl.col("counter") == "entries")
    asleep = _by_window(grown.filter(slept), windows, USED.sum())
    counts["disturbance"] = _disturbances(counts["signal"], asleep)
    there = pl.col("instance") == f"cpu{reader_cpu}"
    preempting = (pl.col("source") == "irq") & (pl.col("counter") == RESCHEDULING) & there
    idled = _by_window(grown.filter(slept & there), windows, USED.sum())
    preempted = _by_window(grown.filter(preempting), windows, USED.sum())
    counts["wake"] = np.maximum(idled, preempted)  # a CPU with other work has no idle time that could end
    counts["sleep"] = asleep - idled + counts["wake"]
    sleeps = (pl.col("source") == "process") & (pl.col("counter") == "sleeps")
    readers = [str(pid) for pid in seen.recording.host.reader_pids]
    woken = grown.filter(sleeps & pl.col("instance").is_in(readers))
    if woken.height:
        counts["wake"] = _by_window(woken, windows, USED.sum())
        counts["sleep"] = _by_window(grown.filter(sleeps), windows, USED.sum())
    counts["byte"] = counts["packet"] * shape.packet_bytes
    counts["burst"] = counts["byte"] / shape.burst_bytes
    counts["call"] = counts["byte"] / shape.call_bytes
    seconds = lengths_ns.sort("repeat").get_column("window_ns").to_numpy() / 1e9
    often = LEAST_PER_S * float(seconds.sum())
    return Uses(seconds, {unit: counted for unit, counted in counts.items() if counted.sum() >= often})


def _disturbances(signals: Floats, asleep: Floats) -> Floats:
    """Signals that met a CPU at work, the others ended a sleep; none where they are a small part, so badly known."""
    met = np.maximum(signals - asleep, 0.0)
    return met if met.sum() >= LEAST_MET * signals.sum() else np.zeros_like(met)


def _of_device(seen: Evidence) -> pl.Expr:
    irqs = [str(queue.irq) for queue in seen.recording.host.queues if queue.irq is not None]
    return (pl.col("source") == "irq") & pl.col("counter").is_in(irqs)


def _growth(rows: pl.DataFrame) -> pl.DataFrame:
    value, at_ns = pl.col("value"), pl.col("ts_ns")
    return (
        rows.sort("ts_ns")
        .group_by("repeat", "source", "instance", "counter")
        .agg(
            (value.last() - value.first()).clip(0).alias("increment"),
            (at_ns.last() - at_ns.first()).alias("elapsed_ns"),
        )
        .filter(pl.col("elapsed_ns") > 0)
    )


def _by_window(rows: pl.DataFrame, windows: pl.Series, what: pl.Expr) -> Floats:
    of_each = rows.group_by("repeat").agg(what.alias("sum"))
    placed = windows.to_frame().join(of_each, on="repeat", how="left").sort("repeat")
    return placed.get_column("sum").fill_null(0).cast(pl.Float64).to_numpy()

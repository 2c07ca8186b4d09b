"""From rounds of pings and copies to prices: differences of medians, and which rounds did what they were meant to."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from zcanalysis.lab.copies import CopyRound
from zcanalysis.lab.medians import FEWEST, median_price
from zcanalysis.lab.pings import PingRound
from zcanalysis.prices.machine import CopyRate, MachinePrice

MOSTLY: Final = 0.9
RARELY: Final = 0.1


class PingPrice(NamedTuple):
    """One price that pings show."""

    name: str
    is_usable: Callable[[PingRound], bool]
    values: Callable[[PingRound], list[float]]
    how: str


def was_idle(one: PingRound) -> bool:
    """Whether the pinged CPU slept before each ping, and was interrupted by it."""
    return one.to_idle.idle_exits >= MOSTLY and one.to_idle.interrupts >= MOSTLY


def was_busy(one: PingRound) -> bool:
    """Whether it computed before each ping, and was interrupted by it."""
    return one.to_busy.idle_exits <= RARELY and one.to_busy.interrupts >= MOSTLY


def was_asleep(one: PingRound) -> bool:
    """Whether the thread of the same CPU slept when it was woken, and did not preempt."""
    return one.overtaken <= RARELY


def was_interrupted(one: PingRound) -> bool:
    """Whether the computing thread was interrupted as often as was asked for."""
    return one.lost_interrupts >= MOSTLY


PING_PRICES: Final = (
    PingPrice(
        "interrupt.send_ns", lambda one: was_idle(one) and was_busy(one) and was_asleep(one),
        lambda one: [woken.write_ns - one.same_cpu_write_ns for woken in (one.to_idle, one.to_busy)],
        "waking a thread of another CPU, idle and busy, less waking one of the same CPU",
    ),
    PingPrice(
        "interrupt.receive_ns", was_interrupted, lambda one: [one.lost_ns / one.lost_interrupts],
        "what a computing thread lost to each membarrier of another CPU",
    ),
    PingPrice(
        "interrupt.idle_ns", lambda one: was_idle(one) and was_busy(one),
        lambda one: [one.to_idle.latency_ns - one.to_busy.latency_ns],
        "waking a thread of a CPU that slept 20-300 us, less the same of a CPU that computed for nobody",
    ),
    PingPrice(
        "reader.wake_ns", was_asleep, lambda one: [one.same_cpu_write_ns - one.write_ns],
        "a write to an eventfd that wakes a thread of the same CPU, less one that wakes nobody",
    ),
    PingPrice(
        "reader.schedule_ns", was_asleep, lambda one: [one.switch_ns - one.read_ns],
        "from one thread's going to sleep until another of its CPU is back from its read, less that read",
    ),
)  # fmt: skip


def ping_prices(rounds: Sequence[PingRound]) -> tuple[list[MachinePrice], list[str]]:
    """The prices, and why one is absent.

    Parameters
    ----------
    rounds
        As many as were made; those that exercised something else are left out.
    """
    prices, notes = [], []
    for asked in PING_PRICES:
        usable = [asked.values(one) for one in rounds if asked.is_usable(one)]
        if len(usable) < FEWEST:
            notes.append(
                f"{asked.name}: only {len(usable)} of {len(rounds)} rounds of pings were what they were meant to be: "
                "other processes kept the CPUs"
            )
            continue
        prices.append(MachinePrice(asked.name, median_price(usable, f"{asked.how}; {len(usable)} rounds")))
    return prices, notes


def copy_rates(rounds: Sequence[CopyRound]) -> list[CopyRate]:
    """Of each kind and size of ring, the median of its rounds.

    Parameters
    ----------
    rounds
        In any order.
    """
    kinds: dict[tuple[str, int], list[list[float]]] = {}
    for one in rounds:
        kinds.setdefault((one.kind, one.ring_bytes), []).append([one.ns_per_byte])
    found: list[CopyRate] = []
    for (kind, ring), values in sorted(kinds.items()):
        price = median_price(values, "")
        found.append(CopyRate(kind, ring, price.value, price.low, price.high))
    return found

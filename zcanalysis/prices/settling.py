"""Prices settled with the replay: a stage costs the replayed host what the samples show, however often it is used.

A price is CPU time over uses. Some uses nobody counts (a reader's calls, a sender's bursts), others are counted but
come more or less often in the replay, whose rules are simpler than the kernel's. Time over counted uses would then
charge the replayed host with more time than anybody spent, or less; so the uses are the replay's own.
"""

from collections.abc import Mapping
from typing import Final

from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts import Host, Price
from zcanalysis.rates import BITS_PER_BYTE
from zcanalysis.transfers import transfers

ROUNDS: Final = 5
MOST: Final = 4.0
"""How far a price may leave the counted one: further, and what differs is the regime, not the count."""
REPLAYED: Final[Mapping[str, str]] = {"sender.burst_ns": "bursts", "reader.syscall_ns": "calls"}
"""What the replay counts, by the price it pays for each."""


def settled(host: Host, ns_per_byte: Mapping[str, float]) -> Host:
    """The host with prices at which its replay spends the measured time.

    Parameters
    ----------
    host
        Of generation linux-6, priced by counted uses.
    ns_per_byte
        CPU time over payload that the samples show behind each measured price.

    Notes
    -----
    Uses depend on prices (a cheaper wake-up comes more often), so this is a fixed point, looked for in a few rounds,
    each half the way on a logarithmic scale.
    """
    counted = host.prices()
    wanted = {name: ns for name, ns in ns_per_byte.items() if name in REPLAYED and name in counted and ns > 0}
    for _ in range(ROUNDS if wanted else 0):
        try:
            uses = _uses_per_byte(host)
        except ImpossibleHostError:
            return host
        now = host.prices()
        host = host.with_prices({
            name: _moved(counted[name], now[name].value, ns / uses[REPLAYED[name]])
            for name, ns in wanted.items() if uses[REPLAYED[name]] > 0
        })  # fmt: skip
    return host


def _uses_per_byte(host: Host) -> dict[str, float]:
    done = transfers([host])
    bytes_per_s = float(done.gbps[0]) * 1e9 / BITS_PER_BYTE
    return {name: count / bytes_per_s for name, count in done.per_s[0].items()}


def _moved(counted: Price, now: float, aim: float) -> Price:
    """Half the way, within the bounds; the interval keeps its width as a factor."""
    value = min(max((now * aim) ** 0.5, counted.value / MOST), counted.value * MOST)
    factor = value / counted.value
    return Price(value, counted.low * factor, counted.high * factor, counted.origin, counted.source)

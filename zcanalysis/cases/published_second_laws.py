"""The second approach to the published rows that the first one misses: again from inputs and other rows alone.

Each replaces the first for all rows of its kind, whatever comes out:

- *ping-pong*: the first counts what cards and wire do. A ping is also copied by two CPUs, and what a card wrote
  to memory a CPU fetches from there before it copies: certain work, so that a law with it is the truer one.
- *ladder*: the first takes it that wake-ups and ACKs follow skbs. The replay counts them, merges what is there to be
  merged, and knows which CPU is busy, so that it also says what the connection reaches (*ladder, in all*).
- *mapping*: the first maps pages for nothing. Here mapping costs what it does on another host, in copies.
- *forwarding*: the first takes a TCP receiver for a forwarder. Here a forwarder is compared with itself; what chaining
  saves is the skb that a split makes anew for each frame, at its price on the ladder's rungs of that MTU.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from zcanalysis.cases.published_laws import (
    HEADER_BYTES,
    KB,
    LADDER_GHZ,
    Law,
    Row,
    published_cycles,
    store_and_forward,
)
from zcanalysis.cases.published_rungs import replayed_rung, replayed_total
from zcanalysis.model.memory_bus import Touch, buffer_crossings

SKB_ANEW: Final = ("skb", "mm")
"""Categories of the SIGCOMM'21 artifact that allocate and free an skb and its memory."""
A1_CROSSINGS: Final = 2
"""Of memory, in equation A.1."""
COPIES: Final = 2
"""Into the kernel and out of it."""


def copied_by_cpus(row: Row, others: Sequence[Row]) -> float:
    """Microseconds a byte of a ping: as `store_and_forward`, and two CPUs copy it, one of them out of memory.

    Parameters
    ----------
    row
        With the rates of memory, bus and link.
    others
        Aligned copies within the cache, in KB a second: a ping is small, and the program's buffer is used again.
    """
    sent, received = (Touch.WRITE, Touch.DMA_OUT), (Touch.DMA_IN, Touch.READ)
    crossings = sum(buffer_crossings(buffer, kept=True).memory for buffer in (sent, received))
    more_us = (crossings - A1_CROSSINGS) * 8 / row["inputs"]["memory_gbps"] / 1000
    copy_us = float(np.mean([1e6 / KB / other["outcome"] for other in others]))
    return float(store_and_forward(row, ()) + more_us + COPIES * copy_us)


def mapped_share(row: Row, others: Sequence[Row]) -> float:
    """CPU microseconds a MB when pages are mapped: the share of a copy's time that it is on another host.

    Parameters
    ----------
    row
        With the CPU time of runs that copy, and of the same program's runs of both kinds elsewhere: clocks are stated
        for neither host, so that only a ratio carries over.
    others
        None.
    """
    return float(np.mean(row["inputs"]["copy_us_per_mb"]) * mapped_over_copied(row))


def mapped_over_copied(row: Row) -> float:
    """CPU time of the same program elsewhere, when it maps, over that when it copies.

    Parameters
    ----------
    row
        With both.
    """
    told = row["inputs"]
    return float(np.mean(told["elsewhere_mapped_us_per_mb"]) / np.mean(told["elsewhere_copy_us_per_mb"]))


def split_anew(row: Row, others: Sequence[Row]) -> float:
    """Million frames a second forwarded: the other kind of merging, with or without an skb made anew for each frame.

    Parameters
    ----------
    row
        Whether it chains the frames' own skbs.
    others
        The other kind, and rungs at this MTU: what an skb costs there.
    """
    (other,) = (o for o in others if "chained" in o["inputs"])
    rungs = [o for o in others if "shares" in o]
    anew_ns = np.mean([_skb_ns(rung) for rung in rungs])
    return float(1000 / (1000 / other["outcome"] + (-anew_ns if row["inputs"]["chained"] else anew_ns)))


def _skb_ns(rung: Row) -> float:
    """What skb and memory cost for each packet of a rung."""
    cycles = published_cycles(rung)
    return float(rung["inputs"]["mtu"] - HEADER_BYTES) * sum(cycles[name] for name in SKB_ANEW) / LADDER_GHZ


SECOND_LAWS: Final[Mapping[str, Law]] = {
    "ping-pong": copied_by_cpus, "ladder, a core": replayed_rung, "ladder, in all": replayed_total,
    "mapping": mapped_share, "forwarding": split_anew,
}  # fmt: skip
"""By the kind of a row; what has none keeps its first one."""

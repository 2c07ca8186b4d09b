"""How each kind of published row is foretold: a function of its own inputs and of the outcomes of other rows.

The first approach to each; `published_second_laws` holds the second one to those that it missed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from zcanalysis.model.copy import Copy, through_copy
from zcanalysis.model.dma import Bus, crossing_ns
from zcanalysis.model.link import Link, serialisation_ns

Row: TypeAlias = Mapping[str, Any]
Law: TypeAlias = Callable[[Row, Sequence[Row]], float]

GIB: Final = 1 << 30
MIB: Final = 1 << 20
KB: Final = 1024
PING_BYTES: Final = (200, 1400)
"""Two sizes that one frame holds: between them the slope is taken."""
LADDER_GHZ: Final = 3.4
HEADER_BYTES: Final = 52
MERGED_BYTES: Final = 65_535
DRIVEN_BY: Final[Mapping[str, str]] = {
    "data_copy": "byte", "netdev": "packet", "skb": "packet", "mm": "packet", "etc": "packet", "tcp_ip": "skb",
    "lock": "skb", "sched": "skb",
}  # fmt: skip
"""What each category of the SIGCOMM'21 artifact is paid for: as in the preset `modern`."""
PAIRS: Final = (
    ("ladder-tsogro", "ladder-tsogro-arfs"), ("ladder-jumbo", "ladder-jumbo-arfs"),
    ("ladder-tsogro-jumbo", "ladder-all-opts"),
)  # fmt: skip
"""Rungs that differ in where the reader runs alone."""


def same_price(row: Row, others: Sequence[Row]) -> float:
    """A copy by the same routine at the same class of alignment costs the same.

    Parameters
    ----------
    row
        Of seconds for a GiB, or of KB a second.
    others
        Rows of the same unit.
    """
    timed = row["unit"] == "s for 1 GiB"
    ns_per_byte = np.mean([o["outcome"] * 1e9 / GIB if timed else 1e9 / KB / o["outcome"] for o in others])
    price = Copy(near_gbytes_per_s=1 / ns_per_byte, far_gbytes_per_s=1 / ns_per_byte, cache_bytes=0)
    gib_ns = int(through_copy(np.zeros(1, np.int64), np.array([GIB]), price).departure_ns[0])
    return gib_ns / 1e9 if timed else GIB / KB / (gib_ns / 1e9)


def store_and_forward(row: Row, others: Sequence[Row]) -> float:
    """Microseconds a byte of a ping: twice through memory, twice over the bus, once over the wire; nothing is fitted.

    Parameters
    ----------
    row
        With the rates of memory, bus and link.
    others
        None.

    Notes
    -----
    Equation A.1 of the thesis that the rows are from.
    """
    told, sizes = row["inputs"], np.array(PING_BYTES)
    rates = {name: Bus(gbytes_per_s=told[f"{name}_gbps"] / 8, burst_bytes=sizes[-1]) for name in ("memory", "bus")}
    wire_ns = serialisation_ns(sizes + HEADER_BYTES, Link(gbits_per_s=told["link_gbps"]))
    total_ns = wire_ns + sum(2 * crossing_ns(1000 * sizes, rate) / 1000 for rate in rates.values())
    return float(np.diff(total_ns)[0] / np.diff(sizes)[0]) / 1000


def bus_share(row: Row, others: Sequence[Row]) -> float:
    """Gbit/s over a bus of which the others used so much.

    Parameters
    ----------
    row, others
        With the rate of the bus.
    """
    return float(row["inputs"]["bus_gbps"] * np.mean([o["outcome"] / o["inputs"]["bus_gbps"] for o in others]))


def rung(row: Row, others: Sequence[Row]) -> float:
    """Gbit/s of one core: each category's price from the other rungs, times what this rung pays it for.

    Parameters
    ----------
    row
        With MTU, GRO, and whether the reader runs where packets arrive.
    others
        All other rungs; those with shares give the prices.
    """
    return 8 * LADDER_GHZ / sum(foretold_cycles(row, others).values())


def foretold_cycles(row: Row, others: Sequence[Row]) -> dict[str, float]:
    """Cycles a byte by category, as `rung` adds them up.

    Parameters
    ----------
    row, others
        As there.
    """
    gain = nearer(others)
    priced = [(o, published_cycles(o)) for o in others if "shares" in o]
    return {
        name: float(
            np.mean([c[name] * (gain if o["inputs"]["local"] else 1) / _drivers(o)[driver] for o, c in priced])
            * _drivers(row)[driver]
            / (gain if row["inputs"]["local"] else 1)
        )
        for name, driver in DRIVEN_BY.items()
    }


def published_cycles(row: Row) -> dict[str, float]:
    """Cycles a byte by category of a rung with shares; the shares are scaled to their sum.

    Parameters
    ----------
    row
        With ``shares``; its parser stopped at 95 %.
    """
    shares = row["shares"]
    return {name: 8 * LADDER_GHZ / row["outcome"] * share / sum(shares.values()) for name, share in shares.items()}


def nearer(rows: Sequence[Row]) -> float:
    """By how much less it costs where the reader runs on the packets' own core.

    Parameters
    ----------
    rows
        Rungs; pairs that differ in nothing else are compared.
    """
    told = {row["id"]: row["outcome"] for row in rows}
    ratios = [told[local] / told[remote] for remote, local in PAIRS if remote in told and local in told]
    return float(np.exp(np.mean(np.log(ratios))))


def _drivers(row: Row) -> dict[str, float]:
    """How many of each there are for a byte."""
    segment = row["inputs"]["mtu"] - HEADER_BYTES
    merged = MERGED_BYTES // segment if row["inputs"]["gro"] else 1
    return {"byte": 1.0, "packet": 1 / segment, "skb": 1 / (segment * merged)}


def copy_removed(row: Row, others: Sequence[Row]) -> float:
    """CPU microseconds a MB without the copy: what was measured with it, less the copy's price on another host.

    Parameters
    ----------
    row
        With the CPU time of runs that copy.
    others
        A rung with shares: its cycles of data_copy.
    """
    copy_us = np.mean([published_cycles(o)["data_copy"] for o in others]) / LADDER_GHZ * MIB / 1000
    return float(np.mean(row["inputs"]["copy_us_per_mb"]) - copy_us)


def merged(row: Row, others: Sequence[Row]) -> float:
    """Million frames a second forwarded, if all but the work of a packet is paid once for each merged skb.

    Parameters
    ----------
    row
        With the rate unmerged and the frame size.
    others
        The rungs without any offload and with GRO: what a packet and what an skb cost there.
    """
    told = row["inputs"]
    alone, gro = (next(o for o in others if o["inputs"]["gro"] is state) for state in (False, True))
    whole = {name: c / _drivers(alone)["packet"] for name, c in published_cycles(alone).items() if name != "data_copy"}
    packet = sum(published_cycles(gro)[n] / _drivers(gro)["packet"] for n, by in DRIVEN_BY.items() if by == "packet")
    share = packet / sum(whole.values())
    return float(told["unmerged_mpps"] / (share + (1 - share) / (MERGED_BYTES // told["frame_bytes"])))


def sum_of_stages(row: Row, others: Sequence[Row]) -> float:
    """Mbit/s where each stage has the CPU to itself.

    Parameters
    ----------
    row
        With the stages of one segment.
    others
        None.
    """
    return float(8 * row["inputs"]["payload_bytes"] / sum(row["inputs"]["stages_us"]))


LAWS: Final[Mapping[str, Law]] = {
    "copies": same_price, "ping-pong": store_and_forward, "buses": bus_share, "ladder, a core": rung,
    "mapping": copy_removed, "forwarding": merged, "sum of stages": sum_of_stages,
}  # fmt: skip
"""By the kind of a row."""

"""What is known of the asker's hosts, and what is not: every range was written down before a host was drawn.

Nothing was published of CPU, MTU, driver and program. A price is drawn as `zcanalysis.hosts.drawing` draws it, its
median in the middle, 5 % below `low` and 5 % above `high`; a choice is drawn with equal chances. Both ends of the
transfer are the same machine, as in a cluster: prices of the sender and of the receiver move together.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.hosts import preset
from zcanalysis.hosts.drawing import drawn_values
from zcanalysis.hosts.price import Price

Hosts: TypeAlias = dict[str, npt.NDArray[np.float64]]
"""Hosts as columns, shape (hosts,) each."""

REPORTED_GBPS: Final = (1.4, 0.9)
"""Transmitted and received: Hurwitz, linux-kernel, 27 June 2002."""
TRANSMIT_GBPS: Final = (1.3, 1.5)
"""'Easily at around 1.4': a figure of one decimal is known to 0.05, 'around' is taken for twice that."""
RECEIVE_GBPS: Final = (0.85, 1.0)
"""'About 0.9': from 0.85 by its last digit; to 1.0, as the same thread also says 70 % of what is sent, 0.98."""
LINK_GBPS: Final = 3.2
HEADER_BYTES: Final = 52  # IPv4, TCP and its time stamps
WINDOW_BYTES: Final = 65_535  # 3/4 of tcp_rmem[1] = 87380, tcp_win_from_space of 2.4

_OLD, _ELAN = preset("host_2002").prices(), preset("quadrics_elan3").prices()
_ROUTINES: Final = "Morton, linux-kernel, 7 October 2002, page cache to user, Pentium III"

PRICES: Final[Mapping[str, Price]] = {
    "fused_ns_per_byte": _OLD["checksum.fused_ns_per_byte"],
    "checksum_ns_per_byte": _OLD["checksum.ns_per_byte"],
    "copy_share": Price(0.79, 0.65, 1.03, "published", f"{_ROUTINES}: 4.373 s aligned against 6.063 s of the integer"
                        " loop, 0.72; 0.79 is the fused pass less its sum; 1.03 on a P4 Xeon (Anand, 9 October 2002)"),
    "warm_share": Price(0.7, 0.33, 1.0, "assumed", "the sender's data are in its cache: a third of the cold price is"
                        " what Vlasenko says prefetch leaves (October 2002), 1 if the cache does not help"),
    "pace": Price(1.0, 0.6, 1.6, "assumed", "one factor on all prices of a packet, as clock rates of 2001 differed:"
                  " 0.75 to 2 GHz around 1.2"),
    "interrupt_ns": _OLD["interrupt.receive_ns"],
    "driver_ns": _OLD["driver.packet_ns"],
    "softirq_ns": _OLD["softirq.run_ns"],
    "ip_ns": _OLD["ip.skb_ns"],
    "tcp_ns": _OLD["tcp.skb_ns"],
    "ack_ns": _OLD["tcp.ack_ns"],
    "wake_ns": _OLD["reader.wake_ns"],
    "schedule_ns": _OLD["reader.schedule_ns"],
    "syscall_ns": _OLD["reader.syscall_ns"],
    "send_packet_ns": _OLD["sender.packet_ns"],
    "delay_ns": _ELAN["link.delay_ns"],
    "bus_gbps": _ELAN["nic.dma_gbps"],
}  # fmt: skip
CPU_PRICES: Final = ("pace", "fused_ns_per_byte", "checksum_ns_per_byte")
"""What all times of a CPU are proportional to."""
CHOICES: Final[Mapping[str, tuple[tuple[float, ...], str]]] = {
    "mtu_bytes": (
        (1500, 8192, 16384, 32768),
        "the driver's MTU is not in the thread; the card takes 64 KB, it is said",
    ),
    "reader_bytes": ((8192, 65536), "what the program reads at once: ttcp's 8 KB, or 64 KB; not in the thread"),
    "cpus": ((1, 2), "processors of a node at work; not in the thread"),
}
NEUTRAL: Final[Mapping[str, float]] = {
    "driver_copy_share": 0.0, "reader_warm_share": 1.0, "misaligned_share": 0.0, "unsummed": 0.0, "late_ns": 0.0,
    "interrupt_more_ns": 0.0, "segments": 4.0, "stall_ns": 0.0, "stall_bytes": 1e12, "page_ns": 0.0, "fail_share": 0.0,
    "read_gbps": 1e3, "write_more": 1.0, "memory_gbps": 1e3, "sent_crossings": 3.0, "received_crossings": 4.0,
    "lock_share": 1.0, "defragment_share": 0.0, "defragmented_warm_share": 1.0, "prequeue": 1.0, "free_copy": 0.0,
    "window_bytes": WINDOW_BYTES,
}  # fmt: skip
"""What a host has where no hypothesis says otherwise."""


def drawn(rng: np.random.Generator, hosts: int) -> Hosts:
    """Hosts of the prior, no hypothesis supposed of them.

    Parameters
    ----------
    rng
        Where chance comes from.
    hosts
        How many, >= 0.
    """
    prices = {name: drawn_values(price, rng, hosts) for name, price in PRICES.items()}
    choices = {name: rng.choice(np.array(values, float), hosts) for name, (values, _) in CHOICES.items()}
    return {name: np.full(hosts, value) for name, value in NEUTRAL.items()} | prices | choices


def priors(prices: Mapping[str, Price], choices: Mapping[str, tuple[tuple[float, ...], str]]) -> pl.DataFrame:
    """The ranges as ASSUMPTIONS rows; of a choice the middle one, the least and the greatest.

    Parameters
    ----------
    prices, choices
        As in `PRICES` and `CHOICES`.
    """
    rows = [(name, one.value, one.low, one.high, unit(name), one.origin, one.source) for name, one in prices.items()]
    rows += [
        (name, float(np.median(values)), min(values), max(values), unit(name), "assumed",
         f"one of {', '.join(f'{value:g}' for value in values)}: {why}")
        for name, (values, why) in choices.items()
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=["name", "value", "low", "high", "unit", "origin", "source"], orient="row")


def unit(name: str) -> str:
    """Of a range: its suffix, or 1 of a share or a count."""
    for suffix, words in (("_ns_per_byte", "ns/byte"), ("_ns", "ns"), ("_gbps", "Gbit/s"), ("_bytes", "bytes")):
        if name.endswith(suffix):
            return words
    return "1"

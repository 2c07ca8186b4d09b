"""Interrupts: the card waits for company, then tells a CPU; that CPU may tell another."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from zcanalysis.model.arrays import Groups, Mask, Nanoseconds, group_first, require
from zcanalysis.model.compiling import over_scenarios
from zcanalysis.model.queueing import fifo_departure_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Moderation:
    """How long a card holds an interrupt back: `ethtool -C` rx-usecs and rx-frames (include/uapi/linux/ethtool.h)."""

    timer_ns: int = 0
    packets: int = 1

    def __post_init__(self) -> None:
        require(self.timer_ns, "timer_ns", 0)
        require(self.packets, "packets", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptPrice:
    """What one interrupt costs."""

    latency_ns: int = 0  # until the CPU has begun
    handler_ns: int = 0  # the CPU is busy with it
    ipi_ns: int = 0  # from asking another CPU until it has begun

    def __post_init__(self) -> None:
        require(self.latency_ns, "latency_ns", 0)
        require(self.handler_ns, "handler_ns", 0)
        require(self.ipi_ns, "ipi_ns", 0)


class Interrupts(NamedTuple):
    """For each packet the interrupt that announces it; ids count from 0 in time order."""

    group: Groups
    raised_ns: Nanoseconds


def moderated(arrival_ns: Nanoseconds, moderation: Moderation) -> Interrupts:
    """Which packets share an interrupt, and when it is raised.

    Parameters
    ----------
    arrival_ns
        Shape (..., n), non-decreasing. When each packet is in memory.
    moderation
        Timer and packet count, whichever is first.

    Notes
    -----
    rx-usecs: "how many usecs to delay an RX interrupt after a packet arrives", rx-frames: "maximum number of packets to
    receive before an RX interrupt" (include/uapi/linux/ethtool.h, struct ethtool_coalesce). The timer starts with the
    first packet that waits; one that arrives in the nanosecond it fires is still announced (assumed: cards differ).
    Open loop: a card whose interrupt is masked by NAPI while it is polled is napi.py's business.
    """
    return Interrupts(*_moderated(arrival_ns, moderation.timer_ns, moderation.packets))


@over_scenarios("(n),(),()->(n),(n)", "void(int64[:], int64, int64, int64[:], int64[:])")
def _moderated(arrival_ns: Nanoseconds, timer_ns: int, packets: int, group: Groups, raised_ns: Nanoseconds) -> None:
    first = 0
    interrupt = 0
    while first < arrival_ns.size:
        fires_ns = arrival_ns[first] + timer_ns
        end = first + 1
        while end < arrival_ns.size and end - first < packets and arrival_ns[end] <= fires_ns:
            end += 1
        if end - first == packets:
            fires_ns = arrival_ns[end - 1]
        for i in range(first, end):
            group[i] = interrupt
            raised_ns[i] = fires_ns
        interrupt += 1
        first = end


def handler_departure_ns(interrupts: Interrupts, price: InterruptPrice) -> Nanoseconds:
    """When the handler of each packet's interrupt has ended, on a CPU that does nothing else.

    Parameters
    ----------
    interrupts
        Shape (..., n).
    price
        Latency and handler; paid once an interrupt.
    """
    service_ns = np.where(group_first(interrupts.group), price.handler_ns, 0)
    return fifo_departure_ns(interrupts.raised_ns + price.latency_ns, service_ns)


def after_ipi_ns(sent_ns: Nanoseconds, remote: Mask, price: InterruptPrice) -> Nanoseconds:
    """When the CPU that shall go on has heard of it.

    Parameters
    ----------
    sent_ns
        Shape (..., n). When the first CPU is done with each packet.
    remote
        Shape (..., n). Whether another CPU goes on (RPS: `get_rps_cpu`, 6.18 net/core/dev.c).
    price
        Delay of the inter-processor interrupt.
    """
    return sent_ns + np.where(remote, price.ipi_ns, 0)

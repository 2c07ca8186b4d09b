"""The backlog of Linux 2.4: netif_rx queues in the interrupt, net_rx_action takes out, overflow drops until empty."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from zcanalysis.model.arrays import Groups, Mask, Nanoseconds, require
from zcanalysis.model.compiling import over_scenarios


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Limits and prices of one CPU's backlog in linux-2.4 up to 2.4.19."""

    limit_packets: int = 300  # netdev_max_backlog, 2.4.17 net/core/dev.c:1072
    tick_ns: int = 10_000_000  # HZ 100, 2.4.17 include/asm-i386/param.h
    hardirq_ns: int = 0  # what each arrival takes away from a running softirq
    ksoftirqd_ns: int = 0  # until ksoftirqd goes on where a run gave up

    def __post_init__(self) -> None:
        require(self.limit_packets, "limit_packets", 0)
        require(self.tick_ns, "tick_ns", 1)
        require(self.hardirq_ns, "hardirq_ns", 0)
        require(self.ksoftirqd_ns, "ksoftirqd_ns", 0)


class Softirqs(NamedTuple):
    """For each packet its end and its net_rx_action; a dropped one carries those of the packet before it."""

    departure_ns: Nanoseconds
    dropped: Mask
    run: Groups


def through_backlog(arrival_ns: Nanoseconds, service_ns: Nanoseconds, backlog: Backlog) -> Softirqs:
    """When the softirq is done with each packet, which run did it, and which packets netif_rx dropped.

    Parameters
    ----------
    arrival_ns
        Shape (..., n), non-decreasing. End of the interrupt handler that called netif_rx.
    service_ns
        Shape (..., n), >= 0. Softirq time of each packet; that of a dropped one is not used.
    backlog
        Limits and prices.

    Notes
    -----
    netif_rx (2.4.17 net/core/dev.c:1214-1270) drops above the limit and from then on until it finds the queue empty,
    or net_rx_action does (1527-1536): losses come in bursts. The packet in work is not in the queue, and 300 waiting
    still let one in. net_rx_action (1419-1559) counts down from the limit and stops when it was below zero: at most
    limit + 2 packets, or once two ticks have begun. The rest is ksoftirqd's, or the next interrupt's if that is sooner
    (kernel/softirq.c:61-109, arch/i386/kernel/irq.c:640). Ticks are counted from the epoch (assumed).
    """
    limits = [backlog.limit_packets, backlog.tick_ns, backlog.hardirq_ns, backlog.ksoftirqd_ns]
    return Softirqs(*_through_backlog(arrival_ns, service_ns, np.array(limits)))


@over_scenarios("(n),(n),(k)->(n),(n),(n)", "void(int64[:], int64[:], int64[:], int64[:], boolean[:], int64[:])")
def _through_backlog(
    arrival_ns: Nanoseconds,
    service_ns: Nanoseconds,
    limits: Nanoseconds,
    departure_ns: Nanoseconds,
    dropped: Mask,
    run: Groups,
) -> None:
    limit, tick_ns, hardirq_ns, ksoftirqd_ns = limits
    n = arrival_ns.size
    head = tail = waiting = now_ns = runs = 0
    throttle = False
    while tail < n or waiting > 0:
        resumed_ns = now_ns + ksoftirqd_ns
        if tail < n and (waiting == 0 or arrival_ns[tail] < resumed_ns):
            resumed_ns = max(now_ns, arrival_ns[tail])
        now_ns = resumed_ns
        start_tick = now_ns // tick_ns
        budget, stolen_ns, served = limit, 0, -1
        while True:
            while tail < n and arrival_ns[tail] <= now_ns:
                throttle = waiting > limit or (throttle and waiting > 0)
                dropped[tail] = throttle
                waiting += 0 if throttle else 1
                now_ns += stolen_ns
                tail += 1
            if served >= 0:
                departure_ns[served], run[served] = now_ns, runs
                if budget < 0 or now_ns // tick_ns - start_tick > 1:
                    break
                budget -= 1
            if waiting == 0:
                break
            while dropped[head]:
                head += 1
            served, stolen_ns = head, hardirq_ns
            now_ns += service_ns[served]
            waiting -= 1
            head += 1
        runs += 1
    for i in range(1, n):
        if dropped[i]:
            departure_ns[i], run[i] = departure_ns[i - 1], run[i - 1]

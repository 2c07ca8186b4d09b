"""NAPI: the card's ring, or the backlog that RPS fills, emptied in polls of 64 and runs of 300."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from zcanalysis.model.arrays import Groups, Mask, Nanoseconds, require
from zcanalysis.model.compiling import over_scenarios


@dataclass(frozen=True, slots=True, kw_only=True)
class Napi:
    """Limits and prices of one NAPI instance of linux-6; the default is the backlog that netif_rx and RPS fill."""

    # The queue may hold netdev_max_backlog 1000 (6.18 net/core/hotdata.c:19) and one: the test is qlen > 1000.
    slots: int = 1001
    spliced: bool = True  # process_backlog takes the whole queue away at once: room anew (6.18 net/core/dev.c)
    weight: int = 64  # NAPI_POLL_WEIGHT, 6.18 include/linux/netdevice.h:2802
    budget: int = 300  # netdev_budget, 6.18 net/core/hotdata.c:14
    ticks: int = 2  # netdev_budget_usecs, 6.18 net/core/hotdata.c:16
    tick_ns: int = 4_000_000  # HZ 250
    softirq_ticks: int = 1  # MAX_SOFTIRQ_TIME, 2 ms in ticks, 6.18 kernel/softirq.c:543; 2 at HZ 1000
    passes: int = 10  # MAX_SOFTIRQ_RESTART, 6.18 kernel/softirq.c:544; 1 where a process waits for the CPU
    wake_ns: int = 0  # from finding it asleep until it polls: interrupt or IPI
    poll_ns: int = 0  # price of a poll
    ksoftirqd_ns: int = 0  # until ksoftirqd goes on where handle_softirqs gave up

    def __post_init__(self) -> None:
        for name in ("slots", "weight", "budget", "ticks", "tick_ns", "softirq_ticks", "passes"):
            require(getattr(self, name), name, 1)
        for name in ("wake_ns", "poll_ns", "ksoftirqd_ns"):
            require(getattr(self, name), name, 0)


class Polls(NamedTuple):
    """For each packet its end and its poll; a dropped one carries those of the packet before it."""

    departure_ns: Nanoseconds
    dropped: Mask
    poll: Groups  # rising; polls that found nothing have a number too
    wakes: Mask  # it found NAPI asleep: one interrupt, or one IPI under RPS
    squeezed: Mask  # the run ended after it with work left: time_squeeze


def ring(slots: int, **prices: int) -> Napi:
    """The NAPI instance of a card whose receive ring has so many descriptors.

    Parameters
    ----------
    slots
        Packets the ring can hold (`ethtool -g`); a descriptor is refilled as soon as its packet is polled (assumed:
        drivers refill in batches).
    prices
        Other fields of Napi.
    """
    return Napi(slots=slots, spliced=False, **prices)


def through_napi(arrival_ns: Nanoseconds, service_ns: Nanoseconds, napi: Napi) -> Polls:
    """When the softirq is done with each packet, in which poll, and which packets found no room.

    Parameters
    ----------
    arrival_ns
        Shape (..., n), non-decreasing. When each packet is in the ring or in the backlog.
    service_ns
        Shape (..., n), >= 0. Softirq time of each packet; that of a dropped one is not used.
    napi
        Limits and prices.

    Notes
    -----
    A packet that finds NAPI asleep raises the interrupt or sends the IPI (enqueue_to_backlog, 6.18 net/core/dev.c). A
    poll takes at most weight packets; with less it ends NAPI. net_rx_action (dev.c:7929-7995) polls until that, or
    until the budget is used up, or two ticks have begun since its start (checked between polls). handle_softirqs
    (kernel/softirq.c:579-652) goes on at once within its 2 ms and 10 passes (max_restart is taken down before it is
    tested: nine restarts); then ksoftirqd has it. The queue that process_backlog has spliced away no longer counts
    against the limit.
    """
    counts = [napi.slots, napi.spliced, napi.weight, napi.budget, napi.ticks, napi.tick_ns, napi.softirq_ticks]
    prices = [napi.passes, napi.wake_ns, napi.poll_ns, napi.ksoftirqd_ns]
    limits = np.array([*counts, *prices], dtype=np.int64)
    return Polls(*_through_napi(arrival_ns, service_ns, limits))


@over_scenarios(
    "(n),(n),(k)->(n),(n),(n),(n),(n)",
    "void(int64[:], int64[:], int64[:], int64[:], boolean[:], int64[:], boolean[:], boolean[:])",
)
def _through_napi(  # noqa: PLR0912, PLR0913, PLR0917 - one loop over what the kernel does in three
    arrival_ns: Nanoseconds,
    service_ns: Nanoseconds,
    limits: Nanoseconds,
    departure_ns: Nanoseconds,
    dropped: Mask,
    poll: Groups,
    wakes: Mask,
    squeezed: Mask,
) -> None:
    slots, spliced, weight, budget, ticks, tick_ns, softirq_ticks, passes, wake_ns, poll_ns, ksoftirqd_ns = limits
    n = arrival_ns.size
    # head: the next to be served, tail: the next to arrive, held: those that occupy a slot
    head = tail = waiting = held = passed = passes_tick = now_ns = 0
    polls = -1
    asleep = True
    for i in range(n):
        wakes[i] = squeezed[i] = False
    while tail < n or waiting > 0:
        if asleep:
            wakes[tail] = True
            now_ns = max(now_ns, arrival_ns[tail] + wake_ns)
            passed, passes_tick = 0, now_ns // tick_ns
        else:
            passed += 1
            if passed >= passes or now_ns // tick_ns - passes_tick >= softirq_ticks:
                now_ns += ksoftirqd_ns
                passed, passes_tick = 0, now_ns // tick_ns
        left, start_tick, asleep, spliced_packets = budget, now_ns // tick_ns, False, waiting - held
        while not asleep:
            polls += 1
            now_ns += poll_ns
            work = 0
            while True:
                while tail < n and arrival_ns[tail] <= now_ns:
                    dropped[tail] = held >= slots
                    if not dropped[tail]:
                        held += 1
                        waiting += 1
                    tail += 1
                if work == weight or waiting == 0:
                    break
                if spliced_packets == 0:
                    spliced_packets = held if spliced else 1
                    held -= spliced_packets
                while dropped[head]:
                    head += 1
                now_ns += service_ns[head]
                departure_ns[head], poll[head] = now_ns, polls
                spliced_packets -= 1
                waiting -= 1
                work += 1
                head += 1
            asleep = work < weight
            left -= work
            if not asleep and (left <= 0 or now_ns // tick_ns - start_tick >= ticks):
                squeezed[head - 1] = True
                break
    for i in range(1, n):
        if dropped[i]:
            departure_ns[i], poll[i] = departure_ns[i - 1], poll[i - 1]

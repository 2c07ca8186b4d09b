"""Datagrams through one receiver: nobody waits for ACKs, so what is offered beyond the CPU's means costs it dearly.

A packet takes a place in the ring (none left: dropped, and the CPU never knew), is worked on by interrupt and softirq,
and is queued at the socket (no room: dropped, though all that work was paid; RcvbufErrors). A reader takes one datagram
a call. On the softirqs' CPU it runs when neither interrupt nor softirq has work, and both preempt it: that is receive
livelock (Mogul & Ramakrishnan, Eliminating Receive Livelock in an Interrupt-driven Kernel, USENIX 1996).

**linux-2.4** (``interrupt_each``). Each packet interrupts, whatever is at work; netif_rx queues it or drops it, and
above ``most_backlog`` waiting drops all until none waits (2.4.17 net/core/dev.c:1214-1270). net_rx_action stops after
``pass_packets``; then a reader that has work goes first (ksoftirqd has nice 19, kernel/softirq.c:362-397), but the next
interrupt brings the softirq back (arch/i386/kernel/irq.c:640).

**linux-6.** A packet that finds NAPI asleep interrupts, ``coalesce_ns`` after it came; then the ring is polled without
interrupts until it is empty. A net_rx_action takes ``pass_packets``; with work left after ``passes`` of them, or
``run_ns`` since the first, handle_softirqs leaves the rest to ksoftirqd (MAX_SOFTIRQ_RESTART 10, MAX_SOFTIRQ_TIME 2 ms:
kernel/softirq.c:543-544, 579-652). That is a process like the reader: while both have work, the one that had no more
time than the other since goes next, ksoftirqd for a net_rx_action and the reader for a datagram.

**Simplified.** 2 ms are not counted in ticks, nor is net_rx_action's own limit of ticks; need_resched, which hands over
sooner, and the tick, whose end runs pending softirqs ahead of the reader, are left out. A datagram's memory is given
back when it is copied (udp_rmem_release waits for a quarter of the buffer). No GRO, one socket, one size.
"""

from dataclasses import dataclass, fields
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.model import udp_rules as rules
from zcanalysis.model.arrays import Codes, Nanoseconds, require

DELIVERED, IN_RING, IN_BACKLOG, AT_SOCKET = rules.DELIVERED, rules.IN_RING, rules.IN_BACKLOG, rules.AT_SOCKET
"""What became of a datagram: the reader has it, or where it was dropped."""
PLENTY: Final = 1 << 60


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpReceiver:
    """Limits and prices; datagrams of one size. The defaults are those of linux-6."""

    interrupt_ns: int
    """Ahead of all else: of each packet with interrupt_each, else of each packet that finds NAPI asleep."""
    softirq_ns: int
    """Of each packet: what driver (linux-6), IP and UDP do until it is queued."""
    read_ns: int
    """Of each datagram: system call and copy."""
    wake_ns: int = 0
    """Paid by the softirq whose packet finds the reader asleep as its work begins."""
    schedule_ns: int = 0
    """Paid by the reader until it runs."""
    truesize_bytes: int = 2304
    rcvbuf_bytes: int = 212_992  # rmem_default of linux-6
    ring_packets: int = 1024
    shared_cpu: bool = True
    """The reader runs where the softirqs do."""
    interrupt_each: bool = False
    """linux-2.4: netif_rx."""
    most_backlog: int = 300  # netdev_max_backlog, 2.4.17 net/core/dev.c:1072
    coalesce_ns: int = 0
    pass_packets: int = 320  # netdev_budget 300 in polls of 64; 302 in linux-2.4
    passes: int = 10
    run_ns: int = 2_000_000
    fair: bool = True
    """ksoftirqd has the reader's priority; False: only what the reader leaves (nice 19)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            least = field.name in ("truesize_bytes", "ring_packets", "pass_packets", "passes")
            require(getattr(self, field.name), field.name, int(least))

    @property
    def most_queued(self) -> int:
        """Datagrams that the socket holds.

        linux-2.4 wants their truesize below rcvbuf (sock_queue_rcv_skb, include/net/sock.h); linux-6 no more than it,
        and one always (__udp_enqueue_schedule_skb, 6.18 net/ipv4/udp.c).
        """
        if self.interrupt_each:
            return max(0, self.rcvbuf_bytes - 1) // self.truesize_bytes
        return max(1, self.rcvbuf_bytes // self.truesize_bytes)


class Datagrams(NamedTuple):
    """What became of each packet, one row a scenario."""

    fate: Codes
    """Shape (scenarios, n). DELIVERED, IN_RING, IN_BACKLOG or AT_SOCKET."""
    departure_ns: Nanoseconds
    """Shape (scenarios, n). When the reader had it; -1 if it was dropped."""
    busy_ns: Nanoseconds
    """Shape (scenarios, 3). How long interrupts, softirqs and reader worked within the window."""
    elapsed_ns: Nanoseconds
    """Shape (scenarios,). From the first arrival until nothing was left to do."""

    def counts(self) -> Nanoseconds:
        """Shape (scenarios, 4): delivered, dropped at the ring, at the backlog, at the socket."""
        return np.stack([np.count_nonzero(self.fate == code, axis=1) for code in rules.FATES], axis=1)


def through_udp(
    receivers: list[UdpReceiver], arrival_ns: Nanoseconds, window_ns: tuple[Nanoseconds, Nanoseconds] | None = None
) -> Datagrams:
    """Packets that come when they come, through each receiver.

    Parameters
    ----------
    receivers
        One a scenario.
    arrival_ns
        Shape (scenarios, n) or (n,), n >= 1, non-decreasing, >= 0. When each packet is at the ring.
    window_ns
        From when to when work is counted, shape (scenarios,) each; None: from first to last.
    """
    arrivals = np.broadcast_to(arrival_ns, (len(receivers), np.shape(arrival_ns)[-1])).astype(np.int64)
    fate, departure_ns = np.zeros(arrivals.shape, np.int64), np.full(arrivals.shape, -1, np.int64)
    hosts, states = _hosts(receivers), np.zeros(len(receivers), rules.STATE)
    hosts["from_ns"], hosts["to_ns"] = (0, PLENTY) if window_ns is None else window_ns
    states["now"], states["asleep"], states["irq"] = arrivals[:, 0], 1, -1
    states["soft"] = states["read"] = -1
    for at in range(len(receivers)):
        rules.replay(rules.World(hosts[at], states[at], arrivals[at], fate[at], departure_ns[at]))
    busy_ns = np.stack([states[name] for name in ("irq_busy", "soft_busy", "read_busy")], axis=1)
    return Datagrams(fate, departure_ns, busy_ns, states["now"] - arrivals[:, 0])


def _hosts(receivers: list[UdpReceiver]) -> npt.NDArray[np.void]:
    rows = [(*(int(getattr(one, name)) for name in rules.PRICES), 0, 0) for one in receivers]
    return np.array(rows, rules.HOST)

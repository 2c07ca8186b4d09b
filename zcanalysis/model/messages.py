"""Messages to a blocking reader of Linux 2.4, in closed loop: a sender that waits, and what goes past the prequeue.

`linux24` replays one endless transfer of full segments. Here the sender writes messages: each waits for the answer to
the one before (request and response), or they follow one another at a given distance (a chatroom, a log). Segments have
any size, so that some may overtake others, and the sender may have less than the receiver's window to wait with. The
host is the same `Linux24`; the rules are those of its text, with what small segments add:

**Sender.** A write goes out at once if the receiver's window and the sender's own (cwnd or send buffer) hold it;
``nagle``: and, where it is shorter than a segment, if no short segment is unacknowledged (Minshall's rule,
net/ipv4/tcp_output.c of 2.4). What waits is joined, up to a segment. ``sender_packet_ns`` of the host is paid for each
segment, and each of several writes of one message comes that much after the one before. Three duplicate ACKs make it
repeat its first unacknowledged segment, once a window; that its cwnd falls, and is restored when time stamps or D-SACK
show that nothing was lost, is not modelled.

**ACKs.** rcv_mss is 536 or the largest segment seen. A shorter one sets PUSHED: then the reader's cleaning up sends the
ACK as soon as all is copied, unless the connection is in ping-pong (it answered within 40 ms). An answer carries the
ACK that is due. A segment out of order is answered at once; that quick ACKs follow it is not modelled.

**Memory.** A segment in the receive queue takes three quarters of its truesize from the window, at least its payload:
frames below 200 bytes have a buffer of their size, others one of 1536 or more. A prequeue above the receive buffer is
taken in softirq at once.

**Kernels.** `Kernel.OFF`: nobody prequeues (tcp_low_latency of 2.4.22). `KLEEN`: what needs no more sum goes past it,
also what is small enough to be summed on the spot. `KLEEN_IF_EMPTY`: that, if nobody waits there.

**Simplified against `linux24`.** Work once begun is finished before an interrupt is served; the copy of one segment is
a piece of work, and so is the prequeue as TCP takes it.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.model import message_rules as rules
from zcanalysis.model.arrays import Nanoseconds, require
from zcanalysis.model.linux24 import Linux24


class Kernel(IntEnum):
    """Which segments wait in the prequeue of a sleeping reader."""

    OFF = rules.OFF
    PREQUEUE = rules.PREQUEUE
    KLEEN = rules.KLEEN
    KLEEN_IF_EMPTY = rules.KLEEN_IF_EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """What the sender writes."""

    message_bytes: int
    messages: int
    answered: bool = False
    """Each waits for the answer to the one before."""
    gap_ns: int = 0
    """Between two messages; after an answer, what the sender thinks."""
    writes: int = 1
    """A message is written in so many pieces."""
    nagle: bool = True
    sender_bytes: int = 1 << 40
    """What the sender lets be unacknowledged: cwnd or send buffer."""
    write_ps_per_byte: int = 0

    def __post_init__(self) -> None:
        for name in ("message_bytes", "messages", "writes", "sender_bytes"):
            require(getattr(self, name), name, 1)
        for name in ("gap_ns", "write_ps_per_byte"):
            require(getattr(self, name), name, 0)
        if self.writes > self.message_bytes:
            raise ValueError(f"writes must be <= message_bytes {self.message_bytes}, got {self.writes}")


class Delivered(NamedTuple):
    """What became of the messages."""

    written_ns: Nanoseconds
    """Shape (messages,). When the sender wrote the first piece."""
    delivered_ns: Nanoseconds
    """Shape (messages,). When the reader had the last byte."""
    ack_ns: Nanoseconds
    """Shape (acks,). When each ACK left."""
    ack_bytes: npt.NDArray[np.int64]
    """Shape (acks,). How many bytes it acknowledged, in all."""
    counters: dict[str, int]
    """ACKs, those of the timer, timers that found a prequeue, segments that waited there, those that softirq took from
    it for want of memory, those copied by TCP itself, wake-ups, segments that overtook others, duplicate ACKs, segments
    sent again and segments sent at all."""


def replay_messages(host: Linux24, sent: Messages, kernel: Kernel, *, advertised_bytes: int | None = None) -> Delivered:
    """When each message is with the reader, and what that took.

    Parameters
    ----------
    host
        Prices and facts; its ``prequeue`` and ``kleen_bypass`` are not asked, its reader must block.
    sent
        The sender's writes.
    kernel
        The rule of the prequeue.
    advertised_bytes
        The most that is offered, where the buffer would be worth more (window_clamp: 65,535 bytes to a peer without
        window scaling, or rcv_ssthresh while it grows); None: what the buffer is worth.

    Raises
    ------
    ValueError
        If the reader polls.
    RuntimeError
        If nothing moves any more before the last byte is copied: a fault of the model.
    """
    if host.reader != "blocking":
        raise ValueError(f"reader must be blocking, got {host.reader}")
    messages = np.zeros(sent.messages, rules.MESSAGE)
    messages["written_ns"] = rules.NEVER if sent.answered else np.arange(sent.messages) * sent.gap_ns
    messages["written_ns"][0] = 0
    most = sent.messages * sent.writes + sent.messages * sent.message_bytes // host.mss_bytes + 64
    acks_most = 8 * most + 4 * (sent.messages * sent.message_bytes // host.reader_bytes)
    segments, arrivals = np.zeros(most, rules.SEGMENT), np.zeros(2 * most, rules.ARRIVAL)
    acks, state = np.zeros(acks_most, rules.ACK), np.zeros(1, rules.STATE)
    row = np.array([_row(host, sent, kernel)], rules.HOST)
    if advertised_bytes is not None:
        require(advertised_bytes, "advertised_bytes", 2 * host.mss_bytes)
        row["clamp_bytes"] = np.minimum(row["clamp_bytes"], advertised_bytes)
    if not rules.replay(row[0], state[0], segments, arrivals, acks, messages):
        raise RuntimeError("no event is left before the last byte is copied")
    counters = {name: int(state[name][0]) for name in rules.COUNTERS}
    left = acks[: counters["acks"]]
    return Delivered(messages["written_ns"], messages["delivered_ns"], left["ns"], left["end"], counters)


def _row(host: Linux24, sent: Messages, kernel: Kernel) -> tuple[int, ...]:
    mss = host.mss_bytes
    summed = host.hardware_checksum == "verified" or (host.hardware_checksum == "summed" and not host.netfilter_hooks)
    own = {
        "sender_ns": host.sender_packet_ns,
        "packet_ns": host.interrupt_packet_ns + host.softirq_packet_ns,
        "tcp_ns": host.tcp_packet_ns,
        "fused_ps_per_byte": host.copy_and_checksum_ps_per_byte,
        "clamp_bytes": max(min(2 * mss, host.window_bytes), host.window_bytes - mss),
        "summed": int(summed),
        "kernel": int(kernel),
    }
    return tuple(int(own[name] if name in own else _given(host, sent, name)) for name in rules.HOST_FIELDS)


def _given(host: Linux24, sent: Messages, name: str) -> int:
    given: int = getattr(sent if name in Messages.__slots__ else host, name)
    return given

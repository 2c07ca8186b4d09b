"""What the rules of `open_loop` read and write: prices of a host, its CPUs, packets, skbs, and what happened when."""

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Nanoseconds = npt.NDArray[np.int64]
Record: TypeAlias = Any  # a row that numba reads and writes

NEVER: Final = np.iinfo(np.int64).max
WEIGHT: Final = 64  # packets of one poll: napi_weight, include/linux/netdevice.h
ASLEEP, AWAKE = range(2)
PIECES: Final = ("driver", "protocol", "backlog", "copy", "call")
DRIVER, PROTOCOL, BACKLOG, COPY, CALL = range(5)
N_PIECES: Final = len(PIECES)
PARTS: Final = {
    "driver": ("interrupt", "softirq", "driver", "gro", "hand-over", "send interrupt"),
    "protocol": ("interrupt", "softirq", "ip", "checksum", "tcp", "ack", "wake-up", "send interrupt"),
    "backlog": ("interrupt", "schedule", "checksum", "tcp", "ack"),
    "copy": ("interrupt", "schedule", "copy"),
    "call": ("ack", "syscall"),
}
"""Stages of each piece of work, in the order in which they are paid."""
MOST_PARTS: Final = max(map(len, PARTS.values()))

HOST_FIELDS: Final = (
    "driver_cpu", "protocol_cpu", "reader_cpu", "mss_bytes", "window_bytes", "reader_bytes", "driver_first",
    "interrupt_each", "softirq_each", "announced", "interrupt_ns", "send_ns", "softirq_ns", "coalesce_ns", "driver_ns",
    "gro_ns", "gro_bytes", "handover_ns", "most_waiting", "throttled", "ip_ns", "checksum_ps", "tcp_ns", "ack_ns",
    "prequeue", "wake_ns", "delay_ns", "schedule_ns", "syscall_ns", "copy_ns", "copy_ps", "fused_ps",
)  # fmt: skip
STATE_FIELDS: Final = (
    # the first stage: packets it took, the skb it merges, packets of this poll, its runs
    "driven", "driver_end", "first", "first_bytes", "polled", "runs", "throttle",
    # skbs that are complete, and those that the protocol took; when it was last at work
    "skbs", "taken", "protocol_end",
    # the socket: skbs TCP queued, bytes of them, bytes unanswered, the window told; what waits for the reader
    "queued", "queued_bytes", "unanswered", "told", "left", "left_bytes", "left_skbs", "left_at",
    # the reader
    "reader", "ready", "ready_by", "woken", "owned", "at", "of", "copied", "got", "calls",
)  # fmt: skip
HOST: Final = np.dtype([(name, np.int64) for name in HOST_FIELDS])
STATE: Final = np.dtype([(name, np.int64) for name in STATE_FIELDS])
CPU: Final = np.dtype([("free", np.int64), ("last", np.int64)])
PACKET: Final = np.dtype(
    [(name, np.int64) for name in ("arrival", "payload", "joins", "ends", "skb", "run", "call", "dropped")]
)
SKB: Final = np.dtype([(name, np.int64) for name in ("first", "last", "ready", "by", "told", "queued_at", "by_reader")])


class World(NamedTuple):
    """Everything that the rules read and write."""

    h: Record
    s: Record
    cpus: Record
    packets: Record
    skbs: Record
    """In the order in which they are complete; what TCP took is a prefix."""
    from_ns: Nanoseconds
    bound: Nanoseconds
    departure_ns: Nanoseconds


class Path(NamedTuple):
    """What is needed to walk back."""

    arrival_ns: Nanoseconds
    from_ns: Nanoseconds
    bound: Nanoseconds
    departure_ns: Nanoseconds

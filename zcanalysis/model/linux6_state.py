"""What the rules of `linux6` read and write: prices of a host, its CPUs, its processes, and what happened when."""

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

Record: TypeAlias = Any  # one row of a table below: numba reads and writes its fields
Rows: TypeAlias = Any  # an array of such rows

CPUS: Final = 5  # four of the receiver's, and a machine of its own for the sender
OTHER: Final = 4
NEVER: Final = np.iinfo(np.int64).max
WEIGHT: Final = 64  # packets of one poll: napi_weight, include/linux/netdevice.h
STEP_PACKETS: Final = 8  # of a poll that are one piece of work here
MOST_BACKLOG: Final = 1000  # netdev_max_backlog, net/core/hotdata.c

# fmt: off
STAGES: Final = (
    "write", "transmit", "send interrupt", "interrupt", "softirq", "driver", "gro", "hand-over", "ip", "tcp",
    "checksum", "ack", "sender's ack", "wake-up", "schedule", "syscall", "copy", "link", "delay", "coalescing", "timer",
    "other processes", "idle exit", "skb heads",
)
(
    WRITE, TRANSMIT, SEND_INTERRUPT, INTERRUPT, SOFTIRQ, DRIVER, GRO, HANDOVER, IP, TCP,
    CHECKSUM, ACK, SENDER_ACK, WAKE, SCHEDULE, SYSCALL, COPY, LINK, DELAY, COALESCING, TIMER,
    OTHERS, IDLE_EXIT, HEADS,
) = range(len(STAGES))
STEP, BACKLOG, IDLE = range(len(STAGES), len(STAGES) + 3)  # work made of several stages, and none
SENDER, READER, HOG, NOBODY = range(4)
NO_GAP, BY_DELAY, BY_TIMER, BY_OTHERS, BY_WIRE = range(5)  # between a node and what bound it
TO_FIRST, TO_PROTOCOL, TO_READER, TO_SENDER, TO_FREE, FROM_DEVICE = 1, 2, 4, 8, 16, 32  # reasons to interrupt
OFF, ANNOUNCED, ON = range(3)  # a poll
ASLEEP, WAKING, AWAKE = range(3)  # a process
HUNG, NO_ROOM = 1, 2  # why a replay stopped: nothing will ever happen, or too few rows of NODE
CLOSING: Final = -1  # the reader's room once its call is done and only the socket is to be given back

HOST_FIELDS: Final = (
    "sender_cpu", "driver_cpu", "protocol_cpu", "reader_cpu", "local", "wired", "follows",
    "steered", "write_ns", "send_burst_ns",
    "send_packet_ns", "sender_ack_ns", "send_interrupt_ns", "interrupt_ns", "softirq_ns", "driver_ns", "gro_ns",
    "handover_ns", "ip_ns", "head_ns", "tcp_ns",
    "checksum_ns", "ack_ns", "wake_ns", "schedule_ns", "syscall_ns", "copy_ns",
    "wire_ns", "depth_ns", "delay_ns", "coalesce_ns", "gso", "gro", "window", "cwnd", "tsq", "sndbuf", "reader",
    "free_packets", "hogs", "slice_ns", "delack_ns", "idle_exit_ns", "n_packets", "merges", "ssthresh",
)
STATE_FIELDS: Final = (
    "now", "nodes", "contended", "stopped",
    # the sender: packets written, sent, acknowledged, and the edge it knows
    "written", "sent", "acked", "edge", "wire_at",
    # the queues: packets the driver took, those being merged, skbs handed over and taken, packets IP took
    "ringed", "merging", "skb_in", "skb_next", "skb_out", "ip_taken", "driver_at", "protocol_at",
    "driver_on", "driver_left", "driver_new",
    "protocol_on", "protocol_new", "nic_at", "nic_node", "nic_gap", "nic_ref",
    # the socket: packets TCP took, acknowledged, the edge it told, copied; the reader's call
    "taken", "answered", "told_edge", "copied", "backlog_packets", "backlog_skbs", "owned", "flushing",
    "flushed_packets", "left", "got", "freed", "free_on_way", "timer_at", "timer_node", "timer_due", "ack_in",
    "ack_out", "tick_at", "turn", "settled_at",
    # counts
    "acks", "delayed_acks", "interrupts", "wake_ups", "sender_wake_ups", "runs", "backlogged", "overflows", "calls",
    "bursts", "signals", "skbs",
)
CPU: Final = np.dtype(
    [
        (name, np.int64)
        for name in ("start", "end", "kind", "process", "node", "owes", "owing", "irq", "handling", "irq_node",
                     "irq_at", "irq_gap", "irq_ref", "transmit", "packets", "skbs", "tcps", "tcp_packets", "acks",
                     "unanswered", "told", "busy_ns")
    ]
)
PROCESS: Final = np.dtype(
    [(name, np.int64)
     for name in ("awake", "kind", "left", "packets", "credit", "called_at", "first", "woken_by", "woken_gap")]
)
NODE: Final = np.dtype(
    [("start", np.int64), ("end", np.int64)]
    + [(name, np.int32) for name in ("pred", "prev", "ref", "packets", "handovers", "ips", "tcps", "sums", "acks")]
    + [(name, np.int8) for name in ("kind", "gap", "process", "first", "softirq", "driven", "wakes", "whole")]
)
PACKET: Final = np.dtype(  # and, in the same rows as rings of their own, skbs handed over and ACKs under way
    [("sent_ns", np.int64), ("there_ns", np.int64), ("ack_at", np.int64)]
    + [(name, np.int32) for name in ("sent_node", "skb", "ack_node", "ack_acked", "ack_edge")]
    + [("wire_by", np.int8), ("held", np.int8)],
    align=True,
)
# fmt: on
HOST: Final = np.dtype([(name, np.int64) for name in HOST_FIELDS])
STATE: Final = np.dtype(
    [(name, np.int64) for name in STATE_FIELDS] + [("cpus", CPU, (CPUS,)), ("procs", PROCESS, (NOBODY,))]
)


class World(NamedTuple):
    """All of one host."""

    h: Record
    """One row of HOST."""
    s: Record
    """One row of STATE."""
    nodes: Rows
    """Shape (most nodes,) of NODE: pieces of work in the order they started."""
    packets: Rows
    """Shape (2 packets + 2,) of PACKET."""

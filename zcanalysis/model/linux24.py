"""A Linux 2.4 receiver on one CPU, one bulk TCP connection, replayed in closed loop: its ACKs clock the sender.

Sources: [tree] is vanilla 2.4.17 (file:line), [Kleen] his patch of 28 June 2002 to tcp_v4_rcv. Everything below is a
rule of the model; what is simplified against the tree is listed at the end. tcp_recvmsg, tcp_rcv_established and
tcp_init_buffer_space were also read in 2.4.0. Prices are the caller's: none is built in.

**Sender and link.** n packets of one full segment (mss) each; time 0 is when the sender starts on the first. Packet i
is *sent* sender_packet after the later of packet i-1 sent and the window having opened for all of its bytes; *on the
wire* (mss + framing) x link price after the later of sent and packet i-1 on the wire; *in memory* the delay later.
An ACK reaches the sender the delay after it left. What fits: ``acked + advertised window``. Nothing is lost and there
is no congestion window.

**The window.** window_bytes is what the receive buffer is worth as window, 3/4 of rcvbuf (``tcp_full_space``). One
segment of it is kept in reserve: the *clamp* is window_bytes - mss, but at least two segments, if they fit
(tcp_init_buffer_space, read in 2.4.0: "force reservation of one segment"). At first the largest multiple of mss in the
clamp is open.

**The CPU** does one thing at a time. A packet in memory interrupts; interrupts are served in order of arrival, at the
same nanosecond the packet before the timer. Interrupt work is never interrupted. The reader's work is, and goes on
where it was, except protocol work (``tcp``) and sending ACKs, which hold softirqs off until they end. Where the
reader's work ends at the nanosecond of an interrupt, it has ended, its choices are made, and then the interrupt is
served, before the reader's next work.

**A packet interrupts:** ``interrupt``, then ``softirq``. A segment with at most 76 bytes of TCP header (32, with time
stamps) and payload that nobody has summed is summed now [tcp_ipv4.c:1520]. Then the choice of tcp_v4_rcv
[tcp_ipv4.c:1601]: the reader holds the socket: *backlog*. Else the reader sleeps in recv or was woken there and has
not locked the socket yet (ucopy.task), and the prequeue is allowed: *prequeue* [tcp.h:1306]. Else *direct*. The
prequeue is allowed unless it is switched off (tcp_low_latency) or [Kleen] the checksum is already known to be good.
Only a blocking reader installs ucopy.task. The first segment of an empty prequeue wakes the reader (``wake-up`` if it
sleeps) and, where no ACK is scheduled, arms the ACK timer anew, 150 ms from the end of that.

**TCP takes a segment** (``tcp``):

- direct, in softirq: ``checksum`` unless known good, then into the receive queue; then the ACK rule for queued
  segments; then the reader is woken if it sleeps (in recv or in poll).
- from prequeue or backlog, in the reader's process: if ucopy.task is installed, all bytes before it are copied and it
  fits into what is left of the reader's buffer, it is *eaten*: copied at once (``copy``, or ``copy and checksum`` in
  one pass) [tcp_input.c:3149]; then an ACK is only delayed, never sent because it is the second segment
  [tcp_input.c:3349]. Otherwise as direct, but nobody needs waking.

**ACKs.** *Queued segment* [tcp_input.c:3009]: send if more than one segment is unacknowledged and the window that
would be advertised is not smaller than the last advertised; else delay. *Delay* [tcp_output.c:1248]: if the timer is
armed and it found the socket locked or would fire within a quarter of 40 ms, send now; else arm it for 40 ms from
now, or leave an earlier time. *Timer* [tcp_timer.c:210]: socket held: remember ``blocked``, again 40 ms later. Else
TCP takes all of the prequeue in softirq context (TCPSchedulerFailed), and if an ACK is scheduled it is sent.
*cleanup* [tcp.c:1278], before waiting for data and at the end of recv: send if one is scheduled and (blocked or more
than one segment is unacknowledged); else, if this recv copied anything, the sender may send at most half the
clamp, and the new window is not 0 and at least twice what it may send: send. *Sending* costs ``ack``; it
acknowledges what TCP has taken when it leaves; it clears timer, scheduled and blocked. The *advertised window*
[tcp_output.c:643] comes from free = window_bytes - segments in the receive queue (a partly read one counts in full):
0 if that is less than half the clamp and less than mss; with free at most the clamp, the last advertised one if that is
within (free - mss, free]; else free rounded down to mss; and never less than what the sender may already send.

**The reader** calls recv again and again. Blocking, at time 0 it waits in recv: ``syscall``; lock; then, until its
buffer is full: copy from the receive queue (``copy``) if there is anything; else, if it has copied something and the
backlog is empty, stop; else cleanup, install ucopy.task, and: prequeue not empty: take it; else take the backlog, and
if nothing was copied in this recv, eaten or queued, unlock and sleep. Woken, it waits reader_delay for the CPU
(others have it; only interrupts are modelled meanwhile), pays ``schedule``, locks, and if all that TCP took is
copied, takes the prequeue; and so on. At the end: take the prequeue, remove ucopy.task, cleanup, take the backlog,
unlock.
Polling, at time 0 it sleeps in poll: woken ``schedule``; then ``syscall`` and recv, which copies what the receive
queue has, then cleanup, backlog, unlock; then ``syscall`` for poll, which sleeps unless the receive queue has
something.

**Simplified against 2.4.** Steady state: no slow start, no quick ACKs (the first 16 segments and window growth), ato
stays 40 ms, header prediction always hits (in the tree not after a closed window), times are continuous (2.4 counts in
ticks of 10 ms). Queued bytes are payload: sizeof(sk_buff) and tcp_adv_win_scale are in the window given; so neither the
limits of prequeue memory and receive buffer nor the netif_rx backlog of 300 can be reached, and a window of more than
300 segments is refused. An interrupt and its softirq are one piece; softirqs are held off for one segment's protocol
work, not for a whole queue's. A timer that finds nothing to do costs nothing, nor does one left over from an ACK
already sent. The sender pays nothing for ACKs, and their time on the wire is part of the delay. All segments are alike,
so none overtakes the prequeue (the hazard of Kleen's test: `prequeue`). The reader does nothing with its data.

**What is no law.** A free stage, or a faster link, can make the transfer slower (0.5 to 6 of 100 random hosts, by
stage, some of them several times): who is quicker meets another queue, and what the queues do differs in price (a
segment that TCP eats is copied and summed in one pass, one that does not fit the buffer in two; a reader that never
sleeps is never woken). Where queues, shared ACKs, sleeps and eaten segments stay the same, it hurt once in 30,000
hosts: a packet that came earlier interrupted the work in front of an ACK.
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from zcanalysis.model import linux24_rules as rules
from zcanalysis.model.arrays import Nanoseconds
from zcanalysis.model.scenarios import Counts, Loop, Outcome, Progress, Records, Scenarios, journeys, outcomes

SMALL_BYTES: Final = 76  # tcp_ipv4.c:1520
TCP_HEADER_BYTES: Final = 32  # with time stamps
BACKLOG_PACKETS: Final = 300  # netdev_max_backlog, net/core/dev.c:1072
COUNTERS: Final = ("acks", "delayed_acks", "scheduler_failed", "eaten_packets", "wake_ups")
AT_LEAST_ONE: Final = ("window_bytes", "mss_bytes", "reader_bytes", "delack_ns", "prequeue_timer_ns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Linux24:
    """Prices and switches of one host pair; times in ns, prices of a byte in ps (3.2 Gbit/s is 2500)."""

    link_ps_per_byte: int
    sender_packet_ns: int
    delay_ns: int
    interrupt_packet_ns: int
    softirq_packet_ns: int
    tcp_packet_ns: int
    checksum_ps_per_byte: int
    copy_ps_per_byte: int
    copy_and_checksum_ps_per_byte: int
    ack_ns: int
    wake_ns: int
    schedule_ns: int
    syscall_ns: int
    window_bytes: int
    mss_bytes: int
    reader_bytes: int
    reader_delay_ns: int = 0
    framing_bytes: int = 0
    delack_ns: int = 40_000_000  # TCP_DELACK_MIN, tcp.h:328
    prequeue_timer_ns: int = 150_000_000  # 3 * TCP_RTO_MIN / 4, tcp.h:1343
    hardware_checksum: Literal["none", "summed", "verified"] = "none"
    netfilter_hooks: bool = False  # turn "summed" into "none", net/core/netfilter.c:445
    prequeue: bool = True  # False: tcp_low_latency = 1 of 2.4.22
    kleen_bypass: bool = False
    reader: Literal["blocking", "polling"] = "blocking"

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least = 1 if name in AT_LEAST_ONE else 0
            if isinstance(value, int) and value < least:
                raise ValueError(f"{name} must be >= {least}, got {value}")
        if not self.mss_bytes <= self.window_bytes <= BACKLOG_PACKETS * self.mss_bytes:
            raise ValueError(
                f"window_bytes must be 1 to {BACKLOG_PACKETS} segments of {self.mss_bytes}, got {self.window_bytes}"
            )
        if self.hardware_checksum not in ("none", "summed", "verified"):
            raise ValueError(f"hardware_checksum must be none, summed or verified, got {self.hardware_checksum}")
        if self.reader not in ("blocking", "polling"):
            raise ValueError(f"reader must be blocking or polling, got {self.reader}")


Columns: TypeAlias = dict[str, npt.NDArray[Any]]
"""The fields of `Linux24`, shape (hosts,) each."""
DEFAULTS: Final = {field.name: field.default for field in fields(Linux24)}


class Summaries(NamedTuple):
    """What a replay comes to, one row a host."""

    elapsed_ns: Nanoseconds
    """Shape (hosts,). From the sender's start on the first packet to the last byte copied."""
    path_ns: Nanoseconds
    """Shape (hosts, stages). Time of the critical path by stage of `STAGES`; sums exactly to elapsed."""
    path_uses: Counts
    """Shape (hosts, stages). How often the critical path pays each stage."""
    acks: Counts
    """Shape (hosts,). ACKs sent."""
    delayed_acks: Counts
    """Shape (hosts,). ACKs sent by the timer (DelayedACKs)."""
    scheduler_failed: Counts
    """Shape (hosts,). Timers that found a prequeue (TCPSchedulerFailed)."""
    eaten_packets: Counts
    """Shape (hosts,). Segments copied to the user by TCP itself, never queued (TCPHPHitsToUser)."""
    wake_ups: Counts
    """Shape (hosts,). How often the reader had slept."""


class Replay(NamedTuple):
    """What happened when, one row a host; all but the first field as in `Summaries`."""

    packets: Records
    """Shape (hosts, packets). Ends of sent_ns, on_wire_ns, in_memory_ns, softirq_ns, copied_ns and of the ACK that
    covers it, acked_ns (-1: after the end); queue 0 direct, 1 prequeue, 2 backlog; what bound the start: sent_by and
    on_wire_by 0 the packet before, 1 the window / the sender; softirq_by 0 the busy CPU, 1 the packet's arrival."""
    elapsed_ns: Nanoseconds
    path_ns: Nanoseconds
    path_uses: Counts
    acks: Counts
    delayed_acks: Counts
    scheduler_failed: Counts
    eaten_packets: Counts
    wake_ups: Counts


STAGES: Final = rules.STAGES
LOOP: Final = Loop(rules.STAGES, rules.STATE, rules.NODE, rules.PACKET, rules.replay_hosts)


def replay(hosts: Sequence[Linux24], packets: int) -> Replay:
    """When each packet passed each stage of each host, and which stages the elapsed time was made of.

    Parameters
    ----------
    hosts
        Hosts, each replayed alone.
    packets
        Full segments to transfer, >= 1.

    Notes
    -----
    Max-plus: each event is at the latest of its predecessors plus its service. The path is the chain of predecessors
    that bound, walked back from the last byte copied. Work of the reader is bound by the moment it was woken; what
    interrupted it since is on its path, because it delayed it.
    """
    rows, outcome = journeys(LOOP, scenarios_of(hosts, packets))
    return Replay(rows, *_summaries(outcome))


class Worked(NamedTuple):
    """One host, looked at closely."""

    packets: Records
    """Shape (packets,). As in `Replay`."""
    work: Records
    """Shape (pieces,). What the CPU did, in order and never two at once: start and end in ns, stage (row of `STAGES`),
    and reader, 1 where it was the reader's process."""


def replay_work(host: Linux24, packets: int) -> Worked:
    """When each packet passed each stage, and every piece of work of the CPU.

    Parameters
    ----------
    host
        Replayed alone.
    packets
        As for `replay`.
    """
    scenarios = scenarios_of([host], packets)
    rows, nodes = np.zeros((1, packets), LOOP.packet), np.zeros(scenarios.nodes, LOOP.node)
    state, path = np.zeros(1, LOOP.state), np.zeros((2, 1, len(STAGES)), np.int64)
    if LOOP.replay_hosts(scenarios.hosts, state, nodes, rows, path[0], path[1]) < 1:
        raise RuntimeError("no event is left before the last byte is copied")
    return Worked(rows[0], nodes[: int(state["nodes"][0])])


def replay_summaries(hosts: Sequence[Linux24], packets: int, progress: Progress | None = None) -> Summaries:
    """What `replay` says but for the packets, of any number of hosts and packets.

    Parameters
    ----------
    hosts, packets
        As for `replay`.
    progress
        Called with hosts done and hosts there are, now and then.

    Notes
    -----
    Memory: 0.7 KB a host, and once a CPU at most 60 bytes a packet and 28 for each thing that a CPU does, 7.5 a packet
    where the reader sleeps before each. 1,000 hosts x 100,000 packets on two CPUs took 63 MB.
    """
    return _summaries(outcomes(LOOP, scenarios_of(hosts, packets), progress))


def drawn_summaries(columns: Mapping[str, npt.ArrayLike], packets: int) -> Summaries:
    """What `replay_summaries` says, of hosts given as columns: thousands of drawn ones without an object each.

    Parameters
    ----------
    columns
        A field of `Linux24` each, of shape (hosts,) or one value for all; what is not there keeps its default.
    packets
        As for `replay`.

    Raises
    ------
    ValueError
        If a field is unknown, missing, or holds what no host can have.
    """
    return _summaries(outcomes(LOOP, _scenarios(_whole(columns), packets)))


def scenarios_of(hosts: Sequence[Linux24], packets: int) -> Scenarios:
    """The hosts as `LOOP` knows them, and the room they take.

    Parameters
    ----------
    hosts, packets
        As for `replay`.
    """
    if not hosts:
        return Scenarios(np.zeros(0, rules.HOST), packets, 0, packets)
    return _scenarios({name: np.array([getattr(host, name) for host in hosts]) for name in DEFAULTS}, packets)


def _scenarios(columns: Columns, packets: int) -> Scenarios:
    if packets < 1:
        raise ValueError(f"packets must be >= 1, got {packets}")
    nodes = _node_bound(columns, packets)
    return Scenarios(_rows(columns), packets, int(nodes.max(initial=0)), packets)


def _whole(columns: Mapping[str, npt.ArrayLike]) -> Columns:
    """Every field of every host, each checked as `Linux24` checks one."""
    if unknown := set(columns) - set(DEFAULTS):
        raise ValueError(f"columns must be fields of Linux24, got {', '.join(sorted(unknown))}")
    if missing := {name for name, value in DEFAULTS.items() if value is MISSING} - set(columns):
        raise ValueError(f"columns lack {', '.join(sorted(missing))}")
    named = {name: np.asarray(columns.get(name, value)) for name, value in DEFAULTS.items()}
    whole = dict(zip(named, np.broadcast_arrays(*named.values()), strict=True))
    for name, values in whole.items():
        least = 1 if name in AT_LEAST_ONE else 0
        if values.dtype.kind not in "biuU" or (values.dtype.kind in "iu" and values.size and values.min() < least):
            raise ValueError(f"{name} must be whole and >= {least}")
    windows, mss = whole["window_bytes"], whole["mss_bytes"]
    if not ((mss <= windows) & (windows <= BACKLOG_PACKETS * mss)).all():
        raise ValueError(f"window_bytes must be 1 to {BACKLOG_PACKETS} segments")
    return whole


def _summaries(outcome: Outcome) -> Summaries:
    states = outcome.states
    counters = (states[name].copy() for name in COUNTERS)
    return Summaries(states["elapsed_ns"].copy(), outcome.path_ns, outcome.path_uses, *counters)


def critical_path(replay: Replay | Summaries) -> dict[str, Nanoseconds]:
    """Nanoseconds of the elapsed time by stage, shape (hosts,) each; they sum exactly to `elapsed_ns`.

    Parameters
    ----------
    replay
        Of any number of hosts.
    """
    return dict(zip(STAGES, replay.path_ns.T, strict=True))


def _rows(columns: Columns) -> Records:
    """Rows of HOST."""
    hardware, mss = columns["hardware_checksum"], columns["mss_bytes"]
    software = (hardware == "none") | ((hardware == "summed") & columns["netfilter_hooks"])
    early = software & (mss + TCP_HEADER_BYTES <= SMALL_BYTES)
    late = software & ~early
    checksum_ns = _bytes_ns(mss, columns["checksum_ps_per_byte"])
    window = columns["window_bytes"]
    derived = {
        "sender_ns": columns["sender_packet_ns"],
        "wire_ns": _bytes_ns(mss + columns["framing_bytes"], columns["link_ps_per_byte"]),
        "interrupt_ns": columns["interrupt_packet_ns"],
        "softirq_ns": columns["softirq_packet_ns"],
        "tcp_ns": columns["tcp_packet_ns"],
        "early_checksum_ns": checksum_ns * early,
        "late_checksum_ns": checksum_ns * late,
        "late_checksum": late,
        "fused_ps_per_byte": columns["copy_and_checksum_ps_per_byte"],
        "clamp_bytes": np.maximum(np.minimum(2 * mss, window), window - mss),
        "blocking": columns["reader"] == "blocking",
        "prequeue": columns["prequeue"].astype(bool) & (late | ~columns["kleen_bypass"].astype(bool)),
    }
    rows = np.zeros(mss.size, rules.HOST)
    for name in rules.HOST_FIELDS:
        rows[name] = derived[name] if name in derived else columns[name]
    return rows


def _bytes_ns(n_bytes: Nanoseconds, ps_per_byte: Nanoseconds) -> Nanoseconds:
    return -(-n_bytes * ps_per_byte // 1000)


def _node_bound(columns: Columns, packets: int) -> Counts:
    """More rows than any run needs: 20 for a packet's interrupts, timers and TCP, 6 for each copy of its bytes."""
    return 64 + packets * (20 + 6 * (columns["mss_bytes"] // columns["reader_bytes"] + 2))

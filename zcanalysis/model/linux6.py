"""A Linux 6 receiver, one bulk TCP connection, replayed in closed loop: CPUs that interrupt each other, ACKs as clock.

Facts of the kernel are from 6.18 (file:line as in net/core/dev.c, net/ipv4/tcp_input.c, …); which of them matter was
learned from recordings of veth in a virtual machine (traces/veth-*). Prices are the caller's: none is built in.
All times are integer nanoseconds. Everything is counted in full segments (packets); the transfer has n of them, and
time 0 is when the sender's process starts to write. The reader then sleeps in recv, nothing copied.

**CPUs.** Up to four CPUs of this host. The sender is a process on one of them (a virtual link such as veth) or a
machine of its own (``sender_cpu=None``), which then is a fifth CPU that does nothing else. Each CPU does one piece of
work at a time. Work ends; then its effects happen, in the order given; then the CPU chooses what comes next:

1. signals it owes: to the first stage's CPU (a burst), to the protocol CPU (hand-over), to the reader's CPU (wake-up),
   to the sender's CPU (wake-up), to the sender's CPU (freed skbs): ``send interrupt`` each, in that order, once however
   often owed; a CPU that does anything when that begins is interrupted at once, an idle one at its end;
2. ``interrupt`` if one or more came since the last one started (they are one). What they were for happens at its end:
   a poll is scheduled, a process can run;
3. on the protocol CPU, while the reader does not own the socket, a backlog left behind (below); else a step of the
   driver's poll, if scheduled; else a step of the protocol's, if scheduled; else, again on the protocol CPU and without
   an owner, the ACK timer's ACK; else a transmission that an ACK or freed room left to this CPU, as long as any is
   allowed;
4. its process: the piece of work that was interrupted goes on; else the process says what it does next.

All but the processes' work of group 4 runs with softirqs off, and so do ``transmit`` and ``ack`` where a process does
them (__dev_queue_xmit): an interrupt that comes meanwhile waits. An interrupt to a process's piece of work stops it,
even in its last nanosecond, and it goes on later where it was. An idle CPU has ``idle exit`` before it (the processor
leaves its idle state, a virtual one is brought back to a real one), half of which counts as its time (of 8 us, 4 to 6
are in no idle state and in no sample). Several CPUs at one nanosecond: lowest number first, then the other sender, then
the device's interrupt, then ACKs under way, then the ACK timer, then the tick. A packet is there before anything else
of its nanosecond.

**Sender.** ``write`` copies up to ``gso_packets`` packets (what ``gso_bytes`` and half of the largest window hold:
tcp_bound_to_half_wnd, include/net/tcp.h) into the send queue, as many as have room in the send buffer (which holds what
is written and not acknowledged) when it starts. ``transmit`` hands over a burst: at most gso_packets, what is written,
and what the window allows; they count as sent when it starts. Packet k of a burst (from 0) leaves ``send_burst_ns + (k
+ 1) send_packet_ns`` after its start, but none before the packet in front of it (two CPUs can be at it). Allowed: up to
the advertised edge, to ``cwnd_bytes`` beyond what is acknowledged, and, on this host, to ``tsq_bytes`` beyond what IP
has taken (TCP small queues: tcp_small_queue_check; ip_rcv_core orphans the skb), at least two packets. A burst that is
neither everything written nor gso_packets nor a third of the window (edge or cwnd, beyond what is acknowledged) waits
while anything is unacknowledged (tcp_tso_should_defer). The process transmits if it may, else writes if there is room,
else sleeps. It is woken, unless all is written, by an ACK that leaves at most two thirds of the buffer in use
(sk_stream_write_space). While it sleeps, whoever sees the window or room grow transmits (tcp_data_snd_check,
tcp_tsq_handler), before it wakes it: the CPU that handled the ACK or took the packets.

**Link.** Without ``link_ps_per_byte`` and with a sender on this host a packet is where it goes the moment it leaves.
Else it takes (mss + framing) x link price on the wire, one after the other, and the delay; and the device interrupts.
With a sender on this host the link is a shaper, which lets a burst go whole, before its segments are made (tbf_dequeue,
net/sched/sch_tbf.c): all of its packets are there with the last. Its bucket, empty at time 0, fills at the link's rate
up to ``bucket_bytes``: packets for which it has tokens take no time, and go on as without a link; others are *held*
until it has, and what interrupts is its timer, on the CPU that handed the burst over. ACKs take the delay back and
nobody's time (a local sender's ACKs take none: see ACKs).

**Arrival.** The first stage is the driver's poll (``driver_cpu``; NAPI) or, without one, the protocol's backlog. A
stage whose queue is not empty and that is not scheduled: with a link, the device interrupts its CPU ``coalesce_ns``
after the first waiting packet is there, or, where that is over, at once; that schedules it. Without a link, or where
the burst was not held, at the end of the burst the transmitting CPU schedules it itself, if it is the same CPU, or else
owes it a signal (RPS: net_rps_send_ipi) and counts it as scheduled; it polls from the end of the interrupt on. With a
sender on this host and ``follows`` the first stage moves to the transmitting CPU whenever it is not scheduled and
nothing waits for it (veth_xmit, __netif_rx), and the protocol with it, unless it has another CPU than the driver from
the start (RPS); what is ``on the same CPU`` below means that it has not.

**Driver's step.** Takes what is there, at most 8 packets and what is left of 64 (napi weight); the first step since the
driver was scheduled pays ``softirq``; ``driver`` and ``gro`` for each. With GRO, packets merge until ``gro_packets``
are one skb, or 64 are taken, or nothing more is there when the step starts (gro_flush; HZ < 1000): then, too, 64 may
be taken anew. Without, each is an skb. What is complete goes on: to the protocol on the same CPU within this step, else
``hand-over`` each, into the backlog of the protocol CPU, which is owed a signal unless it is scheduled. The driver is
no longer scheduled when nothing is left at the end of a step.

**Protocol's step.** Takes skbs that are there, as many as have at most 8 packets, at least one; the first step since it
was scheduled pays ``softirq``. Each skb: ``ip``, and for each of its packets ``skb heads`` and ``checksum``; then, if
the reader owns the socket when the step starts, it joins the socket's backlog (tcp_add_backlog); else TCP takes it. No
longer scheduled when nothing is left at the end. The effects, at the end: IP and TCP took the packets, the last ACK
leaves, the reader wakes. A *backlog left behind*, because its owner gave the socket up before the step ended, TCP takes
as a work of its own: ``tcp`` each, and one ACK if more than one segment is unacknowledged.

**TCP takes an skb:** ``tcp``; the receive queue grows. More than one segment unacknowledged: an ACK if the window that
would be advertised is not smaller than the last one that was (``__tcp_ack_snd_check`` tcp_input.c:5900), else it is
delayed; copies count up to the start of the step. The window (__tcp_select_window): ``window_bytes`` less what the
receive queue holds with this skb and less the socket's backlog, but at most ``ssthresh_bytes``; none if that is less
than a sixteenth of window_bytes. So where all of the buffer is advertised, a step sends one ACK at most, and none
unless the reader took something since the last one: what the reader sends is then most of the ACKs. A segment left
unacknowledged starts the ACK timer, if it does not run, ``delack_ns``. If the reader sleeps when the step could end, it
goes on with ``wake-up``, at the end of which the reader can run; a reader of another CPU can from the end of the
interrupt that CPU is owed.

**ACK:** ``ack`` and, where the sender is on this host, ``sender's ack`` (veth hands an ACK to the softirq of the CPU
that sent it), both within the work that sends it; effects at that work's end. It acknowledges all that TCP took (in a
step: up to the skb that asked for it). The window is then what is said above, the queue without what is not yet
acknowledged; its edge is never taken back. The timer stops. The ACK timer: the protocol CPU sends the ACK, as a work
of its own, if it is still unsent; a process's work is stopped for it. While the reader owns the socket the timer only
marks the ACK as due (tcp_delack_timer): the next __tcp_cleanup_rbuf sends it, or the protocol CPU when it next chooses.

**Reader.** Recv: ``syscall``; then owns the socket: copies (``copy``, at most ``gso_packets`` a piece and what is left
of its buffer of ``reader_bytes``) while there is something; buffer full, or the queue empty and something
copied and the backlog empty: done; else if the backlog is not empty: it takes the backlog and goes on; else, nothing
copied: __tcp_cleanup_rbuf, then, if still neither queue nor backlog has anything, it gives up the socket and sleeps.
Done: __tcp_cleanup_rbuf, once; then the backlog if any, then it no longer owns the socket and calls recv again.
Woken: ``schedule``, then on as before with the socket owned.
It takes the backlog: ``tcp`` for each skb, until none came meanwhile, softirqs on (__release_sock); then one ACK as a
work of its own if more than one segment is unacknowledged (tcp_backlog_ack_defer).
__tcp_cleanup_rbuf: ``ack`` as a work of its own, if more than one segment is unacknowledged, or the timer marked it, or
this call has copied something, the edge is at most half of window_bytes beyond what TCP took, and the window would at
least double and not be 0 (tcp.c:1549).
At the end of a copy on another CPU than the sender's, with ``free_packets`` or more copied since the last such signal
and none on its way, the sender's CPU is owed a signal (skb_attempt_defer_free); it is on its way until its interrupt's
end.

**Scheduling.** Where two of sender, reader and ``hogs`` (busy processes beside the reader) share a CPU, one of them has
it, softirqs or not: at time 0 the sender, else the hogs. Sender and reader have a *credit* there, 0 at time 0, which is
what they may still run before hogs are owed something (the lag of EEVDF, times all weights): while one wants to run and
has the CPU not, it grows by the time that passes; while it has it, it falls by ``hogs`` times that; while it sleeps,
one below 0 grows by half of that time, to 0 at most. It sleeps with ``hogs + 1`` times ``slice_ns`` of it at most,
above and below 0 (update_entity_lag: kernel/sched/fair.c; a sleeper below 0 stays queued: DELAY_DEQUEUE). Who sleeps
passes the CPU on, and so does every tick (each ``slice_ns`` of time): to sender or reader, the other one first, if it
can run and its credit is not below 0; else to the hogs. Who wakes while hogs have the CPU takes it at once unless its
credit is below 0 (wakeup_preempt_fair; who is not eligible is not protected either); woken from another CPU, it pays
from when that CPU came to owe the signal (the clock of that moment is kept until the switch: rq_clock_skip_update). Who
wakes while another of ours has it waits. Whose turn it is, the CPU looks up when it comes to group 4, and at a tick in
a process's work.

**Simplified against 6.18.** Steady state: no slow start, no loss (a backlog of more than 1,000 packets is counted as
overflow, not lost), no autotuning: windows are given. No ksoftirqd: softirqs always go first. Effects of a step come at
its end. skbs do not coalesce in backlog and receive queue, other than by price. Small queues of another machine are not
seen. A sleeper below 0 gets back all of the time in the kernel; but intervals are uneven there, and one that is short
stops it, so that here it gets back half.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

import numpy as np

from zcanalysis.model import linux6_rules as rules
from zcanalysis.model import linux6_state as state
from zcanalysis.model.arrays import Nanoseconds
from zcanalysis.model.scenarios import Counts, Loop, Progress, Scenarios, outcomes

CPUS: Final = state.CPUS
STAGES: Final = state.STAGES
LOOP: Final = Loop(STAGES, state.STATE, state.NODE, state.PACKET, rules.replay_hosts)
AT_LEAST_ONE: Final = (
    "mss_bytes",
    "gso_bytes",
    "window_bytes",
    "cwnd_bytes",
    "sndbuf_bytes",
    "reader_bytes",
    "slice_ns",
    "delack_ns",
)
MOST_CPU: Final = 3
PLENTY_BYTES: Final = 1 << 40
FEW_NODES: Final = 1 << 12
MANY_NODES: Final = 1 << 20  # 60 MB: enough for a quarter of a million ticks of busy processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Linux6:
    """Prices and places of one receiver; times in ns, prices of a byte in ps (25 Gbit/s is 320)."""

    sender_cpu: int | None
    """None: another machine."""
    driver_cpu: int | None
    """Which CPU polls the device; None where packets go straight to a backlog (veth without GRO)."""
    protocol_cpu: int
    reader_cpu: int
    mss_bytes: int
    write_ps_per_byte: int
    send_burst_ns: int
    send_packet_ns: int
    sender_ack_ns: int
    send_interrupt_ns: int
    interrupt_ns: int
    softirq_ns: int
    ip_skb_ns: int
    tcp_skb_ns: int
    ack_ns: int
    wake_ns: int
    schedule_ns: int
    syscall_ns: int
    copy_ps_per_byte: int
    window_bytes: int
    driver_packet_ns: int = 0
    gro_packet_ns: int = 0
    handover_skb_ns: int = 0
    checksum_ps_per_byte: int = 0
    copy_packet_ns: int = 0
    ip_packet_ns: int = 0
    link_ps_per_byte: int = 0
    framing_bytes: int = 0
    bucket_bytes: int = 0
    """What a shaper on the sender's host lets pass at once after a pause, framing included."""
    delay_ns: int = 0
    coalesce_ns: int = 0
    gso_bytes: int = 65536  # GSO_LEGACY_MAX_SIZE, include/linux/netdevice.h
    gro_bytes: int = 0
    """Most payload of a merged skb; 0: no GRO."""
    ssthresh_bytes: int = PLENTY_BYTES
    """rcv_ssthresh: the most window that is advertised. Less than window_bytes leaves room in which a queue may grow
    while every second segment is still acknowledged at once (tcp_grow_window)."""
    cwnd_bytes: int = PLENTY_BYTES
    tsq_bytes: int = PLENTY_BYTES
    sndbuf_bytes: int = 4 << 20  # tcp_wmem[2]
    reader_bytes: int = 128 << 10
    free_packets: int = 0
    hogs: int = 0
    slice_ns: int = 4_000_000  # a tick at HZ = 250
    delack_ns: int = 40_000_000  # TCP_DELACK_MIN, include/net/tcp.h
    idle_exit_ns: int = 0
    follows: bool = False
    """The first stage is where its packets are sent from (veth); driver_cpu, or without a driver protocol_cpu, is where
    nobody has sent any yet."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), 1 if field.name in AT_LEAST_ONE else 0
            if value is not None and value < least:
                raise ValueError(f"{field.name} must be >= {least}, got {value}")
            if field.name.endswith("_cpu") and value is not None and value > MOST_CPU:
                raise ValueError(f"{field.name} must be 0 to {MOST_CPU}, got {value}")
        if min(self.window_bytes, self.ssthresh_bytes, self.sndbuf_bytes) < self.mss_bytes:
            raise ValueError(
                f"window_bytes, ssthresh_bytes, sndbuf_bytes must hold a segment of {self.mss_bytes} bytes"
            )


class Replay(NamedTuple):
    """What each host took, one row a host."""

    elapsed_ns: Nanoseconds
    """Shape (hosts,). From the start of the sender's first write to the last byte copied."""
    path_ns: Nanoseconds
    """Shape (hosts, stages). Time of the critical path by stage of `STAGES`; sums exactly to elapsed."""
    path_uses: Counts
    """Shape (hosts, stages). How often the critical path pays each stage: by packet, skb, ACK or piece of work."""
    busy_ns: Nanoseconds
    """Shape (hosts, CPUS). Work of each CPU, other processes' left out; the last is another machine's sender."""
    counts: dict[str, Counts]
    """By name of `COUNTS`, shape (hosts,) each."""


# fmt: off
COUNTS: Final = (
    "acks", "delayed_acks", "interrupts", "wake_ups", "sender_wake_ups", "runs", "backlogged", "overflows", "calls",
    "bursts", "signals", "skbs",
)
# fmt: on


def replay(hosts: Sequence[Linux6], packets: int, progress: Progress | None = None) -> Replay:
    """How long each host takes for so many packets, and which stages that time was made of.

    Parameters
    ----------
    hosts
        Scenarios, each replayed alone.
    packets
        Full segments to transfer, >= 1.
    progress
        Told hosts done and hosts there are, whenever some are done.

    Raises
    ------
    RuntimeError
        If a transfer hangs, or hardly moves.
    """
    found = outcomes(LOOP, scenarios(hosts, packets), progress)
    slow = np.flatnonzero(found.states["stopped"])
    if slow.size:
        again = outcomes(LOOP, scenarios([hosts[int(at)] for at in slow], packets, ample=True))
        if again.states["stopped"].any():
            first = int(slow[int(np.argmax(again.states["stopped"] > 0))])
            raise RuntimeError(f"host {first}: its transfer hardly moves: {hosts[first]}")
        for part, anew in zip(found, again, strict=True):
            part[slow] = anew
    states = found.states
    busy_ns = states["cpus"]["busy_ns"].copy()
    counts = {name: states[name].copy() for name in COUNTS}
    return Replay(states["now"].copy(), found.path_ns, found.path_uses, busy_ns, counts)


def scenarios(hosts: Sequence[Linux6], packets: int, *, ample: bool = False) -> Scenarios:
    """The hosts as the compiled loop wants them.

    Parameters
    ----------
    hosts, packets
        As for `replay`.
    ample
        Room for more pieces of work than most hosts need: those of many ticks, or of many calls for each packet.
    """
    if packets < 1:
        raise ValueError(f"packets must be >= 1, got {packets}")
    rows = np.array([_row(host, packets) for host in hosts], dtype=state.HOST)
    nodes = MANY_NODES + 64 * packets if ample else FEW_NODES + 8 * packets
    return Scenarios(rows, packets, nodes, 2 * packets + 2)


def _row(host: Linux6, packets: int) -> tuple[int, ...]:
    """One row of HOST: everything in packets."""
    mss = host.mss_bytes
    local, wired = host.sender_cpu is not None, host.sender_cpu is None or host.link_ps_per_byte > 0
    row = {
        "sender_cpu": state.OTHER if host.sender_cpu is None else host.sender_cpu,
        "driver_cpu": -1 if host.driver_cpu is None else host.driver_cpu,
        "local": int(local), "wired": int(wired),
        "follows": int(host.follows and local),
        "steered": int(host.driver_cpu not in (None, host.protocol_cpu)),
        "write_ns": _bytes_ns(mss, host.write_ps_per_byte),
        "driver_ns": host.driver_packet_ns, "gro_ns": host.gro_packet_ns * (host.gro_bytes > 0),
        "handover_ns": host.handover_skb_ns, "ip_ns": host.ip_skb_ns, "head_ns": host.ip_packet_ns,
        "tcp_ns": host.tcp_skb_ns,
        "checksum_ns": _bytes_ns(mss, host.checksum_ps_per_byte),
        "copy_ns": _bytes_ns(mss, host.copy_ps_per_byte) + host.copy_packet_ns,
        "wire_ns": _bytes_ns(mss + host.framing_bytes, host.link_ps_per_byte),
        "depth_ns": local * _bytes_ns(host.bucket_bytes, host.link_ps_per_byte),
        "gso": max(min(host.gso_bytes, min(host.window_bytes, host.ssthresh_bytes) // 2) // mss, 1),
        "gro": max(host.gro_bytes // mss, 1),
        "window": host.window_bytes // mss, "cwnd": max(host.cwnd_bytes // mss, 1),
        "tsq": max(host.tsq_bytes // mss, 2) if local else PLENTY_BYTES, "sndbuf": host.sndbuf_bytes // mss,
        "reader": max(host.reader_bytes // mss, 1),
        "free_packets": host.free_packets * (local and host.sender_cpu != host.reader_cpu),
        "n_packets": packets, "merges": int(host.gro_bytes > 0), "ssthresh": host.ssthresh_bytes // mss,
    }  # fmt: skip
    return tuple(int(row[name] if name in row else getattr(host, name)) for name in state.HOST_FIELDS)


def _bytes_ns(n_bytes: int, ps_per_byte: int) -> int:
    return -(-n_bytes * ps_per_byte // 1000)

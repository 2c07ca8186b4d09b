"""One TCP receiver replayed as recorded: packets arrive when a capture says, the kernel's rules say what follows.

Open loop: nothing here changes when a packet arrives. Two rule sets: **linux-4.10**, which still has the prequeue,
and **linux-6** (6.18). [in], [out], [ipv4], [tcp] are net/ipv4/tcp_input.c, tcp_output.c, tcp_ipv4.c, tcp.c of that
kernel. Rules without a generation are those of both. Times are those of the tap: an AF_PACKET tap of the receiver
stamps a packet when softirq hands it to IP, and an ACK when it is sent.

**A packet arrives** [ipv4 tcp_v4_rcv]. The reader owns the socket: *backlog*. Else 4.10 and the reader is in a
blocking recv that has found the queue empty, and tcp_low_latency is 0: *prequeue*. Else *direct*: TCP takes it in
softirq and wakes the reader. Readers that poll never prequeue.

**Prequeue** [4.10 ipv4 tcp_prequeue]. The first segment wakes the reader and, where no ACK is scheduled, sets the ACK
timer to 150 ms. With 32 segments, or as soon as its memory and the receive queue's exceed the buffer, TCP takes all
of it in softirq (TCPPrequeueDropped counts these segments). 2.4 has no limit of 32. The reader takes it when it holds
the socket and nothing is queued before it; TCPPrequeued counts these times, not the segments.

**TCP takes a segment** [in tcp_rcv_established]. 4.10, in the reader's context, all before it copied and no longer
than what is left of the reader's buffer: *eaten*, copied at once. Else it is queued and its truesize charged. Then,
eaten or not: round trip and segment size are measured, the window may grow, and the ACK check follows. (2.4 never
makes that check for eaten segments: it acknowledges them when the reader cleans up.)

**ACK check** [in __tcp_ack_snd_check]. Now if more than one segment is unacknowledged and the window that would be
advertised is not smaller than the last; or in quick-ACK mode: the first segments (half as many as fit into the
window, at most 16), and each segment that made the window grow. Else delayed: 40 ms [out tcp_send_delayed_ack], sent
at once if the timer would fire within a quarter of that. linux-6, from the backlog: held back, one ACK when all of it
is taken (tcp_backlog_ack_defer) [tcp_release_cb].

**Cleaning up** [tcp tcp_cleanup_rbuf], before waiting and at the end of recv: send if an ACK is scheduled and more
than one segment is unacknowledged, or the timer found the socket owned (4.10), or something was copied, the queue is
empty and a short segment with PSH came; or if the window has at least doubled and half the clamp was not open.

**Window** [out __tcp_select_window, tcp_select_window]. Room is (buffer - charged memory) as window: half of it in
4.10, ``scaling_ratio``/256 in linux-6, which takes the backlog's memory off too until all of the backlog is taken.
Below half of the clamp quick-ACK mode ends, room is rounded down, and it is 0 below 1/16 of the buffer or a segment.
At most rcv_ssthresh, rounded up to a scale unit; never less than what is still open.

**Growth** [in tcp_grow_window]. A segment of 128 bytes or more adds two segments to rcv_ssthresh, up to the clamp,
while there is room beyond it and truesize is worth its payload. *Autotuning* [4.10 in tcp_rcv_space_adjust]: once a
round trip, in ticks, if the reader took more than ever before: wanted = 2 x taken + 16 segments (x 1.5 from 25 %
more, x 2 from 50 %); the buffer is what as many segments of MAX_TCP_HEADER and overhead cost; the clamp is wanted.
linux-6: buffer and clamp stay as given.

**Memory** linux-6: a backlogged segment joins the skb before it while both carry the same options and have at most 17
fragments; in the receive queue likewise. What has joined costs its payload only, and an skb's memory is free when its
last byte is copied. 4.10: the sender's clone is still held, so nothing joins.

**The reader** calls recv again and again; a polling one waits until something is queued. Its work has the prices
given. Where it shares the CPU with softirq (``shared_cpu``), packets take their time from it. Where the sender writes
on that CPU too (``sender_here``), the captured arrivals show who has the CPU: a woken reader waits while each next
packet comes as soon as a writer can make it (``pause_ns``, ``sender_ps_per_byte``); and packets closer together than
``burst_ns`` were sent by the softirq of an ACK, so a reader that sent it goes on after them.

**Prices err, arrivals do not.** What arrives was within the advertised window. A packet beyond the replayed one shows
that the reader was further: it copies for nothing until it has made up for those bytes, and TCP checks no ACK
meanwhile. ``beyond_window`` counts such packets.

**Not modelled.** Losses, reordering, memory pressure, connections without window scaling, header prediction,
forward_alloc (and with it the slow path's partial copies), a third process on the CPU, splice, MSG_PEEK.
"""

from dataclasses import asdict, dataclass, fields
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.model import tcp_receiver_rules as rules

Integers = npt.NDArray[np.int64]

NEVER: Final = rules.NEVER
PREQUEUE_PACKETS: Final = 32  # 4.10 tcp_prequeue
COUNTERS: Final = (
    "acks", "delayed_acks", "delayed_acks_locked", "scheduler_failed", "prequeue_runs", "prequeue_dropped",
    "bytes_from_prequeue", "bytes_from_backlog", "eaten_packets", "queue_coalesced", "backlog_coalesced",
    "zero_windows", "wanted_zero_windows", "wake_ups", "window_growths", "reads", "beyond_window",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What work costs on the receiver's CPU, in ns; of a byte in ps. None is built in."""

    tcp_ns: int
    """TCP takes one segment."""
    ack_ns: int
    """From the decision to the ACK's stamp."""
    copy_packet_ns: int
    copy_ps_per_byte: int
    syscall_ns: int
    schedule_ns: int
    """From getting the CPU to owning the socket."""
    checksum_ps_per_byte: int = 0
    """Where TCP sums the segment itself."""
    softirq_ns: int = 0
    """What else a packet takes from a reader on the same CPU."""
    answer_ns: int = 0
    """What the reader's ACK takes from it besides: the sender's softirq, on the same CPU."""
    reader_delay_ns: int = 0
    sender_ns: int = 0
    """What the sender on the same CPU needs for a packet before it arrives, and for each of its bytes:"""
    sender_ps_per_byte: int = 0
    pause_ns: int = 0
    """Longer than what the sender takes for any packet, bytes apart: the sender did not have the CPU all the time."""
    burst_ns: int = 0
    """Packets closer than that were sent by softirq, not written."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 0:
                raise ValueError(f"{field.name} must be >= 0, got {getattr(self, field.name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Facts of the receiving kernel and its reader."""

    generation: Literal["linux-4.10", "linux-6"]
    prices: Prices
    read_bytes: int
    tick_ns: int
    rmem_max_bytes: int
    window_scale: int
    advertised_mss_bytes: int
    """Payload of the largest segment it asks for, without time stamps."""
    reader: Literal["blocking", "polling"] = "blocking"
    whole_reads: bool = False
    """After poll the reader calls recv until it has read_bytes or there is nothing left (iperf3)."""
    shared_cpu: bool = True
    sender_here: bool = False
    low_latency: bool = False
    autotune: bool = True
    backlog_ack_defer: bool = True
    scaling_ratio: int = 128
    tick_phase_ns: int = 0
    """When tick 0 began."""
    header_bytes: int = 32

    def __post_init__(self) -> None:
        if self.generation not in ("linux-4.10", "linux-6"):
            raise ValueError(f"generation must be linux-4.10 or linux-6, got {self.generation}")
        if self.reader not in ("blocking", "polling"):
            raise ValueError(f"reader must be blocking or polling, got {self.reader}")
        for name in ("read_bytes", "tick_ns", "rmem_max_bytes", "advertised_mss_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        if not 1 <= self.window_scale <= rules.WINDOW_SCALE_MOST:
            raise ValueError(f"window_scale must be 1 to {rules.WINDOW_SCALE_MOST}, got {self.window_scale}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The connection as it is when the first packet arrives."""

    rcvbuf_bytes: int
    clamp_bytes: int
    ssthresh_bytes: int
    window_bytes: int
    """What the sender may send."""
    measured_mss_bytes: int
    queued_packets: int = 0
    """So many of the arrivals are in the receive queue already."""
    established: bool = False
    """No longer in the quick ACKs of its start."""


class Arrivals(NamedTuple):
    """What arrives: shape (packets,) each, in order and without loss."""

    time_ns: Integers
    payload_bytes: Integers
    truesize_bytes: Integers
    """What each is charged where it joins no other."""
    push: npt.NDArray[np.bool_]
    segment_bytes: Integers
    """Payload of one packet on the wire; less than payload_bytes after GRO."""
    fragments: Integers
    options: Integers
    """Anything that differs where the TCP options differ."""
    echo_tick: Integers
    """The receiver's tick that each echoes, -1 where unknown."""


class Replayed(NamedTuple):
    """What the receiver did."""

    packets: npt.NDArray[np.void]
    """Shape (packets,). ``queue`` (0 direct, 1 prequeue, 2 backlog), ``eaten``, ``taken_ns`` by TCP, ``copied_ns``
    (NEVER: not within what was recorded), ``end``: bytes up to its last."""
    acks: npt.NDArray[np.void]
    """Shape (acks,). ``time_ns``, ``end`` (bytes acknowledged), ``window_bytes`` advertised, ``why``: 0 softirq,
    1 the reader's check, 2 cleaning up, 3 the timer, 4 the backlog's release."""
    counters: dict[str, int]
    """By name, `COUNTERS`."""


def replay_receiver(arrivals: Arrivals, connection: Connection, receiver: Receiver) -> Replayed:
    """ACKs, queues and counters of a receiver whose packets arrive at given times.

    Parameters
    ----------
    arrivals
        At least one packet beyond those that are queued at the start.
    connection, receiver
        State and facts; the rules are in the module's own text.

    Examples
    --------
    >>> one, two = np.array([1448]), np.array([1448, 1448])
    >>> prices = Prices(tcp_ns=1, ack_ns=1, copy_packet_ns=1, copy_ps_per_byte=1, syscall_ns=1, schedule_ns=1)
    >>> host = Receiver(generation="linux-6", prices=prices, read_bytes=4096, tick_ns=4_000_000, rmem_max_bytes=1 << 20,
    ...                 window_scale=7, advertised_mss_bytes=1448)
    >>> now = Connection(rcvbuf_bytes=1 << 20, clamp_bytes=1 << 19, ssthresh_bytes=1 << 19, window_bytes=1 << 16,
    ...                  measured_mss_bytes=1448, established=True)
    >>> arrivals = Arrivals(two * 10, two, two + 832, two < 0, two, two // 1448, two * 0, two * 0 - 1)
    >>> replay_receiver(arrivals, now, host).acks["end"].tolist()
    [2896]
    """
    packets = _packets(arrivals)
    if not connection.queued_packets < packets.size:
        raise ValueError(f"{packets.size} packets, {connection.queued_packets} queued at the start: none arrives")
    host = np.array([_row(receiver)], dtype=rules.HOST)
    state = np.zeros(1, rules.STATE)
    _set_state(state[0], packets, connection, receiver)
    acks = np.zeros(_most_acks(packets, receiver), rules.ACK)
    rules.replay(host[0], state[0], packets, acks)
    counters = {name: int(state[name][0]) for name in COUNTERS}
    return Replayed(packets, acks[: counters["acks"]], counters)


def autotune_skb_bytes(mss_bytes: int) -> int:
    """What 4.10 reckons that a segment costs: room for all headers, and more until half of it is worth the payload.

    Parameters
    ----------
    mss_bytes
        Largest payload, without time stamps.

    Examples
    --------
    >>> autotune_skb_bytes(1448)
    2936
    """
    cost = mss_bytes + rules.MAX_TCP_HEADER_BYTES + rules.SKB_OVERHEAD_BYTES
    return cost + -(-max(2 * mss_bytes - 1 - cost, 0) // rules.AUTOTUNE_STEP_BYTES) * rules.AUTOTUNE_STEP_BYTES


def new_connection(mss_bytes: int, window_bytes: int, rmem_bytes: int, rmem_max_bytes: int) -> Connection:
    """A connection of 4.10 when its handshake is done: buffer and clamp as the kernel makes them.

    Parameters
    ----------
    mss_bytes, window_bytes
        MSS option and window of the receiver's SYN-ACK.
    rmem_bytes, rmem_max_bytes
        Second and third figure of tcp_rmem.

    Notes
    -----
    tcp_fixup_rcvbuf, tcp_init_buffer_space (tcp_input.c): four times twice the first window's segments, and one segment
    of the buffer in reserve.

    Examples
    --------
    >>> new_connection(1460, 28960, 87380, 6291456).rcvbuf_bytes
    369280
    """
    segments = max(rules.FIRST_SEGMENTS * rules.ETHERNET_MSS_BYTES // max(mss_bytes, rules.ETHERNET_MSS_BYTES), 2)
    cost = mss_bytes + rules.MAX_TCP_HEADER_BYTES + rules.SKB_OVERHEAD_BYTES
    rcvbuf = max(rmem_bytes, min(8 * cost * segments, rmem_max_bytes))
    whole = rcvbuf - rcvbuf // 2
    clamp = max(2 * mss_bytes, whole - mss_bytes) if whole > 2 * mss_bytes else whole
    measured = max(min(window_bytes // 2, mss_bytes, rules.DEFAULT_MSS_BYTES), rules.LEAST_MSS_BYTES)
    return Connection(
        rcvbuf_bytes=rcvbuf,
        clamp_bytes=clamp,
        ssthresh_bytes=min(window_bytes, clamp),
        window_bytes=window_bytes,
        measured_mss_bytes=measured,
    )


def linear_truesize_bytes(payload_bytes: Integers, mss_bytes: int) -> Integers:
    """What a segment of a 4.10 sender without segmentation offload is charged at a receiver that gets the same skb.

    Parameters
    ----------
    payload_bytes
        Shape (packets,).
    mss_bytes
        The sender's largest payload.

    Notes
    -----
    select_size and sk_stream_alloc_skb (tcp.c): as much of a full segment as fits into a page is linear, in a block of
    the next power of two, whatever the segment holds; the rest is in page fragments.

    Examples
    --------
    >>> linear_truesize_bytes(np.array([200, 1448]), 1448).tolist()
    [2304, 2304]
    >>> linear_truesize_bytes(np.array([8948]), 8948).tolist()
    [9796]
    """
    linear = min(mss_bytes, rules.PAGE_BYTES - rules.MAX_TCP_HEADER_BYTES - rules.SHARED_INFO_BYTES)
    block = 1 << (linear + rules.MAX_TCP_HEADER_BYTES + rules.SHARED_INFO_BYTES - 1).bit_length()
    return block + rules.SKB_OVERHEAD_BYTES - rules.SHARED_INFO_BYTES + np.maximum(payload_bytes - linear, 0)


def _packets(arrivals: Arrivals) -> npt.NDArray[np.void]:
    packets = np.zeros(arrivals.time_ns.size, rules.PACKET)
    packets["arrival_ns"] = arrivals.time_ns
    packets["end"] = np.cumsum(arrivals.payload_bytes)
    for name in ("payload_bytes", "truesize_bytes", "push", "segment_bytes", "fragments", "options", "echo_tick"):
        packets[name] = getattr(arrivals, name)
    packets["taken_ns"], packets["copied_ns"] = NEVER, NEVER
    return packets


def _most_acks(packets: npt.NDArray[np.void], receiver: Receiver) -> int:
    """One for each segment, one for each read and wait, one for each timer."""
    reads = int(packets["end"][-1]) // receiver.read_bytes + packets.size
    span_ns = int(packets["arrival_ns"][-1] - packets["arrival_ns"][0])
    return packets.size + 3 * reads + span_ns // receiver.tick_ns + 64


def _row(receiver: Receiver) -> tuple[int, ...]:
    linux4 = receiver.generation == "linux-4.10"
    own = {
        "linux4": linux4,
        "blocking": receiver.reader == "blocking",
        "prequeue": linux4 and not receiver.low_latency,
        "ack_defer": not linux4 and receiver.backlog_ack_defer,
        "autotune": linux4 and receiver.autotune,
        "prequeue_packets": PREQUEUE_PACKETS,
        "autotune_skb_bytes": autotune_skb_bytes(receiver.advertised_mss_bytes),
    }
    facts = {name: value for name, value in asdict(receiver).items() if name != "prices"}
    values = {**facts, **asdict(receiver.prices), **own}
    return tuple(int(values[name]) for name in rules.HOST_FIELDS)


def _set_state(s: rules.Record, packets: npt.NDArray[np.void], c: Connection, receiver: Receiver) -> None:
    queued = packets[: c.queued_packets]
    queued["skb"], queued["charge_bytes"] = np.arange(queued.size), queued["truesize_bytes"]
    queued["skb_fragments"] = queued["fragments"]
    s["next"] = s["arrived"] = queued.size
    s["rmem"] = queued["charge_bytes"].sum()
    s["rcv_nxt"] = s["rcv_wup"] = queued["payload_bytes"].sum()
    s["rcv_wnd"], s["space_bytes"] = c.window_bytes, c.window_bytes
    s["rcvbuf"], s["clamp"], s["ssthresh"] = c.rcvbuf_bytes, c.clamp_bytes, c.ssthresh_bytes
    s["rcv_mss"] = c.measured_mss_bytes
    s["timer"], s["rtt_from"] = NEVER, -1
    start_ns = int(packets["arrival_ns"][c.queued_packets])
    s["now"] = s["clock"] = s["busy_until"] = start_ns
    s["space_tick"] = s["last_data_tick"] = (start_ns - receiver.tick_phase_ns) // receiver.tick_ns
    s["ato"] = int(c.established) * rules.ATO_MIN_NS // receiver.tick_ns

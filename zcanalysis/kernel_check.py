"""The kernel as oracle: a capture's own arrivals replayed through the receiver's rules, held against its own ACKs.

Enters: the packets of one bulk connection, captured at the receiver, and what is known of the host. Leaves: a table of
what the kernel did and what the rules say it does. Nothing captured of the ACKs enters the replay, but for a connection
whose start was not captured its first window, which says how much was queued.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import numpy as np
import polars as pl

from zcanalysis.errors import TableError
from zcanalysis.model.tcp_receiver import (
    Arrivals,
    Connection,
    Integers,
    Prices,
    Receiver,
    Replayed,
    linear_truesize_bytes,
    new_connection,
    replay_receiver,
)

TIMESTAMP_BYTES: Final = 12
PUSH: Final = 8
SYN: Final = 2
HALF_SPACE: Final = 1 << 31  # of the sequence numbers
MOST_IN_ORDER: Final = 100
HEAD_BYTES: Final = 832  # linux-6, veth: sk_buff 256 + small head 576, of which 320 is skb_shared_info
PAGE_RUN_BYTES: Final = 32_768  # the sender's page fragments are cut from runs of so many bytes
MOST_FRAGMENTS: Final = 17
COUNTERS: Final = {
    "prequeued": ("TCPPrequeued", "prequeue_runs"),
    "bytes from the prequeue": ("TCPDirectCopyFromPrequeue", "bytes_from_prequeue"),
    "bytes from the backlog": ("TCPDirectCopyFromBacklog", "bytes_from_backlog"),
    "flushed": ("TCPPrequeueDropped", "prequeue_dropped"),
    "delayed ACKs": ("DelayedACKs", "delayed_acks"),
    "joined in the backlog": ("TCPBacklogCoalesce", "backlog_coalesced"),
    "joined in the queue": ("TCPRcvCoalesce", "queue_coalesced"),
    "zero windows": ("TCPToZeroWindowAdv", "zero_windows"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketState:
    """What the kernel said of the receiving socket when the capture began after its start (`ss -tim`)."""

    rcvbuf_bytes: int
    ssthresh_bytes: int
    window_scale: int
    queued_bytes: int
    queue_memory_bytes: int
    segment_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelHost:
    """What is known of the receiving host beside its packets."""

    generation: Literal["linux-4.10", "linux-6"]
    prices: Prices
    read_bytes: int
    hz: int
    reader: Literal["blocking", "polling"] = "blocking"
    whole_reads: bool = False
    shared_cpu: bool = True
    sender_here: bool = False
    low_latency: bool = False
    netem: bool = False
    """A netem delay of the same machine on the way: 4.10 then counts a byte for each skb (skb_orphan_partial)."""
    rmem_bytes: int = 87_380
    rmem_max_bytes: int = 6_291_456
    socket: SocketState | None = None
    """None: the capture begins with the handshake."""
    counters: Mapping[str, int] = field(default_factory=dict)
    """Differences of /proc/net/netstat by name; what is missing is not compared."""


class Captured(NamedTuple):
    """One bulk connection as its capture shows it; times from its first packet."""

    data: pl.DataFrame
    acks: pl.DataFrame
    synack: Mapping[str, int] | None
    first_seq: int


def compare_with_kernel(packets: pl.DataFrame, host: KernelHost) -> pl.DataFrame:
    """What the receiving kernel did beside what the rules make of the same arrivals.

    Parameters
    ----------
    packets
        PACKETS of a capture at the receiver, with at least ``ts_ns flow_id direction tcp_flags seq ack window_raw
        payload_bytes mss window_scale tsval tsecr``. The connection with most payload is taken.
    host
        Facts and prices.

    Returns
    -------
    polars.DataFrame
        Rows ``measure``, ``captured``, ``replayed``, ``error``: *acks* (their number, relative error), *stretch* (mean
        bytes acknowledged at once; Kolmogorov-Smirnov distance of the two distributions), *window* (mean bytes
        advertised; share of the captured ACKs whose window is more than one scale unit from the replayed one of the
        same sequence number), *mean window* (at the captured ACKs; relative error), and the counters the host gives
        (relative error, of 1 where the kernel counted none).

    Raises
    ------
    TableError
        If there is no connection with payload, it lacks what the replay needs, or bytes are missing or came twice.

    Notes
    -----
    Packets that overtook another are taken as if in order, as long as they are fewer than one in a hundred.
    """
    from scipy.stats import ks_2samp

    captured = captured_connection(packets)
    replayed = replay_kernel(captured, host)
    unit = 1 << _window_scale(captured, host)
    ends, windows = _captured_acks(captured, unit)
    said_ends, said_windows = replayed.acks["end"], replayed.acks["window_bytes"]
    at = np.clip(np.searchsorted(said_ends, ends, side="right") - 1, 0, None)
    off = np.abs(said_windows[at] - windows) > unit
    stretches, said_stretches = np.diff(ends), np.diff(said_ends)
    apart = ks_2samp(stretches, said_stretches, method="asymp").statistic  # exact or not is of the p-value alone
    rows = [
        ("acks", float(ends.size), float(said_ends.size), said_ends.size / ends.size - 1),
        ("stretch", stretches.mean(), said_stretches.mean(), float(apart)),
        ("window", windows.mean(), said_windows.mean(), float(off.mean())),
        ("mean window", windows.mean(), said_windows[at].mean(), said_windows[at].mean() / windows.mean() - 1),
    ]
    for measure, (name, ours) in COUNTERS.items():
        if name in host.counters:
            kernel, rules = host.counters[name], replayed.counters[ours]
            rows.append((measure, float(kernel), float(rules), (rules - kernel) / max(kernel, 1)))
    return pl.DataFrame(rows, schema=["measure", "captured", "replayed", "error"], orient="row")


def captured_connection(packets: pl.DataFrame) -> Captured:
    """The connection with most payload: its data one way, its ACKs the other.

    Parameters
    ----------
    packets
        As for `compare_with_kernel`.
    """
    sums = packets.filter(pl.col("payload_bytes") > 0).group_by("flow_id", "direction").agg(pl.sum("payload_bytes"))
    if sums.is_empty():
        raise TableError("packets: no connection with payload")
    flow_id, direction = sums.sort("payload_bytes").select("flow_id", "direction").row(-1)
    flow = packets.filter(pl.col("flow_id") == flow_id).with_columns(pl.col("ts_ns") - pl.first("ts_ns"))
    data = flow.filter(pl.col("direction") == direction, pl.col("payload_bytes") > 0)
    acks = flow.filter(pl.col("direction") != direction)
    synacks = acks.filter(pl.col("tcp_flags") & SYN != 0)
    synack = synacks.row(0, named=True) if synacks.height else None
    answers = acks.filter(pl.col("tcp_flags") & SYN == 0, pl.col("ts_ns") >= data.get_column("ts_ns")[0])
    if not answers.height:
        raise TableError("packets: the connection has no ACKs")
    return Captured(data, answers, synack, int(data.get_column("seq")[0]))


def replay_kernel(captured: Captured, host: KernelHost) -> Replayed:
    """The replay of the captured arrivals by the host's rules.

    Parameters
    ----------
    captured
        From `captured_connection`.
    host
        Facts and prices.
    """
    _require_every_byte_once(captured)
    if host.generation == "linux-4.10":
        return _replay_from_handshake(captured, host)
    return _replay_from_socket(captured, host)


def _require_every_byte_once(captured: Captured) -> None:
    starts = captured.data.get_column("seq").to_numpy().astype(np.int64)
    lengths = captured.data.get_column("payload_bytes").to_numpy()
    jumps = (starts[1:] - starts[:-1] - lengths[:-1] + HALF_SPACE) % (2 * HALF_SPACE) - HALF_SPACE
    odd = int((jumps != 0).sum())
    if jumps.sum() != 0 or odd * MOST_IN_ORDER > starts.size:
        raise TableError(
            f"packets: {odd} of {starts.size} do not follow the one before: lost, sent again or not captured"
        )


def _window_scale(captured: Captured, host: KernelHost) -> int:
    if captured.synack is not None:
        return int(captured.synack["window_scale"] or 0)
    if host.socket is None:
        raise TableError("packets: the connection's start is missing, so the host must say its socket's state")
    return host.socket.window_scale


def _captured_acks(captured: Captured, unit: int) -> tuple[Integers, Integers]:
    """Bytes acknowledged and window in bytes of each captured ACK."""
    ack = captured.acks.get_column("ack").to_numpy().astype(np.int64)
    offset = (ack - captured.first_seq + HALF_SPACE) % (2 * HALF_SPACE) - HALF_SPACE
    window = captured.acks.get_column("window_raw").to_numpy().astype(np.int64) * unit
    return np.unwrap(offset, period=2 * HALF_SPACE).astype(np.int64), window


def _receiver(captured: Captured, host: KernelHost, mss_bytes: int, *, phase_ns: int, ratio: int) -> Receiver:
    return Receiver(
        generation=host.generation,
        prices=host.prices,
        read_bytes=host.read_bytes,
        tick_ns=1_000_000_000 // host.hz,
        tick_phase_ns=phase_ns,
        rmem_max_bytes=host.rmem_max_bytes,
        window_scale=_window_scale(captured, host),
        advertised_mss_bytes=mss_bytes,
        reader=host.reader,
        whole_reads=host.whole_reads,
        shared_cpu=host.shared_cpu,
        sender_here=host.sender_here,
        low_latency=host.low_latency,
        scaling_ratio=ratio,
    )


def _replay_from_handshake(captured: Captured, host: KernelHost) -> Replayed:
    synack = captured.synack
    if synack is None:
        raise TableError("packets: the connection's start is missing")
    mss_bytes = int(synack["mss"]) - TIMESTAMP_BYTES
    phase_ns = _tick_phase_ns(captured, synack, 1_000_000_000 // host.hz)
    payload = captured.data.get_column("payload_bytes").to_numpy()
    arrivals = Arrivals(
        time_ns=captured.data.get_column("ts_ns").to_numpy(),
        payload_bytes=payload,
        truesize_bytes=np.ones_like(payload) if host.netem else linear_truesize_bytes(payload, mss_bytes),
        push=(captured.data.get_column("tcp_flags").to_numpy() & PUSH) > 0,
        segment_bytes=payload,
        fragments=np.ones_like(payload),
        options=np.zeros_like(payload),
        echo_tick=captured.data.get_column("tsecr").to_numpy().astype(np.int64) - int(synack["tsval"]),
    )
    start = new_connection(int(synack["mss"]), int(synack["window_raw"]), host.rmem_bytes, host.rmem_max_bytes)
    receiver = _receiver(captured, host, mss_bytes, phase_ns=phase_ns, ratio=128)
    return replay_receiver(arrivals, start, receiver)


def _tick_phase_ns(captured: Captured, synack: Mapping[str, int], tick_ns: int) -> int:
    """When the tick of the SYN-ACK's time stamp began: the latest that every ACK's own stamp allows."""
    times_ns = captured.acks.get_column("ts_ns").to_numpy()
    ticks = captured.acks.get_column("tsval").to_numpy().astype(np.int64) - int(synack["tsval"])
    return int(min((times_ns - ticks * tick_ns).min(), int(synack["ts_ns"])))


def _replay_from_socket(captured: Captured, host: KernelHost) -> Replayed:
    """A connection that ran before the capture: what was queued then comes first."""
    socket = host.socket
    if socket is None:
        raise TableError("packets: the host must say its socket's state")
    queued = _queued_skbs(captured, socket)
    payload = np.concatenate([queued, captured.data.get_column("payload_bytes").to_numpy()])
    times_ns = captured.data.get_column("ts_ns").to_numpy()
    segments = -(-payload // socket.segment_bytes)
    ends = np.cumsum(payload)
    fragments = segments + ends // PAGE_RUN_BYTES - (ends - payload) // PAGE_RUN_BYTES
    options = captured.data.get_column("tsval").to_numpy().astype(np.int64)
    arrivals = Arrivals(
        time_ns=np.concatenate([np.full(queued.size, times_ns[0]), times_ns]),
        payload_bytes=payload,
        truesize_bytes=payload + HEAD_BYTES * -(-fragments // MOST_FRAGMENTS),
        push=np.concatenate([np.zeros(queued.size, bool), captured.data.get_column("tcp_flags").to_numpy() & PUSH > 0]),
        segment_bytes=np.minimum(payload, socket.segment_bytes),
        fragments=fragments,
        options=np.concatenate([np.full(queued.size, -1), options]),
        echo_tick=np.full(payload.size, -1),
    )
    ratio = round(256 * socket.ssthresh_bytes / socket.rcvbuf_bytes)
    start = Connection(
        rcvbuf_bytes=socket.rcvbuf_bytes,
        clamp_bytes=socket.ssthresh_bytes,
        ssthresh_bytes=socket.ssthresh_bytes,
        window_bytes=int(captured.acks.get_column("window_raw")[0]) << socket.window_scale,
        measured_mss_bytes=socket.segment_bytes,
        queued_packets=queued.size,
        established=True,
    )
    receiver = _receiver(captured, host, socket.segment_bytes, phase_ns=0, ratio=ratio)
    replayed = replay_receiver(arrivals, start, receiver)
    replayed.acks["end"] -= queued.sum()
    return replayed


def _queued_skbs(captured: Captured, socket: SocketState) -> Integers:
    """Payload of the skbs in the queue at the start: as much memory as the first captured window says is taken."""
    window = int(captured.acks.get_column("window_raw")[0]) << socket.window_scale
    free = socket.rcvbuf_bytes * window // socket.ssthresh_bytes
    memory = max(socket.rcvbuf_bytes - free, 0)
    share = socket.queued_bytes / max(socket.queue_memory_bytes, 1)
    skbs = max(round(memory * (1 - share) / HEAD_BYTES), 0)
    if skbs == 0:
        return np.zeros(0, np.int64)
    each = round(memory * share / skbs)
    return np.full(skbs, each, np.int64)


def socket_state(counters: pl.DataFrame) -> SocketState:
    """The receiving socket as `record` found it first in a phase: that with most bytes received.

    Parameters
    ----------
    counters
        COUNTERS of the phase of the capture.
    """
    sockets = counters.filter(pl.col("source") == "socket").sort("ts_ns")
    first = sockets.group_by("instance", "counter").agg(pl.first("value"))
    received = first.filter(pl.col("counter") == "bytes_received").sort("value")
    if received.is_empty():
        raise TableError("counters: no socket was recorded")
    name = received.get_column("instance")[-1]
    values = dict(first.filter(pl.col("instance") == name).select("counter", "value").iter_rows())
    return SocketState(
        rcvbuf_bytes=values["rcvbuf"],
        ssthresh_bytes=values["rcv_ssthresh"],
        window_scale=values["rcv_wscale"],
        queued_bytes=values["recv_q"],
        queue_memory_bytes=values["rmem_alloc"],
        segment_bytes=values["rcv_mss"],
    )

"""What the undisturbed counters show of a limit: link, CPUs, receive queue, window, drops. Numbers only, no verdict."""

import re
from typing import Final, NamedTuple

import polars as pl

from zcanalysis.blame import NOT_RECEIVING
from zcanalysis.cpu.wall_time import UNSAMPLED
from zcanalysis.evidence import Evidence
from zcanalysis.framing import PREAMBLE_FCS_GAP_BYTES
from zcanalysis.goodput import QUIET_PHASE
from zcanalysis.rates import BITS_PER_BYTE, GROWTH_PER_NS, increments, total
from zcanalysis.workload import DEVICE_DROPS

READING_STAGES: Final = ("copy", "csum_copy", "zerocopy", "reader", "syscall", "sock_queue_lock")
MOST_STAGES: Final = 4
LOUD_PART: Final = 0.1
DROPPED_BY_DRIVER: Final = re.compile(r"drop|miss|no_buf|nobuf|discard", re.IGNORECASE)
NOT_RECEIVED: Final = re.compile(r"^tx|_tx_|tx_queue|xdp", re.IGNORECASE)
EARLY_DROPS: Final = (
    ("softnet", "dropped", "dropped by a full backlog"),
    *(("netdev", counter, words) for counter, words in DEVICE_DROPS.items()),
)
LATE_DROPS: Final = (
    ("netstat", "TcpExt.TCPRcvQDrop", "dropped at the receive queue"),
    ("netstat", "TcpExt.TCPBacklogDrop", "dropped at the socket's backlog"),
    ("netstat", "TcpExt.RcvPruned", "pruned from the receive queue"),
    ("snmp", "Udp.RcvbufErrors", "dropped by a full UDP receive buffer"),
)


class CpuUse(NamedTuple):
    """One CPU in the undisturbed time; its parts are those of the samples, scaled to the busy time there."""

    cpu: int
    busy: float
    receive: float | None
    """Receive work, as a share of wall time like all parts; None without samples."""
    reading: float
    """The reader's part of it: copy, system calls, the socket's lock."""
    sender: float
    foreign: float
    stages: tuple[str, ...]
    """What it mostly does, dearest first."""
    handled: float = 0.0
    """Its share of the packets that all CPUs took in softirq."""
    idle_known: bool = True
    """Whether `busy` is from idle counters; else it is what was sampled, and less than the truth."""

    @property
    def own(self) -> float:
        """Busy with anything but other processes."""
        return self.busy - self.foreign


class ReceiveQueue(NamedTuple):
    """The loud TCP sockets of the undisturbed time together."""

    filled: float
    """Median of what they hold over what they may hold."""
    held_bytes: int
    room_bytes: int
    empty: float
    """Share of the readings that found nothing in it."""
    grew: bool
    """Whether the room changed: automatic tuning was still at work."""
    window_bytes: int | None
    """Most that the kernel was ready to advertise (rcv_ssthresh) on the loudest socket."""
    drained_bytes: int | None
    """Most that its reader took within one round trip (rcv_space), the figure the kernel sizes the window by."""


class Signs(NamedTuple):
    """Everything a limit is told by; None or empty where it was not recorded."""

    seconds: float
    link_gbps: float | None
    """What the device received, with framing."""
    cpus: tuple[CpuUse, ...]
    reader_clock: float | None
    """CPUs that the busiest of the reading processes used, by the kernel's clock of it."""
    queue: ReceiveQueue | None
    zero_windows: int | None
    packets: int | None
    early_drops: tuple[tuple[str, int], ...]
    """Before a socket was found: where, and how many; only those that happened."""
    late_drops: tuple[tuple[str, int], ...]
    foreign_names: tuple[tuple[int, str, int, float], ...]
    """CPU, command, process, and its share of the CPU's time: the dearest other process of each CPU."""
    reader_wants: float | None = None
    """Share of the time that the reading process which wants most ran or waited for a CPU."""
    sockets_alone: bool = False
    """Whether nothing but sockets was counted: neither CPUs nor drops are known."""


def signs(evidence: Evidence) -> Signs | None:
    """The signs of a recording's undisturbed time; None when it has none."""
    recording, quiet = evidence.recording, evidence.quiet
    if recording.counters is None or quiet is None:
        return None
    counters = recording.counters.filter(pl.col("phase") == QUIET_PHASE)
    cpus = _cpus(evidence, counters)
    return Signs(
        seconds=quiet.elapsed_ns / 1e9,
        link_gbps=_link_gbps(evidence, counters),
        cpus=cpus,
        reader_clock=_reader_clock(evidence, counters),
        queue=_queue(counters),
        zero_windows=total(counters, "netstat", "TcpExt.TCPToZeroWindowAdv", phase=QUIET_PHASE),
        packets=quiet.packets,
        early_drops=(
            *_drops(counters, EARLY_DROPS, recording.host.device),
            *_driver_drops(recording.counters),
        ),
        late_drops=_drops(counters, LATE_DROPS, None),
        foreign_names=_foreign_names(evidence, cpus),
        reader_wants=_reader_wants(evidence, counters),
        sockets_alone=bool(counters.get_column("source").is_in(["socket", "sender_socket"]).all()),
    )


def _link_gbps(evidence: Evidence, counters: pl.DataFrame) -> float | None:
    host, quiet = evidence.recording.host, evidence.quiet
    octets = total(counters, "netdev", "rx_bytes", phase=QUIET_PHASE, instance=host.device) if host.device else None
    if octets is None or quiet is None:
        return None
    gaps = (quiet.packets or 0) * PREAMBLE_FCS_GAP_BYTES if host.physical else 0
    return (octets + gaps) * BITS_PER_BYTE / quiet.elapsed_ns


def _cpus(evidence: Evidence, counters: pl.DataFrame) -> tuple[CpuUse, ...]:
    """Busy time from the undisturbed idle counters, its composition from the samples.

    Samples come from another phase, and probing can change the regime: without RPS the transfer of two namespaces was
    seen at a fifth of its rate under perf, with idle time that it does not have undisturbed.
    """
    account = evidence.account.filter(pl.col("cpu") >= 0, pl.col("share").is_finite())
    idle = increments(counters, "cpuidle", QUIET_PHASE).filter(pl.col("counter") == "idle_ns")
    number = pl.col("instance").str.strip_prefix("cpu").cast(pl.Int32, strict=False)
    busy = dict(idle.select(number.alias("cpu"), 1 - GROWTH_PER_NS).drop_nulls().iter_rows())
    processed = increments(counters, "softnet", QUIET_PHASE).filter(pl.col("counter") == "processed")
    handled = dict(processed.select(number, pl.col("increment") / pl.col("increment").sum()).iter_rows())
    numbers = sorted({*busy, *account.get_column("cpu")})
    uses = ((cpu, _use(cpu, busy.get(cpu), account.filter(pl.col("cpu") == cpu))) for cpu in numbers)
    return tuple(use._replace(handled=handled.get(cpu, 0.0), idle_known=cpu in busy) for cpu, use in uses)


def _use(cpu: int, busy: float | None, account: pl.DataFrame) -> CpuUse:
    work = account.filter(~pl.col("stage").is_in(("idle", UNSAMPLED, "probe")))
    worked = float(work.get_column("share").sum())
    if busy is None:  # without idle counters what was not sampled counts as idle
        idle = account.filter(pl.col("stage") == "idle").get_column("share")
        busy = worked if idle.is_empty() else 1 - float(idle.item(0))
    busy = min(max(busy, 0.0), 1.0)
    if not worked > 0:
        return CpuUse(cpu, busy, None, 0.0, 0.0, 0.0, ())
    scale = busy / worked

    def part(chosen: pl.Expr) -> float:
        return scale * float(work.filter(chosen).get_column("share").sum())

    stage = pl.col("stage")
    return CpuUse(
        cpu=cpu,
        busy=busy,
        receive=part(~stage.is_in(NOT_RECEIVING)),
        reading=part(stage.is_in(READING_STAGES)),
        sender=part(stage == "sender"),
        foreign=part(stage == "foreign"),
        stages=tuple(work.sort("share", descending=True).get_column("stage").head(MOST_STAGES)),
    )


def _reader_clock(evidence: Evidence, counters: pl.DataFrame) -> float | None:
    names = [str(pid) for pid in evidence.recording.host.reader_pids]
    clocks = increments(counters, "process", QUIET_PHASE).filter(
        pl.col("counter") == "cpu_ns", pl.col("instance").is_in(names)
    )
    if clocks.is_empty():
        return None
    return float(clocks.select(GROWTH_PER_NS.max()).item())


def _reader_wants(evidence: Evidence, counters: pl.DataFrame) -> float | None:
    names = [str(pid) for pid in evidence.recording.host.reader_pids]
    ours = increments(counters, "process", QUIET_PHASE).filter(pl.col("instance").is_in(names))
    if "cpu_wait_ns" not in ours.get_column("counter"):
        return None
    shares = (
        ours.filter(pl.col("counter").is_in(["cpu_ns", "cpu_wait_ns"])).group_by("instance").agg(GROWTH_PER_NS.sum())
    )
    return float(shares.select(pl.exclude("instance").max()).item())


def _queue(counters: pl.DataFrame) -> ReceiveQueue | None:
    sockets = counters.filter(pl.col("source") == "socket")
    grown = increments(sockets, "socket", QUIET_PHASE).filter(pl.col("counter") == "bytes_received")
    most = grown.get_column("increment").max()
    if not isinstance(most, int) or most == 0:
        return None
    loud = grown.filter(pl.col("increment") >= LOUD_PART * most).sort("increment", descending=True)
    names = loud.get_column("instance").to_list()
    rooms = sockets.filter(pl.col("instance").is_in(names), pl.col("counter").is_in(("rmem_alloc", "rcvbuf")))
    readings = (
        rooms.group_by("ts_ns")
        .agg(pl.col("value").filter(pl.col("counter") == name).sum().alias(name) for name in ("rmem_alloc", "rcvbuf"))
        .filter(pl.col("rcvbuf") > 0)
    )
    if readings.is_empty():
        return None
    held, room = readings.get_column("rmem_alloc"), readings.get_column("rcvbuf")
    return ReceiveQueue(
        filled=_middle(held / room),
        held_bytes=int(_middle(held)),
        room_bytes=int(_middle(room)),
        empty=len(held.filter(held == 0)) / len(held),
        grew=room.n_unique() > 1,
        window_bytes=_largest(sockets, names[0], "rcv_ssthresh"),
        drained_bytes=_largest(sockets, names[0], "rcv_space"),
    )


def _middle(values: pl.Series) -> float:
    middle = values.median()
    return float(middle) if isinstance(middle, int | float) else 0.0


def _values(sockets: pl.DataFrame, name: str, counter: str) -> pl.Series:
    return sockets.filter(pl.col("instance") == name, pl.col("counter") == counter).get_column("value")


def _largest(sockets: pl.DataFrame, name: str, counter: str) -> int | None:
    most = _values(sockets, name, counter).max()
    return most if isinstance(most, int) else None


def _drops(
    counters: pl.DataFrame, sources: tuple[tuple[str, str, str], ...], device: str | None
) -> tuple[tuple[str, int], ...]:
    found = (
        (words, total(counters, source, counter, phase=QUIET_PHASE, instance=device if source == "netdev" else None))
        for source, counter, words in sources
    )
    return tuple((words, count) for words, count in found if count)


def _driver_drops(counters: pl.DataFrame) -> tuple[tuple[str, int], ...]:
    """Of the driver's own counters, those named after a loss on receive; the largest alone, for they overlap."""
    quiet = counters.filter(pl.col("phase") == QUIET_PHASE)
    lost = increments(quiet, "ethtool", QUIET_PHASE).filter(
        pl.col("increment") > 0,
        pl.col("counter").str.contains(f"(?i){DROPPED_BY_DRIVER.pattern}"),
        ~pl.col("counter").str.contains(f"(?i){NOT_RECEIVED.pattern}"),
    )
    rows = lost.sort("increment", descending=True).select("counter", "increment").head(1).iter_rows()
    return tuple((f"counted by the driver as {name}", count) for name, count in rows)


def _foreign_names(evidence: Evidence, cpus: tuple[CpuUse, ...]) -> tuple[tuple[int, str, int, float], ...]:
    foreign = evidence.stages.filter(pl.col("stage") == "foreign")
    if foreign.is_empty():
        return ()
    whole = dict(foreign.group_by("cpu").agg(pl.col("weight_ns").sum()).iter_rows())
    dearest = (
        foreign.group_by("cpu", "comm", "pid").agg(pl.col("weight_ns").sum()).sort("weight_ns", descending=True)
    ).unique("cpu", keep="first", maintain_order=True)
    shares = {use.cpu: use.foreign for use in cpus}
    return tuple(
        (cpu, comm, pid if pid is not None else -1, shares.get(cpu, 0.0) * weight / max(whole[cpu], 1))
        for cpu, comm, pid, weight in dearest.select("cpu", "comm", "pid", "weight_ns").iter_rows()
    )

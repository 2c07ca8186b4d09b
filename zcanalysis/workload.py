"""What each CPU does for the goodput it carries, and which bound holds: the table that patches change.

This is the arithmetic of a null model. A stage's time follows packets, bytes or batches, batches being counted with
packets; queues, waiting and the size of batches are not in it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import polars as pl

from zcanalysis.blame import SATURATED_SHARE, TIE_SHARE, LimitingCpu
from zcanalysis.cpu.kernel_stages import BYTE_FUNCTIONS, FOLLOWS
from zcanalysis.cpu.wall_time import busy_share
from zcanalysis.evidence import Evidence
from zcanalysis.framing import framing_bytes, payload_gbps, segment_bytes
from zcanalysis.goodput import (
    QUIET_PHASE,
    Ceiling,
    Goodput,
)
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.rates import BITS_PER_BYTE, total

NOT_WORK: Final = ("idle", "probe", "foreign")
LEAST_WORK_SHARE: Final = 0.05
LINK_LIMITED: Final = 0.95
WINDOW_LIMITED: Final = 1.25
LARGER_THAN_SEGMENTS: Final = 1.02
LOUD: Final = 0.01
# ACKs that a sender on this machine receives cost IP and TCP too, but wake nobody: together these tell the two apart
PROTOCOL: Final = ("l2_demux", "ip_rx", "netfilter", "tcp_rx", "udp_rx", "sock_queue_lock", "wakeup_sched")
MOSTLY: Final = 0.1
USUAL_MTU: Final = 1500
GRO_BYTES: Final = 65536
NOT_SEEN: Final = "a limit outside this host's CPUs"
LINK: Final = "link"
DEVICE_DROPS: Final = {"rx_dropped": "dropped by the device", "rx_fifo": "lost to a full ring"}
"""The device's counters of lost packets, and what each says."""
WINDOW: Final = "receive window"


class Assumed(NamedTuple):
    """Prices that the recording cannot hold, because what they are for did not happen in it."""

    aggregate_bytes: int
    """Payload of an skb once GRO merges packets: gro_max_size at most (include/linux/netdevice.h)."""
    checksum_ns_per_byte: float
    """One pass of csum_partial over cached or uncached payload: assumed, not measured here."""
    map_ns_per_page: float
    """Mapping a received page and taking the map away. Dumazet's tcp_mmap (2018, commit 93ab6cc69162) spent 45.5 us of
    CPU on a MB, 178 ns a page, all else included; a virtual machine that flushes TLBs by IPI came to over 1.5 us."""
    clock_on_bytes: float
    """What part of a faster clock reaches work on payload: none of it where memory sets the pace."""


USUAL: Final = Assumed(GRO_BYTES, 0.1, 178.0, 1.0)
DEARER: Final = Assumed(GRO_BYTES // 8, 0.2, 1500.0, 0.0)
CHEAPER: Final = Assumed(GRO_BYTES, 0.02, 89.0, 1.0)


class Window(NamedTuple):
    """What the receive windows allow, all loud connections together."""

    gbps_per_byte: float
    """Gbit/s for each byte of a window: 8 / smallest round trip, summed over connections."""
    offered_gbps: float
    """The same for the windows that were offered."""
    connections: int = 1
    """That received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The work of every CPU at the measured goodput, and what else bounds the goodput."""

    host: HostFacts
    """Facts of host.json; which CPU takes the packets from samples where the facts do not say."""
    baseline_gbps: float
    at_gbps: float
    """The goodput that the shares belong to: that of the sampled phase."""
    work: pl.DataFrame
    """``cpu``, ``stage``, ``context``, ``direction``, ``unit``, ``share`` of that CPU's wall time."""
    fixed: Mapping[int, float]
    """Share of each CPU that other processes take, whatever the goodput."""
    busy: Mapping[int, float]
    """Share of each CPU's wall time that was busy, probe included."""
    packet_bytes: float
    """Payload of a packet."""
    skb_bytes: float
    """Payload of an skb above GRO."""
    mtu: int
    gro: bool
    drops: int | None
    """Packets the device dropped; None when not counted."""
    link_gbps: float | None
    """Rate of the link, headers included; None when the ceiling is no link."""
    limiting_cpu: int | None = None
    """The full CPU that the report names; None when it names none."""
    link_use: float = 1.0
    """What part of a full link's payload arrives when the link is the limit."""
    window: Window | None = None
    window_gbps: float | None = None
    """A bound that a patch sets; None as long as none does."""
    held_by: str | None = None
    """What holds the goodput where no CPU does."""
    assumed: Assumed = field(default=USUAL)

    @property
    def saturated(self) -> tuple[int, ...]:
        """CPUs that work for the transfer all the time, busiest first."""
        working = dict(self.cpu_shares().filter(pl.col("share") >= LEAST_WORK_SHARE).iter_rows())
        full = [cpu for cpu in working if self.busy.get(cpu, 0.0) >= SATURATED_SHARE]
        return tuple(sorted(full, key=lambda cpu: -(working[cpu] + self.fixed.get(cpu, 0.0))))

    @property
    def aggregated(self) -> bool:
        """Whether packets arrive larger than the MTU allows: the sender's or the link's doing."""
        return self.packet_bytes > LARGER_THAN_SEGMENTS * segment_bytes(self.mtu)

    def cpu_shares(self) -> pl.DataFrame:
        """``cpu``, ``share``: the transfer's work on each CPU."""
        return self.work.group_by("cpu").agg(pl.col("share").sum()).sort("cpu")

    def changed(self, **fields: object) -> "Workload":
        """The same with some fields replaced."""
        return replace(self, **fields)  # type: ignore[arg-type]


def workload(seen: Evidence, goodput: Goodput, ceiling: Ceiling, limit: LimitingCpu | None = None) -> Workload | None:
    """The recorded work; None where no CPU samples say what the CPUs did.

    Parameters
    ----------
    seen
        Gathered from the recording.
    goodput
        Of the undisturbed phase.
    ceiling
        A link's bounds every prediction; a modelled one does not: its own CPUs are in the table.
    limit
        The CPU that the report names.
    """
    table = seen.stages.filter(pl.col("cpu") >= 0)
    wall = seen.account.group_by("cpu").agg(pl.col("seconds").sum().alias("wall_s")).filter(pl.col("wall_s") > 0)
    if table.is_empty() or wall.is_empty() or not goodput.gbps > 0:
        return None
    host, sampled = seen.recording.host, seen.sampled or goodput
    mtu = host.mtu or USUAL_MTU
    packet_bytes = sampled.payload_bytes / sampled.packets if sampled.packets else float(segment_bytes(mtu))
    work = _work(table, wall)
    load = Workload(
        host=_completed(host, protocol_cpus(work)),
        baseline_gbps=goodput.gbps,
        at_gbps=sampled.gbps if sampled.gbps > 0 else goodput.gbps,
        work=work,
        fixed=dict(_shares(table.filter(pl.col("stage") == "foreign"), wall, "cpu").iter_rows()),
        busy=dict(seen.account.group_by("cpu").agg(busy_share()).iter_rows()),
        packet_bytes=max(packet_bytes, 1.0),
        skb_bytes=max(packet_bytes, 1.0) * _merged(seen, goodput),
        mtu=mtu,
        gro=bool(host.features.get("generic-receive-offload")),
        drops=_drops(seen),
        link_gbps=ceiling.gbps if ceiling.kind == "link" else None,
        window=_window(seen),
        limiting_cpu=limit.cpu if limit is not None and limit.saturated else None,
    )
    return held(load)


def protocol_cpus(work: pl.DataFrame) -> frozenset[int]:
    """CPUs on which softirqs run IP and TCP."""
    softirq = work.filter(pl.col("stage").is_in(PROTOCOL), pl.col("context") == "softirq")
    shares = softirq.group_by("cpu").agg(pl.col("share").sum())
    return frozenset(shares.filter(pl.col("share") >= MOSTLY * pl.col("share").sum()).get_column("cpu"))


def _completed(host: HostFacts, taking: frozenset[int]) -> HostFacts:
    """A queue without steering and without an interrupt of its own, like a veth's, is served where samples show it."""
    queues = (queue if queue.rps_cpus or queue.cpus else queue._replace(cpus=taking) for queue in host.queues)
    return replace(host, queues=tuple(queues))


def _work(table: pl.DataFrame, wall: pl.DataFrame) -> pl.DataFrame:
    by_byte = (pl.col("stage") == "sender") & pl.col("function").is_in(list(BYTE_FUNCTIONS))
    unit = pl.when(by_byte).then(pl.lit("byte")).otherwise(pl.col("stage").replace_strict(FOLLOWS, default="packet"))
    own = table.filter(~pl.col("stage").is_in(NOT_WORK)).with_columns(unit.alias("unit"))
    return _shares(own, wall, "cpu", "stage", "context", "direction", "unit").sort("cpu", "share", descending=True)


def _shares(table: pl.DataFrame, wall: pl.DataFrame, *keys: str) -> pl.DataFrame:
    seconds = table.group_by(keys).agg((pl.col("weight_ns").sum() / 1e9).alias("seconds")).join(wall, on="cpu")
    return seconds.select(*keys, (pl.col("seconds") / pl.col("wall_s")).alias("share"))


def _merged(seen: Evidence, goodput: Goodput) -> float:
    """Packets that GRO merged into one skb: the device's count over IP's; as many as fit where IP did not count."""
    recording = seen.recording
    if not recording.host.features.get("generic-receive-offload"):
        return 1.0
    counters = recording.counters
    received = (("snmp", "Ip.InReceives"), ("snmp6", "Ip6InReceives"))
    given = 0 if counters is None else sum(total(counters, *name, phase=QUIET_PHASE) or 0 for name in received)
    most = max(GRO_BYTES * (goodput.packets or 0) / max(goodput.payload_bytes, 1), 1.0)
    return min(max(goodput.packets / given, 1.0), most) if given and goodput.packets else most


def _drops(seen: Evidence) -> int | None:
    recording = seen.recording
    if recording.counters is None or recording.host.device is None:
        return None
    device = recording.host.device
    counts = [total(recording.counters, "netdev", name, phase=QUIET_PHASE, instance=device) for name in DEVICE_DROPS]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _window(seen: Evidence) -> Window | None:
    """Of the connections that received, each one's smallest round trip and largest window offered."""
    counters = seen.recording.counters
    if counters is None:
        return None
    value = pl.col("value")

    def of(name: str) -> pl.Expr:
        return value.filter(pl.col("counter") == name)

    sockets = (
        counters.filter(pl.col("source") == "socket", pl.col("phase") == QUIET_PHASE)
        .group_by("instance")
        .agg(
            (of("bytes_received").max() - of("bytes_received").min()).alias("received"),
            of("min_rtt_us").filter(of("min_rtt_us") > 0).min().alias("rtt_us"),
            of("rcv_wnd").max().alias("offered_bytes"),
        )
        .filter(pl.col("received") > 0, pl.col("received") >= LOUD * pl.col("received").sum())
    )
    if sockets.is_empty() or sockets.get_column("rtt_us").null_count():
        return None
    per_byte = BITS_PER_BYTE / (pl.col("rtt_us") * 1000.0)
    offered = (per_byte * pl.col("offered_bytes").fill_null(0)).sum()
    each, together = sockets.select(per_byte.sum().alias("each"), offered.alias("offered")).row(0)
    return Window(each, together, sockets.height)


def held(load: Workload) -> Workload:
    """With the limit named that holds now, so that no change predicts no change."""
    most_gbps = link_payload_gbps(load)
    if most_gbps is not None and load.baseline_gbps >= LINK_LIMITED * most_gbps:
        return load.changed(link_use=load.baseline_gbps / most_gbps)
    if load.saturated:
        return load
    window = load.window
    if window is not None and 0 < window.offered_gbps <= WINDOW_LIMITED * load.baseline_gbps:
        return load.changed(held_by=WINDOW)
    return load.changed(held_by=NOT_SEEN)


def link_payload_gbps(load: Workload) -> float | None:
    """The payload that the link carries; None when there is no link to speak of."""
    if load.link_gbps is None:
        return None
    more_bytes = framing_bytes(physical=load.host.physical)
    return payload_gbps(load.link_gbps, segment_bytes(load.mtu), more_bytes) * load.link_use


def capacity(load: Workload) -> float:
    """The share of its time that a CPU can work: what the fullest one did, all of it where none was full."""
    faster = load.baseline_gbps / _scale_gbps(load)
    shares = load.cpu_shares().iter_rows()
    fullest = max((share * faster + load.fixed.get(cpu, 0.0) for cpu, share in shares), default=1.0)
    return fullest if load.saturated else max(fullest, 1.0)


def _scale_gbps(load: Workload) -> float:
    """The goodput that the shares stand for: a saturated CPU was as full undisturbed as when it was sampled."""
    return load.baseline_gbps if load.saturated else load.at_gbps


def bounds(load: Workload, recorded: Workload) -> dict[str, float]:
    """Goodput that each limit alone would allow, in Gbit/s, by the limit's name.

    Parameters
    ----------
    load
        With patches.
    recorded
        The same host without: its saturated CPUs say how much work a CPU's time holds.
    """
    scale_gbps = _scale_gbps(recorded)
    most = capacity(recorded)
    found = {
        f"CPU {cpu}": scale_gbps * max(most - load.fixed.get(cpu, 0.0), 0.0) / share
        for cpu, share in load.cpu_shares().iter_rows()
        if share > 0
    }
    link = link_payload_gbps(load)
    others = {LINK: link, WINDOW: load.window_gbps, load.held_by or "": load.baseline_gbps if load.held_by else None}
    return found | {name: gbps for name, gbps in others.items() if gbps is not None}


def least(limits: Mapping[str, float], recorded: Workload) -> tuple[str, float]:
    """The limit that binds, and its goodput; of limits as near as a tie the CPU that the report names."""
    name, gbps = min(limits.items(), key=lambda item: item[1], default=(NOT_SEEN, recorded.baseline_gbps))
    named = f"CPU {recorded.limiting_cpu}"
    tied = name.startswith("CPU") and limits.get(named, math.inf) <= gbps * (1 + TIE_SHARE)
    return (named if tied else name), gbps


def busy_after(load: Workload, recorded: Workload, gbps: float) -> dict[int, float]:
    """Share of each CPU's time that is busy at a goodput; a CPU that was saturated counts as full."""
    scale_gbps = _scale_gbps(recorded)
    full = capacity(recorded)
    shares = load.cpu_shares().iter_rows()
    return {cpu: min((share * gbps / scale_gbps + load.fixed.get(cpu, 0.0)) / full, 1.0) for cpu, share in shares}

"""What each patch does to the recorded work: per packet, per byte, and where it runs."""

from collections.abc import Callable, Mapping
from typing import Final

import polars as pl

from zcanalysis.cpu.kernel_stages import ONCE_AN_SKB
from zcanalysis.framing import segment_bytes
from zcanalysis.patches import CATALOGUE, Patch, facts_after
from zcanalysis.patches.placement import reader_target
from zcanalysis.patches.sockets import rmem_of
from zcanalysis.rates import BITS_PER_BYTE
from zcanalysis.workload import CHEAPER, DEARER, PROTOCOL, WINDOW, Workload, protocol_cpus

READING: Final = ("wakeup_sched", "syscall", "reader")
BEFORE_STEERING: Final = ("hardirq", "softirq", "driver_rx", "page_pool", "gro", "skb_alloc", "backlog")
PROCESS: Final = ("syscall", "user")
RECEIVING: Final = ("rx", "ack")

PAGE_BYTES: Final = 4096
SHARED: Final = {
    "flows": "as many CPUs read already",
    "queues": "each stays in one queue, so as many CPUs take packets already",
}
OUTSIDE_KERNEL: Final = ("sender", "reader", "unclassified")

# No null model sees them: they change the size of batches, what is lost, when something happens, or what was not seen
_ACK_CLOCK: Final = "changes when ACKs are sent"
_BUS: Final = "changes the bus, whose load is not recorded"
UNPRICED: Final = {
    "gso": "changes the sender's work, and what arrives may be cut or not",
    "autotuning": "changes the window, by as much as buffers have grown",
    "napi": "changes how many packets an interrupt serves",
    "defrag-chain": "changes reassembly, of which today's kernels have nothing left to take away",
    "dma-gbps": _BUS,
    "dma-burst": _BUS,
    "prequeue-bypass": _ACK_CLOCK,
    "prequeue": _ACK_CLOCK,
    "delack-ms": _ACK_CLOCK,
    "quickack": _ACK_CLOCK,
    "rtt-us": "changes the window that is needed, and receive buffers grow with it",
    "sse-copy": "changes the copy by an amount that is not known: ask copy-gbps=",
    "reader-bytes": "changes the number of calls, and how much one reads now is not recorded",
    "numa": "changes which memory is near, and no sample shows what far memory costs",
    "coalesce-us": "changes how many packets an interrupt serves",
    "ring": "changes how many packets are dropped",
    "busy-poll": "changes how long packets wait for the reader",
}


def applied(load: Workload, patches: tuple[Patch, ...]) -> Workload:
    """The work with the patches, in their order; one without a price changes nothing."""
    for patch in patches:
        changed = EFFECTS[patch.kind](load, patch) if patch.kind in EFFECTS else load
        load = changed.changed(host=facts_after(patch, load.host))
    return load


def unpriced(patch: Patch) -> str | None:
    """Why no null model sees what a patch does; None where they do."""
    if patch.kind not in CATALOGUE:
        return "is an extension's change"
    return UNPRICED.get(patch.kind)


def no_effect(load: Workload, patch: Patch) -> str | None:
    """Why this recording shows that the patch changes nothing; None when it may."""
    if patch.kind == "gro" and load.aggregated:
        return "packets arrive larger than the MTU: the sender's offload leaves nothing to merge"
    if patch.kind == "ring" and load.drops == 0:
        return "the device dropped nothing"
    if patch.kind == "rps" and patch.value is not None and protocol_cpus(load.work) == {patch.value}:
        return f"IP and TCP run on CPU {patch.value} already"
    if patch.kind == "competing-load" and _reader_cpu(load) is None:
        return "no sample shows the reader"
    if patch.kind in SHARED and _sharers(load, patch)[0] == _sharers(load, patch)[1]:
        return f"{_counted(load)}; {SHARED[patch.kind]}"
    stage = {"copy-gbps": "copy", "zero-copy-rx": "copy", "pinned-buffers": "copy", "speedup": patch.stage}.get(
        patch.kind
    )
    if stage is not None and load.work.filter(pl.col("stage") == stage).is_empty():
        return f"no sample shows the stage {stage}"
    return None


def remark(load: Workload, patch: Patch) -> str:
    """What the recording shows of it."""
    if patch.kind == "mtu" and load.aggregated:
        return "packets arrive larger than the MTU: the sender's offload sets their size, so nothing changes"
    if patch.kind == "copy-gbps":
        return f"now the copy runs at {load.at_gbps / max(_copy_share(load), 1e-9):.0f} Gbit/s"
    if patch.kind == "rcvbuf" and load.window is None:
        return "no round trip was recorded: whether the window limits is not known"
    return ""


def assumption(load: Workload, patch: Patch) -> str:
    """What the null models assume or leave out, and the prices that the recording cannot hold."""
    if patch.kind in ("rps", "rfs") and patch.value is not None:
        return "what handing packets from CPU to CPU costs is left out where it is new"
    if patch.kind in SHARED:
        return f"{_counted(load)}; assumes that the work is spread evenly, and that sharing costs nothing"
    if patch.kind == "gro" and patch.value:
        return f"assumes that GRO fills skbs of {load.assumed.aggregate_bytes >> 10} KB and costs nothing itself"
    if patch.kind == "hw-checksum" and not patch.value:
        least, most = CHEAPER.checksum_ns_per_byte, DEARER.checksum_ns_per_byte
        return (
            f"a pass over the payload is assumed to take {load.assumed.checksum_ns_per_byte} ns a byte ({least}-{most})"
        )
    if patch.kind == "zero-copy-rx":
        least, most = CHEAPER.map_ns_per_page, DEARER.map_ns_per_page
        return f"mapping a page is assumed to take {load.assumed.map_ns_per_page:g} ns ({least:g}-{most:g})"
    if patch.kind == "cpu-speed":
        return "work on payload follows the clock, or in the worst case not at all"
    return ""


def _scaled(load: Workload, factor: pl.Expr) -> Workload:
    return load.changed(work=load.work.with_columns((pl.col("share") * factor).alias("share")))


def _of_stages(stages: tuple[str, ...], factor: float) -> pl.Expr:
    return pl.when(pl.col("stage").is_in(stages)).then(pl.lit(factor)).otherwise(1.0)


def _mtu(load: Workload, patch: Patch) -> Workload:
    mtu = int(patch.number)
    if load.aggregated:
        return load.changed(mtu=mtu)
    packets = segment_bytes(load.mtu) / segment_bytes(mtu)
    packet_bytes = load.packet_bytes / packets
    skb_bytes = max(load.skb_bytes, packet_bytes) if load.gro else packet_bytes
    skbs = load.skb_bytes / skb_bytes
    factor = (
        pl.when(pl.col("unit") == "byte")
        .then(1.0)
        .when(pl.col("stage").is_in([*ONCE_AN_SKB, *READING]))
        .then(skbs)
        .otherwise(packets)
    )
    return _scaled(load, factor).changed(mtu=mtu, packet_bytes=packet_bytes, skb_bytes=skb_bytes)


def _gro(load: Workload, patch: Patch) -> Workload:
    if load.aggregated or patch.value == load.gro:
        return load
    merged = max(float(load.assumed.aggregate_bytes), load.packet_bytes)
    skb_bytes = merged if patch.value else load.packet_bytes
    factor = _of_stages(tuple(ONCE_AN_SKB), load.skb_bytes / skb_bytes) * _of_stages(
        ("gro",), 1.0 if patch.value else 0.0
    )
    return _scaled(load, factor).changed(gro=bool(patch.value), skb_bytes=skb_bytes)


def _checksum(load: Workload, patch: Patch) -> Workload:
    if patch.value:
        return _scaled(load, _of_stages(("checksum",), 0.0))
    passed = load.assumed.checksum_ns_per_byte * load.at_gbps / BITS_PER_BYTE
    softirqs = (pl.col("context") == "softirq") & pl.col("cpu").is_in(protocol_cpus(load.work))
    where = load.work.filter(softirqs, pl.col("stage").is_in(PROTOCOL)).group_by("cpu").agg(pl.col("share").sum())
    rows = where.select(
        "cpu",
        pl.lit("checksum").alias("stage"),
        pl.lit("softirq").alias("context"),
        pl.lit("rx").alias("direction"),
        pl.lit("byte").alias("unit"),
        (pl.col("share") / pl.col("share").sum() * passed).alias("share"),
    )
    return load.changed(work=pl.concat([load.work, rows.select(load.work.columns)]))


def _speedup(load: Workload, patch: Patch) -> Workload:
    return _scaled(load, _of_stages((patch.stage,), 1 - patch.number / 100))


def _copy(load: Workload, patch: Patch) -> Workload:
    share = _copy_share(load)
    return _scaled(load, _of_stages(("copy",), load.at_gbps / patch.number / share if share > 0 else 1.0))


def _copy_share(load: Workload) -> float:
    return float(load.work.filter(pl.col("stage") == "copy").get_column("share").sum())


def _competing(load: Workload, patch: Patch) -> Workload:
    """A fair scheduler gives the reader 1 / (1 + n) of what softirqs leave: as if its work took 1 + n times as long."""
    beside = (pl.col("cpu") == _reader_cpu(load)) & pl.col("context").is_in(PROCESS)
    return _scaled(load, pl.when(beside).then(1 + patch.number).otherwise(1.0))


def _zero_copy(load: Workload, patch: Patch) -> Workload:
    """The copy's CPUs map pages instead, in proportion to what each copied."""
    copied = load.work.filter(pl.col("stage") == "copy")
    mapping = load.assumed.map_ns_per_page / PAGE_BYTES * load.at_gbps / BITS_PER_BYTE
    mapped = copied.with_columns(
        pl.lit("zerocopy").alias("stage"), (pl.col("share") / pl.col("share").sum() * mapping).alias("share")
    )
    return load.changed(work=pl.concat([_without_copy(load, patch).work, mapped]))


def _without_copy(load: Workload, patch: Patch) -> Workload:
    del patch
    return load.changed(work=load.work.filter(pl.col("stage") != "copy"))


def _bypass(load: Workload, patch: Patch) -> Workload:
    del patch
    return load.changed(work=load.work.filter(pl.col("stage").is_in(OUTSIDE_KERNEL)))


def _cpu_speed(load: Workload, patch: Patch) -> Workload:
    faster = 1 / patch.number
    on_bytes = faster if patch.number <= 1 else 1 + (faster - 1) * load.assumed.clock_on_bytes
    return _scaled(load, pl.when(pl.col("unit") == "byte").then(on_bytes).otherwise(faster))


def _connections(load: Workload) -> int:
    return load.window.connections if load.window is not None else 1


def _counted(load: Workload) -> str:
    counted = f"connections recorded: {_connections(load)}"
    return counted if load.window is not None else "how many connections there are was not recorded: one is assumed"


def _sharers(load: Workload, patch: Patch) -> tuple[int, int]:
    """How many CPUs share the work, before and after."""
    cpus, connections, wanted = load.host.cpus or max(len(load.busy), 1), _connections(load), int(patch.number)
    if patch.kind == "flows":
        return min(connections, cpus), min(wanted, cpus)
    present = load.host.channels.queues if load.host.channels else 1
    return min(present, connections, cpus), min(wanted, connections, cpus)


def _flows(load: Workload, patch: Patch) -> Workload:
    """Each connection has a reader of its own, and a window."""
    if load.held_by == WINDOW:
        each_gbps = load.baseline_gbps / _connections(load)
        load = load.changed(held_by=None, window_gbps=each_gbps * patch.number)
    return _spread(load, pl.col("context").is_in(PROCESS) & _receiving(), _sharers(load, patch)[1])


def _queues(load: Workload, patch: Patch) -> Workload:
    taken = pl.col("context").is_in(("hardirq", "softirq")) & _receiving()
    return _spread(load, taken, _sharers(load, patch)[1])


def _spread(load: Workload, chosen: pl.Expr, sharers: int) -> Workload:
    """The chosen work in equal parts on so many CPUs, those with the least other work first."""
    moving, staying = load.work.filter(chosen), load.work.filter(~chosen)
    other = dict(staying.group_by("cpu").agg(pl.col("share").sum()).iter_rows())
    known = range(load.host.cpus) if load.host.cpus else sorted(load.busy)
    targets = sorted(known, key=lambda cpu: other.get(cpu, 0.0) + load.fixed.get(cpu, 0.0))[:sharers]
    parts = [
        moving.with_columns(pl.lit(cpu, pl.Int32).alias("cpu"), (pl.col("share") / len(targets)).alias("share"))
        for cpu in targets
    ]
    return load.changed(work=pl.concat([staying, *parts])) if parts else load


def _link(load: Workload, patch: Patch) -> Workload:
    return load.changed(link_gbps=patch.number)


def _rcvbuf(load: Workload, patch: Patch) -> Workload:
    """No more than the buffer is under way in a round trip, whatever part of it the window offers."""
    present = rmem_of(load.host)
    if load.held_by == WINDOW and present is not None:
        return load.changed(held_by=None, window_gbps=load.baseline_gbps * patch.number / max(present[2], 1))
    if load.window is None:
        return load
    return load.changed(window_gbps=load.window.gbps_per_byte * patch.number)


def _reader_cpu(load: Workload) -> int | None:
    return _busiest(load, pl.col("context").is_in(PROCESS) & _receiving())


def _receiving() -> pl.Expr:
    return pl.col("direction").is_in(RECEIVING) & ~pl.col("stage").is_in(("sender", "unclassified"))


def _busiest(load: Workload, chosen: pl.Expr) -> int | None:
    found = load.work.filter(chosen).group_by("cpu").agg(pl.col("share").sum()).sort("share", "cpu", descending=True)
    return None if found.is_empty() else int(found.get_column("cpu").item(0))


def _moved(load: Workload, chosen: pl.Expr, cpu: int | None) -> Workload:
    if cpu is None:
        return load
    place = pl.when(chosen).then(pl.lit(cpu, pl.Int32)).otherwise(pl.col("cpu"))
    return load.changed(work=load.work.with_columns(place.alias("cpu")))


def _rps(load: Workload, patch: Patch) -> Workload:
    """What a softirq does behind the hand-over moves; where packets were handed over before, the hand-over too."""
    here, steered = protocol_cpus(load.work), any(queue.rps_cpus for queue in load.host.queues)
    origin = _busiest(load, ~pl.col("cpu").is_in(here) & pl.col("stage").is_in(BEFORE_STEERING)) if steered else None
    target = origin if patch.value is None else int(patch.number)
    on_these = pl.col("cpu").is_in(here) & _receiving()
    if not steered:
        behind = (pl.col("context") == "softirq") & ~pl.col("stage").is_in(BEFORE_STEERING)
        return _moved(load, on_these & behind, target)
    handed = on_these & pl.col("context").is_in(("softirq", "hardirq"))
    if target is not None and target == origin:  # no other CPU has to be interrupted any more
        load = _scaled(load, pl.when(handed & (pl.col("stage") == "hardirq")).then(0.0).otherwise(1.0))
    return _moved(load, handed, target)


def _rfs(load: Workload, patch: Patch) -> Workload:
    return _rps(load, Patch("rps", _reader_cpu(load) if patch.value else None))


def _reader(load: Workload, patch: Patch) -> Workload:
    target = min(reader_target(patch, load.host), default=None)
    return _moved(load, pl.col("context").is_in(PROCESS) & _receiving(), target)


def _irq(load: Workload, patch: Patch) -> Workload:
    interrupts = pl.col("context").is_in(("hardirq", "softirq")) & _receiving()
    if any(queue.rps_cpus for queue in load.host.queues):
        interrupts &= ~pl.col("cpu").is_in(protocol_cpus(load.work))
    return _moved(load, interrupts, int(patch.number))


EFFECTS: Final[Mapping[str, Callable[[Workload, Patch], Workload]]] = {
    "mtu": _mtu,
    "gro": _gro,
    "hw-checksum": _checksum,
    "rps": _rps,
    "rfs": _rfs,
    "cpu": _reader,
    "irq-affinity": _irq,
    "rcvbuf": _rcvbuf,
    "competing-load": _competing,
    "copy-gbps": _copy,
    "zero-copy-rx": _zero_copy,
    "pinned-buffers": _without_copy,
    "cpu-speed": _cpu_speed,
    "flows": _flows,
    "queues": _queues,
    "kernel-bypass": _bypass,
    "link-gbps": _link,
    "speedup": _speedup,
}

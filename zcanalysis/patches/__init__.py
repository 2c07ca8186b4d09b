"""Patches: single changes to a host, as data, each with its source, precondition, command and undo.

A host's facts come in; whether a patch can act there, the exact command for it and the command that restores what was
recorded come out. What a patch would give back is another room's question (`whatif`).

Examples
--------
>>> host = HostFacts(device="eth0", mtu=1500)
>>> command(mtu(9000), host), undo(mtu(9000), host)
('ip link set dev eth0 mtu 9000', 'ip link set dev eth0 mtu 1500')
"""

from collections.abc import Iterable

from zcanalysis.io.host_facts import HostFacts
from zcanalysis.patches.afterwards import facts_after
from zcanalysis.patches.built_in import CATALOGUE, GROUPS
from zcanalysis.patches.catalogue import check_stage, entry_of, groups, parse_patch
from zcanalysis.patches.entry import Entry
from zcanalysis.patches.extended import Added, added
from zcanalysis.patches.patch import Patch, Setting, Value, cannot
from zcanalysis.patches.values import checked

__all__ = [
    "CATALOGUE", "GROUPS", "Added", "Entry", "Patch", "Setting", "added", "applicability", "autotuning",
    "busy_poll", "cannot", "catalogue_rows", "coalesce_us", "command", "competing_load", "copy_gbps", "cpu",
    "cpu_speed", "defrag_chain", "delack_ms", "dma_burst", "dma_gbps", "entry_of", "facts_after", "flows", "gro",
    "groups", "gso", "hw_checksum", "in_place", "irq_affinity", "kernel_bypass", "link_gbps", "mtu", "napi", "numa",
    "parse_patch", "pinned_buffers", "prequeue", "prequeue_bypass", "queues", "quickack", "rcvbuf", "reader_bytes",
    "rfs", "ring", "rps", "rtt_us", "setting", "speedup", "sse_copy", "undo", "zero_copy_rx",
]  # fmt: skip


def setting(patch: Patch, host: HostFacts) -> Setting:
    """Everything the patch means on the host."""
    entry = entry_of(patch.kind)
    if host.generation not in entry.generations:
        return cannot("only for today's kernels: the recorded one has another receive path")
    return entry.on(patch, host)


def applicability(patch: Patch, host: HostFacts) -> tuple[bool, str]:
    """Whether it can act there, and why not or what to mind."""
    means = setting(patch, host)
    return (means.obstacle is None, means.obstacle or means.note)


def command(patch: Patch, host: HostFacts) -> str | None:
    """The shell command for this host; None when it cannot act there or is a question only."""
    return setting(patch, host).command


def undo(patch: Patch, host: HostFacts) -> str | None:
    """The shell command that restores what was recorded; None where there is no command."""
    return setting(patch, host).undo


def in_place(patch: Patch, host: HostFacts) -> bool | None:
    """Whether the host was recorded with it; None when its facts do not say."""
    return setting(patch, host).in_place


def catalogue_rows() -> Iterable[dict[str, str]]:
    """One row a patch: its group, name, value, what it changes, source, when it does not apply, who brings it."""
    brought = added()
    for group, entries in groups().items():
        for entry in entries:
            name = "speedup:STAGE" if entry.name == "speedup" else entry.name
            yield {
                "group": group, "patch": name, "value": entry.value.expected, "what": entry.what,
                "source": entry.source, "unless": entry.unless,
                "origin": brought[name].origin if name in brought else "zcanalysis",
            }  # fmt: skip


def _made(name: str, value: Value) -> Patch:
    return Patch(name, checked(name, value, CATALOGUE[name.partition(":")[0]].value))


def mtu(size_bytes: int) -> Patch:
    """Packets of up to that many bytes."""
    return _made("mtu", size_bytes)


def gro(on: bool) -> Patch:
    """Generic receive offload."""
    return _made("gro", on)


def gso(on: bool) -> Patch:
    """Segmentation late in the sender."""
    return _made("gso", on)


def hw_checksum(verified: bool | str) -> Patch:
    """Whether the device verifies checksums, or those of ``ipv4``, ``ipv4+ipv6``, ``any``, or is ``trusted``."""
    return _made("hw-checksum", verified)


def rps(cpu_number: int | None) -> Patch:
    """Receive packet steering to one CPU; None turns it off."""
    return _made("rps", cpu_number)


def rfs(on: bool) -> Patch:
    """Receive flow steering."""
    return _made("rfs", on)


def cpu(place: str) -> Patch:
    """The reader away from the softirq's CPU (``split``) or on it (``shared``)."""
    return _made("cpu", place)


def irq_affinity(cpu_number: int) -> Patch:
    """All receive interrupts to one CPU."""
    return _made("irq-affinity", cpu_number)


def coalesce_us(delay_us: int) -> Patch:
    """The delay before a receive interrupt."""
    return _made("coalesce-us", delay_us)


def ring(packets: int) -> Patch:
    """The size of the receive ring."""
    return _made("ring", packets)


def rcvbuf(size_bytes: int) -> Patch:
    """The most that a TCP receive buffer grows to."""
    return _made("rcvbuf", size_bytes)


def autotuning(on: bool) -> Patch:
    """Receive buffers that grow by themselves."""
    return _made("autotuning", on)


def busy_poll(duration_us: int) -> Patch:
    """How long a waiting reader polls the device."""
    return _made("busy-poll", duration_us)


def competing_load(processes: int) -> Patch:
    """That many busy processes beside the reader."""
    return _made("competing-load", processes)


def copy_gbps(gbps: float) -> Patch:
    """A copy to user space of that speed."""
    return _made("copy-gbps", gbps)


def link_gbps(gbps: float) -> Patch:
    """A link of that rate."""
    return _made("link-gbps", gbps)


def speedup(stage: str, percent: float) -> Patch:
    """A stage that takes that much less time."""
    check_stage(stage)
    return _made(f"speedup:{stage}", percent)


def napi(on: bool) -> Patch:
    """Whether the driver polls under load."""
    return _made("napi", on)


def defrag_chain() -> Patch:
    """Fragments chained instead of copied."""
    return _made("defrag-chain", True)


def queues(number: int) -> Patch:
    """That many receive queues."""
    return _made("queues", number)


def dma_gbps(gbps: float) -> Patch:
    """A bus of that rate between device and memory."""
    return _made("dma-gbps", gbps)


def dma_burst(size_bytes: int) -> Patch:
    """Bytes that cross that bus without asking again."""
    return _made("dma-burst", size_bytes)


def prequeue_bypass() -> Patch:
    """Past the prequeue where the checksum is known (A. Kleen, 2002)."""
    return _made("prequeue-bypass", True)


def prequeue(on: bool) -> Patch:
    """Whether packets wait for a reader that sleeps."""
    return _made("prequeue", on)


def delack_ms(delay_ms: int) -> Patch:
    """How long an ACK may be delayed."""
    return _made("delack-ms", delay_ms)


def quickack(on: bool) -> Patch:
    """Whether every segment is acknowledged at once."""
    return _made("quickack", on)


def zero_copy_rx() -> Patch:
    """Pages mapped into the reader instead of copied."""
    return _made("zero-copy-rx", True)


def pinned_buffers() -> Patch:
    """Forwarding without a copy (L. Dale, 2000)."""
    return _made("pinned-buffers", True)


def sse_copy() -> Patch:
    """A copy by wide registers."""
    return _made("sse-copy", True)


def numa(place: str = "local") -> Patch:
    """The reader on the node of memory next to the device."""
    return _made("numa", place)


def flows(connections: int) -> Patch:
    """That many connections."""
    return _made("flows", connections)


def rtt_us(duration_us: float) -> Patch:
    """A round trip of that long."""
    return _made("rtt-us", duration_us)


def reader_bytes(size_bytes: int) -> Patch:
    """What one call of the reader asks for."""
    return _made("reader-bytes", size_bytes)


def cpu_speed(times: float) -> Patch:
    """CPUs that many times as fast."""
    return _made("cpu-speed", times)


def kernel_bypass() -> Patch:
    """No kernel between device and program."""
    return _made("kernel-bypass", True)

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
from zcanalysis.patches.catalogue import CATALOGUE, Entry, check_stage, parse_patch
from zcanalysis.patches.patch import Patch, Setting, Value, cannot
from zcanalysis.patches.values import checked

__all__ = [
    "CATALOGUE", "Entry", "Patch", "Setting", "applicability", "busy_poll", "catalogue_rows", "coalesce_us", "command",
    "competing_load", "copy_gbps", "cpu", "facts_after", "gro", "hw_checksum", "in_place", "irq_affinity", "link_gbps",
    "mtu", "parse_patch", "rcvbuf", "rfs", "ring", "rps", "setting", "speedup", "undo",
]  # fmt: skip


def setting(patch: Patch, host: HostFacts) -> Setting:
    """Everything the patch means on the host."""
    if host.generation != "linux-6":
        return cannot("only for today's kernels: the recorded one has another receive path")
    return CATALOGUE[patch.kind].on(patch, host)


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
    """One row a patch: name, value, what it changes, source, when it does not apply."""
    for entry in CATALOGUE.values():
        name = "speedup:STAGE" if entry.name == "speedup" else entry.name
        yield {
            "patch": name, "value": entry.value.expected, "what": entry.what, "source": entry.source,
            "unless": entry.unless,
        }  # fmt: skip


def _made(name: str, value: Value) -> Patch:
    return Patch(name, checked(name, value, CATALOGUE[name.partition(":")[0]].value))


def mtu(size_bytes: int) -> Patch:
    """Packets of up to that many bytes."""
    return _made("mtu", size_bytes)


def gro(on: bool) -> Patch:
    """Generic receive offload."""
    return _made("gro", on)


def hw_checksum(on: bool) -> Patch:
    """Whether the device verifies checksums."""
    return _made("hw-checksum", on)


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

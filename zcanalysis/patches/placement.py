"""Patches that move work: packet and flow steering, interrupts, the reader's CPU and node."""

import shlex
from collections.abc import Iterable
from typing import Final

from zcanalysis.io.host_facts import HostFacts, Process, Queue
from zcanalysis.patches.device import NO_DEVICE, device_of
from zcanalysis.patches.patch import Patch, Setting, already, cannot, step

FLOW_ENTRIES: Final = 32768  # the size that Documentation/networking/scaling.rst suggests
FLOW_SYSCTL: Final = "net.core.rps_sock_flow_entries"
MASK_BITS: Final = 32
SHORTEST_RANGE: Final = 3


def rps(patch: Patch, host: HostFacts) -> Setting:
    """How to hand received packets to one CPU, or to none."""
    wanted = frozenset() if patch.value is None else frozenset({int(patch.number)})
    device = device_of(host)
    if device is None or not host.queues or any(queue.rps_cpus is None for queue in host.queues):
        return cannot(NO_DEVICE if device is None else f"the recording does not say how {device} steers its packets")
    if all(queue.rps_cpus == wanted for queue in host.queues):
        return already(f"packets are handed to CPU {patch.value} already" if wanted else "steering is off already")
    if (obstacle := no_such_cpu(host, wanted)) is not None:
        return cannot(obstacle, in_place=False)
    if wanted and all(queue.cpus == wanted and not queue.rps_cpus for queue in host.queues):
        return cannot(f"packets are taken on CPU {patch.value} already", in_place=False)
    commands = (_echo(cpu_mask(wanted), _path(device, queue, "rps_cpus")) for queue in host.queues)
    undo = (_echo(cpu_mask(queue.rps_cpus or ()), _path(device, queue, "rps_cpus")) for queue in host.queues)
    return step(" && ".join(commands), " && ".join(undo), "")


def rfs(patch: Patch, host: HostFacts) -> Setting:
    """How to make packets follow their reader, or not."""
    device, entries = device_of(host), host.sysctls.get(FLOW_SYSCTL, "")
    if device is None:
        return cannot(NO_DEVICE)
    if not entries.isdecimal() or not host.queues or any(queue.flows is None for queue in host.queues):
        return cannot(f"the recording does not say how {device} steers flows")
    if all(bool(queue.flows) and int(entries) > 0 for queue in host.queues) == patch.value:
        return already(f"flow steering is {'on' if patch.value else 'off'} already")
    if (obstacle := no_such_cpu(host, frozenset({0}))) is not None:
        return cannot(obstacle, in_place=False)
    entries_after = FLOW_ENTRIES if patch.value else 0
    each = entries_after // len(host.queues)
    commands = (_echo(str(each), _path(device, queue, "rps_flow_cnt")) for queue in host.queues)
    undo = (_echo(str(queue.flows), _path(device, queue, "rps_flow_cnt")) for queue in host.queues)
    return step(
        " && ".join([f"sysctl -w {FLOW_SYSCTL}={entries_after}", *commands]),
        " && ".join([f"sysctl -w {FLOW_SYSCTL}={int(entries)}", *undo]),
        "",
    )


def irq_affinity(patch: Patch, host: HostFacts) -> Setting:
    """How to send the device's interrupts to one CPU."""
    wanted = frozenset({int(patch.number)})
    queues = [queue for queue in host.queues if queue.irq is not None]
    if not queues:
        return cannot(
            f"no interrupt of {device_of(host) or 'the device'} is recorded: a virtual device has none",
            in_place=None if host.physical else False,
        )
    if all(queue.cpus == wanted for queue in queues):
        return already(f"interrupts go to CPU {patch.value} already")
    if (obstacle := no_such_cpu(host, wanted)) is not None:
        return cannot(obstacle, in_place=False)
    if any(queue.irq_cpus is None for queue in queues):
        return cannot(
            "the recording does not say which CPUs the interrupts may go to: it could not be undone", in_place=False
        )
    commands = (_echo(str(patch.value), f"/proc/irq/{queue.irq}/smp_affinity_list") for queue in queues)
    undo = (_echo(str(queue.irq_cpus), f"/proc/irq/{queue.irq}/smp_affinity_list") for queue in queues)
    return step(" && ".join(commands), " && ".join(undo), "irqbalance, where it runs, moves them back")


def reader_cpu(patch: Patch, host: HostFacts) -> Setting:
    """How to keep the reader away from the CPU that takes the packets, or to put it there."""
    taking = packet_cpus(host)
    if not host.readers or any(not reader.cpus for reader in host.readers) or host.cpus is None:
        return cannot("the recording does not say who reads and on which CPUs")
    if not taking:
        return cannot("the recording does not say which CPU takes the packets")
    reads = frozenset(cpu for reader in host.readers for cpu in reader.cpus)
    if (patch.value == "split" and not reads & taking) or (patch.value == "shared" and reads <= taking):
        return already(f"the reader may run on CPU {cpu_list(reads)}, packets are taken on CPU {cpu_list(taking)}")
    target = reader_target(patch, host)
    if not target:
        return cannot("there is no other CPU", in_place=False)
    commands = (_taskset(target, reader) for reader in host.readers)
    undo = (_taskset(reader.cpus, reader) for reader in host.readers)
    crowded = target & frozenset(cpu for sender in host.senders for cpu in sender.cpus)
    note = "holds until the reader ends; undo does not restore threads pinned one by one" + (
        f"; CPU {cpu_list(crowded)} also runs the sender" if crowded else ""
    )
    return step(" && ".join(commands), " && ".join(undo), note)


def numa_local(patch: Patch, host: HostFacts) -> Setting:
    """How to keep the reader on the node of memory that the device is next to."""
    del patch
    if len(host.nodes) == 1:
        return cannot("the host has one node of memory", in_place=False)
    near = near_cpus(host)
    if not host.nodes or not near:
        return cannot("the recording does not say which node of memory the device is next to")
    if not host.readers or any(not reader.cpus for reader in host.readers):
        return cannot("the recording does not say who reads and on which CPUs")
    if all(near.issuperset(reader.cpus) for reader in host.readers):
        return already(f"the reader runs on CPU {cpu_list(near)} already, next to the device")
    commands = (_taskset(near, reader) for reader in host.readers)
    undo = (_taskset(reader.cpus, reader) for reader in host.readers)
    note = "pages that it holds stay where they are (numactl --membind at its start); lost when it ends"
    return step(" && ".join(commands), " && ".join(undo), note)


def near_cpus(host: HostFacts) -> frozenset[int]:
    """CPUs of the nodes that the device's queues are next to; empty when not recorded."""
    nodes = {queue.numa for queue in host.queues if queue.numa is not None}
    return frozenset(cpu for node in nodes for cpu in host.nodes.get(node, ()))


def packet_cpus(host: HostFacts) -> frozenset[int]:
    """The CPUs on which TCP handles the packets, by steering, else by interrupt; empty when not recorded."""
    by_queue = [queue.rps_cpus or queue.cpus for queue in host.queues]
    return frozenset(cpu for cpus in by_queue for cpu in cpus) if all(by_queue) else frozenset()


def reader_target(patch: Patch, host: HostFacts) -> frozenset[int]:
    """The CPUs the reader would be moved to: of the others those without a sender, where there are such."""
    taking = packet_cpus(host)
    if patch.value == "shared":
        return taking
    others = frozenset(range(host.cpus or 0)) - taking
    return others - frozenset(cpu for sender in host.senders for cpu in sender.cpus) or others


def no_such_cpu(host: HostFacts, wanted: frozenset[int]) -> str | None:
    """Why packets cannot go to these CPUs; None when they can."""
    if host.cpus is None:
        return "the recording does not say how many CPUs the host has"
    if not wanted:
        return None
    if host.cpus == 1:
        return "the host has one CPU: there is no other to move work to"
    return None if max(wanted) < host.cpus else f"the host has CPUs 0 to {host.cpus - 1}"


def cpu_mask(cpus: Iterable[int]) -> str:
    """CPUs as the kernel reads masks: hexadecimal, groups of 32 bits.

    Examples
    --------
    >>> cpu_mask({1}), cpu_mask({0, 33}), cpu_mask(())
    ('2', '2,00000001', '0')
    """
    bits = sum(1 << cpu for cpu in cpus)
    low = []
    while bits >> MASK_BITS:
        low.append(f"{bits & 0xFFFFFFFF:08x}")
        bits >>= MASK_BITS
    return ",".join([f"{bits:x}", *reversed(low)])


def cpu_list(cpus: Iterable[int]) -> str:
    """CPUs as `taskset` reads lists.

    Examples
    --------
    >>> cpu_list([0, 1]), cpu_list([3, 0, 1, 2, 9])
    ('0,1', '0-3,9')
    """
    spans: list[list[int]] = []
    for cpu in sorted(cpus):
        if spans and cpu == spans[-1][-1] + 1:
            spans[-1].append(cpu)
        else:
            spans.append([cpu])
    shown = (f"{span[0]}-{span[-1]}" if len(span) >= SHORTEST_RANGE else ",".join(map(str, span)) for span in spans)
    return ",".join(shown)


def _taskset(cpus: Iterable[int], process: Process) -> str:
    return f"taskset -acp {cpu_list(cpus)} {process.pid}"


def _path(device: str, queue: Queue, name: str) -> str:
    return f"/sys/class/net/{device}/queues/{queue.name}/{name}"


def _echo(text: str, path: str) -> str:
    return f"echo {shlex.quote(text)} > {shlex.quote(path)}"

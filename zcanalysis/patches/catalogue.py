"""Which patches there are: what each changes, from where that is known, and when it does not apply."""

import difflib
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from zcanalysis.cpu.kernel_stages import NOT_RECEIVE, STAGES
from zcanalysis.errors import PatchError
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.patches import device, placement, sockets
from zcanalysis.patches.patch import Patch, Setting
from zcanalysis.patches.values import CPU, CPU_OR_OFF, SWITCH, Kind, above_zero, one_of, percent, value_of, whole

FASTEST_GBPS: Final = 1e5
LARGEST_BUFFER_BYTES: Final = (1 << 31) - 1


class Entry(NamedTuple):
    """One kind of patch."""

    name: str
    value: Kind
    what: str
    """What it changes, in one line."""
    source: str
    """Where the kernel does it, or who described it."""
    unless: str
    """When it does not apply."""
    on: Callable[[Patch, HostFacts], Setting]


_ENTRIES: Final = (
    Entry(
        "mtu",
        whole(576, 65535, "bytes"),
        "work per packet happens less often: packets of another size",
        "net/core/dev.c netif_set_mtu; net/ipv4/tcp_output.c tcp_advertise_mss",
        "the MTU is that already",
        device.mtu,
    ),
    Entry(
        "gro",
        SWITCH,
        "TCP and IP handle one skb for many packets, or one for each",
        "net/core/gro.c dev_gro_receive; gro_max_size, include/linux/netdevice.h",
        "it is so already, the driver fixes it, or packets arrive aggregated by the sender",
        device.gro,
    ),
    Entry(
        "hw-checksum",
        SWITCH,
        "the device verifies checksums (on), or a CPU passes over every byte (off)",
        "net/ipv4/tcp_offload.c tcp4_gro_receive; net/core/skbuff.c __skb_checksum_complete",
        "it is so already, or the driver fixes it",
        device.checksum,
    ),
    Entry(
        "rps",
        CPU_OR_OFF,
        "the softirq work of IP and TCP moves to another CPU",
        "Documentation/networking/scaling.rst; net/core/dev.c get_rps_cpu",
        "there is one CPU, or packets are handled on that one already",
        placement.rps,
    ),
    Entry(
        "rfs",
        SWITCH,
        "the softirq work of IP and TCP follows the reader's CPU",
        "Documentation/networking/scaling.rst; net/core/dev.c get_rps_cpu",
        "it is so already, or there is one CPU",
        placement.rfs,
    ),
    Entry(
        "cpu",
        one_of("split", "shared"),
        "the reader runs on another CPU than the softirq, or on the same",
        "sched_setaffinity(2), taskset(1)",
        "it is so already, or there is one CPU",
        placement.reader_cpu,
    ),
    Entry(
        "irq-affinity",
        CPU,
        "the device's interrupts, and the softirq behind them, move to another CPU",
        "Documentation/core-api/irq/irq-affinity.rst",
        "the device has no interrupts of its own, or they go there already",
        placement.irq_affinity,
    ),
    Entry(
        "coalesce-us",
        whole(0, 65535, "microseconds"),
        "the device waits that long before it interrupts: more packets an interrupt",
        "ethtool(8) -C; Documentation/networking/ethtool-netlink.rst",
        "the device has no such delay, or has that one already",
        device.coalesce,
    ),
    Entry(
        "ring",
        whole(1, 1 << 20, "packets"),
        "the device holds more packets before it drops, or fewer",
        "ethtool(8) -G; Documentation/networking/ethtool-netlink.rst",
        "the device has no ring of that size, or nothing was dropped",
        device.ring,
    ),
    Entry(
        "rcvbuf",
        whole(4096, LARGEST_BUFFER_BYTES, "bytes"),
        "the window that TCP can offer: at most that much is under way in a round trip",
        "Documentation/networking/ip-sysctl.rst tcp_rmem; net/ipv4/tcp_input.c tcp_rcv_space_adjust",
        "the limit is that already, or the window does not limit",
        sockets.rcvbuf,
    ),
    Entry(
        "busy-poll",
        whole(0, 10_000, "microseconds"),
        "a reader that waits polls the device itself instead of sleeping",
        "Documentation/networking/napi.rst; net/core/dev.c napi_busy_loop",
        "it is so already, or the device does not receive by NAPI",
        sockets.busy_poll,
    ),
    Entry(
        "competing-load",
        whole(1, 1024, "busy processes"),
        "the reader shares its CPU with that many busy processes",
        "kernel/sched/fair.c; kernel/softirq.c: softirqs go first",
        "no sample shows the reader",
        sockets.competing_load,
    ),
    Entry(
        "copy-gbps",
        above_zero(FASTEST_GBPS, "Gbit/s"),
        "the copy to user space takes 8 / that many nanoseconds a byte",
        "lib/iov_iter.c _copy_to_iter; A. Kleen's SSE copy, 2002",
        "no copy was sampled",
        sockets.copy_gbps,
    ),
    Entry(
        "link-gbps",
        above_zero(FASTEST_GBPS, "Gbit/s"),
        "another link",
        "the link carries headers too: IEEE 802.3",
        "the link is that already",
        sockets.link_gbps,
    ),
    Entry(
        "speedup",
        percent(),
        "a stage takes that much less time: speedup:STAGE=PERCENT",
        "virtual speed-up: Curtsinger & Berger, Coz, SOSP 2015",
        "the stage was not sampled",
        sockets.speedup,
    ),
)
CATALOGUE: Final[Mapping[str, Entry]] = {entry.name: entry for entry in _ENTRIES}
SPEEDABLE: Final = tuple(stage for stage in STAGES if stage not in NOT_RECEIVE or stage == "sender")


def parse_patch(text: str) -> Patch:
    """The patch that a text such as ``mtu=9000`` or ``gro`` means.

    Raises
    ------
    PatchError
        If there is no such patch, or it cannot have that value; one line that says what is expected.
    """
    name, given, value = text.strip().partition("=")
    name = name.strip()
    kind, _, stage = name.partition(":")
    entry = CATALOGUE.get(kind)
    if entry is None or (stage and kind != "speedup"):
        raise PatchError(f"no patch {name[:40]!r}{_nearest(kind, CATALOGUE)}")
    if kind == "speedup":
        check_stage(stage)
    return Patch(name, value_of(name, value if given else None, entry.value))


def check_stage(stage: str) -> None:
    """Raise a `PatchError` unless there is such a stage."""
    if stage not in SPEEDABLE:
        near = _nearest(stage, dict.fromkeys(SPEEDABLE))
        raise PatchError(f"patch speedup: no stage {stage[:40]!r}, as in speedup:copy=20{near}")


def _nearest(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name[:40], known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"

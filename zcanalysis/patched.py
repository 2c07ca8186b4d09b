"""What each patch does to a host: a pure function from host to host, the model does the rest."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from zcanalysis.framing import segment_bytes
from zcanalysis.hosts import Host, Places, Price
from zcanalysis.patches import Patch, entry_of
from zcanalysis.prices.settings import ASSUMED, GSO_BYTES, sndbuf_bytes, under_way_bytes
from zcanalysis.rates import BITS_PER_BYTE

PAGE_BYTES: Final = 4096
OLD_SHARE: Final = 0.75  # of linux-2.4: tcp_adv_win_scale 2, tcp_win_from_space in include/net/tcp.h
HEAD_BYTES: Final = 856
"""Of the receive buffer for each packet besides its data: an sk_buff, its shared part and headers, SKB_TRUESIZE in
include/linux/skbuff.h. Window over buffer was 0.63 at 1448 bytes and 0.91 at 8948 (traces/veth-*)."""
MERGED_HEAD_BYTES: Final = 171
"""Of a packet that GRO has merged: its sk_buff goes (skb_gro_receive, net/core/gro.c). 0.89, 0.95 and 0.97."""
NS_PER_US: Final = 1000
NS_PER_MS: Final = 1_000_000
MAP_A_PAGE_NS: Final = Price(150, 60, 500, "assumed", "88-110 us a MB: tcp_mmap.c; 370 ns a page measured in a VM")
KERNEL_PRICES: Final = (
    "interrupt.send_ns", "interrupt.receive_ns", "driver.packet_ns", "gro.packet_ns", "softirq.run_ns",
    "softirq.handover_ns", "ip.skb_ns", "ip.packet_ns", "tcp.skb_ns", "tcp.ack_ns", "reader.wake_ns",
    "reader.schedule_ns",
    "reader.syscall_ns", "copy.ns_per_byte", "copy.packet_ns", "checksum.ns_per_byte",
)  # fmt: skip
OF_MERGED: Final = {"ip.skb_ns": 2.6, "tcp.skb_ns": 1.9}
"""What a merged skb costs IP and TCP, of what one of a single packet does: they come one by one, to colder caches.

Medians of 13 recordings with GRO over those of 23 without (566 over 215 ns, 652 over 345 ns; 6.18 on veth, MTU 1500 to
9000, baselines only). It hardly grows with the packets in an skb: 5, 15 or 30."""
SIZES: Final = ("link.gbps", "link.delay_ns", "nic.coalesce_ns", "nic.dma_gbps")


class Known(NamedTuple):
    """What patches need to know besides the host."""

    parts: Mapping[str, Mapping[str, float]]
    """What part of each price is which stage (`prices.Calibration`)."""
    first_cpu: int
    """Where packets are handled without steering."""


def first_cpu(places: Places) -> int:
    """Where packets are handled without steering: by a sender of this host, else by the driver, else where TCP is."""
    first = places.driver_cpu if places.sender_cpu is None else places.sender_cpu
    return places.protocol_cpu if first is None else first


def patched(host: Host, patches: Iterable[Patch], known: Known) -> Host:
    """The host with the patches, in their order; those without a price change nothing (`is_priced`).

    Parameters
    ----------
    host
        As calibrated.
    patches
        That can act on it.
    known
        See there.

    Raises
    ------
    ImpossibleHostError
        If the patches make a host that cannot be: a segment larger than the window.
    """
    for patch in patches:
        if patch.kind in EFFECTS:
            host = EFFECTS[patch.kind](host, patch, known)
        elif (effect := entry_of(patch.kind).effect) is not None:
            host = effect(host, patch)
    return host


def is_priced(patch: Patch) -> bool:
    """Whether the model knows what it does."""
    return patch.kind in EFFECTS or entry_of(patch.kind).effect is not None


def _settings(host: Host, **values: object) -> Host:
    """Several settings at once: section__field=value."""
    for name, value in values.items():
        host = host.changed(name.replace("__", "."), value)  # type: ignore[arg-type]
    return host


def _scaled(host: Host, factors: Mapping[str, float]) -> Host:
    prices = host.prices()
    return host.with_prices({name: _times(prices[name], factor) for name, factor in factors.items() if name in prices})


def _times(price: Price, factor: float) -> Price:
    return Price(price.value * factor, price.low * factor, price.high * factor, price.origin, price.source)


def _mtu(host: Host, patch: Patch, known: Known) -> Host:
    mss = segment_bytes(int(patch.number))
    window = max(round(host.socket.window_bytes * _share(mss, host) / _share(host.link.mss_bytes, host)), mss)
    host = _settings(host, sender__gso_bytes=max(host.sender.gso_bytes, mss), socket__window_bytes=window,
                     sender__sndbuf_bytes=max(host.sender.sndbuf_bytes, mss), link__mss_bytes=mss)  # fmt: skip
    return _windowed(host, window)


def _gro(host: Host, patch: Patch, known: Known) -> Host:
    if bool(patch.value) != bool(host.gro.most_bytes):
        heads = MERGED_HEAD_BYTES if patch.value else HEAD_BYTES
        share = _share_of(host.link.mss_bytes, heads) / _share(host.link.mss_bytes, host)
        host = _windowed(host, max(round(host.socket.window_bytes * share), host.link.mss_bytes))
        host = _scaled(host, {name: x if patch.value else 1 / x for name, x in OF_MERGED.items()})
    if not patch.value:
        host = host.changed("gro.most_bytes", 0)
        return _unpolled(host, known) if host.places.sender_cpu is not None else host
    if host.places.driver_cpu is None:
        host = host.changed("places.driver_cpu", known.first_cpu)
        host = host.changed("places.follows_sender", host.places.sender_cpu is not None)
    return host.changed("gro.most_bytes", GSO_BYTES)


def _windowed(host: Host, window_bytes: int) -> Host:
    """The host with another window; what a sender on this host has under way and buffers follows."""
    host = host.changed("socket.window_bytes", window_bytes)
    if host.sender.cwnd_bytes is None or host.places.sender_cpu is None:
        return host
    under_way = under_way_bytes(host.link.mss_bytes, window_bytes)
    sndbuf = sndbuf_bytes(under_way, host.link.mss_bytes)
    return _settings(host, sender__cwnd_bytes=under_way, sender__sndbuf_bytes=sndbuf)


def _unpolled(host: Host, known: Known) -> Host:
    """A veth without GRO has no poll: its packets go to a backlog, the sending CPU's or the one they are steered to."""
    host = host.changed("places.driver_cpu", None)
    return host.changed("places.follows_sender", host.places.protocol_cpu == known.first_cpu)


def _share(mss_bytes: int, host: Host) -> float:
    return _share_of(mss_bytes, MERGED_HEAD_BYTES if host.gro.most_bytes else HEAD_BYTES)


def _share_of(mss_bytes: int, heads_bytes: int) -> float:
    """What part of the receive buffer packets of a size fill with data (tcp_measure_rcv_mss, net/ipv4/tcp_input.c)."""
    return mss_bytes / (mss_bytes + heads_bytes)


def _checksum(host: Host, patch: Patch, known: Known) -> Host:
    if patch.value is False and host.nic.hardware_checksum == "none":
        return host
    if patch.value is False:  # what was never paid has no price here, unless this machine was calibrated
        if host.checksum.ns_per_byte.origin != "calibrated":
            host = host.with_price("checksum.ns_per_byte", ASSUMED["checksum.ns_per_byte"])
        return host.changed("nic.hardware_checksum", "none")
    # a device that knows no protocol sums any data; the pseudo header is folded in (tcp_v4_checksum_init)
    return host.changed("nic.hardware_checksum", "summed" if patch.value == "any" else "verified")


def _prequeue(host: Host, patch: Patch, known: Known) -> Host:
    return host.changed("tcp.prequeue", bool(patch.value))


def _prequeue_bypass(host: Host, patch: Patch, known: Known) -> Host:
    return host.changed("tcp.kleen_bypass", True)


def _dma(host: Host, patch: Patch, known: Known) -> Host:
    return host.with_price("nic.dma_gbps", patch.number)


def _dma_burst(host: Host, patch: Patch, known: Known) -> Host:
    return host.changed("nic.dma_burst_bytes", int(patch.number))


def _pinned(host: Host, patch: Patch, known: Known) -> Host:
    """What is only forwarded is not copied to a reader (L. Dale, linux-kernel, 3 September 2000)."""
    return _scaled(host, {"copy.ns_per_byte": 0.0, "copy.packet_ns": 0.0, "checksum.fused_ns_per_byte": 0.0})


def _rps(host: Host, patch: Patch, known: Known) -> Host:
    return _steered(host, None if patch.value is None else int(patch.number), known)


def _rfs(host: Host, patch: Patch, known: Known) -> Host:
    return _steered(host, host.places.reader_cpu if patch.value else None, known)


def _steered(host: Host, cpu: int | None, known: Known) -> Host:
    """Packets are handed to a CPU, or to none: then a backlog of this host's own is where they are sent from."""
    if host.places.sender_cpu is not None:
        host = host.changed("places.follows_sender", host.places.driver_cpu is not None or cpu is None)
    return host.changed("places.protocol_cpu", known.first_cpu if cpu is None else cpu)


def _reader_cpu(host: Host, patch: Patch, known: Known) -> Host:
    here = host.places.protocol_cpu
    if patch.value == "shared":
        return host.changed("places.reader_cpu", here)
    if host.places.reader_cpu != here:
        return host
    return host.changed("places.reader_cpu", 1 if here == 0 else 0)


def _irq(host: Host, patch: Patch, known: Known) -> Host:
    target, driver = int(patch.number), host.places.driver_cpu
    if driver == host.places.protocol_cpu:
        host = host.changed("places.protocol_cpu", target)
    return host.changed("places.driver_cpu", target) if driver is not None else host


def _coalesce(host: Host, patch: Patch, known: Known) -> Host:
    return host.with_price("nic.coalesce_ns", patch.number * NS_PER_US)


def _rcvbuf(host: Host, patch: Patch, known: Known) -> Host:
    share = OLD_SHARE if host.generation == "linux-2.4" else _share(host.link.mss_bytes, host)
    return _windowed(host, int(patch.number * share))


def _hogs(host: Host, patch: Patch, known: Known) -> Host:
    return host.changed("scheduler.hogs", int(patch.number))


def _copy(host: Host, patch: Patch, known: Known) -> Host:
    return host.with_price("copy.ns_per_byte", BITS_PER_BYTE / patch.number)


def _zero_copy(host: Host, patch: Patch, known: Known) -> Host:
    """Pages are mapped, and unmapped with a flush of other CPUs' tables, instead of copied."""
    return host.with_prices({"copy.ns_per_byte": _times(MAP_A_PAGE_NS, 1 / PAGE_BYTES)})


def _link(host: Host, patch: Patch, known: Known) -> Host:
    host = host.with_price("link.gbps", patch.number)
    if host.places.sender_cpu is None and host.sender.packet_ns.source == "data comes no faster":
        host = host.with_price("sender.packet_ns", 0.0)
    return host


def _rtt(host: Host, patch: Patch, known: Known) -> Host:
    return host.with_price("link.delay_ns", patch.number * NS_PER_US / 2)


def _cpu_speed(host: Host, patch: Patch, known: Known) -> Host:
    slower = 1 / patch.number
    return _scaled(host, {name: slower for name in host.prices() if name not in SIZES})


def _reader_bytes(host: Host, patch: Patch, known: Known) -> Host:
    return host.changed("reader.buffer_bytes", int(patch.number))


def _delack(host: Host, patch: Patch, known: Known) -> Host:
    return host.changed("tcp.delack_ns", max(int(patch.number * NS_PER_MS), 1))


def _bypass(host: Host, patch: Patch, known: Known) -> Host:
    return _scaled(host, dict.fromkeys(KERNEL_PRICES, 0.0))


def _speedup(host: Host, patch: Patch, known: Known) -> Host:
    return without_stage(host, patch.stage, known.parts, patch.number / 100)


def without_stage(host: Host, stage: str, parts: Mapping[str, Mapping[str, float]], share: float = 1.0) -> Host:
    """The host with a stage of `STAGES` that much cheaper, free where share is 1.

    Parameters
    ----------
    host
        As calibrated, or patched.
    stage
        Which stage.
    parts
        What part of each price is which stage.
    share
        0 to 1.
    """
    return _scaled(host, {
        name: max(1 - share * part[stage], 0.0) for name, part in parts.items() if part.get(stage, 0.0) > 0
    })  # fmt: skip


EFFECTS: Final[Mapping[str, Callable[[Host, Patch, Known], Host]]] = {
    "mtu": _mtu,
    "gro": _gro,
    "hw-checksum": _checksum,
    "rps": _rps,
    "rfs": _rfs,
    "cpu": _reader_cpu,
    "irq-affinity": _irq,
    "coalesce-us": _coalesce,
    "dma-gbps": _dma,
    "dma-burst": _dma_burst,
    "prequeue": _prequeue,
    "prequeue-bypass": _prequeue_bypass,
    "pinned-buffers": _pinned,
    "rcvbuf": _rcvbuf,
    "competing-load": _hogs,
    "copy-gbps": _copy,
    "zero-copy-rx": _zero_copy,
    "link-gbps": _link,
    "rtt-us": _rtt,
    "cpu-speed": _cpu_speed,
    "reader-bytes": _reader_bytes,
    "delack-ms": _delack,
    "kernel-bypass": _bypass,
    "speedup": _speedup,
}

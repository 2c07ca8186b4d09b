"""What a host is besides its measured prices: sizes, windows, places, and prices that had no occasion to show."""

from typing import Final, Literal

import polars as pl

from zcanalysis.evidence import Evidence
from zcanalysis.framing import framing_bytes
from zcanalysis.goodput import (
    QUIET_PHASE,
    SAMPLED_PHASES,
    Ceiling,
)
from zcanalysis.hosts import (
    Checksum,
    Copy,
    Driver,
    Gro,
    Host,
    Interrupt,
    Ip,
    Link,
    Nic,
    Places,
    Price,
    Reader,
    Scheduler,
    Sender,
    Socket,
    Softirq,
    Tcp,
)
from zcanalysis.hosts.price import exactly
from zcanalysis.prices.uses import Shape
from zcanalysis.rates import BITS_PER_BYTE

GSO_BYTES: Final = 65536  # GSO_LEGACY_MAX_SIZE, include/linux/netdevice.h
CALL_BYTES: Final = 128 << 10  # iperf3's block; nobody counts calls
BACKLOG_PACKETS: Final = 1000  # netdev_max_backlog, net/core/hotdata.c
CUBIC_MEAN: Final = 0.85
"""Of the window at which packets get lost: cubic comes back to it from 0.7 (Ha, Rhee & Xu, Operating Systems Review 42,
2008; tcp_cubic.c beta)."""
SNDBUF_BYTES: Final = 4 << 20  # tcp_wmem[2]
HEADERS_BYTES: Final = 640  # MAX_TCP_HEADER, include/net/tcp.h, and struct skb_shared_info
SK_BUFF_BYTES: Final = 256
WINDOW_BYTES: Final = 4 << 20
NS_PER_US: Final = 1000
HOG_SHARE: Final = 0.25
BUCKET_BYTES: Final = 1 << 20  # of a shaper on this host: assumed, the lab's own has as much
PRICED_PHASES: Final = (QUIET_PHASE, *SAMPLED_PHASES)  # a capture changes how far the buffer grows

ASSUMED: Final = {
    "interrupt.send_ns": Price(2000, 500, 12000, "assumed", "no CPU asked another one; 11 us in traces/veth-1500"),
    "interrupt.receive_ns": Price(9000, 3000, 25000, "assumed", "none met a CPU at work; 8-12 us on veth in a VM"),
    "interrupt.idle_ns": Price(8000, 2000, 40000, "assumed", "until an idle CPU runs: 6-9 us in a trace of veth-gro"),
    "gro.packet_ns": Price(50, 25, 100, "assumed", "no GRO here; 50 ns in traces/veth-gro"),
    "driver.packet_ns": Price(20, 5, 100, "assumed", "no poll here; 18 ns in traces/veth-gro"),
    "softirq.handover_ns": Price(60, 20, 150, "assumed", "no hand-over of skbs here"),
    "softirq.run_ns": Price(100, 20, 400, "assumed", "68-78 ns in traces/veth-*"),
    "checksum.ns_per_byte": Price(0.1, 0.02, 0.2, "assumed", "one pass of csum_partial, payload cached or not"),
    "sender.write_ns_per_byte": exactly(0, "assumed", "the sender is another machine: never the limit"),
    "sender.packet_ns": exactly(0, "assumed", "the sender is another machine: never the limit"),
    "sender.burst_ns": exactly(0, "assumed", "the sender is another machine: never the limit"),
    "sender.ack_ns": Price(100, 30, 400, "assumed", "84-117 ns in traces/veth-*"),
    "tcp.ack_ns": Price(600, 200, 1500, "assumed", "450-980 ns in traces/veth-*"),
    "ip.packet_ns": Price(70, 30, 150, "assumed", "65-93 ns on veth, 1500 to 9000 bytes"),
    "ip.skb_ns": Price(200, 100, 500, "assumed", "188-285 ns in traces/veth-*"),
    "tcp.skb_ns": Price(200, 100, 500, "assumed", "155-279 ns in traces/veth-*"),
    "copy.ns_per_byte": Price(0.1, 0.02, 0.3, "assumed", "0.01-0.16 ns in traces/veth-*"),
    "copy.packet_ns": Price(0, 0, 50, "assumed", "part of the copy's bytes"),
    "reader.wake_ns": Price(200, 50, 1000, "assumed", "try_to_wake_up without the interrupt"),
    "reader.schedule_ns": Price(1500, 500, 4000, "assumed", "1.0-2.0 us in traces/veth-*"),
    "reader.syscall_ns": Price(1500, 300, 5000, "assumed", "0.6-9 us a block of 128 KB in traces/veth-*"),
    "nic.coalesce_ns": Price(0, 0, 20000, "assumed", "the device's delay is not recorded"),
    "link.delay_ns": exactly(0, "assumed", "both hosts are one machine"),
}  # fmt: skip


def shape_of(seen: Evidence) -> Shape:
    """Sizes of packets, bursts and calls, payload bytes."""
    sampled = seen.sampled
    assert sampled is not None
    packet_bytes = sampled.payload_bytes / sampled.packets if sampled.packets else 1448.0
    burst_bytes = min(GSO_BYTES, (window_bytes(seen) or WINDOW_BYTES) // 2)  # tcp_bound_to_half_wnd, include/net/tcp.h
    return Shape(max(packet_bytes, 1.0), max(burst_bytes, int(packet_bytes)), CALL_BYTES)


def host_of(seen: Evidence, where: Places, shape: Shape, prices: dict[str, Price], *, held: bool, top: Ceiling) -> Host:
    """The host: what was measured, and for the rest what is assumed."""
    facts = seen.recording.host
    here = where.sender_cpu is not None
    mss = max(round(shape.packet_bytes), 1)
    known = dict(prices)
    if not here:
        known = {name: price for name, price in known.items() if not name.startswith("sender.")}
        known |= _unseen_sender(seen, mss) if held else {}
    if facts.coalesce is not None:
        usecs = facts.coalesce.rx_usecs * NS_PER_US
        known["nic.coalesce_ns"] = exactly(usecs, "measured", "ethtool -c rx-usecs")
    gbps = top.gbps if top.kind == "link" else None
    known |= {"link.delay_ns": _delay(seen)} if not here else {}

    def price(name: str) -> Price:
        return known.get(name, ASSUMED[name])

    gro = bool(facts.features.get("generic-receive-offload"))
    window = window_bytes(seen) or WINDOW_BYTES
    under_way = under_way_bytes(mss, window) if here else None
    return Host(
        name=seen.recording.name,
        generation="linux-6",
        sender=Sender(
            write_ns_per_byte=price("sender.write_ns_per_byte"), packet_ns=price("sender.packet_ns"),
            burst_ns=price("sender.burst_ns"), ack_ns=price("sender.ack_ns"),
            cwnd_bytes=under_way, sndbuf_bytes=SNDBUF_BYTES if under_way is None else sndbuf_bytes(under_way, mss),
        ),
        link=Link(
            delay_ns=price("link.delay_ns"), mss_bytes=mss,
            gbps=None if gbps is None else exactly(gbps, "measured", top.why),
            framing_bytes=framing_bytes(physical=facts.physical),
            bucket_bytes=BUCKET_BYTES if here else 0,
        ),
        nic=Nic(coalesce_ns=price("nic.coalesce_ns"), hardware_checksum=_checksum(prices)),
        interrupt=Interrupt(
            receive_ns=price("interrupt.receive_ns"), send_ns=price("interrupt.send_ns"),
            idle_ns=price("interrupt.idle_ns"),
        ),
        driver=Driver(packet_ns=price("driver.packet_ns")),
        gro=Gro(packet_ns=price("gro.packet_ns"), most_bytes=GSO_BYTES if gro and where.driver_cpu is not None else 0),
        softirq=Softirq(run_ns=price("softirq.run_ns"), handover_ns=price("softirq.handover_ns")),
        ip=Ip(skb_ns=price("ip.skb_ns"), packet_ns=price("ip.packet_ns")),
        checksum=Checksum(ns_per_byte=price("checksum.ns_per_byte")),
        tcp=Tcp(skb_ns=price("tcp.skb_ns"), ack_ns=price("tcp.ack_ns")),
        socket=Socket(window_bytes=max(window, mss)),
        reader=Reader(
            wake_ns=price("reader.wake_ns"), schedule_ns=price("reader.schedule_ns"),
            syscall_ns=price("reader.syscall_ns"), buffer_bytes=shape.call_bytes,
        ),
        copy=Copy(ns_per_byte=price("copy.ns_per_byte"), packet_ns=price("copy.packet_ns")),
        scheduler=Scheduler(hogs=_hogs(seen, where)),
        places=where,
    )  # fmt: skip


def _checksum(prices: dict[str, Price]) -> Literal["none", "verified"]:
    return "none" if "checksum.ns_per_byte" in prices else "verified"


def window_bytes(seen: Evidence) -> int | None:
    """What the receive buffer of the loudest connection is worth as window; None where no socket was seen."""
    counters = seen.recording.counters
    if counters is None:
        return None
    value = pl.col("value")

    def of(name: str) -> pl.Expr:
        return value.filter(pl.col("counter") == name)

    sockets = (
        counters.filter(pl.col("source") == "socket", pl.col("phase").is_in(PRICED_PHASES))
        .group_by("instance")
        .agg(
            (of("bytes_received").max() - of("bytes_received").min()).alias("received"),
            pl.max_horizontal(of("rcv_ssthresh").max(), of("rcv_wnd").max()).alias("window"),
        )
        .drop_nulls()
        .sort("received", descending=True)
    )
    return None if sockets.is_empty() else int(sockets.get_column("window").item(0))


def under_way_bytes(mss: int, window: int) -> int:
    """What a sender on this host has under way: its congestion window.

    More than the backlog holds gets lost; it grows to twice what is in flight at most (tcp_is_cwnd_limited,
    include/net/tcp.h).
    """
    return max(min(round(CUBIC_MEAN * BACKLOG_PACKETS) * mss, 2 * window), GSO_BYTES)


def sndbuf_bytes(under_way: int, mss: int) -> int:
    """The send buffer: room for twice the congestion window, each segment in a buffer of its own (tcp_sndbuf_expand).

    It is counted in memory, of which the large skbs that really fill it waste little (net/ipv4/tcp_input.c).
    """
    segment = (1 << (mss + HEADERS_BYTES - 1).bit_length()) + SK_BUFF_BYTES
    return max(min(2 * under_way // mss * segment, SNDBUF_BYTES), mss)


def _hogs(seen: Evidence, where: Places) -> int:
    """Busy processes beside the reader: one, if others take much of its CPU; how many they are is not sampled."""
    mine = seen.account.filter(pl.col("cpu") == where.reader_cpu, pl.col("stage") == "foreign")
    return int(float(mine.get_column("share").sum()) >= HOG_SHARE)


def _unseen_sender(seen: Evidence, mss: int) -> dict[str, Price]:
    """No CPU here is full: what comes no faster is taken for the sender's own pace."""
    gbps = seen.quiet.gbps if seen.quiet is not None else 0.0
    if not gbps > 0:
        return {}
    pace_ns = mss * BITS_PER_BYTE / gbps
    return {"sender.packet_ns": exactly(pace_ns, "measured", "data comes no faster")}


def _delay(seen: Evidence) -> Price:
    counters = seen.recording.counters
    none = ASSUMED["link.delay_ns"]
    if counters is None:
        return none
    rtt = counters.filter(pl.col("source") == "socket", pl.col("counter") == "min_rtt_us", pl.col("value") > 0)
    if rtt.is_empty():
        return none
    half_ns = float(rtt.get_column("value").min()) * NS_PER_US / 2  # type: ignore[arg-type]
    return Price(half_ns, half_ns / 2, half_ns, "measured", "half of the smallest round trip of TCP")

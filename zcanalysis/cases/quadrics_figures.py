"""What a drawn host sends and receives: one TCP connection in closed loop, and a blast of datagrams."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.cases.quadrics_prior import HEADER_BYTES, LINK_GBPS, Hosts
from zcanalysis.model.linux24 import drawn_summaries
from zcanalysis.model.overload import dropped_before_ip, read_per_ns

Floats = npt.NDArray[np.float64]

WINDOWS: Final = 12
"""Windows that a replay transfers: enough for its steady state, see the test that looks."""
RETRANSMISSION_NS: Final = 2e8  # TCP_RTO_MIN: a window of four segments has no three duplicates for a quick one
COUNTED: Final = ("acks", "delayed_acks", "eaten_packets", "wake_ups")


class Work(NamedTuple):
    """CPU time of one packet, by who does it; shape (hosts,) each."""

    send_ns: Floats
    interrupt_ns: Floats
    softirq_ns: Floats
    tcp_ns: Floats
    copy_ns_per_byte: Floats
    fused_ns_per_byte: Floats
    scale: Floats
    """Of all prices of a packet."""


class Received(NamedTuple):
    """One TCP connection."""

    gbps: Floats
    busy_share: Floats
    """Of the reader's CPU, interrupts included where there is one CPU, and what it waits for memory."""
    counts: dict[str, Floats]
    """Of `COUNTED`, a packet."""


def payload_bytes(hosts: Hosts) -> Floats:
    """Of a full packet."""
    return hosts["mtu_bytes"] - HEADER_BYTES


def work(hosts: Hosts) -> Work:
    """What a packet costs the CPUs.

    Parameters
    ----------
    hosts
        As `quadrics_hypotheses.supposed` gives them.
    """
    mss, fused = payload_bytes(hosts), hosts["fused_ns_per_byte"]
    scale = hosts["pace"] * hosts["lock_share"]
    aligned = np.where(hosts["misaligned_share"] > 0, hosts["misaligned_share"], hosts["copy_share"])
    pages_ns = np.ceil(hosts["mtu_bytes"] / 4096) * hosts["page_ns"]
    warm = hosts["reader_warm_share"] * (1 - hosts["free_copy"])
    return Work(
        send_ns=scale * hosts["send_packet_ns"] + mss * fused * hosts["warm_share"],
        interrupt_ns=scale * (hosts["interrupt_ns"] + hosts["driver_ns"]) + hosts["interrupt_more_ns"] + pages_ns
        + mss * fused * hosts["driver_copy_share"],
        softirq_ns=scale * (hosts["softirq_ns"] + hosts["ip_ns"]),
        tcp_ns=scale * hosts["tcp_ns"],
        copy_ns_per_byte=fused * aligned * warm,
        fused_ns_per_byte=fused * warm,
        scale=scale,
    )  # fmt: skip


def transmitted_gbps(hosts: Hosts) -> Floats:
    """What a host sends if nobody makes it wait.

    Parameters
    ----------
    hosts
        As `quadrics_hypotheses.supposed` gives them.
    """
    cpu_gbps = 8 * payload_bytes(hosts) / work(hosts).send_ns
    return _least(cpu_gbps, np.full_like(cpu_gbps, LINK_GBPS), *_buses(hosts, sent=True))


def received_tcp(hosts: Hosts) -> Received:
    """What the reader of one TCP connection gets from such a host.

    Parameters
    ----------
    hosts
        As `quadrics_hypotheses.supposed` gives them.

    Notes
    -----
    With two CPUs interrupt and IP run on the other one, TCP and copy on the reader's, as the prequeue and the backlog
    have it in 2.4; the slower one tells.
    """
    found: dict[str, Floats] = {name: np.zeros(hosts["mtu_bytes"].size) for name in ("elapsed_ns", "packets", *COUNTED)}
    windows = _window_bytes(hosts)
    packets = np.ceil(WINDOWS * windows / payload_bytes(hosts)).astype(int)
    for n in np.unique(packets):
        group = packets == n
        told = drawn_summaries(_columns({name: values[group] for name, values in hosts.items()}), int(n))
        found["packets"][group] = n
        for name in ("elapsed_ns", *COUNTED):
            found[name][group] = getattr(told, name)
    return _steady(hosts, found)


class Blasted(NamedTuple):
    """A blast of datagrams of a full packet each."""

    gbps: Floats
    drops: npt.NDArray[np.bool_]
    """Whether netif_rx drops: columns 2 and 4 of /proc/net/softnet_stat."""
    peak_gbps: Floats
    """Most that can be sent without loss."""
    busy_share: Floats
    """Of the reader's CPU, interrupts included where there is one CPU, and what it waits for memory."""


def received_udp(hosts: Hosts, offered_gbps: Floats | float | None = None) -> Blasted:
    """What the reader of datagrams gets.

    Parameters
    ----------
    hosts
        As `quadrics_hypotheses.supposed` gives them.
    offered_gbps
        What is sent; None: what such a host can send.
    """
    mss, two = payload_bytes(hosts), _two_cpus(hosts)
    sent = transmitted_gbps(hosts) if offered_gbps is None else np.asarray(offered_gbps)
    most_gbps = _least(np.full(mss.shape, LINK_GBPS), *_buses(hosts, sent=False))
    came = np.minimum(sent, most_gbps) / (8 * mss)
    interrupt_ns, softirq_ns, read_ns = datagram_ns(hosts)
    read = read_per_ns(came, interrupt_ns, softirq_ns, read_ns, two)
    first_ns = interrupt_ns + softirq_ns
    peak = 1 / np.where(two, np.maximum(first_ns, read_ns), first_ns + read_ns)
    return Blasted(
        gbps=8 * mss * read,
        drops=dropped_before_ip(came, interrupt_ns, softirq_ns),
        peak_gbps=np.minimum(8 * mss * peak, most_gbps),
        busy_share=np.minimum(1.0, read * (read_ns + stalled_ns(hosts)) + came * first_ns * ~two),
    )


def datagram_ns(hosts: Hosts) -> tuple[Floats, Floats, Floats]:
    """CPU time of a datagram by interrupt, softirq and reader.

    Parameters
    ----------
    hosts
        As `quadrics_hypotheses.supposed` gives them.
    """
    mss, did = payload_bytes(hosts), work(hosts)
    softirq_ns = did.softirq_ns + did.tcp_ns + mss * hosts["fused_ns_per_byte"] * hosts["defragment_share"]
    copy = np.where(hosts["unsummed"] > 0, did.fused_ns_per_byte, did.copy_ns_per_byte)
    read_ns = did.scale * hosts["syscall_ns"] + mss * copy * hosts["defragmented_warm_share"]
    return did.interrupt_ns, softirq_ns, read_ns


def _two_cpus(hosts: Hosts) -> npt.NDArray[np.bool_]:
    two: npt.NDArray[np.bool_] = hosts["cpus"] > 1
    return two


def _least(*gbps: Floats) -> Floats:
    """What the slowest of several lets through."""
    slowest: Floats = np.minimum.reduce(gbps)
    return slowest


def _buses(hosts: Hosts, *, sent: bool) -> tuple[Floats, Floats]:
    """What PCI and the memory bus let through."""
    read = np.minimum(hosts["bus_gbps"], hosts["read_gbps"])
    pci = read if sent else np.minimum(hosts["bus_gbps"], hosts["read_gbps"] * hosts["write_more"])
    return pci, hosts["memory_gbps"] / hosts["sent_crossings" if sent else "received_crossings"]


def _window_bytes(hosts: Hosts) -> Floats:
    """tcp_fixup_rcvbuf of 2.4: the default buffer, or so many segments."""
    return np.maximum(hosts["window_bytes"], hosts["segments"] * payload_bytes(hosts))


def _columns(hosts: Hosts) -> dict[str, npt.NDArray[np.generic]]:
    """The hosts as the replay takes them: whole nanoseconds, picoseconds a byte."""
    mss, did, two = payload_bytes(hosts), work(hosts), _two_cpus(hosts)
    came_gbps = _least(np.full(mss.shape, LINK_GBPS), *_buses(hosts, sent=False))
    floats = {
        "link_ps_per_byte": 8000 / came_gbps,
        "sender_packet_ns": 8 * mss / transmitted_gbps(hosts),
        "delay_ns": hosts["delay_ns"],
        "interrupt_packet_ns": did.interrupt_ns * ~two,
        "softirq_packet_ns": did.softirq_ns * ~two,
        "tcp_packet_ns": did.tcp_ns,
        "checksum_ps_per_byte": 1000 * hosts["checksum_ns_per_byte"],
        "copy_ps_per_byte": 1000 * did.copy_ns_per_byte,
        "copy_and_checksum_ps_per_byte": 1000 * did.fused_ns_per_byte,
        "ack_ns": did.scale * hosts["ack_ns"],
        "wake_ns": did.scale * hosts["wake_ns"],
        "schedule_ns": did.scale * hosts["schedule_ns"],
        "syscall_ns": did.scale * hosts["syscall_ns"],
        "reader_delay_ns": hosts["late_ns"],
        "window_bytes": _window_bytes(hosts),
        "mss_bytes": mss,
        "reader_bytes": hosts["reader_bytes"],
        "framing_bytes": np.full(mss.shape, HEADER_BYTES),
    }
    whole: dict[str, npt.NDArray[np.generic]] = {
        name: np.rint(values).astype(np.int64) for name, values in floats.items()
    }
    summed = np.where(hosts["unsummed"] > 0, "none", "verified")
    return whole | {"hardware_checksum": summed, "prequeue": hosts["prequeue"] > 0}


def _steady(hosts: Hosts, found: dict[str, Floats]) -> Received:
    """Goodput with rare stalls and the other CPU taken into account."""
    mss, did, packets = payload_bytes(hosts), work(hosts), found["packets"]
    two = _two_cpus(hosts)
    reader_ns = found["elapsed_ns"] / packets
    other_ns = (did.interrupt_ns + did.softirq_ns) * two
    stalls_ns = hosts["stall_ns"] * mss / hosts["stall_bytes"] + RETRANSMISSION_NS * hosts["fail_share"]
    packet_ns = np.maximum(reader_ns, other_ns) + stalls_ns
    counts = {name: found[name] / packets for name in COUNTED}
    gbps = 8 * mss / packet_ns
    busy_ns = _cpu_ns(hosts, counts) + stalled_ns(hosts)
    return Received(gbps, np.minimum(1.0, busy_ns / packet_ns), counts)


def stalled_ns(hosts: Hosts) -> Floats:
    """How much longer a packet's copy takes because of the memory bus: /proc/stat counts it as system time.

    Parameters
    ----------
    hosts
        As `quadrics_hypotheses.supposed` gives them.

    Notes
    -----
    A CPU that copies over a saturated bus takes turns with the DMA of the packets behind, so the copy lasts as long
    as the bus needs for the packet. DMA alone keeps no CPU busy: if nothing is copied, nothing waits.
    """
    mss, did = payload_bytes(hosts), work(hosts)
    copy = np.where(hosts["unsummed"] > 0, did.fused_ns_per_byte, did.copy_ns_per_byte)
    crossings_ns_per_byte = 8 * hosts["received_crossings"] * (1 - hosts["free_copy"]) / hosts["memory_gbps"]
    stalled: Floats = mss * np.maximum(0.0, crossings_ns_per_byte - copy)
    return stalled


def _cpu_ns(hosts: Hosts, counts: dict[str, Floats]) -> Floats:
    """Work of the reader's CPU a packet, added up."""
    mss, did, one = payload_bytes(hosts), work(hosts), hosts["cpus"] == 1
    eaten, unsummed = counts["eaten_packets"], hosts["unsummed"] > 0
    fused = did.fused_ns_per_byte * eaten + (did.copy_ns_per_byte + hosts["checksum_ns_per_byte"]) * (1 - eaten)
    calls = mss / hosts["reader_bytes"]
    prices = {"ack_ns": counts["acks"], "wake_ns": counts["wake_ups"], "schedule_ns": counts["wake_ups"],
              "syscall_ns": calls}  # fmt: skip
    rest = sum(did.scale * hosts[name] * times for name, times in prices.items())
    data_ns = mss * np.where(unsummed, fused, did.copy_ns_per_byte)
    total_ns: Floats = (did.interrupt_ns + did.softirq_ns) * one + did.tcp_ns + rest + data_ns
    return total_ns

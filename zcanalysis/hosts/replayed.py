"""A host as a row for the replay of its generation: whole nanoseconds, picoseconds a byte."""

from typing import Final

import numpy as np

from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts.host import BACKLOG_PACKETS, Host
from zcanalysis.hosts.price import Price
from zcanalysis.model.dma import Bus, crossing_ns
from zcanalysis.model.linux6 import PLENTY_BYTES, Linux6
from zcanalysis.model.linux24 import Linux24
from zcanalysis.model.open_loop import Receiver
from zcanalysis.model.udp import UdpReceiver

PS_PER_BYTE_AT_1_GBPS: Final = 8000
MOST_BACKLOG: Final = 1000  # netdev_max_backlog, 6.18 net/core/hotdata.c:19
RING_PACKETS: Final = 256  # assumed where the host does not say
HEADER_BYTES: Final = 42  # Ethernet, IP and UDP
COPYBREAK_BYTES: Final = 200  # rx_copybreak of 3c59x and eepro100: shorter frames get a buffer of their size


def linux6(host: Host) -> Linux6:
    """The host as the replay of linux-6 takes it.

    Parameters
    ----------
    host
        Of generation linux-6.

    Raises
    ------
    ImpossibleHostError
        If it is of another generation.

    Notes
    -----
    CPUs are numbered anew, see `cpu_columns`. A device that sums or verifies leaves nothing to sum. The slower one of
    link and bus is the link, see `_wire_ps_per_byte`.
    """
    _require(host, "linux-6")
    columns = cpu_columns(host)
    places, sender, reader, copy = host.places, host.sender, host.reader, host.copy
    software = host.nic.hardware_checksum == "none"
    return Linux6(
        sender_cpu=None if places.sender_cpu is None else columns[places.sender_cpu],
        driver_cpu=None if places.driver_cpu is None else columns[places.driver_cpu],
        protocol_cpu=columns[places.protocol_cpu],
        reader_cpu=columns[places.reader_cpu],
        follows=places.follows_sender,
        mss_bytes=host.link.mss_bytes,
        write_ps_per_byte=_ps(sender.write_ns_per_byte),
        send_burst_ns=_ns(sender.burst_ns),
        send_packet_ns=_ns(sender.packet_ns),
        sender_ack_ns=_ns(sender.ack_ns),
        send_interrupt_ns=_ns(host.interrupt.send_ns),
        interrupt_ns=_ns(host.interrupt.receive_ns),
        idle_exit_ns=_ns(host.interrupt.idle_ns),
        softirq_ns=_ns(host.softirq.run_ns),
        ip_skb_ns=_ns(host.ip.skb_ns),
        ip_packet_ns=_ns(host.ip.packet_ns),
        tcp_skb_ns=_ns(host.tcp.skb_ns),
        ack_ns=_ns(host.tcp.ack_ns),
        wake_ns=_ns(reader.wake_ns),
        schedule_ns=_ns(reader.schedule_ns),
        syscall_ns=_ns(reader.syscall_ns),
        copy_ps_per_byte=_ps(copy.ns_per_byte),
        window_bytes=host.socket.window_bytes,
        driver_packet_ns=_ns(host.driver.packet_ns),
        gro_packet_ns=_ns(host.gro.packet_ns),
        handover_skb_ns=_ns(host.softirq.handover_ns),
        checksum_ps_per_byte=_ps(host.checksum.ns_per_byte) * software,
        copy_packet_ns=_ns(copy.packet_ns),
        link_ps_per_byte=_wire_ps_per_byte(host),
        framing_bytes=host.link.framing_bytes,
        bucket_bytes=host.link.bucket_bytes,
        delay_ns=_ns(host.link.delay_ns),
        coalesce_ns=_ns(host.nic.coalesce_ns),
        gso_bytes=sender.gso_bytes,
        gro_bytes=host.gro.most_bytes,
        cwnd_bytes=PLENTY_BYTES if sender.cwnd_bytes is None else sender.cwnd_bytes,
        tsq_bytes=PLENTY_BYTES if sender.tsq_bytes is None else sender.tsq_bytes,
        sndbuf_bytes=sender.sndbuf_bytes,
        reader_bytes=reader.buffer_bytes,
        free_packets=copy.free_packets,
        hogs=host.scheduler.hogs,
        slice_ns=host.scheduler.slice_ns,
        delack_ns=host.tcp.delack_ns,
    )


def linux24(host: Host) -> Linux24:
    """The host as the replay of linux-2.4 takes it.

    Parameters
    ----------
    host
        Of generation linux-2.4.

    Raises
    ------
    ImpossibleHostError
        If it is of another generation.

    Notes
    -----
    The driver works in the interrupt and IP in the softirq, each once a packet, so their prices are added; so are what
    the sender pays for a packet and for its bytes.
    """
    _require(host, "linux-2.4")
    sender, reader, tcp = host.sender, host.reader, host.tcp
    return Linux24(
        link_ps_per_byte=_wire_ps_per_byte(host),
        sender_packet_ns=round(sender.packet_ns.value + host.link.mss_bytes * sender.write_ns_per_byte.value),
        delay_ns=_ns(host.link.delay_ns),
        interrupt_packet_ns=round(host.interrupt.receive_ns.value + _value(host.driver.packet_ns)),
        softirq_packet_ns=round(host.softirq.run_ns.value + host.ip.skb_ns.value),
        tcp_packet_ns=_ns(tcp.skb_ns),
        checksum_ps_per_byte=_ps(host.checksum.ns_per_byte),
        copy_ps_per_byte=_ps(host.copy.ns_per_byte),
        copy_and_checksum_ps_per_byte=_ps(host.checksum.fused_ns_per_byte),
        ack_ns=_ns(tcp.ack_ns),
        wake_ns=_ns(reader.wake_ns),
        schedule_ns=_ns(reader.schedule_ns),
        syscall_ns=_ns(reader.syscall_ns),
        window_bytes=host.socket.window_bytes,
        mss_bytes=host.link.mss_bytes,
        reader_bytes=reader.buffer_bytes,
        reader_delay_ns=_ns(reader.delay_ns),
        framing_bytes=host.link.framing_bytes,
        delack_ns=tcp.delack_ns,
        prequeue_timer_ns=tcp.prequeue_timer_ns,
        hardware_checksum=host.nic.hardware_checksum,
        netfilter_hooks=tcp.netfilter_hooks,
        prequeue=tcp.prequeue,
        kleen_bypass=tcp.kleen_bypass,
        reader=reader.kind,
    )


def cpu_columns(host: Host) -> dict[int, int]:
    """Which CPU of the replay each CPU of the host is: at most four work, and are numbered from 0 in their order.

    Parameters
    ----------
    host
        Of either generation.
    """
    places = host.places
    cpus = {places.sender_cpu, places.driver_cpu, places.protocol_cpu, places.reader_cpu}
    return {cpu: column for column, cpu in enumerate(sorted(cpu for cpu in cpus if cpu is not None))}


def _wire_ps_per_byte(host: Host) -> int:
    """Price of a byte on the wire; if the bus into memory is slower, one that gives the time it needs for a packet.

    Both work at once, on different packets: a long transfer feels the slower one only.
    """
    wire_bytes = host.link.mss_bytes + host.link.framing_bytes
    gbps = host.link.gbps
    link_ps = 0 if gbps is None else round(PS_PER_BYTE_AT_1_GBPS / gbps.value)
    return max(link_ps, -(-1000 * _dma_ns(host) // wire_bytes))


def _dma_ns(host: Host) -> int:
    """How long the bus is busy with a full packet; 0 where it is never the limit."""
    nic, n_bytes = host.nic, host.link.mss_bytes + host.link.framing_bytes
    if nic.dma_gbps is None:
        return 0
    bus = Bus(
        gbytes_per_s=nic.dma_gbps.value / 8,
        burst_bytes=nic.dma_burst_bytes or n_bytes,
        burst_ns=_value(nic.dma_burst_ns),
        descriptor_ns=_value(nic.descriptor_ns),
    )
    return int(crossing_ns(np.array([n_bytes]), bus)[0])


def _require(host: Host, generation: str) -> None:
    if host.generation != generation:
        raise ImpossibleHostError(f"host {host.name!r} must be of {generation} for this replay, is {host.generation}")


def _value(price: Price | None) -> float:
    return 0.0 if price is None else price.value


def _ns(price: Price | None) -> int:
    return round(_value(price))


def _ps(price: Price | None) -> int:
    return round(1000 * _value(price))


def received(host: Host, *, behind_driver: bool) -> Receiver:
    """The host as the replay of recorded arrivals takes it.

    Parameters
    ----------
    host
        Of either generation.
    behind_driver
        Packets are seen in the stack: interrupts and runs that brought them are over, and so are driver and GRO.
    """
    places, reader, tcp, nic = host.places, host.reader, host.tcp, host.nic
    old = host.generation == "linux-2.4"
    polled = not behind_driver and places.driver_cpu is not None
    first = places.protocol_cpu if places.driver_cpu is None else places.driver_cpu
    cpus = sorted({first, places.protocol_cpu, places.reader_cpu})
    summed = nic.hardware_checksum == "verified" or (nic.hardware_checksum == "summed" and not tcp.netfilter_hooks)
    prequeue = tcp.prequeue and reader.kind == "blocking" and not (tcp.kleen_bypass and summed)
    return Receiver(
        driver_cpu=cpus.index(first) if polled else -1,
        protocol_cpu=cpus.index(places.protocol_cpu),
        reader_cpu=cpus.index(places.reader_cpu),
        mss_bytes=host.link.mss_bytes,
        window_bytes=host.socket.window_bytes,
        reader_bytes=reader.buffer_bytes,
        driver_first=int(old),
        interrupt_each=int(old),
        softirq_each=int(old),
        announced=int(not behind_driver and places.sender_cpu != first),
        interrupt_ns=_ns(host.interrupt.receive_ns),
        send_ns=_ns(host.interrupt.send_ns),
        softirq_ns=_ns(host.softirq.run_ns),
        coalesce_ns=_ns(nic.coalesce_ns) if host.wired else 0,
        driver_ns=_ns(host.driver.packet_ns),
        gro_ns=_ns(host.gro.packet_ns) if host.gro.most_bytes else 0,
        gro_bytes=host.gro.most_bytes,
        handover_ns=_ns(host.softirq.handover_ns),
        most_waiting=BACKLOG_PACKETS if old else MOST_BACKLOG,
        throttled=int(old),
        ip_ns=_ns(host.ip.skb_ns),
        checksum_ps=0 if summed else _ps(host.checksum.ns_per_byte),
        tcp_ns=_ns(tcp.skb_ns),
        ack_ns=_ns(tcp.ack_ns),
        prequeue=int(prequeue),
        wake_ns=_ns(reader.wake_ns),
        delay_ns=_ns(reader.delay_ns),
        schedule_ns=_ns(reader.schedule_ns),
        syscall_ns=_ns(reader.syscall_ns),
        copy_ns=_ns(host.copy.packet_ns),
        copy_ps=_ps(host.copy.ns_per_byte),
        fused_ps=-1 if summed or not old else _ps(host.checksum.fused_ns_per_byte),
    )


def udp(host: Host, payload_bytes: int, rcvbuf_bytes: int | None = None) -> UdpReceiver:
    """The host as the replay of datagrams takes it.

    Parameters
    ----------
    host
        Of either generation. Nobody else works on its CPUs, and one CPU takes packets from the ring to the socket.
    payload_bytes
        Of each datagram.
    rcvbuf_bytes
        Of the socket (SO_RCVBUF as the kernel keeps it); None: rmem_default.

    Raises
    ------
    ImpossibleHostError
        If sender or other processes share a CPU with the receiver, or driver and protocol do not.

    Notes
    -----
    A host has no price for UDP: `tcp.skb_ns` stands for it (assumed). What no device summed is summed while copied. In
    linux-2.4 driver and interrupt are each packet's; in linux-6 `softirq.run_ns` is paid with the interrupt, and
    `gro.packet_ns` where GRO is on, though datagrams do not merge.
    """
    _check_alone(host)
    places, reader = host.places, host.reader
    old, shared = host.generation == "linux-2.4", places.reader_cpu == places.protocol_cpu
    waking_ns = 0 if reader.kind == "polling" else _ns(reader.wake_ns) + _ns(host.interrupt.send_ns) * (not shared)
    return UdpReceiver(
        interrupt_ns=_ns(host.interrupt.receive_ns) + (_ns(host.driver.packet_ns) if old else _ns(host.softirq.run_ns)),
        softirq_ns=_ns(host.ip.skb_ns) + _ns(host.tcp.skb_ns) + _softirq_packet_ns(host),
        read_ns=_read_ns(host, payload_bytes),
        wake_ns=waking_ns,
        schedule_ns=0 if reader.kind == "polling" else _ns(reader.schedule_ns) + _ns(reader.delay_ns),
        truesize_bytes=_truesize_bytes(host, payload_bytes),
        rcvbuf_bytes=rcvbuf_bytes if rcvbuf_bytes is not None else 65_535 if old else 212_992,  # rmem_default
        ring_packets=MOST_BACKLOG + 1 if places.driver_cpu is None else host.nic.ring_packets or RING_PACKETS,
        shared_cpu=shared,
        interrupt_each=old,
        most_backlog=BACKLOG_PACKETS,
        coalesce_ns=_ns(host.nic.coalesce_ns) + _ns(host.interrupt.idle_ns),
        pass_packets=BACKLOG_PACKETS + 2 if old else 320,
        passes=1 if old else 10,
        fair=not old,
    )


def _check_alone(host: Host) -> None:
    places = host.places
    if places.driver_cpu not in (None, places.protocol_cpu):
        raise ImpossibleHostError(
            f"host {host.name!r}: places.driver_cpu {places.driver_cpu} must be protocol_cpu {places.protocol_cpu}"
            " for datagrams"
        )
    if host.scheduler.hogs or places.sender_cpu in (places.protocol_cpu, places.reader_cpu):
        raise ImpossibleHostError(f"host {host.name!r}: its CPUs must be the receiver's alone for datagrams")


def _softirq_packet_ns(host: Host) -> int:
    if host.generation == "linux-2.4":
        return _ns(host.softirq.run_ns)
    return _ns(host.driver.packet_ns) + (_ns(host.gro.packet_ns) if host.gro.most_bytes else 0)


def _read_ns(host: Host, payload_bytes: int) -> int:
    """A call that takes one datagram."""
    nic, copy_ps = host.nic, _ps(host.copy.ns_per_byte)
    if nic.hardware_checksum == "none" or (nic.hardware_checksum == "summed" and host.tcp.netfilter_hooks):
        fused = host.checksum.fused_ns_per_byte
        copy_ps = _ps(fused) if fused else copy_ps + _ps(host.checksum.ns_per_byte)
    return _ns(host.reader.syscall_ns) + _ns(host.copy.packet_ns) + -(-payload_bytes * copy_ps // 1000)


def _truesize_bytes(host: Host, payload_bytes: int) -> int:
    """Memory of a datagram: linux-2.4's buffer and sk_buff of 160 bytes; linux-6's half page or more, and 256 bytes."""
    wire_bytes = payload_bytes + HEADER_BYTES
    if host.generation == "linux-2.4":
        buffer_bytes = wire_bytes if wire_bytes < COPYBREAK_BYTES else max(1536, wire_bytes)
        return (buffer_bytes + 16 + 15) // 16 * 16 + 160
    return max(2048, 1 << (wire_bytes + 64 + 320 - 1).bit_length()) + 256

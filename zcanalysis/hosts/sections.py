"""What a host is made of: one small frozen set of prices and settings a stage, in path order.

A `Price` is uncertain, everything else is set. A price that may be None is one that not every host pays: `Host` says
which ones are missing. Units are the suffixes; bytes are payload unless said otherwise.
"""

from dataclasses import dataclass
from typing import Literal

from zcanalysis.hosts.price import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who writes."""

    write_ns_per_byte: Price
    """Copied into the send queue."""
    packet_ns: Price
    """Transmitting a packet, besides what a burst costs."""
    burst_ns: Price | None = None
    """Handing over a burst (linux-6)."""
    ack_ns: Price | None = None
    """Taking an ACK (linux-6, sender on this host)."""
    gso_bytes: int = 65536  # GSO_LEGACY_MAX_SIZE, include/linux/netdevice.h
    sndbuf_bytes: int = 4 << 20  # tcp_wmem[2]
    tsq_bytes: int | None = None
    """Most that may be on its way to IP; None: no limit."""
    cwnd_bytes: int | None = None
    """None: never the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The wire, or what stands for it."""

    delay_ns: Price
    """One way."""
    mss_bytes: int
    """Payload of a full segment."""
    gbps: Price | None = None
    """None: no limit of its own (a virtual link)."""
    framing_bytes: int = 0
    """Headers, preamble and gap of a packet: what it takes of the link besides payload."""
    bucket_bytes: int = 0
    """Where the sender is on this host and the link a shaper: what passes at once after a pause (burst of tc-tbf)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """The device and the bus behind it."""

    coalesce_ns: Price | None = None
    """How long the first packet waits for company before the device interrupts (linux-6 with a link)."""
    dma_gbps: Price | None = None
    """Into memory; None: never slower than the link."""
    dma_burst_ns: Price | None = None
    """Of each burst of dma_burst_bytes."""
    descriptor_ns: Price | None = None
    """Of each packet, on the bus."""
    dma_burst_bytes: int | None = None
    ring_packets: int | None = None
    hardware_checksum: Literal["none", "summed", "verified"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupt:
    """From one CPU or the device to another CPU."""

    receive_ns: Price
    send_ns: Price | None = None
    """Asking another CPU (linux-6)."""
    idle_ns: Price | None = None
    """Until an idle CPU runs (linux-6); None: at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """Taking packets off the ring: in the poll of linux-6, in the interrupt of linux-2.4."""

    packet_ns: Price | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gro:
    """Merging packets (linux-6)."""

    packet_ns: Price | None = None
    most_bytes: int = 0
    """Most payload of a merged skb; 0: off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Softirq:
    """Starting protocol work."""

    run_ns: Price
    """A run of linux-6; every packet's of linux-2.4."""
    handover_ns: Price | None = None
    """An skb given to another CPU's backlog (linux-6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ip:
    """From the device to TCP."""

    skb_ns: Price
    packet_ns: Price | None = None
    """Of each packet in an skb: the sender's account, the head that goes once its data have joined (linux-6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """In software, where the device did not."""

    ns_per_byte: Price
    fused_ns_per_byte: Price | None = None
    """Summed while copied (linux-2.4): copy included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tcp:
    """Segments in, ACKs out."""

    skb_ns: Price
    ack_ns: Price
    delack_ns: int = 40_000_000  # TCP_DELACK_MIN, include/net/tcp.h
    prequeue_timer_ns: int = 150_000_000  # 3 * TCP_RTO_MIN / 4, include/net/tcp.h of 2.4
    prequeue: bool = False
    """linux-2.4 has it unless tcp_low_latency is set."""
    kleen_bypass: bool = False
    """Kleen's patch of June 2002: no prequeue where nothing is left to sum."""
    netfilter_hooks: bool = False
    """They throw a device's sum away (linux-2.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """What may be under way."""

    window_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """To the reader's buffer."""

    ns_per_byte: Price
    packet_ns: Price | None = None
    free_packets: int = 0
    """Packets copied before their sender's CPU is asked to free them (skb_attempt_defer_free); 0: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """The process that reads."""

    wake_ns: Price
    """Paid by who wakes it."""
    schedule_ns: Price
    """Paid until it runs."""
    syscall_ns: Price
    delay_ns: Price | None = None
    """How long others keep the CPU when it was woken (linux-2.4)."""
    buffer_bytes: int = 128 << 10
    kind: Literal["blocking", "polling"] = "blocking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """Who else wants the reader's CPU (linux-6)."""

    hogs: int = 0
    """Busy processes beside the reader."""
    slice_ns: int = 4_000_000  # a tick at HZ = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Which CPU runs what."""

    protocol_cpu: int
    reader_cpu: int
    driver_cpu: int | None = None
    """Who polls the device or takes its interrupt; None: packets go straight to a backlog."""
    sender_cpu: int | None = None
    """None: another machine."""
    follows_sender: bool = False
    """What receives first does so where packets are sent from: a virtual link whose packets nobody steers (linux-6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One queue of the device: who may be interrupted for it, and where that is."""

    queue: int
    cpus: tuple[int, ...]
    irq: int | None = None
    numa: int | None = None

"""Named situations of a receiver, each a real configuration of two network namespaces."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from zcanalysis.errors import HostError

SMALLEST_RCVBUF_BYTES: Final = 2304  # SOCK_MIN_RCVBUF of kernel 6.x: TCP_SKB_MIN_TRUESIZE
MOST_READER_BYTES: Final = 1 << 26
MOST_DATAGRAM_BYTES: Final = 65_507
MOST_FLOWS: Final = 128
MOST_HOGS: Final = 1024
MOST_DELACK_MS: Final = 200
MOST_BUSY_POLL_US: Final = 10_000
MOST_QUEUE_BYTES: Final = 1 << 30
MOST_PAUSE_US: Final = 1_000_000
MOST_REQUEST_BYTES: Final = 1 << 16
PAGE_BYTES: Final = 4096
HEADER_BYTES: Final = 52  # IPv4, TCP and its time stamps


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How the two hosts and the link between them are set.

    Attributes
    ----------
    name
        What it is called.
    mtu
        Bytes of an IP packet on the link, 68 to 65535.
    sender_gso
        Segmentation in the kernel's lower end; without it the link carries real MTU-sized packets.
    sender_checksum_offload, receiver_checksum_offload
        `tx` and `rx` of ethtool -K. On a veth the first decides for both ends (perf, kernel 6.18): with it packets
        arrive unsummed and count as verified whatever `rx` says; without it the sender sums every byte and so does the
        receiver, whatever `rx` says. A receiver alone cannot be made to verify.
    sender_pages
        The sender hands over whole pages instead of copying into the kernel's buffers, of 32 KiB each: over a veth the
        receiver gets the sender's own, and only single pages can be mapped. Windows are then told in whole pages.
    receiver_gro
        GRO on the receiver's veth, which also gives it NAPI.
    rps_cpu
        CPU to which the receiver's device steers packets; None leaves them on the sender's CPU.
    sender_cpu, reader_cpu
        CPU of the sending and of the reading process.
    link_rate_gbps
        Rate of a token bucket at the sender, bits of L2 packets; None for no shaping.
    link_queue_bytes
        What the bucket's queue holds before it drops, with a burst of a few packets only; None for 50 ms of the rate.
    rcvbuf_bytes
        Upper bound of the receive buffer; None keeps the kernel's automatic one.
    autotuning
        Whether the receive buffer grows with the need (net.ipv4.tcp_moderate_rcvbuf).
    quickack
        Whether the receiver's route asks for an ACK of all that arrives at once.
    delack_ms
        The longest that the receiver may hold back an ACK, 1 to 200; None keeps the kernel's.
    hog_cpu
        CPU of processes at the receiver that compute without end while the transfer runs; None for no such process.
    hogs
        How many, where there is a `hog_cpu`.
    reader_bytes
        What one call of the reader asks for. None has iperf3 read (128 KiB a call) where nothing below needs our own
        reader, which then asks for as much.
    zero_copy
        Whether the reader maps pages (TCP_ZEROCOPY_RECEIVE) instead of copying: `sender_pages` and an MTU of
        4096 k + 52 bytes. What is in no whole page is copied (with `rcvbuf_bytes` most, as windows then end inside
        pages); load.json counts both under `sum_received`.
    reader_pause_us
        How long the reader sleeps after each call.
    request_bytes
        The sender writes requests of this size, each in two parts, and waits for the answer of as many bytes to each
        (write, write, read): Nagle's algorithm then waits for ACKs that the receiver delays. None for a stream.
    busy_poll_us
        How long the reader polls the device before it sleeps (SO_BUSY_POLL); needs `receiver_gro`, which brings NAPI.
    flows
        Connections, or senders of datagrams, at once.
    protocol
        Of the transfer; datagrams are sent as fast as the sender can, and count when they are read.
    udp_payload_bytes
        Of a datagram.
    congestion_control
        Of the sender.
    pace_gbps
        Payload bits that the sending process offers; None for as much as goes.
    """

    name: str
    mtu: int = 1500
    sender_gso: bool = False
    sender_checksum_offload: bool = True
    sender_pages: bool = False
    receiver_gro: bool = False
    receiver_checksum_offload: bool = True
    rps_cpu: int | None = 1
    sender_cpu: int = 0
    reader_cpu: int = 1
    link_rate_gbps: float | None = None
    link_queue_bytes: int | None = None
    rcvbuf_bytes: int | None = None
    autotuning: bool = True
    quickack: bool = False
    delack_ms: int | None = None
    hog_cpu: int | None = None
    hogs: int = 1
    reader_bytes: int | None = None
    zero_copy: bool = False
    reader_pause_us: int = 0
    request_bytes: int | None = None
    busy_poll_us: int = 0
    flows: int = 1
    protocol: Literal["tcp", "udp"] = "tcp"
    udp_payload_bytes: int = 1472
    congestion_control: str = "cubic"
    pace_gbps: float | None = None

    def __post_init__(self) -> None:
        for why in (*_outside_bounds(self), *_contradictions(self)):
            raise ValueError(why)

    @property
    def has_own_traffic(self) -> bool:
        """Whether it needs our sender and receiver instead of iperf3's."""
        asked = (self.reader_bytes is not None, self.zero_copy, self.sender_pages, self.busy_poll_us > 0)
        return any(asked) or self.protocol == "udp" or self.reader_pause_us > 0 or self.request_bytes is not None

    @property
    def cpus(self) -> frozenset[int]:
        """Every CPU it names."""
        named = {self.sender_cpu, self.reader_cpu, self.rps_cpu, self.hog_cpu}
        return frozenset(cpu for cpu in named if cpu is not None)

    def as_json(self) -> dict[str, Any]:
        """The configuration for host.json."""
        return asdict(self)


def _outside_bounds(scenario: Scenario) -> Iterator[str]:
    """What is said of each value that cannot be by itself."""
    bounds: dict[str, tuple[float, float]] = {
        "mtu": (68, 65_535), "sender_cpu": (0, math.inf), "reader_cpu": (0, math.inf), "rps_cpu": (0, math.inf),
        "hog_cpu": (0, math.inf), "hogs": (1, MOST_HOGS), "reader_bytes": (1, MOST_READER_BYTES),
        "busy_poll_us": (0, MOST_BUSY_POLL_US), "flows": (1, MOST_FLOWS), "delack_ms": (1, MOST_DELACK_MS),
        "udp_payload_bytes": (1, MOST_DATAGRAM_BYTES), "link_queue_bytes": (1, MOST_QUEUE_BYTES),
        "reader_pause_us": (0, MOST_PAUSE_US), "request_bytes": (2, MOST_REQUEST_BYTES),
    }  # fmt: skip
    for name, (least, most) in bounds.items():
        value = getattr(scenario, name)
        if value is not None and not least <= value <= most:
            yield f"{name} must be {least} to {most}, got {value}" if most < math.inf else f"{name} must be 0 or above"
    size = scenario.rcvbuf_bytes
    for name in ("link_rate_gbps", "pace_gbps"):
        rate = getattr(scenario, name)
        if rate is not None and not 0 < rate < math.inf:
            yield f"{name} must be > 0, got {rate}"
    if size is not None and size < SMALLEST_RCVBUF_BYTES:
        yield f"rcvbuf_bytes must be at least {SMALLEST_RCVBUF_BYTES}, got {size}"
    if scenario.protocol not in ("tcp", "udp"):
        yield f"protocol must be tcp or udp, got {scenario.protocol}"
    if not scenario.name:
        yield "name must not be empty"


def _contradictions(scenario: Scenario) -> Iterator[str]:
    """What is said of values that exclude each other."""
    if scenario.busy_poll_us and not scenario.receiver_gro:
        yield "busy_poll_us must be 0 without receiver_gro: a veth has no NAPI to poll"
    if scenario.busy_poll_us and (scenario.flows > 1 or scenario.zero_copy):
        yield "busy_poll_us must be 0 with several flows or zero_copy: poll(2) heeds a setting of all hosts only"
    if scenario.sender_pages and scenario.flows > 1:
        yield "flows must be 1 with sender_pages"
    if scenario.link_queue_bytes is not None and scenario.link_rate_gbps is None:
        yield "link_queue_bytes must be left alone without link_rate_gbps: there is no queue"
    if scenario.reader_pause_us or scenario.request_bytes is not None:
        yield from _not_for_slow_ends(scenario)
    if scenario.zero_copy:
        yield from _unmappable(scenario)
    if scenario.protocol == "udp":
        yield from _not_for_datagrams(scenario)


def _not_for_slow_ends(scenario: Scenario) -> Iterator[str]:
    name = "request_bytes" if scenario.request_bytes is not None else "reader_pause_us"
    if scenario.flows > 1 or scenario.zero_copy or scenario.sender_pages or scenario.protocol == "udp":
        yield f"{name} needs one TCP connection that copies"
    if scenario.request_bytes is not None and scenario.reader_pause_us:
        yield "reader_pause_us must be 0 with request_bytes"


def _unmappable(scenario: Scenario) -> Iterator[str]:
    if not scenario.sender_pages:
        yield "sender_pages must be true with zero_copy: pages of 32 KiB cannot be mapped"
    if scenario.mtu < PAGE_BYTES + HEADER_BYTES or (scenario.mtu - HEADER_BYTES) % PAGE_BYTES:
        yield f"mtu must be {PAGE_BYTES} k + {HEADER_BYTES} with zero_copy (4148, 8244, …), got {scenario.mtu}"
    if scenario.reader_bytes is not None and scenario.reader_bytes % PAGE_BYTES:
        yield f"reader_bytes must be whole pages of {PAGE_BYTES} with zero_copy, got {scenario.reader_bytes}"


def _not_for_datagrams(scenario: Scenario) -> Iterator[str]:
    asked = {
        "zero_copy": scenario.zero_copy, "sender_pages": scenario.sender_pages, "quickack": scenario.quickack,
        "delack_ms": scenario.delack_ms is not None, "rcvbuf_bytes": scenario.rcvbuf_bytes is not None,
        "autotuning": not scenario.autotuning,
    }  # fmt: skip
    for name in (name for name, wanted in asked.items() if wanted):
        yield f"{name} must be left alone with udp: it acts on TCP"
    if scenario.reader_bytes is not None and scenario.reader_bytes < scenario.udp_payload_bytes:
        yield f"reader_bytes must hold a datagram of {scenario.udp_payload_bytes}, got {scenario.reader_bytes}"


BASELINE: Final = "mtu-1500"

SCENARIOS: Final = (
    Scenario(name=BASELINE),
    Scenario(name="mtu-3000", mtu=3000),
    Scenario(name="mtu-9000", mtu=9000),
    Scenario(name="gro", receiver_gro=True, rps_cpu=None),
    Scenario(name="gro-mtu-9000", mtu=9000, receiver_gro=True, rps_cpu=None),
    Scenario(name="no-rps", rps_cpu=None),
    Scenario(name="small-buffer", rcvbuf_bytes=65_536),
    Scenario(name="cpu-hog", hog_cpu=1),
    Scenario(name="rate-4g", link_rate_gbps=4.0),
    Scenario(name="lossy", link_rate_gbps=1.0, link_queue_bytes=30_000),
    Scenario(name="paced", pace_gbps=1.0),
    Scenario(name="slow-reader", reader_pause_us=1000),
    Scenario(name="requests", request_bytes=2000),
    Scenario(name="whole-pages", mtu=4148, sender_pages=True),
    Scenario(name="udp", protocol="udp"),
    Scenario(name="udp-8k", protocol="udp", udp_payload_bytes=8192),
)


def scenario_named(name: str) -> Scenario:
    """The scenario of that name.

    Raises
    ------
    HostError
        If there is none.
    """
    for scenario in SCENARIOS:
        if scenario.name == name:
            return scenario
    raise HostError(f"{name}: no such scenario; there are {', '.join(s.name for s in SCENARIOS)}")

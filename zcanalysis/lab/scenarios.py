"""Named situations of a receiver, each a real configuration of two network namespaces."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from zcanalysis.errors import HostError

SMALLEST_RCVBUF_BYTES: Final = 2304  # SOCK_MIN_RCVBUF of kernel 6.x: TCP_SKB_MIN_TRUESIZE


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
    receiver_gro
        GRO on the receiver's veth, which also gives it NAPI.
    rps_cpu
        CPU to which the receiver's device steers packets; None leaves them on the sender's CPU.
    sender_cpu, reader_cpu
        CPU of the sending and of the reading process.
    link_rate_gbps
        Rate of a token bucket at the sender, bits of L2 packets; None for no shaping.
    rcvbuf_bytes
        Upper bound of the receive buffer; None keeps the kernel's automatic one.
    hog_cpu
        CPU of a process at the receiver that computes without end while the transfer runs; None for no such process.
    congestion_control
        Of the sender.
    pace_gbps
        Payload bits that the sending process offers; None for as much as goes.
    sender_checksum
        Off: the sender sums in software, and its packets arrive as nobody's whose sum was verified.
    """

    name: str
    mtu: int = 1500
    sender_gso: bool = False
    receiver_gro: bool = False
    rps_cpu: int | None = 1
    sender_cpu: int = 0
    reader_cpu: int = 1
    link_rate_gbps: float | None = None
    rcvbuf_bytes: int | None = None
    hog_cpu: int | None = None
    congestion_control: str = "cubic"
    pace_gbps: float | None = None
    sender_checksum: bool = True

    def __post_init__(self) -> None:
        if not 68 <= self.mtu <= 65_535:  # noqa: PLR2004 - IPv4's smallest, the largest a device takes
            raise ValueError(f"mtu must be 68 to 65535, got {self.mtu}")
        for rate in ("link_rate_gbps", "pace_gbps"):
            if (gbps := getattr(self, rate)) is not None and not gbps > 0:
                raise ValueError(f"{rate} must be > 0, got {gbps}")
        if self.rcvbuf_bytes is not None and self.rcvbuf_bytes < SMALLEST_RCVBUF_BYTES:
            raise ValueError(f"rcvbuf_bytes must be at least {SMALLEST_RCVBUF_BYTES}, got {self.rcvbuf_bytes}")

    @property
    def cpus(self) -> frozenset[int]:
        """Every CPU it names."""
        named = {self.sender_cpu, self.reader_cpu, self.rps_cpu, self.hog_cpu}
        return frozenset(cpu for cpu in named if cpu is not None)

    def as_json(self) -> dict[str, Any]:
        """The configuration for host.json."""
        return asdict(self)


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

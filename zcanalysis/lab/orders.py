"""What our own sender and receiver are told, apart from them: whoever starts them needs no machine code."""

import json
from dataclasses import asdict, dataclass
from typing import Final

SENDER, RECEIVER = "zc-sender", "zc-receiver"
"""Names of the two processes, as perf and ps show them."""
BLOCK_BYTES: Final = 128 << 10
"""What one call moves where nothing else is asked: iperf3's block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a process is told.

    Attributes
    ----------
    parent
        The process with whose death it ends; 0 for whichever starts it.
    address, port
        Of the receiver.
    cpu
        The only one it runs on.
    protocol
        ``tcp`` or ``udp``.
    flows
        Connections.
    call_bytes
        Most bytes of one call.
    seconds
        After which it ends: a sender, for its receiver ends with the connection.
    congestion_control
        Of a sender.
    whole_pages
        A sender hands over pages instead of copying; a receiver maps them instead of copying.
    busy_poll_us
        Of a receiver: how long it polls the device before it sleeps.
    pause_us
        Of a receiver: how long it sleeps after each call.
    request_bytes
        A sender writes requests of this size, each in two parts, a receiver answers each; 0 for a stream.
    """

    parent: int
    address: str
    port: int
    cpu: int
    protocol: str = "tcp"
    flows: int = 1
    call_bytes: int = BLOCK_BYTES
    seconds: float = 3600.0
    congestion_control: str = "cubic"
    whole_pages: bool = False
    busy_poll_us: int = 0
    pause_us: int = 0
    request_bytes: int = 0

    def as_argument(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

"""NFS over UDP: through which buffers a byte goes, at the client, at the server, and on the way out."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

import numpy as np

from zcanalysis.model.arrays import Floats
from zcanalysis.model.memory_bus import Touch, mixed_crossings

DMA_IN, READ, WRITE, DMA_OUT = Touch.DMA_IN, Touch.READ, Touch.WRITE, Touch.DMA_OUT
BUFFERS: Final = ("packets", "datagram", "page cache", "program")


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What is done with each buffer that a byte lies in, one after the other."""

    buffers: Mapping[str, tuple[Touch, ...]]
    copies: int
    sums_meanwhile: int = 0  # made while copying
    sums_apart: int = 0  # a pass of their own

    def __post_init__(self) -> None:
        touches = [touch for buffer in self.buffers.values() for touch in buffer]
        if self.copies > touches.count(WRITE):
            raise ValueError(f"{self.copies} copies must write as many buffers, got {touches.count(WRITE)}")


# Client, a READ's answer; its program reads what it asked for, in its own buffer or in the page cache. Copied together:
# 2.4.0 net/ipv4/ip_fragment.c:510-584; chained: 2.4.17 :508-578; to the page cache, sums included: net/sunrpc/xprt.c
# csum_partial_copy_to_page_cache, 2.4.17 :615-729.
CLIENT: Final[Mapping[str, Walk]] = {
    "copied together (2.4.0)": Walk(
        buffers={"packets": (DMA_IN, READ), "datagram": (WRITE, READ), "page cache": (WRITE, READ),
                 "program": (WRITE, READ)},
        copies=3, sums_meanwhile=1,
    ),
    "chained (2.4.17)": Walk(
        buffers={"packets": (DMA_IN, READ), "page cache": (WRITE, READ), "program": (WRITE, READ)},
        copies=2, sums_meanwhile=1,
    ),
    "chained, page cache mapped": Walk(
        buffers={"packets": (DMA_IN, READ), "page cache": (WRITE, READ)}, copies=1, sums_meanwhile=1
    ),
    "hypothetical: card fills page cache": Walk(buffers={"page cache": (DMA_IN, READ)}, copies=0),
}  # fmt: skip

# Server, a WRITE's request. svc_udp_recvfrom makes a chain one piece and sums it in a pass of its own (2.4.17
# net/sunrpc/svcsock.c:384-399); nfsd then writes to the page cache.
SERVER: Final[Mapping[str, Walk]] = {
    "copied together (2.4.0)": Walk(
        buffers={"packets": (DMA_IN, READ), "datagram": (WRITE, READ, READ), "page cache": (WRITE,)},
        copies=2, sums_apart=1,
    ),
    "chained, made one piece (2.4.17)": Walk(
        buffers={"packets": (DMA_IN, READ), "datagram": (WRITE, READ, READ), "page cache": (WRITE,)},
        copies=2, sums_apart=1,
    ),
    "the same, card sums any data": Walk(
        buffers={"packets": (DMA_IN, READ), "datagram": (WRITE, READ), "page cache": (WRITE,)}, copies=2
    ),
    "chain walked, sum meanwhile": Walk(
        buffers={"packets": (DMA_IN, READ), "page cache": (WRITE,)}, copies=1, sums_meanwhile=1
    ),
}  # fmt: skip

# On the way out, from a page cache that has it. A card that cannot sum or gather makes sendfile copy all the same
# (tcp_sendpage: sock_no_sendpage unless the route has NETIF_F_SG and a NETIF_F_*_CSUM; the zero-copy patch of 2.4).
SENDING: Final[Mapping[str, Walk]] = {
    "read and write": Walk(
        buffers={"page cache": (READ,), "program": (WRITE, READ), "packets": (WRITE, DMA_OUT)},
        copies=2, sums_meanwhile=1,
    ),
    "sendfile, card cannot sum": Walk(
        buffers={"page cache": (READ,), "packets": (WRITE, DMA_OUT)}, copies=1, sums_meanwhile=1
    ),
    "sendfile or TUX, card sums": Walk(buffers={"page cache": (DMA_OUT,)}, copies=0),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Of machines that serve or are served; shape (n,) each."""

    miss_ns_per_byte: Floats  # the CPU waits for a line, by byte
    pass_ns_per_byte: Floats  # instructions of a pass over what is in the cache
    fused_share: Floats  # of a pass that a sum adds to a copy
    packet_ns: Floats  # receive or send one packet: interrupt, IP, a piece of a datagram
    packet_bytes: Floats  # of payload
    request_ns: Floats  # UDP, RPC, NFS, file system, wake-ups
    request_bytes: Floats  # rsize or wsize: one datagram
    memory_gbps: Floats  # that the memory reaches
    kept: Mapping[str, Floats]  # by buffer, the share still in the cache at the next touch

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name != "kept" and not (np.asarray(getattr(self, field.name)) >= 0).all():
                raise ValueError(f"{field.name} must be >= 0")


class Cost(NamedTuple):
    """CPU time for a byte, in ns; shape (n,) each."""

    waiting: Floats
    copying: Floats
    summing: Floats
    packets: Floats
    request: Floats

    def ns_per_byte(self) -> Floats:
        """All together."""
        total: Floats = np.sum(np.broadcast_arrays(*self), axis=0)
        return total


def walk_cost(walk: Walk, prices: Prices) -> Cost:
    """What the CPU pays for a byte.

    Parameters
    ----------
    walk
        One of `CLIENT`, `SERVER` or `SENDING`.
    prices
        Of the machines.
    """
    missed = walk_crossings(walk, prices)["missed"]
    sums = walk.sums_apart + walk.sums_meanwhile * prices.fused_share
    return Cost(
        missed * prices.miss_ns_per_byte,
        walk.copies * prices.pass_ns_per_byte,
        sums * prices.pass_ns_per_byte,
        prices.packet_ns / prices.packet_bytes,
        prices.request_ns / prices.request_bytes,
    )


def walk_crossings(walk: Walk, prices: Prices) -> dict[str, Floats]:
    """What a byte crosses, by the names of memory_bus.Crossings."""
    return mixed_crossings((touches, prices.kept[name]) for name, touches in walk.buffers.items())


def walk_gbps(walk: Walk, prices: Prices) -> Floats:
    """What one CPU and the memory carry; shape (n,)."""
    return np.minimum(
        8 / walk_cost(walk, prices).ns_per_byte(), prices.memory_gbps / walk_crossings(walk, prices)["memory"]
    )

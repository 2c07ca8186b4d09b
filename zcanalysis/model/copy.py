"""Copy to user: the reader moves payload to its buffer, or has its pages mapped there."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from zcanalysis.model.arrays import Bytes, Floats, Groups, Mask, Nanoseconds, Rows, group_first, require, whole_ns
from zcanalysis.model.compiling import over_scenarios


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Price of a copy whose source may still be in the last-level cache."""

    near_gbytes_per_s: float  # source in the cache; one GB/s is one byte per nanosecond
    far_gbytes_per_s: float  # source in memory
    cache_bytes: int  # of the last-level cache that received data may fill
    packet_ns: float = 0.0

    def __post_init__(self) -> None:
        require(self.near_gbytes_per_s, "near_gbytes_per_s", 0, beyond=True)
        require(self.far_gbytes_per_s, "far_gbytes_per_s", 0, beyond=True)
        require(self.cache_bytes, "cache_bytes", 0)
        require(self.packet_ns, "packet_ns", 0)


# csum+copy with cold caches: 3430 cycles/KB at 1.2 GHz (Denis Vlasenko, linux-kernel, October 2002, Celeron 1200). That
# was a fused pass of 2-4 MB; near is assumed equal, for want of a figure, and so is the cache (256 KB).
CELERON_1200 = Copy(near_gbytes_per_s=1024 / (3430 / 1.2), far_gbytes_per_s=1024 / (3430 / 1.2), cache_bytes=256 << 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Price of giving the reader the pages instead."""

    page_ns: float  # insert, count and take away one page
    flush_ns: float  # one TLB flush, other CPUs included
    page_bytes: int = 4096
    pages_per_flush: int = 32  # TCP_ZEROCOPY_PAGE_BATCH_SIZE, 6.18 net/ipv4/tcp.c:2175

    def __post_init__(self) -> None:
        require(self.page_ns, "page_ns", 0)
        require(self.flush_ns, "flush_ns", 0)
        require(self.page_bytes, "page_bytes", 1)
        require(self.pages_per_flush, "pages_per_flush", 1)


class Copied(NamedTuple):
    """When each packet is with the reader, and how much had been waiting when its copy began, itself included."""

    departure_ns: Nanoseconds
    in_flight_bytes: Bytes


def through_copy(arrival_ns: Nanoseconds, payload_bytes: Bytes, copy: Copy) -> Copied:
    """When the reader holds each packet's last byte, at a price that rises with what has piled up before it.

    Parameters
    ----------
    arrival_ns
        Shape (..., n), non-decreasing. When each packet is ready to be read.
    payload_bytes
        Shape (..., n), >= 0.
    copy
        Its prices.

    Notes
    -----
    The share of a packet that is still in the cache is taken as cache over bytes in flight, at most one: `assumed`,
    between the none that strict LRU would leave of a queue longer than the cache and the all of a copy that begins with
    the newest. Rounding to nanoseconds is carried over to the next packet, so that it never adds up.
    """
    prices = [copy.near_gbytes_per_s, copy.far_gbytes_per_s, float(copy.cache_bytes), copy.packet_ns]
    return Copied(*_through_copy(arrival_ns, payload_bytes, np.array(prices)))


@over_scenarios("(n),(n),(k)->(n),(n)", "void(int64[:], int64[:], float64[:], int64[:], int64[:])")
def _through_copy(
    arrival_ns: Nanoseconds,
    payload_bytes: Bytes,
    prices: Floats,
    departure_ns: Nanoseconds,
    in_flight_bytes: Bytes,
) -> None:
    near, far, cache_bytes, packet_ns = prices
    free_ns = arrived = waiting_bytes = 0
    owed_ns, near_byte_ns = 0.0, 1.0 / near
    for i in range(arrival_ns.size):
        free_ns = max(free_ns, arrival_ns[i])
        while arrived < arrival_ns.size and arrival_ns[arrived] <= free_ns:
            waiting_bytes += payload_bytes[arrived]
            arrived += 1
        byte_ns = near_byte_ns
        if waiting_bytes > cache_bytes:
            hit = cache_bytes / waiting_bytes
            byte_ns = hit / near + (1.0 - hit) / far
        owed_ns += packet_ns + payload_bytes[i] * byte_ns
        whole = np.int64(np.rint(owed_ns))
        owed_ns -= whole
        free_ns += whole
        departure_ns[i], in_flight_bytes[i] = free_ns, waiting_bytes
        waiting_bytes -= payload_bytes[i]


def mapped_pages(payload_bytes: Bytes, aligned: Mask, mapping: Mapping) -> Rows:
    """How many pages of each packet can be mapped: full ones, of payload that begins at a page.

    Parameters
    ----------
    payload_bytes
        Shape (..., n).
    aligned
        Shape (..., n). Payload at offset 0 of a page of its own: header split (can_map_frag, 6.18 net/ipv4/tcp.c:1886).
    mapping
        Its page size.
    """
    return np.where(aligned, payload_bytes // mapping.page_bytes, 0)


def mapping_ns(pages: Rows, call: Groups, mapping: Mapping) -> Nanoseconds:
    """What mapping costs the reader for each packet; the rest of its bytes is still to be copied.

    Parameters
    ----------
    pages
        Shape (..., n), from mapped_pages.
    call
        Shape (..., n), non-decreasing. In which of the reader's calls each packet is received: one flush a call
        (zap_page_range_single, 6.18 net/ipv4/tcp.c:1846-2325), charged to its first packet, and one more for each full
        batch of pages before it (assumed: the batch is inserted under one lock, flushes may be fewer).
    mapping
        Its prices.
    """
    before = np.cumsum(pages, axis=-1) - pages
    at_call = np.maximum.accumulate(np.where(group_first(call), before, 0), axis=-1)
    batches_before = -(-(before - at_call) // mapping.pages_per_flush)
    batches = -(-(before - at_call + pages) // mapping.pages_per_flush)
    return whole_ns(pages * mapping.page_ns + (batches - batches_before) * mapping.flush_ns)

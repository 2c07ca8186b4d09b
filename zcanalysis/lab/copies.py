"""What a byte costs to copy, by how much memory is gone through before it comes round again."""

import os
import time
from typing import Final, NamedTuple

import numpy as np

from zcanalysis.lab.native import copy_memory, native, read_at

CHUNK_BYTES: Final = 1 << 16
RINGS_BYTES: Final = tuple(1 << power for power in range(16, 27))
"""64 KB to 64 MB: from a part of the second level's cache to more than the last level's."""
LEAST_BYTES: Final = 64 << 20
ROUNDS: Final = 7


class CopyRound(NamedTuple):
    """One pass over a ring of memory, often enough to be timed."""

    kind: str
    """``user``: memcpy. ``kernel``: read of a file in memory, page cache to process."""
    ring_bytes: int
    ns_per_byte: float


@native
def _copied(to: int, start: int, ring_bytes: int, passes: int) -> None:
    for _ in range(passes):
        for offset in range(0, ring_bytes, CHUNK_BYTES):
            copy_memory(to, start + offset, CHUNK_BYTES)


@native
def _read(fd: int, to: int, ring_bytes: int, passes: int) -> int:
    short = 0
    for _ in range(passes):
        for offset in range(0, ring_bytes, CHUNK_BYTES):
            short += read_at(fd, to, CHUNK_BYTES, offset) != CHUNK_BYTES
    return short


def copy_rounds(cpu: int) -> list[CopyRound]:
    """All rings, one after the other, in several rounds, on one CPU.

    Parameters
    ----------
    cpu
        Which one; this thread moves there.

    Notes
    -----
    The destination is one chunk of 64 KB that stays in the cache, as a reader's buffer does. A chunk's call (300 ns)
    and the look-up of its pages are in the price: as they are where a socket's data is copied.
    """
    os.sched_setaffinity(0, {cpu})
    target, source = (np.ones(size, np.uint8) for size in (CHUNK_BYTES, RINGS_BYTES[-1]))
    fd = os.memfd_create("zcanalysis")
    try:
        for offset in range(0, RINGS_BYTES[-1], CHUNK_BYTES):
            os.pwrite(fd, target.tobytes(), offset)
        return [
            CopyRound(kind, ring, _timed(kind, fd, target, source, ring))
            for _ in range(ROUNDS)
            for ring in RINGS_BYTES
            for kind in ("user", "kernel")
        ]
    finally:
        os.close(fd)


def _timed(kind: str, fd: int, target: "np.ndarray[tuple[int], np.dtype[np.uint8]]",
           source: "np.ndarray[tuple[int], np.dtype[np.uint8]]", ring: int) -> float:  # fmt: skip
    passes = max(LEAST_BYTES // ring, 1)
    for count in (1, passes):  # the first brings into the caches what fits
        from_ns = time.monotonic_ns()
        if kind == "user":
            _copied(target.ctypes.data, source.ctypes.data, ring, count)
        elif _read(fd, target.ctypes.data, ring, count):
            raise OSError("a file in memory is shorter than what was written to it")
        elapsed_ns = time.monotonic_ns() - from_ns
    return elapsed_ns / (passes * ring)

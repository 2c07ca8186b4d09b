"""Loops that do nothing but call the kernel: what a sender or a receiver costs beside it is next to nothing.

Each comes back when its time is over, or when a call gives nothing; Python then looks why.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import types

from zcanalysis.lab.native import Integers, native, now_ns, of_libc

Bytes = npt.NDArray[np.uint8]
Shorts = npt.NDArray[np.int16]

DONTWAIT: Final = 0x40
POLL_MS: Final = 100

CALLS, COPIED_BYTES, MAPPED_BYTES, GAVE_NOTHING = 0, 1, 2, 3
"""Places in a tally; the last is set by a call that gave nothing, which ends the loop."""
TALLY: Final = 4
READING, WRITING = 0, 1
"""Ways of a loop that moves."""

DESCRIPTOR, EVENTS, ANSWERS = 0, 2, 3
"""Places in struct pollfd as four words of 16 bits: the descriptor takes two."""
POLLIN, POLLOUT = 1, 4
CLOSED: Final = -1  # poll() passes by negative descriptors

IPPROTO_TCP: Final = 6
ZEROCOPY_RECEIVE: Final = 35  # include/uapi/linux/tcp.h
REQUEST_WORDS: Final = 16  # struct tcp_zerocopy_receive of the same file
ADDRESS, LENGTH, SKIP_HINT = 0, 2, 3
WAITING: Final = 4
"""Place of the bytes that a sender's second pipe still holds, behind its socket and the ends of its pipes."""
PAGES_BYTES: Final = 1 << 16
"""Sixteen pages, as many as a pipe holds and a splice takes."""

_recv: Final = of_libc("recv", types.intp, types.int32, types.intp, types.uintp, types.int32)
_send: Final = of_libc("send", types.intp, types.int32, types.intp, types.uintp, types.int32)
_poll: Final = of_libc("poll", types.int32, types.intp, types.uintp, types.int32)
_tee: Final = of_libc("tee", types.intp, types.int32, types.int32, types.uintp, types.uint32)
_splice: Final = of_libc(
    "splice", types.intp, types.int32, types.intp, types.int32, types.intp, types.uintp, types.uint32
)
_getsockopt: Final = of_libc("getsockopt", types.int32, types.int32, types.int32, types.int32, types.intp, types.intp)


@native
def _polled(sockets: Integers, events: int) -> Shorts:
    polled = np.zeros((len(sockets), 4), np.int16)
    for at in range(len(sockets)):
        polled[at, DESCRIPTOR], polled[at, EVENTS] = sockets[at], events
        if sockets[at] < 0:
            polled[at, DESCRIPTOR + 1] = CLOSED
    return polled


@native
def _moved(way: int, socket: int, buffer: Bytes, flags: int) -> int:
    if way == WRITING:
        return _send(socket, buffer.ctypes.data, buffer.size, flags)
    return _recv(socket, buffer.ctypes.data, buffer.size, flags)


@native
def _counted(tally: Integers, count: int) -> bool:
    """Whether a call gave something; what it gave is added."""
    if count <= 0:
        tally[GAVE_NOTHING] = 1
        return False
    tally[CALLS] += 1
    tally[COPIED_BYTES] += count
    return True


@native
def move_one(way: int, sockets: Integers, buffer: Bytes, until_ns: int, tally: Integers) -> None:
    """One connection: a call waits for it."""
    moment = np.zeros(2, np.int64)
    while now_ns(moment) < until_ns:
        if not _counted(tally, _moved(way, sockets[0], buffer, 0)):
            return


@native
def move_many(way: int, sockets: Integers, buffer: Bytes, until_ns: int, tally: Integers) -> None:
    """Several in turn, whichever can; one that has been read to its end is put out of the list."""
    moment, polled = np.zeros(2, np.int64), _polled(sockets, POLLOUT if way == WRITING else POLLIN)
    while now_ns(moment) < until_ns:
        if _poll(polled.ctypes.data, len(sockets), POLL_MS) <= 0:
            tally[GAVE_NOTHING] = 1
            return
        for at in range(len(sockets)):
            if polled[at, ANSWERS] == 0:
                continue
            if not _counted(tally, _moved(way, sockets[at], buffer, DONTWAIT)):
                if way == READING:
                    sockets[at] = CLOSED
                return


@native
def map_one(socket_and_place: Integers, buffer: Bytes, until_ns: int, tally: Integers) -> None:
    """One connection, its pages mapped where the kernel can, and the rest read."""
    socket, place = socket_and_place[0], socket_and_place[1]
    moment, request, size = np.zeros(2, np.int64), np.zeros(REQUEST_WORDS, np.uint32), np.zeros(1, np.uint32)
    polled = _polled(socket_and_place[:1], POLLIN)
    while now_ns(moment) < until_ns:
        if _poll(polled.ctypes.data, 1, POLL_MS) <= 0:
            tally[GAVE_NOTHING] = 1
            return
        request[:] = 0
        request[ADDRESS], request[ADDRESS + 1] = place & 0xFFFFFFFF, place >> 32
        request[LENGTH] = buffer.size
        size[0] = 4 * REQUEST_WORDS
        answer = _getsockopt(socket, IPPROTO_TCP, ZEROCOPY_RECEIVE, request.ctypes.data, size.ctypes.data)
        mapped = int(request[LENGTH]) if answer == 0 else 0
        left = min(int(request[SKIP_HINT]), buffer.size) if answer == 0 else 1
        copied = max(_recv(socket, buffer.ctypes.data, left, DONTWAIT), 0) if left else 0
        if mapped + copied == 0:
            tally[GAVE_NOTHING] = 1
            return
        tally[CALLS] += 1
        tally[MAPPED_BYTES] += mapped
        tally[COPIED_BYTES] += copied


@native
def splice_one(socket_and_pipes: Integers, _buffer: Bytes, until_ns: int, tally: Integers) -> None:
    """One connection, which gets the pages of a pipe, never copied."""
    socket, full, into, out_of = socket_and_pipes[:4]
    moment = np.zeros(2, np.int64)
    while now_ns(moment) < until_ns:
        if socket_and_pipes[WAITING] <= 0:
            socket_and_pipes[WAITING] = _tee(full, into, PAGES_BYTES, 0)
        count = _splice(out_of, 0, socket, 0, socket_and_pipes[WAITING], 0)
        if not _counted(tally, count):
            return
        socket_and_pipes[WAITING] -= count

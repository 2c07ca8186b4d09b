"""Loops that do nothing but call the kernel: what a sender or a receiver costs beside it is next to nothing.

Each comes back when its time is over, or when a call gives nothing; Python then looks why. libc's functions are found
by name when the machine code is loaded, so that it can be kept on disk (`machine_code`).
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import types

from zcanalysis.machine_code import machine_code

Bytes = npt.NDArray[np.uint8]
Shorts = npt.NDArray[np.int16]
Longs = npt.NDArray[np.int64]

DONTWAIT: Final = 0x40
POLL_MS: Final = 100
MONOTONIC: Final = 1
NS_PER_S: Final = 1_000_000_000

CALLS, COPIED_BYTES, MAPPED_BYTES, GAVE_NOTHING = 0, 1, 2, 3
"""Places in a tally; the last is set by a call that gave nothing, which ends the loop."""
TALLY: Final = 4

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


def _libc(name: str, answer: Any, *arguments: Any) -> Callable[..., int]:  # noqa: ANN401 - numba has no types
    function: Callable[..., int] = types.ExternalFunction(name, answer(*arguments))
    return function


_recv = _libc("recv", types.intp, types.int32, types.intp, types.uintp, types.int32)
_send = _libc("send", types.intp, types.int32, types.intp, types.uintp, types.int32)
_poll = _libc("poll", types.int32, types.intp, types.uintp, types.int32)
_tee = _libc("tee", types.intp, types.int32, types.int32, types.uintp, types.uint32)
_splice = _libc("splice", types.intp, types.int32, types.intp, types.int32, types.intp, types.uintp, types.uint32)
_getsockopt = _libc("getsockopt", types.int32, types.int32, types.int32, types.int32, types.intp, types.intp)
_clock_gettime = _libc("clock_gettime", types.int32, types.int32, types.intp)


def _now_ns(moment: Longs) -> int:
    _clock_gettime(MONOTONIC, moment.ctypes.data)
    return int(moment[0] * NS_PER_S + moment[1])


_now_ns = machine_code(_now_ns)


def _polled(sockets: Longs, events: int) -> Shorts:
    polled = np.zeros((len(sockets), 4), np.int16)
    for at in range(len(sockets)):
        polled[at, DESCRIPTOR], polled[at, EVENTS] = sockets[at], events
        if sockets[at] < 0:
            polled[at, DESCRIPTOR + 1] = CLOSED
    return polled


_polled = machine_code(_polled)


def _read_one(sockets: Longs, buffer: Bytes, until_ns: int, tally: Longs) -> None:
    moment = np.zeros(2, np.int64)
    while _now_ns(moment) < until_ns:
        count = _recv(sockets[0], buffer.ctypes.data, buffer.size, 0)
        if count <= 0:
            tally[GAVE_NOTHING] = 1
            return
        tally[CALLS] += 1
        tally[COPIED_BYTES] += count


def _read_many(sockets: Longs, buffer: Bytes, until_ns: int, tally: Longs) -> None:
    moment, polled = np.zeros(2, np.int64), _polled(sockets, POLLIN)
    while _now_ns(moment) < until_ns:
        if _poll(polled.ctypes.data, len(sockets), POLL_MS) <= 0:
            tally[GAVE_NOTHING] = 1
            return
        for at in range(len(sockets)):
            if polled[at, ANSWERS] == 0:
                continue
            count = _recv(sockets[at], buffer.ctypes.data, buffer.size, DONTWAIT)
            if count <= 0:
                sockets[at] = CLOSED
                tally[GAVE_NOTHING] = 1
                return
            tally[CALLS] += 1
            tally[COPIED_BYTES] += count


def _write_one(sockets: Longs, buffer: Bytes, until_ns: int, tally: Longs) -> None:
    moment = np.zeros(2, np.int64)
    while _now_ns(moment) < until_ns:
        count = _send(sockets[0], buffer.ctypes.data, buffer.size, 0)
        if count <= 0:
            tally[GAVE_NOTHING] = 1
            return
        tally[CALLS] += 1
        tally[COPIED_BYTES] += count


def _write_many(sockets: Longs, buffer: Bytes, until_ns: int, tally: Longs) -> None:
    moment, polled = np.zeros(2, np.int64), _polled(sockets, POLLOUT)
    while _now_ns(moment) < until_ns:
        if _poll(polled.ctypes.data, len(sockets), POLL_MS) <= 0:
            tally[GAVE_NOTHING] = 1
            return
        for at in range(len(sockets)):
            if polled[at, ANSWERS] == 0:
                continue
            count = _send(sockets[at], buffer.ctypes.data, buffer.size, DONTWAIT)
            if count <= 0:
                tally[GAVE_NOTHING] = 1
                return
            tally[CALLS] += 1
            tally[COPIED_BYTES] += count


def _map_one(socket_and_place: Longs, buffer: Bytes, until_ns: int, tally: Longs) -> None:
    socket, place = socket_and_place[0], socket_and_place[1]
    moment, request, size = np.zeros(2, np.int64), np.zeros(REQUEST_WORDS, np.uint32), np.zeros(1, np.uint32)
    polled = _polled(socket_and_place[:1], POLLIN)
    while _now_ns(moment) < until_ns:
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


def _splice_one(socket_and_pipes: Longs, _buffer: Bytes, until_ns: int, tally: Longs) -> None:
    socket, full, into, out_of = socket_and_pipes[:4]
    moment = np.zeros(2, np.int64)
    while _now_ns(moment) < until_ns:
        if socket_and_pipes[WAITING] <= 0:
            socket_and_pipes[WAITING] = _tee(full, into, PAGES_BYTES, 0)
        count = _splice(out_of, 0, socket, 0, socket_and_pipes[WAITING], 0)
        if count <= 0:
            tally[GAVE_NOTHING] = 1
            return
        socket_and_pipes[WAITING] -= count
        tally[CALLS] += 1
        tally[COPIED_BYTES] += count


read_one = machine_code(_read_one)
read_many = machine_code(_read_many)
write_one = machine_code(_write_one)
write_many = machine_code(_write_many)
map_one = machine_code(_map_one)
splice_one = machine_code(_splice_one)

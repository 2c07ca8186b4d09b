"""Loops that mostly wait, so an interpreter is fast enough: a reader that pauses, requests and their answers.

Called like those of `socket_loops`: each comes back when its time is over, or when a call gives nothing.
"""

import os
import time

from zcanalysis.lab import socket_loops as loops
from zcanalysis.lab.native import Integers


class Pausing:
    """A reader that sleeps after each call."""

    def __init__(self, pause_us: int) -> None:
        self._pause_s = pause_us / 1e6

    def __call__(self, sockets: Integers, buffer: loops.Bytes, until_ns: int, tally: Integers) -> None:
        """Read and pause, in turn."""
        while time.monotonic_ns() < until_ns:
            if not _counted(tally, _read(int(sockets[0]), buffer)):
                return
            time.sleep(self._pause_s)


class Asking:
    """A sender of requests: two writes, then it reads the answer."""

    def __init__(self, request_bytes: int) -> None:
        self._parts = (bytes(request_bytes - request_bytes // 2), bytes(request_bytes // 2))
        self._missing = 0

    def __call__(self, sockets: Integers, _buffer: loops.Bytes, until_ns: int, tally: Integers) -> None:
        """Ask, wait, ask again; an answer may come in the next call."""
        descriptor = int(sockets[0])
        while time.monotonic_ns() < until_ns:
            if self._missing <= 0:
                try:
                    sent = sum(os.write(descriptor, part) for part in self._parts)
                except OSError:
                    sent = 0
                if not _counted(tally, sent):
                    return
                self._missing = sent
            try:
                got = len(os.read(descriptor, self._missing))
            except OSError:
                got = 0
            if got <= 0:
                tally[loops.GAVE_NOTHING] = 1
                return
            self._missing -= got


class Answering:
    """A receiver that answers each whole request with as many bytes."""

    def __init__(self, request_bytes: int) -> None:
        self._answer = bytes(request_bytes)
        self._held = 0

    def __call__(self, sockets: Integers, buffer: loops.Bytes, until_ns: int, tally: Integers) -> None:
        """Read, and answer what is whole."""
        descriptor = int(sockets[0])
        while time.monotonic_ns() < until_ns:
            got = _read(descriptor, buffer)
            if not _counted(tally, got):
                return
            self._held += got
            while self._held >= len(self._answer):
                try:
                    os.write(descriptor, self._answer)
                except OSError:
                    tally[loops.GAVE_NOTHING] = 1
                    return
                self._held -= len(self._answer)


def _read(descriptor: int, buffer: loops.Bytes) -> int:
    """Bytes read; 0 where nothing came in time, or the connection is over."""
    try:
        return os.readv(descriptor, [buffer.data])
    except OSError:
        return 0


def _counted(tally: Integers, count: int) -> bool:
    if count <= 0:
        tally[loops.GAVE_NOTHING] = 1
        return False
    tally[loops.CALLS] += 1
    tally[loops.COPIED_BYTES] += count
    return True

"""Readers that pause and requests with their answers, over a socket pair."""

import socket
import threading
import time

import numpy as np

from zcanalysis.lab import socket_loops as loops
from zcanalysis.lab.waiting_loops import Answering, Asking, Pausing

REQUEST_BYTES = 2_001


def tally() -> np.ndarray:
    return np.zeros(loops.TALLY, np.int64)


def in_ns(ms: int) -> int:
    return time.monotonic_ns() + ms * 1_000_000


def test_a_pausing_reader_sleeps_after_each_call():
    here, there = socket.socketpair()
    with here, there:
        there.sendall(bytes(1000))
        counted, buffer = tally(), np.zeros(100, np.uint8)
        Pausing(10_000)(np.array([here.fileno()]), buffer, in_ns(55), counted)
    assert 1 <= counted[loops.CALLS] <= 6
    assert counted[loops.COPIED_BYTES] == 100 * counted[loops.CALLS]


def test_each_request_is_answered_before_the_next_is_sent():
    here, there = socket.socketpair()
    with here, there:
        for one in (here, there):
            one.settimeout(1)  # a non-blocking descriptor would be asked in a hurry
            one.setblocking(True)
        asked, answered = tally(), tally()
        buffer = np.zeros(4096, np.uint8)
        answering = threading.Thread(
            target=Answering(REQUEST_BYTES), args=(np.array([there.fileno()]), buffer, in_ns(400), answered)
        )
        answering.start()
        Asking(REQUEST_BYTES)(np.array([here.fileno()]), buffer, in_ns(200), asked)
        here.shutdown(socket.SHUT_WR)
        answering.join()
    assert asked[loops.CALLS] > 1
    assert asked[loops.COPIED_BYTES] == REQUEST_BYTES * asked[loops.CALLS] == answered[loops.COPIED_BYTES]
    assert answered[loops.GAVE_NOTHING] == 1


def test_a_loop_whose_time_is_over_does_nothing():
    for loop in (Pausing(1), Asking(10), Answering(10)):
        counted = tally()
        loop(np.zeros(1, np.int64), np.zeros(10, np.uint8), 0, counted)
        assert not counted.any()


def test_a_connection_that_is_over_ends_the_loop():
    here, there = socket.socketpair()
    there.close()
    with here:
        for loop in (Pausing(1), Answering(10)):
            counted = tally()
            loop(np.array([here.fileno()]), np.zeros(10, np.uint8), in_ns(1000), counted)
            assert counted[loops.GAVE_NOTHING] == 1

"""Our own sender and receiver, where iperf3 cannot vary what is asked: the reader's size, mapped pages, busy polling.

`python -m zcanalysis.lab.traffic receiver|sender ORDERS` is the process itself: pinned, told what to do by one JSON
argument, ended by SIGINT, SIGTERM or its parent's death. It writes a newline when the transfer begins and at the end a
report like that of ``iperf3 --json``.
"""

import contextlib
import ctypes
import fcntl
import json
import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final

import numpy as np

from zcanalysis.lab import socket_loops as loops
from zcanalysis.lab.native import Integers
from zcanalysis.lab.orders import RECEIVER, SENDER, Orders
from zcanalysis.lab.waiting_loops import Answering, Asking, Pausing
from zcanalysis.rates import BITS_PER_BYTE, NS_PER_S

INTERVAL_NS: Final = 100_000_000
INTERVAL: Final = (0, INTERVAL_NS // 1000)  # struct timeval: no call sleeps longer
CONNECT_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 0.02
BUSY_POLL: Final = 46  # asm-generic/socket.h SO_BUSY_POLL

Loop = Callable[[Integers, loops.Bytes, int, Integers], None]


@dataclass(slots=True)
class Work:
    """What a process has done so far, and whether it shall stop."""

    orders: Orders
    tally: Integers = field(default_factory=lambda: np.zeros(loops.TALLY, np.int64))
    asked: bool = False
    intervals: list[tuple[int, int, int]] = field(default_factory=list)
    """From, to (ns of the monotonic clock), bytes."""
    zero_epoch_ns: int = 0
    """When the first interval began."""

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """A signal to end."""
        self.asked = True

    def is_wanted(self) -> bool:
        """Whether nobody has asked it to end, and its parent lives."""
        return not self.asked and os.getppid() == self.orders.parent

    @property
    def moved_bytes(self) -> int:
        """Bytes of payload, copied or mapped."""
        return int(self.tally[loops.COPIED_BYTES] + self.tally[loops.MAPPED_BYTES])


def main() -> None:
    """Be one end of a transfer; the report goes to standard output."""
    role, told = sys.argv[1:]
    orders = Orders(**json.loads(told))
    work = Work(replace(orders, parent=orders.parent or os.getppid()))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, work.ask)
    os.sched_setaffinity(0, {work.orders.cpu})
    Path("/proc/self/comm").write_text(SENDER if role == "sender" else RECEIVER)
    try:
        report = _sent(work) if role == "sender" else _received(work)
    except OSError as error:
        report = {"error": f"{role}: {error}"}
    sys.stdout.write(json.dumps(report) + "\n")


def _sent(work: Work) -> dict[str, Any]:
    loop, buffer = _prepared(work, _writing(work.orders))
    with contextlib.ExitStack() as cleanup:
        sockets = [cleanup.enter_context(_connected(work)) for _ in range(work.orders.flows)]
        what = [made.fileno() for made in sockets]
        if work.orders.whole_pages:
            what += [*_pipes(cleanup), 0]
        _work(work, loop, (np.array(what, np.int64), buffer), lambda _: any(map(_is_broken, sockets)))
    return _report(work) | {"end": {"sum_sent": _sum(work)}}


def _received(work: Work) -> dict[str, Any]:
    loop, buffer = _prepared(work, _reading(work.orders))
    with contextlib.ExitStack() as cleanup:
        sockets = list(_accepted(work, cleanup))
        if not sockets:
            return {"error": "receiver: ended before anybody connected"}
        what = [made.fileno() for made in sockets]
        if work.orders.whole_pages:
            what.append(_mapped_place(sockets[0], work.orders.call_bytes))
        _work(work, loop, (np.array(what, np.int64), buffer), lambda left: _is_over(sockets, left))
    return _report(work) | {"end": {"sum_received": _sum(work)}}


def _writing(orders: Orders) -> Loop:
    if orders.request_bytes:
        return Asking(orders.request_bytes)
    if orders.whole_pages:
        return loops.splice_one
    return partial(loops.move_one if orders.flows == 1 else loops.move_many, loops.WRITING)


def _reading(orders: Orders) -> Loop:
    if orders.request_bytes:
        return Answering(orders.request_bytes)
    if orders.pause_us:
        return Pausing(orders.pause_us)
    if orders.whole_pages:
        return loops.map_one
    one = orders.flows == 1 or orders.protocol == "udp"
    return partial(loops.move_one if one else loops.move_many, loops.READING)


def _prepared(work: Work, loop: Loop) -> tuple[Loop, loops.Bytes]:
    """The loop, its machine code loaded while nothing counts (no time, so it does nothing), and what it moves."""
    buffer = np.zeros(work.orders.call_bytes, np.uint8)
    loop(np.zeros(loops.WAITING + 1, np.int64), buffer, 0, work.tally)
    return loop, buffer


def _work(work: Work, loop: Loop, with_what: tuple[Integers, loops.Bytes], is_over: Callable[[Integers], bool]) -> None:
    """Let the loop run, an interval at a time, until it is over."""
    sys.stdout.write("\n")
    sys.stdout.flush()
    work.zero_epoch_ns, from_ns = time.time_ns(), time.monotonic_ns()
    end_ns, over = from_ns + int(work.orders.seconds * NS_PER_S), False
    while not over and work.is_wanted() and from_ns < end_ns:
        before = work.moved_bytes
        while not over and not work.asked and time.monotonic_ns() < from_ns + INTERVAL_NS:
            work.tally[loops.GAVE_NOTHING] = 0
            loop(*with_what, from_ns + INTERVAL_NS, work.tally)
            over = bool(work.tally[loops.GAVE_NOTHING]) and is_over(with_what[0])
        to_ns = time.monotonic_ns()
        work.intervals.append((from_ns, to_ns, work.moved_bytes - before))
        from_ns = to_ns


def _report(work: Work) -> dict[str, Any]:
    """Without the empty intervals at the end: whoever waits for datagrams does not know that there are no more."""
    while work.intervals and not work.intervals[-1][2]:
        work.intervals.pop()
    zero_ns = work.intervals[0][0] if work.intervals else 0
    rows = [
        _row((from_ns - zero_ns) / NS_PER_S, (to_ns - zero_ns) / NS_PER_S, count)
        for from_ns, to_ns, count in work.intervals
    ]
    return {"start": _start(work), "intervals": [{"sum": row} for row in rows]}


def _start(work: Work) -> dict[str, Any]:
    orders = work.orders
    return {
        "version": "zcanalysis.lab.traffic",
        "zero_epoch_ns": work.zero_epoch_ns,
        "timestamp": {"timesecs": work.zero_epoch_ns // NS_PER_S},
        "test_start": {
            "protocol": orders.protocol.upper(), "num_streams": orders.flows, "blksize": orders.call_bytes,
            "duration": orders.seconds,
        },
    }  # fmt: skip


def _row(start: float, end: float, count: int) -> dict[str, Any]:
    seconds = end - start
    rate = count * BITS_PER_BYTE / seconds if seconds else 0.0
    return {"start": start, "end": end, "seconds": seconds, "bytes": count, "bits_per_second": rate}


def _sum(work: Work) -> dict[str, Any]:
    calls, copied, mapped = (int(work.tally[at]) for at in (loops.CALLS, loops.COPIED_BYTES, loops.MAPPED_BYTES))
    seconds = (work.intervals[-1][1] - work.intervals[0][0]) / NS_PER_S if work.intervals else 0.0
    return _row(0.0, seconds, copied + mapped) | {"calls": calls, "copied_bytes": copied, "mapped_bytes": mapped}


def _connected(work: Work) -> socket.socket:
    """Waits for the receiver to listen."""
    orders = work.orders
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        made = _socket(orders)
        if orders.protocol == "tcp":
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, orders.congestion_control.encode())
        try:
            made.connect((orders.address, orders.port))
        except OSError:
            made.close()
            if time.monotonic() > deadline or not work.is_wanted():
                raise
            time.sleep(RETRY_SECONDS)
        else:
            return made


def _socket(orders: Orders) -> socket.socket:
    kind = socket.SOCK_STREAM if orders.protocol == "tcp" else socket.SOCK_DGRAM
    made = socket.socket(socket.AF_INET, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        made.setsockopt(socket.SOL_SOCKET, option, np.array(INTERVAL, np.int64).tobytes())
    if orders.busy_poll_us:
        made.setsockopt(socket.SOL_SOCKET, BUSY_POLL, orders.busy_poll_us)
    return made


def _accepted(work: Work, cleanup: contextlib.ExitStack) -> Iterator[socket.socket]:
    """The connections once all are there; with UDP the one socket once something arrived."""
    orders = work.orders
    door = cleanup.enter_context(_socket(orders))
    door.bind((orders.address, orders.port))
    if orders.protocol == "udp":
        while work.is_wanted() and _gives_nothing(door):
            time.sleep(RETRY_SECONDS)
        yield door
        return
    door.listen(orders.flows)
    missing = orders.flows
    while work.is_wanted() and missing:
        with contextlib.suppress(BlockingIOError):
            yield cleanup.enter_context(door.accept()[0])
            missing -= 1
    door.close()


def _gives_nothing(made: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError, InterruptedError):
        return not made.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    return True


def _is_over(sockets: list[socket.socket], left: Integers) -> bool:
    """Whether the other ends of all connections have closed them, or they are broken."""
    if sockets[0].type == socket.SOCK_DGRAM:
        return False
    if len(sockets) > 1:
        return bool((left < 0).all())
    try:
        return not sockets[0].recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return True


def _is_broken(made: socket.socket) -> bool:
    """Whether a connection can send no more; datagrams can always be sent to nobody."""
    if made.type == socket.SOCK_DGRAM:
        return False
    try:
        made.send(b"", socket.MSG_DONTWAIT)
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return True
    return False


def _mapped_place(made: socket.socket, size_bytes: int) -> int:
    """Address where the kernel may map received pages."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    place = libc.mmap(None, size_bytes, mmap.PROT_READ, mmap.MAP_SHARED, made.fileno(), 0)
    if place in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "the socket cannot be mapped")
    return int(place)


def _pipes(cleanup: contextlib.ExitStack) -> tuple[int, int, int]:
    """A pipe full of pages, and both ends of another that gets the same pages again and again.

    Pages of a pipe are single and belong to no file: of the pages that can be sent without being copied, only such
    can be mapped by a receiver on the same machine (net/ipv4/tcp.c can_map_frag).
    """
    ends = [end for _ in range(2) for end in os.pipe()]
    for end in ends:
        cleanup.callback(os.close, end)
    full, fill, out_of, into = ends
    for end in (fill, into):
        fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, loops.PAGES_BYTES)
    os.write(fill, bytes(loops.PAGES_BYTES))
    return full, into, out_of


if __name__ == "__main__":
    main()

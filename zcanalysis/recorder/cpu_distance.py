"""How far apart two CPUs are: the time a cache line takes from one to the other and back.

A virtual machine's CPUs wander over those of its host, from one core's two threads to two sockets, and nothing in the
machine says so; the price of whatever two CPUs share wanders with them. Measured in one machine within minutes, by a
compiled loop of the same kind: 60 to 560 ns a round trip, while arithmetic and copies kept their speed.

Run as a program it answers a line ``CPU CPU`` on standard input with the round trip in ns, 0 where it cannot be had.
It needs no other module, so that it starts quickly and may fork.
"""

import contextlib
import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Final

SOURCE: Final = "distance"
"""What COUNTERS calls it."""
SAME_PLACE: Final = 1.4
"""Round trips of two CPUs that stay where they are differ by no more than this factor: 230 to 310 ns in one place."""
ROUNDS: Final = 600
LOST_SECONDS: Final = 1  # somebody with a higher priority keeps the other CPU
GOODBYE_SECONDS: Final = 2.0


def in_one_place(trips_ns: Collection[int]) -> bool:
    """Whether two CPUs stayed as far apart as they were, by some round trips; true of none.

    Examples
    --------
    >>> in_one_place([260, 310, 230]), in_one_place([260, 470])
    (True, False)
    """
    return not trips_ns or max(trips_ns) <= SAME_PLACE * min(trips_ns)


class CpuDistance:
    """A process that measures when it is asked and sleeps in between; a context manager."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True, text=True, bufsize=1,
        )  # fmt: skip

    def round_trip_ns(self, cpu: int, other_cpu: int) -> int | None:
        """Median over 600 round trips, about 3 ms in which both CPUs spin; None where it cannot be had.

        Parameters
        ----------
        cpu, other_cpu
            Two different CPUs.

        Notes
        -----
        The loop is Python's, whose own steps are in it: 200 to 260 ns between a core's two threads, 450 to 500 ns
        where a compiled loop takes 350 to 560 ns. Good for telling one place from another, not for a price.
        """
        if self.process.stdin is None or self.process.stdout is None:
            return None
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(f"{cpu} {other_cpu}\n")
            return int(self.process.stdout.readline()) or None
        return None

    def __enter__(self) -> "CpuDistance":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process, and its fork should it still spin."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=GOODBYE_SECONDS)


def _measured_ns(cpu: int, other_cpu: int) -> int:
    """Median round trip of one byte of shared memory."""
    shared = mmap.mmap(-1, mmap.PAGESIZE)
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            _answer(shared, other_cpu)
        os._exit(0)
    try:
        os.sched_setaffinity(0, {cpu})
        times = sorted(_round_trips(shared))
        return times[len(times) // 2]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _answer(shared: mmap.mmap, cpu: int) -> None:
    os.sched_setaffinity(0, {cpu})
    for _ in range(ROUNDS):
        while shared[0] != 1:
            pass
        shared[0] = 2


def _round_trips(shared: mmap.mmap) -> Iterator[int]:
    for _ in range(ROUNDS):
        from_ns = time.perf_counter_ns()
        shared[0] = 1
        while shared[0] != 2:  # noqa: PLR2004 - the other's answer
            pass
        yield time.perf_counter_ns() - from_ns


def _lost(_number: int, _frame: object) -> None:
    raise TimeoutError


def main() -> None:
    """Answer questions until there are no more."""
    signal.signal(signal.SIGALRM, _lost)
    for line in sys.stdin:
        found = 0
        with contextlib.suppress(OSError, ValueError):
            cpu, other_cpu = map(int, line.split())
            signal.alarm(LOST_SECONDS)
            found = _measured_ns(cpu, other_cpu)
        signal.alarm(0)
        sys.stdout.write(f"{found}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""A process inside the receiver that sleeps until it is asked how much the reader has read.

Two questions a window, half a millisecond each: iperf3's own intervals are laid on the time axis by them, and
nothing else of ours runs in between. `python -m zcanalysis.lab.meter` is the process itself.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import IO, NamedTuple

from zcanalysis.errors import HostError
from zcanalysis.lab.alignment import CARRIES_SHARE
from zcanalysis.lab.children import ending_with_us
from zcanalysis.lab.namespaces import HostPair, inside
from zcanalysis.own_code import our_environment
from zcanalysis.recorder.sockets import dump_sockets, parse_sockets

GOODBYE_SECONDS = 5.0


class MeterReading(NamedTuple):
    """What the reader had read at one moment."""

    ts_ns: int
    read_bytes: int


class Meter(NamedTuple):
    """The process and the two pipes to it."""

    process: "subprocess.Popen[bytes]"
    questions: IO[bytes]
    answers: IO[bytes]

    def read(self) -> MeterReading:
        """Ask once.

        Raises
        ------
        HostError
            If the process is gone.
        """
        with contextlib.suppress(BrokenPipeError):
            self.questions.write(b"\n")
            self.questions.flush()
        answer = self.answers.readline().split()
        if len(answer) != len(MeterReading._fields):
            raise HostError("the process that reads the receiver's sockets is gone")
        return MeterReading(*map(int, answer))


@contextlib.contextmanager
def running_meter(pair: HostPair) -> Iterator[Meter]:
    """A meter in the receiver's namespace, ready; gone on the way out."""
    process = subprocess.Popen(
        ending_with_us(inside(pair.receiver, [sys.executable, "-m", "zcanalysis.lab.meter"])),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=our_environment(), start_new_session=True,
    )  # fmt: skip
    try:
        if process.stdin is None or process.stdout is None:
            raise HostError("the meter has no pipes")
        meter = Meter(process, process.stdin, process.stdout)
        meter.read()
        yield meter
    finally:
        process.kill()
        process.communicate(timeout=GOODBYE_SECONDS)


def read_so_far() -> MeterReading:
    """Bytes taken from the sockets of this namespace that carry the transfer, and when: in the middle of asking."""
    before_ns = time.time_ns()
    dump = dump_sockets()
    after_ns = time.time_ns()
    counters = [connection.counters for connection in parse_sockets(dump)]
    least_bytes = CARRIES_SHARE * max((each.get("bytes_received", 0) for each in counters), default=0)
    carrying = [each for each in counters if each.get("bytes_received", 0) >= max(least_bytes, 1)]
    read_bytes = sum(each["bytes_received"] - each["recv_q"] for each in carrying)
    return MeterReading((before_ns + after_ns) // 2, read_bytes)


def main() -> None:
    """Answer every line on standard input until there is none."""
    for _ in sys.stdin:
        reading = read_so_far()
        sys.stdout.write(f"{reading.ts_ns} {reading.read_bytes}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

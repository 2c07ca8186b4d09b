"""perf and tcpdump as anybody starts them: looking from the entry of a block until its end."""

import contextlib
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zcanalysis.errors import HostError, last_words
from zcanalysis.lab.children import ASKED, ending_with_us
from zcanalysis.lab.namespaces import RECEIVER_DEVICE, HostPair, inside
from zcanalysis.recorder.interruption import interruptions_held_back
from zcanalysis.recorder.probes import Child, end_child, spawn

READY_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.005
LONGEST_SECONDS: Final = "120"
SNAPLEN_BYTES: Final = "96"
BUFFER_KIB: Final = "131072"

SAMPLES_TAKEN: Final = re.compile(rb"\((\d+) samples\)")


@dataclass(frozen=True, slots=True)
class BareProbe:
    """One way to disturb: what it is called, how it is started, when it looks, how long a window lasts."""

    name: str
    arguments: tuple[str, ...]
    looks: Callable[[Child, Path], bool]
    seconds: float | None = None
    """None takes the length of the untouched windows."""


@dataclass(slots=True)
class Tally:
    """What perf said when it ended; None of other probes."""

    samples_per_s: float | None = None


def _perf(hertz: int, *chains: str) -> tuple[str, ...]:
    """All CPUs, output to standard output: the caller sends it to a file."""
    fixed = ("perf", "record", "-a", "-N", "-e", "cpu-clock", "-k", "CLOCK_MONOTONIC", "-m", "2M")
    return (*fixed, *chains, "-F", str(hertz), "-o", "perf.data", "--", "sleep", LONGEST_SECONDS)


def _perf_looks(child: Child, _log: Path) -> bool:
    """Perf turns its events on, then lets the command go."""
    with contextlib.suppress(OSError):
        for pid in Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split():
            if Path(f"/proc/{pid}/comm").read_text().strip() == "sleep":
                return True
    return False


def _tcpdump_looks(_child: Child, log: Path) -> bool:
    return b"listening on" in log.read_bytes()


CAPTURE: Final = (
    "timeout", "-k", "1", LONGEST_SECONDS, "tcpdump", "-i", RECEIVER_DEVICE, "-s", SNAPLEN_BYTES, "-B", BUFFER_KIB,
    "-n", "--time-stamp-precision=nano", "-w", "capture.pcap",
)  # fmt: skip

BARE_PROBES: Final = (
    BareProbe("199 Hz with chains", _perf(199, "-g"), _perf_looks),
    BareProbe("499 Hz with chains", _perf(499, "-g"), _perf_looks),
    BareProbe("499 Hz without", _perf(499), _perf_looks),
    BareProbe("4999 Hz with chains", _perf(4999, "-g"), _perf_looks),
    BareProbe("capture", CAPTURE, _tcpdump_looks, seconds=0.5),
)


@contextlib.contextmanager
def looking(probe: BareProbe, pair: HostPair, scratch: Path) -> Iterator[Tally]:
    """Let a probe look while the block runs; its files are thrown away.

    Raises
    ------
    HostError
        If it cannot be started, does not look within 20 s, or took no sample.
    """
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=scratch) as place, contextlib.ExitStack() as cleanup:
        log = cleanup.enter_context((Path(place) / "log").open("w+b"))
        command = ending_with_us(inside(pair.receiver, probe.arguments), ASKED)
        with interruptions_held_back():
            child = spawn(command, stdout=subprocess.DEVNULL, stderr=log, cwd=place)
            cleanup.callback(end_child, child, signal.SIGINT)
        _await_looking(probe, child, Path(place) / "log")
        from_s = time.monotonic()
        yield tally
        elapsed_s = time.monotonic() - from_s
        end_child(child, signal.SIGINT)
        if probe.arguments[0] == "perf":
            tally.samples_per_s = _samples_taken(probe, (Path(place) / "log").read_bytes()) / elapsed_s


def _await_looking(probe: BareProbe, child: Child, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not probe.looks(child, log):
        if time.monotonic() > deadline or child.poll() is not None:
            raise HostError(f"{probe.name}: does not look: {last_words(log.read_bytes(), 'it said nothing')}")
        time.sleep(POLL_SECONDS)


def _samples_taken(probe: BareProbe, log: bytes) -> int:
    """What perf says it took."""
    found = SAMPLES_TAKEN.search(log)
    if found is None or not int(found[1]):
        raise HostError(f"{probe.name}: perf took no sample")
    return int(found[1])

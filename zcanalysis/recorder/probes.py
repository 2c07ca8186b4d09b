"""The two probes that disturb: perf and tcpdump, started so that we know when they really look.

A probe looks from the return of its `start` until its `stop`: a phase opened and closed in between lies
strictly inside. Both end by themselves if we are killed: perf runs over a `sleep`, tcpdump has a packet cap.
"""

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import zstandard

from zcanalysis.errors import HostError
from zcanalysis.recorder.capture_file import NOTHING_YET, CaptureProgress, advance, cut

Child = subprocess.Popen[bytes]

READY_SECONDS: Final = 20.0
STOP_SECONDS: Final = 20.0
CONVERT_SECONDS: Final = 600.0
DRAIN_SECONDS: Final = 1.5
DRAIN_STEP_SECONDS: Final = 0.05
CAPTURE_MARGIN_NS: Final = 2_000_000
SNAPLEN_BYTES: Final = 96
CAPTURE_BUFFER_KIB: Final = 131_072
CAPTURE_PACKETS: Final = 500_000
SAMPLING_HZ: Final = 4999
SCRIPT_FIELDS: Final = "comm,pid,tid,cpu,time,period,event,ip,sym,dso"
ZSTD_LEVEL: Final = 10
HIDDEN_KERNEL: Final = b"[unknown] ([kernel"
DIRECTORIES: Final = re.compile(rb"\(/(?:[^()]*/)?(?=[^()/]+(?: \(deleted\))?\)$)")


def spawn(arguments: Sequence[str], **descriptors: object) -> Child:
    """Start a child in a process group of its own, so that Ctrl-C reaches us alone.

    Raises
    ------
    HostError
        If the program does not exist or may not be executed.
    """
    try:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            list(arguments), stdin=subprocess.DEVNULL, start_new_session=True, **descriptors
        )
    except OSError as error:
        raise HostError(f"{arguments[0]}: cannot be started: {error.strerror or error}") from error


def end_child(child: Child, first_signal: int = signal.SIGTERM) -> None:
    """Signal the child's process group, then kill it if it does not end."""
    for number, patience_seconds in ((first_signal, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        if child.poll() is not None:
            return
        try:
            os.killpg(child.pid, number)
            child.wait(patience_seconds)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def why_perf_cannot_run() -> str | None:
    """One line, or None when system-wide sampling works here."""
    if shutil.which("perf") is None:
        return "perf is not installed; install linux-perf (linux-tools)"
    paranoid = Path("/proc/sys/kernel/perf_event_paranoid")
    if os.geteuid() != 0 and (not paranoid.exists() or int(paranoid.read_text()) > 0):
        return "perf may not sample all CPUs; run as root or set sysctl kernel.perf_event_paranoid=0"
    return None


def why_tcpdump_cannot_run() -> str | None:
    """One line, or None when capturing may work here."""
    if shutil.which("tcpdump") is None:
        return "tcpdump is not installed"
    if os.geteuid() != 0:
        return "tcpdump may not capture; run as root"
    return None


def hidden_symbols_note() -> str | None:
    """One line when the kernel hides its addresses from us, else None."""
    try:
        level = int(Path("/proc/sys/kernel/kptr_restrict").read_text())
    except (OSError, ValueError):
        return None
    if level > 1 or (level == 1 and os.geteuid() != 0):
        return f"kernel symbols are hidden (kernel.kptr_restrict={level}); set it to 0 while recording"
    return None


@dataclass(slots=True)
class PerfProbe:
    """`perf record` of all CPUs with call chains, held back until it is enabled through its control pipe."""

    child: Child
    data_path: Path
    control: int
    acknowledged: int
    log: IO[bytes]

    @classmethod
    def start(cls, directory: Path, longest_seconds: float) -> "PerfProbe":
        """Start perf and return when it samples.

        Raises
        ------
        HostError
            If perf does not start sampling within 20 s; with its own last words.
        """
        control_theirs, control = os.pipe()
        acknowledged, acknowledged_theirs = os.pipe()
        data_path, log = directory / "perf.data", (directory / "perf.log").open("w+b")
        arguments = ["perf", "record", "-a", "-g", "-N", "-e", "cpu-clock", "-F", str(SAMPLING_HZ)]
        arguments += ["-k", "CLOCK_MONOTONIC", "-m", "2M", "-D", "-1", "-o", str(data_path)]
        arguments += ["--control", f"fd:{control_theirs},{acknowledged_theirs}"]
        arguments += ["--", "sleep", str(int(longest_seconds + 2 * READY_SECONDS))]
        child = spawn(arguments, stdout=log, stderr=log, pass_fds=(control_theirs, acknowledged_theirs))
        os.close(control_theirs)
        os.close(acknowledged_theirs)
        probe = cls(child, data_path, control, acknowledged, log)
        if not probe._order("enable", READY_SECONDS):
            end_child(child)
            raise HostError(f"perf record does not sample: {_last_words(log)}")
        return probe

    def _order(self, order: str, patience_seconds: float) -> bool:
        try:
            os.write(self.control, f"{order}\n".encode())
        except BrokenPipeError:
            return False
        readable, _, _ = select.select([self.acknowledged], [], [], patience_seconds)
        return bool(readable) and b"ack" in os.read(self.acknowledged, 64)

    def stop(self, _from_ns: int, _to_ns: int) -> None:
        """End sampling and close perf.data."""
        if self.child.poll() is None and self._order("disable", STOP_SECONDS):
            self._order("stop", STOP_SECONDS)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(STOP_SECONDS)
        end_child(self.child, signal.SIGINT)
        os.close(self.control)
        os.close(self.acknowledged)


@dataclass(slots=True)
class TcpdumpProbe:
    """`tcpdump` of one device with a large buffer, writing through our own file."""

    child: Child
    path: Path
    log: IO[bytes]
    progress: CaptureProgress = NOTHING_YET
    ended_early: bool = False
    """It stopped by itself (packet cap) before it was told to."""

    @classmethod
    def start(cls, directory: Path, device: str) -> "TcpdumpProbe":
        """Start tcpdump and return when it listens.

        Raises
        ------
        HostError
            If it does not listen within 20 s; with its own last words.
        """
        path, log = directory / "capture.pcap", (directory / "tcpdump.log").open("w+b")
        arguments = ["tcpdump", "-i", device, "-s", str(SNAPLEN_BYTES), "-B", str(CAPTURE_BUFFER_KIB), "-n"]
        arguments += ["--time-stamp-precision=nano", "-c", str(CAPTURE_PACKETS), "-w", "-"]
        with path.open("wb") as output:
            child = spawn(arguments, stdout=output, stderr=log)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and child.poll() is None:
            if b"listening on" in _written(log):
                return cls(child, path, log)
            time.sleep(DRAIN_STEP_SECONDS / 10)
        end_child(child)
        raise HostError(f"tcpdump does not listen on {device}: {_last_words(log)}")

    def stop(self, from_ns: int, to_ns: int) -> None:
        """Wait until the buffer is drained past `to_ns` (epoch), stop, and keep the window with a small margin."""
        self.ended_early = self.child.poll() is not None
        deadline = time.monotonic() + DRAIN_SECONDS
        until_ns = to_ns + CAPTURE_MARGIN_NS
        while time.monotonic() < deadline:
            self.progress = advance(self.path, self.progress, until_ns)
            if self.progress.last_ns > until_ns or self.child.poll() is not None:
                break
            time.sleep(DRAIN_STEP_SECONDS)
        end_child(self.child, signal.SIGINT)
        self.progress = advance(self.path, self.progress, until_ns)
        cut(self.path, advance(self.path, NOTHING_YET, from_ns - CAPTURE_MARGIN_NS), self.progress)


Probe = PerfProbe | TcpdumpProbe


def _written(log: IO[bytes]) -> bytes:
    return os.pread(log.fileno(), 1 << 16, 0)


def _last_words(log: IO[bytes]) -> str:
    lines = [line.strip() for line in _written(log).decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def probe_log(probe: Probe) -> str:
    """What the probe said on standard error, so far."""
    return _written(probe.log).decode(errors="replace")


def lost_packets(log: str) -> tuple[int | None, int | None]:
    """Packets (received by the filter, dropped by the kernel) in tcpdump's farewell; None where it is silent.

    Examples
    --------
    >>> lost_packets("9 packets received by filter, 2 packets dropped by kernel")
    (9, 2)
    """
    received = re.search(r"(\d+) packets? received by filter", log)
    dropped = re.search(r"(\d+) packets? dropped by kernel", log)
    return int(received[1]) if received else None, int(dropped[1]) if dropped else None


@dataclass(slots=True)
class TextCounts:
    """Counts while perf's text goes by: what was lost, which CPUs gave samples of their idle time."""

    events: int = 0
    chunks: int = 0
    hidden_symbols: int = 0
    idle_samples: Counter[int] = field(default_factory=Counter)

    def kept(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The lines that are not about losses, without the directories of programs: they may name a person."""
        for line in lines:
            if b"PERF_RECORD_LOST" in line:
                self.events += int(re.sub(rb"\D", b"", line.rpartition(b"lost")[2]) or b"0")
                self.chunks += 1
                continue
            self.hidden_symbols += HIDDEN_KERNEL in line
            if line.startswith(b"swapper"):
                self._count_idle(line)
            yield DIRECTORIES.sub(b"(", line) if line.startswith(b"\t") else line

    def _count_idle(self, line: bytes) -> None:
        cpu = re.search(rb"\[(\d+)\]", line)
        if cpu:
            self.idle_samples[int(cpu[1])] += 1


def write_perf_text(data_path: Path, text_path: Path) -> TextCounts:
    """Turn perf.data into compressed text, one block a sample, and remove it.

    Raises
    ------
    HostError
        If `perf script` fails; perf.data is kept then.
    """
    arguments = ["perf", "script", "--ns", "--no-inline", "--show-lost-events", "-F", SCRIPT_FIELDS]
    counts = TextCounts()
    child = spawn([*arguments, "-i", str(data_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        with child, text_path.open("wb") as file:
            with zstandard.ZstdCompressor(level=ZSTD_LEVEL).stream_writer(file) as writer:
                for line in counts.kept(child.stdout or ()):
                    writer.write(line)
            if child.wait(CONVERT_SECONDS) != 0:
                raise HostError(f"perf script failed with status {child.returncode} on {data_path}")
    finally:
        end_child(child)
    data_path.unlink()
    return counts


def compress_file(path: Path) -> Path:
    """Replace a file by its zstandard form, `.zst` appended."""
    compressed = path.with_name(f"{path.name}.zst")
    with path.open("rb") as source, compressed.open("wb") as target:
        zstandard.ZstdCompressor(level=ZSTD_LEVEL).copy_stream(source, target)
    path.unlink()
    return compressed

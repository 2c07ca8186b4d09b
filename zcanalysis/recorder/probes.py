"""The two probes that disturb: perf and tcpdump, started so that we know when they really look.

A probe looks from the return of its `begin` until its `pause`: a window opened and closed in between lies strictly
inside. perf looks again and again, held back in between through its control pipe, which costs the transfer nothing
that was seen; tcpdump looks once. Both end by themselves if we are killed: perf runs over a `sleep`, tcpdump under
coreutils' `timeout` (where that is absent, its packet cap must do, and a quiet device never reaches it).
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

from zcanalysis.errors import HostError, last_words
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
SILENT: Final = "it said nothing"
PARANOID: Final = Path("/proc/sys/kernel/perf_event_paranoid")
PARANOID_DEFAULT: Final = 2
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
    """Signal the child's process group, then kill it if it does not end, or at once if we are interrupted."""
    for number in (first_signal, signal.SIGKILL):
        if child.poll() is not None:
            return
        try:
            os.killpg(child.pid, number)
            child.wait(STOP_SECONDS)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            raise


def why_perf_cannot_run() -> str | None:
    """One line, or None when system-wide sampling works here: for root, and for all from paranoid level 0 down.

    Measured on kernel 6.18 as a user without capabilities: at 2 and 1 perf record -a is refused; at 0 it works
    and its chains hold the kernel's frames. Level -1 adds only that buffers are no longer limited.
    """
    if shutil.which("perf") is None:
        return "perf is not installed; install linux-perf (linux-tools)"
    level = _paranoid_level()
    if os.geteuid() != 0 and level > 0:
        return (
            f"perf may not sample all CPUs (kernel.perf_event_paranoid={level}); "
            "run as root or set sysctl kernel.perf_event_paranoid=0"
        )
    return None


def _paranoid_level() -> int:
    try:
        return int(PARANOID.read_text())
    except (OSError, ValueError):
        return PARANOID_DEFAULT


def perf_buffer() -> str:
    """Ring buffer for each CPU: large, or what any user may lock beside `ulimit -l` (perf_event_mlock_kb, 516)."""
    return "2M" if os.geteuid() == 0 or _paranoid_level() < 0 else "512K"


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
    """`perf record` of all CPUs, held back until it is enabled through its control pipe."""

    child: Child
    data_path: Path
    control: int
    acknowledged: int
    log: IO[bytes]
    looking: bool = False

    @property
    def pid(self) -> int:
        """Of perf."""
        return self.child.pid

    @classmethod
    def spawned(cls, data_path: Path, sampling_hz: int, longest_seconds: float) -> "PerfProbe":
        """Perf on its way, not yet looking; whoever has it must stop it.

        Parameters
        ----------
        data_path
            Where it writes; its messages go beside, suffix ``.log``.
        sampling_hz
            Samples a second on each CPU.
        longest_seconds
            After which, and some patience, it ends even if nobody ends it.

        Raises
        ------
        HostError
            If perf cannot be started.
        """
        control_theirs, control = os.pipe()
        acknowledged, acknowledged_theirs = os.pipe()
        log = data_path.with_suffix(".log").open("w+b")
        arguments = ["perf", "record", "-a", "-g", "-N", "-B", "-e", "cpu-clock", "-F", str(sampling_hz)]
        arguments += ["-m", perf_buffer(), "-k", "CLOCK_MONOTONIC", "-D", "-1", "-o", str(data_path)]
        arguments += ["--control", f"fd:{control_theirs},{acknowledged_theirs}"]
        arguments += ["--", "sleep", str(int(longest_seconds + 2 * READY_SECONDS))]
        try:
            child = spawn(arguments, stdout=log, stderr=log, pass_fds=(control_theirs, acknowledged_theirs))
        finally:
            os.close(control_theirs)
            os.close(acknowledged_theirs)
        return cls(child, data_path, control, acknowledged, log)

    def begin(self) -> None:
        """Return when perf looks.

        Raises
        ------
        HostError
            If it does not within 20 s; with its own last words.
        """
        self.looking = self._order("enable", READY_SECONDS)
        if not self.looking:
            raise HostError(f"perf record does not start: {last_words(_written(self.log), SILENT)}")

    def _order(self, order: str, patience_seconds: float) -> bool:
        try:
            os.write(self.control, f"{order}\n".encode())
        except BrokenPipeError:
            return False
        readable, _, _ = select.select([self.acknowledged], [], [], patience_seconds)
        return bool(readable) and b"ack" in os.read(self.acknowledged, 64)

    def pause(self, _from_ns: int, _to_ns: int) -> None:
        """Look away until the next `begin`."""
        if self.looking and self.child.poll() is None and not self._order("disable", STOP_SECONDS):
            end_child(self.child, signal.SIGINT)  # else it would watch windows that are called undisturbed
        self.looking = False

    def stop(self) -> None:
        """Close perf.data and end."""
        try:
            if self.child.poll() is None and self._order("stop", STOP_SECONDS):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.child.wait(STOP_SECONDS)
        finally:
            end_child(self.child, signal.SIGINT)
            os.close(self.control)
            os.close(self.acknowledged)


@dataclass(slots=True)
class TcpdumpProbe:
    """`tcpdump` of one device with a large buffer, writing through our own file."""

    child: Child
    path: Path
    log: IO[bytes]
    device: str
    pid: int = 0
    """Of tcpdump itself, once it is ready; the child may be the `timeout` that guards it."""
    ready: bool = False
    progress: CaptureProgress = NOTHING_YET
    ended_early: bool = False
    """It stopped by itself (packet cap) before it was told to."""

    @classmethod
    def spawned(cls, directory: Path, device: str, longest_seconds: float) -> "TcpdumpProbe":
        """Tcpdump on its way, not yet listening; whoever has it must stop it.

        Raises
        ------
        HostError
            If tcpdump cannot be started.
        """
        path, log = directory / "capture.pcap", (directory / "tcpdump.log").open("w+b")
        arguments = [
            *_time_limit(longest_seconds),
            "tcpdump",
            "-i",
            device,
            "-s",
            str(SNAPLEN_BYTES),
            "-B",
            str(CAPTURE_BUFFER_KIB),
            "-n",
        ]
        arguments += ["--time-stamp-precision=nano", "-c", str(CAPTURE_PACKETS), "-w", "-"]
        with path.open("wb") as output:
            child = spawn(arguments, stdout=output, stderr=log)
        return cls(child, path, log, device, child.pid)

    def begin(self) -> None:
        """Return when tcpdump listens.

        Raises
        ------
        HostError
            If it does not within 20 s; with its own last words.
        """
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.child.poll() is None:
            self.ready = b"listening on" in _written(self.log)
            if self.ready:
                self.pid = _guarded_pid(self.child)
                return
            time.sleep(DRAIN_STEP_SECONDS / 10)
        raise HostError(f"tcpdump does not listen on {self.device}: {last_words(_written(self.log), SILENT)}")

    def pause(self, from_ns: int, to_ns: int) -> None:
        """Wait until the buffer is drained past `to_ns` (epoch), end, and keep the window with a small margin."""
        self.ended_early = self.child.poll() is not None
        until_ns = to_ns + CAPTURE_MARGIN_NS
        try:
            if self.ready:
                self._drain(until_ns)
        finally:
            end_child(self.child, signal.SIGINT)
        self.progress = advance(self.path, self.progress, until_ns)
        cut(self.path, advance(self.path, NOTHING_YET, from_ns - CAPTURE_MARGIN_NS), self.progress)

    def stop(self) -> None:
        """End it, if it has not been paused."""
        end_child(self.child, signal.SIGINT)

    def _drain(self, until_ns: int) -> None:
        deadline = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < deadline:
            self.progress = advance(self.path, self.progress, until_ns)
            if self.progress.last_ns > until_ns or self.child.poll() is not None:
                return
            time.sleep(DRAIN_STEP_SECONDS)


def _time_limit(longest_seconds: float) -> list[str]:
    """What ends a program later than we ever would; `timeout` hands the signals on that it gets."""
    limit_seconds = int(longest_seconds + READY_SECONDS + DRAIN_SECONDS + STOP_SECONDS)
    return ["timeout", "-k", "1", str(limit_seconds)] if shutil.which("timeout") else []


def _guarded_pid(child: Child) -> int:
    """The process that `timeout` guards; the child itself where there is none."""
    with contextlib.suppress(OSError):
        guarded = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        if guarded:
            return int(guarded[0])
    return child.pid


def _written(log: IO[bytes]) -> bytes:
    return os.pread(log.fileno(), 1 << 16, 0)


def probe_log(probe: PerfProbe | TcpdumpProbe) -> str:
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
    lines: int = 0
    idle_samples: Counter[int] = field(default_factory=Counter)

    def kept(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The lines that are not about losses, without the directories of programs: they may name a person."""
        for line in lines:
            if b"PERF_RECORD_LOST" in line:
                self.events += int(re.sub(rb"\D", b"", line.rpartition(b"lost")[2]) or b"0")
                self.chunks += 1
                continue
            self.lines += 1
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
        If `perf script` finds no samples, or fails: no text remains then, and perf.data is set aside as
        perf.data.unreadable. A conversion that is interrupted leaves perf.data as it is.
    """
    arguments = ["perf", "script", "--ns", "--no-inline", "--show-lost-events", "-F", SCRIPT_FIELDS]
    counts = TextCounts()
    child = spawn([*arguments, "-i", str(data_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        with child, text_path.open("wb") as file:
            with zstandard.ZstdCompressor(level=ZSTD_LEVEL).stream_writer(file) as writer:
                for line in counts.kept(child.stdout or ()):
                    writer.write(line)
            status = child.wait(CONVERT_SECONDS)
    except BaseException:
        text_path.unlink(missing_ok=True)
        raise
    finally:
        end_child(child)
    if status == 0:
        data_path.unlink()
    if status == 0 and counts.lines:
        return counts
    text_path.unlink()
    if status == 0:
        raise HostError(f"no {text_path.name}: perf record took no samples")
    aside = data_path.replace(data_path.with_name(f"{data_path.name}.unreadable"))
    raise HostError(f"no {text_path.name}: perf script failed with status {status}; its input is kept as {aside.name}")


def compress_file(path: Path) -> Path:
    """Replace a file by its zstandard form, `.zst` appended; if that is interrupted, the file itself remains."""
    compressed = path.with_name(f"{path.name}.zst")
    try:
        with path.open("rb") as source, compressed.open("wb") as target:
            zstandard.ZstdCompressor(level=ZSTD_LEVEL).copy_stream(source, target)
    except BaseException:
        compressed.unlink(missing_ok=True)
        raise
    path.unlink()
    return compressed

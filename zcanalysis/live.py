"""A look at a transfer that is running now: counters and a few samples, no capture, and what the look itself cost."""

import contextlib
import os
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import polars as pl

from zcanalysis.errors import HostError
from zcanalysis.goodput import QUIET_PHASE
from zcanalysis.io.recording import Recording, read_recording
from zcanalysis.rates import GROWTH_PER_NS, NS_PER_S, increments
from zcanalysis.recorder import Phase, RecordOptions, default_plan, record
from zcanalysis.recorder.affinity import out_of_the_readers_way
from zcanalysis.recorder.host_facts import find_device, tool_output
from zcanalysis.recorder.interruption import terminated_like_interrupted
from zcanalysis.recorder.kernel_text import netdev_rows
from zcanalysis.recorder.sampling import read_whole

# At 199 Hz a sampled window loses 1 to 4 % of the goodput (11 % without RPS): of a fifth of the time this is well under
# 1 %, and 20 s give 560 samples a CPU in a receiver that is hardly disturbed.
SAMPLED_PART: Final = 0.2
WATCHED_PART: Final = 0.6  # the rest goes into starting, settling between windows, reading and weighing
SAMPLING_HZ: Final = 199
LEAST_LOOK_S: Final = 0.3
LEAST_BYTES_PER_S: Final = 125_000  # 1 Mbit/s: less is no transfer whose limit could be told
MOST_NAMESPACES: Final = 100
FIRST_PID_NAMESPACE: Final = "pid:[4026531836]"  # PROC_PID_INIT_INO, include/linux/proc_ns.h
LOWEST_PRIORITY: Final = 19
ATTACHED: Final = "zc-look"


class Received(NamedTuple):
    """A device's byte counter at one moment."""

    ts_ns: int
    octets: int


class Look(NamedTuple):
    """What was seen, and how far the device had come when the last file was written."""

    recording: Recording
    recorded: Received


@contextlib.contextmanager
def look(device: str, plan: tuple[Phase, ...], again: str, on_step: Callable[[str], None]) -> Iterator[Look]:
    """Record a running transfer into a folder that is gone afterwards, also where SIGTERM ends what is done with it.

    Parameters
    ----------
    device
        That receives, in this network namespace.
    plan
        As `sampling_plan` or `counting_plan` give it.
    again
        The command that was given, to be run where the device is.
    on_step
        Told the name of each step before it starts.

    Raises
    ------
    HostError
        If the device is absent (with the command that enters the namespace where it is), down, or receives nothing.
    """
    _find(device, again)
    _check_traffic(device)
    with terminated_like_interrupted(), TemporaryDirectory(prefix="zc-look-") as scratch, _priority_restored():

        def progressed(phase: str, share: float) -> None:
            on_step(f"{phase} ({share:.0%})")
            if share >= 1:  # what is left is arithmetic: it can wait for the transfer
                _yield_to_others()

        options = RecordOptions(device=device, plan=plan, sampling_hz=SAMPLING_HZ, on_progress=progressed)
        directory = record(Path(scratch) / "look", options)
        recorded = received(device)
        recording = read_recording(directory)
        with out_of_the_readers_way(recording.host.reader_pids):
            yield Look(recording, recorded)


def sampling_plan(seconds: float) -> tuple[Phase, ...]:
    """Counters most of the time, a few samples in between, no capture; done and answered in about `seconds`."""
    return default_plan(WATCHED_PART * seconds, sampled_part=SAMPLED_PART, capture=False)


def counting_plan(seconds: float) -> tuple[Phase, ...]:
    """Counters alone."""
    return (Phase(QUIET_PHASE, seconds),)


def overhead_share(seen: Look) -> float | None:
    """What looking cost, as a share of the goodput; None when that cannot be told.

    Notes
    -----
    From the first undisturbed window to the last file written (sampler started, at work, held back, stopped,
    converted), what the device received less than at the rate of the undisturbed windows; and, for what those lost
    themselves, the part of the machine's CPU time that reading the counters took. Arithmetic that follows runs at the
    lowest priority and is left out. Noise of the transfer is in it, and a transfer that ended meanwhile cannot be
    compared.
    """
    counters, device = seen.recording.counters, seen.recording.host.device
    rows = pl.DataFrame() if counters is None else _received_undisturbed(counters, device)
    if counters is None or rows.is_empty():
        return None
    first_ns, last_ns, first, last = rows.select("first_ns", "last_ns", "first", "last").row(0)
    if seen.recorded.octets <= last or last_ns <= first_ns:
        return None
    quiet = increments(counters, "netdev", QUIET_PHASE).filter(instance=device, counter="rx_bytes")
    quiet_per_ns = float(quiet.select(GROWTH_PER_NS).item())
    expected = quiet_per_ns * (seen.recorded.ts_ns - first_ns)
    lost = 1 - (seen.recorded.octets - first) / expected if expected > 0 else 0.0
    return max(lost, 0.0) + _own_share(counters, seen.recording.host.cpus or 1)


def _received_undisturbed(counters: pl.DataFrame, device: str | None) -> pl.DataFrame:
    """The device's first and last reading of all undisturbed windows; no row without."""
    rows = counters.filter(
        pl.col("phase") == QUIET_PHASE, pl.col("source") == "netdev", pl.col("instance") == device,
        pl.col("counter") == "rx_bytes",
    ).sort("ts_ns")  # fmt: skip
    return (
        rows.select(
            pl.col("ts_ns").first().alias("first_ns"),
            pl.col("ts_ns").last().alias("last_ns"),
            pl.col("value").first().alias("first"),
            pl.col("value").last().alias("last"),
        )
        if not rows.is_empty()
        else rows
    )


def _own_share(counters: pl.DataFrame, cpus: int) -> float:
    own = increments(counters, "process", QUIET_PHASE).filter(pl.col("instance") == str(os.getpid()))
    return 0.0 if own.is_empty() else float(own.select(GROWTH_PER_NS.sum()).item()) / cpus


def received(device: str) -> Received:
    """Bytes the device has received so far."""
    rows = netdev_rows(os.fsdecode(read_whole("/proc/self/net/dev")))
    octets = next((value for name, counter, value in rows if (name, counter) == (device, "rx_bytes")), 0)
    return Received(time.time_ns(), octets)


def why_less() -> list[str]:
    """One line for each thing that is hidden from us here."""
    lines = []
    if os.geteuid() != 0:
        lines.append("not root: root would also see what each CPU does (samples) and who reads the sockets")
    with contextlib.suppress(OSError):
        if str(Path("/proc/self/ns/pid").readlink()) != FIRST_PID_NAMESPACE:
            lines.append("in a container: other processes are hidden; run it on the host to see them")
    return lines


def _find(device: str, again: str) -> None:
    try:
        find_device(device)
    except HostError as error:
        elsewhere = _other_namespace(device) if "no such network device" in str(error) else None
        if elsewhere is None:
            raise
        before, after = elsewhere
        raise HostError(f"{device}: is in another network namespace; run: {before}{again}{after}") from None


def _other_namespace(device: str) -> tuple[str, str] | None:
    """What stands before and after a command to run it in the network namespace where the device is."""
    for name in [line.split()[0] for line in tool_output("ip", "netns", "list").splitlines()][:MOST_NAMESPACES]:
        if tool_output("ip", "-n", name, "link", "show", "dev", device):
            return f"ip netns exec {shlex.quote(name)} ", ""
    seen = {Path("/proc/self/ns/net").readlink()}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            namespace = (process / "ns/net").readlink()
            if namespace in seen or len(seen) > MOST_NAMESPACES:
                continue
            seen.add(namespace)
            if device in _devices(process):
                # nsenter alone would leave /sys of this namespace in place, where the device has no queues
                enter = f"ip netns attach {ATTACHED} {process.name} && ip netns exec {ATTACHED} "
                return enter, f"; ip netns delete {ATTACHED}"
    return None


def _devices(process: Path) -> set[str]:
    return {name for name, _, _ in netdev_rows(os.fsdecode(read_whole(process / "net/dev")))}


def _check_traffic(device: str) -> None:
    before = received(device)
    time.sleep(LEAST_LOOK_S)
    after = received(device)
    per_s = (after.octets - before.octets) / (after.ts_ns - before.ts_ns) * NS_PER_S
    if per_s < LEAST_BYTES_PER_S:
        kbit = per_s * 8 / 1000
        raise HostError(f"{device}: receives {kbit:,.0f} kbit/s, too little to say what limits it; start the transfer")


def _yield_to_others() -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, LOWEST_PRIORITY)


@contextlib.contextmanager
def _priority_restored() -> Iterator[None]:
    """Our priority as it was, where we may raise it again."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, before)

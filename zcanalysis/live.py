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
from zcanalysis.goodput import QUIET_PHASE, SAMPLED_PHASE
from zcanalysis.io.recording import Recording, read_recording
from zcanalysis.rates import NS_PER_S, increments
from zcanalysis.recorder import Phase, RecordOptions, record
from zcanalysis.recorder.host_facts import find_device, tool_output
from zcanalysis.recorder.kernel_text import netdev_rows
from zcanalysis.recorder.plan import PERF
from zcanalysis.recorder.sampling import read_whole
from zcanalysis.signs import ELAPSED_NS

# Sampling 5,000 times a second with call chains was seen to cost 20 to 45 % of the goodput, and perf starts and ends
# for half a second: of 20 s this is 1 to 2 %, and gives 2,500 samples a CPU.
SAMPLED_PART: Final = 0.025
SHORTEST_SAMPLING_S: Final = 0.4
LONGEST_SAMPLING_S: Final = 1.0
LEAST_LOOK_S: Final = 0.3
LEAST_BYTES_PER_S: Final = 125_000  # 1 Mbit/s: less is no transfer whose limit could be told
MOST_NAMESPACES: Final = 100
FIRST_PID_NAMESPACE: Final = "pid:[4026531836]"  # PROC_PID_INIT_INO, include/linux/proc_ns.h
LOWEST_PRIORITY: Final = 19


class Received(NamedTuple):
    """A device's byte counter at one moment."""

    ts_ns: int
    octets: int


class Look(NamedTuple):
    """What was seen, and how far the device had come when the last file was written."""

    recording: Recording
    recorded: Received


@contextlib.contextmanager
def look(device: str, plan: tuple[Phase, ...], on_step: Callable[[str], None]) -> Iterator[Look]:
    """Record a running transfer into a folder that is gone afterwards.

    Parameters
    ----------
    device
        That receives, in this network namespace.
    plan
        As `sampling_plan` or `counting_plan` give it.
    on_step
        Told the name of each step before it starts.

    Raises
    ------
    HostError
        If the device is absent (with the command that enters the namespace where it is), down, or receives nothing.
    """
    _find(device)
    _check_traffic(device)
    with TemporaryDirectory(prefix="zc-look-") as scratch, _priority_restored():

        def progressed(phase: str, share: float) -> None:
            on_step(f"{phase} ({share:.0%})")
            if share >= 1:  # what is left is arithmetic: it can wait for the transfer
                _yield_to_others()

        directory = record(Path(scratch) / "look", RecordOptions(device=device, plan=plan, on_progress=progressed))
        recorded = received(device)
        recording = read_recording(directory)
        yield Look(recording, recorded)


def sampling_plan(seconds: float) -> tuple[Phase, ...]:
    """Counters nearly all the time, and a short stretch of samples.

    Examples
    --------
    >>> [(phase.name, phase.seconds) for phase in sampling_plan(20)]
    [('counters', 19.5), ('chains', 0.5)]
    """
    sampled = min(max(SAMPLED_PART * seconds, SHORTEST_SAMPLING_S), LONGEST_SAMPLING_S)
    return (Phase(QUIET_PHASE, max(seconds - sampled, 1.0)), Phase(SAMPLED_PHASE, sampled, (PERF,)))


def counting_plan(seconds: float) -> tuple[Phase, ...]:
    """Counters alone."""
    return (Phase(QUIET_PHASE, seconds),)


def overhead_share(seen: Look) -> float | None:
    """What looking cost, as a share of the goodput; None when that cannot be told.

    Notes
    -----
    From the end of the undisturbed window to the last file written (sampler started, at work, stopped, converted), what
    the device received less than at the undisturbed rate, over all that it would have received; and, for what the
    undisturbed window lost itself, the part of the machine's CPU time that reading the counters took. Arithmetic that
    follows runs at the lowest priority and is left out. Noise of the transfer is in it, and a transfer that ended
    meanwhile cannot be compared.
    """
    counters, device = seen.recording.counters, seen.recording.host.device
    octets = None if counters is None else _quiet_octets(counters, device)
    if counters is None or octets is None or seen.recorded.octets <= octets[-1].octets:
        return None
    first, last = octets
    quiet_per_ns = (last.octets - first.octets) / (last.ts_ns - first.ts_ns)
    missing = quiet_per_ns * (seen.recorded.ts_ns - last.ts_ns) - (seen.recorded.octets - last.octets)
    expected = quiet_per_ns * (seen.recorded.ts_ns - first.ts_ns)
    return max(missing / expected, 0.0) + _own_share(counters, seen.recording.host.cpus or 1)


def _quiet_octets(counters: pl.DataFrame, device: str | None) -> tuple[Received, Received] | None:
    """The device's first and last reading of the undisturbed window; None unless it received in between."""
    rows = counters.filter(
        pl.col("phase") == QUIET_PHASE, pl.col("source") == "netdev", pl.col("instance") == device,
        pl.col("counter") == "rx_bytes",
    ).sort("ts_ns")  # fmt: skip
    if rows.is_empty():
        return None
    first, last = (Received(*rows.select("ts_ns", "value").row(at)) for at in (0, -1))
    return (first, last) if last.octets > first.octets else None


def _own_share(counters: pl.DataFrame, cpus: int) -> float:
    own = increments(counters, "process", QUIET_PHASE).filter(pl.col("instance") == str(os.getpid()))
    return 0.0 if own.is_empty() else float(own.select((pl.col("increment") / ELAPSED_NS).sum()).item()) / cpus


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


def _find(device: str) -> None:
    try:
        find_device(device)
    except HostError as error:
        elsewhere = _other_namespace(device) if "no such network device" in str(error) else None
        if elsewhere is None:
            raise
        again = f"zcanalysis advise --live {shlex.quote(device)}"
        raise HostError(f"{device}: is in another network namespace; run: {elsewhere.format(again)}") from None


def _other_namespace(device: str) -> str | None:
    """The command that enters the network namespace where the device is, `{}` for what to run there."""
    for name in [line.split()[0] for line in tool_output("ip", "netns", "list").splitlines()][:MOST_NAMESPACES]:
        if tool_output("ip", "-n", name, "link", "show", "dev", device):
            return f"ip netns exec {shlex.quote(name)} {{}}"
    seen = {Path("/proc/self/ns/net").readlink()}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            namespace = (process / "ns/net").readlink()
            if namespace in seen or len(seen) > MOST_NAMESPACES:
                continue
            seen.add(namespace)
            if device in _devices(process):
                # nsenter alone would leave /sys of this namespace in place, where the device has no queues
                return f"ip netns attach zc-look {process.name} && ip netns exec zc-look {{}}"
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

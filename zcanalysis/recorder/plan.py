"""What to record and in which order: phases, so that no probe disturbs a figure that it is not for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

PERF: Final = "perf"
TCPDUMP: Final = "tcpdump"
TRACE: Final = "trace"
PACKETS: Final = "packets"
PROBES: Final = (PERF, TCPDUMP, TRACE, PACKETS)

SAMPLING_HZ: Final = 499
CAPTURE_SECONDS: Final = 0.15
TRACE_SECONDS: Final = 0.5
PACKETS_SECONDS: Final = 0.2
SAMPLED_PART: Final = 0.4
FASTEST_HZ: Final = 20_000
MOST_ROUNDS: Final = 5
SECONDS_PER_ROUND: Final = 1.0


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of a recording: its name, how long it lasts, and which probes disturb it."""

    name: str
    seconds: float
    probes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ValueError(f"seconds of phase {self.name} must be > 0, got {self.seconds}")
        if unknown := set(self.probes) - set(PROBES):
            raise ValueError(f"probes of phase {self.name} must be among {PROBES}, got {sorted(unknown)}")


class Turn(NamedTuple):
    """One of several phases of the same name."""

    phase: str
    repeat: int = 0


def default_plan(
    seconds: float, *, sampled_part: float = SAMPLED_PART, capture: bool = True, trace: bool = False
) -> tuple[Phase, ...]:
    """Counters alone and CPU samples in turn, then a short capture: each sampled window between two undisturbed ones.

    Parameters
    ----------
    seconds
        Of all windows together, > 0 (but counters and samples get at least half of it); up to five rounds, so that the
        spread from one to the next can be seen. About a tenth of a second passes between windows.
    sampled_part
        Part of the time that is sampled, above 0 and below 1.
    capture
        Whether to end with a capture of 0.15 s: structure only, it slows the receiver most.
    trace
        Whether to end with tracepoints: those of batches for half a second, then those of packets for a fifth. They
        never price anything: those of packets halve the throughput.

    Notes
    -----
    Samples carry call chains: at 997 Hz these disturb no more than samples without (goodput -5.1 % against -7.5 % at
    MTU 1500, -3.5 % against -5.8 % at MTU 3000, medians of five windows in one run), so a phase without them, whose
    samples could not be charged to a caller, would show less for nothing.

    Examples
    --------
    >>> [(phase.name, phase.seconds) for phase in default_plan(1.15)]
    [('counters', 0.3), ('sampling', 0.4), ('counters', 0.3), ('capture', 0.15)]
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be > 0, got {seconds}")
    if not 0 < sampled_part < 1:
        raise ValueError(f"sampled_part must be above 0 and below 1, got {sampled_part}")
    traced = [Phase("trace", TRACE_SECONDS, (TRACE,)), Phase("packets", PACKETS_SECONDS, (PACKETS,))]
    last = [Phase("capture", CAPTURE_SECONDS, (TCPDUMP,))] * capture + traced * trace
    rest = max(seconds - sum(phase.seconds for phase in last), seconds / 2)
    rounds = min(max(int(seconds / SECONDS_PER_ROUND), 1), MOST_ROUNDS)
    quiet = Phase("counters", round(rest * (1 - sampled_part) / (rounds + 1), 3))
    sampled = Phase("sampling", round(rest * sampled_part / rounds, 3), (PERF,))
    return (*(quiet, sampled) * rounds, quiet, *last)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOptions:
    """How to record.

    Attributes
    ----------
    device
        Network device to watch; None picks the one that receives most.
    plan
        Phases in order.
    command
        Argument list of the transfer; empty when it is already running. Its end is awaited after the last phase.
    command_grace_seconds
        How long `command` may go on after the last phase, >= 0, while `on_progress` says what we wait for. Then it
        is ended, which is no failure: the recording is kept and `missing` says so.
    label
        Free text for reports.
    sampling_hz
        CPU samples a second on each CPU, 1 to 20,000. A prime, so that nothing periodic is always met at the same
        point. On a virtual machine each costs 50 to 150 us (goodput -1.5 % at 97 Hz, -5 % at 199, -11 % at 499, -15 %
        at 997 under GRO, -5 to -7 % at 997 at MTU 1500), on bare metal a few.
    strict
        Refuse to start when a probe of the plan cannot run here (default: leave its phases out and say so).
    sender_pids
        Processes known to send from this machine (a network namespace hides them from the socket table).
    warmup_seconds
        Pause after starting `command`, before the first phase.
    on_progress
        Called with a phase name and the share of the whole plan that is done (0 to 1).
    """

    device: str | None = None
    plan: Sequence[Phase] = field(default_factory=lambda: default_plan(10))
    command: Sequence[str] = ()
    command_grace_seconds: float = 30.0
    label: str | None = None
    sampling_hz: int = SAMPLING_HZ
    strict: bool = False
    sender_pids: Sequence[int] = ()
    warmup_seconds: float = 1.0
    on_progress: Callable[[str, float], None] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.sampling_hz <= FASTEST_HZ:
            raise ValueError(f"sampling_hz must be 1 to {FASTEST_HZ}, got {self.sampling_hz}")
        for probe in (TCPDUMP, TRACE, PACKETS):  # each leaves one file
            if sum(probe in phase.probes for phase in self.plan) > 1:
                raise ValueError(f"plan must have at most one phase with {probe}")

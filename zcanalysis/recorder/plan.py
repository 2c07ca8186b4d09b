"""What to record and in which order: phases, so that no probe disturbs a figure that it is not for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

PERF: Final = "perf"
TCPDUMP: Final = "tcpdump"
PROBES: Final = (PERF, TCPDUMP)

LEAST_UNDISTURBED_SECONDS: Final = 2.0
CAPTURE_SECONDS: Final = 0.15


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


def default_plan(seconds: float) -> tuple[Phase, ...]:
    """Counters alone first and longest, then samples with call chains, then a short capture.

    Parameters
    ----------
    seconds
        Of all phases together, > 0. The undisturbed phase never shrinks below 2 s: short wishes last longer.

    Examples
    --------
    >>> [(phase.name, phase.seconds) for phase in default_plan(10)]
    [('counters', 6.85), ('chains', 3.0), ('capture', 0.15)]
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be > 0, got {seconds}")
    chains_seconds = min(max(0.3 * seconds, 1.0), 5.0)
    counters_seconds = max(seconds - chains_seconds - CAPTURE_SECONDS, LEAST_UNDISTURBED_SECONDS)
    return (
        Phase("counters", round(counters_seconds, 3)),
        Phase("chains", round(chains_seconds, 3), (PERF,)),
        Phase("capture", CAPTURE_SECONDS, (TCPDUMP,)),
    )


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
    strict: bool = False
    sender_pids: Sequence[int] = ()
    warmup_seconds: float = 1.0
    on_progress: Callable[[str, float], None] | None = None

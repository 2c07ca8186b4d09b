"""What a recording knows while it runs."""

import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from zcanalysis.clock import ClockPair
from zcanalysis.recorder.clocks import EpochClock
from zcanalysis.recorder.cpu_distance import CpuDistance
from zcanalysis.recorder.plan import RecordOptions
from zcanalysis.recorder.probes import PerfProbe, TcpdumpProbe
from zcanalysis.recorder.sampling import Sampler
from zcanalysis.recorder.tracing import TraceProbe
from zcanalysis.tables import COUNTERS, polars_schema

Probe = PerfProbe | TcpdumpProbe | TraceProbe


@dataclass(slots=True)
class Run:
    """A recording on its way: options and facts, then what the phases gave."""

    directory: Path
    options: RecordOptions
    clock: EpochClock
    facts: dict[str, Any]
    sampler: Sampler
    command: subprocess.Popen[bytes] | None = None
    windows: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    lost: dict[str, int | None] = field(default_factory=dict)
    probe: dict[str, Any] = field(default_factory=dict)
    probing: dict[str, Probe] = field(default_factory=dict)
    """Probes that run now, looking or held back."""
    owners: dict[int, list[int]] = field(default_factory=dict)
    readers: set[int] = field(default_factory=set)
    """Owners of sockets that receive more than they send."""
    pids: list[int] = field(default_factory=list)
    described: dict[int, dict[str, Any]] = field(default_factory=dict)
    netlink: socket.socket | None = None
    """Into the sender's namespace; closed when the phases are over."""
    distance: CpuDistance | None = None
    """Asked between windows; None where there is no second CPU to ask about."""
    sampler_cpu_ns: int = 0
    sampler_wall_ns: int = 0
    last: ClockPair | None = None
    """Read after the last phase."""
    counters: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=polars_schema(COUNTERS)))
    """COUNTERS of all readings, once the last phase is over."""

    def note(self, line: str) -> None:
        """Say once what could not be recorded."""
        if line not in self.missing:
            self.missing.append(line)

    def command_ended(self) -> bool:
        """True when there was a command and it is over."""
        return self.command is not None and self.command.poll() is not None

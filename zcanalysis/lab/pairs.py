"""What patches really give: runs of two pairs of hosts in turn, until their ratio is known well enough.

Both pairs stand side by side, one without the patches and one with them; only one carries a transfer at a time. A run
is a transfer of its own, so that what a connection happens to settle into varies from run to run as it does in life.
"""

import contextlib
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from zcanalysis.errors import HostError
from zcanalysis.lab.meter import Meter, running_meter
from zcanalysis.lab.namespaces import HostPair, two_hosts
from zcanalysis.lab.readings import Window, between, edge
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.lab.transfer import Transfer, running_transfer
from zcanalysis.recorder.cpu_distance import CpuDistance, in_one_place
from zcanalysis.recorder.interruption import terminated_like_interrupted

MOST_FOREIGN: Final = 0.05
MOST_STEAL: Final = 0.02
FEWEST_TOGETHER: Final = 2
SLACK_SECONDS: Final = 30.0
SETTLE_SECONDS: Final = 0.15  # for the transfer to recover from two CPUs that spun for some milliseconds
LABEL: Final = "p"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOptions:
    """How long, and how often.

    Attributes
    ----------
    seconds
        Of the window that counts.
    warmup_seconds
        Of each transfer before it: slow start and buffer growth.
    least, most
        Pairs.
    standard_error
        Of the mean log ratio: small enough to stop at.
    """

    seconds: float = 1.5
    warmup_seconds: float = 1.0
    least: int = 4
    most: int = 15
    standard_error: float = 0.03

    def __post_init__(self) -> None:
        if not self.seconds > 0 or not self.warmup_seconds >= 0:
            raise ValueError(f"seconds must be > 0 and the warm-up >= 0, got {self.seconds} and {self.warmup_seconds}")
        if not 2 <= self.least <= self.most:  # noqa: PLR2004 - one pair has no spread
            raise ValueError(f"least must be 2 to {self.most} (most), got {self.least}")
        if not self.standard_error > 0:
            raise ValueError(f"standard_error must be > 0, got {self.standard_error}")


class Pair(NamedTuple):
    """One run of each pair of hosts, one after the other."""

    baseline: Window
    patched: Window
    recorded_ns: int | None = None
    """How far the sender's CPU was from the reader's while the baseline was recorded; None where nobody knows."""

    @property
    def log_ratio(self) -> float:
        """Natural logarithm of patched over baseline goodput."""
        return math.log(self.patched.gbps / self.baseline.gbps)

    @property
    def marks(self) -> tuple[str, ...]:
        """Why it may not be believed; empty for a clean one."""
        both = {"baseline": self.baseline, "patched": self.patched}
        marks = [f"{name}: {mark}" for name, window in both.items() for mark in marks_of(window)]
        return (*marks, self.moved) if self.moved else tuple(marks)

    @property
    def distances_ns(self) -> tuple[int, ...]:
        """How far its CPUs were apart before and after both windows; empty where nobody could say."""
        return *self.baseline.distances_ns, *self.patched.distances_ns

    @property
    def moved(self) -> str:
        """Words where a CPU was moved since the recording: virtual ones are at times, and then are another machine."""
        distances_ns = list(self.distances_ns)
        if self.recorded_ns is not None:
            distances_ns.append(self.recorded_ns)
        if in_one_place(distances_ns):
            return ""
        return f"a CPU was moved: {min(distances_ns)} and {max(distances_ns)} ns to the other"


def marks_of(window: Window) -> Iterator[str]:
    """What disturbed a window."""
    if window.foreign > MOST_FOREIGN:
        yield f"other processes took {window.foreign:.0%} of a CPU"
    if window.steal > MOST_STEAL:
        yield f"the hypervisor took {window.steal:.0%} of a CPU"
    if window.dropped > 0:
        yield f"full backlogs dropped {window.dropped} packets"


class Measured(NamedTuple):
    """All pairs of one case."""

    pairs: tuple[Pair, ...]
    least: int
    """So many clean pairs suffice to leave the others out."""

    @property
    def clean(self) -> tuple[Pair, ...]:
        """Those without a mark."""
        return tuple(pair for pair in self.pairs if not pair.marks)

    @property
    def stayed(self) -> tuple[Pair, ...]:
        """Those that lie where the recording was made, whatever else disturbed them."""
        return tuple(pair for pair in self.pairs if not pair.moved)

    @property
    def used(self) -> tuple[Pair, ...]:
        """The clean ones if they are enough, else those of the machine that was recorded if these are, else all."""
        return next((some for some in (self.clean, self.stayed) if len(some) >= self.least), self.pairs)

    @property
    def elsewhere_ns(self) -> int | None:
        """How far the CPUs are apart now, where that is known to be elsewhere than in the recording.

        None while enough pairs are clean, or while not at least two of the last pairs, and more than lie where the
        recording was made, lie together in another place.
        """
        if not self.pairs or len(self.clean) >= self.least:
            return None
        together_ns, count = self._together()
        recorded_ns = self.pairs[-1].recorded_ns
        if recorded_ns is None or count < max(FEWEST_TOGETHER, len(self.stayed) + 1):
            return None
        now_ns = round(statistics.median(together_ns))
        return None if in_one_place((recorded_ns, now_ns)) else now_ns

    def _together(self) -> tuple[list[int], int]:
        """Distances and number of the last pairs that lie in one place."""
        together_ns: list[int] = []
        for count, pair in enumerate(reversed(self.pairs)):
            if not pair.distances_ns or not in_one_place([*together_ns, *pair.distances_ns]):
                return together_ns, count
            together_ns += pair.distances_ns
        return together_ns, len(self.pairs)

    @property
    def ratio(self) -> float:
        """Patched over baseline goodput: the geometric mean of the pairs used."""
        return math.exp(statistics.fmean(pair.log_ratio for pair in self.used))

    @property
    def standard_error(self) -> float:
        """Of the mean log ratio; infinite for a single pair."""
        return standard_error([pair.log_ratio for pair in self.used])

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest ratio of a pair used."""
        ratios = [math.exp(pair.log_ratio) for pair in self.used]
        return min(ratios), max(ratios)

    @property
    def noise(self) -> float | None:
        """Standard deviation of the log of such a ratio where nothing was changed; None for fewer than three pairs.

        From the baseline runs alone: each stands to the next one as a patched run does to its baseline, so what
        neighbours differ by, over the root of the number of pairs, is what the mean would differ by.
        """
        logs = [math.log(pair.baseline.gbps) for pair in self.used]
        steps = [after - before for before, after in pairwise(logs)]
        if len(steps) < 2:  # noqa: PLR2004 - one step has no spread
            return None
        return math.sqrt(statistics.fmean(step**2 for step in steps) / len(self.used))

    @property
    def busy(self) -> tuple[Mapping[int, float], Mapping[int, float]]:
        """How busy each CPU was without and with the patches: the mean over the pairs used."""
        return mean_busy([pair.baseline for pair in self.used]), mean_busy([pair.patched for pair in self.used])

    @property
    def gbps(self) -> tuple[float, float]:
        """Goodput without and with the patches, Gbit/s: geometric means over the pairs used."""
        return (
            statistics.geometric_mean(pair.baseline.gbps for pair in self.used),
            statistics.geometric_mean(pair.patched.gbps for pair in self.used),
        )


def standard_error(logs: Sequence[float]) -> float:
    """Of their mean; infinite where there is no spread to see.

    Examples
    --------
    >>> standard_error([0.1, 0.1, 0.3, 0.3]), standard_error([0.1])
    (0.0577..., inf)
    """
    return statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else math.inf


def mean_busy(windows: Sequence[Window]) -> dict[int, float]:
    """How busy each CPU was, the mean over windows."""
    return {cpu: statistics.fmean(window.busy[cpu] for window in windows) for cpu in windows[0].busy}


Run = Callable[[], Window]


def measure(
    runs: tuple[Run, Run],
    options: PairOptions,
    recorded_ns: int | None = None,
    is_over: Callable[[Measured], bool] = lambda so_far: False,
) -> Measured:
    """Pairs of runs until their ratio is known well enough, or there are as many as may be.

    Parameters
    ----------
    runs
        One run without the patches, and one with them.
    options
        When it is enough.
    recorded_ns
        How far the sender's CPU was from the reader's while the baseline was recorded; None where nobody knows.
    is_over
        Told what there is after each pair; ends it where it says so.

    Raises
    ------
    HostError
        If nothing arrives in a window.
    """
    measured = Measured((), options.least)
    while len(measured.pairs) < options.most and not _enough(measured, options):
        pair = _pair(runs, len(measured.pairs))._replace(recorded_ns=recorded_ns)
        measured = measured._replace(pairs=(*measured.pairs, pair))
        if is_over(measured):
            break
    return measured


def _enough(measured: Measured, options: PairOptions) -> bool:
    return len(measured.clean) >= options.least and measured.standard_error <= options.standard_error


def _pair(runs: tuple[Run, Run], turn: int) -> Pair:
    """The first run of a pair is the second of the next: slow drift favours neither."""
    if turn % 2:
        patched = runs[1]()
        return _moving(Pair(runs[0](), patched))
    baseline = runs[0]()
    return _moving(Pair(baseline, runs[1]()))


def _moving(pair: Pair) -> Pair:
    for name, window in (("baseline", pair.baseline), ("patched", pair.patched)):
        if not window.gbps > 0:
            raise HostError(f"nothing arrived in a window of the {name} hosts")
    return pair


@contextlib.contextmanager
def both_hosts(baseline: Scenario, changed: Scenario, options: PairOptions) -> Iterator[tuple[Run, Run]]:
    """Both pairs of hosts, ready to run; gone on the way out.

    Parameters
    ----------
    baseline, changed
        Without the patches and with them.
    options
        Lengths.

    Raises
    ------
    HostError
        If the lab cannot run here or a transfer fails.
    """
    with (
        terminated_like_interrupted(),
        two_hosts(baseline) as left,
        two_hosts(changed, LABEL) as right,
        running_meter(left) as left_meter,
        running_meter(right) as right_meter,
        CpuDistance() as distance,
    ):
        yield (
            lambda: one_run(left, baseline, (left_meter, distance), options),
            lambda: one_run(right, changed, (right_meter, distance), options),
        )


def one_run(hosts: HostPair, scenario: Scenario, probes: tuple[Meter, CpuDistance], options: PairOptions) -> Window:
    """One fresh transfer, its start left out; nothing of ours looks between the edges of the window.

    Raises
    ------
    HostError
        If the transfer cannot be started, or ends too early.
    """
    meter, distance = probes
    whole_seconds = options.warmup_seconds + options.seconds + SLACK_SECONDS
    with (
        tempfile.TemporaryDirectory(prefix="zc-lab-") as scratch,
        running_transfer(hosts, scenario, whole_seconds, Path(scratch)) as transfer,
    ):
        time.sleep(options.warmup_seconds)
        _require_running(transfer, scenario)
        before_ns = _distance_ns(distance, scenario)
        time.sleep(SETTLE_SECONDS)
        first = edge(meter, transfer.client.pid, opening=True)
        time.sleep(options.seconds)
        _require_running(transfer, scenario)
        last = edge(meter, transfer.client.pid, opening=False)
        _require_running(transfer, scenario)
        distances_ns = (before_ns, _distance_ns(distance, scenario))
        found_ns = tuple(trip for trip in distances_ns if trip is not None)
        return between(first, last, os.getpid())._replace(distances_ns=found_ns)


def _distance_ns(distance: CpuDistance, scenario: Scenario) -> int | None:
    if scenario.sender_cpu == scenario.reader_cpu:
        return None
    return distance.round_trip_ns(scenario.sender_cpu, scenario.reader_cpu)


def _require_running(transfer: Transfer, scenario: Scenario) -> None:
    if transfer.is_broken() or transfer.client.poll() is not None:
        transfer.finish()  # raises what iperf3 says, if it says anything
        raise HostError(f"{scenario.name}: the transfer ended before its window did")

"""One case of a validation: what was foretold, what was measured, and how far the two are apart."""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from zcanalysis.framing import framing_bytes, payload_gbps, segment_bytes
from zcanalysis.lab.draw import Case
from zcanalysis.lab.pairs import Measured
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.workload import LINK, NOT_SEEN, WINDOW

CHANGE: Final = 0.15
"""A ratio further from 1 is a change; within it nothing happened."""
FULL: Final = 0.95
TIE: Final = 0.03
UNKNOWN: Final = "unknown"
OURS: Final = "ours"
NULLS: Final[Mapping[str, str]] = {
    "no_change_gbps": "no change",
    "samples_removed_gbps": "samples removed",
    "amdahl_gbps": "Amdahl",
}


class Foretold(NamedTuple):
    """What a recording of the baseline says of some patches together; None where a way of foretelling is silent."""

    baseline_gbps: float
    """As recorded: what every ratio foretold is relative to."""
    no_change_gbps: float | None
    samples_removed_gbps: float | None
    amdahl_gbps: float | None
    predicted_gbps: float | None
    low_gbps: float | None
    high_gbps: float | None
    limit_before: str
    limit_after: str
    busy_before: Mapping[int, float]
    """Share of each CPU's time, replayed without the patches; empty where nothing was replayed."""
    busy_after: Mapping[int, float]
    tier: str
    why: str = ""
    doubts: tuple[str, ...] = ()
    """What the recording's audit warns of: other processes beside the lab spoil everything that follows."""

    def ratio(self, gbps: float | None) -> float | None:
        """A goodput foretold over the recorded baseline."""
        return None if gbps is None else gbps / self.baseline_gbps


class CaseOutcome(NamedTuple):
    """One case, foretold and measured."""

    case: Case
    foretold: Foretold
    measured: Measured

    @property
    def predicted_ratio(self) -> float | None:
        """Patched over baseline goodput, as foretold by replay; None where it is silent."""
        return self.foretold.ratio(self.foretold.predicted_gbps)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 90 % interval of that ratio."""
        low, high = self.foretold.ratio(self.foretold.low_gbps), self.foretold.ratio(self.foretold.high_gbps)
        return None if low is None or high is None else (low, high)

    @property
    def null_ratios(self) -> dict[str, float | None]:
        """What each null model foretells, by its name."""
        return {words: self.foretold.ratio(getattr(self.foretold, name)) for name, words in NULLS.items()}

    @property
    def error(self) -> float:
        """Predicted over measured ratio, less 1; one who is silent has said that nothing changes."""
        return error(self.predicted_ratio, self.measured.ratio)

    @property
    def null_errors(self) -> dict[str, float]:
        """The same of each null model."""
        return {words: error(ratio, self.measured.ratio) for words, ratio in self.null_ratios.items()}

    @property
    def error_over_noise(self) -> float | None:
        """The error in standard deviations of a ratio of unchanged hosts; None where those did not differ."""
        noise = self.measured.noise
        return abs(math.log1p(self.error)) / noise if noise else None

    @property
    def inside(self) -> bool:
        """Whether the measured ratio lies in the 90 % interval; false where there is none."""
        interval = self.interval
        return interval is not None and interval[0] <= self.measured.ratio <= interval[1]

    @property
    def width(self) -> float:
        """Upper over lower end of the interval; infinite where there is none."""
        interval = self.interval
        return math.inf if interval is None or not interval[0] > 0 else interval[1] / interval[0]

    @property
    def changed(self) -> bool:
        """Whether the patches changed anything."""
        return is_change(self.measured.ratio)

    @property
    def direction_right(self) -> bool:
        """Whether more was foretold where there came more, and less where less."""
        predicted = self.predicted_ratio
        return predicted is not None and (predicted - 1) * (self.measured.ratio - 1) > 0

    @property
    def false_alarm(self) -> bool:
        """Whether a change was foretold where there was none."""
        return not self.changed and self.predicted_ratio is not None and is_change(self.predicted_ratio)

    @property
    def limits_before(self) -> tuple[str, ...]:
        """What was measured to be at its limit without the patches."""
        return at_limit(self.case.configuration, self.measured.gbps[0], self.measured.busy[0])

    @property
    def limits_after(self) -> tuple[str, ...]:
        """What was measured to be at its limit with them."""
        return at_limit(self.case.patched, self.measured.gbps[1], self.measured.busy[1])

    @property
    def limit_right(self) -> bool:
        """Whether the limit foretold for after the patches was one."""
        return names_one(self.foretold.limit_after, self.limits_after)

    @property
    def limit_before_right(self) -> bool:
        """Whether the limit named from the baseline's recording was one."""
        return names_one(self.foretold.limit_before, self.limits_before)

    @property
    def load_errors(self) -> dict[int, float]:
        """How busy each CPU was foretold to be with the patches, less how busy it was: parts of its time."""
        busy = self.measured.busy[1]
        return {cpu: share - busy[cpu] for cpu, share in self.foretold.busy_after.items() if cpu in busy}


def error(predicted: float | None, measured: float) -> float:
    """How far a ratio foretold lies above the measured one; silence counts as "no change".

    Examples
    --------
    >>> error(3.0, 2.0), error(None, 2.0)
    (0.5, -0.5)
    """
    return (1.0 if predicted is None else predicted) / measured - 1


def is_change(ratio: float) -> bool:
    """Whether a ratio is further from 1 than 15 %.

    Examples
    --------
    >>> is_change(1.15), is_change(1.16), is_change(0.84)
    (False, True, True)
    """
    return abs(ratio - 1) > CHANGE + 1e-9  # 1.15 - 1 is a little more than 0.15


def names_one(limit: str, measured: Sequence[str]) -> bool:
    """Whether a limit is one of those measured; one outside the CPUs is right where nothing here was at its limit.

    Examples
    --------
    >>> names_one("CPU 1", ["CPU 0", "CPU 1"]), names_one(NOT_SEEN, ["unknown"]), names_one(NOT_SEEN, ["CPU 1"])
    (True, True, False)
    """
    return limit in measured or (limit == NOT_SEEN and UNKNOWN in measured)


def link_payload_gbps(scenario: Scenario) -> float | None:
    """What the token bucket lets through besides headers; None without one."""
    if scenario.link_rate_gbps is None:
        return None
    return payload_gbps(scenario.link_rate_gbps, segment_bytes(scenario.mtu), framing_bytes(physical=False))


def at_limit(scenario: Scenario, gbps: float, busy: Mapping[int, float]) -> tuple[str, ...]:
    """What is at its limit, as measured; several where the measurement does not tell them apart.

    Parameters
    ----------
    scenario
        What ran.
    gbps
        Its goodput.
    busy
        Share of each CPU's time.

    Returns
    -------
    tuple[str, ...]
        The link and every CPU at 95 % or more, and what is within 3 points of the fullest of them; else the receive
        window where it is set, else "unknown". A CPU that a competing process fills is busy whatever limits: it does
        not count beside a full link, and where it alone is full a receive window that is set may be the limit as well.
    """
    payload_gbps = link_payload_gbps(scenario)
    use = {f"CPU {cpu}": share for cpu, share in busy.items()}
    crowded = f"CPU {scenario.hog_cpu}"
    if payload_gbps is not None:
        use[LINK] = gbps / payload_gbps
        if use[LINK] >= FULL:
            use.pop(crowded, None)
    window = {WINDOW} if scenario.rcvbuf_bytes is not None else set()
    fullest = max(use.values(), default=0.0)
    if fullest < FULL:
        return tuple(window or {UNKNOWN})
    full = {name for name, share in use.items() if share >= min(FULL, fullest - TIE)}
    return tuple(sorted(full | window if full == {crowded} else full))

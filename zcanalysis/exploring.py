"""A scenario's answer at once and then exactly, and what the time of a transfer is made of before and after it.

What is asked about is a `Subject`: a recording's answer, or a host that nobody recorded. The fast answer replays five
of its 25 hosts (`FAST_ERROR` is how far it may be off); the exact one is that of `what_if`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import polars as pl

from zcanalysis.answer import Answer
from zcanalysis.errors import ExtensionError, ImpossibleHostError, ZcError
from zcanalysis.gains import OTHERS, ladder
from zcanalysis.hosts import Host
from zcanalysis.modelled import FAST_HOSTS, Basis, basis_of, changed, limit_of
from zcanalysis.patched import is_priced
from zcanalysis.patches import Patch, Setting, cannot, entry_of
from zcanalysis.patches.patch import imagined
from zcanalysis.rates import BITS_PER_BYTE
from zcanalysis.scenarios import Scenario
from zcanalysis.tables import BEFORE_AFTER, conform, empty, polars_schema
from zcanalysis.whatif import UNKNOWN, Prediction, fast_prediction, host_prediction, patch_setting, predict, workload_of
from zcanalysis.workload import Workload

BEFORE: Final = "as it is"
AFTER: Final = "with the changes"
MOST_RUNGS: Final = 5
"""Of a ladder that is drawn anew for every scenario: 32 replays instead of 256."""
MEGABYTE_US: Final = 1e3 * BITS_PER_BYTE
"""Microseconds that a megabyte takes at 1 Gbit/s."""
GROUP_OF_STAGE: Final = {
    "write": "sender", "transmit": "sender", "sender's ack": "sender", "sender": "sender",
    "send interrupt": "interrupts and softirq", "interrupt": "interrupts and softirq",
    "softirq": "interrupts and softirq", "driver": "driver and backlog", "hand-over": "driver and backlog",
    "gro": "GRO", "skb heads": "skb and page memory", "ip": "IP, netfilter, TCP, UDP",
    "tcp": "IP, netfilter, TCP, UDP", "checksum": "checksum", "copy and checksum": "copy to user",
    "copy": "copy to user", "wake-up": "socket, lock, wake-ups", "schedule": "socket, lock, wake-ups", "ack": "ACKs",
    "syscall": "system calls and reader", "other processes": "probe and other processes",
    "reader waits for the CPU": "probe and other processes", "smaller stages together": "probe and other processes",
}  # fmt: skip
"""The group of `GROUP_COLOURS` that a stage of the model belongs to."""
SMALLEST_SHOWN_PART: Final = 0.01
SMALLER: Final = "smaller stages together"
WAITING: Final = "waiting, unexplained"


class Rate(NamedTuple):
    """A goodput with its 90 % interval; None where nothing can say."""

    gbps: float | None
    low_gbps: float | None
    high_gbps: float | None


@dataclass(frozen=True, slots=True)
class Subject:
    """What scenarios are asked of."""

    name: str
    answer: Answer | None
    """Of a recording; None for a host that nobody recorded."""
    start: Basis | None
    """None where no host can be calibrated: null models answer alone."""
    load: Workload | None = None

    @property
    def host(self) -> Host | None:
        """The host that is replayed."""
        return None if self.start is None else self.start.hosts[0]

    @property
    def baseline(self) -> "Rate":
        """Measured with its interval, or replayed where nothing was."""
        if self.answer is not None:
            return Rate(self.answer.goodput_gbps, self.answer.low_gbps, self.answer.high_gbps)
        return Rate(None if self.start is None else self.start.goodput.gbps, None, None)

    @property
    def limit(self) -> str:
        """What limits as it is: named by the recording's counters, or by the replay where nothing was recorded."""
        if self.answer is None:
            return UNKNOWN if self.start is None else limit_of(self.start.hosts[0], self.start.before)
        return self.answer.held_back_by.where or self.answer.held_back_by.kind


class Explored(NamedTuple):
    """What a scenario would give."""

    scenario: Scenario
    prediction: Prediction
    exact: bool
    """Whether it is that of `what_if`, or of a few hosts, within `FAST_ERROR` of it."""

    @property
    def rate(self) -> Rate:
        """What is predicted."""
        return Rate(self.prediction.gbps, self.prediction.low_gbps, self.prediction.high_gbps)

    @property
    def changes_nothing(self) -> bool:
        """Whether it asks for nothing at all."""
        return not (self.scenario.patches or self.scenario.prices)


def subject_of(asked: Answer | Host) -> Subject:
    """What scenarios can be asked of.

    Parameters
    ----------
    asked
        An answer worked out, or a host that nobody recorded.

    Raises
    ------
    ImpossibleHostError
        If the host cannot be replayed.
    """
    if isinstance(asked, Host):
        return Subject(asked.name, None, basis_of(asked))
    return Subject(asked.recording.name, asked, asked.model, workload_of(asked))


def explored(subject: Subject, scenario: Scenario, *, exact: bool = True) -> Explored:
    """What the scenario would give.

    Parameters
    ----------
    subject
        Of a recording or a host.
    scenario
        Patches together, and prices.
    exact
        As `what_if` has it; else of a few hosts only, in a fraction of the time.

    Raises
    ------
    ImpossibleHostError
        If the host has no such price, or it cannot have that value.
    TraceError
        If prices are set where no host can be calibrated.
    """
    patches, prices = scenario.patches, scenario.prices
    if subject.answer is None:
        assert subject.start is not None
        made = host_prediction(subject.start, patches, prices, None if exact else FAST_HOSTS)
    elif exact:
        made = predict(subject.answer, patches, prices)
    else:
        made = fast_prediction(subject.answer, subject.load, patches, prices)
    return Explored(scenario, made, exact)


def asked_anyway(subject: Subject, scenario: Scenario, *, exact: bool = True) -> Explored:
    """The same, and where it cannot be asked (a price that this host has not) no prediction, which says why.

    Parameters
    ----------
    subject, scenario, exact
        As for `explored`.
    """
    try:
        return explored(subject, scenario, exact=exact)
    except ZcError as error:
        nothing = explored(subject, Scenario(name="")).prediction
        return Explored(scenario, nothing._replace(
            patches=scenario.patches, prices=scenario.prices, applies=False, why=str(error), gbps=None, low_gbps=None,
            high_gbps=None, limit_after=UNKNOWN, busy={},
        ), exact)  # fmt: skip


def transfer_time(subject: Subject, found: Explored) -> pl.DataFrame:
    """What a megabyte's time is made of before and after, along the critical path: a BEFORE_AFTER table, microseconds.

    Parameters
    ----------
    subject
        Of a recording or a host.
    found
        What a scenario would give it; its goodput is what the parts after sum to.

    Notes
    -----
    The shares are those of one replay of the host, each stage of the model on the path that ends with the last byte;
    the sums are the goodput's, so before that is the measured one. Empty where there is no replay.
    """
    start, gbps = subject.start, found.prediction.gbps
    if start is None or gbps is None:
        return empty(BEFORE_AFTER)
    after = _changed(start, found)
    paths = [(BEFORE, _path(start, start.goodput.gbps))] + ([] if after is None else [(AFTER, _path(after, gbps))])
    stages, parts = _folded(start.before.stages, [path for _, path in paths])
    groups = [GROUP_OF_STAGE.get(stage, WAITING) for stage in stages]
    return _steps([(when, 0.0, stages, groups, part) for (when, _), part in zip(paths, parts, strict=True)])


def ladders(subject: Subject, found: Explored) -> pl.DataFrame:
    """What each group of receiver stages holds back, in any order of fixing: a BEFORE_AFTER table, Gbit/s.

    Parameters
    ----------
    subject
        Of a recording; a host that nobody recorded has no stages behind its prices, and the table is empty.
    found
        What a scenario would give it.

    Notes
    -----
    Of `zc.ladder`, with the smaller groups together; before and after in the same order.
    """
    start, gbps = subject.start, found.prediction.gbps
    if start is None or not start.calibration.parts or gbps is None:
        return empty(BEFORE_AFTER)
    rungs = ladder(start, MOST_RUNGS)
    groups = rungs.get_column("group").to_list()
    climbs = [(BEFORE, start.goodput.gbps, groups, _drawn_as(groups), rungs.get_column("part_gbps").to_list())]
    after = _changed(start, found)
    if after is not None:
        parts = dict(ladder(after, MOST_RUNGS).select("group", "part_gbps").iter_rows())
        climbs.append((AFTER, gbps, groups, _drawn_as(groups), [parts[group] for group in groups]))
    return _steps(climbs)


def what_it_means(subject: Subject, patch: Patch) -> Setting:
    """Whether a patch can act there, and what it means: as `what_if` would say of it alone.

    Parameters
    ----------
    subject
        Of a recording, or a host.
    patch
        Any.
    """
    if subject.answer is not None:
        try:
            return patch_setting(subject.answer, subject.load, patch)
        except ExtensionError as error:  # of one patch among many: the others are there
            return cannot(str(error))
    assert subject.host is not None
    if subject.host.generation not in entry_of(patch.kind).generations:
        return cannot(f"not on {subject.host.generation}: it has another receive path")
    return imagined("") if is_priced(patch) else cannot("the model of this host does not know it")


def acting(found: Explored) -> tuple[Patch, ...]:
    """The patches that change something here.

    Parameters
    ----------
    found
        What a scenario would give.
    """
    made = found.prediction
    if not made.settings:
        return tuple(patch for patch in made.patches if is_priced(patch))
    return tuple(patch for patch, means in zip(made.patches, made.settings, strict=True) if means.obstacle is None)


def _changed(start: Basis, found: Explored) -> Basis | None:
    """The host with the changes as a basis of its own; None where nothing changes or no such host can be."""
    patches, prices, gbps = acting(found), found.scenario.prices, found.prediction.gbps
    if gbps is None or not (patches or prices) or not all(map(is_priced, patches)):
        return None
    try:
        done = changed(start, patches, prices, 1)
    except ImpossibleHostError:
        return None
    return start._replace(goodput=start.goodput._replace(gbps=gbps), hosts=tuple(done.hosts), before=done.after)


def _path(start: Basis, gbps: float) -> list[float]:
    """Microseconds of a megabyte at each stage of the model."""
    done = start.before
    us = done.path_ns[0] / max(int(done.elapsed_ns[0]), 1) * MEGABYTE_US / gbps
    return [float(part) for part in us]


def _folded(stages: Sequence[str], paths: list[list[float]]) -> tuple[list[str], list[list[float]]]:
    """Stages that are worth a line in any of the paths, and the others as one, last."""
    large = [at for at in range(len(stages)) if any(path[at] >= SMALLEST_SHOWN_PART * sum(path) > 0 for path in paths)]
    rest = [sum(path) - sum(path[at] for at in large) for path in paths]
    return [*(stages[at] for at in large), SMALLER], [
        [*(path[at] for at in large), left] for path, left in zip(paths, rest, strict=True)
    ]


Panel = tuple[str, float, list[str], list[str], list[float]]
"""When, where it begins, and for each step its name, the group it is drawn with, and its part."""


def _steps(panels: Iterable[Panel]) -> pl.DataFrame:
    """Steps of each panel, one beginning where the one before ends."""
    rows = []
    for when, at, names, groups, amounts in panels:
        for order, (name, group, amount) in enumerate(zip(names, groups, amounts, strict=True)):
            rows.append((order, when, name, group, amount, at, at + amount))
            at += amount
    return conform(pl.DataFrame(rows, schema=polars_schema(BEFORE_AFTER), orient="row"), BEFORE_AFTER)


def _drawn_as(groups: list[str]) -> list[str]:
    return ["probe and other processes" if group == OTHERS else group for group in groups]

"""Cases drawn from a factorial space: which configurations are met, and which patches are applied to them.

Nobody picks a case: the space below is data, and a text (the commit of the code, unless told otherwise) says which of
its cases are drawn. One line more in `LEVELS` or `PATCH_VALUES` widens the space; what a text draws then changes.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from zcanalysis.errors import HostError
from zcanalysis.lab.applied import patched
from zcanalysis.lab.scenarios import Scenario, scenario_named

# Each level is a patch of a host with nothing set, or None: leave it. Listed twice is drawn twice as often: whatever
# holds a transfer back is absent in half of the configurations, else a patch of anything else would hardly ever act.
LEVELS: Final[Mapping[str, tuple[str | None, ...]]] = {
    "mtu": ("1500", "3000", "9000"),
    "gro": ("off", "on"),
    "rps": ("off", "1"),
    "rcvbuf": (None, None, "65536", "262144"),
    "link-gbps": (None, None, "2", "4"),
    "competing-load": (None, "1"),
}
PATCH_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "mtu": ("1500", "3000", "4000", "9000"),
    "gro": ("on", "off"),
    "rps": ("off", "0", "1"),
    "rcvbuf": ("65536", "131072", "262144", "1048576"),
    "competing-load": ("0", "1"),
    "link-gbps": ("2", "4", "8"),
    "hw-checksum": ("on",),
}
NO_OPS: Final = frozenset({"hw-checksum=on"})
"""Patches that change nothing on a veth: what predicts a gain from them is wrong."""
CASES_PER_NO_OP: Final = 6
CASES_PER_PAIR: Final = 3
MOST_TRIES: Final = 1000
JOINED_BY: Final = "+"
UNNAMED: Final = "drawn"

DEVELOPMENT: Final = "development-"
"""How the seed of a set begins that the model may be improved on: no final set draws from it."""
DEVELOPMENT_SEED: Final = f"{DEVELOPMENT}1"
DEVELOPMENT_COUNT: Final = 48


Key = tuple[str, frozenset[str]]


class Case(NamedTuple):
    """One configuration and the patches that are applied to it together."""

    configuration: Scenario
    patches: tuple[str, ...]
    """NAME=VALUE each, in the order they are applied."""

    @property
    def name(self) -> str:
        """Configuration and patches as one text."""
        return f"{self.configuration.name} {self.patch}"

    @property
    def patch(self) -> str:
        """The patches as one text, as the command line takes it."""
        return JOINED_BY.join(self.patches)

    @property
    def patched(self) -> Scenario:
        """The configuration with the patches."""
        scenario = self.configuration
        for patch in self.patches:
            scenario = patched(scenario, patch)
        return scenario

    @property
    def key(self) -> Key:
        """Equal where two cases are the same whatever the order of their patches."""
        return self.configuration.name, frozenset(self.patches)


def draw(
    seed: str, count: int, *, paired_every: int = CASES_PER_PAIR, without: Collection[Key] = ()
) -> tuple[Case, ...]:
    """Distinct cases, the same for the same seed; the first of more are the same.

    Parameters
    ----------
    seed
        Any text.
    count
        How many, >= 1.
    paired_every
        Every how many-th case has two patches, of different kinds.
    without
        Keys of cases that must not be drawn again.

    Returns
    -------
    tuple[Case, ...]
        Every patch changes the configuration it meets, but for `NO_OPS`, which stand alone in at most one case of six.
        The kinds of first patches are dealt from a shuffled deck, so that chance leaves none out.

    Raises
    ------
    ValueError
        If count is below 1, or the space holds fewer cases.

    Examples
    --------
    >>> [case.name for case in draw("a", 2)] == [case.name for case in draw("a", 9)[:2]]
    True
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    chance = np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big"))
    kinds = _dealt(chance)
    taken = set(without)
    drawn: list[Case] = []
    while len(drawn) < count:
        spared = sum(map(_is_no_op, drawn)) < (len(drawn) + 1) // CASES_PER_NO_OP
        case = _case(chance, kinds, _Wanted(len(drawn) % paired_every == 0, spared), taken)
        taken.add(case.key)
        drawn.append(case)
    return tuple(drawn)


class _Wanted(NamedTuple):
    """What the next case may be."""

    two: bool
    """Whether it has two patches."""
    no_op: bool
    """Whether it may be one that changes nothing."""


def _is_no_op(case: Case) -> bool:
    return bool(NO_OPS & set(case.patches))


def _dealt(chance: np.random.Generator) -> Iterator[str]:
    """Kinds of patches without end, each deck shuffled anew."""
    kinds = sorted(PATCH_VALUES)
    while True:
        for at in chance.permutation(len(kinds)):
            yield kinds[at]


def _case(chance: np.random.Generator, kinds: Iterator[str], wanted: _Wanted, taken: Collection[Key]) -> Case:
    """One that is possible and new."""
    for _ in range(MOST_TRIES):
        configuration, first = _configuration(chance), next(kinds)
        patches = [_patch(chance, first)]
        if wanted.two:
            others = [kind for kind in sorted(PATCH_VALUES) if kind != first]
            patches.append(_patch(chance, others[chance.integers(len(others))]))
        if configuration is None:
            continue
        case = Case(configuration, tuple(patches))
        if case.key not in taken and (wanted.no_op and not wanted.two if _is_no_op(case) else _acts(case)):
            return case
    raise ValueError(f"no case could be drawn in {MOST_TRIES} tries; {len(taken)} are taken")


def _configuration(chance: np.random.Generator) -> Scenario | None:
    """Hosts at levels of chance; None where these exclude each other."""
    levels = {kind: values[chance.integers(len(values))] for kind, values in LEVELS.items()}
    try:
        return configured(f"{kind}={value}" for kind, value in levels.items() if value is not None)
    except HostError:
        return None


def configured(settings: Iterable[str]) -> Scenario:
    """The hosts with these settings and nothing else set, named after them.

    Parameters
    ----------
    settings
        NAME=VALUE each.

    Examples
    --------
    >>> configured(["mtu=3000", "gro=on"]).name
    'mtu=3000,gro=on'
    """
    names = list(settings)
    scenario = Scenario(name=UNNAMED, rps_cpu=None)
    for name in names:
        scenario = patched(scenario, name)
    return replace(scenario, name=",".join(names))


def _patch(chance: np.random.Generator, kind: str) -> str:
    values = PATCH_VALUES[kind]
    return f"{kind}={values[chance.integers(len(values))]}"


def _acts(case: Case) -> bool:
    """Whether each patch is possible, and changes what it meets."""
    scenario = case.configuration
    for patch in case.patches:
        try:
            changed = patched(scenario, patch)
        except HostError:
            return False
        if changed == replace(scenario, name=changed.name):
            return False
        scenario = changed
    return True


def cases_of(configuration: str, patches: Collection[str]) -> tuple[Case, ...]:
    """Cases that somebody picked: one for each text, whose patches are joined by `+`.

    Parameters
    ----------
    configuration
        Name of one in `SCENARIOS`.
    patches
        As the command line takes them, like ``mtu=9000`` or ``mtu=9000+gro=on``.

    Raises
    ------
    HostError
        If there is no such configuration, or the lab cannot apply a patch.
    """
    scenario = scenario_named(configuration)
    cases = tuple(Case(scenario, tuple(text.split(JOINED_BY))) for text in patches)
    for case in cases:
        case.patched  # noqa: B018 - a patch that cannot be applied is said now
    return cases


def development_set() -> tuple[Case, ...]:
    """The cases that the model may be improved on."""
    return draw(DEVELOPMENT_SEED, DEVELOPMENT_COUNT)

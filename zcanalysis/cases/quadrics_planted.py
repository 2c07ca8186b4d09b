"""Is the cause found where it is known? A host is generated with one, and measured until the hypotheses part.

The hosts that explain the figures are the judges: after each measurement those that would show something else count
little (it may have been misread), and the next one is that which tells most among the easiest that tell anything: what
a production cluster allows at once comes before what wants a node out of use, a driver, or a reboot.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.cases.quadrics_hypotheses import NAMES
from zcanalysis.cases.quadrics_measurements import MEASUREMENTS, NEEDS, Looked, looked, mutual_bits
from zcanalysis.cases.quadrics_sweep import Posterior, Supposed
from zcanalysis.tables import RECOVERED, STEPS, conform

SURE_SHARE: Final = 0.95
MISREAD: Final = 0.02
"""How often a measurement shows the wrong class."""
LEAST_BITS: Final = 0.02
"""Nothing is measured for less."""

Classes = npt.NDArray[np.int64]


class Trail(NamedTuple):
    """One generated host, measured."""

    truth: str
    measured: list[str]
    shares: list[npt.NDArray[np.float64]]
    """Of each hypothesis, before and after each measurement."""


def planted(sweep: list[Supposed], branch: str, names: list[str], each: int = 1, seed: int = 0) -> Posterior:
    """Generated hosts whose cause is known and that send and receive what was reported.

    Parameters
    ----------
    sweep
        Another sweep than the one that judges: from another seed.
    branch
        TCP or UDP.
    names
        Their hypotheses.
    each
        Hosts a hypothesis.
    seed
        Which ones.
    """
    rng, hosts, hypothesis = np.random.default_rng(seed), [], []
    for name in names:
        one = sweep[NAMES.index(name)]
        rows = rng.choice(np.flatnonzero(one.explains(branch)), each)
        hosts.append({name: values[rows] for name, values in one.hosts.items()})
        hypothesis += [NAMES.index(name)] * each
    return Posterior(
        branch, {name: np.concatenate([one[name] for one in hosts]) for name in hosts[0]}, np.array(hypothesis)
    )


def trails(truths: Posterior, seen: Looked) -> list[Trail]:
    """Every generated host, measured step by step.

    Parameters
    ----------
    truths
        From `planted`.
    seen
        The judges.
    """
    theirs = looked(truths)
    outcomes = [one.classes(seen) for one in MEASUREMENTS]
    shown = [one.classes(theirs) for one in MEASUREMENTS]
    return [
        _measured(NAMES[truths.hypothesis[at]], seen.posterior, outcomes, [int(one[at]) for one in shown])
        for at in range(truths.hypothesis.size)
    ]


def _measured(truth: str, judges: Posterior, outcomes: list[Classes], shown: list[int]) -> Trail:
    weight = np.ones(judges.hypothesis.size)
    trail = Trail(truth, [], [judges.shares()])
    left = set(range(len(outcomes)))
    while left and trail.shares[-1].max() < SURE_SHARE:
        chosen = next_measured({at: mutual_bits(judges.hypothesis, outcomes[at], weight) for at in left})
        if chosen is None:
            break
        left.remove(chosen)
        weight *= np.where(outcomes[chosen] == shown[chosen], 1.0, MISREAD)
        trail.measured.append(MEASUREMENTS[chosen].name)
        trail.shares.append(judges.shares(weight))
    return trail


def next_measured(bits: Mapping[int, float]) -> int | None:
    """The easiest measurement that tells anything, of those the one that tells most; none where none does.

    Parameters
    ----------
    bits
        What each would tell, by its row of `MEASUREMENTS`.
    """
    telling = [at for at, told in bits.items() if told >= LEAST_BITS]
    return min(telling, key=lambda at: (NEEDS.index(MEASUREMENTS[at].needs), -bits[at]), default=None)


def recovered(branch: str, measured: list[Trail]) -> pl.DataFrame:
    """What became of every generated host: the RECOVERED table.

    Parameters
    ----------
    branch
        TCP or UDP.
    measured
        From `trails`.
    """
    rows = [
        {
            "branch": branch, "truth": one.truth, "measured": len(one.measured),
            "before_share": one.shares[0][NAMES.index(one.truth)],
            "after_share": one.shares[-1][NAMES.index(one.truth)],
            "found": NAMES[int(np.argmax(one.shares[-1]))],
        }
        for one in measured
    ]  # fmt: skip
    return conform(pl.DataFrame(rows), RECOVERED)


def steps(trail: Trail) -> pl.DataFrame:
    """One trail, a row a step and hypothesis: the STEPS table.

    Parameters
    ----------
    trail
        One of `trails`.
    """
    names = ["the two figures alone", *trail.measured]
    rows = [
        {"step": step, "measurement": name, "hypothesis": hypothesis, "share": share}
        for step, (name, shares) in enumerate(zip(names, trail.shares, strict=True))
        for hypothesis, share in zip(NAMES, shares, strict=True)
    ]
    return conform(pl.DataFrame(rows), STEPS)

"""Every hypothesis supposed of many hosts, and how much of each one's volume does what was reported."""

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import beta

from zcanalysis.cases.quadrics_figures import received_tcp, received_udp, transmitted_gbps
from zcanalysis.cases.quadrics_hypotheses import ALL_HYPOTHESES, PLAIN, Hypothesis, supposed
from zcanalysis.cases.quadrics_prior import CPU_PRICES, RECEIVE_GBPS, TRANSMIT_GBPS, Hosts, drawn
from zcanalysis.tables import HYPOTHESES, ODDS, conform

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

DRAWN: Final = 200_000
"""Hosts of each hypothesis; who does not transmit as reported is not replayed."""
BATCH: Final = 50_000
REPLAYED: Final = 4_000
"""Most of a hypothesis that are replayed."""
BRANCHES: Final = ("TCP", "UDP")
RULED_OUT_SHARE: Final = 0.01
CLOSE_ODDS: Final = 10**0.5
"""Within them nothing is told apart: 'barely worth mentioning' (Jeffreys, Theory of Probability)."""


class Supposed(NamedTuple):
    """One hypothesis: its hosts that transmit as reported, and what they receive."""

    hypothesis: Hypothesis
    drawn: int
    """Hosts drawn until these were found."""
    hosts: Hosts
    tcp: Mask
    """Shape (hosts,). Receives as reported over TCP, and would receive more without the hypothesis."""
    udp: Mask
    """The same of a UDP blast."""
    near: Mask
    """Shape (2, hosts). Within half the tolerance, in each branch."""

    @property
    def transmits_share(self) -> float:
        """Of all hosts drawn."""
        return self.tcp.size / self.drawn

    def explains(self, branch: str) -> Mask:
        """Which hosts count, in one of `BRANCHES`."""
        return self.tcp if branch == "TCP" else self.udp


def within(values: Floats, bounds: tuple[float, float]) -> Mask:
    """Which values are what was reported."""
    found: Mask = (values >= bounds[0]) & (values <= bounds[1])
    return found


def swept(
    seed: int = 2002, hosts: int = DRAWN, hypotheses: tuple[Hypothesis, ...] = ALL_HYPOTHESES, slower: float = 1.0
) -> list[Supposed]:
    """Every hypothesis supposed.

    Parameters
    ----------
    seed
        Where chance begins; all hypotheses are supposed of the same hosts.
    hosts
        Drawn for each.
    hypotheses
        What is supposed of them.
    slower
        Factor on all times of a CPU, > 0.
    """
    senders = _senders(seed, hosts, hypotheses, slower)
    return [_counted(hypothesis, *found) for hypothesis, found in zip(hypotheses, senders, strict=True)]


def _senders(
    seed: int, hosts: int, hypotheses: tuple[Hypothesis, ...], slower: float
) -> list[tuple[Hosts, Hosts, int]]:
    """Of each hypothesis the hosts that transmit as reported, with it and without it, and how many were looked at."""
    found: list[list[tuple[Hosts, Hosts]]] = [[] for _ in hypotheses]
    for batch, (first, last) in enumerate(pairwise([*range(0, hosts, BATCH), hosts])):
        prior = drawn(np.random.default_rng([seed, batch]), last - first)
        prior |= {name: slower * prior[name] for name in CPU_PRICES}
        for at, hypothesis in enumerate(hypotheses):
            both = supposed(hypothesis, prior, np.random.default_rng([seed, batch, at]))
            kept = within(transmitted_gbps(both[0]), TRANSMIT_GBPS)
            found[at].append(tuple({name: values[kept] for name, values in one.items()} for one in both))  # type: ignore[arg-type]
    return [_joined(pairs, hosts) for pairs in found]


def _joined(pairs: list[tuple[Hosts, Hosts]], hosts: int) -> tuple[Hosts, Hosts, int]:
    """The batches in one, no more than are to be replayed."""
    with_it, without = ({name: np.concatenate([one[name] for one in side]) for name in side[0]}
                        for side in zip(*pairs, strict=True))  # fmt: skip
    n = with_it["mtu_bytes"].size
    looked_at = round(hosts * min(1.0, REPLAYED / max(n, 1)))
    return *({name: values[:REPLAYED] for name, values in side.items()} for side in (with_it, without)), looked_at  # type: ignore[return-value]


def _counted(hypothesis: Hypothesis, hosts: Hosts, without: Hosts, looked_at: int) -> Supposed:
    tcp_gbps, udp_gbps = received_tcp(hosts).gbps, received_udp(hosts).gbps
    tcp, udp = within(tcp_gbps, RECEIVE_GBPS), within(udp_gbps, RECEIVE_GBPS)
    near = within(transmitted_gbps(hosts), _half(TRANSMIT_GBPS)) & [
        within(gbps, _half(RECEIVE_GBPS)) for gbps in (tcp_gbps, udp_gbps)
    ]
    if hypothesis.name != PLAIN:
        tcp[tcp] = received_tcp(_some(without, tcp)).gbps > RECEIVE_GBPS[1]
        sent_gbps = transmitted_gbps(_some(hosts, udp))
        udp[udp] = received_udp(_some(without, udp), sent_gbps).gbps > RECEIVE_GBPS[1]
    return Supposed(hypothesis, looked_at, hosts, tcp, udp, near)


def _half(bounds: tuple[float, float]) -> tuple[float, float]:
    """Half as wide around the same middle."""
    quarter = (bounds[1] - bounds[0]) / 4
    return bounds[0] + quarter, bounds[1] - quarter


def _some(hosts: Hosts, rows: npt.NDArray[np.generic]) -> Hosts:
    return {name: values[rows] for name, values in hosts.items()}


def hypotheses(sweep: list[Supposed]) -> pl.DataFrame:
    """How much of each hypothesis's volume does what was reported: the HYPOTHESES table.

    Parameters
    ----------
    sweep
        From `swept`.
    """
    rows = [_row(one, branch) for branch in BRANCHES for one in sweep]
    table = pl.DataFrame(rows).sort("branch", "volume_share", descending=[False, True], maintain_order=True)
    return conform(table, HYPOTHESES)


def _row(one: Supposed, branch: str) -> dict[str, object]:
    explains = one.explains(branch)
    n, found = explains.size, int(explains.sum())
    low, high = beta.ppf([0.05, 0.95], found + 0.5, n - found + 0.5) if n else (0.0, 1.0)
    share = found / max(n, 1)
    return {
        "branch": branch, "hypothesis": one.hypothesis.name, "says": one.hypothesis.says, "hosts": one.drawn,
        "replayed": n,
        "transmits_share": one.transmits_share, "explains_share": share, "low": low, "high": high,
        "volume_share": one.transmits_share * share,
        "half_volume_share": float((explains & one.near[BRANCHES.index(branch)]).sum()) / one.drawn,
        "verdict": "ruled out" if min(one.transmits_share, share) < RULED_OUT_SHARE else "possible",
    }  # fmt: skip


def odds(table: pl.DataFrame) -> pl.DataFrame:
    """What speaks for one hypothesis over another, of those that are possible: the ODDS table.

    Parameters
    ----------
    table
        From `hypotheses`.
    """
    left = table.filter(pl.col("verdict") == "possible").select("branch", "hypothesis", "volume_share")
    pairs = left.join(left.rename({"hypothesis": "against", "volume_share": "other_share"}), on="branch")
    ratio = pl.col("volume_share") / pl.col("other_share")
    told_apart = (ratio > CLOSE_ODDS) | (ratio < 1 / CLOSE_ODDS)
    return conform(pairs.with_columns(odds=ratio, told_apart=told_apart), ODDS)


class Posterior(NamedTuple):
    """Hosts that do what was reported, as often as their hypotheses deserve; each of these was as likely at first."""

    branch: str
    hosts: Hosts
    hypothesis: npt.NDArray[np.int64]
    """Shape (hosts,). Row of `ALL_HYPOTHESES`."""

    def where(self, rows: npt.NDArray[np.generic]) -> "Posterior":
        """Some of them."""
        return Posterior(self.branch, _some(self.hosts, rows), self.hypothesis[rows])

    def shares(self, weight: Floats | None = None) -> Floats:
        """Shape (hypotheses,). Of the hosts, by hypothesis; each counts as much as its weight, if there are any."""
        counted = np.bincount(self.hypothesis, weight, minlength=len(ALL_HYPOTHESES))
        shares: Floats = counted / counted.sum()
        return shares


def posterior(sweep: list[Supposed], branch: str, hosts: int = 4000, seed: int = 0) -> Posterior:
    """So many hosts drawn from all that explain the figures.

    Parameters
    ----------
    sweep
        From `swept`.
    branch
        One of `BRANCHES`.
    hosts
        How many.
    seed
        Where chance begins.
    """
    found = [_some(one.hosts, one.explains(branch)) for one in sweep]
    each = [one["mtu_bytes"].size for one in found]
    hypothesis = np.repeat(np.arange(len(sweep)), each)
    weight = np.repeat([1 / one.drawn for one in sweep], each)
    rows = np.random.default_rng(seed).choice(hypothesis.size, hosts, p=weight / weight.sum())
    return Posterior(branch, {name: np.concatenate([one[name] for one in found])[rows] for name in found[0]},
                     hypothesis[rows])  # fmt: skip


def leading(table: pl.DataFrame, branch: str) -> pl.DataFrame:
    """The hypotheses of a branch that nothing tells apart from the best one.

    Parameters
    ----------
    table
        From `hypotheses`.
    branch
        One of `BRANCHES`.
    """
    mine = table.filter((pl.col("branch") == branch) & (pl.col("verdict") == "possible"))
    return mine.filter(pl.col("volume_share") * CLOSE_ODDS >= pl.col("volume_share").max())

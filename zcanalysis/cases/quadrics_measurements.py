"""What could be looked at or tried next, and how much each would tell of which hypothesis is true.

The hosts that explain the figures say what each measurement would show on them. Its information is the mutual
information of hypothesis and outcome (Shannon, 1948), less the bias of so many hosts in so many classes (Miller, 1955).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.cases.quadrics_figures import (
    datagram_ns,
    payload_bytes,
    received_tcp,
    received_udp,
    work,
)
from zcanalysis.cases.quadrics_hypotheses import NAMES, hypothesis_named
from zcanalysis.cases.quadrics_prior import RECEIVE_GBPS, TRANSMIT_GBPS, Hosts
from zcanalysis.cases.quadrics_sweep import BRANCHES, Posterior
from zcanalysis.hosts.drawing import drawn_values
from zcanalysis.tables import INFORMATION, conform

Classes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

COUNTERS, PROGRAM, NODE, MODULE, SYSCTL, REBOOT, UPGRADE = (
    "counters", "a test program", "a node out of use", "a driver module", "a setting as root", "a reboot",
    "a new kernel",
)  # fmt: skip
NEEDS: Final = (COUNTERS, PROGRAM, NODE, MODULE, SYSCTL, REBOOT, UPGRADE)
"""What a production cluster allows, the easiest first."""
GAIN_STEP: Final = np.log(1.1)
"""A change of goodput is told from none beyond half of this: 5 %, as transfers differ from run to run."""
ENOUGH: Final = 1.1
"""Memory this much faster than what is needed of it does not limit."""
COUNTED_BYTES: Final = 1e9
"""Transferred while counters are watched."""


class Looked(NamedTuple):
    """Hosts, and what they do before anything is changed."""

    posterior: Posterior
    gbps: Floats
    busy_share: Floats
    counts: dict[str, Floats]
    """As in `Received`; of datagrams none."""

    @property
    def hosts(self) -> Hosts:
        """Their columns."""
        return self.posterior.hosts

    @property
    def branch(self) -> str:
        """TCP or UDP."""
        return self.posterior.branch

    @property
    def hypothesis(self) -> Classes:
        """What is true of each, as in `Posterior`."""
        return self.posterior.hypothesis


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One thing to look at or to try."""

    name: str
    needs: str
    """One of `NEEDS`."""
    classes: Callable[[Looked], Classes]
    """What would be seen, told apart as finely as it could be."""


def looked(posterior: Posterior) -> Looked:
    """Replays the hosts once for all measurements.

    Parameters
    ----------
    posterior
        Hosts that explain the figures.
    """
    if posterior.branch == "UDP":
        udp = received_udp(posterior.hosts)
        return Looked(posterior, udp.gbps, udp.busy_share, {})
    tcp = received_tcp(posterior.hosts)
    return Looked(posterior, tcp.gbps, tcp.busy_share, tcp.counts)


def _binned(values: Floats, step: float) -> Classes:
    """Told apart by steps of the scale."""
    return np.floor(values / step).astype(np.int64)


# ---- what is looked at


def _mtu(seen: Looked) -> Classes:
    return seen.hosts["mtu_bytes"].astype(np.int64)


def _cpu(seen: Looked) -> Classes:
    """In tenths, the last with its end: ticks of 10 ms do not tell 97 % from 100."""
    return _binned(np.minimum(seen.busy_share, 0.999), 0.1) + 100 * seen.hosts["cpus"].astype(np.int64)


def _softnet(seen: Looked) -> Classes:
    if seen.branch == "TCP":
        return np.zeros(seen.hypothesis.size, np.int64)  # no more than a window waits: never 300 packets
    return received_udp(seen.hosts).drops.astype(np.int64)


def _tcp_counters(seen: Looked) -> Classes:
    """Timers and retransmissions that show in a minute or so; datagrams have none."""
    if seen.branch == "UDP":
        return np.zeros(seen.hypothesis.size, np.int64)
    hosts, packets = seen.hosts, COUNTED_BYTES / payload_bytes(seen.hosts)
    timers = (hosts["stall_ns"] > 0) & (hosts["stall_bytes"] < COUNTED_BYTES)
    timers |= seen.counts["delayed_acks"] * packets >= 1
    return timers + 2 * (hosts["fail_share"] * packets >= 1)


def _tcpdump(seen: Looked) -> Classes:
    """ACKs a packet, and by how many factors of ten they come late."""
    if seen.branch == "UDP":
        return np.zeros(seen.hypothesis.size, np.int64)
    late_ns = seen.hosts["late_ns"] + seen.hosts["schedule_ns"]
    return _binned(seen.counts["acks"], 0.25) + 100 * np.floor(np.log10(late_ns)).astype(np.int64)


def _profile(seen: Looked) -> Classes:
    """Shares of interrupt and driver, and whether a routine that sums takes part.

    2.4 names no function of a module: what the driver does is one lump, and a lump is all that is used here.
    """
    hosts = seen.hosts
    packet_ns = 8 * payload_bytes(hosts) / seen.gbps
    interrupts = np.minimum(1.0, work(hosts).interrupt_ns / (packet_ns * seen.busy_share))
    summed = hosts["unsummed"].astype(np.int64)
    protocol = datagram_ns(hosts)[1] if seen.branch == "UDP" else work(hosts).softirq_ns + work(hosts).tcp_ns
    shares = _binned(interrupts, 0.2) + 10 * _binned(np.minimum(1.0, protocol / packet_ns), 0.2)
    return shares + 100 * summed


def _stream(seen: Looked) -> Classes:
    """Memory's rate; where another hypothesis is true it is any that would not limit."""
    memory = NAMES.index("memory bus")
    needed_gbps = max(4 * RECEIVE_GBPS[1], 3 * TRANSMIT_GBPS[1]) * ENOUGH
    rng = np.random.default_rng(7)
    prior = drawn_values(hypothesis_named("memory bus").adds["memory_gbps"], rng, 50_000)
    other = rng.choice(prior[prior > needed_gbps], seen.hypothesis.size)
    found = np.where(seen.hypothesis == memory, seen.hosts["memory_gbps"], other)
    return _binned(np.log2(found), 0.25)


def _raw_bus(seen: Looked) -> Classes:
    """The card's rate to and from buffers such as IP's, without IP."""
    hosts = seen.hosts
    read = np.minimum(hosts["read_gbps"], hosts["bus_gbps"])
    write = np.minimum(hosts["read_gbps"] * hosts["write_more"], hosts["bus_gbps"])
    return _binned(read, 0.25) + 100 * _binned(write, 0.25)


def _blast(seen: Looked) -> Classes:
    """Most datagrams without loss, in steps of a tenth of a Gbit/s."""
    return _binned(received_udp(seen.hosts).peak_gbps, 0.1)


# ---- what is tried


def gbps_with(seen: Looked, changes: Mapping[str, float]) -> Floats:
    """What the same hosts receive with something changed.

    Parameters
    ----------
    seen
        The hosts.
    changes
        By the names of the prior.
    """
    gbps = seen.gbps.copy()
    differs = np.any([seen.hosts[name] != value for name, value in changes.items()], axis=0)
    if not np.any(differs):
        return gbps
    hosts = seen.posterior.where(differs).hosts
    hosts |= {name: np.full(int(differs.sum()), value) for name, value in changes.items()}
    gbps[differs] = (received_tcp(hosts) if seen.branch == "TCP" else received_udp(hosts)).gbps
    return gbps


def _tried(**changes: float) -> Callable[[Looked], Classes]:
    def classes(seen: Looked) -> Classes:
        gain: Classes = np.rint(np.log(gbps_with(seen, changes) / seen.gbps) / GAIN_STEP).astype(np.int64)
        return gain

    return classes


MEASUREMENTS: Final = (
    Measurement(name="ifconfig: the MTU", needs=COUNTERS, classes=_mtu),
    Measurement(name="how busy each CPU is (/proc/stat)", needs=COUNTERS, classes=_cpu),
    Measurement(name="softnet_stat, columns 2 and 4", needs=COUNTERS, classes=_softnet),
    Measurement(name="netstat -s: timers, retransmissions", needs=COUNTERS, classes=_tcp_counters),
    Measurement(name="tcpdump: ACKs a packet, their delay", needs=COUNTERS, classes=_tcpdump),
    Measurement(name="a UDP blast at several rates", needs=NODE, classes=_blast),
    Measurement(name="datagrams that fit the MTU", needs=PROGRAM,
                classes=_tried(defragment_share=0.0, defragmented_warm_share=1.0)),
    Measurement(name="a quiet node, reader at nice -20", needs=NODE, classes=_tried(late_ns=0.0)),
    Measurement(name="the reader's buffer at other offsets", needs=PROGRAM, classes=_tried(misaligned_share=0.0)),
    Measurement(name="readprofile (profile= at boot)", needs=REBOOT, classes=_profile),
    Measurement(name="STREAM: the memory's rate", needs=NODE, classes=_stream),
    Measurement(name="the card's rate to IP's buffers", needs=NODE, classes=_raw_bus),
    Measurement(name="four times the window", needs=SYSCTL, classes=_tried(window_bytes=262_140.0)),
    Measurement(name="the driver sets ip_summed", needs=MODULE, classes=_tried(unsummed=0.0)),
    Measurement(name="the driver hands its buffer up", needs=MODULE,
                classes=_tried(driver_copy_share=0.0, reader_warm_share=1.0)),
    Measurement(name="tcp_low_latency, if the kernel has it", needs=UPGRADE, classes=_tried(prequeue=0.0)),
)  # fmt: skip


def information(looks: Mapping[str, Looked]) -> pl.DataFrame:
    """What each measurement would tell in each branch: the INFORMATION table, most first.

    Parameters
    ----------
    looks
        By branch.
    """
    rows = []
    for branch, seen in looks.items():
        for one in MEASUREMENTS:
            outcome = one.classes(seen)
            rows.append({
                "branch": branch, "measurement": one.name, "needs": one.needs,
                "bits": mutual_bits(seen.hypothesis, outcome),
                "left_bits": entropy_bits(seen.posterior.shares()),
                "outcomes": np.unique(outcome).size,
            })  # fmt: skip
    table = pl.DataFrame(rows).sort("branch", "bits", descending=[False, True], maintain_order=True)
    return conform(table, INFORMATION)


def command_bits(posteriors: Mapping[str, Posterior], volumes: Mapping[str, float]) -> float:
    """What the command that was run would tell of the hypothesis.

    Parameters
    ----------
    posteriors
        By branch.
    volumes
        By branch, the volume of all its hypotheses.
    """
    weights = np.array([volumes[branch] for branch in BRANCHES]) / sum(volumes.values())
    shares = np.array([posteriors[branch].shares() for branch in BRANCHES])
    return entropy_bits(weights @ shares) - float(weights @ [entropy_bits(one) for one in shares])


def mutual_bits(hypothesis: Classes, outcome: Classes, weight: Floats | None = None) -> float:
    """Mutual information of two labels, in bits, without the bias of small counts and never below 0.

    Parameters
    ----------
    hypothesis
        Shape (n,), n >= 1, >= 0.
    outcome
        Shape (n,).
    weight
        Shape (n,). How much each counts; None: the same.

    Examples
    --------
    >>> mutual_bits(np.array([0, 1] * 500), np.array([5, 6] * 500)) > 0.99
    True
    >>> mutual_bits(np.array([0, 1] * 500), np.array([5, 5, 6, 6] * 250))
    0.0
    """
    weights = np.ones(hypothesis.size) if weight is None else weight
    names, outcome_at = np.unique(outcome, return_inverse=True)
    together = np.bincount(hypothesis * names.size + outcome_at, weights, (hypothesis.max() + 1) * names.size)
    hypotheses, outcomes = together.reshape(-1, names.size).sum(axis=1), np.bincount(outcome_at, weights)
    n = weights.sum() ** 2 / (weights**2).sum()
    seen = [np.count_nonzero(one) for one in (together, hypotheses, outcomes)]
    bias = (seen[0] - seen[1] - seen[2] + 1) / (2 * n * np.log(2))
    bits = entropy_bits(hypotheses) + entropy_bits(outcomes) - entropy_bits(together)
    return max(0.0, float(bits - max(0.0, bias)))


def entropy_bits(weights: npt.NDArray[Any]) -> float:
    """Entropy of what is as likely as its weight.

    Parameters
    ----------
    weights
        Shape (n,), >= 0, not all 0.
    """
    shares = weights[weights > 0] / weights.sum()
    return float(-(shares * np.log2(shares)).sum())

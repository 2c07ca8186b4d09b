"""The hypotheses that could explain the asker's two figures, each with its ranges, written down first.

A hypothesis adds one thing to a host of the prior. It is supposed of the same hosts without it: a host counts for a
hypothesis if it sends and receives what was reported, and would receive more than that if the hypothesis were not true
of it. So a host that is slow anyway counts for the plain stack alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from zcanalysis.cases.quadrics_prior import Hosts
from zcanalysis.hosts.drawing import drawn_values
from zcanalysis.hosts.price import Price

PLAIN: Final = "plain stack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One hypothesis; names are those of `quadrics_prior`."""

    name: str
    says: str
    adds: Mapping[str, Price] = field(default_factory=dict)
    """Ranges of what it adds."""
    sets: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """What it sets, one of these with equal chances."""
    setting: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Where it can play: also of the hosts without it."""
    without: Mapping[str, float] = field(default_factory=dict)
    """What those hosts have instead, if it is not what the prior says."""


def _assumed(value: float, low: float, high: float, why: str) -> Price:
    return Price(value, low, high, "assumed", why)


_COPY_SHARE = Price(0.79, 0.65, 1.6, "published", "of the fused pass: Morton, 7 October 2002, aligned 0.72 of the"
                    " integer loop, misaligned 1.57 (10.02 s against 6.41 s)")  # fmt: skip
_WARM = _assumed(0.7, 0.33, 1.0, "the second reading finds the data in the cache: as for the sender's warm copy")
_WIDE: Final = (16384.0, 32768.0)

ALL_HYPOTHESES: Final = (
    Hypothesis(name=PLAIN, says="nothing is wrong: receiving costs 2.4 that much more than sending"),
    Hypothesis(name="copy in the driver", says="the driver copies each packet once more, or realigns it",
        adds={"driver_copy_share": _COPY_SHARE, "reader_warm_share": _WARM}),
    Hypothesis(name="misaligned copy", says="rep movsl to the user from data that are not aligned",
        adds={"misaligned_share": Price(1.4, 1.05, 1.6, "published", "of the fused pass: misaligned rep movsl over"
              " the integer loop, 1.57 on a Pentium III (Morton, 7 October 2002), 1.05 to 1.35 on a P4 (Anand)")}),
    Hypothesis(name="ip_summed not set", says="the card checks, the driver does not say so, and TCP sums again",
        sets={"unsummed": (1.0,)}),
    Hypothesis(name="prequeue and late reader",
        says="the reader runs late, and in 2.4 it is the reader who sends the ACKs",
        adds={"late_ns": _assumed(3e5, 3e4, 1e7, "a process that others keep waiting: up to a tick of 10 ms")}),
    Hypothesis(name="interrupts", says="each packet's interrupt is dear: registers of the card read over PCI",
        adds={"interrupt_more_ns": _assumed(1e4, 3e3, 4e4, "a read over PCI is about 1 us; a few to some tens")}),
    Hypothesis(name="two large segments", says="an MTU of 64 KB, of which the window holds only two",
        setting={"mtu_bytes": (65280.0,)}, sets={"segments": (2.0,)}, without={"segments": 8.0}),
    Hypothesis(name="delayed ACKs", says="now and then the ACK comes from a timer, and the sender waits for it",
        sets={"stall_ns": (2e7, 4e7, 1.5e8, 2e8)},
        adds={"stall_bytes": _assumed(3e7, 1e6, 1e9, "between two misses; nobody counted them in the thread")}),
    Hypothesis(name="high-order allocation", says="a large MTU needs many pages in a row: slow, and sometimes refused",
        setting={"mtu_bytes": _WIDE},
        adds={"page_ns": _assumed(1e3, 200.0, 5e3, "of each page of the buffer, splitting and reclaiming"),
              "fail_share": _assumed(1e-5, 1e-7, 1e-3, "of packets; each costs a retransmission, 200 ms")}),
    Hypothesis(name="PCI bus", says="the card moves IP's buffers slower than MPI's, and writes slower than it reads",
        adds={"read_gbps": _assumed(2.0, 1.4, 2.68, "up to what MPI has of the same card"),
              "write_more": _assumed(1.3, 0.9, 2.0, "writes over PCI are posted and reads wait: writes are faster")}),
    Hypothesis(name="memory bus",
        says="memory is too slow for receiving, which crosses its bus more often than sending",
        adds={"memory_gbps": _assumed(5.6, 2.8, 11.2, "of a node's memory, both ways: PC133 has 8.5 on paper"),
              "sent_crossings": _assumed(3.0, 2.0, 4.0, "allocate, write back, DMA; and the user's data"),
              "received_crossings": _assumed(4.0, 3.5, 5.0, "DMA, read, allocate, write back; and a sum")}),
    Hypothesis(name="second CPU", says="two CPUs share the work, and locks and cache lines cost more than they give",
        sets={"cpus": (2.0,)}, without={"cpus": 1.0},
        adds={"lock_share": _assumed(1.3, 1.0, 2.0, "factor on all prices of a packet")}),
    Hypothesis(name="copying defragmenter",
        says="datagrams larger than the MTU: until 2.4.4 reassembly copied all of it",
        adds={"defragment_share": Price(0.79, 0.65, 1.03, "published", "of the fused pass, as the aligned copy"),
              "defragmented_warm_share": _WARM}),
)  # fmt: skip
NAMES: Final = tuple(hypothesis.name for hypothesis in ALL_HYPOTHESES)


def supposed(hypothesis: Hypothesis, hosts: Hosts, rng: np.random.Generator) -> tuple[Hosts, Hosts]:
    """The hosts with the hypothesis and the same hosts without it.

    Parameters
    ----------
    hypothesis
        One of `ALL_HYPOTHESES`.
    hosts
        Of the prior.
    rng
        Where chance comes from.
    """
    n = hosts["mtu_bytes"].size
    setting = hosts | {name: rng.choice(np.array(values), n) for name, values in hypothesis.setting.items()}
    added = {name: drawn_values(price, rng, n) for name, price in hypothesis.adds.items()}
    added |= {name: rng.choice(np.array(values), n) for name, values in hypothesis.sets.items()}
    return setting | added, setting | {name: np.full(n, value) for name, value in hypothesis.without.items()}


def hypothesis_named(name: str) -> Hypothesis:
    """The hypothesis of that name."""
    return ALL_HYPOTHESES[NAMES.index(name)]

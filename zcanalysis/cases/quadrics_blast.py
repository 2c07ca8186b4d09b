"""Goodput against offered load, if the asker's figures are those of datagrams."""

from typing import Final

import numpy as np
import polars as pl

from zcanalysis.cases.quadrics_figures import datagram_ns, payload_bytes, received_udp, transmitted_gbps
from zcanalysis.cases.quadrics_hypotheses import NAMES, PLAIN
from zcanalysis.cases.quadrics_prior import HEADER_BYTES, REPORTED_GBPS, Hosts
from zcanalysis.cases.quadrics_sweep import Posterior
from zcanalysis.model.udp import DELIVERED, UdpReceiver, through_udp
from zcanalysis.tables import BLAST, conform

LOADS_GBPS: Final = tuple(round(0.1 * tenth, 1) for tenth in range(2, 25))
CLOSED, REPLAYED = "closed form", "replayed packet by packet"
PACKETS: Final = 20_000
SKB_BYTES: Final = 160  # sizeof(struct sk_buff), as in hosts.replayed


def blast(posterior: Posterior, names: list[str]) -> pl.DataFrame:
    """What hosts that explain the figures would show if they were sent less, or more: the BLAST table.

    Parameters
    ----------
    posterior
        Of the UDP branch.
    names
        Of these hypotheses.
    """
    rows = []
    for name in names:
        mine = posterior.where(posterior.hypothesis == NAMES.index(name))
        rows += [_spread(name, mine.hosts, load) for load in LOADS_GBPS]
    one = replayed_host(posterior)
    rows += [
        {"hypothesis": PLAIN, "how": REPLAYED, "offered_gbps": load, "goodput_gbps": gbps}
        for load, gbps in zip(LOADS_GBPS, replayed_gbps(one, LOADS_GBPS), strict=True)
    ]
    return conform(pl.DataFrame(rows, schema_overrides={"low_gbps": pl.Float64}), BLAST)


def _spread(name: str, hosts: Hosts, load_gbps: float) -> dict[str, object]:
    low, median, high = np.quantile(received_udp(hosts, load_gbps).gbps, [0.25, 0.5, 0.75])
    return {"hypothesis": name, "how": CLOSED, "offered_gbps": load_gbps, "goodput_gbps": median, "low_gbps": low,
            "high_gbps": high}  # fmt: skip


def replayed_host(posterior: Posterior) -> Hosts:
    """The host with one CPU and the plain stack that comes nearest to both figures.

    Parameters
    ----------
    posterior
        Of the UDP branch.
    """
    mine = posterior.where((posterior.hypothesis == NAMES.index(PLAIN)) & (posterior.hosts["cpus"] == 1))
    off = np.hypot(transmitted_gbps(mine.hosts) - REPORTED_GBPS[0], received_udp(mine.hosts).gbps - REPORTED_GBPS[1])
    return {name: values[[np.argmin(off)]] for name, values in mine.hosts.items()}


def replayed_gbps(host: Hosts, loads_gbps: tuple[float, ...]) -> list[float]:
    """One host, packet by packet: the backlog of 300 that drops until it is empty, and interrupts that come first.

    Parameters
    ----------
    host
        One row.
    loads_gbps
        What is offered.
    """
    mss = float(payload_bytes(host)[0])
    interrupt_ns, softirq_ns, read_ns = (round(float(one[0])) for one in datagram_ns(host))
    receiver = UdpReceiver(
        interrupt_ns=interrupt_ns, softirq_ns=softirq_ns, read_ns=read_ns,
        wake_ns=round(float(host["pace"][0] * host["wake_ns"][0])),
        schedule_ns=round(float(host["pace"][0] * host["schedule_ns"][0])),
        truesize_bytes=round(mss) + HEADER_BYTES + SKB_BYTES, rcvbuf_bytes=65_535, ring_packets=256,
        shared_cpu=bool(host["cpus"][0] == 1), interrupt_each=True, pass_packets=302, passes=1, fair=False,
    )  # fmt: skip
    arrival_ns = np.rint(np.arange(PACKETS) * (8 * mss / np.array(loads_gbps))[:, None]).astype(np.int64)
    found = through_udp([receiver] * len(loads_gbps), arrival_ns)
    to_ns = arrival_ns[:, -1]
    late = (found.departure_ns > to_ns[:, None] // 2) & (found.departure_ns <= to_ns[:, None])
    read = (late & (found.fate == DELIVERED)).sum(axis=1)
    return [float(gbps) for gbps in read * 8 * mss / (to_ns - to_ns // 2)]

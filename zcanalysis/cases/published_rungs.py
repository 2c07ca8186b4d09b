"""The SIGCOMM'21 ladder replayed: what happens how often is counted, what it costs comes from the other rungs' cycles.

The second approach to the ladder. The first one takes it that a category is paid by the byte, by the packet or by the
merged skb. Here the replay of `model.linux6` says how often there is an skb, an ACK, an interrupt, a wake-up, and which
CPU is busy. A stage keeps its share of its category as in the preset `modern`; how dear the category is, the other
rungs say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final, TypeAlias

import numpy as np

from zcanalysis.cases.published_laws import HEADER_BYTES, LADDER_GHZ, PAIRS, nearer, published_cycles
from zcanalysis.hosts import preset
from zcanalysis.hosts.replayed import linux6
from zcanalysis.model.linux6 import Linux6, Replay, replay

Row: TypeAlias = Mapping[str, Any]
Factors: TypeAlias = Mapping[str, float]

PACKETS: Final = 20_000
ROUNDS: Final = 5
"""Counts depend on prices and prices on counts: so often one is worked out from the other."""
FAR: Final = "ladder-tsogro-jumbo"
NEAR: Final = "ladder-all-opts"
"""With the one above, the only two rungs with shares that differ in nothing but where the reader runs."""
STAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "data_copy": {"copy_ps_per_byte": "kilobytes"},
    "mm": {"page": "pages"},
    "netdev": {"driver_packet_ns": "packets", "gro_packet_ns": "gro_packets", "interrupt_ns": "interrupts"},
    "skb": {"head": "packets"},
    "etc": {"head": "packets"},
    "tcp_ip": {"ip_skb_ns": "skbs", "tcp_skb_ns": "skbs", "ack_ns": "acks"},
    "lock": {"ip_skb_ns": "skbs", "tcp_skb_ns": "skbs", "ack_ns": "acks"},
    "sched": {"wake_ns": "wake_ups", "schedule_ns": "wake_ups", "syscall_ns": "calls", "softirq_ns": "runs",
              "send_interrupt_ns": "signals"},
}  # fmt: skip
"""Of each category of the artifact: its stages in the replay, and what each is paid for.

Pages: of the 430 symbols those of `mm` allocate, free and map pages (symbol_mapping.tsv)."""
PAGE_BYTES: Final = 4096
IN_MODERN: Final = {"page": 100, "head": 100}
"""ns; stages that the preset `modern` does not have apart: alone in their category, so that any figure would do."""


def replayed_rung(row: Row, others: Sequence[Row], packets: int = PACKETS) -> float:
    """Gbit/s for each core that is busy.

    Parameters
    ----------
    row
        With MTU, GRO, and whether the reader runs where packets arrive.
    others
        All other rungs; those with shares give the prices.
    packets
        Of the replayed transfers.
    """
    return _each_core_gbps([rung_host(row, foretold_factors(row, others, packets))], packets)[0]


def replayed_total(row: Row, others: Sequence[Row]) -> float:
    """Gbit/s of the connection, on as many cores as it takes.

    Parameters
    ----------
    row, others
        As for `replayed_rung`.
    """
    host = rung_host(row, foretold_factors(row, others))
    return float(8 * host.mss_bytes * PACKETS / replay([host], PACKETS).elapsed_ns[0])


def replayed_cycles(row: Row, others: Sequence[Row]) -> dict[str, float]:
    """Cycles a byte by category, as often as the replay of the rung counts what they are paid for.

    Parameters
    ----------
    row, others
        As for `replayed_rung`.
    """
    factors = foretold_factors(row, others)
    host = rung_host(row, factors)
    spent = spent_ns(host, replay([host], PACKETS), 0)
    return {name: LADDER_GHZ * factors[name] * ns for name, ns in spent.items()}


def foretold_factors(row: Row, others: Sequence[Row], packets: int = PACKETS) -> Factors:
    """How much dearer each category is on a rung than in the preset `modern`.

    Parameters
    ----------
    row
        The rung that is foretold: only where its reader runs matters.
    others
        Rungs; those with shares give the prices.
    packets
        Of the replayed transfers.
    """
    priced = [other for other in others if "shares" in other]
    factors: Factors = dict.fromkeys(STAGES, 1.0)
    farther: Factors = dict.fromkeys(STAGES, 1.0)
    for _ in range(ROUNDS):
        hosts = [rung_host(rung, _placed(factors, farther, rung)) for rung in priced]
        done = replay(hosts, packets)
        spent = [spent_ns(host, done, at, packets) for at, host in enumerate(hosts)]
        found = [_factors_of(rung, ns) for rung, ns in zip(priced, spent, strict=True)]
        named = {rung["id"]: each for rung, each in zip(priced, found, strict=True)}
        farther = _farther(named, factors, others, packets)
        near = [_brought_near(each, farther, rung) for rung, each in zip(priced, found, strict=True)]
        factors = {name: float(np.mean([each[name] for each in near])) for name in STAGES}
    return _placed(factors, farther, row)


def _brought_near(factors: Factors, farther: Factors, row: Row) -> Factors:
    return {name: value / (1 if row["inputs"]["local"] else farther[name]) for name, value in factors.items()}


def _placed(factors: Factors, farther: Factors, row: Row) -> Factors:
    return {name: value * (1 if row["inputs"]["local"] else farther[name]) for name, value in factors.items()}


def _factors_of(row: Row, at_modern_ns: Mapping[str, float]) -> Factors:
    """Published cycles of each category over what its stages, so often, would cost in `modern`."""
    return {name: cycles / LADDER_GHZ / at_modern_ns[name] for name, cycles in published_cycles(row).items()}


def _farther(found: Mapping[str, Factors], factors: Factors, others: Sequence[Row], packets: int) -> Factors:
    """By how much each category is dearer where the reader runs far from the packets; nothing is cheaper for it.

    Without both rungs that tell it by category it is one factor for all: what pairs of rungs differ by, less what the
    replay says that other counts make of it.
    """
    if FAR in found and NEAR in found:
        return {name: max(found[FAR][name] / found[NEAR][name], 1.0) for name in STAGES}
    rungs = {other["id"]: other for other in others}
    alike = [rungs[name] for pair in PAIRS if rungs.keys() >= set(pair) for name in pair]
    hosts = [rung_host(rung, factors) for rung in alike]
    replayed = [{**rung, "outcome": gbps} for rung, gbps in zip(alike, _each_core_gbps(hosts, packets), strict=True)]
    return dict.fromkeys(STAGES, max(nearer(others) / nearer(replayed), 1.0))


def _each_core_gbps(hosts: Sequence[Linux6], packets: int) -> list[float]:
    """Payload over the time that the receiver's cores were busy."""
    busy_ns = replay(hosts, packets).busy_ns[:, :-1].sum(axis=1)
    return [float(8 * host.mss_bytes * packets / ns) for host, ns in zip(hosts, busy_ns, strict=True)]


def spent_ns(host: Linux6, done: Replay, at: int, packets: int = PACKETS) -> dict[str, float]:
    """Nanoseconds a byte of each category, at the prices of `modern`, as often as the replay counted.

    Parameters
    ----------
    host
        What was replayed.
    done, at
        Its replay, and which of its rows.
    packets
        Of the replayed transfer.
    """
    often = {name: float(count[at]) for name, count in done.counts.items()}
    payload_bytes = host.mss_bytes * packets
    often |= {"packets": packets, "gro_packets": packets * (host.gro_bytes > 0), "pages": payload_bytes / PAGE_BYTES,
              "kilobytes": payload_bytes / 1000}  # fmt: skip
    prices = _modern_prices()
    return {
        name: sum(prices[stage] * often[what] for stage, what in stages.items()) / payload_bytes
        for name, stages in STAGES.items()
    }


def rung_host(row: Row, factors: Factors) -> Linux6:
    """The receiver of a rung; what sends to it is never the limit, as the paper says.

    Parameters
    ----------
    row
        With MTU, GRO, and whether the reader runs where packets arrive.
    factors
        By category: how much dearer than in the preset `modern`.
    """
    told, prices = row["inputs"], _modern_prices()
    segment = told["mtu"] - HEADER_BYTES
    cost: dict[str, float] = dict.fromkeys(prices, 0.0)
    for name, stages in STAGES.items():
        for stage in stages:
            cost[stage] += factors[name] * prices[stage]
    packet_ns = cost["driver_packet_ns"] + cost["page"] * segment / PAGE_BYTES
    whole_ns: Any = {stage: round(ns) for stage, ns in cost.items() if stage not in IN_MODERN}
    return replace(
        _modern(),
        **whole_ns | {"driver_packet_ns": round(packet_ns), "ip_packet_ns": round(cost["head"])},
        mss_bytes=segment,
        gso_bytes=_modern().gso_bytes if told["gro"] else segment,
        gro_bytes=_modern().gro_bytes if told["gro"] else 0,
        reader_cpu=0 if told["local"] else 1,
        write_ps_per_byte=0,
        send_burst_ns=0,
        send_packet_ns=0,
    )


@cache
def _modern() -> Linux6:
    return linux6(preset("modern"))


@cache
def _modern_prices() -> Mapping[str, float]:
    known = {stage for stages in STAGES.values() for stage in stages} - IN_MODERN.keys()
    return {stage: float(getattr(_modern(), stage)) for stage in known} | IN_MODERN

"""Who runs where: the CPUs that a recording's samples show at work for the transfer."""

from dataclasses import replace
from typing import Final

import polars as pl

from zcanalysis.evidence import Evidence
from zcanalysis.goodput import sender_is_here
from zcanalysis.hosts import Places
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.prices.charges import AN_ACK

PROTOCOL: tuple[str, ...] = ("ip_rx", "tcp_rx", "udp_rx", "sock_queue_lock")
POLLING: tuple[str, ...] = ("driver_rx", "gro", "page_pool")
LEAST_BY_ACK: Final = 0.1
OF_THE_READER: tuple[str, ...] = ("copy", "zerocopy", "csum_copy", "reader", "syscall")


def places(seen: Evidence) -> Places:
    """The CPU that did most of each kind of work.

    Parameters
    ----------
    seen
        Gathered from a recording with samples.

    Notes
    -----
    A virtual device polls only where it has GRO (drivers/net/veth.c veth_set_features turns NAPI on with it); without,
    its sender puts packets straight into a backlog. Either is scheduled on the CPU that transmits (veth_xmit,
    __netif_rx), so that no sample says where they are handled next time.
    """
    host = seen.recording.host
    stage, context = pl.col("stage"), pl.col("context")
    in_process = context.is_in(("syscall", "user"))
    protocol = _busiest(seen, stage.is_in(PROTOCOL) & (context == "softirq"))
    reader = _busiest(seen, stage.is_in(OF_THE_READER) & in_process)
    polled = bool(host.physical) or bool(host.features.get("generic-receive-offload"))
    driver = _busiest(seen, stage.is_in(POLLING) & (context == "softirq")) if polled else None
    known = next(cpu for cpu in (protocol, reader, 0) if cpu is not None)
    seen_there = Places(
        sender_cpu=_busiest(seen, (stage == "sender") & in_process) if sender_is_here(seen.recording) else None,
        driver_cpu=known if polled and driver is None else driver,
        protocol_cpu=known,
        reader_cpu=known if reader is None else reader,
    )
    return _of_a_virtual_link(seen_there, host) or seen_there


def _of_a_virtual_link(seen_there: Places, host: HostFacts) -> Places | None:
    """Packets of a sender here are received by the CPU that sends them, unless steered; None where nobody knows."""
    steered = {queue.rps_cpus for queue in host.queues}
    if host.physical or host.physical is None or seen_there.sender_cpu is None or len(steered) != 1 or None in steered:
        return None
    (cpus,) = steered
    polled = seen_there.driver_cpu is not None
    if not cpus:
        protocol = seen_there.sender_cpu
    else:
        protocol = seen_there.protocol_cpu if seen_there.protocol_cpu in cpus else min(cpus)
    return replace(
        seen_there,
        driver_cpu=seen_there.sender_cpu if polled else None,
        protocol_cpu=protocol,
        follows_sender=polled or not cpus,
    )


def receiving_cpus(seen: Evidence, where: Places) -> frozenset[int]:
    """CPUs that handle data below the sending of an ACK: where data are received, or sent because an ACK came."""
    sending = seen.stages.filter(pl.col("stage") == "sender", ~pl.col("function").is_in(AN_ACK))
    total = float(sending.get_column("weight_ns").sum())
    by_cpu = sending.filter(pl.col("context") == "softirq").group_by("cpu").agg(pl.col("weight_ns").sum())
    by_ack = {cpu for cpu, ns in by_cpu.iter_rows() if ns >= LEAST_BY_ACK * total}
    return frozenset(cpu for cpu in (where.driver_cpu, where.protocol_cpu, *by_ack) if cpu is not None)


def _busiest(seen: Evidence, chosen: pl.Expr) -> int | None:
    found = seen.stages.filter(chosen, pl.col("cpu") >= 0).group_by("cpu").agg(pl.col("weight_ns").sum())
    top = found.sort("weight_ns", "cpu", descending=True)
    return None if top.is_empty() else int(top.get_column("cpu").item(0))

"""Who runs where: the CPUs that a recording's samples show at work for the transfer."""

import polars as pl

from zcanalysis.evidence import Evidence
from zcanalysis.goodput import sender_is_here
from zcanalysis.hosts import Places

PROTOCOL: tuple[str, ...] = ("ip_rx", "tcp_rx", "udp_rx", "sock_queue_lock")
POLLING: tuple[str, ...] = ("driver_rx", "gro", "page_pool")
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
    its sender puts packets straight into a backlog.
    """
    host = seen.recording.host
    stage, context = pl.col("stage"), pl.col("context")
    in_process = context.is_in(("syscall", "user"))
    here = sender_is_here(seen.recording)
    protocol = _busiest(seen, stage.is_in(PROTOCOL) & (context == "softirq"))
    reader = _busiest(seen, stage.is_in(OF_THE_READER) & in_process)
    polled = bool(host.physical) or bool(host.features.get("generic-receive-offload"))
    driver = _busiest(seen, stage.is_in(POLLING) & (context == "softirq")) if polled else None
    known = next(cpu for cpu in (protocol, reader, 0) if cpu is not None)
    return Places(
        sender_cpu=_busiest(seen, (stage == "sender") & in_process) if here else None,
        driver_cpu=known if polled and driver is None else driver,
        protocol_cpu=known,
        reader_cpu=known if reader is None else reader,
    )


def _busiest(seen: Evidence, chosen: pl.Expr) -> int | None:
    found = seen.stages.filter(chosen, pl.col("cpu") >= 0).group_by("cpu").agg(pl.col("weight_ns").sum())
    top = found.sort("weight_ns", "cpu", descending=True)
    return None if top.is_empty() else int(top.get_column("cpu").item(0))

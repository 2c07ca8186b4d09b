"""Samples with the stage each one is charged to, and the time it stands for."""

from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from zcanalysis.cpu.callchains import Charge, charge
from zcanalysis.cpu.kernel_stages import NETWORK_STAGES, Generation
from zcanalysis.tables import SAMPLES, STAGED_SAMPLES, conform

HANDED_OVER: Final = r"(?:^|;)(?:veth_xmit|loopback_xmit)(?:;|$)"
OWN_TIME: Final = ("syscall", "user")
LONGEST_PERIOD_NS: Final = 1_000_000_000  # nobody samples less than once a second; more is damage
PROBE_COMMS: Final = (
    "perf",
    "perf-exec",
    "tcpdump",
    "dumpcap",
    "tshark",
    "trace-cmd",
    "bpftrace",
    "zc-sampler",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Which threads and processes read, send and probe; others are foreign. Empty sets: found from the samples."""

    reader: frozenset[int] = field(default_factory=frozenset)
    sender: frozenset[int] = field(default_factory=frozenset)
    probe: frozenset[int] = field(default_factory=frozenset)


def staged(
    samples: pl.DataFrame, roles: Roles | None = None, generation: Generation = "linux-6", kernel: str | None = None
) -> pl.DataFrame:
    """Every sample with its stage and weight: the STAGED_SAMPLES schema, sorted by CPU and time.

    Parameters
    ----------
    samples
        SAMPLES rows of one sampling event; rows with `error` are left out (the audit counts them).
    roles
        Who reads and who sends. Where neither is given, whoever is seen in a receive system call reads, and whoever is
        seen in a send system call sends; where only readers are, whoever sends over a device that hands packets over to
        this machine.
    generation
        Whose table of kernel functions to use.
    kernel
        Release of the recorded kernel, for stage maps that are for some only.

    Notes
    -----
    A softirq or interrupt is charged to its stage whatever thread it interrupted: work follows the packet, not the
    process. Time in a system call or in user code belongs to the thread's role; a kernel thread that receives
    (threaded NAPI, nfsd) is charged to its stages, any other is foreign.
    """
    clean = conform(samples, SAMPLES).filter(pl.col("error").is_null()).drop("error")
    charges = _charges(clean.get_column("callchain").unique(), generation, kernel)
    joined = clean.join(charges, on="callchain", how="left").with_columns(
        pl.col("cpu").fill_null(-1), pl.col("comm").fill_null(""), pl.col("event").fill_null("")
    )
    known = roles or Roles()
    seen = _roles_seen(joined, known)
    if not known.reader | known.sender:
        known = seen
    elif not known.sender:  # told who reads, by a host that cannot see who sends
        known = replace(known, sender=_local_senders(joined) - known.reader - known.probe)
    roles = known
    by_role = joined.with_columns(_stage_by_role(roles), (pl.col("ts_ns") - pl.col("ts_ns").min()).alias("at_ns"))
    return conform(_weighted(by_role), STAGED_SAMPLES)


def _charges(callchains: pl.Series, generation: Generation, kernel: str | None) -> pl.DataFrame:
    rows = [charge(chain, generation, kernel) for chain in callchains]
    columns = {name: [getattr(row, name) for row in rows] for name in Charge._fields}
    types = {name: pl.Boolean if name in ("skid", "in_idle") else pl.String for name in Charge._fields}
    return pl.DataFrame(columns, schema=types).with_columns(callchains.alias("callchain"))


def _roles_seen(joined: pl.DataFrame, roles: Roles) -> Roles:
    """Reader and sender threads, by the system calls they are seen in most."""
    uses = (
        joined.filter(pl.col("context") == "syscall", pl.col("socket_use") != "")
        .group_by("tid")
        .agg(
            (pl.col("socket_use") == "receive").sum().alias("receives"),
            (pl.col("socket_use") == "send").sum().alias("sends"),
        )
    )
    reads = pl.col("receives") >= pl.col("sends")
    return Roles(
        reader=frozenset(uses.filter(reads).get_column("tid").drop_nulls()),
        sender=frozenset(uses.filter(~reads).get_column("tid").drop_nulls()),
        probe=roles.probe,
    )


def _local_senders(joined: pl.DataFrame) -> frozenset[int]:
    """Threads whose sent data is seen to be received on this machine, by a device that hands it over in one call."""
    sends = (
        (pl.col("context") == "syscall") & (pl.col("socket_use") == "send") & pl.col("folded").str.contains(HANDED_OVER)
    )
    return frozenset(joined.filter(sends).get_column("tid").drop_nulls())


def _stage_by_role(roles: Roles) -> pl.Expr:
    own_time = pl.col("context").is_in(OWN_TIME)

    def of(who: frozenset[int]) -> pl.Expr:
        return pl.col("tid").is_in(list(who)) | pl.col("pid").is_in(list(who))

    probing = of(roles.probe) | pl.col("comm").is_in(PROBE_COMMS)
    return (
        pl.when((pl.col("context") == "kthread") & ~pl.col("stage").is_in(NETWORK_STAGES))
        .then(pl.lit("foreign"))
        .when(own_time & probing)
        .then(pl.lit("probe"))
        .when(own_time & of(roles.reader))
        .then(pl.col("stage"))
        .when(own_time & of(roles.sender))
        .then(pl.lit("sender"))
        .when(own_time)
        .then(pl.lit("foreign"))
        .otherwise(pl.col("stage"))
        .fill_null("unclassified")
        .alias("stage")
    )


def _weighted(samples: pl.DataFrame) -> pl.DataFrame:
    """The busy time each sample stands for: one sampling interval.

    Idle CPUs are not sampled reliably (measured on a 6.18 virtual machine: of two idle CPUs one gave half its ticks,
    the other none), so a gap between samples says nothing: idle time comes from counters. A clock event's period
    *is* nanoseconds; for other events the interval is the median gap between samples of one CPU.
    """
    gap_ns = pl.col("ts_ns").diff().over("cpu")
    ordered = samples.sort("cpu", "ts_ns").with_columns(gap_ns.alias("gap_ns"))
    interval_ns = ordered.filter(pl.col("stage") != "idle").get_column("gap_ns").median()
    usual_ns = int(interval_ns) if isinstance(interval_ns, int | float) else 0
    clock = pl.col("event").str.contains("clock") & pl.col("period").is_between(2, LONGEST_PERIOD_NS)
    return ordered.with_columns(pl.when(clock).then(pl.col("period")).otherwise(usual_ns).alias("weight_ns"))

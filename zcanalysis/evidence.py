"""What a recording shows, gathered once: who the answer, the audit and the costs are built on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from zcanalysis.cpu.batches import batch_counts
from zcanalysis.cpu.costs import stage_costs
from zcanalysis.cpu.stages import Roles, staged
from zcanalysis.cpu.wall_time import cpu_times, process_shares, scaled_to_clocks, wall_time_account
from zcanalysis.errors import TraceError
from zcanalysis.goodput import QUIET_PHASE, Goodput, counted_goodput, sampled_phase
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.io.recording import Recording
from zcanalysis.tables import COSTS, FLOWS, STAGED_SAMPLES, empty
from zcanalysis.wire.connections import flows
from zcanalysis.wire.quality import CaptureQuality, capture_quality

if TYPE_CHECKING:
    from zcanalysis.cpu.kernel_stages import Generation

CPU_EVENTS: Final = ("cpu-clock", "task-clock", "cycles", "cpu-cycles", "cpu/cycles/", "cpu_core/cycles/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Tables of one recording; empty or None where nothing was recorded."""

    recording: Recording
    quiet: Goodput | None
    """Goodput of the undisturbed phase."""
    sampled: Goodput | None
    """Goodput of the phase whose samples price the stages."""
    stages: pl.DataFrame
    """STAGED_SAMPLES of the sampled phase, those of followed processes scaled to their clocks."""
    account: pl.DataFrame
    processes: pl.DataFrame
    """CPU time of the followed processes, by their clocks and by samples before these were scaled."""
    flows: pl.DataFrame
    quality: CaptureQuality | None
    unreadable_samples: int
    first_unreadable: str | None


def gather(recording: Recording, on_step: Callable[[str], None] = lambda step: None) -> Evidence:
    """Everything the recording shows.

    Parameters
    ----------
    recording
        As read by `read_recording`.
    on_step
        Told the name of each step before it starts.

    Raises
    ------
    TraceError
        If a file of the recording turns out to be damaged.
    """
    on_step("counters")
    quiet = counted_goodput(recording, QUIET_PHASE)
    phase = sampled_phase(recording.counters)
    sampled = counted_goodput(recording, phase)
    on_step("CPU samples")
    samples = _one_event(recording)
    windows = sampled_windows(recording.counters, phase)
    raw = _staged(recording, samples, windows)
    counters = None if windows.is_empty() else recording.counters
    times = cpu_times(raw, counters, phase)
    apart = bool(recording.host.irq_time_apart)
    processes = process_shares(raw, counters, phase, irq_time_apart=apart)
    stages = scaled_to_clocks(raw, processes, irq_time_apart=apart)
    on_step("capture")
    packets = recording.packets
    unreadable = samples.get_column("error").drop_nulls() if samples is not None else pl.Series(dtype=pl.String)
    return Evidence(
        recording=recording,
        quiet=quiet,
        sampled=sampled,
        stages=stages,
        account=wall_time_account(stages, times),
        processes=processes,
        flows=flows(recording.capture or packets) if packets is not None else empty(FLOWS),
        quality=capture_quality(packets) if packets is not None else None,
        unreadable_samples=len(unreadable),
        first_unreadable=None if unreadable.is_empty() else str(unreadable[0]),
    )


def costs(recording: Recording) -> pl.DataFrame:
    """What each stage cost on each CPU: the COSTS table, dearest first.

    Parameters
    ----------
    recording
        One with CPU samples; packets and bytes are those of the sampled phase's counters.

    Raises
    ------
    TraceError
        If the recording holds no CPU samples.
    """
    if recording.samples is None:
        raise TraceError(
            f"{recording.path}: holds no CPU samples (perf.txt or perf.data); record with perf, or give --perf"
        )
    return costs_of(gather(recording))


def costs_of(evidence: Evidence) -> pl.DataFrame:
    """The same from evidence already gathered; empty without samples."""
    if evidence.stages.is_empty():
        return empty(COSTS)
    sampled = evidence.sampled
    counters = evidence.recording.counters
    return stage_costs(
        evidence.stages,
        packets=sampled.packets if sampled else None,
        payload_bytes=sampled.payload_bytes if sampled else None,
        batches=batch_counts(counters, sampled_phase(counters)),
    )


def _one_event(recording: Recording) -> pl.DataFrame | None:
    """The samples of the event that measures CPU time: a known one, else the most frequent; and what was unreadable."""
    if recording.samples is None:
        return None
    samples = recording.samples.collect()
    names = (
        samples.drop_nulls("event")
        .group_by(pl.col("event").str.strip_suffix(":u").str.replace(r":[a-zA-Z]+$", "").alias("plain"), "event")
        .len()
    )
    known = names.filter(pl.col("plain").is_in(CPU_EVENTS))
    chosen = (known if not known.is_empty() else names).sort("len", descending=True)
    if chosen.is_empty():
        return samples
    return samples.filter((pl.col("event") == chosen.get_column("event").item(0)) | pl.col("error").is_not_null())


def sampled_windows(counters: pl.DataFrame | None, phase: str) -> pl.DataFrame:
    """When the counters watched the sampled phase, so that both describe the same time.

    Returns
    -------
    pl.DataFrame
        ``repeat``, ``from_ns``, ``to_ns`` (by the idle counters where there are any) and ``begun_ns``, the time of all
        windows before; sorted, empty when the counters did not watch.
    """
    schema = {"repeat": pl.Int32, "from_ns": pl.Int64, "to_ns": pl.Int64, "begun_ns": pl.Int64}
    if counters is None:
        return pl.DataFrame(schema=schema)
    sampled = counters.filter(pl.col("phase") == phase, pl.col("source") != "ethtool")  # read outside the window
    idle = sampled.filter(pl.col("source") == "cpuidle")
    spans = (
        (sampled if idle.is_empty() else idle)
        .group_by("repeat")
        .agg(pl.col("ts_ns").min().alias("from_ns"), pl.col("ts_ns").max().alias("to_ns"))
        .filter(pl.col("to_ns") > pl.col("from_ns"))  # a difference needs two readings
        .sort("from_ns")
    )
    length_ns = pl.col("to_ns") - pl.col("from_ns")
    return spans.select("repeat", "from_ns", "to_ns", (length_ns.cum_sum() - length_ns).alias("begun_ns"))


def _staged(recording: Recording, samples: pl.DataFrame | None, windows: pl.DataFrame) -> pl.DataFrame:
    if samples is None:
        return empty(STAGED_SAMPLES)
    inside = samples if windows.is_empty() else _inside(samples, windows)
    host = recording.host
    roles = Roles(reader=host.reader_pids, sender=host.sender_pids, probe=host.probe_pids)
    charged = staged(inside, roles, generation_of(host), host.kernel)
    return charged if windows.is_empty() else _without_pauses(charged, windows)


def generation_of(host: HostFacts) -> "Generation":
    """Whose kernel functions were recorded; today's where nothing says."""
    return "linux-2.4" if host.generation == "linux-2.4" else "linux-6"


def _inside(table: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """The rows whose `ts_ns` lies in one of the windows."""
    dated = table.filter(pl.col("ts_ns").is_not_null()).sort("ts_ns", maintain_order=True)
    latest = dated.join_asof(windows, left_on="ts_ns", right_on="from_ns")
    return latest.filter(pl.col("ts_ns") <= pl.col("to_ns")).select(table.columns)


def _without_pauses(charged: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """The samples with `at_ns` as if the windows followed each other."""
    latest = charged.sort("ts_ns", maintain_order=True).join_asof(windows, left_on="ts_ns", right_on="from_ns")
    at_ns = pl.col("ts_ns") - pl.col("from_ns") + pl.col("begun_ns")
    return latest.with_columns(at_ns.alias("at_ns")).select(charged.columns).sort("cpu", "ts_ns")

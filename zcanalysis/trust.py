"""Can this recording be trusted? One row a check, worst first to read, with what it means for the answer."""

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import polars as pl

from zcanalysis.blame import LimitingCpu
from zcanalysis.cpu.stage_maps import named_by
from zcanalysis.cpu.switches import idle_by_switches
from zcanalysis.cpu.wall_time import UNSAMPLED, can_be_scaled, cpu_times
from zcanalysis.evidence import Evidence, gather, generation_of, sampled_windows
from zcanalysis.goodput import QUIET_PHASE, SAMPLED_PHASES, Ceiling, probe_effects
from zcanalysis.io.recording import Recording
from zcanalysis.io.socket_log import SocketLog
from zcanalysis.rates import NS_PER_S, total
from zcanalysis.recorder.cpu_distance import SOURCE, in_one_place
from zcanalysis.tables import AUDIT, STAGED_SAMPLES, conform, empty
from zcanalysis.wire.socket_counts import sockets_of

Verdict = Literal["ok", "warn", "bad"]

ACCOUNT_ERROR_WARN: Final = 0.03
IDLE_ERROR_WARN: Final = 0.01
TRACED_PHASE: Final = "trace"
UNCLASSIFIED_WARN: Final = 0.005
FOREIGN_WARN: Final = 0.05
STEAL_WARN: Final = 0.02
PROBE_EFFECT_WARN: Final = 0.15
PROBE_NAMES: Final = {"sampling": "sampling", "chains": "sampling", "capture": "capture", "trace": "tracing"}
SHORT_QUIET_S: Final = 1.0
CLOCK_ERROR_WARN_NS: Final = 100_000
FEW_SAMPLES: Final = 500
BIAS_WARN: Final = 0.1
SLEEPS_SHARE: Final = 0.05
BUSY_PROCESS: Final = 0.1
MOSTLY_SKID: Final = 0.5
LINK_SLACK: Final = 0.005


class Check(NamedTuple):
    """One row of the AUDIT table."""

    check: str
    verdict: Verdict
    value: str
    why: str


class Outcome(NamedTuple):
    """What was concluded from the evidence, where that is to be audited too."""

    ceiling: Ceiling
    limit: LimitingCpu | None
    blame: pl.DataFrame


def audit(recording: Recording, evidence: Evidence | None = None, outcome: Outcome | None = None) -> pl.DataFrame:
    """The AUDIT table of a recording: check this before believing a number.

    Parameters
    ----------
    recording
        As read by `read_recording`.
    evidence
        What was gathered from it already; gathered here when not given.
    outcome
        Ceiling, limit and blame, when they were worked out.

    Raises
    ------
    TraceError
        If a file of the recording turns out to be damaged.
    """
    seen = evidence or gather(recording)
    checks = [*_contents(seen), *_socket_logs(seen), *_goodput(seen), *_capture(seen), *_samples(seen), *_machine(seen)]
    if outcome is not None:
        checks += [*_ceiling(seen, outcome.ceiling), *_largest_loss(outcome.blame)]
    return conform(pl.DataFrame(checks, schema=list(AUDIT), orient="row"), AUDIT)


def _contents(seen: Evidence) -> Iterator[Check]:
    recording = seen.recording
    parts = {"counters": recording.counters, "CPU samples": recording.samples, "capture": recording.packets}
    absent = [name for name, part in parts.items() if part is None]
    if absent:
        yield Check(
            "contents",
            "warn",
            f"without {' and '.join(absent)}",
            "the answer leaves out what these would show",
        )
    else:
        yield Check("contents", "ok", "counters, CPU samples and capture", "every part of an answer has its source")
    if recording.unreadable_counters:
        found = f"{recording.unreadable_counters:,} rows unreadable"
        yield Check("counters", "bad", found, "the file is damaged: rates from what is left may be wrong")
    if recording.reader is not None:
        why = "an extension read the file: its columns were checked, its numbers were not"
        yield Check("reader", "ok", recording.reader, why)
    if recording.host.generated is not None:
        yield Check("origin", "warn", f"generated: {recording.host.generated}", "a model made this: it proves nothing")
    for line in recording.host.missing:
        yield Check("recorder", "warn", line, "the recorder could not read this source")
    if recording.clock is not None:
        error_ns = recording.clock.error_ns
        verdict: Verdict = "ok" if error_ns < CLOCK_ERROR_WARN_NS else "warn"
        yield Check(
            "clocks",
            verdict,
            f"agree within {error_ns / 1000:.1f} us",
            "capture and samples share one time axis",
        )


def _socket_logs(seen: Evidence) -> Iterator[Check]:
    """What logs of ss add, and how far they join what else was recorded."""
    for log in seen.recording.socket_logs:
        ends = log.table.get_column("instance").n_unique()
        named = "1 end of a connection" if ends == 1 else f"{ends:,} ends of connections"
        found = f"{log.readings:,} readings, {named}"
        yield Check("log of ss", *_log_verdict(seen, log, found))
        if log.unreadable_lines:
            found = f"{log.unreadable_lines:,}, first {log.first_unreadable}"
            yield Check("unreadable lines of ss", "warn", found, "run it with -n: names of ports cannot be joined")


def _log_verdict(seen: Evidence, log: SocketLog, found: str) -> tuple[Verdict, str, str]:
    timed = log.table.drop_nulls("ts_ns")
    if log.table.is_empty():
        return "warn", found, "none of them moved data: nothing is taken from it"
    if timed.is_empty():
        why = "no time before any: what was counted is known, when is not; print `date +%s.%N` before each"
        return "warn", found, why
    counters = seen.recording.counters
    ends = timed.get_column("instance").unique().to_list()
    if counters is None or not counters.get_column("instance").is_in(ends).any():
        return "warn", found, "none lies in the time of the recording's counters: nothing is taken from it"
    if log.untimed:
        return "warn", f"{found}; {log.untimed:,} without a time", "those are left out of the limits"
    flows = seen.flows.filter(pl.col("protocol") == "tcp").drop_nulls(["first_ns", "last_ns"])
    if flows.is_empty():
        return "ok", found, "counted by the kernel of each end"
    from_ns, to_ns = flows.select(pl.col("first_ns").min(), pl.col("last_ns").max()).row(0)
    apart_ns = max(timed.get_column("ts_ns")[0] - to_ns, from_ns - timed.get_column("ts_ns")[-1])
    joined = sockets_of([log.table], flows).get_column("connection").count()
    if not joined:
        return "warn", f"{found}, none in the capture", "log and capture are of different connections"
    if apart_ns > NS_PER_S:
        return "warn", f"{found}, {apart_ns / NS_PER_S:.1f} s apart from the capture", "they show different times"
    return "ok", f"{found}, {joined:,} in the capture", "counted while the capture ran, which slows what it watches"


def _goodput(seen: Evidence) -> Iterator[Check]:
    quiet = seen.quiet
    if quiet is not None:
        seconds = quiet.elapsed_ns / NS_PER_S
        verdict: Verdict = "ok" if seconds >= SHORT_QUIET_S else "warn"
        times = f" in {quiet.repeats} windows" if quiet.repeats > 1 else ""
        why = f"goodput is taken there, from {quiet.source}"
        yield Check("undisturbed time", verdict, f"{seconds:.2f} s{times}", why)
        yield from _probe_effects(seen.recording)


def _ceiling(seen: Evidence, top: Ceiling) -> Iterator[Check]:
    """Goodput above what the link can carry, headers taken off, is an error of the input."""
    if seen.quiet is None or top.kind != "link" or top.gbps is None:
        return
    most_gbps = top.gbps - top.framing_gbps
    if seen.quiet.gbps > most_gbps * (1 + LINK_SLACK):
        found = f"goodput {seen.quiet.gbps:.2f}, but at most {most_gbps:.2f} Gbit/s of payload fits the link"
        yield Check("ceiling", "bad", found, "the link's rate or its MTU is wrong, or another device received")


def _largest_loss(blame: pl.DataFrame) -> Iterator[Check]:
    """A large row that rests on skid says where interrupts were turned on, not what was done before."""
    if blame.is_empty():
        return
    stage, skid = blame.sort("lost_gbps", descending=True).select("stage", "skid_share").row(0)
    if skid is not None and skid > MOSTLY_SKID:
        why = "its samples landed where interrupts are turned on again: time of the section before, seen by its end"
        yield Check(f"largest loss ({stage})", "warn", f"{skid:.0%} skid", why)


def _probe_effects(recording: Recording) -> Iterator[Check]:
    """What each probe did to the goodput, against the undisturbed windows beside it."""
    for effect in probe_effects(recording):
        name = PROBE_NAMES.get(effect.phase)
        if name is None:
            continue
        found = f"{effect.gbps:.2f} Gbit/s meanwhile, {effect.median:+.0%}"
        if effect.windows > 1:
            found += f" ({effect.low:+.0%} to {effect.high:+.0%} in {effect.windows} windows)"
        verdict: Verdict = "ok" if abs(effect.median) < PROBE_EFFECT_WARN else "warn"
        prices = effect.phase in SAMPLED_PHASES
        meaning = "prices come from this phase" if prices else "it gives structure, never prices"
        yield Check(f"effect of {name}", verdict, found, meaning)


def _capture(seen: Evidence) -> Iterator[Check]:
    quality = seen.quality
    if quality is None:
        return
    yield _count(
        "damaged records",
        quality.damaged_records,
        quality.records,
        quality.first_error or "every record could be read",
        "bad",
    )
    dropped = seen.recording.host.lost.get("capture_dropped_packets")
    if dropped is not None:
        yield _count(
            "packets the capture dropped",
            dropped,
            quality.records,
            "dropped packets look like loss: flows are lower bounds",
            "warn",
        )
    if quality.snapped_records:
        yield Check(
            "snap length",
            "ok",
            f"{quality.snapped_records:,} records cut short",
            "headers are whole; checksums cannot be verified",
        )
    if quality.super_packets:
        share = quality.super_packets / max(quality.records, 1)
        yield Check(
            "super-packets",
            "ok",
            f"{quality.super_packets:,} ({share:.1%})",
            "GRO or TSO: one record stands for many packets",
        )
    if quality.one_sided_connections:
        yield Check("one-sided connections", "warn", f"{quality.one_sided_connections:,}", "no round-trip times there")
    if quality.duplicated_records:
        yield Check(
            "duplicated records",
            "warn",
            f"{quality.duplicated_records:,}",
            "seen twice by the tap: they are not retransmissions",
        )
    if quality.backward_steps:
        yield Check(
            "time order",
            "warn",
            f"{quality.backward_steps:,} records earlier than the one before",
            "the tap merged several queues",
        )


def _samples(seen: Evidence) -> Iterator[Check]:
    if seen.unreadable_samples:
        yield Check("unreadable perf lines", "warn", f"{seen.unreadable_samples:,}", seen.first_unreadable or "")
    lost = seen.recording.host.lost.get("perf_events")
    if lost is not None:
        yield Check(
            "lost perf events",
            "ok" if lost == 0 else "warn",
            f"{lost:,}",
            "lost samples lower every share alike" if lost else "none",
        )
    stages = seen.stages
    if seen.recording.samples is None:
        return
    verdict: Verdict = "ok" if stages.height >= FEW_SAMPLES else "warn"
    yield Check("CPU samples", verdict, f"{stages.height:,}", "more samples, narrower intervals")
    kernel = stages.filter(pl.col("mode") == "kernel", pl.col("stage") != "idle")
    if kernel.is_empty():
        return
    unclassified = kernel.filter(pl.col("stage") == "unclassified").height / kernel.height
    yield Check(
        "kernel samples classified",
        "ok" if unclassified < UNCLASSIFIED_WARN else "warn",
        f"{1 - unclassified:.2%}",
        "the rest is shown as unclassified",
    )
    yield from _stage_maps(seen, kernel)
    skid = kernel.select(pl.col("skid").mean()).item()
    yield Check(
        "interrupt-enable skid",
        "ok",
        f"{skid:.0%} of kernel samples",
        "the sampler cannot stop where interrupts are off: the caller is charged",
    )


def _stage_maps(seen: Evidence, kernel: pl.DataFrame) -> Iterator[Check]:
    """What extensions have named, each apart: these functions are not of our own table."""
    host = seen.recording.host
    named = named_by(generation_of(host), host.kernel)
    for extension in dict.fromkeys(one for _, one in named.values()):
        functions = [function for function, (_, one) in named.items() if one == extension]
        charged = kernel.filter(pl.col("function").is_in(functions))
        count, share = charged.get_column("function").n_unique(), charged.height / kernel.height
        if count:
            found = f"named {count:,} functions, {share:.1%} of kernel samples"
            why = f"an extension says to which stages these belong: {extension.origin}"
            yield Check(f"stage map {extension.name}", "ok", found, why)


def _accounting(seen: Evidence) -> Iterator[Check]:
    if seen.stages.filter(pl.col("cpu") < 0).height:
        yield Check(
            "CPU numbers", "bad", "missing in the samples", "no CPU can be named as the limit; record with CPU numbers"
        )
    busy = dict(seen.account.filter(pl.col("stage") == "idle").select("cpu", 1 - pl.col("share")).iter_rows())
    unknown = sorted(set(seen.stages.get_column("cpu")) - set(busy)) if busy else []
    if unknown:
        yield Check("idle counters", "warn", f"missing for CPU {unknown[0]}", "its idle time is what was not sampled")
    scaled_pids = set(seen.processes.filter(can_be_scaled()).get_column("pid"))
    for pid, clock, sampled in seen.processes.iter_rows():
        if clock >= BUSY_PROCESS:
            verdict: Verdict = "ok" if abs(sampled / clock - 1) <= BIAS_WARN else "warn"
            then = "are scaled to the clock" if pid in scaled_pids else "are left as they are: that is more than a bias"
            why = f"by samples, over the kernel's own clock of it; its samples {then}"
            yield Check(f"process {pid}", verdict, f"{sampled:.1%} of {clock:.1%}", why)


def _idle_twice(recording: Recording) -> Iterator[Check]:
    """Idle time by cpuidle's counters against the scheduler's account, where a phase was traced."""
    if recording.events is None:
        return
    lost = recording.host.lost.get("trace_events")
    unreadable = int(recording.events.select(pl.col("error").is_not_null().sum()).collect().item())
    if lost or unreadable:
        found = f"{lost or 0:,} lost, {unreadable:,} unreadable"
        yield Check("traced events", "warn", found, "idle time by the scheduler is a guess where switches are missing")
    for window in sampled_windows(recording.counters, TRACED_PHASE).iter_rows(named=True):
        assert recording.counters is not None
        inside = recording.counters.filter(pl.col("ts_ns").is_between(window["from_ns"], window["to_ns"]))
        counted = cpu_times(empty(STAGED_SAMPLES), inside, TRACED_PHASE)
        traced = idle_by_switches(recording.events, window["from_ns"], window["to_ns"])
        both = counted.join(traced, on="cpu", suffix="_traced").sort("cpu")
        for cpu, wall_s, idle_s, idle_traced_s in both.select("cpu", "wall_s", "idle_s", "idle_s_traced").iter_rows():
            verdict: Verdict = "ok" if abs(idle_s - idle_traced_s) <= IDLE_ERROR_WARN * wall_s else "warn"
            found = f"{idle_s / wall_s:.1%} by counters, {idle_traced_s / wall_s:.1%} by the scheduler"
            yield Check(f"CPU {cpu} idle time", verdict, found, "cpuidle's counters against traced switches")


def _distance(counters: pl.DataFrame) -> Iterator[Check]:
    """Whether the sender's CPU and the reader's stayed as far apart as they were: a virtual machine's wander."""
    trips_ns = counters.filter(pl.col("source") == SOURCE).get_column("value").to_list()
    if not trips_ns:
        return
    stayed = in_one_place(trips_ns)
    yield Check(
        "CPUs' distance",
        "ok" if stayed else "warn",
        f"{min(trips_ns)} to {max(trips_ns)} ns",
        "a cache line to the other CPU and back" + ("" if stayed else ": a CPU was moved, windows are of two machines"),
    )


def _machine(seen: Evidence) -> Iterator[Check]:
    if not seen.stages.is_empty():
        yield from _accounting(seen)
    yield from _idle_twice(seen.recording)
    for cpu, share in _share_of(seen.account, UNSAMPLED) if not seen.stages.is_empty() else []:
        idle = seen.account.filter(pl.col("stage") == "idle", pl.col("cpu") == cpu).get_column("share")
        if not idle.is_empty():
            verdict: Verdict = "ok" if abs(share) <= ACCOUNT_ERROR_WARN else "warn"
            sleeps = share > 0 and idle.item(0) > SLEEPS_SHARE
            why = "the idle thread's way in and out of its states, mostly" if sleeps else "neither sampled nor idle"
            yield Check(f"CPU {cpu} accounting", verdict, f"{share:+.1%} of wall time unexplained", why)
    for cpu, share in _share_of(seen.account, "foreign"):
        verdict = "ok" if share <= FOREIGN_WARN else "warn"
        yield Check(f"CPU {cpu} other processes", verdict, f"{share:.1%}", "they take time from the receiver")
    counters = seen.recording.counters
    if counters is None:
        return
    steal_ns = total(counters, "stat", "steal_ns", phase=QUIET_PHASE)
    if steal_ns is not None and seen.quiet is not None:
        share = steal_ns / max(seen.quiet.elapsed_ns * (seen.recording.host.cpus or 1), 1)
        yield Check(
            "stolen CPU time",
            "ok" if share <= STEAL_WARN else "warn",
            f"{share:.1%}",
            "time the hypervisor gave to others",
        )
    yield from _distance(counters)
    for source, counter, name in (
        ("softnet", "dropped", "backlog drops"),
        ("netstat", "TcpExt.TCPRcvQDrop", "receive-queue drops"),
    ):
        drops = total(counters, source, counter, phase=QUIET_PHASE)
        if drops is not None:
            yield Check(
                name,
                "ok" if drops == 0 else "warn",
                f"{drops:,}",
                "drops mean loss recovery: another regime" if drops else "none",
            )


def _share_of(account: pl.DataFrame, stage: str) -> list[tuple[int, float]]:
    rows = account.filter(pl.col("stage") == stage).sort("cpu")
    return list(rows.select("cpu", "share").iter_rows())


def _count(check: str, count: int, whole: int, why: str, if_any: Verdict) -> Check:
    part = f" of {whole:,}" if whole else ""
    return Check(check, if_any if count else "ok", f"{count:,}{part}", why if count else "none")

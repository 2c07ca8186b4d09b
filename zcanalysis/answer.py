"""The answer of one recording: goodput, ceiling, limit, blame and audit, in words and as the promised JSON."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from zcanalysis.attribution import attributed
from zcanalysis.blame import LimitingCpu
from zcanalysis.cpu.kernel_stages import STAGES
from zcanalysis.errors import ImpossibleHostError, TraceError
from zcanalysis.evidence import Evidence, costs_of
from zcanalysis.gains import ladder as rungs
from zcanalysis.gains import with_gains
from zcanalysis.goodput import Ceiling
from zcanalysis.hosts import Host
from zcanalysis.io.recording import Recording
from zcanalysis.limit import Limit, limit_rows, named_limit
from zcanalysis.limit_spans import APPLICATION, LOSS, shares_of_limits
from zcanalysis.limiting import recorded_limits
from zcanalysis.model_trust import model_audit
from zcanalysis.modelled import Basis, basis
from zcanalysis.patched import Known, first_cpu
from zcanalysis.prices import calibration
from zcanalysis.prices.machine import MachinePrices, require_same_machine, with_calibrated
from zcanalysis.trust import Outcome, audit
from zcanalysis.wire.flow_limits import with_limits

SMALLEST_GBPS_SHOWN = 0.1
SMALLEST_GAP_PART = 0.02
SMALLEST_GAIN_GBPS = 0.05
NAMED_PART = 0.05
SMALLEST_TIME_SHOWN = 0.005
MOST_NAMED = 3
BLAME_NAMES = {"framing": "framing and headers", "waiting": "the CPU waited", "unexplained": "unexplained"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Everything a report says."""

    evidence: Evidence
    goodput_gbps: float | None
    low_gbps: float | None
    high_gbps: float | None
    ceiling: Ceiling
    ceiling_low_gbps: float | None
    ceiling_high_gbps: float | None
    limit: LimitingCpu | None
    """The CPU whose time the blame divides."""
    held_back_by: Limit
    """What limits the undisturbed goodput, which need not be a CPU."""
    limits: pl.DataFrame
    """LIMITS of the same time, or of the capture; empty where no TCP connection was recorded."""
    costs: pl.DataFrame
    blame: pl.DataFrame
    audit: pl.DataFrame
    model: Basis | None
    """The calibrated host, replayed; None where the recording does not price one."""
    no_model: str | None
    """Why not."""

    @property
    def recording(self) -> Recording:
        """What was asked about."""
        return self.evidence.recording


def answered(
    recording: Recording,
    link_gbps: float | None = None,
    on_step: Callable[[str], None] = lambda step: None,
    machine: MachinePrices | None = None,
) -> Answer:
    """The answer of a recording.

    Parameters
    ----------
    recording
        As read by `read_recording`.
    link_gbps
        The link's rate, when the user knows it.
    on_step
        Told the name of each step before it starts.
    machine
        Prices of the recording's machine, for those that the recording can only assume.

    Raises
    ------
    TraceError
        If a file of the recording turns out to be damaged, or the prices are another machine's.
    """
    if machine is not None:
        require_same_machine(machine, recording.host)
    found = attributed(recording, link_gbps, on_step)
    seen, limit, top, blame = found.evidence, found.limit, found.ceiling, found.blame
    on_step("replay")
    model = _model(seen, top, limit, machine)
    return Answer(
        evidence=seen,
        goodput_gbps=found.goodput_gbps,
        low_gbps=seen.quiet.low_gbps if seen.quiet else None,
        high_gbps=seen.quiet.high_gbps if seen.quiet else None,
        ceiling=top,
        ceiling_low_gbps=blame.ceiling_low_gbps,
        ceiling_high_gbps=blame.ceiling_high_gbps,
        limit=limit,
        held_back_by=named_limit(seen, top),
        limits=recorded_limits(seen, top),
        costs=costs_of(seen),
        blame=with_gains(blame.table, model) if isinstance(model, Basis) else blame.table,
        audit=pl.concat([audit(recording, seen, Outcome(top, limit, blame.table)), model_audit(model)]),
        model=model if isinstance(model, Basis) else None,
        no_model=None if isinstance(model, Basis) else model,
    )


def calibrate(recording: Recording | Answer) -> Host:
    """The host of a recording: every price of its receive path, with interval and origin.

    Parameters
    ----------
    recording
        With CPU samples and counters of the same time; or an answer already worked out.

    Raises
    ------
    TraceError
        If it holds too little to price a host, or a file of it turns out to be damaged.
    """
    return model_of(recording).calibration.host


def ladder(recording: Recording | Answer) -> pl.DataFrame:
    """The LADDER table: what each group of receiver stages holds back, whatever the order of fixing them.

    Parameters
    ----------
    recording
        With CPU samples and counters of the same time; or an answer already worked out.

    Raises
    ------
    TraceError
        If it holds too little to price a host, or a file of it turns out to be damaged.
    """
    return rungs(model_of(recording))


def model_of(recording: Recording | Answer) -> Basis:
    """The calibrated host, replayed: what predictions, `tornado` and `speedup_curve` start from.

    Parameters
    ----------
    recording
        With CPU samples and counters of the same time; or an answer already worked out.

    Raises
    ------
    TraceError
        If it holds too little to price a host, or a file of it turns out to be damaged.
    """
    answer = recording if isinstance(recording, Answer) else answered(recording)
    if answer.model is None:
        raise TraceError(answer.no_model or f"{answer.recording.path}: no host can be calibrated from it")
    return answer.model


def _model(seen: Evidence, top: Ceiling, limit: LimitingCpu | None, machine: MachinePrices | None) -> Basis | str:
    """The calibrated host, or why there is none."""
    if seen.quiet is None:
        return f"{seen.recording.path}: no counters of an undisturbed time, so nothing to hold a replay against"
    try:
        found = calibration(seen, top, limit)
        found = found if machine is None else with_calibrated(found, machine)
        return basis(found, seen.quiet, Known(found.parts, first_cpu(found.host.places)))
    except (TraceError, ImpossibleHostError) as error:
        return str(error)


def sentence(answer: Answer) -> str:
    """The answer in a few sentences, numbers rounded to their interval."""
    parts = []
    if answer.goodput_gbps is None:
        parts.append("No goodput: neither byte counters nor a transfer in the capture.")
    else:
        rate = gbps_text(answer.goodput_gbps, answer.low_gbps, answer.high_gbps)
        parts.append(f"The receiver got {rate}{'' if answer.evidence.quiet else ' while it was captured'}.")
    if answer.held_back_by.evidence:
        parts.append(answer.held_back_by.words)
    elif answer.limit is not None:
        parts.append(_limit_sentence(answer.limit))
    elif answer.recording.samples is None:
        parts.append("Without CPU samples nothing can be said about the receiver's CPUs.")
    else:
        parts.append("No CPU is seen to receive, so none is named as the limit.")
    if answer.goodput_gbps is not None and answer.ceiling.gbps is not None:
        parts.append(_gap_sentence(answer, answer.goodput_gbps, answer.ceiling.gbps))
    return " ".join(parts)


def _gap_sentence(answer: Answer, goodput_gbps: float, ceiling_gbps: float) -> str:
    gap_gbps = ceiling_gbps - goodput_gbps
    ceiling_text = f"the ceiling of {gbps_text(ceiling_gbps, answer.ceiling_low_gbps, answer.ceiling_high_gbps)}"
    if gap_gbps < -SMALLEST_GAP_PART * ceiling_gbps:
        return f"That is above {ceiling_text}: one of the two is wrong."
    if gap_gbps < SMALLEST_GAP_PART * ceiling_gbps:
        return f"That is all that {ceiling_text} allows."
    named = answer.blame.filter(pl.col("stage") != "unexplained", pl.col("lost_gbps") >= NAMED_PART * gap_gbps)
    dearest = named.sort("lost_gbps", descending=True).head(MOST_NAMED)
    missing = f"{gap_gbps:.1f} Gbit/s are missing to {ceiling_text}"
    if dearest.is_empty():
        return f"{missing}; nothing here says where they went."
    what = ", ".join(
        f"{stage_name(stage)} ({lost:.1f})" for stage, lost in dearest.select("stage", "lost_gbps").iter_rows()
    )
    return f"{missing}; the largest parts: {what}."


def _limit_sentence(limit: LimitingCpu) -> str:
    doing = ", ".join(stage_name(stage) for stage in limit.stages[:3])
    if limit.saturated:
        return f"CPU {limit.cpu} is the limit ({limit.busy_share:.1%} busy): mostly {doing}."
    return f"No CPU is saturated: the busiest, CPU {limit.cpu}, was {limit.busy_share:.0%} busy ({doing})."


def stage_name(stage: str) -> str:
    """The stage in words."""
    return BLAME_NAMES.get(stage) or STAGES.get(stage, stage)


def rate_text(gbps: float | None, low: float | None = None, high: float | None = None) -> str:
    """A rate that may be unknown, rounded as `gbps_text` does.

    Examples
    --------
    >>> rate_text(None)
    'unknown'
    """
    return "unknown" if gbps is None else gbps_text(gbps, low, high)


def gbps_text(value: float, low: float | None, high: float | None) -> str:
    """A rate rounded to its interval.

    Examples
    --------
    >>> gbps_text(9.2345, 8.81, 9.62), gbps_text(9.2345, None, None)
    ('9.2 Gbit/s (8.8-9.6)', '9.23 Gbit/s')
    """
    scale, unit = (1000, "Mbit/s") if value < SMALLEST_GBPS_SHOWN else (1, "Gbit/s")
    if low is None or high is None or high <= low:
        return f"{value * scale:.2f} {unit}"
    # as many digits as tell a quarter of the interval apart
    digits = min(max(math.ceil(-math.log10((high - low) * scale / 4)), 0), 3)
    return f"{value * scale:.{digits}f} {unit} ({low * scale:.{digits}f}-{high * scale:.{digits}f})"


def gain_text(gbps: float | None) -> str:
    """What fixing a stage gives.

    Examples
    --------
    >>> gain_text(2.345), gain_text(-0.004), gain_text(None)
    ('+2.3', '0', '-')
    """
    if gbps is None:
        return "-"
    return "0" if abs(gbps) < SMALLEST_GAIN_GBPS else f"{gbps:+.1f}"


def report_document(answer: Answer) -> dict[str, Any]:
    """The promised JSON of `report`: keys of what cannot be said yet are null."""
    unexplained = answer.blame.filter(pl.col("stage") == "unexplained").get_column("lost_gbps")
    return {
        "recording": answer.recording.name,
        "answer": sentence(answer),
        "audit": answer.audit.to_dicts(),
        "flows": limited_flows(answer).to_dicts(),
        "goodput_gbps": answer.goodput_gbps,
        "goodput_low_gbps": answer.low_gbps,
        "goodput_high_gbps": answer.high_gbps,
        "ceiling_gbps": answer.ceiling.gbps,
        "ceiling": answer.ceiling.kind,
        "ceiling_low_gbps": answer.ceiling_low_gbps,
        "ceiling_high_gbps": answer.ceiling_high_gbps,
        "ceiling_why": answer.ceiling.why,
        "limits": limits_of(answer),
        "costs": None if answer.costs.is_empty() else answer.costs.to_dicts(),
        "blame": None if answer.blame.is_empty() else answer.blame.to_dicts(),
        "patches": None,
        "unexplained_gbps": None if unexplained.is_empty() else unexplained.item(0),
        "ladder": None if answer.model is None else rungs(answer.model).to_dicts(),
        "prices": None if answer.model is None else price_rows(answer.model),
        "no_model": answer.no_model,
    }


def limits_of(answer: Answer) -> list[dict[str, Any]] | None:
    """LIMITS rows by connection, else (no TCP was seen) of the whole host; None where nothing can be said.

    Parameters
    ----------
    answer
        Of a recording or a capture.
    """
    if answer.limits.is_empty():
        rows = limit_rows(answer.evidence, answer.held_back_by)
        return None if rows is None else [row | {"connection": None, "payload_bytes": None} for row in rows]
    kind, where = answer.held_back_by.kind, answer.held_back_by.where
    limit = {"sender": APPLICATION, "drops": LOSS}.get(kind, kind)
    return [row | {"where": where if row["limit"] == limit else None} for row in answer.limits.to_dicts()]


def limited_flows(answer: Answer) -> pl.DataFrame:
    """FLOWS of the capture with ``limit`` and ``limit_share``; null where the limits are those of counters.

    Parameters
    ----------
    answer
        Of a recording or a capture.
    """
    told = answer.limits if answer.recording.counters is None else answer.limits.clear()
    return with_limits(answer.evidence.flows, told)


def limit_text(limit: str | None, share: float | None) -> str:
    """The limit of a direction and its share of the time.

    Examples
    --------
    >>> limit_text("receive window", 0.961), limit_text(None, None)
    ('receive window 96 %', '-')
    """
    return "-" if limit is None or share is None else f"{limit} {share * 100:.0f} %"


def limits_text(limits: pl.DataFrame) -> str:
    """Shares of time by limit, in words.

    Parameters
    ----------
    limits
        LIMITS rows.

    Examples
    --------
    >>> limits_text(pl.DataFrame({"limit": ["link", "loss"], "share_time": [0.9, 0.1], "share_bytes": [0.2, 0.8]}))
    'link 90 % of the time (20 % of the lost bytes), loss 10 % (80 %)'
    >>> limits_text(pl.DataFrame({"limit": ["link"], "share_time": [1.0], "share_bytes": [0.0]}))
    'link 100 % of the time'
    """
    shown = shares_of_limits(limits).filter(pl.col("share_time") >= SMALLEST_TIME_SHOWN)
    if not shown.get_column("share_bytes").sum() > 0:
        return (
            ", ".join(f"{name} {time:.0%}".replace("%", " %") for name, time, _ in shown.iter_rows()) + " of the time"
        )
    parts = [f"{name} {time:.0%} ({lost:.0%})".replace("%", " %") for name, time, lost in shown.iter_rows()]
    return ", ".join(parts).replace(" (", " of the time (", 1).replace(")", " of the lost bytes)", 1)


def price_rows(model: Basis) -> list[dict[str, Any]]:
    """The PRICES table as JSON takes it: a condition number that is not finite is null.

    Parameters
    ----------
    model
        The calibrated host.
    """
    condition = pl.col("condition")
    finite = pl.when(condition.is_finite()).then(condition)
    return model.calibration.prices.with_columns(finite.alias("condition")).to_dicts()

"""The answer of one recording: goodput, ceiling, limit, blame and audit, in words and as the promised JSON."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from zcanalysis.blame import LimitingCpu, blame_by_share, limiting_cpu
from zcanalysis.cpu.kernel_stages import STAGES
from zcanalysis.evidence import Evidence, costs_of, gather
from zcanalysis.goodput import Ceiling, captured_goodput, ceiling
from zcanalysis.io.recording import Recording
from zcanalysis.tables import BLAME, empty
from zcanalysis.trust import audit

SMALLEST_GBPS_SHOWN = 0.1
SMALLEST_GAP_PART = 0.02
BLAME_NAMES = {"framing": "framing and headers", "waiting": "the CPU waited", "unexplained": "unexplained"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Everything a report says."""

    evidence: Evidence
    goodput_gbps: float | None
    low_gbps: float | None
    high_gbps: float | None
    ceiling: Ceiling
    limit: LimitingCpu | None
    costs: pl.DataFrame
    blame: pl.DataFrame
    audit: pl.DataFrame

    @property
    def recording(self) -> Recording:
        """What was asked about."""
        return self.evidence.recording


def answered(
    recording: Recording, link_gbps: float | None = None, on_step: Callable[[str], None] = lambda step: None
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

    Raises
    ------
    TraceError
        If a file of the recording turns out to be damaged.
    """
    seen = gather(recording, on_step)
    on_step("blame")
    limit = limiting_cpu(seen.account)
    quiet_gbps = seen.quiet.gbps if seen.quiet else captured_goodput(seen.flows)
    top = ceiling(recording, quiet_gbps, _sender_share(seen.account), link_gbps)
    if top.kind == "modelled" and top.gbps is not None and quiet_gbps is not None and top.gbps < quiet_gbps:
        top = top._replace(gbps=quiet_gbps, why=f"{top.why} (already reached)")
    blame = empty(BLAME)
    if limit is not None and quiet_gbps is not None and not seen.stages.is_empty():
        blame = blame_by_share(seen.stages, seen.account, limit, quiet_gbps, top)
    return Answer(
        evidence=seen,
        goodput_gbps=quiet_gbps,
        low_gbps=seen.quiet.low_gbps if seen.quiet else None,
        high_gbps=seen.quiet.high_gbps if seen.quiet else None,
        ceiling=top,
        limit=limit,
        costs=costs_of(seen),
        blame=blame,
        audit=audit(recording, seen, top),
    )


def sentence(answer: Answer) -> str:
    """The answer in one or two sentences, numbers rounded to their interval."""
    parts = []
    if answer.goodput_gbps is None:
        parts.append("No goodput: neither byte counters nor a transfer in the capture.")
    else:
        parts.append(f"The receiver got {gbps_text(answer.goodput_gbps, answer.low_gbps, answer.high_gbps)}.")
    if answer.limit is not None and not answer.evidence.stages.is_empty():
        parts.append(_limit_sentence(answer.limit))
    elif answer.recording.samples is None:
        parts.append("Without CPU samples nothing can be said about the receiver's CPUs.")
    dear = answer.blame.filter(~pl.col("stage").is_in(("framing", "unexplained")) & (pl.col("lost_gbps") > 0)).head(2)
    gap_gbps = float(answer.blame.get_column("lost_gbps").sum())
    if answer.ceiling.gbps is not None and gap_gbps < SMALLEST_GAP_PART * answer.ceiling.gbps:
        parts.append(f"That is all that the ceiling of {answer.ceiling.gbps:.1f} Gbit/s allows.")
    elif answer.ceiling.gbps is not None and not dear.is_empty():
        what = " and ".join(
            f"{stage_name(stage)} ({lost:.1f})" for stage, lost in dear.select("stage", "lost_gbps").iter_rows()
        )
        parts.append(
            f"Of the {gap_gbps:.1f} Gbit/s missing to the ceiling of {answer.ceiling.gbps:.1f}, most went to {what}."
        )
    return " ".join(parts)


def _limit_sentence(limit: LimitingCpu) -> str:
    doing = ", ".join(stage_name(stage) for stage in limit.stages[:3])
    if limit.saturated:
        return f"CPU {limit.cpu} is the limit ({limit.busy_share:.1%} busy): mostly {doing}."
    return f"No CPU is saturated: the busiest, CPU {limit.cpu}, was {limit.busy_share:.0%} busy ({doing})."


def stage_name(stage: str) -> str:
    """The stage in words."""
    return BLAME_NAMES.get(stage) or STAGES.get(stage, stage)


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


def report_document(answer: Answer) -> dict[str, Any]:
    """The promised JSON of `report`: keys of what cannot be said yet are null."""
    unexplained = answer.blame.filter(pl.col("stage") == "unexplained").get_column("lost_gbps")
    return {
        "recording": answer.recording.name,
        "answer": sentence(answer),
        "audit": answer.audit.to_dicts(),
        "flows": answer.evidence.flows.to_dicts(),
        "goodput_gbps": answer.goodput_gbps,
        "goodput_low_gbps": answer.low_gbps,
        "goodput_high_gbps": answer.high_gbps,
        "ceiling_gbps": answer.ceiling.gbps,
        "ceiling": answer.ceiling.kind,
        "ceiling_why": answer.ceiling.why,
        "limits": None,
        "costs": None if answer.costs.is_empty() else answer.costs.to_dicts(),
        "blame": None if answer.blame.is_empty() else answer.blame.to_dicts(),
        "patches": None,
        "unexplained_gbps": None if unexplained.is_empty() else unexplained.item(0),
    }


def _sender_share(account: pl.DataFrame) -> float | None:
    """CPU time of the sender's work per wall time, over all CPUs; None when no sender was seen here."""
    share = account.filter(pl.col("stage") == "sender").get_column("share").sum()
    return float(share) if share > 0.01 else None  # noqa: PLR2004 - a receiver's ACK path touches transmit code too

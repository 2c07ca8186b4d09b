"""What of one recording can be held against another's: its figures, and its call chains, per byte of payload.

Small, and nothing lazy in it: it can be made elsewhere and be sent.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import polars as pl

from zcanalysis.attribution import attributed
from zcanalysis.cpu.chain_costs import chain_costs, function_costs, received
from zcanalysis.cpu.kernel_stages import NOT_RECEIVE
from zcanalysis.cpu.latency import latency
from zcanalysis.errors import TraceError
from zcanalysis.evidence import Evidence, costs_of
from zcanalysis.io.recording import Recording
from zcanalysis.limit import Limit, named_limit
from zcanalysis.tables import CHAIN_COSTS, FUNCTION_COSTS, empty

if TYPE_CHECKING:
    from zcanalysis.answer import Answer

Z90: Final = 1.645
"""Half the width of a 90 % interval over its standard error."""
GOODPUT: Final = "goodput"
RECEIVER: Final = "receiver, all stages"

Of = Literal["goodput", "cost", "latency", "blame", "function"]
Key = tuple[Of, str, str]
"""Of what kind, what, and in which unit."""


class Quantity(NamedTuple):
    """One figure of one recording."""

    value: float
    error: float = 0.0
    """Its own standard error, in its unit."""


Quantities = dict[Key, Quantity]


class Profile(NamedTuple):
    """Where the receiver's CPU time went."""

    functions: pl.DataFrame
    """FUNCTION_COSTS; empty where no sample or no payload was recorded."""
    chains: pl.DataFrame
    """CHAIN_COSTS; empty too where the samples hold no call chains."""
    samples: int
    """Of the receive path."""
    missing: str
    """Why there are no call chains; empty where there are."""


class Comparable(NamedTuple):
    """All that `compare` looks at of one recording."""

    name: str
    """Never trusted text."""
    path: Path
    limit: str
    """What holds it back, and where."""
    quantities: Quantities
    profile: Profile


def comparable(recording: "Recording | Answer") -> Comparable:
    """What of a recording can be compared; no model of its host is needed, which takes as long as all the rest.

    Parameters
    ----------
    recording
        As read by `read_recording`; or an answer already worked out.

    Raises
    ------
    TraceError
        If a file of the recording turns out to be damaged.
    """
    if not isinstance(recording, Recording):
        return _taken(
            recording.evidence, recording.goodput_gbps, recording.costs, recording.blame, recording.held_back_by
        )
    found = attributed(recording)
    seen = found.evidence
    return _taken(seen, found.goodput_gbps, costs_of(seen), found.blame.table, named_limit(seen, found.ceiling))


def _taken(
    evidence: Evidence, goodput_gbps: float | None, costs: pl.DataFrame, blame: pl.DataFrame, held: Limit
) -> Comparable:
    limit = held.kind if held.where is None else f"{held.kind} ({held.where})"
    lost = blame.filter(pl.col("lost_gbps").is_not_null()).select("stage", "lost_gbps").rows()
    quantities = (
        _goodput(evidence, goodput_gbps)
        | _costs(costs)
        | {("blame", stage, "Gbit/s"): Quantity(lost_gbps) for stage, lost_gbps in lost}
        | _latencies(evidence.recording)
    )
    return Comparable(evidence.recording.name, evidence.recording.path, limit, quantities, _profile(evidence))


def function_quantities(profile: Profile) -> Quantities:
    """The functions' own CPU time as figures.

    Parameters
    ----------
    profile
        Of one recording.
    """
    rows = profile.functions.select("function", "ns_per_kb", "error").iter_rows()
    return {("function", name, "ns/KB"): Quantity(value, error) for name, value, error in rows}


def _goodput(evidence: Evidence, gbps: float | None) -> Quantities:
    if gbps is None:
        return {}
    error = (evidence.quiet.relative_error or 0.0) / Z90 if evidence.quiet else 0.0
    return {("goodput", GOODPUT, "Gbit/s"): Quantity(gbps, error * gbps)}


def _costs(costs: pl.DataFrame) -> Quantities:
    """CPU time by stage over the payload, all CPUs together: what stays comparable when the size of packets changes."""
    mine = costs.filter(~pl.col("stage").is_in(list(NOT_RECEIVE)), pl.col("ns_per_byte").is_not_null())
    relative = (pl.col("high") - pl.col("low")) / (2 * Z90) / pl.col("ns_per_packet")
    per_kb = mine.with_columns(value=pl.col("ns_per_byte") * 1000, error=pl.col("ns_per_byte") * 1000 * relative)
    squares = (pl.col("error").fill_null(0.0).fill_nan(0.0) ** 2).sum().sqrt()
    stages = per_kb.group_by("stage", maintain_order=True).agg(pl.col("value").sum(), squares.alias("error"))
    seen: Quantities = {("cost", row[0], "ns/KB"): Quantity(row[1], row[2]) for row in stages.iter_rows()}
    if seen:
        error = math.hypot(*(one.error for one in seen.values()))
        seen["cost", RECEIVER, "ns/KB"] = Quantity(sum(one.value for one in seen.values()), error)
    return seen


def _latencies(recording: Recording) -> Quantities:
    """Median and tail of the traced bytes' way through each stage; nothing where none were traced."""
    if recording.packet_events is None:
        return {}
    try:
        summary = latency(recording).summary
    except TraceError:
        return {}
    return {
        ("latency", f"{row['stage']}, {words}", "us"): Quantity(row[f"{name}_ns"] / 1e3)
        for row in summary.iter_rows(named=True)
        for name, words in (("p50", "median"), ("p99", "99 %"))
        if row[f"{name}_ns"] is not None
    }


def _profile(evidence: Evidence) -> Profile:
    """The samples of the receive path over the payload that was received meanwhile."""
    nothing = Profile(empty(FUNCTION_COSTS), empty(CHAIN_COSTS), 0, "")
    if evidence.stages.is_empty():
        return nothing._replace(missing="no CPU samples were recorded")
    payload_bytes = evidence.sampled.payload_bytes if evidence.sampled else 0
    if not payload_bytes:
        return nothing._replace(missing="no payload was counted while the CPUs were sampled")
    samples = received(evidence.stages).height
    if not samples:
        return nothing._replace(missing="no sample fell into the receive path")
    functions = function_costs(evidence.stages, payload_bytes)
    chains = chain_costs(evidence.stages, payload_bytes)
    if not chains.get_column("stack").str.contains(";.*;").any():  # thread, caller, function
        return Profile(functions, empty(CHAIN_COSTS), samples, "the samples hold no call chains")
    return Profile(functions, chains, samples, "")

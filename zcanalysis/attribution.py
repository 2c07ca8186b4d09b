"""What a recording shows without a model of its host: goodput, ceiling, the limiting CPU, and what its time cost."""

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from zcanalysis.blame import Blame, LimitingCpu, blame_by_share, limiting_cpu
from zcanalysis.evidence import Evidence, gather
from zcanalysis.goodput import Ceiling, Goodput, captured_goodput, ceiling
from zcanalysis.io.recording import Recording
from zcanalysis.tables import BLAME, empty


class Attribution(NamedTuple):
    """What is measured, and what follows from it by division."""

    evidence: Evidence
    goodput_gbps: float | None
    ceiling: Ceiling
    limit: LimitingCpu | None
    """The CPU whose time the blame divides."""
    blame: Blame
    """Not yet with what fixing a stage gives: that takes a model."""


def attributed(
    recording: Recording, link_gbps: float | None = None, on_step: Callable[[str], None] = lambda step: None
) -> Attribution:
    """What a recording shows by itself.

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
    blame = Blame(empty(BLAME), None, None)
    goodput = seen.quiet or _without_interval(quiet_gbps)
    if limit is not None and goodput is not None and top.gbps is not None and not seen.stages.is_empty():
        blame = blame_by_share(seen.stages, seen.account, limit, goodput, top)
    return Attribution(seen, quiet_gbps, top, limit, blame)


def _without_interval(gbps: float | None) -> Goodput | None:
    return None if gbps is None else Goodput(gbps, None, 0, None, 0, 1, "capture")


def _sender_share(account: pl.DataFrame) -> float | None:
    """CPU time of the sender's work per wall time, over all CPUs; None when no sender was seen here."""
    share = account.filter(pl.col("stage") == "sender").get_column("share").sum()
    return float(share) if share > 0.01 else None  # noqa: PLR2004 - a receiver's ACK path touches transmit code too

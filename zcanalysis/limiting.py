"""Who limited a connection, and when: of a recording by its counters, of a capture by its packets."""

import polars as pl

from zcanalysis.counted_limits import counted_limits
from zcanalysis.evidence import Evidence, gather
from zcanalysis.goodput import Ceiling, ceiling
from zcanalysis.io.recording import Recording
from zcanalysis.limit_spans import UNKNOWN
from zcanalysis.wire.captured_limits import captured_limits


def limits(what: Recording | pl.LazyFrame | pl.DataFrame, link_gbps: float | None = None) -> pl.DataFrame:
    """The life of each TCP connection in intervals, each with what limited it, why, and its shares.

    Parameters
    ----------
    what
        A recording, as `read_recording` gives it, or PACKETS, as `scan_pcap` gives them.
    link_gbps
        Rate of the link, headers included, where it is known and the recording does not say.

    Returns
    -------
    polars.DataFrame
        LIMITS. Of a recording with counters its undisturbed time, by `zcanalysis.counted_limits`; of one with a capture
        only, and of packets, by `zcanalysis.wire.captured_limits`: the rules and their sources stand there.

    Examples
    --------
    >>> from zcanalysis.tables import PACKETS, empty
    >>> limits(empty(PACKETS)).height
    0
    """
    if isinstance(what, Recording):
        seen = gather(what)
        quiet_gbps = seen.quiet.gbps if seen.quiet else None
        return recorded_limits(seen, ceiling(what, quiet_gbps, None, link_gbps))
    return captured_limits(what, link_gbps)


def recorded_limits(evidence: Evidence, top: Ceiling) -> pl.DataFrame:
    """The same of evidence already gathered.

    Parameters
    ----------
    evidence
        What was gathered from a recording.
    top
        Its ceiling; says what the link is.
    """
    counted = counted_limits(evidence, top)
    packets = evidence.recording.packets
    told = (counted.get_column("limit") != UNKNOWN).any()
    if packets is None or told:
        return counted
    link_gbps = top.gbps if top.kind == "link" else None
    captured = captured_limits(packets, link_gbps)
    return captured if counted.is_empty() else _completed(counted, captured)


def _completed(counted: pl.DataFrame, captured: pl.DataFrame) -> pl.DataFrame:
    """Counters that leave all open, beside a capture of another time: what it shows is said, not taken for theirs."""
    shown = captured.filter(pl.col("limit") != UNKNOWN)
    if shown.is_empty():
        return counted
    most = shown.sort("share_time", descending=True).row(0, named=True)
    said = f"; the capture, of another time, shows {most['limit']}: {most['evidence']}"
    return counted.with_columns(pl.col("evidence") + said)

"""Latency by stage of every byte range that a reader copied, from the tracepoints of one recording."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

from zcanalysis.cpu.byte_chains import Chains, Streams, chains, streams
from zcanalysis.cpu.byte_positions import NONE, Integers
from zcanalysis.cpu.latency_account import accounting, distribution, summary
from zcanalysis.cpu.packet_events import COPIED, COPY, HANDED, SEGMENT, TAKEN, PacketEvents, packet_events
from zcanalysis.errors import TraceError
from zcanalysis.tables import LATENCY, LATENCY_MOMENTS, LATENCY_STAGES, conform, latency_column

if TYPE_CHECKING:
    from zcanalysis.io.recording import Recording

LEAST_JOINED: Final = 0.95
SURE_SHARE: Final = 0.99
MICROSECOND_NS: Final = 1000
HOW: Final = "record it with `zcanalysis record --trace` (root), or `zcanalysis lab run --trace`"


class Latency(NamedTuple):
    """How long received bytes took, and how far that can be believed."""

    ranges: pl.DataFrame
    """LATENCY."""
    summary: pl.DataFrame
    """LATENCY_SUMMARY: each stage over all bytes."""
    distribution: pl.DataFrame
    """LATENCY_DISTRIBUTION: the same, from the fastest bytes to the slowest."""
    accounting: pl.DataFrame
    """LATENCY_ACCOUNT: one row a socket."""
    doubts: tuple[str, ...]
    """One line each: what was not recorded, lost or unmatched, and what it does to the figures."""


def latency(source: "Recording | pl.LazyFrame | str | Path", lost_events: int | None = None) -> Latency:
    """Latency by stage of every byte range that a reader copied.

    Parameters
    ----------
    source
        A recording with traced packets, or its folder; a kernel trace (text of ftrace, perf script, trace-cmd, or
        perf.data); or EVENTS.
    lost_events
        Events that the kernel is known to have lost, where the trace does not say; of a recording its own count.

    Returns
    -------
    Latency
        Ranges, their summary and distribution, the account of bytes by socket, and doubts.

    Raises
    ------
    TraceError
        If packets were not traced: copies and either TCP's or the stack's receive event are needed.

    Notes
    -----
    An skb's address vanishes when it is merged into another (receive queue, socket's backlog, GRO), so bytes are joined
    by their position in the socket's stream; addresses only say where the streams meet. Queued bytes at the trace's
    begin have no arrival and are told apart.

    Examples
    --------
    >>> found = latency("recording")  # doctest: +SKIP
    >>> found.summary  # doctest: +SKIP
    """
    events, lost = _events_of(source)
    seen = packet_events(events)
    if COPY not in seen.recorded or not {SEGMENT, TAKEN} & seen.recorded:
        raise TraceError(f"{_named(source)}: its trace has no packets followed to a reader; {HOW}")
    if seen.copies.is_empty():
        raise TraceError(f"{_named(source)}: nobody read from TCP while packets were traced; {HOW}")
    counted = seen._replace(lost_events=max(seen.lost_events, lost_events or lost))
    found = streams(counted)
    joined, agreement = chains(counted, found)
    ranges = _ranges(counted, found, joined)
    account = accounting(counted, found, joined, agreement, ranges)
    kept = ranges.filter(pl.Series(joined.segment != NONE))
    return Latency(kept, summary(kept), distribution(kept), account, tuple(_doubts(counted, account)))


def _events_of(source: "Recording | pl.LazyFrame | str | Path") -> tuple[pl.LazyFrame, int]:
    """The events, and how many the kernel is known to have lost."""
    from zcanalysis.io.bpftrace import is_bpftrace
    from zcanalysis.io.file_kind import begins_like
    from zcanalysis.io.recording import Recording, read_recording
    from zcanalysis.io.trace_events import scan_events

    if isinstance(source, pl.LazyFrame):
        return source, 0
    if not isinstance(source, Recording):
        place = Path(source)
        if place.exists() and not place.is_dir():
            if begins_like(place, is_bpftrace):
                raise TraceError(f"{place}: holds histograms, which tell of no single byte; {HOW}")
            return scan_events(place), 0
        source = read_recording(place)
    if source.packet_events is None:
        raise TraceError(f"{source.path}: has no traced packets; {HOW}")
    return source.packet_events, source.host.lost.get("packet_events") or 0


def _named(source: "Recording | pl.LazyFrame | str | Path") -> str:
    if isinstance(source, pl.LazyFrame):
        return "events"
    return str(source if isinstance(source, str | Path) else source.path)


def _ranges(events: PacketEvents, seen: Streams, joined: Chains) -> pl.DataFrame:
    """LATENCY, with the ranges that have no arrival."""
    copies = events.copies[joined.copy] if len(joined.copy) else events.copies.clear()
    of_tcp = joined.segment if SEGMENT in events.recorded else np.full(len(joined.segment), NONE)
    table = copies.select("socket", "tid", copy_at_ns="ts_ns", done_at_ns="done_ns").with_columns(
        pl.Series("from_byte", joined.from_byte),
        pl.Series("bytes", joined.size_bytes),
        (pl.Series("from_byte", joined.from_byte) + joined.size_bytes).alias("to_byte"),
        _moment("driver_at_ns", seen.packets.ns, joined.packet),
        _moment("stack_at_ns", seen.skbs.ns, joined.skb),
        _moment("socket_at_ns", seen.segments.ns, of_tcp),
        _reader_runs(events, seen, joined),
    )
    table = table.with_columns(_stages()).with_columns(_complete(events))
    return conform(table, LATENCY)


def _moment(name: str, moments_ns: Integers, index: Integers) -> pl.Series:
    known = index != NONE
    return pl.Series(name, np.append(moments_ns, 0)[index]).set(pl.Series(~known), None)


def _stages() -> list[pl.Expr]:
    """Each from the last known moment to its own; null where its own moment or any earlier one is missing."""
    last = pl.col("driver_at_ns")
    stages = []
    for stage, moment in zip(LATENCY_STAGES, LATENCY_MOMENTS, strict=True):
        stages.append((pl.col(moment) - last).alias(latency_column(stage)))
        last = pl.coalesce(moment, last)
    first = pl.coalesce("driver_at_ns", *LATENCY_MOMENTS)
    return [*stages, (last - first).alias("total_ns")]


def _complete(events: PacketEvents) -> pl.Expr:
    recorded = {
        "driver_at_ns": bool(set(HANDED) & events.recorded),
        "stack_at_ns": TAKEN in events.recorded,
        "socket_at_ns": SEGMENT in events.recorded,
        "reader_at_ns": not events.presence.is_empty(),
        "done_at_ns": COPIED in events.recorded,
    }
    wanted = [pl.col(moment).is_not_null() for moment, there in recorded.items() if there]
    return pl.all_horizontal(pl.col("copy_at_ns").is_not_null(), *wanted).alias("complete")


def _reader_runs(events: PacketEvents, seen: Streams, joined: Chains) -> pl.Series:
    """When the reader first ran at or after the arrival."""
    presence = events.presence.with_row_index("index")
    if presence.is_empty():
        return pl.Series("reader_at_ns", [None] * len(joined.copy), dtype=pl.Int64)
    span = 2 + events.events
    place = (pl.col("tid").cast(pl.Int64) * span + pl.col("row")).alias("place")
    in_order = presence.select(place, "present", "ts_ns").sort("place", "present")
    running = in_order.filter("present")
    places, present = in_order.get_column("place").to_numpy(), in_order.get_column("present").to_numpy()
    tid = events.copies.get_column("tid").to_numpy().astype(np.int64)[joined.copy]
    row = np.append(seen.segments.row, 0)[joined.segment]
    before = np.searchsorted(places, tid * span + row, side="right") - 1
    runs = (before >= 0) & (places[before] >= tid * span) & present[before]
    later = np.searchsorted(running.get_column("place").to_numpy(), tid * span + row, side="right")
    later_ns = np.append(running.get_column("ts_ns").to_numpy(), 0)[np.minimum(later, running.height)]
    arrived_ns = np.append(seen.segments.ns, 0)[joined.segment]
    return pl.Series("reader_at_ns", np.where(runs, arrived_ns, later_ns)).set(pl.Series(joined.segment == NONE), None)


def _doubts(events: PacketEvents, account: pl.DataFrame) -> Iterator[str]:
    """What a reader of the figures must know."""
    absent = {
        "hand-over": not set(HANDED) & events.recorded or TAKEN not in events.recorded,
        "protocol": SEGMENT not in events.recorded,
        "wake-up": events.presence.is_empty(),
        "copy": COPIED not in events.recorded,
    }
    if named := [stage for stage, missing in absent.items() if missing]:
        yield f"not recorded: {', '.join(named)}; their time is in the next stage that was, or in none"
    if events.uncounted_losses:
        yield f"events were lost in {events.uncounted_losses:,} more places, the trace does not say how many"
    if events.lost_events or events.unreadable_lines:
        yield f"{events.lost_events:,} events lost, {events.unreadable_lines:,} lines unreadable: their bytes miss"
    sums = account.select(pl.col("copied_bytes", "joined_bytes", "early_bytes", "lost_bytes").sum()).row(0, named=True)
    usable = sums["copied_bytes"] - sums["early_bytes"] + (sums["lost_bytes"] or 0)
    if sums["joined_bytes"] < LEAST_JOINED * usable:
        yield f"only {sums['joined_bytes'] / usable:.1%} of the received bytes are joined: the others may differ"
    if sums["early_bytes"] > sums["copied_bytes"] / 2:
        yield "most bytes were on their way when the trace began: trace longer"
    asked, agree = account.select(pl.col("addresses", "addresses_agree").sum()).row(0)
    if agree < SURE_SHARE * asked:
        yield f"{asked - agree:,} of {asked:,} skbs are not where the byte position says: losses or reordering"
    moments_ns = events.copies.get_column("ts_ns").to_numpy()
    if not ((moments_ns - moments_ns[0]) % MICROSECOND_NS).any():
        yield "the trace has whole microseconds: shorter stages are right on average only"
    yield "tracing packets slows the transfer: shares carry over, times do not"

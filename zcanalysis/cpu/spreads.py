"""How much, how long, how often: distributions of what was traced, from events or from bpftrace's histograms.

Enters: EVENTS (of perf, ftrace, trace-cmd) or HISTOGRAMS. Leaves: SPREADS. Tracing slows what it watches, so these
tell sizes of batches and shapes of waits; they price nothing.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from zcanalysis.io.bpftrace import Histograms, is_bpftrace, read_histograms
from zcanalysis.io.file_kind import begins_like
from zcanalysis.io.retis import TRACK
from zcanalysis.io.trace_fields import field, payload_fields
from zcanalysis.tables import SPREADS, conform, empty

if TYPE_CHECKING:
    from zcanalysis.io.recording import Recording

POLLED: Final = "packets of a NAPI poll"
SOFTIRQ: Final = "time of a NET_RX softirq"
COPIED: Final = "bytes of a copy to user"
WOKEN: Final = "from wake-up to running"
DROPPED: Final = "skbs dropped"
STEP: Final = "from probe to probe"
OF_MAPS: Final = {
    "poll_packets": (POLLED, "packets"), "net_rx_ns": (SOFTIRQ, "ns"), "copy_bytes": (COPIED, "bytes"),
    "wakeup_ns": (WOKEN, "ns"),
}  # fmt: skip
NET_RX: Final = 3
MOST_NAMED: Final = 5
NAMES: Final = (
    "napi_poll", "softirq_entry", "softirq_exit", "skb_copy_datagram_iovec", "sched_wakeup", "sched_switch",
    "kfree_skb",
)  # fmt: skip
FIELDS: Final = {
    "work": pl.Int64, "dev_name": pl.String, "vec": pl.Int64, "len": pl.Int64, "pid": pl.Int64, "next_pid": pl.Int64,
    "next_comm": pl.String, "reason": pl.String, TRACK: pl.String,
}  # fmt: skip
QUANTILES: Final = {"p50": 0.5, "p99": 0.99}
NO_DROP: Final = ("NOT_SPECIFIED", "CONSUMED", "NOT_DROPPED_YET")
BOUNDS: Final = ("p50_low", "p50_high", "p99_low", "p99_high", "most")
KEYS: Final = ["quantity", "of", "unit"]


class Traced(NamedTuple):
    """What traces tell beside the way of single bytes."""

    table: pl.DataFrame
    """SPREADS."""
    notes: tuple[str, ...]
    """What was lost or left out, a line each; names in it are never trusted text."""


def spreads(source: "Recording | pl.LazyFrame | str | Path") -> pl.DataFrame:
    """How much, how long and how often, of everything that was traced.

    Parameters
    ----------
    source
        A recording or its folder (``trace.txt``, ``packets.txt`` or ``retis.json``, ``bpftrace.json`` or
        ``bpftrace.txt``); a kernel trace (ftrace, trace-cmd, perf, retis); what bpftrace printed for
        `zcanalysis.io.bpftrace.SCRIPT`; or EVENTS.

    Returns
    -------
    polars.DataFrame
        SPREADS; empty where nothing that it knows was traced.

    Raises
    ------
    TraceError
        If a file is missing, damaged, or no trace.
    """
    return traced(source).table


def traced(source: "Recording | pl.LazyFrame | str | Path") -> Traced:
    """The same, with what was lost or left out.

    Parameters
    ----------
    source
        As of `spreads`.
    """
    from zcanalysis.io.recording import Recording, read_recording
    from zcanalysis.io.trace_events import scan_events

    if isinstance(source, pl.LazyFrame):
        return _of_events(source)
    if not isinstance(source, Recording):
        place = Path(source)
        if place.exists() and not place.is_dir():
            if begins_like(place, is_bpftrace):
                return _of_histograms(read_histograms(place))
            return _of_events(scan_events(place))
        source = read_recording(place)
    events = (part for part in (source.events, source.packet_events) if part is not None)
    found = [_of_events(part) for part in events]
    if source.histograms is not None:
        found.append(_of_histograms(source.histograms))
    return Traced(
        pl.concat([empty(SPREADS), *(one.table for one in found)]), tuple(note for one in found for note in one.notes)
    )


def _of_histograms(histograms: Histograms) -> Traced:
    notes = []
    if histograms.left_out:
        notes.append(f"left out, as their names are not known: @{', @'.join(histograms.left_out[:MOST_NAMED])}")
    if histograms.lost_events or histograms.unreadable_lines:
        lost = f"{histograms.lost_events:,} events lost, {histograms.unreadable_lines:,} lines unreadable"
        notes.append(f"bpftrace: {lost}")
    return Traced(spreads_of_histograms(histograms.table), tuple(notes))


def _of_events(events: pl.LazyFrame) -> Traced:
    table = _wanted(events)
    losses = int(table.get_column("lost").sum())
    note = f"events were lost in {losses:,} places: softirqs and waits around them are left out"
    return Traced(_spreads(table), (note,) if losses else ())


def spreads_of_events(events: pl.LazyFrame) -> pl.DataFrame:
    """SPREADS of the events that are among them; empty where none is.

    Parameters
    ----------
    events
        EVENTS of one machine. A softirq or a wait during which its CPU lost events is left out.

    Notes
    -----
    ``napi_poll`` tells packets, ``softirq_entry`` and ``softirq_exit`` of NET_RX a time, ``skb_copy_datagram_iovec``
    bytes, ``sched_wakeup`` and the ``sched_switch`` after it a wait, ``kfree_skb`` a drop where it gives a reason. Of
    packets that retis followed, the time from each probe to the next one that the same skb reached.
    """
    return _spreads(_wanted(events))


def _wanted(events: pl.LazyFrame) -> pl.DataFrame:
    """The events that tell something, and where the kernel lost some."""
    named = pl.col("event").str.replace("^.*:", "").alias("event")
    lost = pl.col("error").str.contains("the kernel lost ", literal=True).fill_null(False).alias("lost")
    wanted = events.select("ts_ns", "cpu", "comm", named, "payload", lost)
    tracked = pl.col("payload").str.contains(f"{TRACK}=", literal=True)
    found = wanted.filter(pl.col("event").is_in(NAMES) | pl.col("lost") | tracked)
    # payloads are many times larger than what is taken of them: they are let go batch by batch
    batches = found.collect_batches(engine="streaming", maintain_order=True)
    parts = [_taken(batch) for batch in batches]
    return pl.concat(parts) if parts else _taken(found.head(0).collect())


def _taken(batch: pl.DataFrame) -> pl.DataFrame:
    """The events of a batch with the fields that are looked at as columns."""
    taken = batch.with_columns(payload_fields(batch.get_column("payload")))
    taken = taken.with_columns(field(name, kind).alias(name) for name, kind in FIELDS.items())
    return taken.select("ts_ns", "cpu", "comm", "event", "lost", *FIELDS)


def _spreads(table: pl.DataFrame) -> pl.DataFrame:
    values = [*_plain(table), _softirqs(table), _waits(table), _steps(table)]
    every = pl.concat([one.drop_nulls("value") for one in values])
    return conform(pl.concat([_exact(every), _drops(table)]), SPREADS)


def _plain(table: pl.DataFrame) -> Iterator[pl.DataFrame]:
    polls, copies = (table.filter(pl.col("event") == name) for name in ("napi_poll", "skb_copy_datagram_iovec"))
    yield _values(polls, POLLED, pl.col("dev_name"), "packets", pl.col("work"))
    yield _values(copies, COPIED, pl.col("comm"), "bytes", pl.col("len"))


def _values(table: pl.DataFrame, quantity: str, of: pl.Expr, unit: str, value: pl.Expr) -> pl.DataFrame:
    return table.select(
        pl.lit(quantity).alias("quantity"),
        of.cast(pl.String).fill_null("?").alias("of"),
        pl.lit(unit).alias("unit"),
        value.cast(pl.Int64).alias("value"),
    )


def _softirqs(table: pl.DataFrame) -> pl.DataFrame:
    """A softirq ends before the next begins on its CPU."""
    ours = pl.col("vec") == NET_RX
    ends = pl.col("event").is_in(["softirq_entry", "softirq_exit"]) & ours
    seen = table.filter(ends | pl.col("lost"))
    whole = (pl.col("event") == "softirq_exit") & (pl.col("event").shift().over("cpu") == "softirq_entry")
    lasted = (pl.col("ts_ns") - pl.col("ts_ns").shift()).over("cpu").alias("value")
    timed = seen.with_columns(lasted, whole.fill_null(False).alias("whole")).filter("whole", pl.col("value") >= 0)
    return _values(timed, SOFTIRQ, pl.format("CPU {}", "cpu"), "ns", pl.col("value"))


def _waits(table: pl.DataFrame) -> pl.DataFrame:
    """From the wake-up of a thread to the switch to it; the threads of CPUs that lost events begin anew."""
    woken = table.with_columns(
        pl.when(pl.col("event") == "sched_wakeup").then(pl.col("pid")).otherwise(pl.col("next_pid"))
        .alias("tid"),
        pl.col("lost").cum_sum().alias("era"),
    )  # fmt: skip
    ends = woken.filter(pl.col("event").is_in(["sched_wakeup", "sched_switch"]), pl.col("tid") != 0)
    ordered = ends.sort("ts_ns", maintain_order=True)
    before = pl.col("event").shift().over("tid", "era") == "sched_wakeup"
    waited = (pl.col("ts_ns") - pl.col("ts_ns").shift()).over("tid", "era").alias("value")
    runs = ordered.with_columns(waited, before.fill_null(False).alias("woken"))
    runs = runs.filter("woken", pl.col("event") == "sched_switch")
    return _values(runs, WOKEN, pl.col("next_comm"), "ns", pl.col("value"))


def _steps(table: pl.DataFrame) -> pl.DataFrame:
    """From probe to probe of one skb; clones share a packet, but not an skb."""
    seen = table.select("ts_ns", "event", pl.col(TRACK).alias("track")).drop_nulls(["track", "ts_ns"])
    ordered = seen.sort("ts_ns", maintain_order=True)
    way = pl.format("{} > {}", pl.col("event").shift().over("track"), "event").alias("way")
    took = (pl.col("ts_ns") - pl.col("ts_ns").shift()).over("track").alias("value")
    return _values(ordered.with_columns(way, took).drop_nulls("way"), STEP, pl.col("way"), "ns", pl.col("value"))


def _drops(table: pl.DataFrame) -> pl.DataFrame:
    """How many were dropped for what reason; `kfree_skb` of kernels before 5.17 gives none."""
    reason = pl.col("reason").alias("of")
    reasons = table.filter(pl.col("event") == "kfree_skb").select(reason).drop_nulls()
    return counted(reasons.filter(~pl.col("of").is_in(NO_DROP)).get_column("of"), DROPPED)


def counted(names: pl.Series, quantity: str) -> pl.DataFrame:
    """SPREADS of what is only counted.

    Parameters
    ----------
    names
        One a time that it happened.
    quantity
        What happened.
    """
    table = names.alias("of").value_counts(sort=True)
    if table.is_empty():
        return empty(SPREADS)
    unknown = (pl.lit(None).alias(name) for name in ("unit", *BOUNDS))
    told = table.with_columns(pl.lit(quantity).alias("quantity"), pl.lit("events").alias("source"), *unknown)
    return conform(told, SPREADS)


def _exact(values: pl.DataFrame) -> pl.DataFrame:
    """SPREADS of values that are each known: ``quantity``, ``of``, ``unit``, ``value``."""
    quantile = [
        pl.col("value").quantile(part, "higher").cast(pl.Int64).alias(f"{name}_{side}")
        for name, part in QUANTILES.items()
        for side in ("low", "high")
    ]
    most = pl.col("value").max().alias("most")
    told = values.group_by(KEYS, maintain_order=True).agg(pl.len().alias("count"), *quantile, most)
    return _ordered(told.with_columns(pl.lit("events").alias("source")))


def spreads_of_histograms(histograms: pl.DataFrame) -> pl.DataFrame:
    """SPREADS of known maps, between the bounds of their bins.

    Parameters
    ----------
    histograms
        HISTOGRAMS.
    """
    known = histograms.filter(pl.col("map").is_in(list(OF_MAPS)))
    bins = known.sort(pl.col("low").fill_null(-(1 << 62)), maintain_order=True)
    below = pl.col("count").cum_sum()
    whole = pl.col("count").sum()
    quantile = [
        pl.col(side).filter(below >= part * whole).first().alias(f"{name}_{side}")
        for name, part in QUANTILES.items()
        for side in ("low", "high")
    ]
    told = bins.group_by("map", "key", maintain_order=True).agg(
        pl.col("high").last().alias("most"), *quantile, pl.col("count").sum()
    )
    meaning = {name: pl.col("map").replace_strict({of: words[at] for of, words in OF_MAPS.items()})
               for at, name in enumerate(("quantity", "unit"))}  # fmt: skip
    cpu = pl.when(pl.col("map") == "net_rx_ns").then(pl.format("CPU {}", "key")).otherwise(pl.col("key"))
    return _ordered(told.with_columns(pl.lit("bpftrace").alias("source"), cpu.alias("of"), **meaning))


def _ordered(told: pl.DataFrame) -> pl.DataFrame:
    """By quantity, the most frequent first."""
    order = pl.col("quantity").replace_strict({name: at for at, (name, _) in enumerate(OF_MAPS.values())}, default=9)
    return conform(told.sort(order, "quantity", "count", "of", descending=[False, False, True, False]), SPREADS)

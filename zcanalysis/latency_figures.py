"""Latency by stage as the report draws it and as people read it."""

from collections.abc import Iterator

import polars as pl

from zcanalysis.cpu.latency import Latency, latency
from zcanalysis.cpu.spreads import Traced, traced
from zcanalysis.errors import TraceError
from zcanalysis.figures import Figure, figure
from zcanalysis.io.recording import Recording
from zcanalysis.output import printable
from zcanalysis.tables import SPREADS, empty

SPREADS_SHOWN = 5
SPREAD_HEADS = ("traced", "of", "times", "median", "99 %", "most", "from")
STAGE_WORDS = {
    "hand-over": "driver to stack: GRO, backlog, RPS",
    "protocol": "stack to socket: IP, TCP, socket's backlog",
    "wake-up": "until the reader runs",
    "queue": "the reader copies what came before",
    "copy": "copy to the reader",
    "total": "total",
}


def what_was_traced(recording: Recording) -> Traced:
    """Batches, waits and sizes of a recording's traces; those that turn out to be no trace tell nothing."""
    try:
        return traced(recording)
    except TraceError as error:
        return Traced(empty(SPREADS), (str(error),))


def traced_latency(recording: Recording) -> Latency | None:
    """Latency of the recording's traced packets; None where none were traced or nobody read meanwhile."""
    if recording.packet_events is None:
        return None
    try:
        return latency(recording)
    except TraceError:
        return None


def latency_figures(found: Latency | None) -> Iterator[Figure]:
    """Stages and their spread, where bytes were joined."""
    from zcanalysis import charts

    if found is None or found.distribution.is_empty():
        return
    says = "From the driver to the end of the copy, every byte counted once, from tracepoints of each packet. "
    yield figure(
        "latency",
        "How long received bytes took",
        charts.latency(found.summary, found.distribution),
        f"{says}{account_text(found.accounting)}. {'; '.join(map(printable, found.doubts))}.",
    )
    yield figure(
        "latency-tails",
        "The slowest bytes",
        charts.latency_tails(found.distribution),
        "How large a part of those bytes took longer than a time, by stage; both axes are logarithmic. A stage whose "
        "line reaches far to the right is quick for most bytes and slow for a few.",
    )


def latency_cells(summary: pl.DataFrame) -> list[tuple[str, ...]]:
    """Stage, mean, median and 99 % in microseconds, share: one row a stage."""
    return [
        (
            STAGE_WORDS[row["stage"]],
            *(_us(row[f"{name}_ns"]) for name in ("mean", "p50", "p99")),
            _percent(row["share"]),
        )
        for row in summary.iter_rows(named=True)
    ]


def spread_cells(spreads: pl.DataFrame) -> list[tuple[str, ...]]:
    """What was traced, whose, how often, median, 99 % and most: a few rows of each quantity.

    Parameters
    ----------
    spreads
        SPREADS.
    """
    most = spreads.with_columns(pl.int_range(pl.len()).over("quantity", "source").alias("place"))
    return [
        (
            row["quantity"],
            printable(row["of"]),
            f"{row['count']:,}",
            _within(row["p50_low"], row["p50_high"], row["unit"]),
            _within(row["p99_low"], row["p99_high"], row["unit"]),
            _amount(row["most"], row["unit"]),
            row["source"],
        )
        for row in most.filter(pl.col("place") < SPREADS_SHOWN).iter_rows(named=True)
    ]


def _within(low: int | None, high: int | None, unit: str | None) -> str:
    """A value, or the bounds between which it lies."""
    if low == high:
        return _amount(high, unit)
    if low is None or high is None:
        return f"to {_amount(high, unit)}" if low is None else f"from {_amount(low, unit)}"
    return f"{_amount(low, unit).removesuffix(' us')}-{_amount(high, unit)}"


def _amount(value: int | None, unit: str | None) -> str:
    if value is None:
        return ""
    return f"{value / 1000:,.1f} us" if unit == "ns" else f"{value:,}"


def _us(ns: float | None) -> str:
    return "not recorded" if ns is None else f"{ns / 1000:,.1f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def account_text(account: pl.DataFrame) -> str:
    """How many bytes were joined, and where the others are, in one line.

    Parameters
    ----------
    account
        LATENCY_ACCOUNT.
    """
    known = account.get_column("received_bytes").is_not_null().any()
    sums = {name: int(account.get_column(name).sum()) for name in account.columns if name.endswith("_bytes")}
    usable = sums["copied_bytes"] - sums["early_bytes"] + sums["lost_bytes"]
    share = f" ({sums['joined_bytes'] / usable:.1%})" if usable > 0 else ""
    whose = (
        f"{_mb(sums['received_bytes'])} received by the sockets' own count" if known else "the sockets did not count"
    )
    rest = f"{_mb(sums['lost_bytes'])} lost, {_mb(sums['unmatched_bytes'])} unmatched"
    return (
        f"{_mb(sums['joined_bytes'])} of {_mb(usable)} that came and were read meanwhile are joined{share}: {rest}; "
        f"{_mb(sums['early_bytes'])} were on their way when the trace began; {whose}"
    )


def _mb(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"

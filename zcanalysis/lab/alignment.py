"""Puts iperf3's receiver intervals, whose times count from its own start, on the recording's time axis.

Both sides count the same bytes: the socket's `bytes_received` less what is still queued is what iperf3 has
read. So the moment at which iperf3's curve reaches the socket's count, at every reading, gives its start.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.errors import HostError
from zcanalysis.rates import NS_PER_S

LEAST_READINGS: Final = 3
MARGIN_NS: Final = 100_000_000
CARRIES_SHARE: Final = 0.02
"""Of what the busiest socket received: less is talk about the transfer."""

Int64s = npt.NDArray[np.int64]


class Alignment(NamedTuple):
    """When iperf3's clock was zero, and how well its curve fits."""

    zero_ns: int
    spread_ns: int
    """Median distance of single readings from `zero_ns`."""
    edges_ns: Int64s
    """Shape (n + 1,), sorted: interval ends since the epoch, iperf3's start first."""
    read_bytes: Int64s
    """Shape (n + 1,), non-decreasing: bytes iperf3 had read at each edge."""

    def bytes_between(self, from_ns: int, to_ns: int) -> float:
        """Payload bytes that iperf3 read in the window, straight lines inside its intervals."""
        start, end = np.interp([from_ns, to_ns], self.edges_ns, self.read_bytes)
        return float(end - start)


def align_intervals(intervals: Sequence[tuple[float, float, int]], curve: pl.DataFrame) -> Alignment:
    """Find the start of iperf3's clock by matching cumulative bytes.

    Parameters
    ----------
    intervals
        iperf3's receiver intervals, all, in order: start and end in seconds since its start, bytes read.
    curve
        Columns ``ts_ns`` (epoch) and ``read_bytes`` (received and no longer queued), sorted by time.

    Raises
    ------
    HostError
        If fewer than three readings lie inside iperf3's curve.
    """
    edges_ns = np.array([0, *(round(end * NS_PER_S) for _, end, _ in intervals)], dtype=np.int64)
    read_bytes = np.cumsum([0, *(count for _, _, count in intervals)], dtype=np.int64)
    seen = curve.filter((pl.col("read_bytes") > 0) & (pl.col("read_bytes") < int(read_bytes[-1])))
    if seen.height < LEAST_READINGS:
        raise HostError(f"iperf3's curve and the socket's share only {seen.height} readings; record longer")
    reached_ns = np.interp(seen["read_bytes"].to_numpy(), read_bytes, edges_ns)
    zeros_ns = seen["ts_ns"].to_numpy() - np.round(reached_ns).astype(np.int64)
    zero_ns = int(np.median(zeros_ns))
    spread_ns = int(np.median(np.abs(zeros_ns - zero_ns)))
    return Alignment(zero_ns, spread_ns, edges_ns + zero_ns, read_bytes)


def receiver_intervals(load: dict[str, Any]) -> list[tuple[float, float, int]]:
    """Receiver intervals of an iperf3 report with the server's output: (start s, end s, bytes).

    Raises
    ------
    HostError
        If the report lacks them.
    """
    try:
        sums = [interval["sum"] for interval in load["server_output_json"]["intervals"]]
        return [(float(row["start"]), float(row["end"]), int(row["bytes"])) for row in sums]
    except (KeyError, TypeError, ValueError) as error:
        raise HostError(f"load.json: lacks the receiver's intervals: {error!r}") from error


def read_curve(counters: pl.DataFrame) -> pl.DataFrame:
    """Bytes the reader had taken over time: ``ts_ns``, ``read_bytes``.

    Of the sockets that carry the transfer: those that received at least a fiftieth of what the busiest did.
    """
    wanted = counters.filter(
        (pl.col("source") == "socket") & pl.col("counter").is_in(["bytes_received", "recv_q"])
    ).pivot("counter", index=["ts_ns", "instance"], values="value")
    received = pl.col("bytes_received").max().over("instance")
    return (
        wanted.filter(received >= received.max() * CARRIES_SHARE)
        .group_by("ts_ns")
        .agg(read_bytes=(pl.col("bytes_received") - pl.col("recv_q")).sum())
        .sort("ts_ns")
    )


class Agreement(NamedTuple):
    """Payload read in one stretch of a phase, counted twice."""

    socket_bytes: int
    iperf_bytes: float
    elapsed_ns: int

    @property
    def ratio(self) -> float:
        """Socket counters over iperf3's own count; 1 when they agree."""
        return self.socket_bytes / self.iperf_bytes


def agreement(counters: pl.DataFrame, load: dict[str, Any], phase: str, margin_ns: int = MARGIN_NS) -> Agreement:
    """Hold the socket's count against iperf3's own over the inside of a phase.

    Parameters
    ----------
    counters, load
        Of one recording made by the lab.
    phase
        Its name.
    margin_ns
        Left out at either end of each repeat: by default one iperf3 interval (0.1 s), because the recorder's own start
        and end change the rate inside the intervals they fall into.

    Raises
    ------
    HostError
        If the phase has fewer than three readings in all, or load.json lacks the receiver's intervals.
    """
    curve = read_curve(counters)
    alignment = align_intervals(receiver_intervals(load), curve)
    readings = (
        counters.filter(pl.col("phase") == phase, pl.col("source") == "socket").select("ts_ns", "repeat").unique()
    )
    begin, end = (bound.over("repeat") for bound in (pl.col("ts_ns").min(), pl.col("ts_ns").max()))
    inside = curve.join(readings, on="ts_ns").filter(
        pl.col("ts_ns") >= begin + margin_ns, pl.col("ts_ns") <= end - margin_ns
    )
    if inside.height < LEAST_READINGS:
        raise HostError(f"phase {phase}: only {inside.height} readings of a socket inside it; record longer")
    windows = (
        inside.sort("ts_ns")
        .group_by("repeat", maintain_order=True)
        .agg(pl.col("ts_ns", "read_bytes").first().name.suffix("_a"), pl.col("ts_ns", "read_bytes").last())
    )
    return Agreement(
        int(windows.select((pl.col("read_bytes") - pl.col("read_bytes_a")).sum()).item()),
        sum(alignment.bytes_between(*bounds) for bounds in windows.select("ts_ns_a", "ts_ns").iter_rows()),
        int(windows.select((pl.col("ts_ns") - pl.col("ts_ns_a")).sum()).item()),
    )

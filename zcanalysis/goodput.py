"""How much payload arrived, and how much could have: goodput and its ceiling."""

import math
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.framing import framing_bytes, payload_gbps, segment_bytes
from zcanalysis.io.recording import Recording
from zcanalysis.model.utilisation import saturated_rate
from zcanalysis.rates import BITS_PER_BYTE, per_interval, total

QUIET_PHASE: Final = "counters"
MOST_RATES: Final = 2000
SAMPLED_PHASES: Final = ("sampling", "chains")
"""Phases whose samples price the stages; the second is that of the first recorder."""
SOCKETS_EXPLAIN: Final = 0.95
SOCKET_READING_NS: Final = 250_000_000  # two and a half readings: a socket seen later began inside the window
FEWEST_RATES: Final = 5
FEWEST_REPEATS: Final = 3
Floats = npt.NDArray[np.float64]


class Goodput(NamedTuple):
    """Payload received in one phase, all its repeats together."""

    gbps: float
    relative_error: float | None
    """Half the width of the 90 % interval over the value; None when the readings are too few to say."""
    payload_bytes: int
    packets: int | None
    elapsed_ns: int
    repeats: int
    source: str

    @property
    def low_gbps(self) -> float | None:
        """5 % bound."""
        return None if self.relative_error is None else self.gbps * max(1 - self.relative_error, 0.0)

    @property
    def high_gbps(self) -> float | None:
        """95 % bound."""
        return None if self.relative_error is None else self.gbps * (1 + self.relative_error)


class Ceiling(NamedTuple):
    """What the goodput is compared with."""

    gbps: float | None
    kind: Literal["link", "modelled"] | None
    why: str
    framing_gbps: float
    """Part of the ceiling that headers and gaps take, in payload bit/s; 0 for a modelled ceiling."""


class _Windows(NamedTuple):
    """The counters of one phase and the times they span."""

    counters: pl.DataFrame
    spans: pl.DataFrame
    """Columns ``repeat``, ``from_ns``, ``to_ns``."""

    @property
    def elapsed_ns(self) -> int:
        return int(self.spans.select((pl.col("to_ns") - pl.col("from_ns")).sum()).item())


def counted_goodput(recording: Recording, phase: str = QUIET_PHASE) -> Goodput | None:
    """Goodput of one phase, from byte counters; None when none were recorded.

    Notes
    -----
    The sockets' own ``bytes_received`` counts payload, in order, once. It is taken where it explains most of what the
    device received (all but a twentieth: short connections come and go unseen between readings); else, as with UDP, the
    device's bytes less the headers of TCP over IPv4 with timestamps; where only the sender's kernel was asked, what it
    saw acknowledged. The interval is Student's for the mean: of the
    repeats where there are three or more, which holds what differs from one to the next, and never narrower than that
    of the device's 10 Hz rates, with the number of readings reduced for their autocorrelation.
    """
    windows = _windows(recording.counters, phase)
    if windows is None:
        return None
    device = recording.host.device
    payload, source = _payload(windows, device)
    if not payload:
        return None
    packets = total(windows.counters, "netdev", "rx_packets", phase=phase, instance=device) if device else None
    return Goodput(
        gbps=sum(payload) * BITS_PER_BYTE / windows.elapsed_ns,
        relative_error=_relative_error(windows, payload, device),
        payload_bytes=sum(payload),
        packets=packets,
        elapsed_ns=windows.elapsed_ns,
        repeats=windows.spans.height,
        source=source,
    )


class ProbeEffect(NamedTuple):
    """What a probe did to the goodput: relative change against the undisturbed windows around."""

    phase: str
    median: float
    low: float
    """Smallest and `high` largest of the windows; the same where there was one."""
    high: float
    windows: int
    gbps: float


def probe_effects(recording: Recording) -> list[ProbeEffect]:
    """The effect of each disturbed phase, each window against the mean of its undisturbed neighbours in time."""
    quiet = window_rates(recording, QUIET_PHASE)
    counters = recording.counters
    if quiet.is_empty() or counters is None:
        return []
    effects = []
    for phase in counters.sort("ts_ns").get_column("phase").unique(maintain_order=True):
        probed = window_rates(recording, phase) if phase != QUIET_PHASE else quiet.clear()
        around = probed.join_asof(quiet, on="from_ns", suffix="_before").join_asof(
            quiet, on="from_ns", strategy="forward", suffix="_after"
        )
        beside = pl.mean_horizontal("gbps_before", "gbps_after")
        changes = around.filter(beside > 0).select(pl.col("gbps") / beside - 1).to_series()
        if not changes.is_empty():
            low, middle, high = (float(changes.quantile(q, "linear") or 0.0) for q in (0.0, 0.5, 1.0))
            gbps = float(np.median(probed.get_column("gbps").to_numpy()))
            effects.append(ProbeEffect(phase, middle, low, high, len(changes), gbps))
    return effects


def window_rates(recording: Recording, phase: str) -> pl.DataFrame:
    """Goodput of each window of a phase: ``from_ns``, ``to_ns``, ``gbps``."""
    windows = _windows(recording.counters, phase)
    payload, _ = ([], "") if windows is None else _payload(windows, recording.host.device)
    if windows is None or not payload:
        return pl.DataFrame(schema={"from_ns": pl.Int64, "to_ns": pl.Int64, "gbps": pl.Float64})
    octets = pl.Series("payload_bytes", payload, pl.Int64)
    return windows.spans.select(
        "from_ns", "to_ns", (octets * BITS_PER_BYTE / (pl.col("to_ns") - pl.col("from_ns"))).alias("gbps")
    )


def _payload(windows: _Windows, device: str | None) -> tuple[list[int], str]:
    """Payload bytes by repeat and where they were counted; no bytes where nothing counts them."""
    received, sent = _socket_bytes(windows), _device_payload(windows, device)
    if received is None and sent is None:  # a log of the sender's kernel alone
        return _socket_bytes(windows, "sender_socket", "bytes_acked") or [], "sender's bytes_acked"
    trusted = received is not None and (
        sent is None or SOCKETS_EXPLAIN <= sum(received) / max(sum(sent), 1) <= 1 / SOCKETS_EXPLAIN
    )
    if trusted and received is not None:
        return received, "sockets' bytes_received"
    return sent or [], "device bytes less headers"


def sampled_phase(counters: pl.DataFrame | None) -> str:
    """Which phase the recording was sampled in."""
    names = set() if counters is None else set(counters.get_column("phase").unique())
    return next((name for name in SAMPLED_PHASES if name in names), SAMPLED_PHASES[0])


def _windows(counters: pl.DataFrame | None, phase: str) -> _Windows | None:
    if counters is None:
        return None
    inside = counters.filter(pl.col("phase") == phase)
    here = inside.filter(pl.col("source").is_in(["netdev", "socket"]))
    rows = inside.filter(pl.col("source") == "sender_socket") if here.is_empty() else here
    read_twice = rows.group_by("repeat", "source").agg(pl.col("ts_ns").n_unique().alias("readings"))
    rows = rows.join(read_twice.filter(pl.col("readings") > 1), on=["repeat", "source"], how="semi")
    spans = rows.group_by("repeat").agg(pl.col("ts_ns").min().alias("from_ns"), pl.col("ts_ns").max().alias("to_ns"))
    spans = spans.filter(pl.col("to_ns") > pl.col("from_ns")).sort("repeat")
    return None if spans.is_empty() else _Windows(rows, spans)


def _socket_bytes(windows: _Windows, source: str = "socket", counter: str = "bytes_received") -> list[int] | None:
    """Payload that all sockets received, by repeat; one first seen inside the window counts from its start."""
    seen = (
        windows.counters.filter(pl.col("source") == source, pl.col("counter") == counter)
        .sort("ts_ns")
        .group_by("repeat", "instance")
        .agg(pl.col("value").first().alias("first"), pl.col("value").last().alias("last"), pl.col("ts_ns").first())
        .join(windows.spans, on="repeat")
    )
    if seen.is_empty():
        return None
    begun_inside = pl.col("ts_ns") > pl.col("from_ns") + SOCKET_READING_NS
    grown = pl.when(begun_inside).then(pl.col("last")).otherwise(pl.col("last") - pl.col("first"))
    return _by_repeat(windows, seen.select("repeat", grown.clip(0).alias("octets")))


def _by_repeat(windows: _Windows, octets: pl.DataFrame) -> list[int]:
    sums = octets.group_by("repeat").agg(pl.col("octets").sum())
    return windows.spans.join(sums, on="repeat", how="left").sort("repeat").get_column("octets").fill_null(0).to_list()


def _device_payload(windows: _Windows, device: str | None) -> list[int] | None:
    if device is None:
        return None
    rows = windows.counters.filter(pl.col("source") == "netdev", pl.col("instance") == device).sort("ts_ns")
    grown = rows.group_by("repeat", "counter").agg((pl.col("value").last() - pl.col("value").first()).clip(0))
    wide = grown.pivot("counter", index="repeat", values="value")
    if not {"rx_bytes", "rx_packets"} <= set(wide.columns):
        return None
    headers = pl.col("rx_packets") * framing_bytes(physical=False)
    return _by_repeat(windows, wide.select("repeat", (pl.col("rx_bytes") - headers).clip(0).alias("octets")))


def _relative_error(windows: _Windows, payload: list[int], device: str | None) -> float | None:
    inside = None
    if device is not None:
        rates = per_interval(windows.counters, "netdev", "rx_bytes", device).get_column("per_s").to_numpy()
        inside = _error_of_mean(rates, _autocorrelation(rates)) if len(rates) >= FEWEST_RATES else None
    spans_ns = (windows.spans.get_column("to_ns") - windows.spans.get_column("from_ns")).to_numpy()
    between = _error_of_mean(np.array(payload) / spans_ns, 0.0) if len(payload) >= FEWEST_REPEATS else None
    return max((error for error in (inside, between) if error is not None), default=None)


def _autocorrelation(rates: Floats) -> float:
    away = rates - np.mean(rates)
    spread = float(np.dot(away, away))
    return float(np.clip(np.dot(away[1:], away[:-1]) / spread, 0.0, 0.9)) if spread > 0 else 0.0


def _error_of_mean(rates: Floats, alike: float) -> float | None:
    """Half the 90 % interval of the mean over the mean; neighbours are `alike` (autocorrelation)."""
    from scipy import stats

    mean = float(np.mean(rates))
    if not mean > 0:
        return None
    independent = max(len(rates) * (1 - alike) / (1 + alike), 2.0)
    return float(stats.t.ppf(0.95, independent - 1) * math.sqrt(float(np.var(rates, ddof=1)) / independent) / mean)


def throughput(recording: Recording) -> pl.DataFrame:
    """Payload rate over time, from the device's byte counter scaled to payload.

    Returns
    -------
    pl.DataFrame
        ``ts_ns``, ``phase``, ``repeat``, ``gbps``; empty without counters. A long recording has means of as many
        readings in a row as it takes to keep within 2000 rows or two a phase.
    """
    empty = pl.DataFrame(schema={"ts_ns": pl.Int64, "phase": pl.String, "repeat": pl.Int32, "gbps": pl.Float64})
    counters, device = recording.counters, recording.host.device
    if counters is None or device is None:
        return empty
    rates = per_interval(counters, "netdev", "rx_bytes", device)
    quiet = counted_goodput(recording)
    octets = total(counters, "netdev", "rx_bytes", phase=QUIET_PHASE, instance=device)
    payload_part = quiet.payload_bytes / octets if quiet and octets else 1.0
    gbps = (pl.col("per_s") * BITS_PER_BYTE * min(payload_part, 1.0) / 1e9).alias("gbps")
    return _thinned(rates.select("ts_ns", "phase", "repeat", gbps))


def _thinned(rates: pl.DataFrame) -> pl.DataFrame:
    """Means of so many neighbours that a page can draw them; rows are evenly spaced within a phase."""
    together = -(-rates.height // MOST_RATES)
    if together <= 1:
        return rates
    place = (pl.int_range(pl.len()).over("phase", "repeat") // together).alias("place")
    grouped = rates.with_columns(place).group_by("phase", "repeat", "place", maintain_order=True)
    return grouped.agg(pl.col("ts_ns").last(), pl.col("gbps").mean()).select(rates.columns)


def captured_goodput(flows: pl.DataFrame) -> float | None:
    """Goodput of a capture alone: all payload of the larger direction over its time; None without packets or times.

    The larger direction is the receiving end that got most: one address, all its flows.
    """
    received = flows.group_by("dst").agg(
        pl.col("unique_bytes").sum(), pl.col("first_ns").min(), pl.col("last_ns").max()
    )
    most = received.sort("unique_bytes", "dst", descending=True).head(1)
    if most.is_empty():
        return None
    _, octets, first_ns, last_ns = most.row(0)
    if first_ns is None or last_ns <= first_ns:
        return None
    return float(octets * BITS_PER_BYTE / (last_ns - first_ns))


def sender_is_here(recording: Recording) -> bool:
    """Whether the sender of what was received ran on this machine.

    Known of the lab's recordings; else a socket with the receiving one's addresses exchanged must have been seen.
    """
    if recording.host.made_in_lab:
        return True
    if recording.counters is None:
        return False
    names = set(recording.counters.filter(pl.col("source") == "socket").get_column("instance").unique())
    pairs = (name.split(">") for name in names if name.count(">") == 1)
    return any(f"{peer}>{local}" in names for local, peer in pairs)


def ceiling(
    recording: Recording, goodput_gbps: float | None, sender_share: float | None, link_gbps: float | None = None
) -> Ceiling:
    """What the goodput could have been.

    Parameters
    ----------
    recording
        Its host says what the link is.
    goodput_gbps
        Of the undisturbed phase.
    sender_share
        CPU time of the sender on this machine per wall time, all its work added up, in the sampled phase; None or 0
        when it ran elsewhere. Sampling slows all stages about alike, so the share holds undisturbed too.
    link_gbps
        The link's rate, when the user knows it.

    Notes
    -----
    In this order: the user's figure; a tbf/htb rate; the speed of a physical NIC; else the rate with every receiver
    stage free, which leaves the sender: its work on one connection is serial (the socket's lock), so the rate at
    which that work would fill one CPU.
    """
    host = recording.host
    if link_gbps is not None:
        return _link(link_gbps, "given by --link-gbps", recording)
    if host.link_rate_gbps:
        return _link(host.link_rate_gbps, "rate of the link's shaper", recording)
    if host.physical and host.speed_mbps:
        return _link(host.speed_mbps / 1000, f"speed of {host.device}", recording)
    if goodput_gbps and sender_share and sender_is_here(recording):
        most = float(saturated_rate(goodput_gbps, min(sender_share, 1.0)))
        return Ceiling(most, "modelled", "every receiver stage free: the sender's work would fill one CPU", 0.0)
    return Ceiling(None, None, f"unknown: {_why_unknown(goodput_gbps)}; give --link-gbps", 0.0)


def _why_unknown(goodput_gbps: float | None) -> str:
    return "no goodput was recorded" if goodput_gbps is None else "no link rate is recorded and no sender ran here"


def _link(gbps: float, why: str, recording: Recording) -> Ceiling:
    """A link carries headers too: at its best it gives payload / wire bytes of its rate."""
    payload_bytes = segment_bytes(recording.host.mtu or 1500)
    most_gbps = payload_gbps(gbps, payload_bytes, framing_bytes(physical=recording.host.physical))
    return Ceiling(gbps, "link", why, gbps - most_gbps)

"""How much payload arrived, and how much could have: goodput and its ceiling."""

import math
from typing import Final, Literal, NamedTuple

import numpy as np
import polars as pl

from zcanalysis.io.recording import Recording
from zcanalysis.model.utilisation import saturated_rate
from zcanalysis.rates import BITS_PER_BYTE, per_interval, total

QUIET_PHASE: Final = "counters"
SAMPLED_PHASE: Final = "chains"
ETHERNET_HEADER_BYTES: Final = 14
IPV4_TCP_TIMESTAMPS_BYTES: Final = 20 + 20 + 12
SOCKETS_EXPLAIN: Final = 0.8
SOCKET_READING_NS: Final = 250_000_000  # two and a half readings: a socket seen later began inside the window
FEWEST_RATES: Final = 5
PREAMBLE_FCS_GAP_BYTES: Final = 24  # preamble 8, frame check 4, inter-packet gap 12 (IEEE 802.3)


class Goodput(NamedTuple):
    """Payload received over one window."""

    gbps: float
    relative_error: float | None
    """Half the width of the 90 % interval over the value; None when the readings are too few to say."""
    payload_bytes: int
    packets: int | None
    from_ns: int
    to_ns: int
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


class _Window(NamedTuple):
    """The counters of one phase and the time they span."""

    counters: pl.DataFrame
    from_ns: int
    to_ns: int


def counted_goodput(recording: Recording, phase: str = QUIET_PHASE) -> Goodput | None:
    """Goodput of one phase, from byte counters; None when none were recorded.

    Notes
    -----
    The sockets' own ``bytes_received`` counts payload, in order, once. It is taken where it explains most of what the
    device received (all but a fifth); else, as with UDP, the device's bytes less the headers of TCP over IPv4 with
    timestamps. The interval is Student's for the mean of the device's 10 Hz rates, with the number of
    readings reduced for their autocorrelation.
    """
    window = _window(recording.counters, phase)
    if window is None:
        return None
    device = recording.host.device
    received, sent = _socket_bytes(window), _device_payload(window, device)
    if received is None and sent is None:
        return None
    trusted = received is not None and (
        sent is None or SOCKETS_EXPLAIN <= received / max(sent, 1) <= 1 / SOCKETS_EXPLAIN
    )
    payload = received if trusted and received is not None else sent or 0
    packets = total(window.counters, "netdev", "rx_packets", instance=device) if device else None
    return Goodput(
        gbps=payload * BITS_PER_BYTE / (window.to_ns - window.from_ns),
        relative_error=_relative_error(window, device),
        payload_bytes=payload,
        packets=packets,
        from_ns=window.from_ns,
        to_ns=window.to_ns,
        source="sockets' bytes_received" if trusted else "device bytes less headers",
    )


def _window(counters: pl.DataFrame | None, phase: str) -> _Window | None:
    if counters is None:
        return None
    rows = counters.filter(pl.col("phase") == phase, pl.col("source").is_in(["netdev", "socket"]))
    if rows.get_column("ts_ns").n_unique() < 2:  # noqa: PLR2004 - a rate needs two readings
        return None
    first_ns, last_ns = rows.select(pl.col("ts_ns").min().alias("a"), pl.col("ts_ns").max().alias("b")).row(0)
    return _Window(rows, int(first_ns), int(last_ns))


def _socket_bytes(window: _Window) -> int | None:
    """Payload that all sockets received; one first seen inside the window counts from its start."""
    seen = (
        window.counters.filter(pl.col("source") == "socket", pl.col("counter") == "bytes_received")
        .sort("ts_ns")
        .group_by("instance")
        .agg(pl.col("value").first().alias("first"), pl.col("value").last().alias("last"), pl.col("ts_ns").first())
    )
    if seen.is_empty():
        return None
    begun_inside = pl.col("ts_ns") > window.from_ns + SOCKET_READING_NS
    grown = pl.when(begun_inside).then(pl.col("last")).otherwise(pl.col("last") - pl.col("first"))
    return int(seen.select(grown.clip(0).sum()).item())


def _device_payload(window: _Window, device: str | None) -> int | None:
    if device is None:
        return None
    octets = total(window.counters, "netdev", "rx_bytes", instance=device)
    packets = total(window.counters, "netdev", "rx_packets", instance=device)
    if octets is None or packets is None:
        return None
    return max(octets - packets * (ETHERNET_HEADER_BYTES + IPV4_TCP_TIMESTAMPS_BYTES), 0)


def _relative_error(window: _Window, device: str | None) -> float | None:
    from scipy import stats

    if device is None:
        return None
    rates = per_interval(window.counters, "netdev", "rx_bytes", device).get_column("per_s").to_numpy()
    mean = float(np.mean(rates)) if len(rates) else 0.0
    if len(rates) < FEWEST_RATES or not mean > 0:
        return None
    away = rates - mean
    spread = float(np.dot(away, away))
    alike = float(np.clip(np.dot(away[1:], away[:-1]) / spread, 0.0, 0.9)) if spread > 0 else 0.0
    independent = max(len(rates) * (1 - alike) / (1 + alike), 2.0)
    error = stats.t.ppf(0.95, independent - 1) * math.sqrt(spread / (len(rates) - 1) / independent)
    return float(error / mean)


def throughput(recording: Recording) -> pl.DataFrame:
    """Payload rate over time, from the device's byte counter scaled to payload.

    Returns
    -------
    pl.DataFrame
        ``ts_ns``, ``phase``, ``gbps``; empty without counters.
    """
    empty = pl.DataFrame(schema={"ts_ns": pl.Int64, "phase": pl.String, "gbps": pl.Float64})
    counters, device = recording.counters, recording.host.device
    if counters is None or device is None:
        return empty
    rates = per_interval(counters, "netdev", "rx_bytes", device)
    quiet = counted_goodput(recording)
    octets = total(counters, "netdev", "rx_bytes", phase=QUIET_PHASE, instance=device)
    payload_part = quiet.payload_bytes / octets if quiet and octets else 1.0
    return rates.select(
        "ts_ns", "phase", (pl.col("per_s") * BITS_PER_BYTE * min(payload_part, 1.0) / 1e9).alias("gbps")
    )


def captured_goodput(flows: pl.DataFrame) -> float | None:
    """Goodput of a capture alone: all payload of the larger direction over the time of the capture; None if empty.

    The larger direction is the receiving end that got most: one address, all its flows.
    """
    received = flows.group_by("dst").agg(
        pl.col("unique_bytes").sum(), pl.col("first_ns").min(), pl.col("last_ns").max()
    )
    most = received.sort("unique_bytes", "dst", descending=True).head(1)
    if most.is_empty():
        return None
    _, octets, first_ns, last_ns = most.row(0)
    return octets * BITS_PER_BYTE / (last_ns - first_ns) if last_ns > first_ns else None


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
    mtu = recording.host.mtu or 1500
    payload = max(mtu - IPV4_TCP_TIMESTAMPS_BYTES, 1)
    wire = mtu + ETHERNET_HEADER_BYTES + (PREAMBLE_FCS_GAP_BYTES if recording.host.physical else 0)
    return Ceiling(gbps, "link", why, gbps * (1 - payload / wire))

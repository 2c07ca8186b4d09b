"""How much payload arrived, and how much could have: goodput and its ceiling."""

from typing import Final, Literal, NamedTuple

import numpy as np
import polars as pl

from zcanalysis.io.recording import Recording
from zcanalysis.model.utilisation import saturated_rate
from zcanalysis.rates import BITS_PER_BYTE, NS_PER_S, increments, per_interval, total

QUIET_PHASE: Final = "counters"
SAMPLED_PHASE: Final = "chains"
ETHERNET_HEADER_BYTES: Final = 14
IPV4_TCP_TIMESTAMPS_BYTES: Final = 20 + 20 + 12
PREAMBLE_FCS_GAP_BYTES: Final = 24  # preamble 8, frame check 4, inter-packet gap 12 (IEEE 802.3)


class Goodput(NamedTuple):
    """Payload received over one window."""

    gbps: float
    low_gbps: float
    high_gbps: float
    payload_bytes: int
    packets: int | None
    from_ns: int
    to_ns: int
    source: str


class Ceiling(NamedTuple):
    """What the goodput is compared with."""

    gbps: float | None
    kind: Literal["link", "modelled"] | None
    why: str
    framing_gbps: float
    """Part of the ceiling that headers and gaps take, in payload bit/s; 0 for a modelled ceiling."""


def counted_goodput(recording: Recording, phase: str = QUIET_PHASE) -> Goodput | None:
    """Goodput of one phase, from byte counters; None when none were recorded.

    Notes
    -----
    The sockets' own ``bytes_received`` counts payload, in order, once; where no socket was seen, the device's bytes
    less the headers of TCP over IPv4 with timestamps are taken. The interval is Student's for the mean of the device's
    10 Hz readings, averaged in blocks of 0.3 s.
    """
    counters = recording.counters
    if counters is None:
        return None
    return _socket_goodput(recording, counters, phase) or _device_goodput(recording, counters, phase)


def _socket_goodput(recording: Recording, counters: pl.DataFrame, phase: str) -> Goodput | None:
    grown = increments(counters, "socket", phase).filter(pl.col("counter") == "bytes_received", pl.col("increment") > 0)
    if grown.is_empty():
        return None
    received = int(grown.get_column("increment").sum())
    elapsed_s = (pl.col("to_ns") - pl.col("from_ns")) / NS_PER_S
    per_s = float(grown.select(pl.col("increment") / elapsed_s).to_series().sum())
    first_ns, last_ns = grown.select(pl.col("from_ns").min(), pl.col("to_ns").max()).row(0)
    return _goodput(
        recording,
        counters,
        phase,
        (per_s * BITS_PER_BYTE / 1e9, received, first_ns, last_ns, "sockets' bytes_received"),
    )


def _device_goodput(recording: Recording, counters: pl.DataFrame, phase: str) -> Goodput | None:
    device = recording.host.device
    grown = increments(counters, "netdev", phase).filter(pl.col("instance") == device)
    rows = {row["counter"]: row for row in grown.iter_rows(named=True)}
    if "rx_bytes" not in rows or "rx_packets" not in rows:
        return None
    octets = rows["rx_bytes"]
    headers = rows["rx_packets"]["increment"] * (ETHERNET_HEADER_BYTES + IPV4_TCP_TIMESTAMPS_BYTES)
    payload = max(octets["increment"] - headers, 0)
    gbps = payload * BITS_PER_BYTE / (octets["to_ns"] - octets["from_ns"])
    return _goodput(
        recording,
        counters,
        phase,
        (gbps, payload, octets["from_ns"], octets["to_ns"], "device bytes less headers"),
    )


def _goodput(
    recording: Recording, counters: pl.DataFrame, phase: str, seen: tuple[float, int, int, int, str]
) -> Goodput:
    gbps, payload, first_ns, last_ns, source = seen
    device = recording.host.device
    packets = total(counters, "netdev", "rx_packets", phase=phase, instance=device) if device else None
    spread = _relative_spread(counters, phase, device or "")
    return Goodput(gbps, gbps * (1 - spread), gbps * (1 + spread), payload, packets, first_ns, last_ns, source)


def _relative_spread(counters: pl.DataFrame, phase: str, device: str) -> float:
    """Half the width of the mean's 90 % interval, relative, from the 10 Hz rates of the device."""
    from scipy import stats

    rates = (
        per_interval(counters, "netdev", "rx_bytes", device)
        .filter(pl.col("phase") == phase)
        .get_column("per_s")
        .to_numpy()
    )
    blocks = rates[: len(rates) // 3 * 3].reshape(-1, 3).mean(axis=1) if len(rates) >= 9 else rates  # noqa: PLR2004 - 0.3 s
    if len(blocks) < 3 or not np.mean(blocks) > 0:  # noqa: PLR2004 - a spread needs three
        return 0.0
    error = stats.t.ppf(0.95, len(blocks) - 1) * stats.sem(blocks)
    return float(error / np.mean(blocks))


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
    """Goodput of a capture alone: the largest flow's; None for an empty one. Captures slow what they watch."""
    return None if flows.is_empty() else flows.sort("unique_bytes", descending=True).get_column("goodput_gbps").item(0)


def ceiling(
    recording: Recording,
    goodput_gbps: float | None,
    sender_share: float | None,
    link_gbps: float | None = None,
) -> Ceiling:
    """What the goodput could have been.

    Parameters
    ----------
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
    if goodput_gbps and sender_share:
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

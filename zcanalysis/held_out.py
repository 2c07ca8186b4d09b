"""What was not fitted, predicted: prices from the first half of a recording, its second half's counters beside them.

Prices explain CPU time; how often the receiver acknowledges, is interrupted or wakes its reader is an outcome of the
replay. Here each is held against time that no price was taken from.
"""

from dataclasses import replace
from typing import Final

import polars as pl

from zcanalysis.blame import LimitingCpu, limiting_cpu
from zcanalysis.cpu.batches import LEAST_PER_S
from zcanalysis.errors import TraceError
from zcanalysis.evidence import Evidence, gather, sampled_windows
from zcanalysis.goodput import QUIET_PHASE, ceiling, sampled_phase
from zcanalysis.hosts import Host
from zcanalysis.io.recording import Recording
from zcanalysis.prices import calibration
from zcanalysis.prices.settings import shape_of
from zcanalysis.prices.uses import uses
from zcanalysis.rates import BITS_PER_BYTE
from zcanalysis.tables import HELD_OUT, conform
from zcanalysis.transfers import Transfers, transfers

PER_PACKET: Final = {"ack": "acks", "signal": "interrupts", "wake": "wake_ups"}
"""Counted units, and what the replay of linux-6 calls them."""
NAMES: Final = {"ack": "ACKs", "signal": "IPIs", "wake": "wake-ups"}


def second_half(recording: Recording) -> pl.DataFrame:
    """The HELD_OUT table: what the host of the first half predicts for the second.

    Parameters
    ----------
    recording
        With CPU samples, and at least two windows of the sampled phase.

    Raises
    ------
    TraceError
        If it has no two halves, or the first prices no host.

    Notes
    -----
    A rate per second goes with the goodput, whose own error is a row of the table; so each also stands per packet,
    which only the rules of batching make. What the replay or the counters hardly ever see is 0 there, and has no error.
    """
    first, second = halves(recording)
    fitted, seen = gather(first), gather(second)
    limit = limiting_cpu(fitted.account)
    gbps = fitted.quiet.gbps if fitted.quiet else None
    host = calibration(fitted, ceiling(first, gbps, None, None), limit).host
    done = transfers([host])
    rows = [*_rates(host, done, seen), *_loads(done, seen, limit)]
    table = pl.DataFrame(rows, schema=["measure", "predicted", "measured"], orient="row")
    both = (pl.col("predicted") > 0) & (pl.col("measured") > 0)
    return conform(table.with_columns(error=pl.when(both).then(pl.col("predicted") / pl.col("measured") - 1)), HELD_OUT)


def halves(recording: Recording) -> tuple[Recording, Recording]:
    """The recording with the windows of its first half only, and with those of its second.

    Parameters
    ----------
    recording
        Whose undisturbed and sampled phases took turns.
    """
    counters = recording.counters
    phase = sampled_phase(counters)
    windows = sampled_windows(counters, phase)
    if counters is None or windows.height < 2:  # noqa: PLR2004 - a half needs a window
        raise TraceError(f"{recording.path}: {windows.height} sampled window(s), two halves need at least 2")
    last_of_first = int(windows.get_column("repeat")[windows.height // 2 - 1])
    halved = pl.col("phase").is_in([phase, QUIET_PHASE])
    in_first = pl.col("repeat") <= last_of_first
    return (
        replace(recording, counters=counters.filter(~halved | in_first)),
        replace(recording, counters=counters.filter(~halved | ~in_first)),
    )


Row = tuple[str, float, float | None]


def _rates(host: Host, done: Transfers, seen: Evidence) -> list[Row]:
    """Goodput, and how often things happened: a second and a packet."""
    counted = uses(seen, shape_of(seen), host.places.reader_cpu)
    seconds, packets = float(counted.seconds.sum()), counted.total("packet")
    sampled_gbps = seen.sampled.gbps if seen.sampled else None
    predicted_packets = float(done.gbps[0]) * 1e9 / BITS_PER_BYTE / host.link.mss_bytes
    rows: list[Row] = [("goodput, Gbit/s", float(done.gbps[0]), sampled_gbps)]
    for unit, name in PER_PACKET.items():
        replayed = done.per_s[0].get(name, 0.0)
        predicted = replayed if replayed >= LEAST_PER_S else 0.0
        rows.append((f"{NAMES[unit]} a second", predicted, counted.total(unit) / seconds))
        rows.append((f"{NAMES[unit]} a packet", predicted / predicted_packets, counted.total(unit) / packets))
        if unit == "ack" and predicted > 0:
            acks = counted.total(unit)
            rows.append(("packets an ACK", predicted_packets / predicted, packets / acks if acks else None))
    return rows


def _loads(done: Transfers, seen: Evidence, limit: LimitingCpu | None) -> list[Row]:
    """How busy the CPUs were that did not limit."""
    idle = dict(seen.account.filter(pl.col("stage") == "idle").select("cpu", "share").iter_rows())
    return [
        (f"load of CPU {cpu}", busy, 1 - float(idle[cpu]))
        for cpu, busy in done.busy[0].items()
        if (limit is None or cpu != limit.cpu) and cpu in idle
    ]

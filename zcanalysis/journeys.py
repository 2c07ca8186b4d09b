"""Packets x host, replayed as they arrived: when each packet left each stage, and what the time was made of.

The only place where tables become arrays: PACKETS and a `Host` in, JOURNEYS and BLAME out.
"""

from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.errors import TraceError
from zcanalysis.hosts import Host
from zcanalysis.hosts.replayed import received
from zcanalysis.model.gro import ENDS
from zcanalysis.model.open_loop import PARTS, PIECES, Arrivals, CriticalPath, Work, critical_path, worked
from zcanalysis.rates import BITS_PER_BYTE
from zcanalysis.tables import (
    BLAME,
    JOURNEYS,
    PIECES_OF_WORK,
    conform,
    departure_column,
)

Integers = npt.NDArray[np.int64]
Tap = Literal["stack", "wire"]
TAPS: Final = ("stack", "wire")
TCP: Final = 6
ARRIVALS: Final = "arrivals"
WAITS: Final = {"driver": "coalescing", "protocol": "coalescing"}
OTHERS: Final = "other processes"
WANTED: Final = ("ts_ns", "payload_bytes", "seq", "ack", "window_raw", "tsval", "tcp_flags")


def replay(packets: pl.DataFrame | pl.LazyFrame, host: Host, tap: Tap = "stack") -> pl.DataFrame:
    """When each packet of the loudest flow left each stage of the host: the JOURNEYS table.

    Parameters
    ----------
    packets
        PACKETS as `scan_pcap` gives them. Of the TCP flow and direction with most payload every packet that carries
        some is replayed, at the time it was captured; what its ACKs did to its sender is in these times and stays so.
    host
        Of either generation. What exceeds its segment size was several packets merged into one skb (GRO, GSO).
    tap
        Where the times were taken. "stack": AF_PACKET at the receiver (tcpdump, `zcanalysis record`), behind driver,
        GRO and backlog: these have no part in the journeys, and skbs are as captured. "wire": before the host, so that
        all of its stages are replayed.

    Raises
    ------
    TraceError
        If there is no TCP payload to replay.

    Notes
    -----
    The table takes at most 340 bytes a packet, and the replay about 1 KB while it runs. Replay a part with
    ``packets.filter(...)``.
    """
    if tap not in TAPS:
        raise ValueError(f"tap must be stack or wire, got {tap!r}")
    rows = _as_packets(_loudest(packets.lazy()), host.link.mss_bytes)
    arrivals = Arrivals(
        rows.get_column("ts_ns").to_numpy(),
        rows.get_column("payload_bytes").to_numpy(),
        rows.get_column("joins" if tap == "wire" else "merged").to_numpy(),
        rows.get_column("ends").to_numpy(),
    )
    return _table(arrivals, worked(received(host, behind_driver=tap == "stack"), arrivals))


def attribute(journeys: pl.DataFrame, ceiling_gbps: float | None = None) -> pl.DataFrame:
    """Which stages the time from the first arrival to the last byte copied was made of: the BLAME table, dearest first.

    Parameters
    ----------
    journeys
        From `replay`.
    ceiling_gbps
        What the goodput is compared with, payload bit/s; None: the rate of the arrivals, as if every stage were free.

    Raises
    ------
    TraceError
        If no packet was copied.

    Notes
    -----
    Walks back from the last copy, from each piece of work to what it waited for last. `seconds` sums to the elapsed
    time exactly (whole nanoseconds). `arrivals` is time until the packet came that the rest waited for: a receiver that
    keeps up has little else. Between ceiling and goodput, what exceeds the rate of the arrivals is theirs, the rest is
    shared by the stages as their seconds. Gains are those of `what_if`, and null here.
    """
    table = conform(journeys, JOURNEYS)
    path = _path(table)
    ns = _by_stage(path)
    seconds = np.array(list(ns.values())) / 1e9
    nothing = pl.lit(None, pl.Float64)
    blame = pl.DataFrame({
        "stage": list(ns), "seconds": seconds, "share": np.array(list(ns.values())) / max(path.elapsed_ns, 1),
        "lost_gbps": _lost_gbps(table, path, ns, ceiling_gbps),
    }).with_columns(
        nothing.alias(name) for name in BLAME if name not in ("stage", "seconds", "share", "lost_gbps")
    )  # fmt: skip
    return conform(blame.sort("seconds", "stage", descending=[True, False]), BLAME)


# ---- packets


def _loudest(packets: pl.LazyFrame) -> pl.DataFrame:
    """Data of the flow and direction with most payload, in order of time."""
    tcp = packets.filter(pl.col("protocol") == TCP, pl.col("flow_id").is_not_null())
    sums = tcp.group_by("flow_id", "direction").agg(pl.col("payload_bytes").sum()).collect()
    if sums.is_empty():
        n = packets.select(pl.len()).collect().item()
        raise TraceError(f"nothing to replay: {f'none of {n} packets is TCP' if n else 'there are no packets'}")
    loudest = sums.sort("payload_bytes", "flow_id", "direction", descending=[True, False, False])
    flow, direction, payload = loudest.row(0)
    if not payload:
        raise TraceError("nothing to replay: no TCP packet carries payload; was the direction of the data captured?")
    mine = tcp.filter(pl.col("flow_id") == flow, pl.col("direction") == direction, pl.col("payload_bytes") > 0)
    return mine.select(WANTED).filter(pl.col("ts_ns").is_not_null()).sort("ts_ns", maintain_order=True).collect()


def _as_packets(records: pl.DataFrame, mss_bytes: int) -> pl.DataFrame:
    """One row a packet on the wire: a record above the segment size was several, of equal size but for the last.

    The host's segment size is a mean, so their number is rounded.
    """
    payload, seq = pl.col("payload_bytes"), pl.col("seq").cast(pl.Int64)
    number = (payload / mss_bytes).round().cast(pl.Int64).clip(1)
    part = -(-payload // number)
    alike = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in ("ack", "window_raw", "tsval"))
    next_in_order = (seq.shift(1) + payload.shift(1)) % (1 << 32) == seq
    parts = records.with_columns(
        number=number,
        part=part,
        joins=(alike & next_in_order & (part <= part.shift(1))).fill_null(False),
        pushed=(pl.col("tcp_flags") & ENDS) != 0,
        short=(payload < part * number) | (part < part.shift(1)),
    )
    at = pl.int_ranges(pl.col("number"))
    rows = parts.with_columns(at=at).explode("at", empty_as_null=False, keep_nulls=False)
    first, last = pl.col("at") == 0, pl.col("at") == pl.col("number") - 1
    return rows.select(
        "ts_ns",
        payload_bytes=pl.when(last).then(payload - pl.col("part") * pl.col("at")).otherwise("part"),
        merged=~first,
        joins=~first | pl.col("joins"),
        ends=last & (pl.col("pushed") | pl.col("short")).fill_null(False),
    )


# ---- tables


def _table(arrivals: Arrivals, work: Work) -> pl.DataFrame:
    columns: dict[str, Integers | npt.NDArray[np.bool_]] = {
        "packet": np.arange(arrivals.arrival_ns.size), "arrival_ns": arrivals.arrival_ns,
        "payload_bytes": arrivals.payload_bytes, "skb": work.skb, "run": work.run, "call": work.call,
        "dropped": work.dropped,
    }  # fmt: skip
    for at, (piece, stages) in enumerate(PIECES_OF_WORK.items()):
        columns[f"{piece}_from_ns"], columns[f"{piece}_bound"] = work.from_ns[:, at], work.bound[:, at]
        for part, stage in enumerate(stages):
            columns[departure_column(piece, stage)] = work.departure_ns[:, at, part]
    table = pl.DataFrame(columns)
    never = {name: pl.col(name) >= 0 for name in table.columns if name not in ("dropped", "packet", "arrival_ns")}
    worked_on = {f"{piece}_bound": pl.col(f"{piece}_from_ns") >= 0 for piece in PIECES_OF_WORK}
    return conform(
        table.with_columns(pl.when(there).then(pl.col(name)) for name, there in (never | worked_on).items()), JOURNEYS
    )


def _path(journeys: pl.DataFrame) -> CriticalPath:
    n = journeys.height
    departure_ns = np.full((n, len(PIECES), max(map(len, PARTS.values()))), -1, np.int64)
    for at, (piece, stages) in enumerate(PARTS.items()):
        for part, stage in enumerate(stages):
            departure_ns[:, at, part] = _column(journeys, departure_column(piece, stage))
    path = critical_path(
        _column(journeys, "arrival_ns"),
        np.column_stack([_column(journeys, f"{piece}_from_ns") for piece in PIECES]),
        np.column_stack([_column(journeys, f"{piece}_bound") for piece in PIECES]),
        departure_ns,
    )
    if path is None:
        raise TraceError("nothing to attribute: no packet of these journeys was copied to the reader")
    return path


def _column(journeys: pl.DataFrame, name: str) -> Integers:
    return journeys.get_column(name).fill_null(-1).to_numpy()


def _by_stage(path: CriticalPath) -> dict[str, int]:
    """Nanoseconds of the path; stages that take none of it are left out."""
    ns = {ARRIVALS: path.arrivals_ns}
    for at, (piece, stages) in enumerate(PARTS.items()):
        wait = WAITS.get(piece, OTHERS)
        ns[wait] = ns.get(wait, 0) + int(path.gap_ns[at])
        for part, stage in enumerate(stages):
            ns[stage] = ns.get(stage, 0) + int(path.part_ns[at, part])
    return {stage: spent for stage, spent in ns.items() if spent or stage == ARRIVALS}


class _Rates(NamedTuple):
    goodput_gbps: float
    arriving_gbps: float


def _lost_gbps(
    journeys: pl.DataFrame, path: CriticalPath, ns: dict[str, int], ceiling_gbps: float | None
) -> list[float | None]:
    arrival = journeys.get_column("arrival_ns")
    came_ns = int(arrival[-1]) - int(arrival[0])
    bits = float(journeys.get_column("payload_bytes").sum()) * BITS_PER_BYTE
    copied = float(journeys.filter(pl.col("call").is_not_null()).get_column("payload_bytes").sum()) * BITS_PER_BYTE
    if came_ns <= 0:
        return [None] * len(ns)
    rates = _Rates(copied / path.elapsed_ns, bits / came_ns)
    top = rates.arriving_gbps if ceiling_gbps is None else ceiling_gbps
    of_stages = max(sum(ns.values()) - ns[ARRIVALS], 1)
    theirs = max(top - rates.arriving_gbps, 0.0)
    lost = max(top - rates.goodput_gbps, 0.0) - theirs
    return [theirs if stage == ARRIVALS else lost * spent / of_stages for stage, spent in ns.items()]

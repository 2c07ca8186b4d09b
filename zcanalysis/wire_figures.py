"""What TCP did, as the report draws it: the transfer of a capture that moved most."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl

from zcanalysis.answer import Answer
from zcanalysis.figures import Figure, figure
from zcanalysis.wire.ack_delays import ack_delays
from zcanalysis.wire.advance import sequence_lines, transfer_rates
from zcanalysis.wire.round_trips import round_trips

LATE_MS: Final = 2**25 / 1e6  # a class of ACK_DELAYS begins here
WHOLE_MS: Final = 100.0  # larger times are told without a fraction
SOCKETS_SHOWN: Final = 20
SOCKET_PART: Final = 0.01
"""Of the bytes of the largest connection: smaller ones are in the JSON only."""
SOCKET_HEADS: Final = {
    "acked_bytes": "sent MB", "received_bytes": "received MB", "resent_segments": "segments sent again",
    "busy_s": "busy s", "rwnd_limited": "stopped by window", "sndbuf_limited": "stopped by its buffer",
    "app_limited": "nothing to send", "rtt_ms": "RTT ms (median)", "cwnd_segments": "cwnd (median)",
    "filled": "receive buffer full",
}  # fmt: skip
SOCKET_SHARES: Final = frozenset(("rwnd_limited", "sndbuf_limited", "app_limited", "filled"))
ZOOM: Final = "Drag or scroll to zoom, double-click to reset."


def wire_figures(answer: Answer) -> Iterator[Figure]:
    """Sequence space, rate, round trips and ACK delays of the largest transfer, where a capture has one."""
    flow, packets = _largest(answer.evidence.flows), answer.recording.packets
    if flow is None or packets is None:
        return
    yield from _advance_figures(sequence_lines(packets, flow), flow, answer.evidence.flows)
    yield from _round_trip_figures(round_trips(packets, flow))
    yield from _ack_figures(ack_delays(packets, flow))


def _largest(flows: pl.DataFrame) -> dict[str, Any] | None:
    """The direction that sent most; None without a TCP transfer that took time."""
    moved = (pl.col("payload_bytes") > 0) & (pl.col("last_ns") > pl.col("first_ns"))
    transfers = flows.filter(moved & (pl.col("protocol") == "tcp"))
    largest = transfers.sort("payload_bytes", descending=True, maintain_order=True)
    return None if largest.is_empty() else largest.row(0, named=True)


def _advance_figures(lines: pl.DataFrame, flow: Mapping[str, Any], flows: pl.DataFrame) -> Iterator[Figure]:
    from zcanalysis import charts

    others = flows.get_column("connection").n_unique() - 1
    which = f"{flow['src']}:{flow['src_port']} to {flow['dst']}:{flow['dst_port']}"
    which += ", the largest of the capture's transfers" if others else ""
    below = " Below: what was in flight, and the window that allowed it."
    if not lines.get_column("in_flight_most_bytes").count():
        below = " No ACK of it was captured."
    elif not lines.get_column("edge_byte").count():
        below = " Below: what was in flight. The window's scale is unknown, so no window is drawn."
    yield figure(
        "sequence",
        "One transfer through its sequence space",
        charts.time_sequence(lines),
        f"{which}. Above: what was sent, acknowledged, reported by SACK, sent again (or out of order), and where the "
        f"window ended.{below} {ZOOM}",
    )
    yield figure(
        "throughput",
        "How fast this transfer went",
        charts.transfer_rate(transfer_rates(lines)),
        f"Payload of {which}, as the tap saw it pass. {ZOOM}",
    )


def _round_trip_figures(times: pl.DataFrame) -> Iterator[Figure]:
    from zcanalysis import charts

    if times.is_empty():
        return
    least, most, samples = times.select(
        pl.col("min_ms").min(), pl.col("max_ms").max().alias("most"), pl.col("samples").sum()
    ).row(0)
    yield figure(
        "round-trips",
        "How long its data waited for ACKs",
        charts.round_trips(times),
        f"From a packet to the ACK that ends where it does: {samples:,} times, {_ms(least)} to {_ms(most)} ms. "
        "Captured close to the sender this is the round trip, close to the receiver only what the receiver takes. "
        f"{ZOOM}",
    )


def _ack_figures(delays: pl.DataFrame) -> Iterator[Figure]:
    from zcanalysis import charts

    if delays.is_empty():
        return
    late = pl.col("from_ms") >= LATE_MS
    acks, count, share, time = delays.select(
        pl.col("acks").sum(),
        pl.col("acks").filter(late).sum().alias("late"),
        pl.col("share").filter(late).sum(),
        pl.col("share_time").filter(late).sum(),
    ).row(0)
    stalls = f"{count:,} came after {LATE_MS:.0f} ms or more ({share:.2%} of them, {time:.0%} of the time waited)"
    yield figure(
        "ack-delays",
        "How long its ACKs were held back",
        charts.ack_delays(delays),
        f"{acks:,} ACKs of new data by delay, and where the time is that all their delays add up to. "
        f"{stalls if count else f'None came after {LATE_MS:.0f} ms or more'}: Linux delays an ACK for 40 ms or more. "
        f"Captured close to the sender, a round trip comes on top. {ZOOM}",
    )


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= WHOLE_MS else f"{value:.3g}"


def socket_cells(sockets: pl.DataFrame) -> tuple[list[str], list[tuple[str, ...]]]:
    """Heads and rows of what kernels counted of the large connections; columns that nobody counted are left out.

    Parameters
    ----------
    sockets
        SOCKETS.
    """
    moved = pl.col("acked_bytes").fill_null(0) + pl.col("received_bytes").fill_null(0)
    large = sockets.filter(moved >= SOCKET_PART * moved.max()).head(SOCKETS_SHOWN)
    telling = [name for name in SOCKET_HEADS if large.get_column(name).count()]
    rows = [
        (
            "-" if row["connection"] is None else str(row["connection"]),
            f"{row['src']}:{row['src_port']}",
            *(_socket_cell(name, row[name]) for name in telling),
        )
        for row in large.iter_rows(named=True)
    ]
    return ["#", "end", *(SOCKET_HEADS[name] for name in telling)], rows


def _socket_cell(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name in SOCKET_SHARES:
        return f"{value:.1%}"
    if name.endswith("_bytes"):
        return f"{value / 1e6:,.1f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"

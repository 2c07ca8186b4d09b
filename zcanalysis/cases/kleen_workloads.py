"""Andi Kleen's patch tried on workloads: where it helps, where it does nothing, where it hurts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Final, Literal, NamedTuple

import numpy as np
import polars as pl

from zcanalysis.hosts.drawing import drawn_hosts
from zcanalysis.hosts.host import Host
from zcanalysis.hosts.presets import preset
from zcanalysis.hosts.replayed import linux24
from zcanalysis.model.linux24 import Linux24
from zcanalysis.model.messages import Delivered, Kernel, Messages, replay_messages

MATTERS: Final = 0.02
"""A gain or loss up to this is called nothing; fixed before any map was drawn."""
DELAYS_MS: Final = (0.0, 0.1, 1.0, 5.0, 20.0, 30.0, 60.0, 120.0, 180.0, 400.0)
SUMS, DOES_NOT_SUM = "card sums", "card does not sum"
CLASSES: Final[Mapping[str, dict[str, str | bool]]] = {
    DOES_NOT_SUM: {"hardware_checksum": "none"},
    SUMS: {"hardware_checksum": "summed"},
    "card sums, netfilter hook": {"hardware_checksum": "summed", "netfilter_hooks": True},
    "card verifies": {"hardware_checksum": "verified"},
}
SEGMENTS: Final = 600
REQUESTS: Final = 40
SLOW_SENDER_SEGMENTS: Final = 4
BUFFER_TIMES: Final = 4
CHAT_GAP_NS: Final = 50_000
PACKETS_MOST: Final = 300
DRAWS: Final = 6
SEED: Final = 2002
FULL_BYTES: Final = 1448
TAIL_BYTES: Final = 1480
"""A full segment of 1448 and a tail of 32, which a card's lack of sums does not keep out of softirq."""
TAIL_DELAYS_MS: Final = (0.0, 0.1, 1.0, 5.0)
RULES: Final[Mapping[Kernel, str]] = {
    Kernel.PREQUEUE: "2.4.18", Kernel.KLEEN: "the patch", Kernel.KLEEN_IF_EMPTY: "the patch, if nobody waits",
    Kernel.OFF: "no prequeue",
}  # fmt: skip
CLASS_CELLS: Final = (
    ("bulk", 1448, 1.0), ("bulk, 4 segments in flight", 1448, 60.0), ("bulk, buffer 4 x the window", 1448, 5.0),
    ("request and response", 200, 1.0), ("request in two writes", 200, 20.0), ("chatroom, no Nagle", 200, 1.0),
)  # fmt: skip


class Workload(NamedTuple):
    """One way to use a connection."""

    sizes: tuple[int, ...]
    """Of a message, or in bulk of a segment; bytes."""
    size_is: Literal["message", "segment"]
    sent: Callable[[int], Messages]
    measure: Literal["goodput", "messages a second", "mean delivery time"]
    buffer_times: int = 1
    """The receive buffer is worth so many times the window that is offered."""


def _bulk(size: int) -> Messages:
    return Messages(message_bytes=size, messages=SEGMENTS)


def _few_in_flight(size: int) -> Messages:
    return Messages(message_bytes=size, messages=SEGMENTS, sender_bytes=SLOW_SENDER_SEGMENTS * size)


def _request(size: int) -> Messages:
    return Messages(message_bytes=size, messages=REQUESTS, answered=True)


def _request_in_two(size: int) -> Messages:
    return Messages(message_bytes=size, messages=REQUESTS, answered=True, writes=2)


def _chat(size: int) -> Messages:
    return Messages(message_bytes=size, messages=SEGMENTS, gap_ns=CHAT_GAP_NS, nagle=False)


def _chat_nagle(size: int) -> Messages:
    return Messages(message_bytes=size, messages=SEGMENTS, gap_ns=CHAT_GAP_NS)


SEGMENT_SIZES: Final = (536, 1448, 4028, 8948, 16_384)
MESSAGE_SIZES: Final = (40, 200, 1000, 1480, 4000)
WORKLOADS: Final[Mapping[str, Workload]] = {
    "bulk": Workload(SEGMENT_SIZES, "segment", _bulk, "goodput"),
    "bulk, 4 segments in flight": Workload(SEGMENT_SIZES, "segment", _few_in_flight, "goodput"),
    "bulk, buffer 4 x the window": Workload(SEGMENT_SIZES, "segment", _bulk, "goodput", BUFFER_TIMES),
    "request and response": Workload(MESSAGE_SIZES, "message", _request, "messages a second"),
    "request in two writes": Workload(MESSAGE_SIZES, "message", _request_in_two, "messages a second"),
    "chatroom, Nagle": Workload(MESSAGE_SIZES, "message", _chat_nagle, "mean delivery time"),
    "chatroom, no Nagle": Workload(MESSAGE_SIZES, "message", _chat, "mean delivery time"),
}


@cache
def patch_map() -> pl.DataFrame:
    """What the patch changes, over workload, checksum class, reader's delay and size.

    Returns
    -------
    polars.DataFrame
        One row a cell: ``workload``, ``checksum``, ``delay_ms``, ``size_bytes``, ``size_is``, ``measure``, ``before``
        and ``after`` in the unit of the measure, of the host `host_2002`; ``gain``, ``low`` and ``high`` (median, least
        and most of that host and `DRAWS` drawn ones; better is above 0; of a time: before over after, less 1) and
        ``verdict``.
    """
    hosts, factors = drawn(DRAWS)
    rows = []
    for name, workload in WORKLOADS.items():
        for checksum in (DOES_NOT_SUM, SUMS):
            for size in workload.sizes:
                for delay_ms in DELAYS_MS:
                    place = Place(name, checksum, size, delay_ms)
                    rows.append({**place.row(), **gains(hosts, factors, place, Kernel.KLEEN)})
    return pl.DataFrame(rows)


def class_map() -> pl.DataFrame:
    """The gain of the patch by checksum class, one cell of each workload: which classes the kernel treats alike.

    Returns
    -------
    polars.DataFrame
        Rows ``workload``, ``size_bytes``, ``delay_ms`` and one column of gains for each class: medians, as in the map.
    """
    hosts, factors = drawn(DRAWS)
    rows = []
    for name, size, delay_ms in CLASS_CELLS:
        cells = {
            checksum: gains(hosts, factors, Place(name, checksum, size, delay_ms), Kernel.KLEEN)["gain"]
            for checksum in CLASSES
        }
        rows.append({"workload": name, "size_bytes": size, "delay_ms": delay_ms, **cells})
    return pl.DataFrame(rows)


def overtaking() -> pl.DataFrame:
    """What the rules make of messages with a small tail from a card that does not sum: who overtakes whom.

    Returns
    -------
    polars.DataFrame
        Rows ``rule``, ``delay_ms``, ``mean delivery us``, ``overtakers``, ``duplicate ACKs``, ``repeated segments``.
    """
    host, workload, rows = preset("host_2002"), WORKLOADS["chatroom, no Nagle"], []
    for delay_ms in TAIL_DELAYS_MS:
        place = Place("chatroom, no Nagle", DOES_NOT_SUM, TAIL_BYTES, delay_ms)
        for rule, name in RULES.items():
            delivered = _replayed(host, place, 1.0, rule)
            rows.append({
                "rule": name, "delay_ms": delay_ms,
                "mean delivery us": _measured(delivered, workload.sent(TAIL_BYTES), workload),
                "overtakers": delivered.counters["overtakers"],
                "duplicate ACKs": delivered.counters["duplicate_acks"],
                "repeated segments": delivered.counters["repeated"],
            })  # fmt: skip
    return pl.DataFrame(rows)


def ack_stretch() -> pl.DataFrame:
    """Bytes for each ACK of a bulk transfer of full segments: the patch acknowledges two while the window can move.

    Returns
    -------
    polars.DataFrame
        Rows ``workload``, ``delay_ms``, ``before_bytes``, ``after_bytes``.
    """
    host, rows = preset("host_2002"), []
    for name in ("bulk", "bulk, buffer 4 x the window"):
        for delay_ms in (0.0, 1.0, 20.0):
            place = Place(name, SUMS, FULL_BYTES, delay_ms)
            before, after = (
                FULL_BYTES * SEGMENTS / _replayed(host, place, 1.0, rule).counters["acks"]
                for rule in (Kernel.PREQUEUE, Kernel.KLEEN)
            )
            rows.append({"workload": name, "delay_ms": delay_ms, "before_bytes": before, "after_bytes": after})
    return pl.DataFrame(rows)


class Place(NamedTuple):
    """One cell of the map."""

    workload: str
    checksum: str
    size_bytes: int
    delay_ms: float

    def row(self) -> dict[str, object]:
        """As columns of the map."""
        workload = WORKLOADS[self.workload]
        return {**self._asdict(), "size_is": workload.size_is, "measure": workload.measure}


def drawn(draws: int) -> tuple[list[Host], tuple[float, ...]]:
    """The host `host_2002` and drawn ones, and by what each one's reader delays are multiplied.

    Parameters
    ----------
    draws
        How many besides the preset. A factor is between 0.8 and 1.25: no verdict may hang on the phase of a timer.
    """
    host, rng = preset("host_2002"), np.random.default_rng(SEED)
    factors = np.exp(rng.uniform(np.log(0.8), np.log(1.25), draws))
    return [host, *drawn_hosts(host, rng, draws)], (1.0, *factors.tolist())


def gains(hosts: Sequence[Host], factors: Sequence[float], place: Place, kernel: Kernel) -> dict[str, object]:
    """What the rule gives in one cell: of the first host before and after, of all median, least and most gain.

    Parameters
    ----------
    hosts, factors
        From `drawn`.
    place, kernel
        The cell and the rule.
    """
    workload = WORKLOADS[place.workload]
    sent = workload.sent(place.size_bytes)
    was, now = (
        np.array(
            [
                _measured(_replayed(host, place, factor, rule), sent, workload)
                for host, factor in zip(hosts, factors, strict=True)
            ]
        )
        for rule in (Kernel.PREQUEUE, kernel)
    )
    gain = (was / now if workload.measure == "mean delivery time" else now / was) - 1
    low, high = float(gain.min()), float(gain.max())
    return {
        "before": float(was[0]), "after": float(now[0]), "gain": float(np.median(gain)), "low": low, "high": high,
        "verdict": verdict(low, high),
    }  # fmt: skip


def verdict(low: float, high: float) -> str:
    """The word for the least and the most gain: helps, nothing, hurts, or depends where hosts differ.

    Parameters
    ----------
    low, high
        After over before, less 1, so that better is above 0.
    """
    if low > MATTERS:
        return "helps"
    if high < -MATTERS:
        return "hurts"
    return "nothing" if low >= -MATTERS and high <= MATTERS else "depends"


def _replayed(host: Host, place: Place, factor: float, kernel: Kernel) -> Delivered:
    workload = WORKLOADS[place.workload]
    receiver = _receiver(host, workload, place.checksum, place.size_bytes, place.delay_ms * factor)
    offered = receiver.window_bytes // workload.buffer_times if workload.buffer_times > 1 else None
    return replay_messages(receiver, workload.sent(place.size_bytes), kernel, advertised_bytes=offered)


def _receiver(host: Host, workload: Workload, checksum: str, size: int, delay_ms: float) -> Linux24:
    """The host with one segment size, buffer, checksum class and delay; the sender pays for bytes by the segment."""
    mss = size if workload.size_is == "segment" else host.link.mss_bytes
    segment = size if workload.size_is == "segment" else min(mss, size)
    window = min(max(host.socket.window_bytes, 3 * mss) * workload.buffer_times, PACKETS_MOST * mss)
    told = linux24(host)
    return replace(
        told,
        mss_bytes=mss,
        window_bytes=window,
        sender_packet_ns=round(host.sender.packet_ns.value + segment * host.sender.write_ns_per_byte.value),
        reader_delay_ns=round(delay_ms * 1e6),
        **CLASSES[checksum],  # type: ignore[arg-type]
    )


def _measured(delivered: Delivered, sent: Messages, workload: Workload) -> float:
    """Gbit/s, messages a second, or microseconds."""
    elapsed_ns = float(delivered.delivered_ns[-1])
    if workload.measure == "goodput":
        return 8 * sent.message_bytes * sent.messages / elapsed_ns
    if workload.measure == "messages a second":
        return 1e9 * sent.messages / elapsed_ns
    return float((delivered.delivered_ns - delivered.written_ns).mean()) / 1000

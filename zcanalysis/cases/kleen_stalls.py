"""What a stalled ACK costs: at most one window a stall, whoever ends it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import polars as pl

from zcanalysis.cases.kleen_workloads import CLASSES, DOES_NOT_SUM, SUMS
from zcanalysis.hosts.presets import preset
from zcanalysis.hosts.replayed import linux24
from zcanalysis.model.linux24 import Linux24
from zcanalysis.model.messages import Kernel, Messages, replay_messages

STALLS_MS: Final[Mapping[int, str]] = {
    20: "Kleen's worst case, 1/50 s; half of TCP_ATO_MIN, no timer of 2.4.18",
    40: "TCP_DELACK_MIN",
    150: "the prequeue's timer, 3/4 of TCP_RTO_MIN",
    200: "TCP_DELACK_MAX",
}
IN_FLIGHT_SEGMENTS: Final = (1, 4, 11, 44)
"""Alone; after a loss; a send buffer of 16 KB, the default of 2.4; the default receive window."""
TURNS: Final = 20
SSE_TIMES_FASTER: Final = 3
"""Vlasenko, linux-kernel, October 2002: more than three times is possible with prefetch and movntq."""
FAST_LINK_PS: Final = 800


def stall_law() -> pl.DataFrame:
    """Goodput of the unpatched kernel whose reader is away for one stall a window, beside window over stall.

    Returns
    -------
    polars.DataFrame
        Rows ``stall_ms``, ``what``, ``in_flight_bytes``, ``law_mbps`` (W / T), ``model_mbps``, ``share`` (model over
        law), ``patched_mbps`` (the same with the patch on a card that verifies).
    """
    host = replace(linux24(preset("host_2002")), hardware_checksum="verified")
    rows = []
    for stall_ms, what in STALLS_MS.items():
        stall_ns = stall_ms * 1_000_000
        away = replace(host, reader_delay_ns=stall_ns, prequeue_timer_ns=2 * stall_ns)
        for segments in IN_FLIGHT_SEGMENTS:
            window = segments * host.mss_bytes
            before, after = (_mbps(away, segments, kernel) for kernel in (Kernel.PREQUEUE, Kernel.KLEEN))
            law = 8e-6 * window / (stall_ms / 1000)
            rows.append({
                "stall_ms": stall_ms, "what": what, "in_flight_bytes": window, "law_mbps": law, "model_mbps": before,
                "share": before / law, "patched_mbps": after,
            })  # fmt: skip
    return pl.DataFrame(rows)


def _mbps(host: Linux24, segments: int, kernel: Kernel) -> float:
    sent = Messages(message_bytes=host.mss_bytes, messages=segments * TURNS, sender_bytes=segments * host.mss_bytes)
    elapsed_ns = int(replay_messages(host, sent, kernel).delivered_ns[-1])
    return 8e3 * sent.message_bytes * sent.messages / elapsed_ns


def rare_stalls(gbps: float, slowed_gbps: float) -> pl.DataFrame:
    """How rarely a stall need come to slow a transfer that much: 1/(1/B + T/L) solved for L.

    Parameters
    ----------
    gbps, slowed_gbps
        Without and with stalls.

    Returns
    -------
    polars.DataFrame
        Rows ``stall_ms``, ``megabytes`` received between two stalls, ``seconds`` between them.
    """
    rows = []
    for stall_ms in STALLS_MS:
        megabytes = stall_ms / 1000 / (1 / slowed_gbps - 1 / gbps) * 1000 / 8
        rows.append({"stall_ms": stall_ms, "megabytes": megabytes, "seconds": megabytes * 8e-3 / slowed_gbps})
    return pl.DataFrame(rows)


def faster_copy() -> pl.DataFrame:
    """Goodput of a receiver that is its own limit, with the patch, a copy by wide registers, and both.

    Returns
    -------
    polars.DataFrame
        Rows ``checksum``, ``change``, ``gbps``, ``gain`` over the unchanged kernel.
    """
    told = linux24(preset("host_2002"))
    alone = replace(told, link_ps_per_byte=FAST_LINK_PS, sender_packet_ns=1)
    rows = []
    for checksum in (DOES_NOT_SUM, SUMS):
        host = replace(alone, **CLASSES[checksum])  # type: ignore[arg-type]
        quick = replace(host, copy_ps_per_byte=host.copy_ps_per_byte // SSE_TIMES_FASTER)
        changes = {
            "nothing": (host, Kernel.PREQUEUE), "patch": (host, Kernel.KLEEN), "SSE copy": (quick, Kernel.PREQUEUE),
            "patch and SSE copy": (quick, Kernel.KLEEN), "SSE copy, no prequeue": (quick, Kernel.OFF),
        }  # fmt: skip
        rates = {change: _gbps(*pair) for change, pair in changes.items()}
        rows += [
            {"checksum": checksum, "change": change, "gbps": rate, "gain": rate / rates["nothing"] - 1}
            for change, rate in rates.items()
        ]
    return pl.DataFrame(rows)


def _gbps(host: Linux24, kernel: Kernel) -> float:
    sent = Messages(message_bytes=host.mss_bytes, messages=3000)
    return 8 * sent.message_bytes * sent.messages / int(replay_messages(host, sent, kernel).delivered_ns[-1])

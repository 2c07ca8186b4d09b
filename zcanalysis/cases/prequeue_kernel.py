"""What a real kernel with the prequeue did with it and without it, and what the rules say of the same."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import numpy as np
import polars as pl

from zcanalysis.errors import TraceError
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.kernel_check import KernelHost, captured_connection, replay_kernel
from zcanalysis.model.linux24 import BACKLOG_PACKETS, Linux24
from zcanalysis.model.messages import Kernel, Messages, replay_messages
from zcanalysis.model.tcp_receiver import Prices
from zcanalysis.shipped import TRACES

FOLDER: Final = TRACES / "prequeue-4.10"
PAIRS: Final[Mapping[str, str]] = {
    "blocking": "low-latency", "software-checksum": "software-checksum-low-latency", "mtu-9000": "mtu-9000-low-latency",
    "mtu-65000": "mtu-65000-low-latency", "delay-2ms": "delay-2ms-low-latency",
    "small-messages": "small-messages-low-latency",
}  # fmt: skip
"""Recordings with the prequeue, and the same with tcp_low_latency, which is none."""
COLUMNS: Final = (
    "ts_ns", "flow_id", "direction", "tcp_flags", "seq", "ack", "window_raw", "payload_bytes", "mss", "window_scale",
    "tsval", "tsecr",
)  # fmt: skip
HEADER_BYTES: Final = 52
NETSTAT: Final = (
    "TCPPrequeued", "TCPDirectCopyFromPrequeue", "TCPDirectCopyFromBacklog", "TCPPrequeueDropped", "DelayedACKs",
)  # fmt: skip


def kernel_host(case: str) -> KernelHost:
    """What is known of the receiver of one recording.

    Parameters
    ----------
    case
        Its name in cases.json.
    """
    facts, price = _facts(case), dict(_prices()["host"])
    if facts["checksum_offload"] == "on":
        price |= _prices()["no software checksum"]
    if facts["delay_us"]:  # the sender's writes no longer show in the arrivals: one delay stands for them
        price |= _prices()["behind netem"]
    return KernelHost(
        generation="linux-4.10",
        prices=Prices(**price),
        read_bytes=facts["read_bytes"],
        hz=100,
        reader="polling" if "poll" in facts["reader"] else "blocking",
        sender_here=facts["delay_us"] == 0,
        netem=facts["delay_us"] > 0,
        low_latency=bool(facts["tcp_low_latency"]),
        counters={name: facts["netstat"].get(name, 0) for name in NETSTAT},
    )


def kernel_pairs() -> pl.DataFrame:
    """Goodput and ACK clock of each pair of recordings, measured and by the rules.

    Returns
    -------
    polars.DataFrame
        Rows ``recording``, ``round_trip_ms`` (netem), ``with_gbps``, ``without_gbps`` (the prequeue; measured, no
        capture running), ``gain`` of doing without it, ``model_gain`` (closed loop, prices of this machine, nothing
        fitted to the goodput), ``prequeued`` (segments that the reader or softirq took from it, measured).
    """
    return pl.DataFrame([_pair(name, other) for name, other in PAIRS.items()])


def _pair(name: str, other: str) -> dict[str, object]:
    on, off = _facts(name), _facts(other)
    host, sent = _closed_loop(name)
    elapsed = {rule: replay_messages(host, sent, rule).delivered_ns[-1] for rule in (Kernel.PREQUEUE, Kernel.OFF)}
    return {
        "recording": name,
        "round_trip_ms": on["delay_us"] / 1000,
        "with_gbps": on["untraced"]["gbps"],
        "without_gbps": off["untraced"]["gbps"],
        "gain": on["untraced"]["secs"] / off["untraced"]["secs"] - 1,
        "model_gain": float(elapsed[Kernel.PREQUEUE] / elapsed[Kernel.OFF] - 1),
        "prequeued": on["netstat"].get("TCPPrequeued", 0) + on["netstat"].get("TCPPrequeueDropped", 0),
    }


def ack_clock() -> pl.DataFrame:
    """How the ACKs of each recording came, captured and as the rules make them of the same arrivals.

    Returns
    -------
    polars.DataFrame
        Rows ``recording``, ``prequeue`` (on or off), ``who`` (kernel or model), ``acks``, ``bytes_each`` (mean),
        ``spacing_us`` (median) and ``longest_us`` (99 %).
    """
    rows = []
    for name, other in PAIRS.items():
        for case, prequeue in ((name, "on"), (other, "off")):
            captured = captured_connection(_packets(case))
            acks = captured.acks.filter(pl.col("ack") != pl.col("ack").shift(1))
            mine = replay_kernel(captured, kernel_host(case)).acks
            taken = int(captured.data.get_column("payload_bytes").sum())
            for who, times_ns in (("kernel", acks.get_column("ts_ns").to_numpy()), ("model", mine["time_ns"])):
                gaps_us = np.diff(times_ns) / 1000
                rows.append({
                    "recording": name, "prequeue": prequeue, "who": who, "acks": times_ns.size,
                    "bytes_each": taken / times_ns.size, "spacing_us": float(np.median(gaps_us)),
                    "longest_us": float(np.quantile(gaps_us, 0.99)),
                })  # fmt: skip
    return pl.DataFrame(rows)


def _closed_loop(case: str) -> tuple[Linux24, Messages]:
    """The recorded machine as a host of `messages`: its sender has the same CPU, so its work comes with each packet."""
    facts, price = _facts(case), dict(_prices()["host"])
    mss = facts["mtu"] - HEADER_BYTES
    segment = min(mss, facts["write_bytes"])
    sending = price["sender_ns"] + segment * price["sender_ps_per_byte"] // 1000
    host = Linux24(
        link_ps_per_byte=0,
        sender_packet_ns=0,
        delay_ns=facts["delay_us"] * 500,
        interrupt_packet_ns=sending,
        softirq_packet_ns=price["softirq_ns"],
        tcp_packet_ns=price["tcp_ns"],
        checksum_ps_per_byte=price["checksum_ps_per_byte"],
        copy_ps_per_byte=price["copy_ps_per_byte"],
        copy_and_checksum_ps_per_byte=price["copy_ps_per_byte"] + price["checksum_ps_per_byte"],
        ack_ns=price["ack_ns"],
        wake_ns=0,
        schedule_ns=price["schedule_ns"],
        syscall_ns=price["syscall_ns"],
        window_bytes=min(BACKLOG_PACKETS * mss, _window_bytes(case)),
        mss_bytes=mss,
        reader_bytes=facts["read_bytes"],
        hardware_checksum="verified" if facts["checksum_offload"] == "on" else "none",
    )
    each = facts["write_bytes"]
    paced_ns = round(facts["untraced"]["secs"] * 1e9 * each / facts["untraced"]["bytes"]) if facts["gap_us"] else 0
    return host, Messages(message_bytes=each, messages=facts["untraced"]["bytes"] // each, gap_ns=paced_ns)


def _window_bytes(case: str) -> int:
    """Mean window that the receiver advertised."""
    captured = captured_connection(_packets(case))
    if captured.synack is None:
        raise TraceError(f"{case}: the connection's start is missing")
    mean: Any = captured.acks.get_column("window_raw").mean()
    return int(mean) << int(captured.synack["window_scale"] or 0)


@cache
def _packets(case: str) -> pl.DataFrame:
    return scan_pcap(FOLDER / f"{case}.pcap.gz").select(COLUMNS).collect()


@cache
def _prices() -> dict[str, dict[str, int]]:
    told: dict[str, dict[str, int]] = json.loads((FOLDER / "prices.json").read_text(encoding="utf-8"))
    return told


@cache
def _cases() -> dict[str, dict[str, Any]]:
    return {facts["case"]: facts for facts in json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))}


def _facts(case: str) -> dict[str, Any]:
    return _cases()[case]

"""What a byte, a packet and an interrupt cost in 2002, and what they cost now."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import polars as pl

from zcanalysis.answer import Answer, calibrate
from zcanalysis.cpu.intervals import SEED
from zcanalysis.cpu.kernel_stages import NOT_RECEIVE
from zcanalysis.hosts import Host, Price, drawn_hosts, preset
from zcanalysis.rates import BITS_PER_BYTE
from zcanalysis.tables import ASSUMPTIONS, conform, polars_schema
from zcanalysis.transfers import transfers

HOST_2002: Final = "host_2002"
QUADRICS: Final = "quadrics_elan3"
PRICES: Final[Mapping[str, str]] = {
    "copy.ns_per_byte": "copying a byte to the user",
    "checksum.ns_per_byte": "summing a byte in software",
    "driver.packet_ns": "taking a packet off the device",
    "ip.skb_ns": "IP, an skb",
    "tcp.skb_ns": "TCP, an skb",
    "tcp.ack_ns": "sending an ACK",
    "softirq.run_ns": "starting a softirq",
    "interrupt.receive_ns": "taking an interrupt",
    "reader.wake_ns": "waking the reader",
    "reader.schedule_ns": "switching to the reader",
    "reader.syscall_ns": "a call of the reader",
}
"""What both generations of the kernel pay for, in path order."""

DRAWS: Final = 400
FEW_PACKETS: Final = "MTU 9000, TSO, GRO, aRFS"
COPY_PARTS: Final[Mapping[str, float]] = {"MTU 1500, no offload": 7.39, FEW_PACKETS: 54.33}
CAI: Final = (
    "Cai et al., SIGCOMM 2021, artifact (Terabit-Ethernet/terabit-network-stack-profiling, README): Linux 5.4.43,"
    " ConnectX-5, one flow"
)


def then_and_now(answers: Mapping[str, Answer]) -> pl.DataFrame:
    """Prices of 2002 beside those that the recordings measure; one whose interval reaches zero counts as not measured.

    Parameters
    ----------
    answers
        By the recording's name.

    Returns
    -------
    pl.DataFrame
        Nanoseconds: ``what``, ``then``, ``then_low``, ``then_high``, ``then_origin``, ``now`` (median of the recordings
        that measured it), ``now_low``, ``now_high`` (of all of them), ``measured_in``, ``times`` cheaper,
        ``times_low``, ``times_high``; null where no recording measured it.
    """
    hosts = [calibrate(answer).prices() for answer in answers.values()]
    rows = [_row(name, what, [host[name] for host in hosts if name in host]) for name, what in PRICES.items()]
    return pl.DataFrame(rows, infer_schema_length=None)


def _row(name: str, what: str, known: list[Price]) -> dict[str, Any]:
    then = preset(HOST_2002).prices()[name]
    measured = [price for price in known if price.origin == "measured" and price.low > 0]
    now = float(np.median([price.value for price in measured])) if measured else None
    low, high = (min(p.low for p in measured), max(p.high for p in measured)) if measured else (None, None)
    return {
        "what": what,
        "then": then.value,
        "then_low": then.low,
        "then_high": then.high,
        "then_origin": then.origin,
        "now": now,
        "now_low": low,
        "now_high": high,
        "measured_in": len(measured),
        "times": None if now is None else then.value / now,
        "times_low": None if high is None else then.low / high,
        "times_high": None if low is None else then.high / low,
    }


def time_of_a_byte(answers: Mapping[str, Answer]) -> pl.DataFrame:
    """CPU time of the receive path by what it follows: the payload itself, packets, or batches (interrupts, wake-ups).

    Parameters
    ----------
    answers
        By the recording's name.

    Returns
    -------
    pl.DataFrame
        ``host``, ``origin``, nanoseconds a payload byte on all CPUs: ``payload_ns``, ``packets_ns``, ``batches_ns``,
        ``all_ns``; ``payload_part`` of all, and of a host of 2002 between what its prices allow (``part_low`` to
        ``part_high``, 90 % of the hosts drawn within their intervals).

    Notes
    -----
    Of a recording it is every sample of the receive path over the payload received. Of a host of 2002 it is its prices
    times what its replay counted: an interrupt a packet, and the ACKs and wake-ups that it needed.
    """
    rows = [_then(name) for name in (HOST_2002, QUADRICS)] + [_now(name, answer) for name, answer in answers.items()]
    return pl.DataFrame(rows, infer_schema_length=None)


def _then(name: str) -> dict[str, Any]:
    host = preset(name)
    replayed = transfers([host])
    packets_per_s = float(replayed.gbps[0]) * 1e9 / BITS_PER_BYTE / host.link.mss_bytes
    counted = {what: replayed.per_s[0][what] / packets_per_s for what in ("acks", "wake_ups")}
    drawn = drawn_hosts(host, np.random.default_rng(SEED), DRAWS)
    low, high = np.quantile([_spent(one, counted)["payload_part"] for one in drawn], (0.05, 0.95))
    row = {"host": name, "origin": "published and assumed prices, replayed"} | _spent(host, counted)
    return row | {"part_low": float(low), "part_high": float(high)}


def _spent(host: Host, counted: Mapping[str, float]) -> dict[str, float]:
    """Nanoseconds a byte of a host of 2.4, by what they follow."""
    price = {key: value.value for key, value in host.prices().items()}
    packet_ns = sum(price[key] for key in ("driver.packet_ns", "softirq.run_ns", "ip.skb_ns", "tcp.skb_ns"))
    wake_ns = sum(price[key] for key in ("reader.wake_ns", "reader.schedule_ns", "reader.syscall_ns"))
    return _parts(
        _touching_ns(host),
        (packet_ns + price["tcp.ack_ns"] * counted["acks"]) / host.link.mss_bytes,
        (price["interrupt.receive_ns"] + wake_ns * counted["wake_ups"]) / host.link.mss_bytes,
    )


def _touching_ns(host: Host) -> float:
    """Copied and summed in one pass where the device sums nothing (2.4, csum_partial_copy_generic)."""
    fused = host.checksum.fused_ns_per_byte
    return host.copy.ns_per_byte.value if fused is None or host.nic.hardware_checksum != "none" else fused.value


def _parts(payload_ns: float, packets_ns: float, batches_ns: float) -> dict[str, float]:
    all_ns = payload_ns + packets_ns + batches_ns
    return {"payload_ns": payload_ns, "packets_ns": packets_ns, "batches_ns": batches_ns, "all_ns": all_ns,
            "payload_part": payload_ns / all_ns}  # fmt: skip


def _now(name: str, answer: Answer) -> dict[str, Any]:
    received = answer.costs.filter(~pl.col("stage").is_in(list(NOT_RECEIVE)))
    spent = dict(received.group_by("follows").agg(pl.col("ns_per_byte").sum()).iter_rows())
    parts = _parts(*(float(spent.get(unit, 0.0)) for unit in ("byte", "packet", "batch")))
    return {"host": name, "origin": "measured", **parts, "part_low": None, "part_high": None}


def went_in(answers: Mapping[str, Answer]) -> pl.DataFrame:
    """ASSUMPTIONS: the prices of 2002, what was published of today, and what recordings could not measure."""
    then = preset(HOST_2002).prices()
    rows = [_assumed(f"2002: {PRICES[name]}", name, then[name]) for name in PRICES]
    fused = "checksum.fused_ns_per_byte"
    rows.append(_assumed("2002: copying and summing a byte in one pass", fused, then[fused]))
    driver = "driver.packet_ns"
    rows.append(_assumed("the thread's host: the driver, a packet", driver, preset(QUADRICS).prices()[driver]))
    rows += [
        {"name": f"100 Gbit/s card, {name}: copy, part of the receiver's kernel time", "value": part, "low": None,
         "high": None, "unit": "%", "origin": "published", "source": CAI}
        for name, part in COPY_PARTS.items()
    ]  # fmt: skip
    hosts = [calibrate(answer).prices() for answer in answers.values()]
    known = {name: host[name] for host in hosts for name in host if host[name].origin == "assumed"}
    rows += [_assumed(f"today, where not measured: {name}", name, price) for name, price in known.items()]
    return conform(pl.DataFrame(rows, schema=polars_schema(ASSUMPTIONS)), ASSUMPTIONS)


def _assumed(words: str, name: str, price: Price) -> dict[str, Any]:
    unit = "ns a byte" if "per_byte" in name else "ns"
    return {"name": words, "value": price.value, "low": price.low, "high": price.high, "unit": unit,
            "origin": price.origin, "source": price.source or "no source"}  # fmt: skip

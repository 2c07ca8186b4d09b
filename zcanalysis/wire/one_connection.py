"""The packets of one connection of a capture, and which of them one side sent."""

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from zcanalysis.addresses import MAPPED_IPV4

TCP: Final = 6
ENDS: Final = ("src", "src_port", "dst", "dst_port")


def packets_of(packets: pl.LazyFrame | pl.DataFrame, flow: Mapping[str, Any]) -> pl.LazyFrame | pl.DataFrame:
    """The packets with a time stamp of a connection, and of others that used its addresses and ports.

    Parameters
    ----------
    packets
        PACKETS in file order.
    flow
        A row of FLOWS, either direction; TCP.

    Raises
    ------
    ValueError
        If the flow is not TCP or has no time stamps.
    """
    if flow["protocol"] != "tcp" or flow["first_ns"] is None:
        raise ValueError(f"a TCP connection with time stamps is needed, got {flow['protocol']}")
    return packets.filter(
        (pl.col("protocol") == TCP) & pl.col("ts_ns").is_not_null() & (is_of(flow) | is_of(flow, turned=True))
    )


def span_ns(flow: Mapping[str, Any], between_s: tuple[float, float] | None) -> tuple[int, int]:
    """From when to when, since the epoch: a part of a direction's life, or all of it.

    Parameters
    ----------
    flow
        A row of FLOWS with time stamps.
    between_s
        Two times since its first packet; None: from that to its last.

    Raises
    ------
    ValueError
        If the part ends before it begins.
    """
    first_ns, last_ns = int(flow["first_ns"]), max(int(flow["last_ns"]), int(flow["first_ns"]))
    if between_s is None:
        return first_ns, last_ns
    from_s, to_s = between_s
    if not from_s <= to_s:
        raise ValueError(f"between_s must not end before it begins, got {from_s} to {to_s}")
    within = (min(max(first_ns + round(at_s * 1e9), first_ns), last_ns) for at_s in (from_s, to_s))
    return next(within), next(within)


def is_of(flow: Mapping[str, Any], *, turned: bool = False) -> pl.Expr:
    """Whether a packet has the addresses and ports of a direction, or of the one across.

    Parameters
    ----------
    flow
        A row of FLOWS.
    turned
        The other direction.
    """
    src, dst = ("dst", "src") if turned else ("src", "dst")
    ends = (_number(flow[src]), flow[f"{src}_port"], _number(flow[dst]), flow[f"{dst}_port"])
    types = (pl.UInt128, pl.UInt16, pl.UInt128, pl.UInt16)
    return pl.all_horizontal(
        pl.col(name) == pl.lit(end, dtype) for name, end, dtype in zip(ENDS, ends, types, strict=True)
    )


def _number(text: str) -> int:
    address = ipaddress.ip_address(text)
    return int(address) | (MAPPED_IPV4 << 32 if address.version == 4 else 0)  # noqa: PLR2004 - IPv4

"""A deep look at a few packets: every protocol layer and field, by tshark through pyshark.

Enters: a capture and which packets to look at. Leaves: one row per packet with its layers and fields.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import polars as pl

from zcanalysis.io.tshark import check_accepted, read_share, shown
from zcanalysis.io.tshark_child import PACKETS

MAX_PACKETS: Final = 100_000
MAX_NUMBERS: Final = 10_000
TIMEOUT_S: Final = 600.0
FEWER: Final = "find packets with scan_pcap first and pass their numbers, or cut the file with editcap -r"

DISSECTED: Final = pl.Schema(
    {
        "frame_number": pl.UInt64(),
        "ts_ns": pl.Int64(),
        "layers": pl.List(pl.String()),
        "fields": pl.List(pl.Struct({"name": pl.String(), "value": pl.String()})),
        "error": pl.String(),
    }
)


def dissect(
    path: str | Path,
    *,
    display_filter: str | None = None,
    packets: Iterable[int] | None = None,
    limit: int = 1000,
    timeout_s: float = TIMEOUT_S,
) -> pl.DataFrame:
    """Every layer and field of chosen packets, as tshark sees them.

    Parameters
    ----------
    path
        A capture that tshark can read.
    display_filter
        A Wireshark display filter, for instance ``tcp.analysis.retransmission``.
    packets
        Numbers of packets, the first is 1; both conditions must hold when a filter is given too.
    limit
        At most this many packets; 1 to 100,000 (about 8,000 are looked at per second).
    timeout_s
        Give up after so many seconds.

    Returns
    -------
    polars.DataFrame
        One row per packet: ``frame_number``, ``ts_ns``, ``layers`` outermost first, ``fields`` with names such as
        ``tcp.flags_ack`` (tshark's, dots after the layer turned to underscores) and values as text, null where the name
        says it all, and ``error``. Fields of a layer that occurs twice are there twice.
        When tshark stops early, a last row has nothing but its ``error``.

    Raises
    ------
    ValueError
        If `limit` or a packet number is out of range, or numbers that are no range are more than 10,000.
    TraceError
        If tshark is not installed, does not accept the filter or the file, takes longer than `timeout_s`, would have
        to filter more than 1 GiB, or prints more than 512 MiB (large packets, `limit` of them).

    Examples
    --------
    >>> dissect("capture.pcap", display_filter="tcp.flags.syn == 1", limit=2)  # doctest: +SKIP
    """
    capture = Path(path)
    if not 1 <= limit <= MAX_PACKETS:
        raise ValueError(f"limit must be 1 to {MAX_PACKETS}, got {limit}")
    numbers = None if packets is None else sorted(set(packets))
    if numbers and not 1 <= numbers[0] <= numbers[-1] < 1 << 32:
        raise ValueError(f"packet numbers go from 1 to {(1 << 32) - 1}, got {numbers[0]} to {numbers[-1]}")
    if numbers == []:
        return pl.DataFrame(schema=DISSECTED)
    read = _packets_to_read(display_filter, numbers, limit)
    wanted = _filter(display_filter, numbers)
    read_share(capture, read, FEWER)
    check_accepted(capture, [] if wanted is None else ["-Y", wanted], timeout_s)
    job = {"kind": PACKETS, "path": str(capture.absolute()), "wanted": wanted, "read": read, "limit": limit}
    tables = [_table(piece) for piece in shown(capture, job, timeout_s)]
    return pl.concat([pl.DataFrame(schema=DISSECTED), *tables])


def _table(piece: bytes) -> pl.DataFrame:
    rows = [tuple(json.loads(line)) for line in piece.splitlines()]
    return pl.DataFrame(rows, schema=DISSECTED, orient="row")


def _packets_to_read(display_filter: str | None, numbers: list[int] | None, limit: int) -> int | None:
    """How far tshark must read; None to the end."""
    if numbers is not None:
        return numbers[-1]
    return limit if display_filter is None else None


def _filter(display_filter: str | None, numbers: list[int] | None) -> str | None:
    conditions = [] if display_filter is None else [f"({display_filter})"]
    if numbers is not None:
        if len(numbers) == numbers[-1] - numbers[0] + 1:
            conditions.append(f"frame.number >= {numbers[0]} && frame.number <= {numbers[-1]}")
        elif len(numbers) > MAX_NUMBERS:
            raise ValueError(f"at most {MAX_NUMBERS} packet numbers unless they are a range, got {len(numbers)}")
        else:
            conditions.append(f"frame.number in {{{', '.join(map(str, numbers))}}}")
    return " && ".join(conditions) or None

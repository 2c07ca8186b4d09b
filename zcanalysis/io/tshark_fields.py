"""Chosen fields of every packet as tshark sees them: the middle way between `scan_pcap` and `dissect`.

Enters: a capture and names of fields, `tcp.analysis.*` above all. Leaves: one row a packet, one column a field.
"""

import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from zcanalysis.errors import TraceError
from zcanalysis.io.tshark import check_accepted, complaint, read_share, shown
from zcanalysis.io.tshark_child import FIELDS

TIMEOUT_S: Final = 600.0
MAX_FIELDS: Final = 200
NAME: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
NUMBER: Final = "frame.number"
BETWEEN: Final = "\t"  # tshark writes the tabs and line ends of a value with a backslash
ADVICE: Final = "read the `first` so many packets, or cut the file with editcap -r"
PRESENT: Final = ("FT_NONE", "FT_PROTOCOL")
TRUE: Final = ("1", "True")
INTEGERS: Final = re.compile(r"FT_U?INT(8|16|24|32|40|48|56|64)|FT_FRAMENUM")


def tshark_fields(
    path: str | Path,
    fields: Sequence[str],
    *,
    display_filter: str | None = None,
    first: int | None = None,
    timeout_s: float = TIMEOUT_S,
) -> pl.DataFrame:
    """Chosen fields of a capture's packets, as tshark computes them.

    Parameters
    ----------
    path
        A capture that tshark can read.
    fields
        Names of Wireshark's fields, for instance ``tcp.analysis.retransmission``, ``tcp.analysis.ack_rtt``.
    display_filter
        A Wireshark display filter; all packets when None.
    first
        Read only so many packets of the file.
    timeout_s
        Give up after so many seconds (tshark reads about 40,000 packets a second).

    Returns
    -------
    polars.DataFrame
        ``frame_number`` (the first packet is 1), one column a field under tshark's name, and ``error``. Of a field that
        occurs more than once in a packet the first occurrence. Flags and notes such as ``tcp.analysis.*`` without value
        are booleans, false where absent; integers Int64 (UInt64 where 64 bits wide), relative times durations of
        nanoseconds, others text; null where absent. When tshark stops early, a last row has nothing but its ``error``.

    Raises
    ------
    ValueError
        If `fields` is empty, holds more than 200 names or something that is no name, or `first` is below 1.
    TraceError
        If tshark is not installed, does not know a field, does not accept the filter or the file, takes longer than
        `timeout_s`, would have to read more than 1 GiB, or prints more than 512 MiB.

    Examples
    --------
    >>> tshark_fields("capture.pcap", ["tcp.analysis.retransmission", "tcp.analysis.ack_rtt"])  # doctest: +SKIP
    """
    capture, chosen = Path(path), list(dict.fromkeys(fields))
    if not 1 <= len(chosen) <= MAX_FIELDS or not all(map(NAME.fullmatch, chosen)):
        raise ValueError(f"fields must be 1 to {MAX_FIELDS} names such as tcp.seq, got {chosen[:3]}")
    if first is not None and not 1 <= first < 1 << 31:
        raise ValueError(f"first must be 1 to {(1 << 31) - 1}, got {first}")
    read_share(capture, first, ADVICE)
    filtered = [] if display_filter is None else ["-Y", display_filter]
    named = [word for field in (NUMBER, *chosen) for word in ("-e", field)]
    how = ["-T", "fields", "-E", "occurrence=f", *named, *filtered]
    check_accepted(capture, how, timeout_s)
    counted = [] if first is None else ["-c", str(first)]
    command = ["tshark", "-n", "-r", str(capture.absolute()), *counted, *how]
    kinds = _kinds(chosen)
    pieces = shown(capture, {"kind": FIELDS, "command": command}, timeout_s)
    tables = [table for piece in pieces for table in _tables(piece, chosen)]
    empty = pl.DataFrame(schema=dict.fromkeys([NUMBER, *chosen, "error"], pl.String()))
    return pl.concat([empty, *tables]).select(
        pl.col(NUMBER).cast(pl.UInt64()).alias("frame_number"), *(_typed(name, kinds[name]) for name in chosen), "error"
    )


def _tables(piece: bytes, chosen: list[str]) -> Iterable[pl.DataFrame]:
    """The lines of a piece as text, empty ones null; a line that begins with a form feed is why tshark stopped."""
    lines, _, stopped = piece.partition(b"\f")
    columns = [NUMBER, *chosen]
    if lines:
        text = lines.decode(errors="replace").encode()
        table = pl.read_csv(
            text,
            has_header=False,
            separator=BETWEEN,
            quote_char=None,
            infer_schema=False,
            new_columns=columns,
            schema=dict.fromkeys(columns, pl.String()),
        )
        yield table.with_columns(pl.lit(None, pl.String()).alias("error"))
    if stopped:
        why = f"tshark stopped: {complaint(stopped.decode(errors='replace'))}"
        yield pl.DataFrame({name: [None] for name in columns} | {"error": [why]}).cast(pl.String())


def _kinds(names: list[str]) -> dict[str, str]:
    """Wireshark's type of each field: the same name may have several, then it is text."""
    try:
        listed = subprocess.run(
            ["tshark", "-G", "fields"], capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=TIMEOUT_S
        ).stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as error:
        raise TraceError("tshark -G fields does not end; does `tshark -v` work?") from error
    found: dict[str, set[str]] = {name: set() for name in names}
    for line in listed.splitlines():
        kind, _, rest = line.partition("\t")
        words = rest.split("\t")
        if kind == "P" and words[1] in found:
            found[words[1]].add("FT_PROTOCOL")
        elif kind == "F" and words[1] in found:
            found[words[1]].add(words[2])
    return {name: kinds.pop() if len(kinds) == 1 else "FT_STRING" for name, kinds in found.items()}


def _typed(name: str, kind: str) -> pl.Expr:
    text = pl.col(name)
    real = pl.col("error").is_null()
    if kind in PRESENT:
        return pl.when(real).then(text.is_not_null()).alias(name)
    if kind == "FT_BOOLEAN":
        return pl.when(text.is_not_null()).then(text.is_in(TRUE)).alias(name)
    if kind == "FT_RELATIVE_TIME":
        return _nanoseconds(text).cast(pl.Duration("ns")).alias(name)
    if INTEGERS.fullmatch(kind):
        return _integer(text, pl.UInt64() if kind == "FT_UINT64" else pl.Int64()).alias(name)
    return text


def _integer(text: pl.Expr, dtype: pl.Int64 | pl.UInt64) -> pl.Expr:
    """Decimal, or hexadecimal behind 0x."""
    hexadecimal = text.str.strip_prefix("0x").str.to_integer(base=16, dtype=dtype, strict=False)
    return pl.when(text.str.starts_with("0x")).then(hexadecimal).otherwise(text.cast(dtype, strict=False))


def _nanoseconds(text: pl.Expr) -> pl.Expr:
    """Seconds with a decimal fraction, which may be negative."""
    parts = text.str.extract_groups(r"^(-?)(\d+)(?:\.(\d{1,9}))?\d*$")
    sign = pl.when(parts.struct["1"] == "-").then(-1).otherwise(1)
    fraction = parts.struct["3"].fill_null("").str.pad_end(9, "0").cast(pl.Int64())
    return sign * (parts.struct["2"].cast(pl.Int64(), strict=False) * 1_000_000_000 + fraction)

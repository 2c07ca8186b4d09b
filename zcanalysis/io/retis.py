"""Events that retis collected (`retis collect -o`, `retis sort -o`): JSON, one event or one packet's events a line.

Enters: lines. Leaves: a table of EVENTS, one row an event of the kernel. Written from the schema of retis 1.x
(retis-org/retis, retis-events/src: common.rs, kernel.rs, skb_tracking.rs, skb_drop.rs, compat/compat.rs): only what no
version has moved since 1.5 is read. No retis ran here; the four events of its own tests are read.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import polars as pl

from zcanalysis.io.trace_fields import payload_fields
from zcanalysis.io.trace_text import storable
from zcanalysis.tables import EVENTS, polars_schema

BEGIN: Final = re.compile(
    rb'\s*\[?\{\s*"(?:common|kernel|userspace|tracking|skb|packet|netns|dev|startup|ct|nft|ovs|sock)[a-z_-]*"\s*:\s*\{'
)
MAJOR: Final = re.compile(r"v?(\d{1,4})\.")
READ_MAJOR: Final = 1
LARGEST_NS: Final = (1 << 62) - 1
LARGEST_ID: Final = (1 << 31) - 1
LARGEST_ADDRESS: Final = (1 << 64) - 1
SHOWN: Final = 80
TRACK: Final = "retis_track"
"""Field of an event: the packet that it belongs to, by when and where retis saw it first."""


class UnknownVersionError(Exception):
    """The file says that a retis wrote it whose events are not known here."""


def is_retis(start: bytes) -> bool:
    """Whether a file that begins so holds events of retis.

    Parameters
    ----------
    start
        The first bytes of the file, unpacked.
    """
    return BEGIN.match(start) is not None


def retis_table(lines: pl.Series, first_line: int, columns: list[str]) -> pl.DataFrame:
    """Rows of EVENTS for these lines, with the columns asked for.

    Parameters
    ----------
    lines
        Whole lines.
    first_line
        Number of the first of them.
    columns
        Names of EVENTS.

    Returns
    -------
    polars.DataFrame
        Times are the kernel's monotonic clock. Fields are ``skbaddr``, ``reason`` of a drop, and `TRACK`. Lines that
        are no event are rows with `error`; events of user space, and what retis says of its start, are left out.

    Raises
    ------
    UnknownVersionError
        If the events are of another major version than 1.
    """
    rows = [row for number, line in enumerate(lines, first_line) for row in _line_rows(line, number)]
    types = {name: dtype for name, dtype in polars_schema(EVENTS).items() if name != "fields"}
    events = pl.DataFrame(rows, schema=types, orient="row")
    if "fields" in columns:
        events = events.with_columns(payload_fields(events.get_column("payload")))
    return events.select(pl.col(name).cast(polars_schema(EVENTS)[name]) for name in columns)


def _line_rows(line: str, number: int) -> Iterator[tuple[object, ...]]:
    if not line.strip():
        return
    try:
        document = json.loads(line)
        found = [_row(event) for event in (document if isinstance(document, list) else [document])]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        error = f"line {number}: not an event of retis: {line.strip()[:SHOWN]!r}"
        yield (None, None, None, None, None, None, None, "", error)
        return
    yield from (row for row in found if row is not None)


def _row(event: dict[str, Any]) -> tuple[object, ...] | None:
    sections = {name.replace("-", "_"): section for name, section in event.items()}
    if "startup" in sections:
        _check_version(str(sections["startup"]["retis_version"]))
    if "kernel" not in sections:
        return None
    common, kernel = sections["common"], sections["kernel"]
    task = common.get("task") or {}
    return (
        _whole(common["timestamp"], LARGEST_NS),
        None if common.get("smp_id") is None else _whole(common["smp_id"], LARGEST_ID),
        None if "tgid" not in task else _whole(task["tgid"], LARGEST_ID),
        None if "pid" not in task else _whole(task["pid"], LARGEST_ID),
        None if "comm" not in task else storable(str(task["comm"])),
        None,
        storable(f"{kernel['symbol']}{' (return)' if kernel['probe_type'] == 'kretprobe' else ''}"),
        _payload(sections),
        None,
    )


def _check_version(version: str) -> None:
    major = MAJOR.match(version)
    if major is None or int(major[1]) != READ_MAJOR:
        raise UnknownVersionError(f"was written by retis {version[:SHOWN]!r}, and events of 1.x are known")


def _payload(sections: dict[str, Any]) -> str:
    """As the kernel would print the fields."""
    parts = []
    tracking = sections.get("skb_tracking") or (sections.get("tracking") or {}).get("skb")
    if tracking:
        head, since_ns, skb = (_whole(tracking[name], LARGEST_ADDRESS) for name in ("orig_head", "timestamp", "skb"))
        parts.append(f"skbaddr=0x{skb:x} {TRACK}={since_ns}-{head:x}-{skb:x}")
    if drop := sections.get("skb_drop"):
        subsystem = f"{drop['subsys']}/" if drop.get("subsys") else ""
        parts.append(f"reason={subsystem}{drop['drop_reason']}")
    return storable(" ".join(parts))


def _whole(value: Any, largest: int) -> int:  # noqa: ANN401 - any JSON
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        raise ValueError(value)
    return value

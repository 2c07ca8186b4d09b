"""The header line of a sample as `perf script` prints it: which fields it has depends on the recording and on `-F`.

Most headers have all fields and are read many at a time (`FULL`, polars); the rest one by one (`read_header`). The
command name is free text: what looks like a process id decides where it ends, the first that lets the rest fit.
"""

import re
from typing import Final, NamedTuple

NANOSECONDS_DIGITS: Final = 9
SECOND_NS: Final = 1_000_000_000
INT64_MAX: Final = 2**63 - 1
INT32_MAX: Final = 2**31 - 1
LINE_CHARACTERS: Final = 1 << 16
PERIOD_WIDTH: Final = 11  # a space and `%10u`

# Rust syntax: no look-around. Numbers are short enough for their columns; longer ones go the careful way.
FULL: Final = (
    r"^(?P<comm>\S.*?)\s+(?P<pid>-?\d{1,9})(?:/(?P<tid>-?\d{1,9}))?\s+(?:\[(?P<cpu>\d{1,9})\]\s+)?"
    r"(?P<seconds>\d{1,9})\.(?P<fraction>\d{1,9}):\s+(?:(?P<period>\d{1,18})\s+)?(?P<event>[^\s:]\S*?):\s*$"
)
_COMM: Final = r"^\s*(?:VM:\s*\d+\s+)?(?:VCPU:\d+\s+)?(?:(?P<comm>\S(?:.{0,99}?\S)??)\s+)??"
_FLAGS: Final = r"(?:[a-zA-Z.#][\w.#]{0,7}\s+)?"
_PLACE: Final = (
    rf"(?:(?P<pid>-?\d+)(?:/(?P<tid>-?\d+))?\s+(?:\[(?P<cpu>\d+)\]\s+)?{_FLAGS}|\[(?P<cpu_alone>\d+)\]\s+{_FLAGS}|)"
)
SECONDS: Final = re.compile(r"\d\.\d{1,9}:(?:\s|$)")  # tells most frames from headers at a tenth of the cost
_PERIOD: Final = r"(?:(?P<period>\d+)\s+)?"
_EVENT: Final = r"(?P<event>raw 0x[0-9a-f]+|[^\s:]\S*?):(?:\s+|$)"
TIMED: Final = re.compile(
    rf"{_COMM}{_PLACE}(?P<seconds>\d+)\.(?P<fraction>\d{{1,9}}):(?:\s+|$){_PERIOD}(?:{_EVENT})?(?P<payload>.*)$"
)
UNTIMED: Final = re.compile(rf"{_COMM}{_PLACE}{_PERIOD}{_EVENT}(?P<payload>.*)$")
BARE: Final = re.compile(r"^(?P<comm>\S.{0,99}?)\s+(?P<pid>-?\d+)(?:/(?P<tid>-?\d+))?(?:\s+\[(?P<cpu>\d+)\])?\s*$")


FTRACE_TASK: Final = re.compile(r"-\d+$")  # `comm-pid [cpu] time:` is a line of ftrace, not of perf


class Header(NamedTuple):
    """Fields of a header; None where the trace does not say."""

    ts_ns: int | None = None
    cpu: int | None = None
    pid: int | None = None
    tid: int | None = None
    comm: str | None = None
    event: str | None = None
    period: int | None = None
    payload: str = ""


def read_header(line: str, *, has_chain: bool = False) -> Header | None:
    """The header's fields, or None when the line is none.

    Parameters
    ----------
    line
        One line.
    has_chain
        Whether call chain lines follow. Without a time the line must have one, name a CPU or a tracepoint: any
        text with a colon would be a header otherwise.

    Examples
    --------
    >>> read_header("Web Content 77 [003] 1.500000000: cycles: ")[:6]
    (1500000000, 3, None, 77, 'Web Content', 'cycles')
    """
    if len(line) > LINE_CHARACTERS:
        return None
    match = TIMED.match(line)
    if match and match["cpu_alone"] and not has_chain and FTRACE_TASK.search(match["comm"] or ""):
        return None
    if match:
        return _header(match) if match["event"] or not match["payload"] or is_frame(match["payload"]) else None
    match = UNTIMED.match(line)
    if match and (has_chain or match["cpu"] or match["cpu_alone"] or is_frame(match["payload"])):
        return _header(match)
    if match and match["pid"] and ":" in match["event"]:
        return _header(match)
    match = BARE.match(line) if has_chain else None
    return _header(match) if match else None


def is_timed(line: str) -> bool:
    """Whether the line is a header that has a time: no frame looks like that."""
    return len(line) <= LINE_CHARACTERS and SECONDS.search(line) is not None and TIMED.match(line) is not None


def is_frame(payload: str) -> bool:
    """Whether the text behind the event is the one frame of a sample without a chain."""
    return re.match(r"\s*[0-9a-f]{6,16}\s+\S", payload) is not None


def _header(match: re.Match[str]) -> Header | None:
    """One header; a lone id is the thread's, as perf prints it by default. None if a number does not fit."""
    found = match.groupdict()
    process, thread = (found["pid"], found["tid"]) if found.get("tid") else (None, found["pid"])
    period = found.get("period")
    if thread and not process and _is_period(match):
        thread, period = None, thread
    ts_ns = None
    if found.get("seconds"):
        ts_ns = int(found["seconds"][:20]) * SECOND_NS + int(found["fraction"].ljust(NANOSECONDS_DIGITS, "0"))
    cpu = found.get("cpu") or found.get("cpu_alone")
    small = [_int(cpu), _int(process), _int(thread)]
    large = [ts_ns, _int(period)]
    if any(abs(n) > INT32_MAX for n in small if n is not None) or any(n > INT64_MAX for n in large if n is not None):
        return None
    return Header(
        ts_ns=large[0],
        cpu=small[0],
        pid=small[1],
        tid=small[2],
        comm=found["comm"],
        event=found.get("event"),
        period=large[1],
        payload=found.get("payload") or "",
    )


def _is_period(match: re.Match[str]) -> bool:
    """Whether a lone number is a period: without process, CPU and time perf prints it eleven columns wide."""
    found = match.groupdict()
    if "period" not in found or any(found.get(name) for name in ("period", "cpu", "seconds")):
        return False
    before = match.end("comm") if found["comm"] else 0
    return match.end("pid") - before >= PERIOD_WIDTH


def _int(text: str | None) -> int | None:
    return None if text is None else int(text[:20])

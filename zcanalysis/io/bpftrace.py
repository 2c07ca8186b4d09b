"""Histograms that bpftrace printed: its JSON lines (`-f json`) or its text, of the maps whose names are known here.

A map's name says what was measured; a script that fills other maps is not guessed at. The scripts are in `SCRIPT`.
Forms: bpftrace, src/output/json.cpp and src/output/text.cpp (hist, lhist; a first bin without a least, a last without a
most).
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from zcanalysis.errors import TraceError
from zcanalysis.io.compressed import open_bytes
from zcanalysis.io.trace_text import opening, storable, whole_lines
from zcanalysis.tables import HISTOGRAMS, conform

SCRIPT: Final = """\
tracepoint:napi:napi_poll { @poll_packets[str(args->dev_name)] = lhist(args->work, 0, 65, 1); }
tracepoint:irq:softirq_entry /args->vec == 3/ { @begun[cpu] = nsecs; }
tracepoint:irq:softirq_exit /args->vec == 3 && @begun[cpu]/ {
  @net_rx_ns[cpu] = hist(nsecs - @begun[cpu]); delete(@begun[cpu]);
}
tracepoint:skb:skb_copy_datagram_iovec { @copy_bytes[comm] = hist(args->len); }
tracepoint:sched:sched_wakeup { @woken[args->pid] = nsecs; }
tracepoint:sched:sched_switch /@woken[args->next_pid]/ {
  @wakeup_ns[args->next_comm] = hist(nsecs - @woken[args->next_pid]); delete(@woken[args->next_pid]);
}
END { clear(@begun); clear(@woken); }
"""
"""What fills the known maps; each probe may be left out."""
KNOWN_MAPS: Final = ("poll_packets", "net_rx_ns", "copy_bytes", "wakeup_ns")
EXPECTED: Final = f"the output of bpftrace with maps named @{', @'.join(KNOWN_MAPS)}"
HIST_TYPES: Final = ("hist", "lhist")
MOST_BINS: Final = 1_000_000
MOST_COUNT: Final = (1 << 62) // MOST_BINS  # so that no sum is too large
LARGEST: Final = (1 << 62) - 1
SHOWN: Final = 80
KEY_CHARACTERS: Final = 200

MAP_LINE: Final = re.compile(r"@(\w*)(?:\[(.*)\])?:\s*$")
BIN_LINE: Final = re.compile(r"([\[(])(-?\d+[KMGTPE]?|\.\.\.)(?:, (-?\d+[KMGTPE]?|\.\.\.))?[\])]\s+(\d{1,18}) \|")
COUNT_LINE: Final = re.compile(r"@(\w*)(?:\[(.*)\])?: (?:\S.*)$")
LOST_LINE: Final = re.compile(r"Lost (\d{1,18}) events")
SCALES: Final = {letter: 1 << 10 * power for power, letter in enumerate("KMGTPE", 1)}


class Histograms(NamedTuple):
    """What a script's output holds."""

    table: pl.DataFrame
    """HISTOGRAMS."""
    left_out: tuple[str, ...]
    """Maps with other names; a script's own text, never trusted."""
    lost_events: int
    unreadable_lines: int


class _Bins:
    """Rows of HISTOGRAMS, and what was met beside them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.held: dict[str, dict[str, list[tuple[int | None, int | None, int]]]] = {}
        """By map and key: bounds and count of each bin."""
        self.number = 0
        self.left_out: dict[str, None] = {}
        self.lost_events = 0
        self.unreadable_lines = 0

    def add(self, name: str, key: str, low: int | None, high: int | None, count: int) -> None:
        if not count:
            return
        self.held.setdefault(name, {}).setdefault(key, []).append((low, high, min(count, MOST_COUNT)))
        self.number += 1
        if self.number > MOST_BINS:
            raise TraceError(f"{self.file}: has more than {MOST_BINS:,} bins of histograms, expected {EXPECTED}")

    def forget(self, name: str, key: str | None = None) -> None:
        """A map, or one key of it, is printed again."""
        old = self.held.pop(name, {}) if key is None else {key: self.held.get(name, {}).pop(key, [])}
        self.number -= sum(map(len, old.values()))

    def rows(self) -> list[tuple[str, str, int | None, int | None, int]]:
        """HISTOGRAMS."""
        return [
            (name, storable(key[:KEY_CHARACTERS]), *one)
            for name, keys in self.held.items()
            for key, bins in keys.items()
            for one in bins
        ]


def is_bpftrace(start: bytes) -> bool:
    """Whether a file that begins so is bpftrace's output, in JSON or in text.

    Parameters
    ----------
    start
        The first bytes of the file, unpacked.
    """
    lines = [line for line in start.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        return False
    if lines[0].startswith('{"type": "') or lines[0].startswith('{"type":"'):
        return True
    return re.match(r"Attach(ing|ed) \d+ probe", lines[0]) is not None or MAP_LINE.match(lines[0]) is not None


def read_histograms(path: str | Path) -> Histograms:
    """The histograms of known maps in the output of bpftrace.

    Parameters
    ----------
    path
        What ``bpftrace`` wrote, with ``-f json`` or without; plain, gzip or zstandard. A map that is printed again
        replaces what was printed before.

    Raises
    ------
    TraceError
        If the file is unreadable, or holds no map that is known.
    """
    file = Path(path)
    bins = _Bins(file)
    with open_bytes(file) as stream:
        lines = (
            line for text in whole_lines(opening(stream), stream, file, EXPECTED) for line in text.splitlines() if line
        )
        _take(lines, bins)
    if not bins.number:
        others = f"only @{', @'.join(list(bins.left_out)[:5])}"[:SHOWN] if bins.left_out else "no histogram"
        raise TraceError(f"{file}: holds {others}; expected {EXPECTED}")
    table = pl.DataFrame(bins.rows(), schema=list(HISTOGRAMS), orient="row", infer_schema_length=None)
    return Histograms(conform(table, HISTOGRAMS), tuple(bins.left_out), bins.lost_events, bins.unreadable_lines)


def _take(lines: Iterator[str], bins: _Bins) -> None:
    current: tuple[str, str] | None = None
    for line in lines:
        if line.startswith("{"):
            _json_line(line, bins)
        elif found := BIN_LINE.match(line):
            if current is not None:
                _text_bin(found, current, bins)
        elif found := MAP_LINE.match(line):
            current = (found[1], found[2] or "") if _known(found[1], bins) else None
            if current is not None:
                bins.forget(*current)
        elif found := LOST_LINE.match(line):
            bins.lost_events += int(found[1])
        elif found := COUNT_LINE.match(line):
            _known(found[1], bins)
        elif line.strip() and not line.startswith("Attach"):
            bins.unreadable_lines += 1


def _known(name: str, bins: _Bins) -> bool:
    """A name that says nothing is kept to be told."""
    if name in KNOWN_MAPS:
        return True
    bins.left_out[storable(name[:SHOWN])] = None
    return False


def _text_bin(found: re.Match[str], current: tuple[str, str], bins: _Bins) -> None:
    """A bin of text begins with `[` at its least and ends before its most; one number alone is that number."""
    low, high = _number(found[2]), _number(found[3])
    if found[3] is None:
        high = None if low is None else low + 1
    bins.add(*current, low, None if high is None else high - 1, int(found[4]))


def _number(text: str | None) -> int | None:
    if text is None or text == "...":
        return None
    digits, scale = (text[:-1], SCALES[text[-1]]) if text[-1] in SCALES else (text, 1)
    return max(min(int(digits[:19]) * scale, LARGEST), -LARGEST)


def _json_line(line: str, bins: _Bins) -> None:
    try:
        document = json.loads(line)
        kind, held = document["type"], document["data"]
        if kind == "lost_events":
            bins.lost_events += max(int(held["events"]), 0)
        if kind in ("attached_probes", "lost_events", "printf", "time", "syscall"):
            return
        for name, value in held.items():
            if _known(name.removeprefix("@"), bins) and kind in HIST_TYPES:
                _json_map(name.removeprefix("@"), value, bins)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        bins.unreadable_lines += 1


def _json_map(name: str, value: Any, bins: _Bins) -> None:  # noqa: ANN401 - any JSON
    by_key = value if isinstance(value, dict) else {"": value}
    told = [
        (str(key), _bound(one.get("min")), _bound(one.get("max")), max(int(one["count"]), 0))
        for key, held in by_key.items()
        for one in held
    ]
    bins.forget(name)
    for one in told:
        bins.add(name, *one)


def _bound(value: int | None) -> int | None:
    return None if value is None else max(min(int(value), LARGEST), -LARGEST)

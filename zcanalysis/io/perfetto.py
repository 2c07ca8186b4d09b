"""Chrome's trace event format, which the Perfetto UI opens: tracks of slices, arrows between them, counters.

The format is documented in "Trace Event Format" (chromium.org, catapult project). Its times are microseconds in
floating point, so they count from the first event here; `otherData` keeps when that was, to the nanosecond.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

Event = dict[str, Any]


class Track(NamedTuple):
    """A row of the picture."""

    process: str
    thread: str


class Slice(NamedTuple):
    """Something that took time on a track."""

    track: Track
    name: str
    from_ns: int
    to_ns: int
    args: dict[str, Any]
    flow: int | None = None
    """Slices of one flow are joined by arrows, in the order they are given."""


class Counter(NamedTuple):
    """A value at a time."""

    process: str
    name: str
    at_ns: int
    value: float


class _Numbers:
    """Numbers of processes and threads, as they come up."""

    def __init__(self) -> None:
        self.processes: dict[str, int] = {}
        self.threads: dict[Track, int] = {}

    def process(self, name: str) -> tuple[int, bool]:
        new = name not in self.processes
        return self.processes.setdefault(name, len(self.processes) + 1), new

    def thread(self, track: Track) -> tuple[int, bool]:
        new = track not in self.threads
        return self.threads.setdefault(track, len(self.threads) + 1), new


def trace_events(things: Iterable[Slice | Counter], first_ns: int) -> Iterator[Event]:
    """The events of some slices and counters, names of tracks first.

    Parameters
    ----------
    things
        In any order; the slices of one flow in that of its way.
    first_ns
        The time that becomes 0.
    """
    numbers = _Numbers()
    flowing: set[int] = set()
    for one in things:
        process, new = numbers.process(one.process if isinstance(one, Counter) else one.track.process)
        if new:
            yield _named("process_name", next(reversed(numbers.processes)), process)
        if isinstance(one, Counter):
            yield {"ph": "C", "pid": process, "name": one.name, "ts": _us(one.at_ns, first_ns), "args": {"": one.value}}
            continue
        thread, new = numbers.thread(one.track)
        if new:
            yield _named("thread_name", one.track.thread, process, thread)
            sort = {"ph": "M", "name": "thread_sort_index", "pid": process, "tid": thread}
            yield sort | {"args": {"sort_index": thread}}
        place = {"pid": process, "tid": thread, "ts": _us(one.from_ns, first_ns)}
        yield {"ph": "X", "name": one.name, "dur": _us(one.to_ns, one.from_ns), "args": one.args} | place
        if one.flow is not None:
            yield {"ph": "t" if one.flow in flowing else "s", "id": one.flow, "name": "packet", "cat": "packet"} | place
            flowing.add(one.flow)


def write_trace(file: Path, events: Iterable[Event], about: dict[str, str]) -> int:
    """Write events as one JSON document, one a line as they come; how many there were.

    Parameters
    ----------
    file
        Where.
    events
        Of `trace_events`.
    about
        Words that go with them.
    """
    written = 0
    with file.open("w", encoding="utf-8") as out:
        out.write('{"displayTimeUnit":"ns","otherData":' + json.dumps(about) + ',"traceEvents":[')
        for event in events:
            out.write(("\n" if written == 0 else ",\n") + json.dumps(event, separators=(",", ":"), allow_nan=False))
            written += 1
        out.write("\n]}\n")
    return written


def _named(what: str, name: str, process: int, thread: int = 0) -> Event:
    return {"ph": "M", "name": what, "pid": process, "tid": thread, "args": {"name": name}}


def _us(ns: int, since_ns: int) -> float:
    return (ns - since_ns) / 1000

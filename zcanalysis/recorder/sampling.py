"""Reads every counter source now and then, cheaply: raw bytes are kept, parsed only after the recording."""

import os
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from zcanalysis.recorder import kernel_text
from zcanalysis.recorder.clocks import EpochClock
from zcanalysis.recorder.kernel_text import Row
from zcanalysis.recorder.plan import Turn
from zcanalysis.recorder.processes import process_cpu_ns, sleeps_of, waited_ns
from zcanalysis.recorder.sockets import (
    ask_over,
    ask_sockets,
    dump_over,
    dump_sockets,
    moved_bytes,
    parse_sockets,
)
from zcanalysis.tables import COUNTERS, conform, polars_schema

TICK_SECONDS: Final = 0.1
DEAR_READ_NS: Final = 2_000_000
DEAR_READ_TICKS: Final = 10
MOST_ASKED: Final = 16
READ_BYTES: Final = 1 << 16


class Source(NamedTuple):
    """Where counters come from: how to read them (cheap) and how to understand them (later)."""

    name: str
    read: Callable[[], bytes]
    rows: Callable[[bytes], Iterable[Row]]
    read_again: Callable[[], bytes] | None = None
    """A cheaper way to ask for what `read` has found, where there is one."""


class Reading(NamedTuple):
    """What one source said at one moment."""

    ts_ns: int
    turn: Turn
    source: Source
    content: bytes


@dataclass(slots=True)
class Sampler:
    """Takes readings of all sources; drops sources that cannot be read and says so in `missing`."""

    clock: EpochClock
    sources: list[Source]
    missing: list[str] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    cost_ns: dict[str, int] = field(default_factory=dict)
    ticks: int = 0

    def sample(self, turn: Turn, *, everything: bool = True) -> None:
        """Read the sources once; those that take over 2 ms at every tenth tick, unless all are asked.

        Where a source has a cheaper way to be asked again, it is asked so in between.
        """
        self.ticks += 1
        dear_too = everything or self.ticks % DEAR_READ_TICKS == 0
        for source in tuple(self.sources):
            if not dear_too and source.read_again is not None:
                self._read(source, turn, source.read_again)
            elif dear_too or self.cost_ns.get(source.name, 0) < DEAR_READ_NS:
                self._read(source, turn, source.read)

    def _read(self, source: Source, turn: Turn, read: Callable[[], bytes]) -> None:
        before_ns = self.clock.now_ns()
        try:
            content = read()
        except OSError as error:
            self.sources.remove(source)
            self.missing.append(f"counters {source.name}: {error.strerror or error}")
            return
        after_ns = self.clock.now_ns()
        took_ns = after_ns - before_ns
        # the least ever: a longer one means we were preempted, not that the source is dear
        self.cost_ns[source.name] = min(self.cost_ns.get(source.name, took_ns), took_ns)
        self.readings.append(Reading((before_ns + after_ns) // 2, turn, source, content))

    def keep_sampling(self, turn: Turn, until_ns: int, stop: Callable[[], bool]) -> None:
        """Sample every 0.1 s until `until_ns` (epoch), or until `stop` says so at a tick."""
        tick_ns = int(TICK_SECONDS * 1e9)
        next_ns = self.clock.now_ns() + tick_ns
        while next_ns < until_ns and not stop():
            time.sleep(max(next_ns - self.clock.now_ns(), 0) / 1e9)
            self.sample(turn, everything=False)
            next_ns = max(next_ns + tick_ns, self.clock.now_ns())
        if not stop():
            time.sleep(max(until_ns - self.clock.now_ns(), 0) / 1e9)


def counters_table(readings: Iterable[Reading]) -> pl.DataFrame:
    """All readings in long form (schema COUNTERS), sorted by time, without interrupts that never came."""
    rows = [
        (reading.ts_ns, *reading.turn, reading.source.name, instance, counter, _signed(value))
        for reading in readings
        for instance, counter, value in reading.source.rows(reading.content)
    ]
    table = pl.DataFrame(rows, schema=polars_schema(COUNTERS), orient="row")
    silent = pl.col("source").is_in(["irq", "softirqs"]) & (
        pl.col("value").max().over("source", "instance", "counter") == 0
    )
    return conform(table.filter(~silent).sort("ts_ns", maintain_order=True), COUNTERS)


def _signed(value: int) -> int:
    """A counter as 64 bits with sign: drivers let some of theirs run below 0.

    Examples
    --------
    >>> _signed(7), _signed(2**64 - 1)
    (7, -1)
    """
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def default_sources(addresses: Collection[str] | None, pids: Collection[int]) -> list[Source]:
    """Every source of this machine.

    Parameters
    ----------
    addresses
        Local addresses whose TCP sockets are wanted; empty for all of the namespace, None for no sockets.
    pids
        Processes whose CPU time and sleeps are wanted; may grow while the recording runs.
    """
    net = Path("/proc/self/net")
    return [
        _text_source("netdev", net / "dev", kernel_text.netdev_rows),
        *([] if addresses is None else [_socket_source(addresses)]),
        Source("cpuidle", _idle_reader(), _decoded(kernel_text.triple_rows)),
        Source("process", lambda: _process_text(pids), _decoded(kernel_text.triple_rows)),
        _text_source("softnet", net / "softnet_stat", kernel_text.softnet_rows),
        _text_source("irq", Path("/proc/interrupts"), kernel_text.interrupt_rows),
        _text_source("softirqs", Path("/proc/softirqs"), kernel_text.softirq_rows),
        _text_source("snmp", net / "snmp", kernel_text.protocol_rows),
        _text_source("snmp6", net / "snmp6", kernel_text.protocol6_rows),
        _text_source("netstat", net / "netstat", kernel_text.protocol_rows),
        _text_source("stat", Path("/proc/stat"), kernel_text.steal_rows),
        _text_source("psi", Path("/proc/pressure/cpu"), kernel_text.pressure_rows),
    ]


def _text_source(name: str, path: Path, rows: Callable[[str], Iterable[Row]]) -> Source:
    return Source(name, lambda: read_whole(path), _decoded(rows))


def _decoded(rows: Callable[[str], Iterable[Row]]) -> Callable[[bytes], Iterable[Row]]:
    return lambda content: rows(content.decode(errors="replace"))


def read_whole(path: Path | str) -> bytes:
    """A file of /proc or /sys, with as few system calls as it takes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = [os.read(descriptor, READ_BYTES)]
        while parts[-1]:
            parts.append(os.read(descriptor, READ_BYTES))
        return b"".join(parts)
    finally:
        os.close(descriptor)


def sender_source(netlink: socket.socket) -> Source:
    """The connections of a sender on this machine whose namespace another netlink socket asks about.

    Parameters
    ----------
    netlink
        As `zcanalysis.recorder.sender_sockets` makes it; stays open as long as the source is read.
    """
    return _socket_source((), "sender_socket", lambda: dump_over(netlink), lambda loud: ask_over(netlink, loud))


def _socket_source(
    addresses: Collection[str],
    name: str = "socket",
    dump_all: Callable[[], bytes] = dump_sockets,
    ask: Callable[[list[bytes]], bytes] = ask_sockets,
) -> Source:
    """All connections of the addresses; between two looks at all, those that moved most since the last."""
    loud: list[bytes] = []
    before: dict[bytes, int] = {}

    def read() -> bytes:
        dump = dump_all()
        moved = {s.identity: moved_bytes(s) for s in parse_sockets(dump) if not addresses or s.local in addresses}
        grown = {identity: count - before.get(identity, 0) for identity, count in moved.items()}
        loud[:] = sorted(grown, key=lambda identity: grown[identity], reverse=True)[:MOST_ASKED]
        before.clear()
        before.update(moved)
        return dump

    return Source(name, read, lambda dump: _socket_rows(dump, addresses), lambda: ask(loud))


def _socket_rows(dump: bytes, addresses: Collection[str]) -> Iterator[Row]:
    for connection in parse_sockets(dump):
        if not addresses or connection.local in addresses:
            for counter, value in connection.counters.items():
                yield connection.name, counter, value


def _process_text(pids: Collection[int]) -> bytes:
    followed = tuple(pids)
    clocks = ((pid, "cpu_ns", process_cpu_ns(pid)) for pid in followed)
    sleeps = ((pid, "sleeps", sleeps_of(pid)) for pid in followed)
    waits = ((pid, "cpu_wait_ns", waited_ns(pid)) for pid in followed)
    told = (f"{pid} {counter} {value}" for pid, counter, value in chain(clocks, sleeps, waits) if value is not None)
    return "\n".join(told).encode()


def _idle_reader() -> Callable[[], bytes]:
    """Reads time and entries of all idle states per CPU; the kernel books a stay only when it ends."""
    states: dict[str, list[str]] = {}
    for state in sorted(Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpuidle/state[0-9]*")):
        states.setdefault(state.parents[1].name, []).append(str(state))

    def read() -> bytes:
        if not states:
            raise OSError("no /sys/devices/system/cpu/cpu*/cpuidle: busy time will come from samples only")
        lines = []
        for cpu, directories in states.items():
            idle_us = sum(int(read_whole(f"{directory}/time")) for directory in directories)
            entries = sum(int(read_whole(f"{directory}/usage")) for directory in directories)
            lines += [f"{cpu} idle_ns {idle_us * 1000}", f"{cpu} entries {entries}"]
        return "\n".join(lines).encode()

    return read

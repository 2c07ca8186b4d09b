"""One thread wakes another, a few thousand times: raw times of sending, of arriving, and of what was interrupted.

Threads of one process, each pinned to a CPU, tell each other by eventfd. A round is one set of all of them in one
direction; `ping_prices` turns rounds into prices. What was really exercised is read from /proc/interrupts (CAL, RES)
and cpuidle, not believed: a round that did something else is thrown away there.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from zcanalysis.errors import HostError
from zcanalysis.lab.native import Integers, clock_costs, native, now_ns, read_from, system_call, write_to
from zcanalysis.recorder.kernel_text import interrupt_rows

PINGS: Final = 1000
GAPS_NS: Final = (20_000, 100_000, 300_000)
"""How long the woken one has slept: what lies between two batches of a transfer."""
SETTLE_SECONDS: Final = 0.005
PATIENCE_SECONDS: Final = 20.0
MEMBARRIER: Final = {"x86_64": 324, "aarch64": 283}  # asm/unistd_64.h, asm-generic/unistd.h
REGISTER_EXPEDITED: Final = 16  # MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, linux/membarrier.h
EXPEDITED: Final = 8
BETWEEN: Final = ("CAL", "RES")  # function calls and rescheduling
WOKEN, STOP = 0, 8  # on two lines of cache
EIGHT_BYTES: Final = 8


class Woken(NamedTuple):
    """Pings of another CPU: medians, and what the kernel counted there for each ping."""

    write_ns: float
    """Of the system call that wakes."""
    latency_ns: float
    """From before that call until the woken thread is back from its own."""
    interrupts: float
    idle_exits: float


class PingRound(NamedTuple):
    """Medians of one round, clock reading taken off."""

    gap_ns: int
    write_ns: float
    """A write that nobody waits for."""
    read_ns: float
    """A read that need not wait."""
    same_cpu_write_ns: float
    """A write that wakes a thread of the same CPU, which does not preempt."""
    switch_ns: float
    """From the end of that write until the woken thread is back from its read: the writer went to sleep meanwhile."""
    overtaken: float
    """What part of those the woken thread preempted after all, or was not asleep."""
    to_idle: Woken
    to_busy: Woken
    lost_ns: float
    """What a computing thread lost to each interrupt."""
    lost_interrupts: float
    """Interrupts that the kernel counted for each that was asked for."""


@native
def _unwaited(reads: bool, fd: int, costs_ns: Integers) -> None:
    """Reads, or writes, of a semaphore: the reads of one that has enough."""
    one, scratch = np.ones(1, np.int64), np.zeros(2, np.int64)
    for at in range(len(costs_ns)):
        before = now_ns(scratch)
        if reads:
            read_from(fd, one.ctypes.data, EIGHT_BYTES)
        else:
            write_to(fd, one.ctypes.data, EIGHT_BYTES)
        costs_ns[at] = now_ns(scratch) - before


@native
def _wake_another_cpu(fd: int, gap_ns: int, shared: Integers, sent_ns: Integers, costs_ns: Integers) -> None:
    one, scratch = np.ones(1, np.int64), np.zeros(2, np.int64)
    for at in range(len(sent_ns)):
        while shared[WOKEN] < at:
            now_ns(scratch)
        until = now_ns(scratch) + gap_ns
        while now_ns(scratch) < until:
            pass
        sent_ns[at] = now_ns(scratch)
        write_to(fd, one.ctypes.data, EIGHT_BYTES)
        costs_ns[at] = now_ns(scratch) - sent_ns[at]


@native
def _be_woken(fd: int, shared: Integers, woken_ns: Integers) -> None:
    held, scratch = np.zeros(1, np.int64), np.zeros(2, np.int64)
    for at in range(len(woken_ns)):
        read_from(fd, held.ctypes.data, EIGHT_BYTES)
        woken_ns[at] = now_ns(scratch)
        shared[WOKEN] = at + 1


@native
def _wake_own_cpu(there: int, back: int, sent_ns: Integers, costs_ns: Integers) -> None:
    one, held, scratch = np.ones(1, np.int64), np.zeros(1, np.int64), np.zeros(2, np.int64)
    for at in range(len(sent_ns)):
        sent_ns[at] = now_ns(scratch)
        write_to(there, one.ctypes.data, EIGHT_BYTES)
        costs_ns[at] = now_ns(scratch) - sent_ns[at]
        read_from(back, held.ctypes.data, EIGHT_BYTES)


@native
def _answer(there: int, back: int, woken_ns: Integers) -> None:
    one, held, scratch = np.ones(1, np.int64), np.zeros(1, np.int64), np.zeros(2, np.int64)
    for at in range(len(woken_ns)):
        read_from(there, held.ctypes.data, EIGHT_BYTES)
        woken_ns[at] = now_ns(scratch)
        write_to(back, one.ctypes.data, EIGHT_BYTES)


@native
def _compute(shared: Integers, turns: Integers) -> None:
    scratch = np.zeros(2, np.int64)
    while shared[STOP] == 0:
        now_ns(scratch)  # else nobody would look at shared again
        turns[0] += 1


@native
def _membarriers(call: int, command: int, count: int) -> None:
    for _ in range(count):
        system_call(call, command, 0, 0)


class _Counts(NamedTuple):
    interrupts: int
    idle_exits: int


def _counted(cpu: int) -> _Counts:
    rows = interrupt_rows(Path("/proc/interrupts").read_text())
    interrupts = sum(count for instance, name, count in rows if instance == f"cpu{cpu}" and name in BETWEEN)
    states = Path(f"/sys/devices/system/cpu/cpu{cpu}/cpuidle").glob("state[0-9]*/usage")
    return _Counts(interrupts, sum(int(state.read_text()) for state in states))


def _thread(cpu: int, policy: int, run: Callable[..., Any], *arguments: Any) -> threading.Thread:  # noqa: ANN401
    def body() -> None:
        os.sched_setaffinity(0, {cpu})
        os.sched_setscheduler(0, policy, os.sched_param(0))
        run(*arguments)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    return thread


def _joined(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        if thread.is_alive():
            raise HostError(f"a thread did not answer its pings within {PATIENCE_SECONDS:.0f} s")


def _median(times_ns: Integers) -> float:
    return float(np.median(times_ns))


def _zeros(count: int = PINGS) -> Integers:
    return np.zeros(count, np.int64)


def _unwoken() -> tuple[float, float]:
    """Write and read without anybody who waits."""
    fd = os.eventfd(0, os.EFD_SEMAPHORE)
    writes_ns, reads_ns = _zeros(), _zeros()
    for reads, costs_ns in ((False, writes_ns), (True, reads_ns)):
        _unwaited(reads, fd, costs_ns)
    os.close(fd)
    return _median(writes_ns), _median(reads_ns)


def _to_another(cpu: int, gap_ns: int, *, busy: bool) -> Woken:
    """Wake a thread of another CPU, which sleeps or computes for nobody meanwhile."""
    fd, shared = os.eventfd(0), _zeros(2 * STOP)
    sent_ns, costs_ns, woken_ns = _zeros(), _zeros(), _zeros()
    beside = [_thread(cpu, os.SCHED_IDLE, _compute, shared, _zeros(1))] if busy else []
    waiter = _thread(cpu, os.SCHED_OTHER, _be_woken, fd, shared, woken_ns)
    time.sleep(SETTLE_SECONDS)
    before = _counted(cpu)
    _wake_another_cpu(fd, gap_ns, shared, sent_ns, costs_ns)
    _joined(waiter)
    after = _counted(cpu)
    shared[STOP] = 1
    _joined(*beside)
    os.close(fd)
    interrupts, idle_exits = ((now - then) / PINGS for now, then in zip(after, before, strict=True))
    return Woken(_median(costs_ns), _median(woken_ns - sent_ns), interrupts, idle_exits)


def _on_own(cpu: int) -> tuple[float, float, float]:
    """Wake a thread of the same CPU: two of SCHED_BATCH do not preempt each other."""
    there, back = os.eventfd(0), os.eventfd(0)
    sent_ns, costs_ns, woken_ns = _zeros(), _zeros(), _zeros()
    answering = _thread(cpu, os.SCHED_BATCH, _answer, there, back, woken_ns)
    asking = _thread(cpu, os.SCHED_BATCH, _wake_own_cpu, there, back, sent_ns, costs_ns)
    _joined(asking, answering)
    os.close(there)
    os.close(back)
    asleep_ns = woken_ns - sent_ns - costs_ns
    return _median(costs_ns), _median(asleep_ns), float(np.mean(asleep_ns < 0))


def _lost(cpu: int, call: int) -> tuple[float, float]:
    """What a thread that computes loses to each interrupt that a membarrier sends it."""
    shared, turns = _zeros(2 * STOP), _zeros(1)
    thread = _thread(cpu, os.SCHED_OTHER, _compute, shared, turns)
    time.sleep(SETTLE_SECONDS)
    rates, counted = [], 0
    for count in (0, PINGS, 0):
        before, turn, from_ns = _counted(cpu), int(turns[0]), time.monotonic_ns()
        _membarriers(call, EXPEDITED, count) if count else time.sleep(2 * SETTLE_SECONDS)
        elapsed_ns, done = time.monotonic_ns() - from_ns, int(turns[0]) - turn
        rates.append((done, elapsed_ns))
        counted += _counted(cpu).interrupts - before.interrupts if count else 0
    shared[STOP] = 1
    _joined(thread)
    (first, first_ns), (done, elapsed_ns), (last, last_ns) = rates
    if not first + last:
        raise HostError(
            f"a thread on CPU {cpu} got no time for {first_ns + last_ns} ns: another process keeps that CPU"
        )
    alone = (first + last) / (first_ns + last_ns)
    return (elapsed_ns - done / alone) / PINGS, counted / PINGS


def ping_round(here: int, there: int, gap_ns: int) -> PingRound:
    """One round from a CPU to another.

    Parameters
    ----------
    here, there
        The two CPUs; this thread moves to the first.
    gap_ns
        How long the woken one sleeps before.

    Raises
    ------
    HostError
        If a thread does not answer, or this machine's number of the membarrier call is not known.
    """
    machine = os.uname().machine
    if machine not in MEMBARRIER:
        raise HostError(f"no number of the membarrier call is known for {machine}")
    call = MEMBARRIER[machine]
    os.sched_setaffinity(0, {here})
    _membarriers(call, REGISTER_EXPEDITED, 1)
    clock_ns = _zeros()
    clock_costs(clock_ns)
    own = _median(clock_ns)
    write_ns, read_ns = _unwoken()
    same_ns, switch_ns, overtaken = _on_own(here)
    idle, busy = (_to_another(there, gap_ns, busy=busy) for busy in (False, True))
    lost_ns, counted = _lost(there, call)
    return PingRound(
        gap_ns=gap_ns, write_ns=write_ns - own, read_ns=read_ns - own, same_cpu_write_ns=same_ns - own,
        switch_ns=switch_ns - own, overtaken=overtaken, to_idle=_less(idle, own), to_busy=_less(busy, own),
        lost_ns=lost_ns, lost_interrupts=counted,
    )  # fmt: skip


def _less(woken: Woken, clock_ns: float) -> Woken:
    return woken._replace(write_ns=woken.write_ns - clock_ns, latency_ns=woken.latency_ns - clock_ns)

"""Packets replayed a second: open loop and closed loop on one core beside SimPy, and a thousand hosts on all cores.

Run as ``python -m tests.bench.replays``. Rates on one core are per second of CPU time, medians of several rounds; those
on all cores are by the clock on the wall. SimPy runs the same model in the same process: its results must be equal to
the nanosecond, how much longer it takes is printed.
"""
# ruff: noqa: T201 - a benchmark prints

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import numpy as np
import simpy

from tests.bench.history import note
from tests.model.linux6_hosts import free as linux_6_host
from tests.model.simpy_linux6 import simulate
from tests.model.simpy_linux24 import simulated
from tests.model.test_linux6 import OTHER_MACHINE, VETH
from tests.model.test_linux24 import host, some_hosts
from tests.model.test_path import linux_6
from zcanalysis.model import linux6
from zcanalysis.model.arrays import Nanoseconds
from zcanalysis.model.backlog import Backlog, through_backlog
from zcanalysis.model.copy import Copy, through_copy
from zcanalysis.model.dma import Bus, crossing_ns, dma_departure_ns
from zcanalysis.model.interrupt import InterruptPrice, Moderation, handler_departure_ns, moderated
from zcanalysis.model.link import Link, link_departure_ns, serialisation_ns
from zcanalysis.model.linux24 import Linux24, replay, replay_summaries
from zcanalysis.model.queueing import fifo_departure_ns

ROUNDS: Final = 7
SIMPY_PACKETS: Final = 4000
OPEN_PACKETS: Final = 10_000
OPEN_CALLS: Final = 50
HOSTS: Final = 1000
PACKETS: Final = 100_000
LINK: Final = Link(gbits_per_s=10, mtu_bytes=9000)
BUS: Final = Bus(gbytes_per_s=8, burst_bytes=256, burst_ns=1)
SOFTIRQ_NS: Final = 900
COPY_PS_PER_BYTE: Final = 400


class Rate(NamedTuple):
    """Packets a second of CPU time, and what the last round found."""

    packets_per_s: float
    found: Any


class Case(NamedTuple):
    """One host and what is typical of it."""

    name: str
    host: Linux24


CASES: Final = (
    Case("a reader that sleeps before each segment", host()),
    Case("a sender faster than the receiver", host(sender_packet_ns=0, window_bytes=40_000)),
    Case("a polling reader", host(reader="polling", sender_packet_ns=0, window_bytes=40_000)),
    Case("the Kleen patch", host(sender_packet_ns=0, hardware_checksum="verified", kleen_bypass=True)),
)


LINUX_6: Final[dict[str, dict[str, Any]]] = {
    "veth, softirqs on the reader's CPU": {"protocol_cpu": 1},
    "veth with GRO": {"driver_cpu": 0, "gro_bytes": 65536},
    "veth, a busy process beside the reader": {"protocol_cpu": 1, "hogs": 1},
    "a device, 25 Gbit/s": OTHER_MACHINE,
}


def main() -> None:
    """Print every comparison; fail if results differ, never because of time."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        print(f"\nopen loop, one core; load {os.getloadavg()[0]:.1f}")
        open_loop()
        print(f"\nclosed loop with its critical path, one core; load {os.getloadavg()[0]:.1f}")
        closed_loop()
        print(f"\nclosed loop of several CPUs with its critical path, one core; load {os.getloadavg()[0]:.1f}")
        closed_loop_of_several_cpus()
    finally:
        os.sched_setaffinity(0, cores)
    print(f"\n{HOSTS:,} hosts x {PACKETS:,} packets in one call; load {os.getloadavg()[0]:.1f}")
    subprocess.run([sys.executable, "-c", "from tests.bench.replays import many_hosts; many_hosts()"], check=True)


def rate(way: Callable[[], Any], packets: int, rounds: int = ROUNDS) -> Rate:
    """The median of some rounds, after one that warms up."""
    seconds = []
    for _ in range(rounds + 1):
        start = time.process_time()
        found = way()
        seconds.append(time.process_time() - start)
    return Rate(packets / median(seconds[1:] or seconds), found)


def traffic(packets: int) -> tuple[Nanoseconds, Nanoseconds]:
    """Times and sizes, the same every time: mostly full packets, four fifths of the link."""
    random = np.random.default_rng(2002)
    return np.cumsum(random.integers(0, 4000, packets)), random.choice([1500, 1500, 1500, 600, 9000], packets)


def fifo_path(sent_ns: Nanoseconds, l3_bytes: Nanoseconds) -> Nanoseconds:
    """Link, bus, softirq and reader, one behind the other."""
    in_memory_ns = dma_departure_ns(link_departure_ns(sent_ns, l3_bytes, LINK), l3_bytes, BUS)
    queued_ns = fifo_departure_ns(in_memory_ns, np.full_like(l3_bytes, SOFTIRQ_NS))
    return fifo_departure_ns(queued_ns, l3_bytes * COPY_PS_PER_BYTE // 1000)


def linux_2_4(sent_ns: Nanoseconds, l3_bytes: Nanoseconds) -> Nanoseconds:
    """Link, moderated interrupts, the backlog with its throttle, and a copy that knows the cache."""
    wire_ns = link_departure_ns(sent_ns, l3_bytes, LINK)
    handled_ns = handler_departure_ns(moderated(wire_ns, Moderation(timer_ns=20_000, packets=16)), InterruptPrice())
    taken = through_backlog(handled_ns, np.full_like(l3_bytes, SOFTIRQ_NS), Backlog())
    copy = Copy(near_gbytes_per_s=3, far_gbytes_per_s=2, cache_bytes=100_000)
    return through_copy(taken.departure_ns, l3_bytes - 52, copy).departure_ns


def fifo_path_in_simpy(sent_ns: Nanoseconds, l3_bytes: Nanoseconds) -> list[int]:
    """The same four servers as processes with queues between them."""
    env = simpy.Environment()
    prices = [serialisation_ns(l3_bytes, LINK), crossing_ns(l3_bytes, BUS)]
    prices += [np.full_like(l3_bytes, SOFTIRQ_NS), l3_bytes * COPY_PS_PER_BYTE // 1000]
    queues = [simpy.Store(env) for _ in range(len(prices) + 1)]
    departures: list[int] = []

    def sender() -> Any:
        for packet, at_ns in enumerate(sent_ns.tolist()):
            yield env.timeout(at_ns - env.now)
            queues[0].put(packet)

    def server(services: list[int], inbox: simpy.Store, outbox: simpy.Store) -> Any:
        while True:
            packet = yield inbox.get()
            yield env.timeout(services[packet])
            if outbox is queues[-1]:
                departures.append(int(env.now))
            else:
                outbox.put(packet)

    env.process(sender())
    for place, service_ns in enumerate(prices):
        env.process(server(service_ns.tolist(), queues[place], queues[place + 1]))
    env.run()
    return departures


def open_loop() -> None:
    """Three paths, the first beside SimPy."""
    few = traffic(SIMPY_PACKETS)
    peer = rate(lambda: fifo_path_in_simpy(*few), SIMPY_PACKETS, 1)
    assert fifo_path(*few).tolist() == peer.found
    print(f"{'SimPy: link, bus, softirq, reader':45} {peer.packets_per_s / 1e6:8.3f} M packets/s")
    some = traffic(OPEN_PACKETS)
    paths: dict[str, Callable[[], Any]] = {
        "link, bus, softirq, reader": lambda: fifo_path(*some),
        "linux-2.4: link, interrupts, backlog, copy": lambda: linux_2_4(*some),
        "linux-6: link, bus, NAPI, GRO, copy, ACKs": lambda: linux_6(*some, slow=1),
    }
    for name, path in paths.items():
        ours = rate(lambda path=path: [path() for _ in range(OPEN_CALLS)], OPEN_CALLS * OPEN_PACKETS)
        times = ""
        if name == next(iter(paths)):  # what SimPy ran too
            ratio = ours.packets_per_s / peer.packets_per_s
            times = f", {ratio:,.0f} times SimPy"
            note(f"open loop, {name}: over SimPy", ratio)
        print(f"{name:45} {ours.packets_per_s / 1e6:8.1f} M packets/s{times}")
    print("departures equal those of SimPy to the nanosecond")


def closed_loop() -> None:
    """Each case beside SimPy, and many different hosts."""
    for case in CASES:
        peer = rate(lambda case=case: simulated(case.host, SIMPY_PACKETS), SIMPY_PACKETS, 1)
        (rows,) = replay([case.host], SIMPY_PACKETS).packets
        for name in ("softirq_ns", "copied_ns", "acked_ns"):
            assert rows[name].tolist() == [getattr(segment, name) for segment in peer.found.segments], case.name
        ours = rate(lambda case=case: replay_summaries([case.host] * 10, PACKETS), 10 * PACKETS, 3)
        speed = f"{ours.packets_per_s / 1e6:6.1f} M packet-scenarios/s, SimPy {peer.packets_per_s / 1e6:.3f}"
        ratio = ours.packets_per_s / peer.packets_per_s
        note(f"closed loop, {case.name}: over SimPy", ratio)
        print(f"{case.name:45} {speed}: {ratio:,.0f} times")
    ours = rate(lambda: replay_summaries(some_hosts(100), PACKETS // 10), 10 * PACKETS, 3)
    print(f"{'100 random hosts':45} {ours.packets_per_s / 1e6:6.1f} M packet-scenarios/s")
    print("softirq, copy and ACK of every packet equal those of SimPy to the nanosecond")


def closed_loop_of_several_cpus() -> None:
    """linux-6: each case beside SimPy, with prices as on veth."""
    for name, changes in LINUX_6.items():
        one = linux_6_host(**VETH | changes)
        peer = rate(lambda one=one: simulate(one, SIMPY_PACKETS), SIMPY_PACKETS, 1)
        found = linux6.replay([one], SIMPY_PACKETS)
        assert int(found.elapsed_ns[0]) == peer.found.env.now, name
        assert found.busy_ns[0].tolist() == peer.found.busy_ns(), name
        ours = rate(lambda one=one: linux6.replay([one] * 10, PACKETS), 10 * PACKETS, 3)
        assert ours.found.path_ns.sum(axis=1).tolist() == ours.found.elapsed_ns.tolist()
        speed = f"{ours.packets_per_s / 1e6:6.1f} M packet-scenarios/s, SimPy {peer.packets_per_s / 1e6:.3f}"
        ratio = ours.packets_per_s / peer.packets_per_s
        note(f"closed loop of several CPUs, {name}: over SimPy", ratio)
        print(f"{name:45} {speed}: {ratio:,.0f} times")
    print(
        "elapsed time and busy time of each CPU equal those of SimPy to the nanosecond; paths sum to the elapsed time"
    )


def many_hosts() -> None:
    """All cores, progress as it comes, peak memory; in a process of its own."""
    hosts = some_hosts(HOSTS)
    replay_summaries(hosts[:1], 10)  # loads the machine code
    before = peak_mb()
    start = time.perf_counter()
    found = replay_summaries(hosts, PACKETS, told_every_tenth())
    seconds = time.perf_counter() - start
    assert found.path_ns.sum(axis=1).tolist() == found.elapsed_ns.tolist()
    more_mb = peak_mb() - before
    alone = replay(hosts[-1:], PACKETS)
    assert (alone.elapsed_ns[0], alone.path_ns[0].tolist()) == (found.elapsed_ns[-1], found.path_ns[-1].tolist())
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores: {seconds:.1f} s, {HOSTS * PACKETS / seconds / 1e6:.1f} M packet-scenarios/s")
    print(f"peak memory {before + more_mb:,.0f} MB, of which {more_mb:,.0f} MB for the replay")
    print("paths sum to the elapsed times; the last host is as it is alone")


def told_every_tenth() -> Callable[[int, int], None]:
    """A progress that prints ten times."""
    told = {0}

    def progress(done: int, total: int) -> None:
        if (tenth := 10 * done // total) not in told:
            told.add(tenth)
            print(f"{done:,} of {total:,} hosts", file=sys.stderr)

    return progress


def peak_mb() -> float:
    """The most memory this process has had, in 2**20 bytes."""
    return int(re.findall(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[0]) / 1024


if __name__ == "__main__":
    main()

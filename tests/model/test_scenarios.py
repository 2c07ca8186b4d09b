"""Many hosts through one loop: each alone, in order, in a workspace that is used again; and an end by Ctrl-C."""

import os
import signal
import threading
import tracemalloc
from functools import partial

import numpy as np
import pytest

from tests.model.test_linux24 import host, some_hosts
from zcanalysis.model import linux24_rules as rules
from zcanalysis.model import scenarios
from zcanalysis.model.linux24 import LOOP, STAGES, Summaries, replay, replay_summaries
from zcanalysis.model.scenarios import Loop, Scenarios, journeys, outcomes

HOST = np.dtype([("service_ns", np.int64)])
STATE = np.dtype([("elapsed_ns", np.int64)])
NODE = np.dtype([("end", np.int64)])
PACKET = np.dtype([("departure_ns", np.int64)])


def served(seen, hosts, states, nodes, packets, *path):
    """One server, all packets there at 0; a price below 0 hangs."""
    path_ns, path_uses = path
    for at in range(hosts.size):
        seen.append((threading.get_ident(), nodes.ctypes.data, packets.shape))
        service_ns = hosts[at]["service_ns"]
        if service_ns < 0:
            return at
        rows = packets[at % packets.shape[0]]
        rows["departure_ns"] = service_ns * (1 + np.arange(rows.size))
        states[at]["elapsed_ns"] = path_ns[at, 0] = service_ns * rows.size
        path_uses[at, 0] = rows.size
    return hosts.size


def server(seen=None) -> Loop:
    return Loop(("server",), STATE, NODE, PACKET, partial(served, [] if seen is None else seen))


def with_services(*services_ns, packets=3) -> Scenarios:
    return Scenarios(np.array([(ns,) for ns in services_ns], HOST), packets, nodes=5, rows=packets)


def test_each_host_has_its_own_outcome_in_the_order_asked_for():
    found = outcomes(server(), with_services(10, 20, 5))
    assert found.states["elapsed_ns"].tolist() == [30, 60, 15]
    assert found.path_ns.tolist() == [[30], [60], [15]]
    assert found.path_uses.tolist() == [[3], [3], [3]]


def test_journeys_are_kept_for_every_host():
    packets, found = journeys(server(), with_services(10, 20))
    assert packets["departure_ns"].tolist() == [[10, 20, 30], [20, 40, 60]]
    assert found.states["elapsed_ns"].tolist() == [30, 60]


def test_a_workspace_serves_one_host_after_the_other():
    seen = []
    outcomes(server(seen), with_services(*range(40), packets=150_000))
    assert len(seen) == 40
    assert len({place for _, place, _ in seen}) <= len(os.sched_getaffinity(0))
    assert {shape for *_, shape in seen} == {(1, 150_000)}


def test_every_cpu_has_a_worker():
    cpus = len(os.sched_getaffinity(0))
    together = threading.Barrier(cpus, timeout=10)  # breaks unless as many hosts are in work at a time

    def waits_for_the_others(hosts, *_):
        together.wait()
        return hosts.size

    outcomes(server()._replace(replay_hosts=waits_for_the_others), with_services(*[1] * cpus, packets=200_000))


def test_progress_is_told_until_all_are_done():
    told = []
    outcomes(server(), with_services(*range(5), packets=200_000), lambda *counts: told.append(counts))
    assert [total for _, total in told] == [5] * len(told)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (5, 5)


def test_no_hosts_are_no_trouble():
    assert outcomes(server(), with_services()).path_ns.shape == (0, 1)


def test_a_host_that_hangs_is_named():
    with pytest.raises(RuntimeError, match="host 2: no event is left before its last byte is copied"):
        outcomes(server(), with_services(1, 1, -1, 1))
    with pytest.raises(RuntimeError, match="host 2: no event"):
        outcomes(server(), with_services(1, 1, -1, 1, packets=200_000))


def test_an_error_in_the_loop_is_the_callers():
    def breaks(*_):
        raise MemoryError

    with pytest.raises(MemoryError):
        outcomes(server()._replace(replay_hosts=breaks), with_services(*[1] * 100, packets=200_000))


def test_an_error_in_progress_ends_the_call_early():
    seen = []

    def give_up(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outcomes(server(seen), with_services(*[1] * 1000, packets=200_000), give_up)
    assert len(seen) < 1000


def test_ctrl_c_ends_a_replay_between_two_hosts():
    told = []

    def press_ctrl_c_once(done, total):
        if not told:
            threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
        told.append(done)

    with pytest.raises(KeyboardInterrupt):
        replay_summaries([host()] * 3000, 100_000, press_ctrl_c_once)
    assert told[-1] < 3000


def test_summaries_are_the_replay_without_its_packets():
    hosts = some_hosts(60)
    kept, found = replay(hosts, 500), replay_summaries(hosts, 500)
    for name in Summaries._fields:
        assert np.array_equal(getattr(kept, name), getattr(found, name)), name


def test_memory_grows_with_the_hosts_by_their_states_and_paths_only():
    replay_summaries([host()], 10)  # loads the machine code
    peaks = []
    for count in (1000, 4000):  # both enough for a workspace a CPU
        hosts = [host()] * count
        tracemalloc.start()
        replay_summaries(hosts, 2000)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    each_bytes = LOOP.state.itemsize + rules.HOST.itemsize + 2 * 8 * len(STAGES)
    journey_bytes = 2000 * LOOP.packet.itemsize
    assert (peaks[1] - peaks[0]) / 3000 < 2 * each_bytes < journey_bytes / 20


def test_chunks_do_not_change_what_is_found(monkeypatch):
    hosts = some_hosts(60)
    expected = replay_summaries(hosts, 300)
    monkeypatch.setattr(scenarios, "CHUNK_PACKETS", 700)
    for name, values in replay_summaries(hosts, 300)._asdict().items():
        assert np.array_equal(values, getattr(expected, name)), name

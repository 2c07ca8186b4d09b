"""Any number of hosts through one compiled loop, side by side on the CPUs there are, in memory that can be foretold.

A closed-loop model brings its `Loop`; what it keeps of a host are its state and its critical path. Rows of packets and
nodes are a worker's workspace, used again for host after host, unless the caller wants the journeys.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from zcanalysis.model.arrays import Nanoseconds

Records: TypeAlias = npt.NDArray[np.void]
Counts: TypeAlias = npt.NDArray[np.int64]
Progress: TypeAlias = Callable[[int, int], None]

CHUNK_PACKETS: Final = 200_000  # what a worker does between two looks at Ctrl-C and progress, unless one host is more


class Loop(NamedTuple):
    """A model of one host, compiled for many."""

    stages: tuple[str, ...]
    """What its critical path is made of."""
    state: np.dtype[np.void]
    """One row a host: counters and all else that it leaves behind."""
    node: np.dtype[np.void]
    packet: np.dtype[np.void]
    replay_hosts: Callable[..., int]
    """``(hosts, states, nodes, packets, path_ns, path_uses)``: replays hosts one by one, holding no lock of Python,
    and says how many were done before one hung. The states and the path come in as zeros; nodes and packets are as the
    host before left them. ``packets`` has one row of rows a host, or one that serves each:
    ``packets[at % packets.shape[0]]``."""


class Scenarios(NamedTuple):
    """What is to be replayed, and the room it takes."""

    hosts: Records
    """Shape (hosts,). Prices and switches, as the loop knows them."""
    packets: int
    """Packets of each host."""
    nodes: int
    """Rows of `Loop.node` that the busiest host needs."""
    rows: int
    """Rows of `Loop.packet` that a host needs if its journeys are not kept: `packets`, or fewer in a ring."""


class Outcome(NamedTuple):
    """What is left of each host."""

    states: Records
    """Shape (hosts,)."""
    path_ns: Nanoseconds
    """Shape (hosts, stages). Time of the critical path by stage."""
    path_uses: Counts
    """Shape (hosts, stages). How often the critical path pays each stage."""


def outcomes(loop: Loop, scenarios: Scenarios, progress: Progress | None = None) -> Outcome:
    """What is left of each host, without its packets' journeys.

    Parameters
    ----------
    loop, scenarios
        The model and its hosts.
    progress
        Called in the caller's thread with hosts done and hosts there are, whenever some are done.

    Notes
    -----
    Memory: a state and two rows of the path a host, and the workspace (`Scenarios.nodes`, `Scenarios.rows`) once a CPU.
    Ctrl-C, and an error in `progress`, end the call when each worker is through with the hosts that it has in hand:
    `CHUNK_PACKETS`, or one host.
    """
    return _outcomes(loop, scenarios, None, progress)


def journeys(loop: Loop, scenarios: Scenarios) -> tuple[Records, Outcome]:
    """Every packet of every host, shape (hosts, packets) of `Loop.packet`, and what else is left.

    Parameters
    ----------
    loop, scenarios
        The model and its hosts; memory grows with both.
    """
    packets = np.zeros((scenarios.hosts.size, scenarios.packets), loop.packet)
    return packets, _outcomes(loop, scenarios, packets, None)


def _outcomes(loop: Loop, scenarios: Scenarios, packets: Records | None, progress: Progress | None) -> Outcome:
    """One future a chunk; a chunk takes one of the workspaces and gives it back."""
    hosts = scenarios.hosts.size
    path_ns = np.zeros((hosts, len(loop.stages)), np.int64)
    found = Outcome(np.zeros(hosts, loop.state), path_ns, np.zeros_like(path_ns))
    chunks = _chunks(hosts, scenarios.packets)
    workers = max(1, min(len(chunks), len(os.sched_getaffinity(0))))
    spaces: SimpleQueue[tuple[Records, Records]] = SimpleQueue()
    for _ in range(workers):
        rows = 0 if packets is not None else scenarios.rows
        spaces.put((np.zeros(scenarios.nodes, loop.node), np.zeros((1, rows), loop.packet)))

    def replay(chunk: slice) -> int:
        nodes, shared = space = spaces.get()
        rows = shared if packets is None else packets[chunk]
        mine = scenarios.hosts[chunk], found.states[chunk], nodes, rows, path_ns[chunk], found.path_uses[chunk]
        try:
            done = loop.replay_hosts(*mine)
        finally:
            spaces.put(space)
        if done < mine[0].size:
            raise RuntimeError(f"host {chunk.start + done}: no event is left before its last byte is copied")
        return done

    _in_threads(replay, chunks, workers, lambda done: None if progress is None else progress(done, hosts))
    return found


def _chunks(hosts: int, packets: int) -> list[slice]:
    each = max(1, CHUNK_PACKETS // packets)
    return [slice(first, min(first + each, hosts)) for first in range(0, hosts, each)]


def _in_threads(
    work: Callable[[Any], int], pieces: Sequence[Any], workers: int, on_done: Callable[[int], None]
) -> None:
    """Does every piece; the caller's thread only waits, so that Ctrl-C reaches it."""
    pool = ThreadPoolExecutor(workers)
    try:
        done = 0
        for future in as_completed([pool.submit(work, piece) for piece in pieces]):
            done += future.result()
            on_done(done)
    finally:
        pool.shutdown(cancel_futures=True)

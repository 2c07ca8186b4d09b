"""Bulk transfers to hosts, replayed in closed loop: how fast each host is, and what its time was made of."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts import Host
from zcanalysis.hosts.replayed import cpu_columns, linux6, linux24
from zcanalysis.model import linux6 as new
from zcanalysis.model import linux24 as old
from zcanalysis.rates import BITS_PER_BYTE

Floats = npt.NDArray[np.float64]
Nanoseconds = npt.NDArray[np.int64]

TRANSFER_BYTES: Final = 40 << 20
WINDOWS: Final = 6
"""How often a replayed transfer fills the window at least, so that its start does not matter."""
FEWEST_PACKETS: Final = 2_000
MOST_PACKETS: Final = 60_000


class Transfers(NamedTuple):
    """One transfer to each host, one row a host."""

    gbps: Floats
    """Shape (hosts,). Payload over elapsed time."""
    elapsed_ns: Nanoseconds
    """Shape (hosts,)."""
    stages: tuple[str, ...]
    """The model's stages, in path order."""
    path_ns: Nanoseconds
    """Shape (hosts, stages). The critical path by stage; sums exactly to elapsed_ns."""
    busy: tuple[dict[int, float], ...]
    """Share of its time that each of the host's CPUs was not idle: all of it where others compute without end; empty
    where the model knows one CPU only."""
    per_s: tuple[dict[str, float], ...]
    """How often a second each host sent an ACK, was interrupted, woke its reader, …"""


def transfers(hosts: Sequence[Host], packets: int | None = None) -> Transfers:
    """A bulk transfer to each host, all of one generation.

    Parameters
    ----------
    hosts
        At least one.
    packets
        Full segments each; None: 40 MB of them, or some windows.

    Raises
    ------
    ImpossibleHostError
        If a host cannot be replayed: of another generation, more than four CPUs, or a transfer to it hangs.
    """
    n = packets or _enough(hosts[0])
    payload_bits = np.array([host.link.mss_bytes * n * BITS_PER_BYTE for host in hosts], np.float64)
    try:
        return _replayed(hosts, n, payload_bits)
    except RuntimeError as error:  # a host on which the transfer hangs
        raise ImpossibleHostError(f"host {hosts[0].name!r}: {error}") from None


def _replayed(hosts: Sequence[Host], n: int, payload_bits: Floats) -> Transfers:
    if hosts[0].generation == "linux-2.4":
        done = old.replay_summaries([linux24(host) for host in hosts], n)
        counts = {name: getattr(done, name) for name in old.COUNTERS}
        busy: tuple[dict[int, float], ...] = tuple({} for _ in hosts)
        return Transfers(
            payload_bits / done.elapsed_ns,
            done.elapsed_ns,
            old.STAGES,
            done.path_ns,
            busy,
            _per_s(counts, done.elapsed_ns),
        )
    replayed = new.replay([linux6(host) for host in hosts], n)
    shares = replayed.busy_ns / replayed.elapsed_ns[:, np.newaxis]
    return Transfers(
        payload_bits / replayed.elapsed_ns,
        replayed.elapsed_ns,
        new.STAGES,
        replayed.path_ns,
        tuple(_busy(host, row) for host, row in zip(hosts, shares, strict=True)),
        _per_s(replayed.counts, replayed.elapsed_ns),
    )


def _enough(host: Host) -> int:
    payload_bytes = max(TRANSFER_BYTES, WINDOWS * host.socket.window_bytes)
    return min(max(payload_bytes // host.link.mss_bytes, FEWEST_PACKETS), MOST_PACKETS)


def _busy(host: Host, shares: Floats) -> dict[int, float]:
    busy = {cpu: float(shares[column]) for cpu, column in cpu_columns(host).items()}
    return busy | {host.places.reader_cpu: 1.0} if host.scheduler.hogs else busy


def _per_s(counts: dict[str, Nanoseconds], elapsed_ns: Nanoseconds) -> tuple[dict[str, float], ...]:
    return tuple(
        {name: float(counted[at]) / float(elapsed_ns[at]) * 1e9 for name, counted in counts.items()}
        for at in range(len(elapsed_ns))
    )

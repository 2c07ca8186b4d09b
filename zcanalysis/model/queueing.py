"""Queues: when each packet leaves a server, a server with a finite ring, servers in series."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from zcanalysis.model.arrays import Mask, Nanoseconds, Rows
from zcanalysis.model.compiling import over_scenarios


class Served(NamedTuple):
    """What became of each packet; a dropped one carries the departure before it, so that rows stay sorted."""

    departure_ns: Nanoseconds
    dropped: Mask


def fifo_departure_ns(arrival_ns: Nanoseconds, service_ns: Nanoseconds) -> Nanoseconds:
    """When each packet leaves one first-come first-served server.

    Parameters
    ----------
    arrival_ns
        Shape (..., n), non-decreasing along the last axis. When each packet joins the queue.
    service_ns
        Shape (..., n), >= 0. How long the server is busy with each.

    Returns
    -------
    Nanoseconds
        Shape (..., n), non-decreasing, never before arrival + service.

    Notes
    -----
    Lindley's recursion (Math. Proc. Camb. Phil. Soc. 48, 1952), ``D[i] = max(A[i], D[i-1]) + S[i]``: integers in, exact
    integers out. Its closed form, a running maximum of arrivals less a running sum of services, is the same and takes
    seven times as long in numpy: it walks through memory once for each operation.

    Examples
    --------
    >>> fifo_departure_ns(np.array([0, 10, 12]), np.array([5, 5, 5])).tolist()
    [5, 15, 20]
    """
    departure_ns: Nanoseconds = _fifo_departure_ns(arrival_ns, service_ns)
    return departure_ns


@over_scenarios("(n),(n)->(n)", "void(int64[:], int64[:], int64[:])")
def _fifo_departure_ns(arrival_ns: Nanoseconds, service_ns: Nanoseconds, departure_ns: Nanoseconds) -> None:
    free_ns = arrival_ns[0] if arrival_ns.size else 0
    for i in range(arrival_ns.size):
        free_ns = max(free_ns, arrival_ns[i]) + service_ns[i]
        departure_ns[i] = free_ns


def series_departure_ns(arrival_ns: Nanoseconds, services_ns: Sequence[Nanoseconds]) -> Nanoseconds:
    """When each packet leaves each of several servers, one behind the other, with unlimited room between.

    Parameters
    ----------
    arrival_ns
        Shape (..., n), non-decreasing. When each packet reaches the first server.
    services_ns
        For each server in path order, shape (..., n), >= 0.

    Returns
    -------
    Nanoseconds
        Shape (servers, ..., n): row k holds the departures from server k.
    """
    departures_ns = []
    for service_ns in services_ns:
        arrival_ns = fifo_departure_ns(arrival_ns, service_ns)
        departures_ns.append(arrival_ns)
    return np.stack(departures_ns)


def finite_fifo(arrival_ns: Nanoseconds, service_ns: Nanoseconds, slots: int | Rows) -> Served:
    """When each packet leaves a server that holds at most so many packets, and which found no room.

    Parameters
    ----------
    arrival_ns
        Shape (..., n), non-decreasing.
    service_ns
        Shape (..., n), >= 0; that of a dropped packet is not used.
    slots
        >= 1, one number or one a scenario (shape (...)). Packets in the ring, the one in service included: a slot is
        free again when the packet departs, in the same nanosecond already.
    """
    if np.min(slots) < 1:
        raise ValueError(f"slots must be >= 1, got {np.min(slots)}")
    return Served(*_finite_fifo(arrival_ns, service_ns, slots))


@over_scenarios("(n),(n),()->(n),(n)", "void(int64[:], int64[:], int64, int64[:], boolean[:])")
def _finite_fifo(
    arrival_ns: Nanoseconds, service_ns: Nanoseconds, slots: int, departure_ns: Nanoseconds, dropped: Mask
) -> None:
    held = 0
    oldest = 0
    free_ns = arrival_ns[0] if arrival_ns.size else 0
    for i in range(arrival_ns.size):
        while oldest < i and (dropped[oldest] or departure_ns[oldest] <= arrival_ns[i]):
            if not dropped[oldest]:
                held -= 1
            oldest += 1
        dropped[i] = held >= slots
        if not dropped[i]:
            held += 1
            free_ns = max(free_ns, arrival_ns[i]) + service_ns[i]
        departure_ns[i] = free_ns


def occupancy_packets(arrival_ns: Nanoseconds, departure_ns: Nanoseconds) -> Rows:
    """How many packets each arriving packet finds before it, in the queue and in service.

    Parameters
    ----------
    arrival_ns, departure_ns
        Shape (n,), both non-decreasing. Who departs in the nanosecond of the arrival is gone.
    """
    departed = np.searchsorted(departure_ns, arrival_ns, side="right")
    found: Rows = np.maximum(np.arange(arrival_ns.size) - departed, 0)
    return found

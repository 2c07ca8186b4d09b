"""How the clocks of two taps differ, from packets that both have seen.

Enters: times of packets at both taps, in both directions. Leaves: a straight line, clock B minus clock A over the time
of A, with the largest error it can have.

No packet arrives before it was sent: what a packet from A to B shows (its time at B minus its time at A) lies above the
line, what one from B to A shows lies below. All lines between the lower hull of the first and the upper hull of the
second are possible, and no other: Duda, Harrus, Haddad and Bernard, "Estimating global time in distributed systems",
ICDCS 1987; hulls for this in Zhang, Liu and Xia, "Clock synchronization algorithms for network measurements", INFOCOM
2002. The answer lies in the middle, and half the room between is the error bound: no assumption on queues, or on both
ways taking the same time, goes into it, only that the clocks' rates are constant and differ by 0.1 % at most.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.io.packet_compile import compiled

MAX_VERTICES: Final = 2000
MAX_DRIFT: Final = 1e-3  # adjtimex slews by half of this at most, a bad crystal is off by a tenth
TICKS_NS: Final = (1_000_000_000, 1_000_000, 1000, 1)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class TapClocks(NamedTuple):
    """Clock B minus clock A: ``offset_ns + drift * (t - origin_ns)`` at time t of clock A."""

    origin_ns: int
    """Time of clock A where `offset_ns` holds: the middle of what both taps saw."""
    offset_ns: int
    drift: float
    """Seconds that clock B gains in each second of clock A."""
    error_ns: int
    """The line is nowhere, between the first and the last packet that both taps saw, further from the truth than this,
    if the clocks' rates are constant."""
    drift_error: float
    """The same for `drift`."""
    disagreement_ns: int
    """By how much packets contradict every straight line: a clock was set or changed its rate, or packets are taken for
    others. 0 where they do not; else `error_ns` is no bound."""
    a_to_b_packets: int
    """Packets, or stretches of payload, that the line rests on."""
    b_to_a_packets: int

    def difference_ns(self, a_ns: Ints) -> Ints:
        """Clock B minus clock A at these times of clock A."""
        gained_ns: Ints = np.rint(self.drift * (a_ns - self.origin_ns)).astype(np.int64)
        return self.offset_ns + gained_ns


class Seen(NamedTuple):
    """Packets that went one way: their times at A and at B, shape (n,) each."""

    a_ns: Ints
    b_ns: Ints


class _Hull(NamedTuple):
    x: Floats
    y: Floats


def tap_clocks(to_b: Seen, to_a: Seen) -> TapClocks:
    """The line between the clocks of two taps.

    Parameters
    ----------
    to_b, to_a
        Packets that went from A to B, and from B to A; at least one each, in any order.

    Returns
    -------
    TapClocks
        Time stamps that were cut to micro- or milliseconds widen the error bound by as much.

    Raises
    ------
    ValueError
        If a direction has no packet: nothing bounds the offset from that side.

    Examples
    --------
    Clock B is 1000 ns ahead; packets take 100 ns at least.

    >>> to_b = Seen(np.array([0, 200]), np.array([1100, 1300]))
    >>> to_a = Seen(np.array([0, 200]), np.array([900, 1100]))
    >>> found = tap_clocks(to_b, to_a)
    >>> found.offset_ns, found.error_ns
    (1000, 101)
    """
    if not (to_b.a_ns.size and to_a.a_ns.size):
        raise ValueError(
            f"packets must go both ways, got {to_b.a_ns.size} from A to B and {to_a.a_ns.size} from B to A"
        )
    both_ns = np.concatenate([to_b.a_ns, to_a.a_ns])
    first_ns, last_ns = int(both_ns.min()), int(both_ns.max())
    origin_ns, base_ns = (first_ns + last_ns) // 2, int(to_b.b_ns[0] - to_b.a_ns[0])
    a_tick_ns, b_tick_ns = (_tick_ns(np.concatenate(pair)) for pair in zip(to_b, to_a, strict=True))
    above = _lower_hull(_points(to_b, origin_ns, base_ns), 1)
    below = _lower_hull(_points(to_a, origin_ns, base_ns), -1)
    above, below = _Hull(above.x, above.y + b_tick_ns - 1), _Hull(below.x, below.y - a_tick_ns + 1)
    crossing_ns = _crossing(above, below)
    above, below = _Hull(above.x, above.y + crossing_ns / 2), _Hull(below.x, below.y - crossing_ns / 2)
    low, high = _range_at(first_ns - origin_ns, above, below)
    low_end, high_end = _range_at(last_ns - origin_ns, above, below)
    crossing_ns = max(crossing_ns, low - high, low_end - high_end)
    start, end = (low + high) / 2, (low_end + high_end) / 2
    drift = (end - start) / (last_ns - first_ns) if last_ns > first_ns else 0.0
    slowest, fastest = _slopes(above, below)
    return TapClocks(
        origin_ns=origin_ns,
        offset_ns=base_ns + round(start + drift * (origin_ns - first_ns)),
        drift=drift,
        error_ns=int(np.ceil((max(high - low, high_end - low_end, 0) + crossing_ns) / 2)) + 1,
        drift_error=max(min(fastest, MAX_DRIFT) - drift, drift - max(slowest, -MAX_DRIFT), 0.0),
        disagreement_ns=int(np.ceil(crossing_ns)),
        a_to_b_packets=to_b.a_ns.size,
        b_to_a_packets=to_a.a_ns.size,
    )


def _tick_ns(ts_ns: Ints) -> int:
    """The unit that time stamps were cut to."""
    return next(tick_ns for tick_ns in TICKS_NS if not (ts_ns % tick_ns).any())


def _points(seen: Seen, origin_ns: int, base_ns: int) -> _Hull:
    order = np.argsort(seen.a_ns, kind="stable")
    a_ns, b_ns = seen.a_ns[order], seen.b_ns[order]
    return _Hull((a_ns - origin_ns).astype(np.float64), (b_ns - a_ns - base_ns).astype(np.float64))


def _lower_hull(points: _Hull, sign: int) -> _Hull:
    """Vertices of the lower hull (`sign` 1), or of the upper one (-1), from left to right."""
    vertices = np.zeros(points.x.size, np.int64)
    count = _scan(points.x, sign * points.y, vertices)
    kept = vertices[:count]
    if count > MAX_VERTICES:  # fewer conditions: the bound is wider, not wrong
        kept = kept[np.linspace(0, count - 1, MAX_VERTICES).astype(np.int64)]
    return _Hull(points.x[kept], points.y[kept])


@compiled
def _scan(x: Floats, y: Floats, vertices: Ints) -> int:
    """Andrew's monotone chain (Information Processing Letters 9, 1979); how many vertices there are."""
    count = 0
    for row in range(x.size):
        while count > 0:
            last = vertices[count - 1]
            if x[last] == x[row]:
                if y[last] <= y[row]:
                    break
            elif count == 1:
                break
            else:
                before = vertices[count - 2]
                turn = (x[last] - x[before]) * (y[row] - y[before]) - (y[last] - y[before]) * (x[row] - x[before])
                if turn > 0:
                    break
            count -= 1
        if count == 0 or x[vertices[count - 1]] < x[row]:
            vertices[count] = row
            count += 1
    return count


def _crossing(above: _Hull, below: _Hull) -> float:
    """How far the hulls overlap at most; 0 where a line fits between."""
    x = np.union1d(above.x, below.x)
    x = x[(x >= max(above.x[0], below.x[0])) & (x <= min(above.x[-1], below.x[-1]))]
    if not x.size:
        return 0.0
    return max(0.0, float(np.max(np.interp(x, below.x, below.y) - np.interp(x, above.x, above.y))))


def _range_at(x: float, above: _Hull, below: _Hull) -> tuple[float, float]:
    """Lowest and highest value there of all lines between the hulls."""
    return -_highest_at(x, _Hull(below.x, -below.y), _Hull(above.x, -above.y)), _highest_at(x, above, below)


def _highest_at(x: float, above: _Hull, below: _Hull) -> float:
    """Highest value at `x`: the hull there, or the line that leans on one hull and is held by the other.

    Where packets of one way all come before those of the other, only the largest drift that there is holds it.
    """
    highest = float(np.min(above.y + MAX_DRIFT * np.abs(above.x - x)))
    if above.x[0] <= x <= above.x[-1]:
        highest = float(np.interp(x, above.x, above.y))
    held_x, held_y = below.x[:, None], below.y[:, None]
    between = ((held_x < above.x) & (above.x <= x)) | ((x <= above.x) & (above.x < held_x))
    run = np.where(between, above.x - held_x, 1.0)
    value = np.where(between, held_y + (above.y - held_y) * (x - held_x) / run, np.inf)
    return min(highest, float(value.min()))


def _slopes(above: _Hull, below: _Hull) -> tuple[float, float]:
    """Smallest and largest slope of all lines between the hulls."""
    run = above.x[None, :] - below.x[:, None]
    slope = (above.y[None, :] - below.y[:, None]) / np.where(run == 0, 1.0, run)
    return (
        float(np.max(np.where(run < 0, slope, -np.inf))),
        float(np.min(np.where(run > 0, slope, np.inf))),
    )

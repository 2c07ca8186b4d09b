"""One time axis for capture, counters and kernel trace, with an error bound.

A capture stamps in the wall clock, perf in CLOCK_MONOTONIC. The recorder reads both together, at the start and at the
end, and keeps the width of each reading; from such pairs comes the shift and the largest error it can have.
"""

from collections.abc import Sequence
from typing import NamedTuple

from zcanalysis.errors import TraceError


class ClockPair(NamedTuple):
    """Both clocks read at once: the true instant lies within `width_ns`."""

    realtime_ns: int
    monotonic_ns: int
    width_ns: int


class ClockShift(NamedTuple):
    """What to add to a monotonic time to get the epoch's, and how wrong that can be."""

    offset_ns: int
    error_ns: int


def monotonic_to_epoch(pairs: Sequence[ClockPair]) -> ClockShift:
    """The shift from CLOCK_MONOTONIC to the epoch.

    Parameters
    ----------
    pairs
        At least one; the first gives the offset, the others the drift since.

    Raises
    ------
    TraceError
        If there is no pair.

    Examples
    --------
    >>> monotonic_to_epoch([ClockPair(1_000_050, 50, 20), ClockPair(2_000_080, 1_000_060, 10)])
    ClockShift(offset_ns=1000000, error_ns=30)
    """
    if not pairs:
        raise TraceError("no clock pair was recorded: trace and capture cannot be put on one time axis")
    offsets = [pair.realtime_ns - pair.monotonic_ns for pair in pairs]
    drift_ns = max(abs(offset - offsets[0]) for offset in offsets)
    return ClockShift(offsets[0], drift_ns + max(pair.width_ns for pair in pairs) // 2)

"""How CLOCK_REALTIME and CLOCK_MONOTONIC relate: the recording's time axis and the evidence for it."""

import time
from typing import Final

from zcanalysis.clock import ClockPair

BRACKETED_READS: Final = 200


def read_clock_pair() -> ClockPair:
    """The narrowest of many reads of CLOCK_REALTIME between two of CLOCK_MONOTONIC."""
    best = _bracketed_read()
    for _ in range(BRACKETED_READS):
        best = min(best, _bracketed_read(), key=lambda pair: pair.width_ns)
    return best


def _bracketed_read() -> ClockPair:
    before_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    realtime_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
    after_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return ClockPair(realtime_ns, (before_ns + after_ns) // 2, after_ns - before_ns)


class EpochClock:
    """Nanoseconds since the epoch that never step: CLOCK_MONOTONIC plus one offset, read once."""

    def __init__(self) -> None:
        self.first = read_clock_pair()
        self.offset_ns = self.first.realtime_ns - self.first.monotonic_ns

    def now_ns(self) -> int:
        """Nanoseconds since the epoch on the recording's axis."""
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) + self.offset_ns

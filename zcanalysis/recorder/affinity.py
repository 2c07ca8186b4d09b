"""Keeps us, and the probes we start, off the CPUs where the transfer is read."""

import contextlib
import os
from collections.abc import Collection, Iterator

from zcanalysis.recorder.processes import last_cpu


@contextlib.contextmanager
def out_of_the_readers_way(readers: Collection[int]) -> Iterator[None]:
    """Run the block on CPUs that the readers were not last seen on, where we may and there is another.

    Notes
    -----
    Reading counters ten times a second is little work, but in the wrong place: under GRO the goodput fell by 2.4 %
    with the sampler on the reader's half-idle CPU, by 0.5 % on the saturated one of the sender, and by 2 to 4 % where
    the scheduler chose (medians of eight windows against their untouched neighbours, noise 2 %).
    """
    before = os.sched_getaffinity(0)
    others = before - {cpu for pid in readers if (cpu := last_cpu(pid)) is not None}
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, others or before)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, before)

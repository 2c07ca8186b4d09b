"""The memory bus: how often each payload byte crosses it, from what is done with the buffers it lies in, in order."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np

from zcanalysis.model.arrays import Floats


class Touch(Enum):
    """What is done with every byte of a buffer."""

    DMA_IN = "a card writes it"
    READ = "the CPU reads it"
    WRITE = "the CPU writes it"
    DMA_OUT = "a card reads it"


class Place(Enum):
    """Where the only good bytes are."""

    MEMORY = "in memory"
    CLEAN = "in memory and in the cache"
    DIRTY = "in the cache"


class Crossings(NamedTuple):
    """For each payload byte, how many bytes cross; of parallel work, the sum."""

    memory: float = 0.0  # the memory's own port: CPU and cards share it
    front_side: float = 0.0  # between CPU and chipset: what a card writes to memory does not cross it
    io: float = 0.0  # PCI
    missed: float = 0.0  # fetched into the cache for the CPU, which waits

    def plus(self, other: "Crossings") -> "Crossings":
        """These and those."""
        return Crossings(*(mine + its for mine, its in zip(self, other, strict=True)))


NOTHING = Crossings()
FETCH = Crossings(memory=1, front_side=1, missed=1)  # a line for the CPU, also before it is overwritten
WRITE_BACK = Crossings(memory=1, front_side=1)

# What a touch costs, by where the bytes are, and where they are then. A cache that writes back and allocates on write:
# "the write usually results in a cache line read and then a write back" (lmbench, bw_mem_cp(8)). A card that reads a
# dirty line gets it from the CPU by way of the chipset, which writes it to memory as well; one that writes makes the
# CPU give its dirty line up (implicit write-back of Intel's P6 bus; that the chipset merges the two writes is assumed).
TOUCHED = {
    (Touch.DMA_IN, Place.MEMORY): (Crossings(memory=1, io=1), Place.MEMORY),
    (Touch.DMA_IN, Place.CLEAN): (Crossings(memory=1, io=1), Place.MEMORY),
    (Touch.DMA_IN, Place.DIRTY): (Crossings(memory=1, io=1, front_side=1), Place.MEMORY),
    (Touch.READ, Place.MEMORY): (FETCH, Place.CLEAN),
    (Touch.READ, Place.CLEAN): (NOTHING, Place.CLEAN),
    (Touch.READ, Place.DIRTY): (NOTHING, Place.DIRTY),
    (Touch.WRITE, Place.MEMORY): (FETCH, Place.DIRTY),
    (Touch.WRITE, Place.CLEAN): (NOTHING, Place.DIRTY),
    (Touch.WRITE, Place.DIRTY): (NOTHING, Place.DIRTY),
    (Touch.DMA_OUT, Place.MEMORY): (Crossings(memory=1, io=1), Place.MEMORY),
    (Touch.DMA_OUT, Place.CLEAN): (Crossings(memory=1, io=1), Place.CLEAN),
    (Touch.DMA_OUT, Place.DIRTY): (Crossings(memory=1, io=1, front_side=1), Place.CLEAN),
}


def buffer_crossings(touches: Sequence[Touch], *, kept: bool) -> Crossings:
    """What one use of a buffer costs, when it is used again and again.

    Parameters
    ----------
    touches
        What is done with it, in order, each time.
    kept
        Whether it stays in the cache from one touch to the next, and to its next use; else it has left each time.

    Notes
    -----
    Which of two uses is counted matters: a kept buffer is fetched only once. The second is counted.

    Examples
    --------
    >>> buffer_crossings([Touch.WRITE, Touch.READ], kept=False)  # fetched, written back, fetched
    Crossings(memory=3.0, front_side=3.0, io=0.0, missed=2.0)
    >>> buffer_crossings([Touch.WRITE, Touch.READ], kept=True)
    Crossings(memory=0.0, front_side=0.0, io=0.0, missed=0.0)
    """
    place, crossed = Place.MEMORY, NOTHING
    for _ in range(2):
        crossed = Crossings(0.0, 0.0, 0.0, 0.0)
        for touch in touches:
            cost, place = TOUCHED[touch, place]
            crossed = crossed.plus(cost)
            if not kept:
                crossed = crossed.plus(WRITE_BACK if place is Place.DIRTY else NOTHING)
                place = Place.MEMORY
    return crossed


def mixed_crossings(buffers: Iterable[tuple[Sequence[Touch], float | Floats]]) -> dict[str, Floats]:
    """What several buffers cost together, when a share of the bytes of each stays in the cache.

    Parameters
    ----------
    buffers
        What is done with each, and its share from 0 to 1: one number, or shape (n,).

    Returns
    -------
    dict
        By the names of `Crossings`; shape (n,) each, or one number.

    Examples
    --------
    >>> float(mixed_crossings([((Touch.WRITE, Touch.READ), 0.5)])["memory"])
    1.5
    """
    total: dict[str, Floats] = {name: np.zeros(()) for name in Crossings._fields}
    for touches, share in buffers:
        if not ((np.asarray(share) >= 0) & (np.asarray(share) <= 1)).all():
            raise ValueError(f"the share that stays in the cache must be 0 to 1, got {share}")
        cold, warm = (buffer_crossings(touches, kept=kept)._asdict() for kept in (False, True))
        total = {name: total[name] + (1 - share) * cold[name] + share * warm[name] for name in total}
    return total

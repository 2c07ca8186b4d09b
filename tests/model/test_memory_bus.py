"""How often a payload byte crosses the memory bus: counted by hand, buffer by buffer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcanalysis.model.memory_bus import Crossings, Touch, buffer_crossings, mixed_crossings

IN, READ, WRITE, OUT = Touch.DMA_IN, Touch.READ, Touch.WRITE, Touch.DMA_OUT


@pytest.mark.parametrize(
    ("touches", "kept", "memory", "front_side", "io", "missed"),
    [
        # a card writes it, a card reads it: the CPU's bus is not used at all
        ([IN, OUT], False, 2, 0, 2, 0),
        # written by the card, fetched once; the second reader finds it only where it stays
        ([IN, READ, READ], True, 2, 1, 1, 1),
        ([IN, READ, READ], False, 3, 2, 1, 2),
        # fetched to be overwritten, written back, fetched by the card: three of memory, two past the CPU's bus
        ([WRITE, OUT], False, 3, 2, 1, 1),
        # kept: the card takes it out of the cache (past both buses), and the next write finds it there
        ([WRITE, OUT], True, 1, 1, 1, 0),
        # does not stay: fetched to be overwritten, written back, fetched to be read
        ([WRITE, READ], False, 3, 3, 0, 2),
        # what the CPU has changed must leave its cache before a card may overwrite it
        ([IN, WRITE], True, 2, 2, 1, 1),
    ],
)
def test_a_buffer_used_again_and_again(touches, kept, memory, front_side, io, missed):
    assert buffer_crossings(touches, kept=kept) == Crossings(memory, front_side, io, missed)


@given(st.lists(st.sampled_from(list(Touch)), min_size=1, max_size=8))
def test_a_cache_never_adds_crossings_of_memory(touches):
    cold, warm = (buffer_crossings(touches, kept=kept) for kept in (False, True))
    assert warm.memory <= cold.memory
    assert warm.missed <= cold.missed
    assert warm.io == cold.io == sum(touch in (IN, OUT) for touch in touches)


@given(st.lists(st.sampled_from(list(Touch)), min_size=1, max_size=8), st.booleans())
def test_what_the_cpu_waits_for_crosses_both_buses(touches, kept):
    crossed = buffer_crossings(touches, kept=kept)
    assert crossed.missed <= crossed.front_side <= crossed.memory + crossed.io
    assert crossed.missed <= crossed.memory


def test_half_in_the_cache_is_half_way():
    mixed = mixed_crossings([([IN, READ, READ], 0.5)])
    assert mixed == {"memory": 2.5, "front_side": 1.5, "io": 1, "missed": 1.5}


def test_buffers_add_up_for_each_share():
    mixed = mixed_crossings([([IN, OUT], 0.0), ([WRITE, READ], np.array([0.0, 1.0]))])
    assert mixed["memory"].tolist() == [5, 2]
    assert mixed["front_side"].tolist() == [3, 0]


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_beyond_the_whole_is_refused(share):
    with pytest.raises(ValueError, match="must be 0 to 1"):
        mixed_crossings([([READ], share)])

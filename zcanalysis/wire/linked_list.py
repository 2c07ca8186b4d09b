"""Rows of an array as a list in order, lowest first: `below` and `above` of each row are the numbers of its neighbours.

Whose list it is has the numbers of both ends: `oldest`, the lowest, and `newest`; UNKNOWN where the list is empty.
"""

from typing import Any

from zcanalysis.io.packet_bytes import signed
from zcanalysis.io.packet_compile import compiled
from zcanalysis.wire.sequence_space import UNKNOWN

Records = Any  # numpy's structured arrays and their records: numba knows the fields


@compiled
def put_between(rows: Records, ends: Records, number: int, below: int, above: int) -> None:
    """Take a row into the list, between two neighbours of which UNKNOWN stands for none."""
    rows[number].below = below
    rows[number].above = above
    if below == UNKNOWN:
        ends.oldest = number
    else:
        rows[below].above = number
    if above == UNKNOWN:
        ends.newest = number
    else:
        rows[above].below = number


@compiled
def take_out(rows: Records, ends: Records, number: int) -> None:
    """Let its neighbours be neighbours; the row itself stays as it is."""
    below, above = signed(rows[number].below), signed(rows[number].above)
    if below == UNKNOWN:
        ends.oldest = above
    else:
        rows[below].above = above
    if above == UNKNOWN:
        ends.newest = below
    else:
        rows[above].below = below

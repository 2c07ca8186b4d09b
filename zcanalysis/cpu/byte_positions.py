"""Arithmetic of byte positions: who stood where in a stream, as integers, without a loop over packets.

All sockets share one axis: the stream of each begins `APART_BYTES` behind that of the one before, so that one search
answers for all of them and no position of one can be taken for one of another.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
NONE: Final = -1
NOWHERE: Final = -(1 << 60)
APART_BYTES: Final = 1 << 42
LENGTH_WRAP_BYTES: Final = 1 << 16
UNKNOWN: Final = int(np.iinfo(np.int64).min)


class Pieces(NamedTuple):
    """Intervals cut where segments begin or end; each array has one entry a piece, in the order of the intervals."""

    interval: Integers
    """Which interval it is a part of."""
    skipped_bytes: Integers
    """How far behind the interval's begin it starts."""
    size_bytes: Integers
    segment: Integers
    """Which segment it lies in; -1 in none."""
    inside_bytes: Integers
    """How far behind that segment's begin it starts; 0 in none."""


def stream_positions(stream: Integers, size_bytes: Integers) -> Integers:
    """Where each part begins on the shared axis, when the parts of a stream follow one another.

    Parameters
    ----------
    stream
        Shape (n,). Number of the stream; `NONE` for a part of no stream, which is nowhere.
    size_bytes
        Shape (n,), >= 0.

    Examples
    --------
    >>> (stream_positions(np.array([0, 1, 0, -1]), np.array([5, 7, 2, 9])) % APART_BYTES).tolist()[:3]
    [0, 0, 5]
    """
    order = np.argsort(stream, kind="stable")
    before = np.cumsum(size_bytes[order]) - size_bytes[order]
    first = np.searchsorted(stream[order], stream[order], side="left")
    position = np.empty(len(stream), dtype=np.int64)
    position[order] = before - before[first] + stream[order] * APART_BYTES
    return np.where(stream == NONE, NOWHERE, position)


def cut(from_byte: Integers, size_bytes: Integers, starts: Integers, sizes: Integers) -> Pieces:
    """The intervals, cut at the segments.

    Parameters
    ----------
    from_byte, size_bytes
        Shape (n,). The intervals; sizes are > 0.
    starts, sizes
        Shape (m,). The segments, which do not overlap, in any order; sizes are >= 0.

    Examples
    --------
    >>> pieces = cut(np.array([-5, 10]), np.array([10, 5]), np.array([3, 0]), np.array([9, 3]))
    >>> [column.tolist() for column in pieces]
    [[0, 0, 0, 1, 1], [0, 5, 8, 0, 2], [5, 3, 2, 2, 3], [-1, 1, 0, 0, -1], [0, 0, 0, 7, 0]]
    """
    order = np.argsort(starts, kind="stable")
    order = order[(sizes[order] > 0) & (starts[order] > NOWHERE)]
    edges = np.unique(np.concatenate([starts[order], starts[order] + sizes[order], [NOWHERE]]))
    to_byte = from_byte + size_bytes
    first = np.searchsorted(edges, from_byte, side="right")
    count = np.searchsorted(edges, to_byte, side="left") - first + 1
    interval = np.repeat(np.arange(len(from_byte)), count)
    place = np.arange(len(interval)) - np.repeat(np.cumsum(count) - count, count)
    begins = np.where(place == 0, from_byte[interval], edges[first[interval] + place - 1])
    ends = np.where(place == count[interval] - 1, to_byte[interval], np.append(edges, 0)[first[interval] + place])
    found = np.searchsorted(starts[order], begins, side="right") - 1
    segment = np.append(order, NONE)[found]
    inside = begins - np.append(starts, 0)[segment]
    outside = (segment == NONE) | (inside >= np.append(sizes, 0)[segment])
    return Pieces(
        interval, begins - from_byte[interval], ends - begins, np.where(outside, NONE, segment),
        np.where(outside, 0, inside),
    )  # fmt: skip


def latest_before(keys: npt.NDArray[Any], rows: Integers, asked: npt.NDArray[Any], asked_rows: Integers) -> Integers:
    """For each row that is asked for, the last one before it that has the same key; -1 where there is none.

    Parameters
    ----------
    keys, rows
        Shape (n,). What to look among; rows are distinct, >= 0.
    asked, asked_rows
        Shape (m,). Keys to find, and the rows before which.

    Examples
    --------
    >>> latest_before(np.array([7, 8, 7]), np.array([0, 1, 2]), np.array([7, 7, 9]), np.array([2, 5, 5])).tolist()
    [0, 2, -1]
    """
    codes = np.unique(np.concatenate([keys, asked]), return_inverse=True)[1].astype(np.int64)
    code, asked_code = codes[: len(keys)], codes[len(keys) :]
    span = 1 + int(max(rows.max(initial=0), asked_rows.max(initial=0)))
    place = code * span + rows
    order = np.argsort(place, kind="stable")
    found = np.searchsorted(place[order], asked_code * span + asked_rows, side="left") - 1
    index = np.append(order, NONE)[found]  # the entry added is what -1 stands for
    same = np.append(code, NONE)[index] == asked_code
    return np.where(same, index, NONE)


def unwrapped(length_bytes: Integers, gap_bytes: Integers) -> Integers:
    """Lengths of segments that were traced modulo 65,536, made whole where the stream before says so.

    Parameters
    ----------
    length_bytes
        Shape (n,). As traced.
    gap_bytes
        Shape (n,). From the segment's first byte to that of the next, in the stream before; -1 where not known.

    Examples
    --------
    >>> unwrapped(np.array([1000, 64, 500]), np.array([1000, 65600, -1])).tolist()
    [1000, 65600, 500]
    """
    wrapped = (gap_bytes > length_bytes) & ((gap_bytes - length_bytes) % LENGTH_WRAP_BYTES == 0)
    return np.where(wrapped, gap_bytes, length_bytes)


def neighbours_agree(shift_bytes: Integers) -> Flags:
    """Which of the known shifts are those of the known one before or behind; all, where no two agree.

    Examples
    --------
    >>> neighbours_agree(np.array([UNKNOWN, 4, 4, 9, UNKNOWN, 4])).tolist()
    [False, True, True, False, False, False]
    """
    said = np.flatnonzero(shift_bytes != UNKNOWN)
    alike = shift_bytes[said][1:] == shift_bytes[said][:-1]
    sure = np.append(alike, False) | np.append(False, alike)
    agree = np.zeros(len(shift_bytes), dtype=bool)
    agree[said] = sure if sure.any() else True
    return agree


def held_shift(shift_bytes: Integers, believed: Flags) -> Integers:
    """At each copy the last shift that is believed, before the first such the first.

    Parameters
    ----------
    shift_bytes, believed
        Shape (n,). At least one is believed.

    Examples
    --------
    >>> held_shift(np.array([0, 4, 9, 5, 0]), np.array([False, True, False, True, False])).tolist()
    [4, 4, 4, 5, 5]
    """
    sure = np.flatnonzero(believed)
    held = np.searchsorted(sure, np.arange(len(shift_bytes)), side="right") - 1
    return shift_bytes[sure][np.maximum(held, 0)]


def apart(from_byte: Integers, size_bytes: Integers, others_from: Integers, others_size: Integers) -> Flags:
    """Which intervals lie wholly outside of the others.

    Examples
    --------
    >>> apart(np.array([0, 4, 9]), np.array([4, 2, 5]), np.array([5]), np.array([4])).tolist()
    [True, False, True]
    """
    order = np.argsort(others_from, kind="stable")
    begins = others_from[order]
    ends = np.append(np.maximum.accumulate(begins + others_size[order]), NOWHERE)
    before = np.searchsorted(begins, from_byte + size_bytes, side="left") - 1
    return ends[before] <= from_byte

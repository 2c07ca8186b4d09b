"""How often which value came up, for quantiles of any number of series in one table of bounded size.

Values below 128 are counted exactly, larger ones in 64 classes an octave (those of HdrHistogram, G. Tene), and what a
quantile says is the mean of its class: within 1.6 % of the value that was counted, exact where it does not vary. One
hash table holds the classes of all series that were ever met, so that a connection with few packets costs little and
none costs more than `CLASSES` entries a series.
"""

from typing import Final, NamedTuple

import numpy as np
import polars as pl

from zcanalysis.io.packet_bytes import signed
from zcanalysis.io.packet_compile import compiled
from zcanalysis.wire.sequence_space import UNKNOWN, Ints
from zcanalysis.wire.side_state import Records

SERIES: Final = 6
RTT, RTT_TS, ACK_DELAY, ACK_BYTES, IN_FLIGHT, WINDOW = range(SERIES)
CLASS_BITS: Final = 12
CLASSES: Final = 1 << CLASS_BITS
EXACT: Final = 128
FIRST_OCTAVE: Final = ((1023 + 7) << 6) - EXACT
LARGEST: Final = 1 << 62
ENTRIES: Final = 2  # of `used`: how many entries the tally has
MIXER: Final = np.uint64(0x9E3779B97F4A7C15)
TALLIED: Final = np.dtype([(name, np.int64) for name in ("key", "count", "sum")])
COARSE: Final = 8  # classes of `classes` an octave


def new_tally(entries: int) -> Records:
    """Room for half of `entries`, a power of two."""
    tally = np.zeros(entries, TALLIED)
    tally["key"] = UNKNOWN
    return tally


def larger(tally: Records) -> Records:
    """The same with twice the room."""
    fresh = new_tally(2 * tally.size)
    enter_all(tally, fresh)
    return fresh


@compiled
def class_of(value: int) -> int:
    """The class of a value; negative ones are zero."""
    if value < EXACT:
        return max(value, 0)
    bits = np.float64(min(value, LARGEST)).view(np.int64)  # the exponent is the octave, six bits behind it the class
    return (signed(bits) >> 46) - FIRST_OCTAVE


@compiled
def place_of(tally: Records, key: int) -> int:
    """Where the key is counted, or may be entered."""
    mask = np.uint64(tally.size - 1)
    at = ((np.uint64(key) * MIXER) >> np.uint64(20)) & mask
    while tally[at].key != UNKNOWN and tally[at].key != key:
        at = (at + np.uint64(1)) & mask
    return signed(at)


@compiled
def count(tally: Records, used: Ints, side: int, series: int, value: int) -> None:
    """Count a value of a side; the caller has made sure that there is room."""
    key = ((side * SERIES + series) << CLASS_BITS) + class_of(value)
    entry = tally[place_of(tally, key)]
    if entry.key == UNKNOWN:
        entry.key = key
        used[ENTRIES] += 1
    entry.count += 1
    entry.sum += value


@compiled
def count_all(tally: Records, used: Ints, sides: Ints, values: Ints, series: int, first: int) -> int:
    """Count a value of each side from row `first` on; the row to go on from: less than all when room ran out."""
    for row in range(first, values.size):
        if 2 * (used[ENTRIES] + 1) > tally.size:
            return row
        count(tally, used, signed(sides[row]), series, signed(values[row]))
    return values.size


@compiled
def enter_all(old: Records, new: Records) -> None:
    """Everything of a full tally into a larger one."""
    for at in range(old.size):
        if old[at].key != UNKNOWN:
            entry = new[place_of(new, old[at].key)]
            entry.key = old[at].key
            entry.count = old[at].count
            entry.sum = old[at].sum


class Sorted(NamedTuple):
    """A tally in order: classes by series of a side, then by value."""

    group: Ints  # side * SERIES + series of each class
    mean: Ints
    counts_so_far: Ints


def in_order(tally: Records) -> Sorted:
    """The classes that were met, sorted.

    Parameters
    ----------
    tally
        Keys, counts and sums, as `count` leaves them.
    """
    held = tally[tally["key"] != UNKNOWN]
    held = held[np.argsort(held["key"])]
    classes = held["key"] % CLASSES
    shift = np.maximum(classes // 64 - 1, 0)
    low = (classes - 64 * shift) << shift
    mean = np.clip(held["sum"] // held["count"], low, low + (1 << shift) - 1)  # sums of absurd values may overflow
    return Sorted(held["key"] >> CLASS_BITS, mean, np.cumsum(held["count"]))


def quantiles(ordered: Sorted, series: int, levels: dict[str, float]) -> pl.DataFrame:
    """Quantiles of one series: `side` and a column for each level, only sides that counted something.

    Parameters
    ----------
    ordered
        What `in_order` gives.
    series
        Which one.
    levels
        Column name to level. The value is the mean of the class with the lowest value that at least this share of
        all does not exceed.
    """
    first = np.flatnonzero(np.diff(ordered.group, prepend=-1))
    last = np.append(first[1:], ordered.group.size) - 1
    chosen = ordered.group[first] % SERIES == series
    first, last = first[chosen], last[chosen]
    before = np.where(first > 0, ordered.counts_so_far[first - 1], 0)
    counts = ordered.counts_so_far[last] - before
    places = {
        name: np.searchsorted(ordered.counts_so_far, before + np.maximum(np.ceil(level * counts).astype(np.int64), 1))
        for name, level in levels.items()
    }
    sides = (ordered.group[first] // SERIES).astype(np.uint32)
    return pl.DataFrame({"side": sides, **{name: ordered.mean[place] for name, place in places.items()}})


def classes(tally: Records, side: int, series: int) -> pl.DataFrame:
    """One series of one side in eight classes an octave: ``low``, ``high``, ``count``, ``sum``, lowest first.

    Parameters
    ----------
    tally
        Keys, counts and sums, as `count` leaves them.
    side, series
        Whose, and which one.
    """
    held = tally[tally["key"] >> CLASS_BITS == side * SERIES + series]
    number = held["key"] % CLASSES
    shift = np.maximum(number // 64 - 1, 0)
    step = EXACT // 2 // COARSE
    low = ((number - 64 * shift) // step * step) << shift
    rows = pl.DataFrame({"low": low, "high": low + (step << shift), "count": held["count"], "sum": held["sum"]})
    return rows.group_by("low").agg(pl.col("high").first(), pl.col("count", "sum").sum()).sort("low")

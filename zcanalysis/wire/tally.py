"""How often which value came up, for quantiles of any number of series in one table of bounded size.

Values below 128 are counted exactly, larger ones in 64 classes an octave (those of HdrHistogram, G. Tene), and what a
quantile says is the mean of its class: within 1.6 % of the value that was counted, exact where it does not vary. One
hash table holds the classes of all series that were ever met, so that a connection with few packets costs little and
none costs more than `CLASSES` entries a series.
"""

from typing import Final

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
ENTRIES: Final = 2  # of `used`: how many entries the tally has
MIXER: Final = np.uint64(0x9E3779B97F4A7C15)


@compiled
def class_of(value: int) -> int:
    """The class of a value; negative ones are zero."""
    if value < EXACT:
        return max(value, 0)
    shift = 0
    for step in (32, 16, 8, 4, 2, 1):
        if value >> (shift + step) >= EXACT // 2:
            shift += step
    return (shift << 6) + (value >> shift)


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
def enter_all(old: Records, new: Records) -> None:
    """Everything of a full tally into a larger one."""
    for at in range(old.size):
        if old[at].key != UNKNOWN:
            entry = new[place_of(new, old[at].key)]
            entry.key = old[at].key
            entry.count = old[at].count
            entry.sum = old[at].sum


def quantiles(tally: Records, series: int, levels: dict[str, float]) -> pl.DataFrame:
    """Quantiles of one series: `side` and a column for each level, only sides that counted something.

    Parameters
    ----------
    tally
        Keys and counts.
    series
        Which one.
    levels
        Column name to level. The value is the mean of the class with the lowest value that at least this share of
        all does not exceed.
    """
    held = tally[tally["key"] != UNKNOWN]
    held = held[(held["key"] >> CLASS_BITS) % SERIES == series]
    classes = held["key"] % CLASSES
    shift = np.maximum(classes // 64 - 1, 0)
    low = (classes - 64 * shift) << shift
    mean = np.clip(held["sum"] // held["count"], low, low + (1 << shift) - 1)  # sums of absurd values may overflow
    counted = pl.DataFrame({"side": (held["key"] >> CLASS_BITS) // SERIES, "value": mean, "count": held["count"]})
    share = pl.col("count").cum_sum().over("side") / pl.col("count").sum().over("side")
    summed = counted.sort("side", "value").with_columns(share=share)
    return summed.group_by("side").agg(
        pl.col("value").filter(pl.col("share") >= level).first().alias(name) for name, level in levels.items()
    )

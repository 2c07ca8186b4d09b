"""The arrays that walk through the receive path: one row per wire packet, first stage to last, scenarios in front."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Nanoseconds: TypeAlias = npt.NDArray[np.int64]
Bytes: TypeAlias = npt.NDArray[np.int64]
Groups: TypeAlias = npt.NDArray[np.int64]
Rows: TypeAlias = npt.NDArray[np.int64]
Codes: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Floats: TypeAlias = npt.NDArray[np.float64]


def whole_ns(exact_ns: Floats) -> Nanoseconds:
    """Durations in whole nanoseconds whose running sum is never more than half a nanosecond off.

    Parameters
    ----------
    exact_ns
        Shape (..., n), >= 0. Durations in a row.

    Notes
    -----
    Rounding each by itself would cost up to a nanosecond a packet, and a packet of 64 bytes at 400 Gbit/s takes 1.7;
    so a duration may differ by one nanosecond from the same duration elsewhere in the row.

    Examples
    --------
    >>> whole_ns(np.array([1.5, 1.5, 1.5, 1.5])).tolist()
    [2, 1, 1, 2]
    """
    ends_ns = np.rint(np.cumsum(exact_ns, axis=-1)).astype(np.int64)
    return np.diff(ends_ns, axis=-1, prepend=0)


def group_first(group: Groups) -> Mask:
    """Which rows are the first of their group.

    Parameters
    ----------
    group
        Shape (..., n). Equal ids are neighbours.
    """
    first = np.ones(group.shape, dtype=np.bool_)
    first[..., 1:] = group[..., 1:] != group[..., :-1]
    return first


def require(value: float, name: str, least: float, *, beyond: bool = False) -> None:
    """Refuses a price that is too small.

    Parameters
    ----------
    value, name
        The price and what the caller knows it by.
    least, beyond
        The bound, and whether the value must lie beyond it.

    Raises
    ------
    ValueError
        With name, value and bound.
    """
    if value > least or (value == least and not beyond):
        return
    raise ValueError(f"{name} must be {'>' if beyond else '>='} {least}, got {value}")

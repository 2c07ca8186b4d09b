"""The arrays that walk through the receive path: one row per wire packet, first stage to last, scenarios in front."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from zcanalysis.model.compiling import over_scenarios

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
    whole: Nanoseconds = _whole_ns(exact_ns)
    return whole


@over_scenarios("(n)->(n)", "void(float64[:], int64[:])")
def _whole_ns(exact_ns: Floats, whole_ns: Nanoseconds) -> None:
    sum_ns, end_ns = 0.0, np.int64(0)
    for i in range(exact_ns.size):
        sum_ns += exact_ns[i]
        next_ns = np.int64(np.rint(sum_ns))
        whole_ns[i] = next_ns - end_ns
        end_ns = next_ns


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

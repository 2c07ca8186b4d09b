"""One decorator for everything that numba compiles: no interpreter lock, kept on disk where possible."""

from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

# Reference counts of arrays in tuples cost 17 times the arithmetic (475 against 23 ns a packet), so they are
# turned off: compiled functions get all their arrays from the caller and make none.
OPTIONS: Final[dict[str, Any]] = {"nogil": True, "forceinline": True, "_nrt": False}


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code that runs without the interpreter lock.

    Parameters
    ----------
    function
        Plain arithmetic on the arrays and numbers it is given; it makes no arrays. Compiled at its first call.

    Notes
    -----
    numba refuses ``cache=True`` when neither the package folder nor a cache folder can be written
    (a read-only image, a job without a home): then every process compiles for itself.
    """
    import numba

    try:
        return cast("Callable[P, R]", numba.njit(cache=True, **OPTIONS)(function))
    except RuntimeError:
        return cast("Callable[P, R]", numba.njit(**OPTIONS)(function))

"""One decorator for everything that numba compiles here: no interpreter lock, kept on disk where possible."""

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from zcanalysis.machine_code import machine_code

P = ParamSpec("P")
R = TypeVar("R")

# Reference counts of arrays in tuples cost 17 times the arithmetic (475 against 23 ns a packet), so they are
# turned off: compiled functions get all their arrays from the caller and make none.
OPTIONS: Final = {"nogil": True, "forceinline": True, "_nrt": False}


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code that runs without the interpreter lock.

    Parameters
    ----------
    function
        Plain arithmetic on the arrays and numbers it is given; it makes no arrays. Compiled at its first call.
    """
    return machine_code(function, **OPTIONS)

"""Loops without an interpreter, calling the C library: what a system call takes is some hundred nanoseconds.

libc's functions are found by name when the machine code is loaded, so that it can be kept on disk (`machine_code`).
"""

from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
from numba import types

from zcanalysis.machine_code import machine_code
from zcanalysis.rates import NS_PER_S

P = ParamSpec("P")
R = TypeVar("R")
Integers = npt.NDArray[np.int64]

CLOCK_MONOTONIC: Final = 1


def native(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code that other threads run beside.

    Parameters
    ----------
    function
        What numba can compile.
    """
    return machine_code(function, nogil=True)


def of_libc(name: str, gives: Any, *takes: Any) -> Callable[..., int]:  # noqa: ANN401 - numba has no types
    """A function of the C library, for native ones.

    Parameters
    ----------
    name
        As the linker knows it.
    gives, takes
        Numba's types. Addresses are whole numbers: so the compiler does not know memcpy or read by their names and
        takes no call away.
    """
    function: Callable[..., int] = types.ExternalFunction(name, gives(*takes))
    return function


write_to: Final = of_libc("write", types.intp, types.int32, types.intp, types.uintp)
read_from: Final = of_libc("read", types.intp, types.int32, types.intp, types.uintp)
read_at: Final = of_libc("pread", types.intp, types.int32, types.intp, types.uintp, types.intp)
copy_memory: Final = of_libc("memcpy", types.intp, types.intp, types.intp, types.uintp)
system_call: Final = of_libc("syscall", types.intp, types.intp, types.intp, types.intp, types.intp)
_clock_gettime: Final = of_libc("clock_gettime", types.int32, types.int32, types.intp)


@native
def now_ns(scratch: Integers) -> int:
    """The monotonic clock; scratch, shape (2,), is the caller's own."""
    _clock_gettime(CLOCK_MONOTONIC, scratch.ctypes.data)
    return int(scratch[0] * NS_PER_S + scratch[1])


@native
def clock_costs(costs_ns: Integers) -> None:
    """How far two readings of the clock, one after the other, lie apart."""
    scratch = np.zeros(2, np.int64)
    for at in range(len(costs_ns)):
        before = now_ns(scratch)
        costs_ns[at] = now_ns(scratch) - before

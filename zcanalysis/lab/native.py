"""Loops without an interpreter, calling the C library: what a system call takes is some hundred nanoseconds."""

import ctypes
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt

P = ParamSpec("P")
R = TypeVar("R")
Integers = npt.NDArray[np.int64]

CLOCK_MONOTONIC: Final = 1
NS_PER_S: Final = 1_000_000_000


def native(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code that other threads run beside; never kept: it holds addresses of this process.

    Parameters
    ----------
    function
        What numba can compile.
    """
    njit: Any = import_module("numba").njit
    return cast("Callable[P, R]", njit(nogil=True)(function))


_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_POINTER: Final = ctypes.c_ssize_t  # numba passes addresses of arrays as whole numbers


def _of_libc(name: str, *takes: Any) -> Any:  # noqa: ANN401 - ctypes has no types
    function = getattr(_LIBC, name)
    function.argtypes, function.restype = takes, ctypes.c_ssize_t
    return function


write_to: Final = _of_libc("write", ctypes.c_int, _POINTER, ctypes.c_size_t)
read_from: Final = _of_libc("read", ctypes.c_int, _POINTER, ctypes.c_size_t)
read_at: Final = _of_libc("pread", ctypes.c_int, _POINTER, ctypes.c_size_t, ctypes.c_long)
copy_memory: Final = _of_libc("memcpy", _POINTER, _POINTER, ctypes.c_size_t)
system_call: Final = _of_libc("syscall", ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_long)
_clock_gettime: Final = _of_libc("clock_gettime", ctypes.c_int, _POINTER)


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

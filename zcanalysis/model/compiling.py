"""Decorators for the loops that have no closed form: machine code that broadcasts over scenarios, or walks one host.

What walks one host is spread over several modules that call each other and share constants; `machine_code` keeps it
until any of them changes.
"""

from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

from zcanalysis.machine_code import machine_code

P = ParamSpec("P")
R = TypeVar("R")


def over_scenarios(layout: str, signature: str) -> Callable[[Callable[..., None]], Callable[..., Any]]:
    """Turns a loop over the packets of one scenario into a function of arrays with any scenarios in front.

    Parameters
    ----------
    layout, signature
        As numba.guvectorize wants them: ``"(n),()->(n)"`` and ``"void(int64[:], int64, int64[:])"``.

    Notes
    -----
    numba is imported and the loop compiled at its first call, and kept on disk where the package or a cache folder can
    be written. It is compiled anew when its own file changes, so a loop may call nothing of another module of ours.
    """

    def decorate(loop: Callable[..., None]) -> Callable[..., Any]:
        @cache
        def kernel() -> Any:  # noqa: ANN401 - numba has no types
            numba: Any = import_module("numba")
            try:
                return numba.guvectorize([signature], layout, nopython=True, cache=True)(loop)
            except RuntimeError:  # nowhere to keep it: every process compiles for itself
                return numba.guvectorize([signature], layout, nopython=True)(loop)

        @wraps(loop)
        def call(*arrays: Any) -> Any:  # noqa: ANN401
            return kernel()(*arrays)

        return call

    return decorate


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """A function of records and arrays as machine code, kept on disk where a folder can be written.

    Parameters
    ----------
    function
        Allocates nothing, and divides by nothing that may be 0.

    Notes
    -----
    It holds no lock of Python, and it counts no references to its arrays: what calls it must hold them. Counting them
    at each call takes more time than the rules of a receiver (half to two thirds of a replay).
    """
    return _machine_code(function, in_place=False)


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """As `compiled`, but in place of each call: for what is small, or called in one or two places.

    Parameters
    ----------
    function
        As for `compiled`. Chains of these multiply, and so does the time to compile.
    """
    return _machine_code(function, in_place=True)


def _machine_code(function: Callable[P, R], *, in_place: bool) -> Callable[P, R]:
    return machine_code(
        function, nogil=True, error_model="numpy", forceinline=in_place, no_cfunc_wrapper=True, _nrt=False
    )

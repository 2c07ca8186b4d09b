"""One decorator for the loops that have no closed form: machine code that broadcasts over scenarios."""

from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from typing import Any


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

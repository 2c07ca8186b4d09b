"""Decorators for the loops that have no closed form: machine code that broadcasts over scenarios, or walks one host.

numba keeps machine code until the file of the function changes. What walks one host is spread over several modules that
call each other and share constants, so here it is kept until any of them changes.
"""

import ast
from collections.abc import Callable, Iterator
from functools import cache, wraps
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

PACKAGE: Final = Path(__file__).parent.parent


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
    njit: Any = import_module("numba").njit
    options = {"nogil": True, "error_model": "numpy", "forceinline": in_place, "no_cfunc_wrapper": True, "_nrt": False}
    dispatcher = njit(**options)(function)
    if kept := _kept(function):
        dispatcher._cache = kept
    code: Callable[P, R] = dispatcher
    return code


def _kept(function: Callable[..., Any]) -> Any:  # noqa: ANN401 - numba has no types
    """Numba's file cache for a function, valid for the present text of its sources; None where nothing can be kept."""
    caching: Any = import_module("numba.core.caching")
    try:
        kept = caching.FunctionCache(function)
    except RuntimeError:
        return None
    stamp = sources_digest(Path(function.__code__.co_filename))
    kept._cache_file = caching.IndexDataCacheFile(kept.cache_path, kept._impl.filename_base, stamp)
    return kept


@cache
def sources_digest(path: Path) -> str:
    """One text for the content of a source file and of all files of this package that it imports, however far.

    Parameters
    ----------
    path
        A Python file.
    """
    reached, waiting = {path}, [path]
    while waiting:
        new = set(_imported(waiting.pop())) - reached
        reached |= new
        waiting += new
    digest = sha256()
    for source in sorted(reached):
        digest.update(source.read_bytes())
    return digest.hexdigest()


@cache
def _imported(path: Path) -> tuple[Path, ...]:
    """Files of this package that a file imports when it is loaded."""
    names = _import_names(ast.parse(path.read_bytes()))
    files = (PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py") for name in names)
    return tuple(file for file in files if file.is_file())


def _import_names(module: ast.Module) -> Iterator[str]:
    for statement in module.body:
        if isinstance(statement, ast.Import):
            yield from (name.name for name in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            yield statement.module
            yield from (f"{statement.module}.{name.name}" for name in statement.names)

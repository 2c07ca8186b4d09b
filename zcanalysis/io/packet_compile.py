"""One decorator for everything that numba compiles: no interpreter lock, kept on disk where possible.

numba keeps machine code until the file of the function changes. Ours also holds what was inlined from other modules
and their constants, so here it is kept until any of these files changes: after an edit or an upgrade nothing stale
can run.
"""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

# Reference counts of arrays in tuples cost 17 times the arithmetic (475 against 23 ns a packet), so they are
# turned off: compiled functions get all their arrays from the caller and make none.
OPTIONS: Final[dict[str, Any]] = {"nogil": True, "forceinline": True, "_nrt": False}
PACKAGE: Final = Path(__file__).parent.parent


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code that runs without the interpreter lock.

    Parameters
    ----------
    function
        Plain arithmetic on the arrays and numbers it is given; it makes no arrays. Compiled at its first call.

    Notes
    -----
    numba refuses to keep machine code when neither the package folder nor a cache folder can be written
    (a read-only image, a job without a home): then every process compiles for itself.
    """
    import numba

    dispatcher = numba.njit(**OPTIONS)(function)
    if kept := _kept(function):
        dispatcher._cache = kept
    return cast("Callable[P, R]", dispatcher)


def _kept(function: Callable[..., Any]) -> Any:  # noqa: ANN401 - numba has no types
    """Numba's file cache for a function, valid for the present text of its sources; None where it cannot be."""
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

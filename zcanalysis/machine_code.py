"""Functions as machine code that is kept on disk until any source file it was made from changes.

numba keeps machine code until the file of the function changes. Ours also holds what was inlined from other modules
and their constants: after an edit or an upgrade nothing stale may run.
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

PACKAGE: Final = Path(__file__).parent


def machine_code(function: Callable[P, R], **options: bool | str) -> Callable[P, R]:
    """The function as machine code, compiled at its first call.

    Parameters
    ----------
    function
        What numba can compile.
    **options
        For ``numba.njit``.

    Notes
    -----
    numba refuses to keep machine code when neither the package folder nor a cache folder can be written
    (a read-only image, a job without a home): then every process compiles for itself.
    """
    njit: Any = import_module("numba").njit
    dispatcher = njit(**options)(function)
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

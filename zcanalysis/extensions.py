"""Extensions: patches, stage maps and readers that other distributions bring, found by entry points.

A distribution names in its ``pyproject.toml`` what it adds; the name of the entry point is the name that users see::

    [project.entry-points."zcanalysis.patches"]
    acme-copy = "zcanalysis_acme:COPY"      # a zcanalysis.patches.Entry whose name is acme-copy

    [project.entry-points."zcanalysis.stage_maps"]
    acme-driver = "zcanalysis_acme:DRIVER"  # a zcanalysis.cpu.stage_maps.StageMap

    [project.entry-points."zcanalysis.readers"]
    acme-tap = "zcanalysis_acme:TAP"        # a zcanalysis.io.readers.Reader

`tests/extending/example_project` is a whole one. What each object has to be is said by its type; whether it is that,
`zcanalysis extensions` says. The metadata of installed distributions is read when something is asked for that we
ourselves do not know; a module is imported when its patch is asked for by name, or when a whole group is needed.

An extension runs as part of zcanalysis and may do whatever that may: install those that you trust. What it prints goes
to standard error. One that cannot be used is left out with an `ExtensionWarning`; where it is asked for by name, that
is an `ExtensionError`. Of a name that two distributions give neither is used.
"""

import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache, wraps
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Literal, NamedTuple, TypeVar

from zcanalysis.errors import ExtensionError, ExtensionWarning, ZcError

T = TypeVar("T")
Group = Literal["patches", "stage_maps", "readers"]

GROUPS: Final[tuple[Group, ...]] = ("patches", "stage_maps", "readers")
NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME: Final = 26
"""As wide as names are in `zcanalysis patches`."""
SHOWN_NAME: Final = 40
SHOWN_CHARACTERS: Final = 200

_one_at_a_time = threading.RLock()
"""Standard output is the whole process's: one extension at a time may be without it."""


class Extension(NamedTuple):
    """One entry point of one distribution, not yet imported."""

    group: Group
    name: str
    distribution: str
    version: str
    point: EntryPoint

    @property
    def origin(self) -> str:
        """Who brings it."""
        return f"{self.distribution} {self.version}"

    def __str__(self) -> str:
        return f"{self.origin}: {self.name[:SHOWN_NAME]} (zcanalysis.{self.group})"


@cache
def installed(group: Group) -> tuple[Extension, ...]:
    """All of a group, by name; nothing is imported.

    Parameters
    ----------
    group
        Of them.
    """
    try:
        points = entry_points(group=f"zcanalysis.{group}")
        found = [Extension(group, point.name, *_distribution(point), point) for point in points]
    except Exception as error:  # one damaged distribution makes the whole list unreadable
        warn(f"extensions cannot be listed, none is used: {_reason(error)}")
        return ()
    return tuple(sorted(found, key=lambda one: (one.name, one.origin)))


def _distribution(point: EntryPoint) -> tuple[str, str]:
    try:
        return (point.dist.name, point.dist.version) if point.dist else ("unknown", "")
    except Exception:  # metadata without a name: each Python has its own error for it
        return "unknown", ""


def loaded(extension: Extension, kind: type[T]) -> T:
    """The object behind an entry point, imported.

    Parameters
    ----------
    extension
        Which one.
    kind
        The type that it must have.

    Raises
    ------
    ExtensionError
        If its name cannot be used, it cannot be imported, or is something else.
    """
    if not NAME.fullmatch(extension.name) or len(extension.name) > LONGEST_NAME:
        raise ExtensionError(
            f"{extension}: a name has at most {LONGEST_NAME} lower-case letters, digits and single dashes"
        )
    others = [one.origin for one in installed(extension.group) if one.name == extension.name]
    if len(others) > 1:
        raise ExtensionError(f"{extension}: {' and '.join(others)} both bring this name; none of them is used")
    with working(extension):
        made = extension.point.load()
    if not isinstance(made, kind):
        given = extension.point.value
        raise ExtensionError(f"{extension}: {given} must be a {kind.__name__}, got a {type(made).__name__}")
    return made


def usable(group: Group, load: Callable[[Extension], T]) -> Iterator[tuple[Extension, T]]:
    """Those of a group that can be used; of each other one a warning says why.

    Parameters
    ----------
    group
        Of them.
    load
        Gives the object, or raises an `ExtensionError`.
    """
    for extension in installed(group):
        try:
            yield extension, load(extension)
        except ExtensionError as error:
            warn(f"{error}; it is left out")


@contextmanager
def working(extension: Extension) -> Iterator[None]:
    """While code of an extension runs: what it prints goes to standard error, its failures name it.

    Parameters
    ----------
    extension
        Whose code it is. Errors of ours that it raises on purpose pass.

    Raises
    ------
    ExtensionError
        If it fails.
    """
    try:
        with _one_at_a_time, redirect_stdout(sys.stderr):
            yield
    except (ZcError, KeyboardInterrupt):
        raise
    except BaseException as error:  # also SystemExit, and polars' panics
        raise ExtensionError(f"{extension}: {_reason(error)}") from error


def guarded(extension: Extension, function: Callable[..., Any], gives: type[T]) -> Callable[..., T]:
    """A function of an extension, whose failures name it.

    Parameters
    ----------
    extension
        Whose it is.
    function
        To be called.
    gives
        The type of what it must return.
    """

    @wraps(function)
    def call(*given: Any) -> T:  # noqa: ANN401 - whatever the function takes
        with working(extension):
            made = function(*given)
        if not isinstance(made, gives):
            raise ExtensionError(f"{extension}: must give a {gives.__name__}, gave a {type(made).__name__}")
        return made

    return call


def warn(message: str) -> None:
    """Say that something is left out.

    Parameters
    ----------
    message
        One line.
    """
    warnings.warn(message, ExtensionWarning, stacklevel=2)


def fingerprint() -> str:
    """The extensions that change what a recording's tables hold; empty where there are none."""
    return ", ".join(map(str, (*installed("readers"), *installed("stage_maps"))))


def _reason(error: BaseException) -> str:
    words = " ".join(str(error).split())[:SHOWN_CHARACTERS]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__

"""The values that patches take: read from text, checked, and described in words."""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

from zcanalysis.errors import PatchError
from zcanalysis.patches.patch import Value

FASTEST_GBPS: Final = 1e5
LARGEST_BUFFER_BYTES: Final = (1 << 31) - 1


class Kind(NamedTuple):
    """A kind of value."""

    expected: str
    """In words, with bounds."""
    read: Callable[[str], Value]
    """From text; raises ValueError."""
    fits: Callable[[Value], bool]
    missing: str | None = None
    """What a name without value stands for."""


SWITCH = Kind("on or off", lambda text: {"on": True, "off": False}[text], lambda value: isinstance(value, bool), "on")
CPU = Kind(
    "a CPU number",
    int,
    lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 16,
)
CPU_OR_OFF = Kind(
    "a CPU number or off",
    lambda text: None if text == "off" else int(text),
    lambda value: value is None or CPU.fits(value),
)


ALWAYS = Kind("on", lambda text: {"on": True}[text], lambda value: value is True, "on")


def switch_or(*words: str) -> Kind:
    """On or off, or one of some words; ``none`` is off."""
    known: dict[str, Value] = {"on": True, "off": False, "none": False} | {word: word for word in words}
    return Kind(
        f"on, off, none, {', '.join(words[:-1])} or {words[-1]}",
        lambda text: known[text],
        lambda value: isinstance(value, bool) or value in words,
        "on",
    )


def whole(least: int, most: int, unit: str) -> Kind:
    """A whole number between bounds."""
    return Kind(
        f"{unit}, {least} to {most}",
        int,
        lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most,
    )


def above_zero(most: float, unit: str) -> Kind:
    """A number above 0."""
    return Kind(f"{unit}, above 0 and at most {most:g}", float, lambda value: _is_number(value) and 0 < value <= most)  # type: ignore[operator]


def percent() -> Kind:
    """A share, in percent."""
    return Kind("percent, 0 to 100", float, lambda value: _is_number(value) and 0 <= value <= 100)  # type: ignore[operator]  # noqa: PLR2004


def one_of(*words: str) -> Kind:
    """One of some words."""
    return Kind(" or ".join(words), str, lambda value: value in words)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def checked(name: str, value: Value, kind: Kind) -> Value:
    """The value, if it is of that kind.

    Raises
    ------
    PatchError
        If it is not.
    """
    if not kind.fits(value):
        raise PatchError(f"patch {name}: expected {kind.expected}, got {str(value)[:40]}")
    return value


def value_of(name: str, text: str | None, kind: Kind) -> Value:
    """The value in the text behind ``=``; None when there was no ``=``.

    Raises
    ------
    PatchError
        If it is absent or not of that kind.
    """
    text = kind.missing if text is None else text.strip()
    if text is None:
        raise PatchError(f"patch {name} needs a value, as in {name}=VALUE: {kind.expected}")
    try:
        value = kind.read(text)
    except (KeyError, ValueError):
        raise PatchError(f"patch {name}: expected {kind.expected}, got {text[:40]!r}") from None
    return checked(name, value, kind)

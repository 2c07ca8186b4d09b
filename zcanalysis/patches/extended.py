"""Patches that other distributions bring: checked when they are first needed, then entries like all others."""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from zcanalysis.errors import ExtensionError
from zcanalysis.extensions import Extension, guarded, installed, loaded, usable
from zcanalysis.patches.built_in import CATALOGUE
from zcanalysis.patches.entry import EVERY, Entry
from zcanalysis.patches.patch import Setting
from zcanalysis.patches.values import Kind


class Added(NamedTuple):
    """One patch and who brings it."""

    entry: Entry
    origin: str


@cache
def added() -> Mapping[str, Added]:
    """All that can be used, by name; every module that brings one is imported."""
    return {one.name: Added(entry, one.origin) for one, entry in usable("patches", added_entry)}


def added_names() -> list[str]:
    """Names that distributions give, whether the patch can be used or not; nothing is imported."""
    return [one.name for one in installed("patches") if one.name.isprintable()]


def added_named(name: str) -> Entry | None:
    """The patch of that name; None where nobody brings one.

    Raises
    ------
    ExtensionError
        If it is there and cannot be used.
    """
    found = next((one for one in installed("patches") if one.name == name), None)
    return None if found is None else added_entry(found)


@cache
def added_entry(extension: Extension) -> Entry:
    """The patch of an extension.

    Raises
    ------
    ExtensionError
        If it cannot be used.
    """
    from zcanalysis.hosts import Host

    if extension.name in CATALOGUE:
        raise ExtensionError(f"{extension}: zcanalysis itself has a patch of that name")
    entry = loaded(extension, Entry)
    if (wrong := _wrong(entry, extension.name)) is not None:
        raise ExtensionError(f"{extension}: {wrong}")
    effect = entry.effect and guarded(extension, entry.effect, Host)
    return entry._replace(on=guarded(extension, entry.on, Setting), effect=effect)


def _wrong(entry: Entry, name: str) -> str | None:
    """What keeps an entry from being used."""
    if entry.name != name:
        return f"the name of the entry must be that of the entry point, got {str(entry.name)[:40]!r}"
    for field in ("what", "source", "unless"):
        if not isinstance(getattr(entry, field), str):
            return f"{field} must be a text, got a {type(getattr(entry, field)).__name__}"
    if not isinstance(entry.value, Kind):
        return f"value must be a Kind, got a {type(entry.value).__name__}"
    if not callable(entry.on) or not (entry.effect is None or callable(entry.effect)):
        return "on must be a function, and effect one or None"
    if not isinstance(entry.generations, frozenset) or not entry.generations <= EVERY:
        return f"generations must be a frozenset of {' and '.join(sorted(EVERY))}"
    if not isinstance(entry.tries, tuple) or not all(map(entry.value.fits, entry.tries)):
        return f"tries must be a tuple of values that it can have ({entry.value.expected})"
    return None

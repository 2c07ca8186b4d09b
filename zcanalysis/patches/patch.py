"""One change to a host, and what doing it would mean there."""

from dataclasses import dataclass
from typing import NamedTuple

Value = int | float | bool | str | None


@dataclass(frozen=True, slots=True)
class Patch:
    """A change by name and value: data, not yet tied to any host.

    Examples
    --------
    >>> str(Patch("mtu", 9000)), str(Patch("gro", True)), str(Patch("rps", None)), str(Patch("speedup:copy", 20.0))
    ('mtu=9000', 'gro=on', 'rps=off', 'speedup:copy=20')
    """

    name: str
    value: Value

    @property
    def kind(self) -> str:
        """The name in the catalogue."""
        return self.name.partition(":")[0]

    @property
    def stage(self) -> str:
        """The stage it speeds up; empty for every other patch."""
        return self.name.partition(":")[2]

    @property
    def number(self) -> float:
        """The value of a patch whose value is a number."""
        if isinstance(self.value, str) or self.value is None:
            raise TypeError(f"{self} has no number")
        return float(self.value)

    def __str__(self) -> str:
        return f"{self.name}={_text(self.value)}"


def _text(value: Value) -> str:
    if value is None or isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


class Setting(NamedTuple):
    """What one patch means on one host."""

    in_place: bool | None
    """Whether the host is so already; None when the recording does not say, or when nothing there would show it."""
    obstacle: str | None
    """Why it cannot be done there; None when it can."""
    command: str | None
    undo: str | None
    note: str
    """What else must be so, or what to mind."""


def cannot(why: str, in_place: bool | None = None) -> Setting:
    """It cannot be done, or the recording does not say enough."""
    return Setting(in_place, why, None, None, "")


def already(why: str) -> Setting:
    """The host is so."""
    return Setting(True, why, None, None, "")


def step(command: str, undo: str, note: str) -> Setting:
    """It can be done, and undone."""
    return Setting(False, None, command, undo, note)


def imagined(note: str) -> Setting:
    """A question without a command."""
    return Setting(None, None, None, None, note)

"""One number of a host, how sure it is, and who says so."""

import math
import reprlib
from dataclasses import dataclass
from typing import Final, Literal

from zcanalysis.errors import ImpossibleHostError

Origin = Literal["measured", "calibrated", "published", "assumed"]
ORIGINS: Final = ("measured", "calibrated", "published", "assumed")
MOST: Final = 1e10  # ten seconds of nanoseconds: what the replays can add up without overflow


@dataclass(frozen=True, slots=True)
class Price:
    """A value within low to high (5 to 95 %); the name of the field it is kept in ends with its unit.

    Examples
    --------
    >>> Price(0.6, 0.5, 0.9, "published", "Celeron 1200, 704 cycles per KB")
    Price(value=0.6, low=0.5, high=0.9, origin='published', source='Celeron 1200, 704 cycles per KB')
    """

    value: float
    low: float
    high: float
    origin: Origin
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if type(number) is not float:
                object.__setattr__(self, name, _number(name, number))
        if not 0 <= self.low <= self.value <= self.high <= MOST:
            self._refuse()
        if self.origin not in ORIGINS:
            raise ImpossibleHostError(
                f"origin must be {', '.join(ORIGINS[:-1])} or {ORIGINS[-1]}, got {shown(self.origin)}"
            )
        if not isinstance(self.source, str):
            raise ImpossibleHostError(f"source must be a text, got {shown(self.source)}")

    def at(self, value: float) -> "Price":
        """The same price at another value, without an interval."""
        return exactly(value, self.origin, self.source)

    def _refuse(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if not 0 <= number <= MOST:
                raise ImpossibleHostError(f"{name} must be 0 to {MOST:g}, got {number:g}")
        raise ImpossibleHostError(f"value {self.value:g} must lie within low {self.low:g} to high {self.high:g}")


def exactly(value: float, origin: Origin, source: str = "") -> Price:
    """A price without an interval."""
    return Price(value, value, value, origin, source)


def parse_price(text: str) -> tuple[str, float]:
    """Name and value of a price given as ``copy.ns_per_byte=0.05``.

    Raises
    ------
    ImpossibleHostError
        If it is not of that form; whether there is such a price is for a host to say.

    Examples
    --------
    >>> parse_price("copy.ns_per_byte=0.05")
    ('copy.ns_per_byte', 0.05)
    """
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise ImpossibleHostError(f"price {shown(text)}: expected NAME=VALUE, as in copy.ns_per_byte=0.05") from None


def shown(value: object) -> str:
    """A value in a message: one line, and not a whole file."""
    return reprlib.repr(value)


def _number(name: str, number: object) -> float:
    if isinstance(number, bool) or not hasattr(number, "__float__"):
        raise ImpossibleHostError(f"{name} must be a number, got {shown(number)}")
    try:
        return float(number)
    except (OverflowError, ValueError, TypeError):
        return math.inf

"""What may stand in a field of a section: told by its type, once a class."""

from dataclasses import MISSING, fields
from functools import cache
from types import NoneType
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts.price import Price, shown

AT_LEAST_ONE: Final = (
    "gso_bytes", "sndbuf_bytes", "tsq_bytes", "cwnd_bytes", "mss_bytes", "dma_burst_bytes", "ring_packets", "delack_ns",
    "prequeue_timer_ns", "window_bytes", "buffer_bytes", "slice_ns",
)  # fmt: skip
MOST: Final = 1 << 40
MOST_OF: Final = {"mss_bytes": 65495}  # an IPv4 packet of 65535 with bare headers


class Rule(NamedTuple):
    """What one field takes."""

    name: str
    kind: Any
    """Its type: Price, int, bool, str or tuple."""
    choices: tuple[str, ...]
    """Of a str; empty: any."""
    optional: bool
    """None is allowed."""
    needed: bool
    """It has no default."""


@cache
def rules(section: type) -> tuple[Rule, ...]:
    """The rules of a class of sections, in its order."""
    hints = get_type_hints(section)
    return tuple(_rule(field.name, hints[field.name], field.default is MISSING) for field in fields(section))


def check(place: str, section: Any) -> None:  # noqa: ANN401 - any of the sections
    """Raises where a field of the section cannot be.

    Parameters
    ----------
    place
        How messages call the section.
    section
        One of the sections' dataclasses.

    Raises
    ------
    ImpossibleHostError
        The first one.
    """
    kind: type = type(section)
    for rule in rules(kind):
        value: Any = getattr(section, rule.name)
        if type(value) is not rule.kind:
            if value is None and rule.optional:
                continue
            raise ImpossibleHostError(f"{place}.{rule.name} must be {_wanted(rule)}, got {shown(value)}")
        if rule.kind is int:
            _check_range(place, rule.name, value)
        elif rule.choices and value not in rule.choices:
            raise ImpossibleHostError(f"{place}.{rule.name} must be {_wanted(rule)}, got {shown(value)}")
        elif rule.kind is Price and rule.name.endswith("gbps") and value.low <= 0:
            raise ImpossibleHostError(f"{place}.{rule.name}: a rate must be > 0, got low = {value.low:g}")


def _check_range(place: str, name: str, value: int) -> None:
    least, most = int(name in AT_LEAST_ONE), MOST_OF.get(name, MOST)
    if not least <= value <= most:
        raise ImpossibleHostError(f"{place}.{name} must be {least} to {most}, got {value}")


def _rule(name: str, hint: Any, needed: bool) -> Rule:  # noqa: ANN401 - typing has no type of hints
    parts = get_args(hint)
    optional = NoneType in parts
    if optional:
        hint = next(part for part in parts if part is not NoneType)
    if get_origin(hint) is Literal:
        return Rule(name, str, get_args(hint), optional, needed)
    return Rule(name, get_origin(hint) or hint, (), optional, needed)


def _wanted(rule: Rule) -> str:
    if rule.choices:
        return " or ".join(rule.choices)
    return {Price: "a price", int: "a whole number", bool: "true or false", tuple: "a list of CPUs"}[rule.kind]

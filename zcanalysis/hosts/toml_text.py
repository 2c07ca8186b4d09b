"""A host as TOML text, in and out."""

import tomllib
from pathlib import Path
from typing import Any, Final

from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts.fields import Rule, rules
from zcanalysis.hosts.host import SECTIONS, Host
from zcanalysis.hosts.price import Price, shown
from zcanalysis.hosts.sections import Queue

MOST_BYTES: Final = 1 << 20
HEAD: Final = ("name", "generation", "about")
PRICE_KEYS: Final = ("value", "low", "high", "origin", "source")
ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
DELETE: Final = 0x7F


def read_host(file: str | Path) -> Host:
    """The host that a file describes.

    Parameters
    ----------
    file
        As `write_host` writes it.

    Raises
    ------
    ImpossibleHostError
        If it cannot be read, is no TOML, holds what no host has, lacks what it needs, or describes an impossible host.
    """
    try:
        with Path(file).open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ImpossibleHostError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > MOST_BYTES:
        raise ImpossibleHostError(f"{file}: is larger than {MOST_BYTES >> 20} MB, expected the description of a host")
    try:
        return parse_host(data.decode())
    except UnicodeDecodeError as error:
        raise ImpossibleHostError(f"{file}: is no text (UTF-8): byte {error.start}") from error
    except ImpossibleHostError as error:
        raise ImpossibleHostError(f"{file}: {error}") from error


def write_host(host: Host, file: str | Path) -> None:
    """Writes the host to a file, which `read_host` reads to an equal one.

    Parameters
    ----------
    host
        Any.
    file
        Overwritten.

    Raises
    ------
    ImpossibleHostError
        If the file cannot be written.
    """
    try:
        Path(file).write_bytes(host_text(host).encode())
    except (OSError, ValueError) as error:
        raise ImpossibleHostError(f"{file}: {getattr(error, 'strerror', None) or error}") from error


def parse_host(text: str) -> Host:
    """The host that a text describes.

    Parameters
    ----------
    text
        TOML: name, generation, about; a table for every section, a price as an inline table; queues as an array.

    Raises
    ------
    ImpossibleHostError
        As for `read_host`.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ImpossibleHostError(f"is no TOML: {error}") from error
    _known("", document, (*HEAD, *SECTIONS, "queues"))
    given: dict[str, Any] = {name: document[name] for name in HEAD if name in document}
    for name in ("name", "generation"):
        if name not in document:
            raise ImpossibleHostError(f"{name} is missing")
    for name, kind in SECTIONS.items():
        if name not in document and any(rule.needed for rule in rules(kind)):
            raise ImpossibleHostError(f"section [{name}] is missing")
        given[name] = _section(name, kind, document.get(name, {}))
    queues = document.get("queues", [])
    if not isinstance(queues, list):
        raise ImpossibleHostError(f"queues must be an array of tables, got {shown(queues)}")
    given["queues"] = tuple(_section(f"queues[{at}]", Queue, queue) for at, queue in enumerate(queues))
    return Host(**given)


def host_text(host: Host) -> str:
    """The host as TOML.

    Parameters
    ----------
    host
        Any.
    """
    lines = [f"{name} = {toml_value(getattr(host, name))}" for name in HEAD]
    for name in SECTIONS:
        lines += ["", f"[{name}]", *_assignments(getattr(host, name))]
    for queue in host.queues:
        lines += ["", "[[queues]]", *_assignments(queue)]
    return "\n".join(lines) + "\n"


def _section(place: str, kind: type, table: object) -> Any:  # noqa: ANN401 - of that kind
    if not isinstance(table, dict):
        raise ImpossibleHostError(f"{place} must be a table, got {shown(table)}")
    wanted = rules(kind)
    _known(f"{place}.", table, tuple(rule.name for rule in wanted))
    for rule in wanted:
        if rule.needed and rule.name not in table:
            raise ImpossibleHostError(f"{place}.{rule.name} is missing")
    return kind(**{rule.name: _field(place, rule, table[rule.name]) for rule in wanted if rule.name in table})


def _field(place: str, rule: Rule, value: Any) -> Any:  # noqa: ANN401 - whatever TOML can hold
    if rule.kind is tuple and isinstance(value, list):
        return tuple(value)
    if rule.kind is not Price:
        return value
    name = f"{place}.{rule.name}"
    if not isinstance(value, dict):
        raise ImpossibleHostError(f"{name} must be {{ value, low, high, origin, source }}, got {shown(value)}")
    _known(f"{name}.", value, PRICE_KEYS)
    for key in PRICE_KEYS[:-1]:
        if key not in value:
            raise ImpossibleHostError(f"{name}.{key} is missing")
    try:
        return Price(**value)
    except ImpossibleHostError as error:
        raise ImpossibleHostError(f"{name}: {error}") from None


def _known(place: str, table: dict[str, Any], names: tuple[str, ...]) -> None:
    for key in table:
        if key not in names:
            raise ImpossibleHostError(f"{place}{shown(key)[1:-1]} is unknown: {', '.join(names)}")


def _assignments(section: Any) -> list[str]:  # noqa: ANN401 - any of the sections
    kind: type = type(section)
    values = {rule.name: getattr(section, rule.name) for rule in rules(kind)}
    return [f"{name} = {toml_value(value)}" for name, value in values.items() if value is not None]


def toml_value(value: object) -> str:
    """A value as TOML writes it.

    Parameters
    ----------
    value
        A number, text, truth, price, or several of them.

    Examples
    --------
    >>> toml_value(True), toml_value("tcp"), toml_value((1, 2.5))
    ('true', '"tcp"', '[1, 2.5]')
    """
    if isinstance(value, Price):
        return "{ " + ", ".join(f"{key} = {toml_value(getattr(value, key))}" for key in PRICE_KEYS) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(map(_character, value)) + '"'
    return repr(value)


def _character(character: str) -> str:
    if character in ESCAPES:
        return ESCAPES[character]
    return f"\\u{ord(character):04X}" if character < " " or ord(character) == DELETE else character

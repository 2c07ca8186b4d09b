"""A scenario as TOML text, in and out: one key a field, and a field that is not named keeps its default.

TOML has no word for nothing: ``"off"`` is a CPU, a size or a rate that is not set.
"""

import tomllib
from dataclasses import fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from zcanalysis.errors import HostError
from zcanalysis.hosts.toml_text import toml_value
from zcanalysis.lab.scenarios import Scenario, scenario_named

MOST_BYTES: Final = 1 << 16
OFF: Final = "off"
KINDS: Final = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", NoneType: f'"{OFF}"'}


def chosen_scenario(name_or_file: str) -> Scenario:
    """The scenario of that name, or of the file: what ends in .toml or holds a slash is one.

    Raises
    ------
    HostError
        If there is no such name, or as `read_scenario`.
    """
    if name_or_file.endswith(".toml") or "/" in name_or_file:
        return read_scenario(name_or_file)
    return scenario_named(name_or_file)


def read_scenario(file: str | Path) -> Scenario:
    """The scenario that a file describes.

    Parameters
    ----------
    file
        TOML, as `scenario_text` writes it; without ``name`` it is called like the file.

    Raises
    ------
    HostError
        If it cannot be read, is no TOML, has a key that no scenario has, a value of another kind, or an impossible one.
    """
    try:
        with Path(file).open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise HostError(f"{file}: is larger than {MOST_BYTES >> 10} KiB, expected a scenario")
        document = tomllib.loads(content.decode())
        return parse_scenario({"name": Path(file).stem} | document)
    except OSError as error:
        raise HostError(f"{file}: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise HostError(f"{file}: is no TOML: {error}") from error
    except ValueError as error:
        raise HostError(f"{file}: {error}") from error


def parse_scenario(document: dict[str, Any]) -> Scenario:
    """The scenario of a table.

    Raises
    ------
    ValueError
        If it has a key that no scenario has, a value of another kind, or an impossible one.

    Examples
    --------
    >>> parse_scenario({"name": "mine", "mtu": 3000}).mtu
    3000
    """
    hints = get_type_hints(Scenario)
    given = dict(document)
    for name, value in document.items():
        if name not in hints:
            raise ValueError(f"{name[:40]!r} is unknown: {', '.join(hints)}")
        kinds = _kinds(hints[name])
        if value == OFF and NoneType in kinds:
            given[name] = None
        elif not any(_is_of(value, kind) for kind in kinds):
            raise ValueError(f"{name} must be {' or '.join(map(_word, kinds))}, got {str(value)[:40]!r}")
    return Scenario(**given)


def scenario_text(scenario: Scenario) -> str:
    """Every field as TOML."""
    values = {each.name: getattr(scenario, each.name) for each in fields(scenario)}
    return "".join(f"{name} = {toml_value(OFF if value is None else value)}\n" for name, value in values.items())


def _kinds(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any annotation
    return get_args(hint) if isinstance(hint, UnionType) else (hint,)


def _is_of(value: object, kind: Any) -> bool:  # noqa: ANN401 - any annotation
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _word(kind: Any) -> str:  # noqa: ANN401 - any annotation
    return " or ".join(get_args(kind)) if get_origin(kind) is Literal else KINDS[kind]

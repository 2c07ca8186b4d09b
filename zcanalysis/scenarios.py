"""Scenarios: patches and prices under a name, kept as TOML, written as Python and as a command.

What a scenario would give is another room's question (`whatif`, `exploring`).

Examples
--------
>>> jumbo = Scenario(name="jumbo", patches=(parse_patch("mtu=9000"),), prices={"tcp.skb_ns": 300.0})
>>> as_command(jumbo, "traces/veth-1500")
'zcanalysis predict traces/veth-1500 --patch mtu=9000 --price tcp.skb_ns=300.0'
>>> parse_scenarios(scenarios_text([jumbo])) == (jumbo,)
True
"""

import shlex
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from zcanalysis.errors import PatchError
from zcanalysis.hosts.price import shown
from zcanalysis.hosts.toml_text import toml_value
from zcanalysis.patches import Patch, parse_patch

MOST_BYTES: Final = 1 << 20
MOST_SCENARIOS: Final = 1000
KEYS: Final = ("name", "patches", "prices")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A change to ask about: patches together, and prices set to other values."""

    name: str
    """Its user's: any text."""
    patches: tuple[Patch, ...] = ()
    prices: Mapping[str, float] = field(default_factory=dict)
    """By name, `copy.ns_per_byte`, in the unit that the name ends with."""

    @property
    def changes(self) -> str:
        """Everything that it changes, as one text."""
        return " + ".join(parts(self)) or "no change"


def parts(scenario: Scenario) -> list[str]:
    """Each change as a text: ``mtu=9000``, ``copy.ns_per_byte=0.05``.

    Parameters
    ----------
    scenario
        Any.
    """
    return [*map(str, scenario.patches), *(f"{name}={value:.6g}" for name, value in scenario.prices.items())]


def as_command(scenario: Scenario, recording: str | Path) -> str:
    """The command line that asks the same of the recording; for a shell.

    Parameters
    ----------
    scenario
        With a patch or a price.
    recording
        Where it lies.
    """
    words = ["zcanalysis", "predict", str(recording)]
    for patch in scenario.patches:
        words += ["--patch", str(patch)]
    for name, value in scenario.prices.items():
        words += ["--price", f"{name}={value!r}"]
    return shlex.join(words)


def as_python(scenario: Scenario, recording: str | Path = "", *, preset: str = "") -> str:
    """Lines of Python that ask the same and leave the PATCHES table in ``predicted``.

    Parameters
    ----------
    scenario
        Any.
    recording
        Where it lies.
    preset
        The name of a host to ask it of instead.
    """
    patches = ", ".join(repr(str(patch)) for patch in scenario.patches)
    of = f"zc.hosts.preset({preset!r})" if preset else f"zc.read_recording({str(recording)!r})"
    return "\n".join((
        "import zcanalysis as zc",
        "",
        f"patches = [zc.patches.parse_patch(text) for text in [{patches}]]",
        f"predicted = zc.what_if({of}, [patches], prices={dict(scenario.prices)!r})",
    )) + "\n"  # fmt: skip


def scenarios_text(scenarios: Iterable[Scenario]) -> str:
    """Scenarios as TOML.

    Parameters
    ----------
    scenarios
        In the order to keep.
    """
    return "\n".join("\n".join(_lines(scenario)) for scenario in scenarios)


def parse_scenarios(text: str) -> tuple[Scenario, ...]:
    """The scenarios that a TOML text holds.

    Parameters
    ----------
    text
        As `scenarios_text` writes it.

    Raises
    ------
    PatchError
        If it is no TOML, holds what no scenario has, or a patch or price that cannot be; one line that says where.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise PatchError(f"is no TOML: {str(error).splitlines()[0]}") from error
    tables = document.get("scenario", [])
    if set(document) - {"scenario"} or not isinstance(tables, list):
        raise PatchError("expected tables [[scenario]] and nothing else")
    if len(tables) > MOST_SCENARIOS:
        raise PatchError(f"holds {len(tables)} scenarios, expected at most {MOST_SCENARIOS}")
    return tuple(_scenario(f"scenario[{at}]", table) for at, table in enumerate(tables))


def read_scenarios(file: str | Path) -> tuple[Scenario, ...]:
    """The scenarios of a file.

    Parameters
    ----------
    file
        As `write_scenarios` writes it.

    Raises
    ------
    PatchError
        If it cannot be read, or as for `parse_scenarios`.
    """
    try:
        with Path(file).open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise PatchError(f"{file}: is larger than {MOST_BYTES >> 20} MB, expected scenarios")
        return parse_scenarios(data.decode())
    except UnicodeDecodeError as error:
        raise PatchError(f"{file}: is no text (UTF-8): byte {error.start}") from error
    except OSError as error:
        raise PatchError(f"{file}: {error.strerror or error}") from error
    except PatchError as error:
        raise error if str(error).startswith(f"{file}: ") else PatchError(f"{file}: {error}") from error


def write_scenarios(scenarios: Iterable[Scenario], file: str | Path) -> None:
    """Writes the scenarios to a file, which `read_scenarios` reads to equal ones.

    Parameters
    ----------
    scenarios
        In the order to keep.
    file
        Overwritten.

    Raises
    ------
    PatchError
        If it cannot be written.
    """
    try:
        Path(file).write_bytes(scenarios_text(scenarios).encode())
    except (OSError, ValueError) as error:
        raise PatchError(f"{file}: {getattr(error, 'strerror', None) or error}") from error


def _lines(scenario: Scenario) -> list[str]:
    lines = ["[[scenario]]", f"name = {toml_value(scenario.name)}"]
    lines.append(f"patches = {toml_value(tuple(map(str, scenario.patches)))}")
    if scenario.prices:
        lines += ["[scenario.prices]", *(f"{toml_value(name)} = {value!r}" for name, value in scenario.prices.items())]
    return [*lines, ""]


def _scenario(place: str, table: object) -> Scenario:
    if not isinstance(table, dict):
        raise PatchError(f"{place} must be a table, got {shown(table)}")
    for key in table:
        if key not in KEYS:
            raise PatchError(f"{place}.{shown(key)[1:-1]} is unknown: {', '.join(KEYS)}")
    name, patches, prices = table.get("name"), table.get("patches", []), table.get("prices", {})
    if not isinstance(name, str):
        raise PatchError(f"{place}.name must be a text, got {shown(name)}")
    if not isinstance(patches, list) or not all(isinstance(text, str) for text in patches):
        raise PatchError(f"{place}.patches must be a list of texts, got {shown(patches)}")
    if not isinstance(prices, dict) or not all(_is_number(value) for value in prices.values()):
        raise PatchError(f"{place}.prices must be a table of numbers, got {shown(prices)}")
    try:
        return Scenario(
            name=name,
            patches=tuple(map(parse_patch, patches)),
            prices={price: float(value) for price, value in prices.items()},
        )
    except PatchError as error:
        raise PatchError(f"{place}: {error}") from error


def _is_number(value: Any) -> bool:  # noqa: ANN401 - whatever TOML can hold
    return isinstance(value, int | float) and not isinstance(value, bool)

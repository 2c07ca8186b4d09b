"""Hosts that come with the house: described from published figures, and assumed where nothing was published."""

from functools import cache
from importlib.resources import files
from typing import Final

from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts.host import Host
from zcanalysis.hosts.toml_text import parse_host

PRESETS: Final = ("modern", "host_2002", "quadrics_elan3")


@cache
def preset(name: str) -> Host:
    """One of `PRESETS`.

    Parameters
    ----------
    name
        Its name.

    Raises
    ------
    ImpossibleHostError
        If there is none of that name.
    """
    if name not in PRESETS:
        raise ImpossibleHostError(f"no preset {name!r}, there are {', '.join(PRESETS)}")
    return parse_host((files("zcanalysis.hosts") / "presets" / f"{name}.toml").read_text(encoding="utf-8"))

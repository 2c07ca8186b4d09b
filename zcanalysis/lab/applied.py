"""Patches as the lab applies them: pure functions from one scenario to another, each changing only what it says.

`gro=on` turns on GRO, which on a veth also brings NAPI; RPS stays as it was (the scenario named `gro` is another
one: GRO without RPS). `hw-checksum=on` changes nothing: a veth hands over verified checksums already.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from zcanalysis.errors import HostError
from zcanalysis.lab.scenarios import Scenario

STEERED_TO: Final = 1
SWITCH: Final = {"on": True, "off": False}


def patched(scenario: Scenario, patch: str) -> Scenario:
    """The scenario with one patch applied, named after both.

    Parameters
    ----------
    scenario
        What is changed.
    patch
        NAME=VALUE as the command line takes it.

    Raises
    ------
    HostError
        If the lab cannot apply a patch of that name, or not with that value.

    Examples
    --------
    >>> patched(Scenario(name="mtu-1500"), "mtu=9000").mtu
    9000
    """
    name, _, value = patch.partition("=")
    if name not in APPLIED:
        raise HostError(f"{patch}: the lab cannot apply this; it can apply {', '.join(APPLIED)}")
    try:
        changed = APPLIED[name](scenario, value)
    except (KeyError, ValueError) as error:
        raise HostError(f"{patch}: {value or 'nothing'!r} is no value of {name} here: {error}") from error
    return replace(changed, name=f"{scenario.name}+{patch}")


def _checksum(scenario: Scenario, value: str) -> Scenario:
    if value != "on":
        raise ValueError("a veth's checksums are always verified")
    return scenario


def _mtu(scenario: Scenario, value: str) -> Scenario:
    return replace(scenario, mtu=int(value))


def _gro(scenario: Scenario, value: str) -> Scenario:
    return replace(scenario, receiver_gro=SWITCH[value])


def _rps(scenario: Scenario, value: str) -> Scenario:
    """Off, to a CPU, or on: to where it was, else to CPU 1."""
    if value == "off":
        return replace(scenario, rps_cpu=None)
    if value == "on":
        return scenario if scenario.rps_cpu is not None else replace(scenario, rps_cpu=STEERED_TO)
    return replace(scenario, rps_cpu=int(value))


def _rcvbuf(scenario: Scenario, value: str) -> Scenario:
    return replace(scenario, rcvbuf_bytes=int(value))


def _competing_load(scenario: Scenario, value: str) -> Scenario:
    """One process that computes beside the reader, or none."""
    count = int(value)
    if count not in (0, 1):
        raise ValueError("the lab starts at most one")
    return replace(scenario, hog_cpu=scenario.reader_cpu if count else None)


def _link(scenario: Scenario, value: str) -> Scenario:
    return replace(scenario, link_rate_gbps=float(value))


APPLIED: Final[dict[str, Callable[[Scenario, str], Scenario]]] = {
    "hw-checksum": _checksum,
    "mtu": _mtu,
    "gro": _gro,
    "rps": _rps,
    "rcvbuf": _rcvbuf,
    "competing-load": _competing_load,
    "link-gbps": _link,
}

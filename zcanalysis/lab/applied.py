"""Patches as the lab applies them: pure functions from one scenario to another, each changing only what it says.

`gro=on` turns on GRO, which on a veth also brings NAPI; RPS stays as it was (the scenario named `gro` is another
one: GRO without RPS). `hw-checksum=off` has both ends sum every byte: a veth knows nothing else. `reader-bytes` and
`busy-poll` bring our own sender and receiver where iperf3 ran before, and `zero-copy-rx` a sender that hands over whole
pages: to see the patch alone, begin with a scenario that has them (`reader_bytes = 131072`, `whole-pages`).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from zcanalysis.errors import HostError
from zcanalysis.lab.scenarios import Scenario

STEERED_TO: Final = 1
SWITCH: Final = {"": True, "on": True, "off": False}
NOT_APPLIED: Final = {"rfs": "its table is of all hosts of this machine (net.core.rps_sock_flow_entries)"}


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
        why = f": {NOT_APPLIED[name]}" if name in NOT_APPLIED else f"; it can apply {', '.join(APPLIED)}"
        raise HostError(f"{patch}: the lab cannot apply this{why}")
    try:
        changed = APPLIED[name](scenario, value)
    except (KeyError, ValueError) as error:
        raise HostError(
            f"{patch}: {value or 'nothing'!r} is no value of {name} for {scenario.name}: {error}"
        ) from error
    return replace(changed, name=f"{scenario.name}+{patch}")


def _checksum(scenario: Scenario, value: str) -> Scenario:
    return replace(scenario, sender_checksum_offload=SWITCH[value], receiver_checksum_offload=SWITCH[value])


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


def _gso(scenario: Scenario, value: str) -> Scenario:
    return replace(scenario, sender_gso=SWITCH[value])


def _autotuning(scenario: Scenario, value: str) -> Scenario:
    return replace(scenario, autotuning=SWITCH[value])


def _quickack(scenario: Scenario, value: str) -> Scenario:
    return replace(scenario, quickack=SWITCH[value])


def _delack(scenario: Scenario, value: str) -> Scenario:
    return replace(scenario, delack_ms=int(value))


def _competing_load(scenario: Scenario, value: str) -> Scenario:
    """Processes that compute beside the reader, or none."""
    count = int(value)
    if count == 0:
        return replace(scenario, hog_cpu=None, hogs=1)
    return replace(scenario, hog_cpu=scenario.reader_cpu, hogs=count)


def _link(scenario: Scenario, value: str) -> Scenario:
    return replace(scenario, link_rate_gbps=float(value))


def _reader_cpu(scenario: Scenario, value: str) -> Scenario:
    """To the CPU of the softirq, or to another: where it is, else the sender's if free, else the next."""
    softirq = scenario.sender_cpu if scenario.rps_cpu is None else scenario.rps_cpu
    if value == "shared":
        return replace(scenario, reader_cpu=softirq)
    if value != "split":
        raise ValueError("expected split or shared")
    others = (scenario.reader_cpu, scenario.sender_cpu, STEERED_TO)
    return replace(scenario, reader_cpu=next((cpu for cpu in others if cpu != softirq), 0))


def _reader_bytes(scenario: Scenario, value: str) -> Scenario:
    return replace(scenario, reader_bytes=int(value))


def _zero_copy(scenario: Scenario, value: str) -> Scenario:
    """On brings a sender of pages; off leaves that as it is, so that only the reader changes."""
    return replace(scenario, zero_copy=SWITCH[value], sender_pages=SWITCH[value] or scenario.sender_pages)


def _busy_poll(scenario: Scenario, value: str) -> Scenario:
    return replace(scenario, busy_poll_us=int(value))


def _flows(scenario: Scenario, value: str) -> Scenario:
    return replace(scenario, flows=int(value))


APPLIED: Final[dict[str, Callable[[Scenario, str], Scenario]]] = {
    "hw-checksum": _checksum,
    "mtu": _mtu,
    "gro": _gro,
    "gso": _gso,
    "rps": _rps,
    "cpu": _reader_cpu,
    "rcvbuf": _rcvbuf,
    "autotuning": _autotuning,
    "quickack": _quickack,
    "delack-ms": _delack,
    "competing-load": _competing_load,
    "link-gbps": _link,
    "reader-bytes": _reader_bytes,
    "zero-copy-rx": _zero_copy,
    "busy-poll": _busy_poll,
    "flows": _flows,
}

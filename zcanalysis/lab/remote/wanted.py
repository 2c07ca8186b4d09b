"""What a scenario asks of two machines that are not ours: which settings it names, and what cannot be had there."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Interface
from typing import Any, Final, NamedTuple

from zcanalysis.errors import HostError
from zcanalysis.lab.namespaces import cpu_mask, token_bucket
from zcanalysis.lab.remote.ssh import Machine
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.lab.transfer import PORT
from zcanalysis.own_code import VERSION
from zcanalysis.patches.acks import RTO_MIN, rto_min_after_us
from zcanalysis.patches.patch import Patch

PAGE_WINDOWS_BYTES: Final = 1 << 27
MOST_HOGS: Final = 16

Facts = Mapping[str, Any]
Setting = dict[str, Any]


class Joined(NamedTuple):
    """How two machines are joined."""

    receiver_device: str
    sender_device: str
    address: str
    """Of the receiver."""


def refuse(scenario: Scenario) -> None:
    """Raise a `HostError` for what cannot be applied or put back on a machine that is not the lab's own."""
    asked = {
        "quickack": (scenario.quickack, "it changes a route"),
        "zero_copy": (scenario.zero_copy, "pages arrive whole over a veth, not from a device"),
    }
    if scenario.hogs > MOST_HOGS:
        raise HostError(f"scenario {scenario.name}: at most {MOST_HOGS} hogs over ssh: each is a connection")
    for name, (wanted, why) in asked.items():
        if wanted:
            raise HostError(f"scenario {scenario.name}: {name} cannot be applied over ssh: {why}")


def require_machine(machine: Machine, facts: Facts, cpus: set[int]) -> None:
    """Raise a `HostError` unless a machine has what the lab needs."""
    if facts.get("version") != VERSION:
        raise HostError(f"{machine.host}: has zcanalysis {facts.get('version')}, ours is {VERSION}")
    if not facts["root"]:
        raise HostError(f"{machine.host}: we are not root there; settings and CPU samples need it")
    if facts["missing"]:
        raise HostError(f"{machine.host}: needs {', '.join(facts['missing'])}")
    if absent := sorted(cpus - set(facts["cpus"])):
        raise HostError(f"{machine.host}: has no CPU {', '.join(map(str, absent))}; we may use {facts['cpus']}")


def require_free_port(machine: Machine, facts: Facts) -> None:
    """Raise a `HostError` where somebody listens on the port of the transfer."""
    if facts["port_taken"]:
        raise HostError(f"{machine.host}: port {PORT} is in use there; end what listens on it")


def joined(receiver: Facts, sender: Facts, devices: Sequence[str] = ()) -> Joined:
    """The one network in which both have an address.

    Parameters
    ----------
    receiver, sender
        What `facts` says of both.
    devices
        The receiver's, and the sender's, where somebody names them.

    Raises
    ------
    HostError
        If there is none, or more than one.
    """
    found = list(_joined(receiver["addresses"], sender["addresses"]))
    for name, place in zip(devices, ("receiver", "sender"), strict=False):
        if name not in (receiver if place == "receiver" else sender)["queues"]:
            raise HostError(f"{name}: the {place} has no such device")
        found = [each for each in found if getattr(each, f"{place}_device") == name]
    if not found:
        named = f" over {', '.join(devices)}" if devices else ""
        raise HostError(f"no IPv4 network joins the two machines{named}: both need an address in one")
    if len(found) > 1:
        several = ", ".join(f"{each.receiver_device},{each.sender_device} ({each.address})" for each in found)
        raise HostError(f"several networks join the two machines: {several}; choose one with --device RECEIVER,SENDER")
    return found[0]


def _joined(receiver: Sequence[Sequence[Any]], sender: Sequence[Sequence[Any]]) -> Iterator[Joined]:
    for device, address, length in receiver:
        here = IPv4Interface(f"{address}/{length}")
        for other, far, far_length in sender:
            there = IPv4Interface(f"{far}/{far_length}")
            if here.network == there.network and here.ip != there.ip and here.network.prefixlen < here.max_prefixlen:
                yield Joined(device, other, address)


def receiver_settings(scenario: Scenario, device: str, facts: Facts) -> list[Setting]:
    """What is changed on the receiver, in order."""
    mask = "0" if scenario.rps_cpu is None else cpu_mask(scenario.rps_cpu)
    steering = [
        {"path": f"/sys/class/net/{device}/queues/rx-{queue}/rps_cpus", "value": mask}
        for queue in range(facts["queues"][device])
    ]
    features = [{"device": device, "feature": "generic-receive-offload", "value": _on(scenario.receiver_gro)}]
    if not scenario.receiver_checksum_offload:
        features.append({"device": device, "feature": "rx-checksumming", "value": "off"})
    return [_mtu(device, scenario), *features, *steering, *_receiver_limits(scenario, facts)]


def _receiver_limits(scenario: Scenario, facts: Facts) -> list[Setting]:
    size, settings = scenario.rcvbuf_bytes, []
    if size is not None:
        settings.append(_sysctl("net.ipv4.tcp_rmem", f"{min(4096, size)} {size} {size}"))
    elif scenario.sender_pages:
        settings.append(_sysctl("net.ipv4.tcp_rmem", f"4096 131072 {PAGE_WINDOWS_BYTES}"))
    if not scenario.autotuning:
        settings.append(_sysctl("net.ipv4.tcp_moderate_rcvbuf", "0"))
    if scenario.delack_ms is not None:
        if not isinstance(facts["hz"], int):
            raise HostError("the receiver's kernel does not say how many ticks a second has: leave delack_ms alone")
        shortest_us = rto_min_after_us(Patch("delack-ms", scenario.delack_ms), facts["hz"])
        settings.append(_sysctl(RTO_MIN, str(shortest_us)))
    return settings


def sender_settings(scenario: Scenario, device: str) -> list[Setting]:
    """What is changed on the sender, in order; reno by default because a bbr socket paces whatever follows it."""
    names = ("tcp-segmentation-offload", "generic-segmentation-offload")
    features = [{"device": device, "feature": name, "value": _on(scenario.sender_gso)} for name in names]
    if not scenario.sender_checksum_offload:
        features.append({"device": device, "feature": "tx-checksumming", "value": "off"})
    settings = [_mtu(device, scenario), *features, _sysctl("net.ipv4.tcp_congestion_control", "reno")]
    if scenario.link_rate_gbps is not None:
        settings.append({"device": device, "arguments": token_bucket(scenario.link_rate_gbps, scenario)})
    return settings


def _on(wanted: bool) -> str:
    return "on" if wanted else "off"


def _mtu(device: str, scenario: Scenario) -> Setting:
    return {"path": f"/sys/class/net/{device}/mtu", "value": str(scenario.mtu)}


def _sysctl(name: str, value: str) -> Setting:
    return {"path": f"/proc/sys/{name.replace('.', '/')}", "value": value}

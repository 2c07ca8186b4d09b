"""Patches of the network device: MTU, offloads, interrupt delay, ring, queues, NAPI."""

import re
import shlex
from typing import Final

from zcanalysis.io.host_facts import HostFacts
from zcanalysis.patches.kernels import NO_KERNEL, at_least
from zcanalysis.patches.patch import Patch, Setting, already, cannot, imagined, step

# What dev_valid_name takes (net/core/dev.c), less a leading dash, which tools would take for an option
DEVICE_NAME: Final = re.compile(r"(?!-|\.{1,2}$)[^\s/:\x00-\x1f\x7f\ufffd]{1,15}")
GRO: Final = "generic-receive-offload"
RX_CHECKSUM: Final = "rx-checksumming"
NO_DEVICE: Final = "the recording does not name the device"
QUEUED_BY_HOST: Final = frozenset({"virtio_net"})  # virtual, and yet with queues and interrupts of their own
CHECKED: Final = {
    "ipv4": "a device that verifies TCP over IPv4 only; IPv6, tunnels and fragments stay with a CPU",
    "ipv4+ipv6": "a device that verifies TCP over IPv4 and IPv6; tunnels and fragments stay with a CPU",
    "any": "a device that sums whatever arrives (CHECKSUM_COMPLETE): tunnels and fragments too",
    "trusted": "a link that checks by itself and a driver that says so; what memory or bus spoils goes unseen",
}


def device_of(host: HostFacts) -> str | None:
    """The device's name, if a kernel could have such a device: host.json may have been written by anybody."""
    return host.device if host.device and DEVICE_NAME.fullmatch(host.device) else None


def mtu(patch: Patch, host: HostFacts) -> Setting:
    """How to give the device another MTU."""
    device = device_of(host)
    if device is None or host.mtu is None:
        return cannot(NO_DEVICE if device is None else f"the recording does not say the MTU of {device}")
    if host.mtu == patch.value:
        return already(f"the MTU is {host.mtu} already")
    command = f"ip link set dev {shlex.quote(device)} mtu"
    note = "the sender and every switch between must carry it too; connections that exist keep their segments"
    return step(f"{command} {patch.value}", f"{command} {host.mtu}", note)


def gro(patch: Patch, host: HostFacts) -> Setting:
    """How to turn generic receive offload on or off."""
    return _offload(patch, host, GRO, "gro")


def checksum(patch: Patch, host: HostFacts) -> Setting:
    """How to turn the device's checksum verification on or off; a device that verifies other packets is a question."""
    if isinstance(patch.value, str):
        if (present := host.features.get(RX_CHECKSUM)) is None:
            return cannot(f"the recording does not say whether {RX_CHECKSUM} is on")
        return already(f"{RX_CHECKSUM} is on already") if present else imagined(CHECKED[patch.value])
    return _offload(patch, host, RX_CHECKSUM, "rx")


def _offload(patch: Patch, host: HostFacts, feature: str, option: str) -> Setting:
    device, present = device_of(host), host.features.get(feature)
    if device is None or present is None:
        return cannot(NO_DEVICE if device is None else f"the recording does not say whether {feature} is on")
    if present == patch.value:
        return already(f"{feature} is {_word(present)} already")
    if feature in host.fixed_features:
        return cannot(f"the driver of {device} keeps {feature} {_word(present)}", in_place=False)
    command = f"ethtool -K {shlex.quote(device)} {option}"
    return step(f"{command} {_word(not present)}", f"{command} {_word(present)}", "")


def _word(on: bool) -> str:
    return "on" if on else "off"


def coalesce(patch: Patch, host: HostFacts) -> Setting:
    """How to change the delay before a receive interrupt."""
    device, present = device_of(host), host.coalesce
    if device is None or present is None:
        return cannot(NO_DEVICE if device is None else f"no interrupt delay of {device} is recorded: it may have none")
    if present.rx_usecs == patch.value and not present.adaptive_rx:
        return already(f"the delay is {present.rx_usecs} us already")
    command = f"ethtool -C {shlex.quote(device)}"
    if present.adaptive_rx:
        undo = f"{command} adaptive-rx on rx-usecs {present.rx_usecs}"
        return step(f"{command} adaptive-rx off rx-usecs {patch.value}", undo, "turns adaptive moderation off")
    return step(f"{command} rx-usecs {patch.value}", f"{command} rx-usecs {present.rx_usecs}", "")


def ring(patch: Patch, host: HostFacts) -> Setting:
    """How to give the device a receive ring of another size."""
    device, present = device_of(host), host.ring
    if device is None or present is None:
        return cannot(NO_DEVICE if device is None else f"no ring of {device} is recorded: it may have none")
    if patch.number > present.rx_max:
        return cannot(f"the ring of {device} holds at most {present.rx_max} packets", in_place=False)
    if present.rx == patch.value:
        return already(f"the ring holds {present.rx} packets already")
    command = f"ethtool -G {shlex.quote(device)} rx"
    return step(f"{command} {patch.value}", f"{command} {present.rx}", "most drivers restart the device for it")


def queues(patch: Patch, host: HostFacts) -> Setting:
    """How to give the device more receive queues, or fewer."""
    device, present = device_of(host), host.channels
    if host.physical is False and host.driver not in QUEUED_BY_HOST:
        return cannot("the device is virtual: packets go to the queue that their sender chose", in_place=False)
    if device is None or present is None:
        return cannot(NO_DEVICE if device is None else f"no channels of {device} are recorded: it may have none")
    if patch.number > present.most:
        return cannot(f"{device} has at most {present.most} queues", in_place=False)
    if present.queues == patch.value:
        return already(f"of {present.most} queues {device} receives by {present.queues} already")
    command = f"ethtool -L {shlex.quote(device)} {present.kind}"
    note = "one connection stays in one queue; most drivers restart the device for it"
    return step(f"{command} {patch.value}", f"{command} {present.queues}", note)


def napi(patch: Patch, host: HostFacts) -> Setting:
    """Whether the driver polls under load instead of taking an interrupt a packet."""
    known, device = at_least(host, 2, 4, 20), device_of(host)
    if known is None:
        return cannot(NO_KERNEL)
    if not known:
        why = "NAPI came with Linux 2.4.20: there is none to turn off"
        return imagined("Linux 2.4.20 and a driver written for it") if patch.value else already(why)
    if device == "lo":
        return cannot("the loopback device hands packets over without it", in_place=False)
    if host.driver == "veth":
        return _veth_napi(patch, host)
    if host.generation != "linux-6" or (not host.physical and host.driver not in QUEUED_BY_HOST):
        return cannot(f"the recording does not say whether {host.driver or 'the driver'} receives by NAPI")
    return already("the driver receives by NAPI already") if patch.value else _no_way_back(host)


def _no_way_back(host: HostFacts) -> Setting:
    return cannot(f"{host.driver or 'the driver'} knows no other way to receive", in_place=False)


def _veth_napi(patch: Patch, host: HostFacts) -> Setting:
    """Since Linux 5.13 a veth receives by NAPI where GRO is on (drivers/net/veth.c)."""
    polls = host.features.get(GRO)
    if polls is None or not at_least(host, 5, 13):
        return cannot("the recording does not say whether this veth receives by NAPI")
    if polls == patch.value:
        return already(f"GRO is {_word(polls)}, so this veth receives {'by' if polls else 'without'} NAPI already")
    return cannot(f"a veth receives by NAPI where GRO is on: ask gro={_word(not polls)}", in_place=False)

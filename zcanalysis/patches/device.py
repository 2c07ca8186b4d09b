"""Patches of the network device: MTU, offloads, interrupt delay, ring."""

import re
import shlex
from typing import Final

from zcanalysis.io.host_facts import HostFacts
from zcanalysis.patches.patch import Patch, Setting, already, cannot, step

# What dev_valid_name takes (net/core/dev.c), less a leading dash, which tools would take for an option
DEVICE_NAME: Final = re.compile(r"(?!-|\.{1,2}$)[^\s/:\x00-\x1f\x7f\ufffd]{1,15}")
GRO: Final = "generic-receive-offload"
RX_CHECKSUM: Final = "rx-checksumming"
NO_DEVICE: Final = "the recording does not name the device"


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
    """How to turn the device's checksum verification on or off."""
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

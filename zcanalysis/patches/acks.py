"""Patches of the ACK clock: the prequeue of old kernels, delayed ACKs, quick ACKs."""

import re
import shlex
from collections.abc import Iterable
from typing import Final

from zcanalysis.io.host_facts import HostFacts
from zcanalysis.patches.device import NO_DEVICE, RX_CHECKSUM, device_of
from zcanalysis.patches.kernels import NO_KERNEL, at_least
from zcanalysis.patches.patch import Patch, Setting, already, cannot, imagined, step

LOW_LATENCY: Final = "net.ipv4.tcp_low_latency"
RTO_MIN: Final = "net.ipv4.tcp_rto_min_us"
NO_PREQUEUE: Final = "Linux 4.14 removed the prequeue: every packet is handled when it arrives"
QUICKACK: Final = re.compile(r"\s+quickack 1\b")
_WORD: Final = r"[0-9A-Za-z][0-9A-Za-z./_]{0,42}"
ROUTE: Final = re.compile(
    rf"({_WORD})((?: (?:via|proto|scope|src|metric|mtu|advmss|initcwnd|initrwnd|window) {_WORD})*)", re.ASCII
)
"""An IPv4 route whose every word `ip route change` takes back; others (nexthops, locks, flags) are left alone."""


def prequeue_bypass(patch: Patch, host: HostFacts) -> Setting:
    """How to pass by the prequeue where the checksum is known: a question, it needs another kernel."""
    del patch
    gone = at_least(host, 4, 14)
    if gone is None:
        return cannot(NO_KERNEL)
    if gone:
        return already(NO_PREQUEUE)
    if host.features.get(RX_CHECKSUM) is False:
        return cannot("the device verifies no checksum: packets stay in the prequeue", in_place=False)
    return imagined(
        "a kernel built with it (2.4.4 or later); readers that poll or do not block never used the prequeue"
    )


def prequeue(patch: Patch, host: HostFacts) -> Setting:
    """How to turn the prequeue off or on: a setting from 2.4.22 to 4.13."""
    gone = at_least(host, 4, 14)
    if gone is None:
        return cannot(NO_KERNEL)
    if gone:
        return (
            cannot(f"{NO_PREQUEUE}; no setting brings it back", in_place=False) if patch.value else already(NO_PREQUEUE)
        )
    if not at_least(host, 2, 4, 22):
        why = "packets go through the prequeue already"
        return already(why) if patch.value else imagined("another kernel: the setting came with Linux 2.4.22")
    present = host.sysctls.get(LOW_LATENCY, "")
    if not _is_number(present):
        return cannot(f"the recording does not say {LOW_LATENCY}")
    if (int(present) == 0) == patch.value:
        return already(f"{LOW_LATENCY} is {int(present)} already")
    command = f"sysctl -w {LOW_LATENCY}"
    return step(f"{command}={0 if patch.value else 1}", f"{command}={int(present)}", "")


def delack(patch: Patch, host: HostFacts) -> Setting:
    """How to bound the delay of ACKs: since Linux 6.11 it ends a tick before the shortest retransmission timeout."""
    present = host.sysctls.get(RTO_MIN, "")
    settable = _is_number(present) or at_least(host, 6, 11)  # distributions backport it
    if settable is None:
        return cannot(NO_KERNEL)
    if not settable:
        return imagined(f"no setting for all connections before {RTO_MIN} of Linux 6.11: the bound is compiled in")
    if host.hz is None or not _is_number(present):
        return cannot(f"the recording does not say {'the ticks a second' if host.hz is None else RTO_MIN}")
    after_us = rto_min_after_us(patch, host.hz)
    if int(present) == after_us:
        return already(f"{RTO_MIN} is {after_us} already")
    note = (
        f"connections made after it; what this host sends is sent again after {after_us / 1000:g} ms at the earliest;"
        " a route's rto_min goes first; most ACKs wait 40 ms, so a bound above that seldom acts"
    )
    return step(f"sysctl -w {RTO_MIN}={after_us}", f"sysctl -w {RTO_MIN}={int(present)}", note)


def rto_min_after_us(patch: Patch, hz: int) -> int:
    """The shortest retransmission timeout whose delayed ACK is that late: a tick more, in whole ticks.

    net/ipv4/tcp_output.c tcp_delack_max: ``max(rto_min, 2) - 1`` ticks.
    """
    ticks = max(-(-int(patch.number) * hz // 1000), 1) + 1
    return ticks * 1_000_000 // hz


def quickack(patch: Patch, host: HostFacts) -> Setting:
    """How to have every segment acknowledged at once, by an attribute of the route."""
    settable, device = at_least(host, 3, 11), device_of(host)
    if settable is None:
        return cannot(NO_KERNEL)
    if not settable:
        return imagined("the program sets TCP_QUICKACK again and again: the route's attribute came with Linux 3.11")
    if device is None or not host.routes:
        return cannot(NO_DEVICE if device is None else f"no IPv4 route through {device} is recorded")
    if not all(ROUTE.fullmatch(without_quickack(route)) for route in host.routes):
        return cannot(f"a route through {device} is not of a simple form: it could not be undone")
    if all(bool(QUICKACK.search(route)) == patch.value for route in host.routes):
        return already(f"the routes through {device} say quickack {int(bool(patch.value))} already")
    return step(
        _changes(device, routes_after(patch, host.routes)),
        _changes(device, host.routes),
        "all that comes through this device from IPv4 senders; more ACKs cost both sides CPU",
    )


def routes_after(patch: Patch, routes: Iterable[str]) -> tuple[str, ...]:
    """The routes with the attribute, or without."""
    return tuple(without_quickack(route) + (" quickack 1" if patch.value else "") for route in routes)


def without_quickack(route: str) -> str:
    """A route as it is without the attribute."""
    return QUICKACK.sub("", " ".join(route.split()))


def _changes(device: str, routes: Iterable[str]) -> str:
    ends = (" ".join(route.split()).partition(" ") for route in routes)
    return " && ".join(f"ip route change {to} dev {shlex.quote(device)} {rest}".rstrip() for to, _, rest in ends)


def _is_number(text: str) -> bool:
    return text.isdecimal() and text.isascii()

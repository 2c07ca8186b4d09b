"""Which values of each patch a control offers."""

from collections.abc import Iterator, Mapping
from typing import Final

from zcanalysis.errors import PatchError
from zcanalysis.exploring import Subject
from zcanalysis.patches import Patch, entry_of
from zcanalysis.patches.patch import Value
from zcanalysis.patches.values import ALWAYS, CPU, CPU_OR_OFF, SWITCH

KILO: Final = 1024
OFFERED: Final[Mapping[str, tuple[Value, ...]]] = {
    "mtu": (576, 1000, 1280, 1500, 2000, 3000, 4000, 4148, 6000, 8244, 9000, 16000, 32000, 65535),
    "hw-checksum": (True, False, "ipv4", "ipv4+ipv6", "any", "trusted"),
    "coalesce-us": (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
    "ring": (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384),
    "queues": (1, 2, 4, 8, 16, 32, 64),
    "dma-gbps": (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0),
    "dma-burst": (64, 128, 256, 512, 1024, 2048, 4096),
    "delack-ms": (1, 2, 5, 10, 20, 40, 100, 200),
    "rcvbuf": tuple(KILO << bits for bits in range(5, 18)),
    "rtt-us": (10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5),
    "copy-gbps": (5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 150.0, 200.0, 400.0),
    "cpu": ("shared", "split"),
    "reader-bytes": tuple(KILO << bits for bits in range(1, 13)),
    "busy-poll": (0, 10, 20, 50, 100, 200),
    "competing-load": (0, 1, 2, 3, 4, 8),
    "numa": ("local",),
    "link-gbps": (1.0, 2.0, 2.5, 4.0, 5.0, 8.0, 10.0, 20.0, 25.0, 40.0, 50.0, 100.0, 200.0, 400.0),
    "cpu-speed": (0.25, 0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2.0, 3.0, 4.0),
    "flows": (1, 2, 4, 8, 16, 32, 64),
}
"""Values that are asked for in practice; a loaded scenario may bring others."""
MOST_CPUS: Final = 16


def offered(name: str, subject: Subject) -> list[Patch]:
    """The patches of a kind that a control offers, in order of value.

    Parameters
    ----------
    name
        Of the catalogue.
    subject
        Whose CPUs can be named.
    """
    return [patch for value in _values(name, subject) if (patch := _patch(name, value)) is not None]


def _values(name: str, subject: Subject) -> Iterator[Value]:
    entry = entry_of(name)
    kind = entry.value
    if kind in (CPU, CPU_OR_OFF):
        if kind is CPU_OR_OFF:
            yield None
        yield from range(min(_cpus(subject), MOST_CPUS))
    elif kind in (SWITCH, ALWAYS):
        yield True
        if kind is SWITCH:
            yield False
    else:
        yield from OFFERED.get(name, entry.tries)


def _cpus(subject: Subject) -> int:
    facts = None if subject.answer is None else subject.answer.recording.host
    return (facts.cpus if facts else None) or 1


def _patch(name: str, value: Value) -> Patch | None:
    try:
        return Patch(name, value) if entry_of(name).value.fits(value) else None
    except PatchError:
        return None

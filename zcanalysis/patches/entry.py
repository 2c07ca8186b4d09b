"""What the catalogue says of one kind of patch."""

from collections.abc import Callable
from typing import Final, NamedTuple

from zcanalysis.hosts import Host
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.patches.patch import Patch, Setting, Value
from zcanalysis.patches.values import Kind

TODAY: Final = frozenset({"linux-6"})
EVERY: Final = TODAY | {"linux-2.4"}


class Entry(NamedTuple):
    """One kind of patch; the last two fields are for those that extensions bring."""

    name: str
    value: Kind
    what: str
    """What it changes, in one line."""
    source: str
    """Where the kernel does it, or who described it."""
    unless: str
    """When it does not apply."""
    on: Callable[[Patch, HostFacts], Setting]
    generations: frozenset[str] = TODAY
    """Receive paths that it has a meaning on."""
    effect: Callable[[Host, Patch], Host] | None = None
    """What it does to a calibrated host; None: the replay does not know it. Of our own patches `patched` knows."""
    tries: tuple[Value, ...] = ()
    """Values that advice weighs and the explorer offers. Of our own, each of them knows."""
